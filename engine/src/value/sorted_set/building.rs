//! A sorted set that is being put together before it has an entry.

use super::compact;
use super::large::{SortedSet, element};
use super::tree::{Element, order};
use crate::options::Options;
use crate::table::{Block, KeyHasher};
use crate::time::UnixMillis;
use crate::value::seen::Seen;
use crate::value::{Member, MemberTable, Object, StrRef, ValueType};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Up to which size a sorted set is kept compact.
#[derive(Clone, Copy)]
pub(crate) struct CompactMax {
    pub(crate) entries: usize,
    pub(crate) member_bytes: usize,
}

impl CompactMax {
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            entries: options.zset_compact_entries_max.load(Relaxed),
            member_bytes: options.zset_compact_value_bytes_max.load(Relaxed),
        }
    }

    pub(crate) fn admits(self, entries: usize, member_bytes: usize) -> bool {
        entries <= self.entries && member_bytes <= self.member_bytes
    }
}

/// A sorted set in the making. Members come in any order.
pub(crate) struct NewSortedSet {
    state: State,
    max: CompactMax,
    hasher: KeyHasher,
}

enum State {
    Compact(Small),
    Large { index: MemberTable, elements: Vec<Element<Member>> },
}

/// Members in the compact form, perhaps not in order.
#[derive(Default)]
struct Small {
    bytes: Vec<u8>,
    count: usize,
    /// Where the last pair begins.
    last: usize,
    is_shuffled: bool,
    seen: Seen,
    /// Which of them have the score -0, which the compact form does not tell from 0: the large one does.
    negative_zeros: Vec<usize>,
}

impl NewSortedSet {
    pub(crate) fn new(max: CompactMax, hasher: &KeyHasher) -> Self {
        Self { state: State::Compact(Small::default()), max, hasher: hasher.clone() }
    }

    /// Adds a member, which is canonical; false if it is there already. The score is not NaN. Amortised O(member).
    pub(crate) fn add(&mut self, member: StrRef<'_>, score: f64) -> bool {
        if let State::Compact(small) = &mut self.state {
            if self.max.admits(small.count + 1, member.byte_len()) {
                return small.add(member, score, &self.hasher);
            }
            let mut index = MemberTable::new(self.hasher.clone());
            let block = |pair: compact::Pair<'_>| pair.member.with_bytes(|member| element(member, pair.score));
            let mut elements: Vec<_> = compact::pairs(&small.bytes).map(block).collect();
            small.negative_zeros.iter().for_each(|at| elements[*at] = element(elements[*at].member.key(), -0.0));
            elements.iter().for_each(|element| index.insert(element.member.clone()));
            self.state = State::Large { index, elements };
        }
        let State::Large { index, elements } = &mut self.state else { return false };
        member.with_bytes(|member| {
            let hash = index.hash(member);
            let is_new = index.find_hashed(hash, member).is_none();
            if is_new {
                let element = element(member, score);
                index.insert_hashed(hash, element.member.clone());
                elements.push(element);
            }
            is_new
        })
    }

    /// The sorted set as an entry. O(n log n), O(n) where members came in order or against it.
    pub(crate) fn into_entry(self, key: &[u8], expiry: Option<UnixMillis>) -> Block<Object> {
        match self.state {
            State::Compact(small) => Block::compact(key, ValueType::SortedSet, 0, &small.into_sorted(), expiry),
            State::Large { index, elements } => {
                let set = SortedSet::of_elements(index, elements);
                Block::object(key, Object::SortedSet(Arc::new(set)), ValueType::SortedSet, expiry)
            }
        }
    }
}

impl Small {
    fn add(&mut self, member: StrRef<'_>, score: f64, hasher: &KeyHasher) -> bool {
        let is_there = |bytes: &[u8]| compact::pairs(bytes).any(|pair| pair.member == member);
        if !self.seen.note(hasher, member) && is_there(&self.bytes) {
            return false;
        }
        let start = self.bytes.len();
        member.with_bytes(|member| {
            if !self.is_shuffled
                && let Some(last) = compact::pairs(&self.bytes[self.last..]).next()
            {
                self.is_shuffled = last.member.with_bytes(|other| order((last.score, other), (score, member)).is_gt());
            }
            compact::push(&mut self.bytes, member, score);
        });
        if score.to_bits() == (-0.0f64).to_bits() {
            self.negative_zeros.push(self.count);
        }
        self.last = start;
        self.count += 1;
        true
    }

    fn into_sorted(self) -> Vec<u8> {
        if !self.is_shuffled {
            return self.bytes;
        }
        let mut pairs: Vec<(Vec<u8>, f64)> =
            compact::pairs(&self.bytes).map(|pair| (pair.member.to_vec(), pair.score)).collect();
        pairs.sort_unstable_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
        let mut bytes = Vec::with_capacity(self.bytes.len());
        pairs.iter().for_each(|(member, score)| compact::push(&mut bytes, member, *score));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::SortedSetRef;
    use super::*;

    fn built(max: usize, members: &[(&str, f64)]) -> (bool, Vec<String>) {
        let mut new = NewSortedSet::new(CompactMax { entries: max, member_bytes: 8 }, &KeyHasher::new(1));
        for (member, score) in members {
            assert!(new.add(StrRef::of(member.as_bytes()), *score));
        }
        let entry = new.into_entry(b"k", None);
        let set = match (entry.as_object(), entry.packed()) {
            (Some(Object::SortedSet(set)), _) => SortedSetRef::Large(set),
            (_, bytes) => SortedSetRef::Compact(bytes.unwrap()),
        };
        let shown =
            |(member, score): (StrRef<'_>, f64)| format!("{}={score}", String::from_utf8_lossy(&member.to_vec()));
        (entry.packed().is_some(), set.iter().map(shown).collect())
    }

    #[test]
    fn members_come_out_in_order_whatever_order_they_came_in() {
        let expected = ["x=-inf", "12=1", "a=1", "b=2.5"];
        let all = [("x", f64::NEG_INFINITY), ("12", 1.0), ("a", 1.0), ("b", 2.5)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let members = order.map(|at| all[at]);
            assert_eq!(built(4, &members), (true, expected.map(String::from).to_vec()));
            assert_eq!(built(2, &members), (false, expected.map(String::from).to_vec()));
        }
        for entries in [0, 4] {
            let mut new = NewSortedSet::new(CompactMax { entries, member_bytes: 8 }, &KeyHasher::new(1));
            assert!(new.add(StrRef::Int(5), 1.0) && new.add(StrRef::Bytes(b"a"), 1.0) && !new.add(StrRef::Int(5), 2.0));
        }
        assert!(!built(4, &[("123456789", 1.0)]).0);
    }

    #[test]
    fn a_negative_zero_stays_one_wherever_it_came_if_the_set_is_large() {
        let members = [("a", 0.0), ("b", -0.0), ("c", 1.0)];
        assert_eq!(built(2, &members), (false, ["a=0", "b=-0", "c=1"].map(String::from).to_vec()));
        assert_eq!(built(0, &members), built(2, &members));
        assert_eq!(built(4, &members), (true, ["a=0", "b=0", "c=1"].map(String::from).to_vec()));
    }
}
