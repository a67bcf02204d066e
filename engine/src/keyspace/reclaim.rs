//! Entries that no slot holds any more and that are still to be freed: what FLUSHALL ASYNC leaves behind.
//!
//! Freeing millions of entries takes longer than a client should wait. They are queued here, shard by shard, and freed in
//! parts by whoever has time: the host's `tick`, or writing turns in passing.

use super::shard::Shard;
use super::totals::Totals;
use crate::slot::Slot;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The queue.
#[derive(Default)]
pub(crate) struct Reclaim {
    queue: Mutex<Vec<(Slot, Shard)>>,
    pending: AtomicU64,
    freed: AtomicU64,
}

impl Reclaim {
    /// Takes shards over. O(shards).
    pub(crate) fn add(&self, shards: Vec<(Slot, Shard)>) {
        let count: usize = shards.iter().map(|(_, shard)| shard.len()).sum();
        self.pending.fetch_add(count as u64, Ordering::Relaxed);
        self.queue.lock().extend(shards);
    }

    /// How many entries wait to be freed.
    #[inline]
    pub(crate) fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// How many entries were freed so far.
    pub(crate) fn freed(&self) -> u64 {
        self.freed.load(Ordering::Relaxed)
    }

    /// Frees about `budget` entries. Returns how many; less than `budget` when none is left.
    pub(crate) fn run(&self, totals: &Totals, budget: usize) -> usize {
        let mut count = 0;
        while count < budget && self.pending() > 0 {
            let Some((slot, mut shard)) = self.queue.lock().pop() else { break };
            let part = shard.free_part(slot, totals);
            if shard.len() > 0 {
                self.queue.lock().push((slot, shard));
            }
            self.pending.fetch_sub(part as u64, Ordering::Relaxed);
            self.freed.fetch_add(part as u64, Ordering::Relaxed);
            count += part;
        }
        count
    }
}
