//! What requests of sessions took, by slot: time, and bytes in and out.
//!
//! Apart from the slots, so that it takes no lock and no room in their lines: sessions add to it once for many requests.
//!
//! Thread safety: counters, each right by itself.

use crate::slot::{SLOT_COUNT, Slot};
use std::sync::atomic::{AtomicU64, Ordering};

/// What some requests took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) cpu_ns: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
}

#[derive(Default)]
struct Counters {
    cpu_ns: AtomicU64,
    input_bytes: AtomicU64,
    output_bytes: AtomicU64,
}

impl Counters {
    fn all(&self) -> [&AtomicU64; 3] {
        [&self.cpu_ns, &self.input_bytes, &self.output_bytes]
    }
}

/// The counters of all slots.
pub(crate) struct Traffic(Box<[Counters]>);

impl Default for Traffic {
    fn default() -> Self {
        Self((0..SLOT_COUNT).map(|_| Counters::default()).collect())
    }
}

impl Traffic {
    /// Adds to what a slot's requests took.
    pub(crate) fn add(&self, slot: Slot, taken: Taken) {
        let figures = [taken.cpu_ns, taken.input_bytes, taken.output_bytes];
        for (counter, more) in self.0[slot.index()].all().into_iter().zip(figures).filter(|(_, more)| *more > 0) {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// What a slot's requests took.
    pub(crate) fn of(&self, slot: Slot) -> Taken {
        let [cpu_ns, input_bytes, output_bytes] =
            self.0[slot.index()].all().map(|counter| counter.load(Ordering::Relaxed));
        Taken { cpu_ns, input_bytes, output_bytes }
    }

    /// Counts from here on.
    pub(crate) fn reset(&self) {
        for counter in self.0.iter().flat_map(Counters::all) {
            counter.store(0, Ordering::Relaxed);
        }
    }
}
