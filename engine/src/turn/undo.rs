//! Giving a turn up: what was there before each change is kept, and put back when the turn is dropped uncommitted.

use super::{Key, Turn};
use crate::keyspace::EntryRef;
use crate::keyspace::slots::SlotGuard;
use crate::slot::Slot;

/// The state of one key before a change: the entry, shared, or that there was none.
struct Before {
    slot: Slot,
    db: u16,
    hash: u64,
    key: Box<[u8]>,
    entry: Option<EntryRef>,
}

/// Changes of a turn in the order in which they were made.
#[derive(Default)]
pub(super) struct UndoLog(Vec<Before>);

impl Turn<'_> {
    /// Keeps what is changed from here on, so that dropping the turn uncommitted puts it back.
    pub(crate) fn make_revocable(&mut self) {
        self.undo.get_or_insert_default();
    }

    #[cold]
    pub(super) fn keep(&mut self, key: &Key<'_>, entry: Option<EntryRef>) {
        let before = Before {
            slot: self.guards[key.guard as usize].slot(),
            db: self.db,
            hash: key.hash,
            key: key.bytes.into(),
            entry,
        };
        if let Some(undo) = &mut self.undo {
            undo.0.push(before);
        }
    }

    /// Puts back what a revocable turn changed.
    fn put_back(&mut self, undo: UndoLog) {
        for Before { slot, db, hash, key, entry } in undo.0.into_iter().rev() {
            let Ok(guard) = self.guards.binary_search_by_key(&slot, SlotGuard::slot) else { continue };
            self.db = db;
            let key = Key { bytes: &key, hash, guard: guard as u32 };
            let around = self.surroundings(&key);
            let shard = self.guards[guard].state.shard_mut(db);
            match (shard.find(hash, key.bytes), entry) {
                (Some(spot), Some(entry)) => shard.update(spot, around, |place| *place = entry),
                (Some(spot), None) => drop(shard.remove(spot, around)),
                (None, Some(entry)) => shard.insert(hash, entry, around),
                (None, None) => {}
            }
        }
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(undo) = self.undo.take() {
            self.put_back(undo);
        }
        self.leave_era();
        if let Some(mut attendance) = self.attendance.take() {
            self.guards.clear();
            attendance.give_up();
        }
    }
}
