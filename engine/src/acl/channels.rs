//! Which channels a selector opens: `&pattern`.

use super::error::RuleError;
use super::pattern::Pattern;
use super::text::has_blanks;

/// A channel as a request names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChannelName<'a> {
    /// By its name: a rule's pattern has to match it.
    Plain(&'a [u8]),
    /// By a pattern: a rule has to say just the same, for what it matches nobody knows.
    Pattern(&'a [u8]),
}

/// The channels of a selector.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ChannelRules {
    is_all: bool,
    patterns: Vec<Pattern>,
}

impl ChannelRules {
    pub(super) fn allow_all(&mut self) {
        *self = Self { is_all: true, patterns: Vec::new() };
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }

    /// Takes `&pattern`.
    pub(super) fn add(&mut self, word: &[u8]) -> Result<(), RuleError> {
        let text = &word[1..];
        match () {
            () if self.is_all => Err(RuleError::AfterAllChannels),
            () if has_blanks(text) => Err(RuleError::Syntax),
            () => {
                if !self.patterns.iter().any(|known| known.text() == text) {
                    self.patterns.push(Pattern::new(text));
                }
                Ok(())
            }
        }
    }

    /// Whether a channel is open. O(patterns).
    pub(super) fn allow(&self, channel: ChannelName<'_>) -> bool {
        self.is_all
            || self.patterns.iter().any(|pattern| match channel {
                ChannelName::Plain(name) => pattern.matches(name),
                ChannelName::Pattern(text) => pattern.text() == text,
            })
    }

    /// The texts of the patterns.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.patterns.iter().map(Pattern::text)
    }

    /// As ACL GETUSER shows them.
    pub(super) fn shown(&self) -> Vec<Vec<u8>> {
        match self.is_all {
            true => vec![b"&*".to_vec()],
            false => self.texts().map(|text| [b"&", text].concat()).collect(),
        }
    }

    /// The words that give these rules to any selector.
    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        let mut words = self.shown();
        if !self.is_all {
            words.insert(0, b"resetchannels".to_vec());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_and_patterns_are_compared() {
        let mut rules = ChannelRules::default();
        ["&foo:1", "&bar:*", "&bar:*"].iter().for_each(|word| rules.add(word.as_bytes()).unwrap());
        assert!(rules.allow(ChannelName::Plain(b"bar:2")) && rules.allow(ChannelName::Pattern(b"bar:*")));
        assert!(!rules.allow(ChannelName::Pattern(b"bar:baz")) && !rules.allow(ChannelName::Plain(b"zap")));
        assert_eq!(rules.words().join(&b' '), b"resetchannels &foo:1 &bar:*");
        assert_eq!(rules.add(b"&a b"), Err(RuleError::Syntax));
        rules.allow_all();
        assert_eq!(rules.add(b"&x"), Err(RuleError::AfterAllChannels));
    }
}
