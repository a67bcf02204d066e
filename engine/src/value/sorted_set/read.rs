//! Reading a sorted set in either form.

use super::compact::{self, Pair};
use super::large::SortedSet;
use super::range::{LexRange, ScoreRange};
use super::tree::{self, Direction};
use crate::value::{Member, StrRef};
use std::ops::Range;

/// A sorted set, borrowed.
#[derive(Clone, Copy)]
pub(crate) enum SortedSetRef<'a> {
    /// In its compact form: everything is O(bytes).
    Compact(&'a [u8]),
    /// Large.
    Large(&'a SortedSet),
}

impl<'a> SortedSetRef<'a> {
    /// How many members there are.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Compact(bytes) => compact::count(bytes),
            Self::Large(set) => set.len(),
        }
    }

    /// The score of a member.
    pub(crate) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Compact(bytes) => Some(compact::find(bytes, member)?.1.score),
            Self::Large(set) => set.score(member),
        }
    }

    /// The rank of a member, and its score.
    pub(crate) fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Compact(bytes) => compact::find(bytes, member).map(|(rank, pair)| (rank, pair.score)),
            Self::Large(set) => set.rank(member),
        }
    }

    /// Walks over up to `count` members, the first being that of `rank`.
    pub(crate) fn walk(self, rank: usize, count: usize, direction: Direction) -> Walk<'a> {
        match (self, direction) {
            (Self::Large(set), _) => Walk::Large(set.walk(rank, count, direction)),
            (Self::Compact(bytes), Direction::Up) => {
                let rest = if rank == 0 { bytes } else { &bytes[compact::place(bytes, 0..rank).end..] };
                Walk::Up(compact::pairs(rest).take(count))
            }
            (Self::Compact(bytes), Direction::Down) => {
                let pairs: Vec<_> = compact::pairs(bytes).take(rank.saturating_add(1)).collect();
                let skipped = pairs.len().saturating_sub(count);
                let skipped = if rank < self.len() { skipped } else { pairs.len() };
                Walk::Down(pairs.into_iter().skip(skipped).rev())
            }
        }
    }

    /// All members, in order.
    pub(crate) fn iter(self) -> Walk<'a> {
        self.walk(0, usize::MAX, Direction::Up)
    }

    /// The ranks of a range of scores; empty ones lie where it would be.
    pub(crate) fn score_ranks(self, range: &ScoreRange) -> Range<usize> {
        let (from, to) = match self {
            Self::Compact(bytes) => {
                let (mut from, mut to) = (0, 0);
                for pair in compact::pairs(bytes) {
                    if range.is_above(pair.score) {
                        break;
                    }
                    from += usize::from(range.is_below(pair.score));
                    to += 1;
                }
                (from, to)
            }
            Self::Large(set) => (
                set.partition_point(|score, _| range.is_below(score)),
                set.partition_point(|score, _| !range.is_above(score)),
            ),
        };
        from..to.max(from)
    }

    /// The ranks of a range of members. Where members have different scores there is no order to go by: then those from the
    /// first in the range on that follow each other, or with [`Direction::Down`] the last ones.
    pub(crate) fn lex_ranks(self, range: &LexRange<'_>, direction: Direction) -> Range<usize> {
        let (from, to) = match self {
            Self::Compact(bytes) => return compact_lex_ranks(bytes, range, direction),
            Self::Large(set) => (
                set.partition_point(|_, member| range.is_below(member)),
                set.partition_point(|_, member| !range.is_above(member)),
            ),
        };
        from..to.max(from)
    }
}

fn compact_lex_ranks(bytes: &[u8], range: &LexRange<'_>, direction: Direction) -> Range<usize> {
    let is_below = |pair: &Pair<'_>| pair.member.with_bytes(|member| range.is_below(member));
    let is_above = |pair: &Pair<'_>| pair.member.with_bytes(|member| range.is_above(member));
    let pairs: Vec<_> = compact::pairs(bytes).collect();
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else { return 0..0 };
    if is_above(first) || is_below(last) {
        return 0..0;
    }
    if direction == Direction::Up {
        let from = pairs.iter().position(|pair| !is_below(pair)).unwrap_or(pairs.len());
        let count = pairs[from..].iter().position(is_above).unwrap_or(pairs.len() - from);
        return from..from + count;
    }
    let to = pairs.iter().rposition(|pair| !is_above(pair)).map_or(0, |last| last + 1);
    let from = pairs[..to].iter().rposition(is_below).map_or(0, |last| last + 1);
    from..to
}

/// Members with their scores, one after the other.
pub(crate) enum Walk<'a> {
    Up(std::iter::Take<compact::Pairs<'a>>),
    Down(std::iter::Rev<std::iter::Skip<std::vec::IntoIter<Pair<'a>>>>),
    Large(tree::Walk<'a, Member>),
}

impl<'a> Iterator for Walk<'a> {
    type Item = (StrRef<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(StrRef<'a>, f64)> {
        match self {
            Self::Large(walk) => walk.next().map(|element| (StrRef::Bytes(element.member.key()), element.score)),
            Self::Up(pairs) => pairs.next().map(|pair| (pair.member, pair.score)),
            Self::Down(pairs) => pairs.next().map(|pair| (pair.member, pair.score)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::LexBound;
    use super::*;
    use crate::table::KeyHasher;

    fn both(members: &[(&str, f64)]) -> (Vec<u8>, SortedSet) {
        let mut bytes = Vec::new();
        members.iter().for_each(|(member, score)| compact::insert(&mut bytes, member.as_bytes(), *score));
        let large = SortedSet::from_compact(KeyHasher::new(1), &bytes);
        (bytes, large)
    }

    fn walked(set: SortedSetRef<'_>, rank: usize, count: usize, direction: Direction) -> String {
        set.walk(rank, count, direction)
            .map(|(m, s)| format!("{}:{s} ", String::from_utf8(m.to_vec()).unwrap()))
            .collect()
    }

    #[test]
    fn both_forms_read_the_same() {
        let (bytes, large) = both(&[("a", 1.0), ("b", 2.0), ("c", 2.0), ("7", 3.5), ("e", 9.0)]);
        for set in [SortedSetRef::Compact(&bytes), SortedSetRef::Large(&large)] {
            assert_eq!(
                (set.len(), set.score(b"7"), set.rank(b"c"), set.rank(b"x")),
                (5, Some(3.5), Some((2, 2.0)), None)
            );
            assert_eq!(walked(set, 1, 2, Direction::Up), "b:2 c:2 ");
            assert_eq!(walked(set, 1, 9, Direction::Down), "b:2 a:1 ");
            assert_eq!(walked(set, 4, 2, Direction::Down), "e:9 7:3.5 ");
            assert_eq!(walked(set, 5, 2, Direction::Down) + &walked(set, 5, 2, Direction::Up), "");
            assert_eq!(walked(set, 0, 0, Direction::Up) + &walked(set, 3, 0, Direction::Down), "");
            let range = |min, max, min_is_excluded, max_is_excluded| {
                set.score_ranks(&ScoreRange { min, max, min_is_excluded, max_is_excluded })
            };
            assert_eq!(range(2.0, 9.0, false, false), 1..5);
            assert_eq!(range(2.0, 9.0, true, true), 3..4);
            assert!(range(4.0, 3.0, false, false).is_empty() && range(10.0, 11.0, false, false).is_empty());
            assert!(range(2.0, 2.0, true, false).is_empty());
        }
    }

    #[test]
    fn members_of_one_score_are_ranges_of_bytes() {
        let (bytes, large) = both(&[("", 0.0), ("a", 0.0), ("ab", 0.0), ("b", 0.0)]);
        for set in [SortedSetRef::Compact(&bytes), SortedSetRef::Large(&large)] {
            for direction in [Direction::Up, Direction::Down] {
                let ranks = |min, max| set.lex_ranks(&LexRange { min, max }, direction);
                assert_eq!(ranks(LexBound::Lowest, LexBound::Highest), 0..4);
                assert_eq!(ranks(LexBound::Included(b"a"), LexBound::Included(b"b")), 1..4);
                assert_eq!(ranks(LexBound::Excluded(b"a"), LexBound::Excluded(b"b")), 2..3);
                assert!(ranks(LexBound::Highest, LexBound::Lowest).is_empty());
                assert!(ranks(LexBound::Included(b"b"), LexBound::Included(b"a")).is_empty());
                assert!(ranks(LexBound::Excluded(b"a"), LexBound::Excluded(b"a")).is_empty());
            }
        }
    }
}
