//! What a turn takes out and does not free while it holds slots.
//!
//! Values that are long to free go to the [reclaim](crate::keyspace::reclaim) queue, from where they are freed in parts; other
//! boxed values are freed when the slots are released.

use super::{Key, Turn};
use crate::core::Core;
use crate::keyspace::EntryRef;
use crate::keyspace::shard::Shard;
use crate::slot::{SLOT_COUNT, Slot};
use crate::table::Spot;

/// Memory whose freeing takes longer than a slot should be held.
#[derive(Default)]
pub(super) struct Discarded {
    entries: Vec<EntryRef>,
    shards: Vec<(Slot, Shard)>,
}

impl Discarded {
    /// Frees it, or leaves it to the housekeeping. No slot is held.
    #[cold]
    pub(super) fn free(self, core: &Core) {
        for entry in self.entries {
            if let (true, Some(object)) = (entry.is_long_to_free(), entry.as_object()) {
                core.reclaim.add_value(object.clone());
            }
        }
        for (slot, mut shard) in self.shards {
            while shard.free_part(slot, &core.totals, &mut Vec::new()) > 0 {}
        }
    }
}

impl Turn<'_> {
    /// Takes an entry out; what is long to free is freed after the slots are released.
    pub(crate) fn discard(&mut self, key: &Key<'_>, spot: Spot) {
        let entry = self.remove(key, spot);
        self.leave(entry);
    }

    /// Leaves an entry that was taken out to the end of the turn, if it is long to free.
    #[inline]
    pub(super) fn leave(&mut self, entry: EntryRef) {
        if entry.as_object().is_some() {
            self.discarded.get_or_insert_default().entries.push(entry);
        }
    }

    /// Takes every key of a database out of the slots that the turn holds; they are freed after the slots are released.
    /// Says whether there were any. Cannot be revoked.
    pub(crate) fn clear(&mut self, db: u16) -> bool {
        debug_assert!(self.undo.is_none(), "a database is not kept for putting back");
        self.enter();
        // While all slots are held the count stands still.
        if self.guards.len() == SLOT_COUNT && self.core.totals.keys(db) == 0 {
            return false;
        }
        self.touch_watched(&[db]);
        let core = self.core;
        let discarded = self.discarded.get_or_insert_default();
        let before = discarded.shards.len();
        for guard in &mut self.guards {
            let (slot, has_keys) = (guard.slot(), guard.state.shard(db).is_some_and(|shard| shard.len() > 0));
            if has_keys {
                let around = core.surroundings(slot, db);
                discarded.shards.push((slot, guard.state.shard_mut(db).take(around)));
            }
        }
        let found = discarded.shards.len() > before;
        self.note_all_ready(db);
        found
    }

    /// What [`clear`](Self::clear) took out, for freeing it elsewhere.
    pub(crate) fn take_cleared(&mut self) -> Vec<(Slot, Shard)> {
        self.discarded.take().map(|discarded| discarded.shards).unwrap_or_default()
    }
}
