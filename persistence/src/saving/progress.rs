//! How far a save got, and whether it is to go on.

use super::error::SaveError;
use crate::snapshot::SnapshotProgress;
use keyslot_engine::SLOT_COUNT;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by who writes and who watches.
#[derive(Debug, Default)]
pub(crate) struct SaveProgress {
    keys_done: AtomicU64,
    keys_total: AtomicU64,
    is_cancelled: AtomicBool,
    /// That of a snapshot, which counts slots.
    snapshot: SnapshotProgress,
}

impl SaveProgress {
    /// Nothing is done and nobody wants it to end.
    pub(crate) fn reset(&self) {
        self.begin(0);
        self.snapshot.reset();
        self.is_cancelled.store(false, Ordering::Relaxed);
    }

    /// Says how many keys there are.
    pub(crate) fn begin(&self, keys: u64) {
        self.keys_total.store(keys, Ordering::Relaxed);
        self.keys_done.store(0, Ordering::Relaxed);
    }

    /// Says that so many keys are written. An error if somebody wants it to end.
    pub(crate) fn reach(&self, keys: u64) -> Result<(), SaveError> {
        self.keys_done.store(keys, Ordering::Relaxed);
        self.check()
    }

    /// An error if somebody wants it to end.
    pub(crate) fn check(&self) -> Result<(), SaveError> {
        if self.is_cancelled.load(Ordering::Relaxed) { Err(SaveError::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        self.snapshot.stop();
    }

    /// What a snapshot is written under, once it is [begun](Self::begin).
    pub(crate) fn of_snapshot(&self) -> &SnapshotProgress {
        &self.snapshot
    }

    /// Keys written, and keys to write.
    pub(crate) fn keys(&self) -> (u64, u64) {
        let (done, total) = (self.keys_done.load(Ordering::Relaxed), self.keys_total.load(Ordering::Relaxed));
        // Slots have about as many keys each.
        let of_slots = total * self.snapshot.slots_done() as u64 / SLOT_COUNT as u64;
        (done.max(of_slots), total)
    }
}
