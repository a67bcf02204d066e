//! Deleting fields of a hash that are due.
//!
//! Where a hash is found, and by the expiry cycle: all that are due of a compact one, those in a part of a large one. What is
//! due and still there is hidden by whoever reads.

use super::{Key, Turn};
use crate::event::EventClass;
use crate::table::Spot;

impl Turn<'_> {
    /// Deletes due fields of the hash at a spot, among the next `count` of a large one. `None` if no field is left: then the
    /// key is gone too.
    #[cold]
    pub(super) fn delete_due_fields(&mut self, key: &Key<'_>, spot: Spot, count: usize) -> Option<Spot> {
        let now = self.now();
        let due = if self.undo.is_some() {
            self.update(key, spot, |entry| entry.due_fields(now, count))
        } else {
            // Going on with the walk over a large hash changes nothing that anybody sees.
            self.enter();
            let around = self.surroundings(key);
            let shard = self.guards[key.guard as usize].state.shard_mut(self.db);
            shard.update(spot, around, |entry| entry.due_fields(now, count))
        };
        if due.is_empty() {
            return Some(spot);
        }
        self.update(key, spot, |entry| {
            for field in &due {
                entry.remove_field(field);
            }
        });
        let mut effect: Vec<&[u8]> = vec![b"HDEL", key.bytes];
        effect.extend(due.iter().map(Vec::as_slice));
        self.record(&effect);
        self.notify(EventClass::Hash, "hexpired", key.bytes);
        if !self.entry(key, spot).as_hash().is_some_and(|hash| hash.is_empty()) {
            return Some(spot);
        }
        self.discard(key, spot);
        self.notify(EventClass::Generic, "del", key.bytes);
        None
    }

    /// Deletes a key that is due, or due fields of it, among the next `count` of a large hash. Returns whether something of it
    /// is still due.
    pub(super) fn delete_due_part(&mut self, key: &Key<'_>, count: usize) -> bool {
        let now = self.now();
        let Some(spot) = self.find(key) else { return false };
        if self.entry(key, spot).next_due().is_none_or(|due| due >= now) || !self.core.may_expire(now) {
            return false;
        }
        let left = self.delete_due_fields(key, spot, count);
        left.is_some_and(|spot| self.entry(key, spot).next_due().is_some_and(|due| due < now))
    }
}
