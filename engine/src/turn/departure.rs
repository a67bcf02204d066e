//! Keys that are sent to another server: lent out, and taken out once they are there.

use super::{Key, Turn};
use crate::event::EventClass;
use crate::keyspace::EntryRef;

impl Turn<'_> {
    /// The entry at a key, shared: whoever changes it from here on changes a copy. Nothing is counted as a lookup.
    pub(crate) fn share(&mut self, key: &Key<'_>) -> Option<EntryRef> {
        let spot = self.find(key)?;
        Some(self.entry(key, spot).clone())
    }

    /// Takes a key out whose entry is the one that was shared, or that is gone already. False, and nothing is done, if it is another.
    /// To be recorded by the caller.
    pub(crate) fn part_with(&mut self, key: &Key<'_>, shared: EntryRef) -> Parting {
        let found = self.state(key).shard(self.db).and_then(|shard| shard.find(key.hash, key.bytes));
        let Some(spot) = found else { return Parting::Gone };
        if !self.entry(key, spot).is_same(&shared) {
            return Parting::Changed;
        }
        // Let go of first: the last owner frees it.
        drop(shared);
        self.discard(key, spot);
        self.notify(EventClass::Generic, "del", key.bytes);
        Parting::Done
    }
}

/// What became of a key that was to leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parting {
    /// It left.
    Done,
    /// It was not there any more.
    Gone,
    /// It is not what it was, and stays.
    Changed,
}
