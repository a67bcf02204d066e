//! Which keys a selector opens, and for what.
//!
//! ```text
//! ~pattern    reading and writing        %R~pattern   reading        %W~pattern   writing
//! ```
//!
//! A key that is only looked for (EXISTS, TYPE) asks for neither, and any pattern that matches opens it.

use super::error::RuleError;
use super::pattern::Pattern;
use super::text::has_blanks;

/// What is done with a key: bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Access(pub(crate) u8);

impl Access {
    /// Its value is returned, copied or used.
    pub(crate) const READ: Self = Self(1);
    /// Its value is changed.
    pub(crate) const WRITE: Self = Self(2);
    /// Both.
    pub(crate) const ALL: Self = Self(3);

    /// Whether it allows all of `wanted`.
    #[inline]
    pub(crate) const fn covers(self, wanted: Self) -> bool {
        wanted.0 & !self.0 == 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The keys of a selector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct KeyRules {
    /// All, whatever is done.
    is_all: bool,
    patterns: Vec<(Pattern, Access)>,
}

impl KeyRules {
    pub(super) fn allow_all(&mut self) {
        *self = Self { is_all: true, patterns: Vec::new() };
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }

    /// Takes `~pattern` or `%RW~pattern`.
    pub(super) fn add(&mut self, word: &[u8]) -> Result<(), RuleError> {
        if self.is_all {
            return Err(RuleError::AfterAllKeys);
        }
        let (access, text) = match word {
            [b'~', text @ ..] => (Access::ALL, text),
            _ => read_access(word)?,
        };
        if has_blanks(text) {
            return Err(RuleError::Syntax);
        }
        match self.patterns.iter_mut().find(|(known, _)| known.text() == text) {
            Some((_, known)) => *known = known.and(access),
            None => self.patterns.push((Pattern::new(text), access)),
        }
        Ok(())
    }

    /// Whether a key is open for this. O(patterns).
    #[inline]
    pub(super) fn allow(&self, key: &[u8], wanted: Access) -> bool {
        self.is_all || self.patterns.iter().any(|(pattern, access)| access.covers(wanted) && pattern.matches(key))
    }

    /// Whether every key is, also those that nobody named.
    pub(super) fn allow_unnamed(&self, wanted: Access) -> bool {
        self.is_all || self.patterns.iter().any(|(pattern, access)| access.covers(wanted) && pattern.text() == b"*")
    }

    /// The words that give these rules to a fresh selector.
    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        if self.is_all {
            return vec![b"~*".to_vec()];
        }
        let word = |(pattern, access): &(Pattern, Access)| {
            let sign: &[u8] = match *access {
                Access::READ => b"%R~",
                Access::WRITE => b"%W~",
                _ => b"~",
            };
            [sign, pattern.text()].concat()
        };
        self.patterns.iter().map(word).collect()
    }
}

/// Reads `%R~`, `%W~` or `%RW~`, and the pattern behind that.
fn read_access(word: &[u8]) -> Result<(Access, &[u8]), RuleError> {
    let mut access = Access::default();
    let mut rest = &word[1..];
    loop {
        let letter = match rest {
            // A pattern that allows nothing would be no pattern.
            [] | [b'~', ..] if access == Access::default() => return Err(RuleError::Syntax),
            [] => return Ok((access, rest)),
            [b'~', text @ ..] => return Ok((access, text)),
            [b'R' | b'r', ..] => Access::READ,
            [b'W' | b'w', ..] => Access::WRITE,
            _ => return Err(RuleError::Syntax),
        };
        if access.covers(letter) {
            return Err(RuleError::Syntax);
        }
        access = access.and(letter);
        rest = &rest[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(words: &[&str]) -> KeyRules {
        let mut rules = KeyRules::default();
        words.iter().for_each(|word| rules.add(word.as_bytes()).unwrap());
        rules
    }

    fn shown(rules: &KeyRules) -> String {
        String::from_utf8(rules.words().join(&b' ')).unwrap()
    }

    #[test]
    fn a_pattern_opens_keys_for_what_it_says() {
        let rules = rules(&["%R~r*", "%W~w*", "~rw"]);
        for (key, wanted, is_open) in [
            ("r1", Access::READ, true),
            ("r1", Access::WRITE, false),
            ("r1", Access::default(), true),
            ("w1", Access::WRITE, true),
            ("w1", Access::ALL, false),
            ("rw", Access::ALL, true),
            ("x", Access::default(), false),
        ] {
            assert_eq!(rules.allow(key.as_bytes(), wanted), is_open, "{key} {wanted:?}");
        }
    }

    #[test]
    fn what_a_pattern_allows_adds_up_to_one_selector_s_pattern() {
        assert_eq!(shown(&rules(&["%R~foo", "%W~foo", "%RW~bar", "%wr~z"])), "~foo ~bar ~z");
        assert_eq!(shown(&rules(&["%R~foo", "~a", "%R~foo"])), "%R~foo ~a");
    }

    #[test]
    fn words_that_are_no_patterns_are_refused() {
        for word in ["%", "%~x", "%RR~x", "%X~x", "~a b", "%R~a\tb", "~a\0"] {
            assert_eq!(KeyRules::default().add(word.as_bytes()), Err(RuleError::Syntax), "{word}");
        }
        let mut all = KeyRules::default();
        all.allow_all();
        assert_eq!(all.add(b"~x"), Err(RuleError::AfterAllKeys));
        assert_eq!(shown(&all), "~*");
    }

    #[test]
    fn keys_that_nobody_named_want_a_star_alone() {
        assert!(!rules(&["~a*"]).allow_unnamed(Access::READ));
        assert!(rules(&["%R~*"]).allow_unnamed(Access::READ));
        assert!(!rules(&["%W~*"]).allow_unnamed(Access::READ));
    }
}
