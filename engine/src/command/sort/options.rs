//! The words after SORT's key.

use super::order::SortOrder;
use super::pattern::Pattern;
use crate::error::CommandError;
use crate::text::parse_i64;

/// How [`sort`](crate::Engine::sort) orders and what it returns. The default is ascending, by number, everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SortOptions {
    /// What members are ordered by, each `*` standing for a member; without a `*` they stay as they are (`BY`).
    pub by: Option<Vec<u8>>,
    /// How many are left out, and how many follow; a negative number means all (`LIMIT`).
    pub limit: Option<(i64, i64)>,
    /// What is returned for each member, `#` being the member (`GET`).
    pub get: Vec<Vec<u8>>,
    /// Which comes first.
    pub order: SortOrder,
    /// Whether the bytes count and not the numbers that they spell (`ALPHA`).
    pub alpha: bool,
}

/// The words, read.
#[derive(Default)]
pub(super) struct Words<'a> {
    pub(super) by: Option<Pattern<'a>>,
    pub(super) limit: Option<(i64, i64)>,
    pub(super) get: Vec<Pattern<'a>>,
    pub(super) order: SortOrder,
    pub(super) alpha: bool,
    pub(super) store: Option<&'a [u8]>,
}

/// What a request may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Grammar {
    /// That of SORT.
    Sort,
    /// That of SORT_RO.
    ReadOnly,
}

/// Whether a request may have keys looked up that it does not name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lookups {
    /// It may.
    Allowed,
    /// Other keys may lie on other nodes.
    DeniedInCluster,
    /// The client's user may not read every key.
    DeniedToUser,
}

impl Lookups {
    /// Whether an option that looks keys up is allowed.
    fn check(self, option: &str) -> Result<(), CommandError> {
        let reason = match self {
            Self::Allowed => return Ok(()),
            Self::DeniedInCluster => "in Cluster mode.",
            Self::DeniedToUser => "due to insufficient ACL permissions.",
        };
        Err(CommandError::Text(format!("ERR {option} option of SORT denied {reason}").into()))
    }
}

impl<'a> Words<'a> {
    pub(super) fn of(options: &'a SortOptions, store: Option<&'a [u8]>) -> Self {
        Self {
            by: options.by.as_deref().map(Pattern::parse),
            limit: options.limit,
            get: options.get.iter().map(|pattern| Pattern::parse(pattern)).collect(),
            order: options.order,
            alpha: options.alpha,
            store,
        }
    }

    /// Reads the words.
    pub(super) fn parse(mut args: &[&'a [u8]], grammar: Grammar, lookups: Lookups) -> Result<Self, CommandError> {
        let mut words = Self::default();
        while let Some(word) = args.first() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let mut used = 2;
            match args {
                _ if is("ASC") => (words.order, used) = (SortOrder::Ascending, 1),
                _ if is("DESC") => (words.order, used) = (SortOrder::Descending, 1),
                _ if is("ALPHA") => (words.alpha, used) = (true, 1),
                [_, offset, count, ..] if is("LIMIT") => {
                    let number = |text: &[u8]| parse_i64(text).ok_or(CommandError::NotInteger);
                    (words.limit, used) = (Some((number(offset)?, number(count)?)), 3);
                }
                [_, key, ..] if is("STORE") && grammar == Grammar::Sort => words.store = Some(*key),
                [_, pattern, ..] if is("BY") => {
                    let by = Pattern::parse(pattern);
                    if matches!(by, Pattern::Key { .. }) {
                        lookups.check("BY")?;
                    }
                    words.by = Some(by);
                }
                [_, pattern, ..] if is("GET") => {
                    lookups.check("GET")?;
                    words.get.push(Pattern::parse(pattern));
                }
                _ => return Err(CommandError::Syntax),
            }
            args = &args[used..];
        }
        Ok(words)
    }

    /// The pattern to order by, if members are to be looked up.
    pub(super) fn weights(&self) -> Option<Pattern<'a>> {
        self.by.filter(|by| matches!(by, Pattern::Key { .. }))
    }

    /// Whether members stay in the order in which they are kept.
    pub(super) fn keeps_order(&self) -> bool {
        self.by.is_some() && self.weights().is_none()
    }

    /// Whether other keys are read.
    pub(super) fn reads_other_keys(&self) -> bool {
        self.by.iter().chain(&self.get).any(|pattern| matches!(pattern, Pattern::Key { .. }))
    }

    /// Which of `len` members are wanted.
    pub(super) fn range(&self, len: usize) -> std::ops::Range<usize> {
        let (start, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(start).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_held_within_the_members() {
        let range = |limit| Words { limit, ..Words::default() }.range(5);
        assert_eq!(range(None), 0..5);
        assert_eq!(range(Some((1, 2))), 1..3);
        assert_eq!(range(Some((-7, -1))), 0..5);
        assert_eq!(range(Some((3, -1))), 3..5);
        assert_eq!((range(Some((5, 1))).len(), range(Some((0, 0))).len(), range(Some((9, i64::MAX))).len()), (0, 0, 0));
        assert_eq!(range(Some((0, i64::MAX))), 0..5);
    }
}
