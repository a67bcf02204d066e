//! Members of large collections: a block each, found by hash in a segmented table.
//!
//! A set's member is a block with the member as its key and nothing else; a hash's field has its value as the block's value
//! and may have an expiry; a sorted set's member has its score there. A clone of a table shares its segments and members, and
//! whoever changes one copies what is changed.
//!
//! Invariants
//! - `member_bytes` is the sum of the members' [`heap_bytes`](Block::heap_bytes).
//! - Every member is there once.

use crate::table::{Block, Boxed, KeyHasher, Lent, POSITION_BITS, Spot, Table};
use std::sync::Arc;

/// A member, or a field with its value. Cloning shares the block.
pub(crate) type Member = Block<LongBytes>;

/// A field's value that is too long for its block.
#[derive(Clone)]
pub(crate) struct LongBytes(Arc<Vec<u8>>);

impl Boxed for LongBytes {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    fn as_bytes(&self) -> Option<&Vec<u8>> {
        Some(&self.0)
    }

    fn bytes_mut(&mut self) -> Option<&mut Vec<u8>> {
        Some(Arc::make_mut(&mut self.0))
    }

    fn heap_bytes(&self) -> usize {
        super::shared_vec_bytes(&self.0)
    }
}

/// Members by their bytes. See the module.
#[derive(Clone)]
pub(crate) struct MemberTable {
    table: Table<Member>,
    hasher: KeyHasher,
    member_bytes: usize,
}

impl MemberTable {
    /// An empty table, hashing as the engine does. No allocation.
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self { table: Table::new(), hasher, member_bytes: 0 }
    }

    /// How many members there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of heap of the table and its members. O(1).
    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + self.member_bytes
    }

    /// The hash of a member, for several calls about it.
    #[inline]
    pub(crate) fn hash(&self, member: &[u8]) -> u64 {
        self.hasher.hash(member)
    }

    /// Where a member lies until the table changes next. O(1).
    #[inline]
    pub(crate) fn find(&self, member: &[u8]) -> Option<Spot> {
        self.find_hashed(self.hasher.hash(member), member)
    }

    /// As [`find`](Self::find), for a member that was hashed before.
    #[inline]
    pub(crate) fn find_hashed(&self, hash: u64, member: &[u8]) -> Option<Spot> {
        self.table.find(hash, |m| m.key() == member)
    }

    /// The member at a spot.
    #[inline]
    pub(crate) fn at(&self, spot: Spot) -> Lent<'_, Member> {
        self.table.get(spot)
    }

    /// The block of a member, if it is there. O(1).
    #[inline]
    pub(crate) fn get(&self, member: &[u8]) -> Option<Lent<'_, Member>> {
        Some(self.table.get(self.find(member)?))
    }

    /// Whether a member is there. O(1).
    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.find(member).is_some()
    }

    /// Adds a member that is not there. Amortised O(1), at worst one segment's work.
    pub(crate) fn insert(&mut self, member: Member) {
        self.insert_hashed(self.hasher.hash(member.key()), member);
    }

    /// As [`insert`](Self::insert), for a member that was hashed before.
    pub(crate) fn insert_hashed(&mut self, hash: u64, member: Member) {
        debug_assert!(!self.contains(member.key()), "a member is there once");
        self.member_bytes += member.heap_bytes();
        let Self { table, hasher, .. } = self;
        table.insert(hash, member, |m| hasher.hash(m.key()));
    }

    /// Changes a member; `f` keeps its key.
    pub(crate) fn update<R>(&mut self, spot: Spot, f: impl FnOnce(&mut Member) -> R) -> R {
        let (before, after, result) = self.table.update(spot, |member| {
            let before = member.heap_bytes();
            let result = f(member);
            (before, member.heap_bytes(), result)
        });
        self.member_bytes = self.member_bytes + after - before;
        result
    }

    /// Takes a member out. O(1), at worst one segment's work.
    pub(crate) fn remove(&mut self, spot: Spot) -> Member {
        let Self { table, hasher, .. } = self;
        let member = table.remove(spot, |m| hasher.hash(m.key()));
        self.member_bytes -= member.heap_bytes();
        member
    }

    /// All members, roughly in hash order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Lent<'_, Member>> {
        self.table.iter()
    }

    /// The members of the `n`-th part, about a thousand at most; `None` behind the last. O(n).
    pub(crate) fn part(&self, n: usize) -> Option<impl Iterator<Item = Lent<'_, Member>>> {
        self.table.part(n)
    }

    /// Visits at least `count` members from a cursor on, if there are so many, and returns the next cursor; 0 begins and
    /// ends. A member that stays is visited exactly once, whatever else comes and goes. O(segment).
    pub(crate) fn scan(&self, cursor: u64, count: usize, f: impl FnMut(&Member)) -> u64 {
        let from = cursor << (64 - POSITION_BITS);
        let next = self.table.scan(from, count, |m| self.hasher.hash(m.key()), f);
        next.map_or(0, |position| position >> (64 - POSITION_BITS))
    }

    /// A member chosen by `pick`, which gives a random number below its argument; every member has the same chance.
    pub(crate) fn random(&self, pick: impl FnMut(usize) -> usize) -> Option<Lent<'_, Member>> {
        self.table.random(pick)
    }

    /// Takes the members of one segment out of a table that is being freed: nothing can be looked up in it any more.
    /// Returns how many; 0 when none is left.
    pub(crate) fn drain_part(&mut self) -> usize {
        let mut count = 0;
        self.table.drain_part(|_| count += 1);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::StrRef;
    use std::collections::BTreeSet;

    fn member(n: usize) -> Member {
        Member::string(n.to_string().as_bytes(), StrRef::Bytes(b""), false, None)
    }

    #[test]
    fn members_come_and_go_and_bytes_are_counted() {
        let mut members = MemberTable::new(KeyHasher::new(1));
        for n in 0..5_000 {
            members.insert(member(n));
        }
        let view = members.clone();
        for n in (0..5_000).filter(|n| n % 10 != 0) {
            let spot = members.find(n.to_string().as_bytes()).expect("inserted");
            members.remove(spot);
        }
        let spot = members.find(b"10").expect("it stayed");
        members.update(spot, |m| m.set_string(StrRef::Bytes(&[1; 2000]), false, None));
        let bytes = members.iter().map(|m| m.heap_bytes()).sum::<usize>() + members.table.heap_bytes();
        assert_eq!((members.len(), members.heap_bytes()), (500, bytes));
        assert_eq!((view.len(), view.contains(b"11"), members.contains(b"11")), (5_000, true, false));
        assert_eq!(view.get(b"10").map(|m| m.as_string().map(StrRef::byte_len)), Some(Some(0)));
    }

    #[test]
    fn a_scan_from_cursor_to_cursor_visits_all() {
        let mut members = MemberTable::new(KeyHasher::new(2));
        (0..3_000).for_each(|n| members.insert(member(n)));
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = members.scan(cursor, 10, |m| assert!(seen.insert(m.key().to_vec())));
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 3_000);
    }
}
