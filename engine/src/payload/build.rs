//! From parts to a value: what reading gives becomes an entry, in the forms that the options ask for.
//!
//! Invariants
//! - The parts of one value are of one type; a member, a field, a group or a consumer that comes twice, scores that are no
//!   numbers and ids that do not ascend are refused: nothing of what was begun remains then.
//! - Memory follows the parts that came.

use super::error::PayloadError;
use super::part::Part;
use crate::keyspace::EntryRef;
use crate::options::Options;
use crate::table::KeyHasher;
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::hash::{HashLimits, NewHash};
use crate::value::list::{Limits as ListLimits, NewList};
use crate::value::set::{NewSet, SetLimits};
use crate::value::sorted_set::{CompactMax, NewSortedSet};
use crate::value::stream::{NewStream, Totals};
use crate::value::{Object, ValueType};
use std::sync::Arc;

/// Up to which sizes values take their small forms.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    list: ListLimits,
    set: SetLimits,
    sorted_set: CompactMax,
    hash: HashLimits,
}

impl Forms {
    /// What the options say now.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            list: ListLimits::of(options),
            set: SetLimits::of(options),
            sorted_set: CompactMax::of(options),
            hash: HashLimits::of(options),
        }
    }
}

/// A value in the making.
pub(crate) struct Build {
    forms: Forms,
    hasher: KeyHasher,
    value: Value,
}

enum Value {
    /// Nothing has come yet.
    Empty,
    Int(i64),
    Bytes(Vec<u8>),
    List(NewList),
    Set(NewSet),
    SortedSet(NewSortedSet),
    Hash(NewHash),
    Stream {
        stream: Box<NewStream>,
        is_old: bool,
    },
}

impl Build {
    pub(crate) fn new(forms: Forms, hasher: &KeyHasher) -> Self {
        Self { forms, hasher: hasher.clone(), value: Value::Empty }
    }

    /// Adds a part. Amortised O(part), where compact sets are concerned O(set).
    pub(crate) fn part(&mut self, part: Part<'_>) -> Result<(), PayloadError> {
        match part {
            Part::String(string) => self.string(string),
            Part::Element(element) => {
                if let Value::Empty = self.value {
                    self.value = Value::List(NewList::new(self.forms.list));
                }
                let Value::List(list) = &mut self.value else { return Err(MIXED) };
                list.push(canonical(element));
                Ok(())
            }
            Part::Member(member) => self.member(canonical(member)),
            Part::Scored(member, score) => self.scored(canonical(member), score),
            Part::Field(field, value, expiry) => self.field(canonical(field), canonical(value), expiry),
            Part::Node { .. }
            | Part::Entry(..)
            | Part::Stream { .. }
            | Part::Group { .. }
            | Part::Pending { .. }
            | Part::Consumer { .. }
            | Part::Owned(_) => self.of_stream(part),
        }
    }

    /// The value as an entry, and begins anew; `None` for a collection without elements.
    pub(crate) fn end(&mut self, key: &[u8], expiry: Option<UnixMillis>) -> Result<Option<EntryRef>, PayloadError> {
        Ok(Some(match std::mem::replace(&mut self.value, Value::Empty) {
            Value::Empty => return Ok(None),
            Value::Int(n) => EntryRef::string(key, StrRef::Int(n), false, expiry),
            Value::Bytes(bytes) => EntryRef::string(key, StrRef::Bytes(&bytes), false, expiry),
            Value::List(list) => list.into_entry(key, expiry),
            Value::Set(set) => set.into_entry(key, expiry),
            Value::SortedSet(set) => set.into_entry(key, expiry),
            Value::Hash(hash) => hash.into_entry(key, expiry),
            Value::Stream { stream, .. } => {
                let stream = stream.finish().map_err(contradiction)?;
                EntryRef::object(key, Object::Stream(Arc::new(stream)), ValueType::Stream, expiry)
            }
        }))
    }

    /// Forgets what was begun.
    pub(crate) fn abandon(&mut self) {
        self.value = Value::Empty;
    }

    fn string(&mut self, string: StrRef<'_>) -> Result<(), PayloadError> {
        let Value::Empty = self.value else { return Err(MIXED) };
        self.value = match canonical(string) {
            StrRef::Int(n) => Value::Int(n),
            StrRef::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        };
        Ok(())
    }

    fn member(&mut self, member: StrRef<'_>) -> Result<(), PayloadError> {
        if let Value::Empty = self.value {
            self.value = Value::Set(NewSet::new(member, 1, self.forms.set, &self.hasher));
        }
        let Value::Set(set) = &mut self.value else { return Err(MIXED) };
        if set.add(member) { Ok(()) } else { Err(contradiction("a member of a set is there once")) }
    }

    fn scored(&mut self, member: StrRef<'_>, score: f64) -> Result<(), PayloadError> {
        if let Value::Empty = self.value {
            self.value = Value::SortedSet(NewSortedSet::new(self.forms.sorted_set, &self.hasher));
        }
        let Value::SortedSet(set) = &mut self.value else { return Err(MIXED) };
        if score.is_nan() {
            return Err(contradiction("a score is a number"));
        }
        if set.add(member, score) { Ok(()) } else { Err(contradiction("a member of a sorted set is there once")) }
    }

    fn field(&mut self, field: StrRef<'_>, value: StrRef<'_>, expiry: Option<UnixMillis>) -> Result<(), PayloadError> {
        if let Value::Empty = self.value {
            self.value = Value::Hash(NewHash::new(self.forms.hash, &self.hasher));
        }
        let Value::Hash(hash) = &mut self.value else { return Err(MIXED) };
        if expiry.is_some_and(|UnixMillis(ms)| ms > EXPIRY_MS_MAX) {
            return Err(contradiction("a field expires within reach of the clock"));
        }
        // What was due before all time is due; 0 is kept for none.
        let expiry = expiry.map(|UnixMillis(ms)| UnixMillis(ms.max(1)));
        if hash.add(field, value, expiry) { Ok(()) } else { Err(contradiction("a field of a hash is there once")) }
    }

    fn of_stream(&mut self, part: Part<'_>) -> Result<(), PayloadError> {
        if let Value::Empty = self.value {
            self.value = Value::Stream { stream: Box::new(NewStream::new()), is_old: false };
        }
        let Value::Stream { stream, is_old } = &mut self.value else { return Err(MIXED) };
        let outcome = match part {
            Part::Node { id, fields, size_bytes } => stream.node(id, fields, size_bytes),
            Part::Entry(id, pairs) => stream.entry(id, pairs),
            Part::Stream { length, last, first: _, max_deleted, added } => {
                *is_old = added.is_none();
                stream.totals(Totals { length, last, max_deleted, added })
            }
            Part::Group { name, last, read } => stream.group(name, last, read, !*is_old),
            Part::Pending { id, delivered, count } => stream.pending(id, delivered.0, count),
            Part::Consumer { name, seen, active } => {
                // Forms without active times: the best that is known. Redis writes -1 for never.
                let active = active.map_or(Some(seen.0), |UnixMillis(ms)| (ms >= 0).then_some(ms));
                stream.consumer(name, seen.0, active)
            }
            Part::Owned(id) => stream.owned(id),
            Part::String(_) | Part::Element(_) | Part::Member(_) | Part::Scored(..) | Part::Field(..) => {
                return Err(MIXED);
            }
        };
        outcome.map_err(contradiction)
    }
}

/// A string as values keep it: integers as such, however they were written.
fn canonical(string: StrRef<'_>) -> StrRef<'_> {
    match string {
        StrRef::Int(_) => string,
        StrRef::Bytes(bytes) => StrRef::of(bytes),
    }
}

#[cold]
fn contradiction(what: &'static str) -> PayloadError {
    PayloadError::Contradiction { what }
}

const MIXED: PayloadError = PayloadError::Contradiction { what: "the parts of a value are of one type" };

/// Redis keeps expiries of fields in 46 bits.
const EXPIRY_MS_MAX: i64 = (1 << 46) - 2;
