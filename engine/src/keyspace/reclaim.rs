//! What no slot holds any more and is still to be freed: the entries that FLUSHALL ASYNC leaves behind, and large values
//! that were deleted or replaced.
//!
//! Freeing millions of entries or elements takes longer than a client should wait. They are queued here and freed in parts
//! by whoever has time: the host's `tick`, or writing turns in passing.

use super::EntryRef;
use super::shard::Shard;
use super::totals::Totals;
use crate::slot::Slot;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The queue.
#[derive(Default)]
pub(crate) struct Reclaim {
    queue: Mutex<Vec<(Slot, Shard)>>,
    values: Mutex<Vec<EntryRef>>,
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

    /// Takes over what was deleted and has a value outside of its block; frees it at once if that is short.
    pub(crate) fn add_values(&self, entries: Vec<EntryRef>) {
        let large = entries.into_iter().filter(|entry| entry.heap_bytes() >= LARGE_BYTES_MIN);
        let mut values = self.values.lock();
        let before = values.len();
        values.extend(large);
        self.pending.fetch_add((values.len() - before) as u64, Ordering::Relaxed);
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
            let value = self.values.lock().pop();
            if let Some(mut entry) = value {
                count += VALUE_PART_COST;
                match entry.drain_part() {
                    true => self.values.lock().push(entry),
                    false => {
                        drop(entry);
                        self.pending.fetch_sub(1, Ordering::Relaxed);
                        self.freed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                continue;
            }
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

/// A value of fewer bytes is freed where it is deleted.
const LARGE_BYTES_MIN: usize = 64 << 10;

/// What a part of a value counts in a budget of entries.
const VALUE_PART_COST: usize = 256;
