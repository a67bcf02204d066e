//! A hash that is being put together before it has an entry.

use super::compact::{self, Compact, Layout};
use super::{FieldExpiry, FieldTable, HashLimits, HashRef};
use crate::table::{Block, KeyHasher};
use crate::time::UnixMillis;
use crate::value::seen::Seen;
use crate::value::{Object, StrRef, ValueType};
use std::sync::Arc;

/// A hash in the making. It takes the form that setting its fields one by one would have given it.
pub(crate) struct NewHash {
    state: State,
    limits: HashLimits,
    hasher: KeyHasher,
}

enum State {
    Compact { layout: Layout, bytes: Vec<u8>, count: usize, seen: Seen },
    Table(FieldTable),
}

impl NewHash {
    pub(crate) fn new(limits: HashLimits, hasher: &KeyHasher) -> Self {
        let state = State::Compact { layout: Layout::Plain, bytes: Vec::new(), count: 0, seen: Seen::default() };
        Self { state, limits, hasher: hasher.clone() }
    }

    /// Adds a field; false if it is there already. Field and value are canonical. Amortised O(field + value).
    pub(crate) fn add(&mut self, field: StrRef<'_>, value: StrRef<'_>, expiry: Option<UnixMillis>) -> bool {
        if let State::Compact { layout, bytes, count, seen } = &mut self.state {
            let is_small = *count < self.limits.fields && field.byte_len().max(value.byte_len()) <= self.limits.bytes;
            if is_small {
                if !seen.note(&self.hasher, field) && Compact::new(bytes, *layout).find(field).is_some() {
                    return false;
                }
                if expiry.is_some() && *layout == Layout::Plain {
                    compact::to_timed(bytes);
                    *layout = Layout::Timed;
                }
                compact::push(bytes, *layout, field, value, expiry);
                *count += 1;
                return true;
            }
            let table = HashRef::Compact(Compact::new(bytes, *layout)).to_table(&self.hasher);
            self.state = State::Table(table);
        }
        let State::Table(table) = &mut self.state else { return false };
        let expiry = expiry.map_or(FieldExpiry::Clear, FieldExpiry::At);
        field.with_bytes(|field| value.with_bytes(|value| table.set(field, value, expiry)))
    }

    /// The hash as an entry.
    pub(crate) fn into_entry(self, key: &[u8], expiry: Option<UnixMillis>) -> Block<Object> {
        match self.state {
            State::Compact { layout, bytes, .. } => Block::compact(key, ValueType::Hash, layout as u8, &bytes, expiry),
            State::Table(table) => Block::object(key, Object::Hash(Arc::new(table)), ValueType::Hash, expiry),
        }
    }
}
