//! Slots that this node lost with keys in them: the keys are taken out, in turns of a bounded number of them.
//!
//! Each key is deleted with its effect and its event, as if a client had deleted it, whatever its expiry says.

use super::{Key, Opening, Turn};
use crate::core::Core;
use crate::event::EventClass;
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
}

/// Takes at most `count_max` keys out of a slot, and says how many.
pub(crate) fn drop_keys(core: &Core, slot: Slot, count_max: usize) -> usize {
    let mut dropped = 0;
    while dropped < count_max {
        let guard = core.slots.lock(slot);
        let stretch = STRETCH_KEYS.min(count_max - dropped);
        let keys: Vec<Vec<u8>> = guard.state.first().iter().take(stretch).map(|entry| entry.key().to_vec()).collect();
        if keys.is_empty() {
            break;
        }
        let mut turn = Turn::over(core, Opening::client(0), guard);
        for key in &keys {
            let key = turn.key(key).expect("the key was found in the slot that is held");
            turn.drop_key(&key);
        }
        turn.commit();
        dropped += keys.len();
    }
    dropped
}

/// Keys that are taken out while the slot is held.
const STRETCH_KEYS: usize = 256;
