//! One key of a view.

use crate::command::keyspace::recording::record_value;
use crate::effect::Recorder;
use crate::keyspace::EntryRef;
use crate::payload::{Style, encode};
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

    #[cfg(test)]
    pub(super) fn entry(&self) -> &EntryRef {
        &self.entry
    }

    /// Appends the value as [`payload`](crate::payload) draws it, and returns the number of its type. O(value).
    pub fn encode(&self, style: Style, out: &mut Vec<u8>) -> u8 {
        encode(&self.entry, style, out)
    }

    /// Appends effects that make the value, with its expiry, whatever was there: in pieces of bounded size. O(value).
    pub fn append_effects(&self, out: &mut Vec<u8>) {
        out.record(&[b"DEL", self.key()]);
        record_value(out, self.key(), &self.entry);
    }

    /// Bytes of memory that it takes. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.entry.heap_bytes()
    }

    /// Its access frequency counter, where the policy for eviction counts that.
    pub fn frequency(&self) -> u8 {
        self.entry.access() as u8
    }

    /// Seconds since it was used, at the time of the view.
    pub fn idle_seconds(&self) -> u64 {
        u64::from(self.access_seconds.wrapping_sub(self.entry.access()) & 0x00ff_ffff)
    }
}
