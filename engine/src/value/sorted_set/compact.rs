//! The compact form of a sorted set: member, score, member, score, packed, in order.
//!
//! A whole score up to 2^62 is an integer, which makes one zero of both; any other is the eight bytes of its double,
//! little-endian. Everything is O(bytes).

use super::tree::order;
use crate::value::{StrRef, packed};
use std::ops::Range;

/// A member with its score, and where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) member: StrRef<'a>,
    pub(crate) score: f64,
    pub(crate) place: Range<usize>,
}

/// Members and scores, in order.
pub(crate) fn pairs(bytes: &[u8]) -> Pairs<'_> {
    Pairs(packed::iter(bytes))
}

/// A walk over pairs.
#[derive(Clone)]
pub(crate) struct Pairs<'a>(packed::Elements<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let start = self.0.position();
        let (member, score) = (self.0.next()?, decode(self.0.next()?));
        Some(Pair { member, score, place: start..self.0.position() })
    }
}

/// Members alone, in order, from that of a rank on.
pub(crate) fn members(bytes: &[u8], rank: usize) -> impl Iterator<Item = StrRef<'_>> {
    let mut elements = packed::iter(bytes);
    let is_there = (0..rank.saturating_mul(2)).all(|_| elements.pass().is_some());
    std::iter::from_fn(move || {
        let member = elements.next().filter(|_| is_there)?;
        elements.pass();
        Some(member)
    })
}

/// How many members there are.
pub(crate) fn count(bytes: &[u8]) -> usize {
    packed::count(bytes) / 2
}

/// A member's pair, with its rank.
pub(crate) fn find<'a>(bytes: &'a [u8], member: &[u8]) -> Option<(usize, Pair<'a>)> {
    let member = StrRef::of(member);
    pairs(bytes).enumerate().find(|(_, pair)| pair.member == member)
}

/// What one walk finds out about a member that is to get a score.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// How many members there are.
    pub(crate) count: usize,
    /// The member's score, and where its pair lies, if it is there.
    pub(crate) old: Option<(f64, Range<usize>)>,
    /// Where a pair with the new score belongs, as things lie.
    at: usize,
}

/// Looks for a member, and for where it belongs with a score.
pub(crate) fn locate(bytes: &[u8], member: &[u8], score: f64) -> Located {
    let wanted = StrRef::of(member);
    let mut located = Located { count: 0, old: None, at: 0 };
    for pair in pairs(bytes) {
        located.count += 1;
        if pair.member == wanted {
            located.old = Some((pair.score, pair.place.clone()));
        }
        let is_before = pair.score < score
            || pair.score == score && pair.member.with_bytes(|other| order((score, other), (score, member)).is_lt());
        if is_before {
            located.at = pair.place.end;
        }
    }
    located
}

/// Gives a member that was located its score.
pub(crate) fn set(bytes: &mut Vec<u8>, located: &Located, member: &[u8], score: f64) {
    let mut at = located.at;
    if let Some((_, old)) = &located.old {
        bytes.drain(old.clone());
        if at >= old.end {
            at -= old.len();
        }
    }
    let end = bytes.len();
    push(bytes, member, score);
    let size = bytes.len() - end;
    bytes[at..].rotate_right(size);
}

/// Gives a member a score.
#[cfg(test)]
pub(crate) fn insert(bytes: &mut Vec<u8>, member: &[u8], score: f64) {
    let located = locate(bytes, member, score);
    set(bytes, &located, member, score);
}

/// Appends a pair that belongs at the end.
pub(crate) fn push(bytes: &mut Vec<u8>, member: &[u8], score: f64) {
    packed::push(bytes, StrRef::of(member));
    match as_whole(score) {
        Some(whole) => packed::push(bytes, StrRef::Int(whole)),
        None => packed::push(bytes, StrRef::Bytes(&score.to_le_bytes())),
    }
}

/// Where the pairs of a range of ranks lie.
pub(crate) fn place(bytes: &[u8], ranks: Range<usize>) -> Range<usize> {
    let mut places = pairs(bytes).map(|pair| pair.place).skip(ranks.start).take(ranks.len());
    match places.next() {
        None => bytes.len()..bytes.len(),
        Some(first) => first.start..places.last().unwrap_or(first).end,
    }
}

/// What a score becomes when it is kept in this form: the negative zero is lost.
pub(crate) fn kept(score: f64) -> f64 {
    as_whole(score).map_or(score, |whole| whole as f64)
}

fn as_whole(score: f64) -> Option<i64> {
    (score.abs() <= WHOLE_MAX && score == score.trunc()).then_some(score as i64)
}

fn decode(score: StrRef<'_>) -> f64 {
    match score {
        StrRef::Int(whole) => whole as f64,
        StrRef::Bytes(bytes) => bytes.first_chunk().map_or(0.0, |bytes| f64::from_le_bytes(*bytes)),
    }
}

const WHOLE_MAX: f64 = (1_u64 << 62) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stand_in_the_order_of_their_scores_whatever_order_they_come_in() {
        let mut bytes = Vec::new();
        let scores =
            [("c", 1.5), ("a", 1.5), ("12", -3.0), ("z", f64::INFINITY), ("9", -3.0), ("y", f64::NEG_INFINITY)];
        for (member, score) in scores {
            insert(&mut bytes, member.as_bytes(), score);
        }
        let listed: Vec<_> = pairs(&bytes).map(|p| (p.member.to_vec(), p.score)).collect();
        let expected = [
            (&b"y"[..], f64::NEG_INFINITY),
            (b"12", -3.0),
            (b"9", -3.0),
            (b"a", 1.5),
            (b"c", 1.5),
            (b"z", f64::INFINITY),
        ];
        assert_eq!(listed, expected.map(|(m, s)| (m.to_vec(), s)));
        for rank in 0..8 {
            let left: Vec<_> = expected.iter().skip(rank).map(|(m, _)| m.to_vec()).collect();
            assert_eq!(members(&bytes, rank).map(StrRef::to_vec).collect::<Vec<_>>(), left);
        }
        let (rank, pair) = find(&bytes, b"9").unwrap();
        assert_eq!((rank, pair.score), (2, -3.0));
        bytes.drain(place(&bytes, 1..3));
        assert_eq!((count(&bytes), find(&bytes, b"9").is_none()), (4, true));
        assert_eq!(place(&bytes, 4..9), bytes.len()..bytes.len());
    }

    #[test]
    fn a_member_moves_to_where_its_new_score_belongs() {
        for score in [-1.0, 0.0, 0.5, 1.0, 2.0, 2.5, 9.0] {
            let mut bytes = Vec::new();
            [("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 2.0)]
                .iter()
                .for_each(|(m, s)| insert(&mut bytes, m.as_bytes(), *s));
            insert(&mut bytes, b"c", score);
            let listed: Vec<_> = pairs(&bytes).map(|p| (p.score, p.member.to_vec())).collect();
            assert!(
                listed.len() == 4 && listed.is_sorted_by(|a, b| order((a.0, &a.1), (b.0, &b.1)).is_lt()),
                "{listed:?}"
            );
            assert_eq!(find(&bytes, b"c").unwrap().1.score, score);
        }
    }

    #[test]
    fn scores_come_back_as_they_were_but_for_the_negative_zero() {
        for score in [0.0, 1e300, 0.1, 4e18, -4e18, 5e18, 9_007_199_254_740_993.0, f64::MIN_POSITIVE] {
            let mut bytes = Vec::new();
            push(&mut bytes, b"m", score);
            assert_eq!(pairs(&bytes).next().unwrap().score.to_bits(), score.to_bits());
            assert_eq!(kept(score).to_bits(), score.to_bits());
        }
        let mut bytes = Vec::new();
        push(&mut bytes, b"m", -0.0);
        assert_eq!(pairs(&bytes).next().unwrap().score.to_bits(), 0);
        assert_eq!(kept(-0.0).to_bits(), 0);
    }
}
