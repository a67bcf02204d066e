//! Values that no slot holds any more and that are still to be freed: what FLUSHALL ASYNC leaves behind, and large values that
//! were deleted or overwritten.
//!
//! Freeing millions of elements takes longer than a client should wait. They are queued here, by shards and by values, and freed
//! in parts by whoever has time: the host's `tick`, or writing turns in passing.

use super::shard::Shard;
use super::totals::Totals;
use crate::slot::Slot;
use crate::value::Object;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The queue.
#[derive(Default)]
pub(crate) struct Reclaim {
    queue: Mutex<Vec<Waste>>,
    pending: AtomicU64,
    freed: AtomicU64,
}

enum Waste {
    Shard(Slot, Shard),
    Value(Object),
}

impl Reclaim {
    /// Takes shards over. O(shards).
    pub(crate) fn add(&self, shards: Vec<(Slot, Shard)>) {
        let count: usize = shards.iter().map(|(_, shard)| shard.len()).sum();
        self.pending.fetch_add(count as u64, Ordering::Relaxed);
        self.queue.lock().extend(shards.into_iter().map(|(slot, shard)| Waste::Shard(slot, shard)));
    }

    /// Takes a large value over. O(1).
    pub(crate) fn add_value(&self, value: Object) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().push(Waste::Value(value));
    }

    /// How many keys' values wait to be freed.
    #[inline]
    pub(crate) fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// How many keys' values were freed since counting began.
    pub(crate) fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// Counts from zero again.
    pub(crate) fn forget_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    /// Frees about `budget` elements. Returns how many; less than `budget` when none is left.
    pub(crate) fn run(&self, totals: &Totals, budget: usize) -> usize {
        let mut count = 0;
        while count < budget && self.pending() > 0 {
            let Some(waste) = self.queue.lock().pop() else { break };
            count += match waste {
                Waste::Shard(slot, shard) => self.free_shard(slot, shard, totals),
                Waste::Value(value) => self.free_value(value),
            };
        }
        count
    }

    fn free_shard(&self, slot: Slot, mut shard: Shard, totals: &Totals) -> usize {
        let mut large = Vec::new();
        let part = shard.free_part(slot, totals, &mut large);
        let count = part - large.len();
        let mut queue = self.queue.lock();
        if shard.len() > 0 {
            queue.push(Waste::Shard(slot, shard));
        }
        queue.extend(large.into_iter().map(Waste::Value));
        drop(queue);
        self.note_freed(count);
        part
    }

    fn free_value(&self, mut value: Object) -> usize {
        let part = value.free_part();
        if part > 0 {
            self.queue.lock().push(Waste::Value(value));
        } else {
            drop(value);
            self.note_freed(1);
        }
        part
    }

    fn note_freed(&self, count: usize) {
        self.pending.fetch_sub(count as u64, Ordering::Relaxed);
        self.freed.fetch_add(count as u64, Ordering::Relaxed);
    }
}
