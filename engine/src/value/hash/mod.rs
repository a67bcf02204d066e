//! Hashes: fields with values, each of which may have an expiry of its own.
//!
//! ```text
//! form of the block     kept as                                            OBJECT ENCODING
//! 0                     packed field, value, ...                           listpack
//! 1                     packed field, value, expiry, ...                   listpackex
//! -                     a table of fields (Object::Hash)                   hashtable
//! ```
//!
//! A hash changes downwards as fields, lengths and expiries demand, and never back, as in Redis.
//!
//! Invariants
//! - A field is there once.
//! - Fields that are due are still there until somebody takes them out; [`HashView`] does not show them.

mod building;
mod compact;
mod table;

pub(crate) use building::NewHash;
pub(crate) use compact::FieldExpiry;
use compact::{Compact, Layout};
pub(crate) use table::FieldTable;

use super::{Member, MemberTable, Object, StrRef, ValueType};
use crate::options::Options;
use crate::table::{Block, KeyHasher, Lent};
use crate::time::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Up to which size hashes stay compact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashLimits {
    /// Most fields.
    pub(crate) fields: usize,
    /// Longest field or value, bytes.
    pub(crate) bytes: usize,
}

impl HashLimits {
    /// What the options say now.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            fields: options.hash_listpack_entries_max.load(Relaxed),
            bytes: options.hash_listpack_value_max.load(Relaxed),
        }
    }
}

/// A field with its value and expiry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) field: StrRef<'a>,
    pub(crate) value: StrRef<'a>,
    pub(crate) expiry: Option<UnixMillis>,
}

fn field_of(member: Lent<'_, Member>) -> Field<'_> {
    let expiry = member.expiry();
    let (field, value) = member.into_pair();
    Field { field: StrRef::Bytes(field), value, expiry }
}

/// A hash, borrowed. Cheap to copy.
#[derive(Clone, Copy)]
pub(crate) enum HashRef<'a> {
    /// In one piece of memory.
    Compact(Compact<'a>),
    /// A table of fields.
    Table(&'a FieldTable),
}

impl<'a> HashRef<'a> {
    /// How many fields there are, due ones included. O(1), O(n) where it is compact.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Compact(compact) => compact.len(),
            Self::Table(table) => table.len(),
        }
    }

    /// Whether there are no fields. O(1).
    pub(crate) fn is_empty(self) -> bool {
        match self {
            Self::Compact(compact) => compact.is_empty(),
            Self::Table(table) => table.len() == 0,
        }
    }

    /// No field is due before this time; `None` if no field has an expiry. O(1).
    pub(crate) fn next_expiry(self) -> Option<UnixMillis> {
        match self {
            Self::Compact(compact) => compact.next_expiry(),
            Self::Table(table) => table.next_expiry(),
        }
    }

    /// A field. O(1), O(n) where it is compact.
    #[inline]
    pub(crate) fn get(self, field: &[u8]) -> Option<Field<'a>> {
        match self {
            Self::Compact(compact) => {
                let item = compact.find(StrRef::of(field))?;
                Some(Field { field: item.field, value: item.value, expiry: item.expiry })
            }
            Self::Table(table) => {
                let member = table.fields().get(field)?;
                let expiry = member.expiry();
                let (field, value) = member.into_pair();
                Some(Field { field: StrRef::Bytes(field), value, expiry })
            }
        }
    }

    /// The fields: those of a compact hash in the order of their coming, others in no order.
    pub(crate) fn iter(self) -> Box<dyn Iterator<Item = Field<'a>> + 'a> {
        match self {
            Self::Compact(compact) => {
                let field =
                    |item: compact::Item<'a>| Field { field: item.field, value: item.value, expiry: item.expiry };
                Box::new(compact.iter().map(field))
            }
            Self::Table(table) => Box::new(table.fields().iter().map(field_of)),
        }
    }

    /// The fields of the `n`-th part, about a thousand of a table; `None` behind the last. O(n).
    pub(crate) fn part(self, n: usize) -> Option<Box<dyn Iterator<Item = Field<'a>> + 'a>> {
        match self {
            Self::Compact(_) => (n == 0).then(|| self.iter()),
            Self::Table(table) => Some(Box::new(table.fields().part(n)?.map(field_of))),
        }
    }

    /// The table of fields, if it has one.
    pub(crate) fn table(self) -> Option<&'a MemberTable> {
        match self {
            Self::Compact(_) => None,
            Self::Table(table) => Some(table.fields()),
        }
    }

    /// Visits about `count` fields from `cursor` on and returns the next cursor; 0 begins and ends. Compact hashes are
    /// visited whole.
    pub(crate) fn scan(self, cursor: u64, count: usize, mut f: impl FnMut(Field<'_>)) -> u64 {
        match self {
            Self::Compact(_) => {
                self.iter().for_each(f);
                0
            }
            Self::Table(table) => table.fields().scan(cursor, count, |member| {
                let value = member.as_bytes().unwrap_or(StrRef::Bytes(b""));
                f(Field { field: StrRef::Bytes(member.key()), value, expiry: member.expiry() });
            }),
        }
    }

    /// The name of the encoding that Redis would use.
    pub(crate) fn encoding(self) -> &'static str {
        match self {
            Self::Compact(compact) => match compact.layout() {
                Layout::Plain => "listpack",
                Layout::Timed => "listpackex",
            },
            Self::Table(_) => "hashtable",
        }
    }

    fn to_table(self, hasher: &KeyHasher) -> FieldTable {
        let mut table = FieldTable::new(hasher.clone());
        for Field { field, value, expiry } in self.iter() {
            let expiry = expiry.map_or(FieldExpiry::Clear, FieldExpiry::At);
            field.with_bytes(|field| value.with_bytes(|value| table.set(field, value, expiry)));
        }
        table
    }
}

/// A hash as it is seen at one moment: fields that are due are hidden.
#[derive(Clone, Copy)]
pub(crate) struct HashView<'a> {
    pub(crate) hash: HashRef<'a>,
    /// Fields that are due now are hidden; `None`: nothing is hidden.
    now: Option<UnixMillis>,
}

impl<'a> HashView<'a> {
    /// The hash at a moment. `now` is asked only if a field may be due.
    pub(crate) fn new(hash: HashRef<'a>, now: impl FnOnce() -> Option<UnixMillis>) -> Self {
        let now = hash.next_expiry().and_then(|next| now().filter(|now| next < *now));
        Self { hash, now }
    }

    /// Whether a field is shown.
    pub(crate) fn shows(&self, field: &Field<'_>) -> bool {
        match (self.now, field.expiry) {
            (Some(now), Some(expiry)) => expiry >= now,
            _ => true,
        }
    }

    /// Whether some field may be hidden.
    pub(crate) fn may_hide(&self) -> bool {
        self.now.is_some()
    }

    #[inline]
    pub(crate) fn get(&self, field: &[u8]) -> Option<Field<'a>> {
        self.hash.get(field).filter(|field| self.shows(field))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Field<'a>> {
        self.hash.iter().filter(move |field| self.shows(field))
    }
}

impl Block<Object> {
    /// The hash in this entry; `None` for other types. O(1).
    #[inline]
    pub(crate) fn as_hash(&self) -> Option<HashRef<'_>> {
        if self.value_type() != ValueType::Hash {
            return None;
        }
        match self.as_object() {
            Some(Object::Hash(table)) => Some(HashRef::Table(table)),
            _ => Some(HashRef::Compact(Compact::new(self.packed()?, Layout::of_form(self.form())))),
        }
    }

    /// No field of the hash in this entry is due before this time; `None` if no field has an expiry, and for other types.
    /// O(1).
    #[inline]
    pub(crate) fn next_field_expiry(&self) -> Option<UnixMillis> {
        if self.value_type() == ValueType::Hash { self.as_hash()?.next_expiry() } else { None }
    }

    /// A hash with these fields; of a field that comes twice the last value stays.
    pub(crate) fn hash<'p>(
        key: &[u8],
        pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone,
        limits: HashLimits,
        hasher: &KeyHasher,
    ) -> (Self, usize) {
        let mut entry = Self::compact(key, ValueType::Hash, Layout::Plain as u8, b"", None);
        let count = entry.set_fields(pairs, FieldExpiry::Clear, limits, hasher);
        (entry, count)
    }

    /// Sets fields of the hash in this entry; says how many are new. O(fields), and O(n) for each where it is compact.
    pub(crate) fn set_fields<'p>(
        &mut self,
        pairs: impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone,
        expiry: FieldExpiry,
        limits: HashLimits,
        hasher: &KeyHasher,
    ) -> usize {
        let is_long = |bytes: &[u8]| bytes.len() > limits.bytes;
        if self.packed().is_some() {
            if pairs.len() > limits.fields || pairs.clone().any(|(field, value)| is_long(field) || is_long(value)) {
                self.tabulate(hasher);
            } else {
                if let FieldExpiry::At(_) = expiry {
                    self.make_timed();
                }
                let layout = Layout::of_form(self.form());
                let (len, new) = self.edit_packed(|bytes| {
                    let set =
                        |(field, value)| compact::set(bytes, layout, StrRef::of(field), StrRef::of(value), expiry);
                    let new = pairs.map(set).filter(|is_new| *is_new).count();
                    (if new > 0 { Compact::new(bytes, layout).len() } else { 0 }, new)
                });
                if len > limits.fields {
                    self.tabulate(hasher);
                }
                return new;
            }
        }
        let Some(Object::Hash(table)) = self.object_mut() else { return 0 };
        let table = Arc::make_mut(table);
        pairs.filter(|(field, value)| table.set(field, value, expiry)).count()
    }

    /// Takes a field out of the hash in this entry; says whether it was there. The hash may be empty afterwards.
    pub(crate) fn remove_field(&mut self, field: &[u8]) -> bool {
        if let Some(Object::Hash(table)) = self.object_mut() {
            return table.fields().contains(field) && Arc::make_mut(table).remove(field);
        }
        let layout = Layout::of_form(self.form());
        self.edit_packed(|bytes| compact::remove(bytes, layout, StrRef::of(field)))
    }

    /// Sets or clears the expiry of a field that is there.
    pub(crate) fn set_field_expiry(&mut self, field: &[u8], expiry: Option<UnixMillis>) {
        if let Some(Object::Hash(table)) = self.object_mut() {
            return Arc::make_mut(table).set_expiry(field, expiry);
        }
        self.make_timed();
        self.edit_packed(|bytes| compact::set_expiry(bytes, StrRef::of(field), expiry));
    }

    /// Fields that are due at `now`: all of a compact hash, those among the next `count` of a table.
    pub(crate) fn due_fields(&mut self, now: UnixMillis, count: usize) -> Vec<Vec<u8>> {
        if let Some(Object::Hash(table)) = self.object_mut() {
            return Arc::make_mut(table).due_part(now, count);
        }
        let fields = self.as_hash().into_iter().flat_map(HashRef::iter);
        fields.filter(|field| field.expiry.is_some_and(|at| at < now)).map(|field| field.field.to_vec()).collect()
    }

    fn make_timed(&mut self) {
        if self.form() == Layout::Plain as u8 {
            self.edit_packed_form(Layout::Timed as u8, compact::to_timed);
        }
    }

    fn tabulate(&mut self, hasher: &KeyHasher) {
        if let Some(hash) = self.as_hash() {
            let table = hash.to_table(hasher);
            self.outgrow(Object::Hash(Arc::new(table)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HashLimits = HashLimits { fields: 4, bytes: 10 };

    fn pairs<'p>(words: &'p [&'p str]) -> impl ExactSizeIterator<Item = (&'p [u8], &'p [u8])> + Clone {
        words.chunks(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()))
    }

    fn shown(entry: &Block<Object>) -> String {
        let text = |s: StrRef<'_>| String::from_utf8(s.to_vec()).unwrap();
        let mut all: Vec<String> =
            entry.as_hash().unwrap().iter().map(|f| format!("{}={}", text(f.field), text(f.value))).collect();
        if entry.as_hash().unwrap().table().is_some() {
            all.sort();
        }
        format!("{} {}", entry.as_hash().unwrap().encoding(), all.join(" "))
    }

    #[test]
    fn a_hash_grows_out_of_its_forms() {
        let hasher = KeyHasher::new(1);
        let (mut entry, count) = Block::hash(b"k", pairs(&["a", "1", "b", "x", "a", "2"]), LIMITS, &hasher);
        assert_eq!((count, shown(&entry)), (2, "listpack a=2 b=x".into()));
        assert_eq!(entry.set_fields(pairs(&["b", "y", "c", "3"]), FieldExpiry::Clear, LIMITS, &hasher), 1);
        entry.set_field_expiry(b"c", Some(UnixMillis(5)));
        assert_eq!((shown(&entry), entry.next_field_expiry()), ("listpackex a=2 b=y c=3".into(), Some(UnixMillis(5))));
        assert!(entry.remove_field(b"a") && !entry.remove_field(b"a"));
        entry.set_fields(pairs(&["d", "4", "e", "5", "f", "6"]), FieldExpiry::Clear, LIMITS, &hasher);
        assert_eq!(
            (shown(&entry), entry.next_field_expiry()),
            ("hashtable b=y c=3 d=4 e=5 f=6".into(), Some(UnixMillis(5)))
        );
        assert_eq!(entry.due_fields(UnixMillis(6), 100), [b"c"]);
        assert!(entry.remove_field(b"c") && !entry.remove_field(b"c"));
        assert_eq!((entry.as_hash().unwrap().len(), entry.next_field_expiry()), (4, None));
        for words in
            [&["a", "0123456789x"][..], &["0123456789x", "a"], &["a", "1", "b", "2", "c", "3", "d", "4", "e", "5"]]
        {
            assert_eq!(Block::hash(b"k", pairs(words), LIMITS, &hasher).0.as_hash().unwrap().encoding(), "hashtable");
        }
    }

    #[test]
    fn a_view_hides_what_is_due() {
        let hasher = KeyHasher::new(1);
        let (mut entry, _) = Block::hash(b"k", pairs(&["a", "1", "b", "2"]), LIMITS, &hasher);
        entry.set_field_expiry(b"a", Some(UnixMillis(5)));
        let at = |now| HashView::new(entry.as_hash().unwrap(), || now);
        assert_eq!((at(Some(UnixMillis(5))).iter().count(), at(Some(UnixMillis(6))).iter().count()), (2, 1));
        assert!(at(Some(UnixMillis(6))).get(b"a").is_none() && at(None).get(b"a").is_some());
    }
}
