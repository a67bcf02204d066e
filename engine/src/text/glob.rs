//! Glob patterns as KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules take them.
//!
//! ```text
//! *        any bytes, or none          [abc]  one of these bytes      \x  the byte x itself
//! ?        one byte                    [^a-f] none of this range
//! ```
//!
//! A class that is not closed ends with the pattern; a last `\` is itself. Patterns match whole texts.
//!
//! One place to return to is enough: when a later `*` has been reached, no earlier one can match more. So the time is at most the
//! product of both lengths, and nothing recurses.

/// Whether letters of both cases are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They differ.
    Exact,
    /// ASCII letters match in either case.
    Ignore,
}

/// Tells whether `text` as a whole matches `pattern`. O(pattern x text) at worst, no allocation.
pub fn glob_matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star: in the pattern, and the next place in the text to try.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        if p < pattern.len() {
            let (is_match, next) = match_one(&pattern[p..], text[t], case);
            if is_match {
                (p, t) = (p + next, t + 1);
                continue;
            }
        }
        let Some((after, from)) = star else { return false };
        if after == pattern.len() {
            return true;
        }
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte against the pattern's first element; returns the element's length too. `pattern` is not empty.
#[inline]
fn match_one(pattern: &[u8], byte: u8, case: Case) -> (bool, usize) {
    match pattern {
        [b'?', ..] => (true, 1),
        [b'[', class @ ..] => {
            let (is_match, len) = match_class(class, byte, case);
            (is_match, len + 1)
        }
        [b'\\', literal, ..] => (same(*literal, byte, case), 2),
        [literal, ..] => (same(*literal, byte, case), 1),
        [] => (false, 0),
    }
}

/// Matches one byte against a class, given from behind its `[`; returns its length with the `]`, if there is one.
fn match_class(class: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let is_negated = class.first() == Some(&b'^');
    let mut at = usize::from(is_negated);
    let mut is_match = false;
    loop {
        match &class[at..] {
            [] => return (is_match != is_negated, at),
            [b'\\', literal, ..] => {
                is_match |= same(*literal, byte, case);
                at += 2;
            }
            [b']', ..] => return (is_match != is_negated, at + 1),
            [first, b'-', last, ..] => {
                let (first, last, byte) = (fold(*first, case), fold(*last, case), fold(byte, case));
                is_match |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                is_match |= same(*literal, byte, case);
                at += 1;
            }
        }
    }
}

#[inline]
fn same(left: u8, right: u8, case: Case) -> bool {
    fold(left, case) == fold(right, case)
}

#[inline]
fn fold(byte: u8, case: Case) -> u8 {
    match case {
        Case::Exact => byte,
        Case::Ignore => byte.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_redis_matches_them() {
        let table: [(&str, &str, bool); 35] = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hbllo", true),
            ("[a-]", "-", false),
            ("[a-]", "^", true),
            ("[a-", "-", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[a", "a", true),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("[^a-c]*", "dx", true),
            ("*[0-9]", "x7", true),
            ("a]", "a]", true),
            ("[a-c-e]", "-", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(glob_matches(pattern.as_bytes(), text.as_bytes(), Case::Exact), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn case_counts_only_where_asked() {
        assert!(glob_matches(b"A[B-D]*", b"acX", Case::Ignore));
        assert!(!glob_matches(b"A[B-D]*", b"acX", Case::Exact));
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = b"*a".repeat(2000);
        let text = b"a".repeat(1999);
        assert!(!glob_matches(&pattern, &text, Case::Exact));
    }
}
