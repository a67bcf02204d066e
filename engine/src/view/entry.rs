//! One key of a view.

use crate::command::keyspace::recording::record_part;
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

    /// The value as effects that make it, with its expiry, whatever was there. O(1); what was changed since stays in memory for as long
    /// as they do.
    pub fn effects(&self) -> ViewEffects {
        ViewEffects { entry: self.entry.clone(), next: 0 }
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

/// A value of a view as effects of bounded size, part by part.
pub struct ViewEffects {
    entry: EntryRef,
    next: usize,
}

impl ViewEffects {
    /// Appends those of the next part: about a thousand elements of a hash or a set, other values whole. False once all was given.
    pub fn append_part(&mut self, out: &mut Vec<u8>) -> bool {
        if self.next == 0 {
            out.record(&[b"DEL", self.entry.key()]);
        }
        let goes_on = record_part(out, self.entry.key(), &self.entry, self.next);
        self.next += 1;
        goes_on
    }
}
