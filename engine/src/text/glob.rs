//! Glob patterns of keys, channels and configuration names.
//!
//! ```text
//!   *        any bytes, also none
//!   ?        one byte
//!   [abc]    one of these bytes; [a-z] one of a range; [^a] any other byte; \ makes the next byte itself
//!   \x       x
//!   x        x
//! ```
//!
//! As in Redis, an empty text matches the empty pattern only, not even `*`: a command for which `*` means all must say so
//! itself. Bytes, not characters. A class that is not closed ends with the pattern, so that `[^` is any byte; a `\` at the very
//! end is itself. As in Redis, an escaped byte inside of a class matches in its own case only.
//!
//! Cost: O(pattern x text) at worst, whatever the number of stars: every part between two stars takes exactly one byte
//! for each of its elements, so only the last star passed is ever worth another try. No allocation, no recursion.

/// Whether ASCII letters of either case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They differ.
    Exact,
    /// They are the same.
    Ignore,
}

impl Case {
    fn fold(self, byte: u8) -> u8 {
        match self {
            Self::Exact => byte,
            Self::Ignore => byte.to_ascii_lowercase(),
        }
    }
}

/// Whether the whole of `text` matches `pattern`.
///
/// ```
/// use keyslot_engine::text::{Case, glob_matches};
/// assert!(glob_matches(b"h[a-e]llo*", b"hello world", Case::Exact));
/// ```
pub fn glob_matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut place) = (0, 0);
    // Where the part behind the last star begins, and which byte of the text it is tried at next.
    let mut retry: Option<(usize, usize)> = None;
    while place < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += pattern[at..].iter().take_while(|&&byte| byte == b'*').count();
            if at == pattern.len() {
                return true;
            }
            retry = Some((at, place + 1));
            continue;
        }
        match element(&pattern[at..], text[place], case) {
            Some(len) => {
                at += len;
                place += 1;
            }
            None => {
                let Some((part, next)) = retry else { return false };
                (at, place) = (part, next);
                retry = Some((part, next + 1));
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// The length of the first element of `pattern` if it matches `byte`.
#[inline]
fn element(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ref class @ ..] => {
            let (len, matched) = match_class(class, byte, case);
            matched.then_some(1 + len)
        }
        [b'\\', escaped, ..] => (case.fold(escaped) == case.fold(byte)).then_some(2),
        [own, ..] => (case.fold(own) == case.fold(byte)).then_some(1),
    }
}

/// The length of a class, of which the `[` was taken off, and whether it holds `byte`.
fn match_class(class: &[u8], byte: u8, case: Case) -> (usize, bool) {
    let inverted = class.first() == Some(&b'^');
    let mut at = usize::from(inverted);
    let mut matched = false;
    loop {
        match class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                matched |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                let (first, last) = (case.fold(first.min(last)), case.fold(first.max(last)));
                matched |= (first..=last).contains(&case.fold(byte));
                at += 3;
            }
            [own, ..] => {
                matched |= case.fold(own) == case.fold(byte);
                at += 1;
            }
        }
    }
    (at, matched != inverted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        glob_matches(pattern.as_bytes(), text.as_bytes(), Case::Exact)
    }

    #[test]
    fn patterns_that_match() {
        for (pattern, text) in [
            ("", ""),
            ("*", "abc"),
            ("**", "abc"),
            ("a*", "a"),
            ("a**", "a"),
            ("*c", "abc"),
            ("a*c", "abbbc"),
            ("a*b*c", "a-b-b-c"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hbllo"),
            ("[\\]]", "]"),
            ("[\\^]", "^"),
            ("[a^]", "^"),
            ("[a-]", "]"),
            ("[-]", "-"),
            ("[a\\-z]", "-"),
            ("[abc", "b"),
            ("[^", "x"),
            ("[^]", "x"),
            ("\\*", "*"),
            ("\\?", "?"),
            ("\\\\", "\\"),
            ("\\", "\\"),
            ("a\\bc", "abc"),
            ("*[a-c]*[0-9]", "xxbyy7z8"),
            ("[a-c-z]", "-"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_that_do_not_match() {
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("*", ""),
            ("**", ""),
            ("a", "ab"),
            ("a*c", "abd"),
            ("h[^e]llo", "hello"),
            ("h[a-b]llo", "hcllo"),
            ("[", "["),
            ("[]", "]"),
            ("[]a]", "a"),
            ("[abc", "d"),
            ("\\*", "x"),
            ("*a*b", "ba"),
            ("[a\\-z]", "m"),
            ("A", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn case_is_ignored_on_request() {
        let matches = |pattern: &str, text: &str| glob_matches(pattern.as_bytes(), text.as_bytes(), Case::Ignore);
        assert!(matches("MAX*", "maxmemory") && matches("[A-C]x", "bX") && matches("\\A", "a") && matches("[Q]", "q"));
        assert!(!matches("[\\A]", "a"), "escaped bytes of a class keep their case");
    }

    #[test]
    fn many_stars_take_no_longer_than_pattern_times_text() {
        let pattern = "a*".repeat(5000) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
        assert!(matches(&pattern, &("a".repeat(5000) + "b")));
    }

    /// The definition, spelled out: tries everything.
    fn by_definition(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| by_definition(rest, &text[skipped..])),
            (_, []) => false,
            (_, [byte, rest @ ..]) => {
                element(pattern, *byte, Case::Exact).is_some_and(|len| by_definition(&pattern[len..], rest))
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?\\[\\]\\\\^-]{0,10}", text in "[ab\\]-]{0,10}") {
            prop_assume!(!text.is_empty());
            prop_assert_eq!(matches(&pattern, &text), by_definition(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn a_text_matches_itself_escaped(text: Vec<u8>) {
            let pattern: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(glob_matches(&pattern, &text, Case::Exact));
        }

        #[test]
        fn any_pattern_returns(pattern: Vec<u8>, text: Vec<u8>) {
            glob_matches(&pattern, &text, Case::Ignore);
        }
    }
}
