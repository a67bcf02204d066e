//! Looking ahead: several keys are worked out together, and the memory that their lookups will read is asked for before
//! the first of them waits for it.
//!
//! ```text
//! a lookup    slot -> line of the table -> entry         three waits for memory, one after the other
//! a group     all slots, then all lines, then all entries: the waits of the group overlap
//! ```
//!
//! Prefetches are hints; nothing but the speed follows from them.

use super::{Key, KnownKey, Named, Opening, Turn};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::slots::SlotGuard;
use crate::slot::Slot;
use smallvec::SmallVec;

/// Keys that are looked up together. More would not overlap better: a core has about as many loads in flight.
pub(crate) const GROUP_KEYS: usize = 16;

/// Keys of a group.
pub(crate) type KeyGroup<'k> = SmallVec<[Key<'k>; GROUP_KEYS]>;

impl<'e> Turn<'e> {
    /// Works out a group of keys whose slots the turn holds, and asks for their lines and entries.
    pub(crate) fn prepare<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Result<KeyGroup<'k>, CommandError> {
        let mut group = KeyGroup::new();
        for bytes in keys {
            let key = self.key(bytes)?;
            if let Some(shard) = self.state(&key).shard(self.db) {
                shard.prefetch_line(key.hash);
            }
            group.push(key);
        }
        for key in &group {
            self.prefetch_entry(key);
        }
        Ok(group)
    }

    /// Opens a turn of a client over the slots of a group of keys, at most [`GROUP_KEYS`], in database 0.
    #[inline]
    pub(crate) fn over_group<'k>(
        core: &'e Core,
        buffer: Vec<u8>,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<(Self, KeyGroup<'k>), CommandError> {
        let mut group = KeyGroup::new();
        // Slot and number of each key, as one number to sort by.
        let mut order: SmallVec<[u32; GROUP_KEYS]> = SmallVec::new();
        for (number, bytes) in keys.enumerate() {
            let slot = Slot::of(bytes);
            core.slots.prefetch_slot(slot);
            order.push(u32::from(slot.number()) << NUMBER_BITS | number as u32);
            group.push(Key { bytes, hash: core.hasher.hash(bytes), guard: 0 });
        }
        for (order, key) in order.iter().zip(&group) {
            core.totals.hints.prefetch(slot_of(*order), key.hash);
        }
        order.sort_unstable();
        let mut slots: SmallVec<[Slot; GROUP_KEYS]> = SmallVec::new();
        for order in order {
            let slot = slot_of(order);
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
            group[(order & NUMBER_MASK) as usize].guard = slots.len() as u32 - 1;
        }
        let turn = match Self::begin(core, Opening { buffer, ..Opening::client(0) }, &slots) {
            // A slot is on its way: its keys decide.
            Err(CommandError::TryAgain) => {
                let keys: Vec<&[u8]> = group.iter().map(|key| key.bytes).collect();
                Self::begin_on(core, Opening::client(0), &slots, Named::Keys(&keys))?
            }
            begun => begun?,
        };
        for key in &group {
            turn.prefetch_entry(key);
        }
        Ok((turn, group))
    }

    /// Says which key is asked for next, if that was worked out ahead.
    #[inline]
    pub(crate) fn expect(&mut self, known: Option<KnownKey>) {
        self.known = known;
    }

    /// Asks for the entry at a key of a slot that the turn holds.
    #[inline]
    pub(crate) fn prefetch_known(&self, known: KnownKey, db: u16) {
        if let Ok(guard) = self.guards.binary_search_by_key(&known.slot, SlotGuard::slot)
            && let Some(shard) = self.guards[guard].state.shard(db)
        {
            shard.prefetch_entry(known.hash);
        }
    }

    #[inline]
    fn prefetch_entry(&self, key: &Key<'_>) {
        if let Some(shard) = self.state(key).shard(self.db) {
            shard.prefetch_entry(key.hash);
        }
    }
}

const NUMBER_BITS: u32 = 8;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;

fn slot_of(order: u32) -> Slot {
    Slot::new((order >> NUMBER_BITS) as u16).expect("a slot's number was put there")
}
