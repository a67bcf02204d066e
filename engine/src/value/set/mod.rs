//! Sets: strings without order or repetition.
//!
//! ```text
//! form of the block     kept as                                         OBJECT ENCODING
//! 1, 2, 3               sorted integers of 2, 4 or 8 bytes              intset
//! 0                     packed strings in the order of their coming     listpack
//! -                     a table of members (Object::Set)                hashtable
//! ```
//!
//! A set begins as integers if its first member is one. It changes to the right as members or limits demand, and never
//! back, as in Redis 7.2.
//!
//! Invariants
//! - A member is there once. Members that are canonical integers are compared as such.
//! - A compact set is not empty, except within the change of an entry.

mod building;
mod integers;

pub(crate) use building::NewSet;
use integers::{Integers, Width};

use super::{Member, MemberTable, Object, StrRef, ValueType, packed};
use crate::options::Options;
use crate::table::{Block, KeyHasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Up to which size sets stay compact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetLimits {
    /// Most members of a set of integers.
    pub(crate) integers: usize,
    /// Most members of a packed set.
    pub(crate) packed: usize,
    /// Longest member of a packed set, bytes.
    pub(crate) packed_bytes: usize,
}

impl SetLimits {
    /// What the options say now.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            integers: options.set_intset_entries_max.load(Relaxed).min(INTEGERS_MAX),
            packed: options.set_listpack_entries_max.load(Relaxed),
            packed_bytes: options.set_listpack_value_max.load(Relaxed),
        }
    }
}

/// A set, borrowed. Cheap to copy.
#[derive(Clone, Copy)]
pub(crate) enum SetRef<'a> {
    /// Sorted integers.
    Integers(Integers<'a>),
    /// Packed strings.
    Packed(&'a [u8]),
    /// A table of members.
    Table(&'a MemberTable),
}

/// Whether a member is there, and if not, how many others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Presence {
    There,
    Missing { len: usize },
}

impl<'a> SetRef<'a> {
    fn compact(form: u8, bytes: &'a [u8]) -> Self {
        match Width::from_form(form) {
            Some(width) => Self::Integers(Integers::new(bytes, width)),
            None => Self::Packed(bytes),
        }
    }

    /// How many members there are. O(1), O(n) where they are packed.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Integers(integers) => integers.len(),
            Self::Packed(bytes) => packed::count(bytes),
            Self::Table(table) => table.len(),
        }
    }

    /// Whether there are no members. O(1).
    pub(crate) fn is_empty(self) -> bool {
        match self {
            Self::Integers(integers) => integers.len() == 0,
            Self::Packed(bytes) => bytes.is_empty(),
            Self::Table(table) => table.len() == 0,
        }
    }

    /// Whether `member` is there. O(1), O(n) where they are packed, O(log n) for integers.
    #[inline]
    pub(crate) fn contains(self, member: StrRef<'_>) -> bool {
        match self {
            Self::Table(table) => member.with_bytes(|member| table.contains(member)),
            _ => self.presence(canonical(member)) == Presence::There,
        }
    }

    fn presence(self, member: StrRef<'_>) -> Presence {
        let found = match self {
            Self::Integers(integers) => match member {
                StrRef::Int(n) => integers.position(n).is_ok(),
                StrRef::Bytes(_) => false,
            },
            Self::Packed(bytes) => {
                let mut len = 0;
                for element in packed::iter(bytes) {
                    if element == member {
                        return Presence::There;
                    }
                    len += 1;
                }
                return Presence::Missing { len };
            }
            Self::Table(table) => member.with_bytes(|member| table.contains(member)),
        };
        if found { Presence::There } else { Presence::Missing { len: self.len() } }
    }

    /// The members: integers ascending, packed ones in the order of their coming, others in no order.
    pub(crate) fn iter(self) -> Box<dyn Iterator<Item = StrRef<'a>> + 'a> {
        match self {
            Self::Integers(integers) => Box::new(integers.iter().map(StrRef::Int)),
            Self::Packed(bytes) => Box::new(packed::iter(bytes)),
            Self::Table(table) => Box::new(table.iter().map(|member| StrRef::of(member.into_key()))),
        }
    }

    /// The members of the `n`-th part, about a thousand of a table; `None` behind the last. O(n).
    pub(crate) fn part(self, n: usize) -> Option<Box<dyn Iterator<Item = StrRef<'a>> + 'a>> {
        match self {
            Self::Table(table) => Some(Box::new(table.part(n)?.map(|member| StrRef::of(member.into_key())))),
            Self::Integers(_) | Self::Packed(_) => (n == 0).then(|| self.iter()),
        }
    }

    /// Calls `f` with every member, in the order of [`iter`](Self::iter), and faster.
    pub(crate) fn for_each(self, mut f: impl FnMut(StrRef<'a>)) {
        match self {
            Self::Integers(integers) => integers.iter().for_each(|n| f(StrRef::Int(n))),
            Self::Packed(bytes) => packed::iter(bytes).for_each(f),
            Self::Table(table) => table.iter().for_each(|member| f(StrRef::of(member.into_key()))),
        }
    }

    /// Visits about `count` members from `cursor` on and returns the next cursor; 0 begins and ends. Compact sets are
    /// visited whole.
    pub(crate) fn scan(self, cursor: u64, count: usize, mut f: impl FnMut(StrRef<'_>)) -> u64 {
        match self {
            Self::Table(table) => table.scan(cursor, count, |member| f(StrRef::of(member.key()))),
            _ => {
                self.for_each(f);
                0
            }
        }
    }

    /// A member chosen by `pick`, which gives a random number below its argument; every member has the same chance. `None`
    /// when there is none.
    pub(crate) fn random(self, mut pick: impl FnMut(usize) -> usize) -> Option<StrRef<'a>> {
        match self {
            Self::Integers(integers) => (integers.len() > 0).then(|| StrRef::Int(integers.get(pick(integers.len())))),
            Self::Packed(bytes) => match packed::count(bytes) {
                0 => None,
                count => packed::iter(bytes).nth(pick(count)),
            },
            Self::Table(table) => table.random(pick).map(|member| StrRef::Bytes(member.into_key())),
        }
    }

    /// The name of the encoding that Redis would use.
    pub(crate) fn encoding(self) -> &'static str {
        match self {
            Self::Integers(_) => "intset",
            Self::Packed(_) => "listpack",
            Self::Table(_) => "hashtable",
        }
    }

    /// The form that a compact set has once `member` has come to the `len` that are there; `None`: it becomes a table.
    fn form_with(self, member: StrRef<'_>, len: usize, limits: SetLimits) -> Option<u8> {
        let fits = |bytes: usize| len < limits.packed && bytes <= limits.packed_bytes;
        match (self, member) {
            (Self::Integers(integers), StrRef::Int(n)) => {
                (len < limits.integers).then(|| integers.width().max(Width::of(n)) as u8)
            }
            (Self::Integers(integers), StrRef::Bytes(bytes)) => {
                let digits = |at: usize| StrRef::Int(integers.get(at)).byte_len();
                let longest = if len == 0 { 0 } else { digits(0).max(digits(len - 1)) };
                fits(bytes.len().max(longest)).then_some(PACKED)
            }
            (Self::Packed(_), member) => fits(member.byte_len()).then_some(PACKED),
            (Self::Table(_), _) => None,
        }
    }

    /// A table with the same members.
    fn to_table(self, hasher: &KeyHasher) -> MemberTable {
        let mut table = MemberTable::new(hasher.clone());
        self.for_each(|member| member.with_bytes(|member| table.insert(member_block(member))));
        table
    }
}

/// Adds a member that is not there to a compact set of one form, whose form becomes `to`.
fn insert_compact(bytes: &mut Vec<u8>, from: u8, to: u8, member: StrRef<'_>) {
    match (Width::from_form(from), Width::from_form(to), member) {
        (Some(from), Some(to), StrRef::Int(n)) => integers::insert(bytes, from, to, n),
        (Some(from), _, _) => {
            let integers: Vec<i64> = Integers::new(bytes, from).iter().collect();
            bytes.clear();
            integers.into_iter().for_each(|n| packed::push(bytes, StrRef::Int(n)));
            packed::push(bytes, member);
        }
        (None, _, _) => packed::push(bytes, member),
    }
}

/// Takes a member out of a compact set; says whether it was there.
fn remove_compact(bytes: &mut Vec<u8>, form: u8, member: StrRef<'_>) -> bool {
    match (SetRef::compact(form, bytes), member) {
        (SetRef::Integers(integers), StrRef::Int(n)) => match integers.position(n) {
            Ok(at) => integers::remove(bytes, integers.width(), at),
            Err(_) => return false,
        },
        (SetRef::Packed(_), member) => match packed::find(bytes, member, 1) {
            Some(range) => drop(bytes.drain(range)),
            None => return false,
        },
        _ => return false,
    }
    true
}

/// A member as compact sets keep it: tables keep integers as text.
#[inline]
fn canonical(member: StrRef<'_>) -> StrRef<'_> {
    match member {
        StrRef::Int(_) => member,
        StrRef::Bytes(bytes) => StrRef::of(bytes),
    }
}

fn member_block(member: &[u8]) -> Member {
    Member::string(member, StrRef::Bytes(b""), false, None)
}

impl Block<Object> {
    /// The set in this entry; `None` for other types. O(1).
    #[inline]
    pub(crate) fn as_set(&self) -> Option<SetRef<'_>> {
        if self.value_type() != ValueType::Set {
            return None;
        }
        match self.as_object() {
            Some(Object::Set(table)) => Some(SetRef::Table(table)),
            _ => Some(SetRef::compact(self.form(), self.packed()?)),
        }
    }

    /// Adds a member to the set in this entry; says whether it is new. O(1), O(n) where the set is compact.
    pub(crate) fn add_to_set(&mut self, member: StrRef<'_>, limits: SetLimits, hasher: &KeyHasher) -> bool {
        if let Some(Object::Set(_)) = self.as_object() {
            return member.with_bytes(|member| self.add_to_table(member));
        }
        let Some(set) = self.as_set() else { return false };
        let Presence::Missing { len } = set.presence(member) else { return false };
        match set.form_with(member, len, limits) {
            Some(to) => {
                let from = self.form();
                self.edit_packed_form(to, |bytes| insert_compact(bytes, from, to, member));
            }
            None => {
                let mut table = set.to_table(hasher);
                member.with_bytes(|member| table.insert(member_block(member)));
                self.outgrow(Object::Set(Arc::new(table)));
            }
        }
        true
    }

    fn add_to_table(&mut self, member: &[u8]) -> bool {
        let Some(Object::Set(table)) = self.object_mut() else { return false };
        let hash = table.hash(member);
        if table.find_hashed(hash, member).is_some() {
            return false;
        }
        Arc::make_mut(table).insert_hashed(hash, member_block(member));
        true
    }

    /// Takes a member out of the set in this entry; says whether it was there. The set may be empty afterwards. O(1), O(n)
    /// where the set is compact.
    pub(crate) fn remove_from_set(&mut self, member: StrRef<'_>) -> bool {
        if let Some(Object::Set(table)) = self.object_mut() {
            let Some(spot) = member.with_bytes(|member| table.find(member)) else { return false };
            Arc::make_mut(table).remove(spot);
            return true;
        }
        let form = self.form();
        self.edit_packed(|bytes| remove_compact(bytes, form, member))
    }

    /// Makes the set in this entry a table if so many more members would make it one anyway.
    pub(crate) fn expect_in_set(&mut self, more: usize, limits: SetLimits, hasher: &KeyHasher) {
        let table = match self.as_set() {
            Some(set @ SetRef::Integers(_)) if more > limits.integers => set.to_table(hasher),
            Some(set @ SetRef::Packed(_)) if more > limits.packed => set.to_table(hasher),
            _ => return,
        };
        self.outgrow(Object::Set(Arc::new(table)));
    }
}

/// Sets of integers stay below this many members whatever the options say.
const INTEGERS_MAX: usize = 1 << 30;

/// The form of packed strings.
const PACKED: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LIMITS: SetLimits = SetLimits { integers: 8, packed: 4, packed_bytes: 10 };

    fn set_of(members: &[&str]) -> Block<Object> {
        let hasher = KeyHasher::new(1);
        let mut new = NewSet::new(StrRef::of(members[0].as_bytes()), 1, LIMITS, &hasher);
        for member in members {
            new.add(StrRef::of(member.as_bytes()));
        }
        new.into_entry(b"k", None)
    }

    fn members(entry: &Block<Object>) -> Vec<String> {
        let text = |member: StrRef<'_>| String::from_utf8(member.to_vec()).unwrap();
        entry.as_set().unwrap().iter().map(text).collect()
    }

    #[test]
    fn a_set_changes_its_form_as_members_come_and_never_back() {
        let hasher = KeyHasher::new(1);
        let mut entry = set_of(&["3", "1", "2"]);
        assert_eq!(
            (entry.as_set().unwrap().encoding(), members(&entry)),
            ("intset", vec!["1".into(), "2".into(), "3".into()])
        );
        assert!(!entry.add_to_set(StrRef::Int(2), LIMITS, &hasher));
        assert!(entry.add_to_set(StrRef::Int(1 << 40), LIMITS, &hasher));
        assert!(entry.remove_from_set(StrRef::Int(1 << 40)));
        assert!(entry.add_to_set(StrRef::Bytes(b"x"), LIMITS, &hasher));
        assert_eq!((entry.as_set().unwrap().encoding(), members(&entry).join(" ")), ("listpack", "1 2 3 x".into()));
        assert!(!entry.add_to_set(StrRef::Bytes(b"x"), LIMITS, &hasher));
        assert!(entry.add_to_set(StrRef::Bytes(b"y"), LIMITS, &hasher));
        assert_eq!((entry.as_set().unwrap().encoding(), entry.as_set().unwrap().len()), ("hashtable", 5));
        for member in ["x", "y", "1", "2"] {
            assert!(entry.remove_from_set(StrRef::of(member.as_bytes())));
            assert!(!entry.remove_from_set(StrRef::of(member.as_bytes())));
        }
        assert_eq!((entry.as_set().unwrap().encoding(), members(&entry).join(" ")), ("hashtable", "3".into()));
    }

    #[test]
    fn long_members_and_many_integers_need_a_table() {
        let hasher = KeyHasher::new(1);
        let mut entry = set_of(&["a"]);
        entry.add_to_set(StrRef::Bytes(b"0123456789x"), LIMITS, &hasher);
        assert_eq!(entry.as_set().unwrap().encoding(), "hashtable");
        assert_eq!(set_of(&["1", "2", "3", "4", "5", "6", "7", "8"]).as_set().unwrap().encoding(), "intset");
        assert_eq!(set_of(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]).as_set().unwrap().encoding(), "hashtable");
        assert_eq!(set_of(&["1", "2", "3", "4", "x"]).as_set().unwrap().encoding(), "hashtable");
        assert_eq!(set_of(&["12345678901", "x"]).as_set().unwrap().encoding(), "hashtable");
    }

    #[test]
    fn integers_of_a_table_are_integers_elsewhere() {
        let hasher = KeyHasher::new(1);
        let table = set_of(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let mut new = NewSet::of_results(LIMITS, &hasher);
        table.as_set().unwrap().iter().take(3).for_each(|member| assert!(new.add(member)));
        assert_eq!(new.as_set().encoding(), "intset");
        new.add(StrRef::Bytes(b"x"));
        table.as_set().unwrap().iter().take(3).for_each(|member| {
            assert!(!new.add(member) && new.as_set().contains(member));
            assert!(new.remove(member));
        });
    }

    #[test]
    fn choice_reaches_every_member_of_every_form() {
        for members in [&["1", "2", "3"][..], &["a", "b", "3"], &["a", "b", "c", "d", "e", "f"]] {
            let entry = set_of(members);
            let (mut state, mut seen) = (1u64, BTreeSet::new());
            for _ in 0..500 {
                let pick = |below: usize| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    ((state >> 33) % below as u64) as usize
                };
                seen.insert(entry.as_set().unwrap().random(pick).unwrap().to_vec());
            }
            assert_eq!(seen.len(), members.len());
        }
    }
}
