//! A large sorted set: a table that finds members, and a tree that orders them.
//!
//! ```text
//!   table:  hash -> [block: member, score] <- (score, *) :tree
//! ```
//!
//! A member's bytes are there once: table and tree lead to the same block. The block keeps the score in as few bytes as it
//! needs: none for zero, up to seven for whole numbers below 2^53, else the eight of the double.
//!
//! Invariants
//! - The tree has exactly the table's members, under the scores that their blocks hold.
//! - A block is changed only while the tree has let go of it, so that one which nobody else shares is changed in place.

use super::compact;
use super::tree::{Direction, Element, Handle, Tree, Walk};
use crate::table::KeyHasher;
use crate::value::{Member, MemberTable, StrRef};
use std::ops::Range;

impl Handle for Member {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.key()
    }
}

/// What became of a member that was given a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    /// It was not there before.
    Added,
    /// It had another score.
    Moved,
    /// It had this score.
    Kept,
}

/// See the module. Cloning shares what is inside.
#[derive(Clone)]
pub(crate) struct SortedSet {
    index: MemberTable,
    tree: Tree<Member>,
}

impl SortedSet {
    /// A set without members.
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self { index: MemberTable::new(hasher), tree: Tree::new() }
    }

    /// The members of a compact sorted set.
    pub(crate) fn from_compact(hasher: KeyHasher, bytes: &[u8]) -> Self {
        let block = |pair: compact::Pair<'_>| pair.member.with_bytes(|member| element(member, pair.score));
        Self::from_sorted(hasher, compact::pairs(bytes).map(block).collect())
    }

    /// A set of members that all differ, in any order.
    pub(crate) fn from_members<'a>(hasher: KeyHasher, members: impl Iterator<Item = (&'a [u8], f64)>) -> Self {
        let elements: Vec<_> = members.map(|(member, score)| element(member, score)).collect();
        let mut index = MemberTable::new(hasher);
        elements.iter().for_each(|element| index.insert(element.member.clone()));
        Self::of_elements(index, elements)
    }

    /// A set of the members of a table, in any order.
    pub(super) fn of_elements(index: MemberTable, mut elements: Vec<Element<Member>>) -> Self {
        elements.sort_unstable_by(|a, b| super::tree::order((a.score, a.member.key()), (b.score, b.member.key())));
        Self { index, tree: Tree::from_sorted(elements) }
    }

    fn from_sorted(hasher: KeyHasher, elements: Vec<Element<Member>>) -> Self {
        let mut index = MemberTable::new(hasher);
        elements.iter().for_each(|element| index.insert(element.member.clone()));
        Self { index, tree: Tree::from_sorted(elements) }
    }

    /// How many members there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.tree.len()
    }

    /// Bytes of heap, spare room included. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes() + self.tree.heap_bytes()
    }

    /// The score of a member. O(1).
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.index.get(member).map(|block| score_of(&block))
    }

    /// The rank of a member, and its score. O(log n).
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.tree.rank(score, member), score))
    }

    /// Gives a member a score, which is not NaN. O(log n).
    pub(crate) fn set(&mut self, member: &[u8], score: f64) -> Placed {
        let Some(spot) = self.index.find(member) else {
            let element = element(member, score);
            self.index.insert(element.member.clone());
            self.tree.insert(element);
            return Placed::Added;
        };
        let old = score_of(&self.index.at(spot));
        if old == score {
            return Placed::Kept;
        }
        self.tree.remove(old, member);
        let block = self.index.update(spot, |block| {
            with_score_bytes(score, |bytes| block.set_string(StrRef::Bytes(bytes), false, None));
            block.clone()
        });
        self.tree.insert(Element { score, member: block });
        Placed::Moved
    }

    /// Takes a member out; says whether it was there. O(log n).
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let Some(spot) = self.index.find(member) else { return false };
        let block = self.index.remove(spot);
        self.tree.remove(score_of(&block), member);
        true
    }

    /// Takes the members of a range of ranks out, showing each to `taken`. O(log n + k).
    pub(crate) fn remove_range(&mut self, ranks: Range<usize>, mut taken: impl FnMut(&[u8], f64)) {
        let Self { index, tree } = self;
        tree.remove_range(ranks, |element| {
            taken(element.member.key(), element.score);
            if let Some(spot) = index.find(element.member.key()) {
                index.remove(spot);
            }
        });
    }

    /// How many members from the lowest on satisfy `before`, which must hold for a lowest part of them. O(log n).
    pub(crate) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        self.tree.partition_point(before)
    }

    /// Walks over up to `count` members, the first being that of `rank`.
    pub(crate) fn walk(&self, rank: usize, count: usize, direction: Direction) -> Walk<'_, Member> {
        self.tree.walk(rank, count, direction)
    }

    /// Visits about `count` members from a cursor on; see [`MemberTable::scan`].
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut f: impl FnMut(&[u8], f64)) -> u64 {
        self.index.scan(cursor, count, |block| f(block.key(), score_of(block)))
    }

    /// Frees a part of a set that is given up: nothing can be looked up in it any more. Returns how many members; 0 when
    /// none is left.
    pub(crate) fn free_part(&mut self) -> usize {
        let ranks = self.tree.len().saturating_sub(FREED_AT_ONCE)..self.tree.len();
        if !ranks.is_empty() {
            let count = ranks.len();
            self.tree.remove_range(ranks, |_| ());
            return count;
        }
        self.index.drain_part()
    }
}

pub(super) fn element(member: &[u8], score: f64) -> Element<Member> {
    let member = with_score_bytes(score, |bytes| Member::string(member, StrRef::Bytes(bytes), false, None));
    Element { score, member }
}

fn with_score_bytes<R>(score: f64, f: impl FnOnce(&[u8]) -> R) -> R {
    let whole = score as i64;
    if whole.unsigned_abs() >= WHOLE_END || (whole as f64).to_bits() != score.to_bits() {
        return f(&score.to_le_bytes());
    }
    let magnitude = if whole < 0 { !whole } else { whole };
    let bits = 64 - magnitude.leading_zeros() as usize;
    let size = if whole == 0 { 0 } else { bits / 8 + 1 };
    f(&whole.to_le_bytes()[..size])
}

/// The score that a member's block holds.
#[inline]
fn score_of(block: &Member) -> f64 {
    let Some(StrRef::Bytes(bytes)) = block.as_string() else { return 0.0 };
    if let Ok(double) = <[u8; 8]>::try_from(bytes) {
        return f64::from_le_bytes(double);
    }
    if bytes.is_empty() {
        return 0.0;
    }
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unused = 64 - 8 * bytes.len() as u32;
    (i64::from_le_bytes(wide) << unused >> unused) as f64
}

/// Whole scores from here on are kept as doubles.
const WHOLE_END: u64 = 1 << 53;

/// Members that are freed at once.
const FREED_AT_ONCE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
        set.walk(0, usize::MAX, Direction::Up).map(|e| (e.member.key().to_vec(), e.score)).collect()
    }

    #[test]
    fn table_and_tree_agree() {
        let mut set = SortedSet::new(KeyHasher::new(1));
        for n in 0..10_000_u64 {
            let member = format!("m{}", n % 4_000);
            let placed = set.set(member.as_bytes(), (n * 7_919 % 1_000) as f64 / 4.0);
            assert_eq!(placed == Placed::Added, n < 4_000);
        }
        let view = set.clone();
        let before = listed(&view);
        assert_eq!(before.len(), 4_000);
        for (rank, (member, score)) in before.iter().enumerate().step_by(7) {
            assert_eq!(set.rank(member), Some((rank, *score)));
        }
        assert_eq!(set.set(b"m1", set.score(b"m1").unwrap()), Placed::Kept);
        assert_eq!(set.set(b"m1", -1.0), Placed::Moved);
        assert!(set.remove(b"m2") && !set.remove(b"m2"));
        let mut taken = Vec::new();
        set.remove_range(0..2_000, |member, _| taken.push(member.to_vec()));
        assert_eq!((taken.len(), taken[0].as_slice(), set.len()), (2_000, &b"m1"[..], 1_999));
        assert!(taken.iter().all(|member| set.score(member).is_none()));
        assert_eq!(listed(&view), before, "a clone stays as it was");
        let mut rest = set;
        let mut freed = 0;
        loop {
            match rest.free_part() {
                0 => break,
                count => freed += count,
            }
        }
        assert!(freed >= 1_999);
    }

    #[test]
    fn scores_come_back_to_the_bit() {
        let mut scores = vec![0.0, -0.0, 0.1, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE];
        for shift in 0..63 {
            scores.extend([1_i64 << shift, (1 << shift) - 1, -(1 << shift), -(1 << shift) - 1].map(|n| n as f64));
        }
        for score in scores {
            let block = element(b"m", score).member;
            assert_eq!(score_of(&block).to_bits(), score.to_bits(), "{score}");
        }
    }

    #[test]
    fn a_member_takes_about_sixty_bytes() {
        let mut set = SortedSet::new(KeyHasher::new(3));
        for n in 0..100_000_u64 {
            set.set(format!("member:{n:06}").as_bytes(), (n * 2_654_435_761 % 1_000_000) as f64);
        }
        let each = set.heap_bytes() / set.len();
        assert!(each <= 64, "{each} bytes a member");
    }
}
