//! One pattern of a rule, with its form found out beforehand: most are a beginning and a star.

use crate::text::{Case, glob_matches};

/// A glob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    text: Box<[u8]>,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Nothing in it means anything but itself.
    Plain,
    /// `abc*`: so many plain bytes, at least one, and a star.
    Beginning(usize),
    /// All others.
    Glob,
}

impl Pattern {
    pub(super) fn new(text: &[u8]) -> Self {
        let is_plain = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
        let form = match text {
            [beginning @ .., b'*'] if !beginning.is_empty() && is_plain(beginning) => Form::Beginning(beginning.len()),
            text if is_plain(text) => Form::Plain,
            _ => Form::Glob,
        };
        Self { text: text.into(), form }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it matches a name, as a glob does. O(n) but for those of many stars.
    #[inline]
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        match self.form {
            Form::Beginning(len) => name.len() >= len && begins_with(name, &self.text[..len]),
            Form::Plain => *self.text == *name,
            Form::Glob => glob_matches(&self.text, name, Case::Exact),
        }
    }
}

/// `name.starts_with(beginning)`, of a name that is long enough. Beginnings are short: words are compared before `memcmp` would
/// be called.
#[inline]
fn begins_with(name: &[u8], beginning: &[u8]) -> bool {
    let (words, rest) = beginning.as_chunks::<4>();
    let (name_words, name_rest) = name.as_chunks::<4>();
    let tail = name.get(words.len() * 4..).unwrap_or(name_rest);
    words.iter().zip(name_words).all(|(own, wanted)| own == wanted)
        && rest.iter().zip(tail).all(|(own, wanted)| own == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_are_told_apart() {
        for (text, form) in [
            ("", Form::Plain),
            ("abc", Form::Plain),
            ("abc*", Form::Beginning(3)),
            ("*", Form::Glob),
            ("a*c", Form::Glob),
            ("a**", Form::Glob),
            ("a?*", Form::Glob),
            ("[a]*", Form::Glob),
            ("a\\*", Form::Glob),
        ] {
            assert_eq!(Pattern::new(text.as_bytes()).form, form, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_matches_as_the_glob_does(text in "[ab*?\\[\\]]{0,7}", name in "[ab]{0,9}") {
            let pattern = Pattern::new(text.as_bytes());
            prop_assert_eq!(pattern.matches(name.as_bytes()), glob_matches(text.as_bytes(), name.as_bytes(), Case::Exact));
        }

        #[test]
        fn beginnings_match_their_continuations(beginning in "[a-c]{1,9}", name in "[a-c]{0,11}") {
            let pattern = Pattern::new(format!("{beginning}*").as_bytes());
            let longer = format!("{beginning}{name}");
            prop_assert!(pattern.matches(longer.as_bytes()));
            prop_assert_eq!(pattern.matches(name.as_bytes()), name.starts_with(&beginning));
        }
    }
}
