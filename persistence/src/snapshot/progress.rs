//! How far the writing or loading of a snapshot is, and the wish to stop it.

use keyslot_engine::SLOT_COUNT;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How far it is. Others may look while it runs, and stop it.
#[derive(Debug, Default)]
pub struct SnapshotProgress {
    slots: AtomicU32,
    bytes: AtomicU64,
    is_stopped: AtomicBool,
}

impl SnapshotProgress {
    /// Nothing done.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many slots are done, of [`SLOT_COUNT`]. Empty ones count.
    pub fn slots_done(&self) -> usize {
        (self.slots.load(Ordering::Relaxed) as usize).min(SLOT_COUNT)
    }

    /// How many bytes of the file are written or read.
    pub fn bytes_done(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nothing done, and nobody wants it to stop.
    pub(crate) fn reset(&self) {
        self.slots.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.is_stopped.store(false, Ordering::Relaxed);
    }

    /// Asks it to stop. It ends with [`SnapshotError::Stopped`](super::SnapshotError::Stopped) soon.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn add_slot(&self) {
        self.slots.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything below the slot with this number is done.
    pub(crate) fn reach_slot(&self, number: u32) {
        self.slots.fetch_max(number, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
