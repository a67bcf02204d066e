//! Slots that this node lost with keys in them: the keys are taken out, in turns of a bounded number of them.
//!
//! Each key is deleted with its event, as if a client had deleted it, whatever its expiry says; an effect names many of them.

use super::{Key, Opening, Pieces, Turn};
use crate::core::Core;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::keyspace::shard::Shard;
use crate::slot::Slot;

impl Turn<'_> {
    /// Deletes a key, whatever its expiry says.
    pub(crate) fn drop_key(&mut self, key: &Key<'_>) {
        let found = self.state(key).shard(self.db).and_then(|shard| shard.find(key.hash, key.bytes));
        if let Some(spot) = found {
            self.discard(key, spot);
            self.record(&[b"DEL", key.bytes]);
            self.notify(EventClass::Generic, "del", key.bytes);
        }
    }

    /// Deletes all keys of the slot that the turn holds: they are to be freed when it is released.
    fn drop_all(&mut self) -> Vec<(Slot, Shard)> {
        self.clear(0);
        let cleared = self.take_cleared();
        let mut deleted = Deleted::default();
        for entry in cleared.iter().flat_map(|(_, shard)| shard.iter()) {
            deleted.add(self, entry.key());
        }
        deleted.record(self);
        cleared
    }

    /// Deletes some keys of the slot that the turn holds.
    fn drop_some(&mut self, count: usize) {
        let first = self.guards.first().map(|guard| guard.state.first());
        let entries: Vec<EntryRef> = first.into_iter().flat_map(Shard::iter).take(count).map(|it| it.clone()).collect();
        let mut deleted = Deleted::default();
        for entry in &entries {
            let key = self.key(entry.key()).expect("the key was found in the slot that is held");
            let spot = self.state(&key).first().find(key.hash, key.bytes).expect("it was found there");
            self.discard(&key, spot);
            deleted.add(self, key.bytes);
        }
        deleted.record(self);
    }
}

/// Keys that were deleted, on their way into effects.
#[derive(Default)]
struct Deleted(Pieces);

impl Deleted {
    #[inline]
    fn add(&mut self, turn: &mut Turn<'_>, key: &[u8]) {
        turn.notify(EventClass::Generic, "del", key);
        self.0.push(key);
        if self.0.is_full() {
            self.record(turn);
        }
    }

    fn record(&mut self, turn: &mut Turn<'_>) {
        self.0.record(turn, &[b"DEL"]);
    }
}

/// Takes at most `count_max` keys out of a slot, and says how many.
pub(crate) fn drop_keys(core: &Core, slot: Slot, count_max: usize) -> usize {
    let mut dropped = 0;
    while dropped < count_max {
        let guard = core.slots.lock(slot);
        let (count, left) = (guard.state.first().len(), count_max - dropped);
        if count == 0 {
            break;
        }
        let mut turn = Turn::over(core, Opening::client(0), guard);
        if count <= left.min(WHOLE_KEYS) {
            let cleared = turn.drop_all();
            turn.commit();
            cleared.into_iter().for_each(|(slot, shard)| free(core, slot, shard));
            dropped += count;
        } else {
            let stretch = left.min(count).min(STRETCH_KEYS);
            turn.drop_some(stretch);
            turn.commit();
            dropped += stretch;
        }
    }
    dropped
}

/// Frees what is left of a slot, but for values that are long to free: those go to the housekeeping.
fn free(core: &Core, slot: Slot, mut shard: Shard) {
    let mut large = Vec::new();
    while shard.free_part(slot, &core.totals, &mut large) > 0 {}
    large.into_iter().for_each(|value| core.reclaim.add_value(value));
}

/// A slot with so many keys is emptied at once.
const WHOLE_KEYS: usize = 1024;

/// Keys that are taken out of a larger one while it is held.
const STRETCH_KEYS: usize = 256;
