//! One key of a view.

use crate::keyspace::EntryRef;
use crate::payload::{self, Style};
use crate::table::Lent;
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::ValueType;

/// One key of a [`View`](super::View).
pub struct ViewEntry<'a> {
    db: u16,
    entry: Lent<'a, EntryRef>,
    access_seconds: u32,
}

impl<'a> ViewEntry<'a> {
    pub(super) fn new(db: u16, entry: Lent<'a, EntryRef>, access_seconds: u32) -> Self {
        Self { db, entry, access_seconds }
    }

    /// The database.
    pub fn db(&self) -> u16 {
        self.db
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.entry.key()
    }

    /// When it expires.
    pub fn expiry(&self) -> Option<UnixMillis> {
        self.entry.expiry()
    }

    /// The type of its value.
    pub fn value_type(&self) -> ValueType {
        self.entry.value_type()
    }

    /// The value, if it is a string.
    pub fn as_string(&self) -> Option<StrRef<'_>> {
        self.entry.as_string()
    }

    /// Appends the value as Redis serialises it, and returns the number of its type; see [`payload`]. O(value).
    pub fn encode(&self, style: Style, out: &mut Vec<u8>) -> u8 {
        payload::encode(&self.entry, style, out)
    }

    #[cfg(test)]
    pub(super) fn entry(&self) -> &EntryRef {
        &self.entry
    }

    /// Bytes of memory that it takes. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.entry.heap_bytes()
    }

    /// Seconds since it was used, at the time of the view.
    pub fn idle_seconds(&self) -> u64 {
        u64::from(self.access_seconds.wrapping_sub(self.entry.access()) & 0x00ff_ffff)
    }
}
