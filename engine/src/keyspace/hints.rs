//! Where the lines of each slot's database 0 lie, readable without the slot's lock: for prefetching only.
//!
//! ```text
//! word   16 bits: number of lines | 48 bits: address of the first
//! ```
//!
//! One array of 128 KiB for all slots, which stays in a core's cache: a lookup asks for its line before the slot itself has
//! arrived. A word may be stale; nobody follows the address.

use crate::slot::{SLOT_COUNT, Slot};
use crate::table::line::{Line, home};
use crate::table::prefetch;
use std::sync::atomic::{AtomicU64, Ordering};

/// A word for each slot.
pub(crate) struct Hints(Box<[AtomicU64]>);

impl Hints {
    pub(crate) fn new() -> Self {
        Self((0..SLOT_COUNT).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes where a slot's lines lie.
    #[inline]
    pub(crate) fn set(&self, slot: Slot, (lines, count): (*mut Line, u32)) {
        let word = match count {
            1..=LINES_MAX => u64::from(count) << ADDRESS_BITS | lines.addr() as u64 & ADDRESS_MASK,
            _ => 0,
        };
        let hint = &self.0[slot.index()];
        if hint.load(Ordering::Relaxed) != word {
            hint.store(word, Ordering::Relaxed);
        }
    }

    /// Asks for the line in which a key of database 0 with this hash is likely to be.
    #[inline]
    pub(crate) fn prefetch(&self, slot: Slot, hash: u64) {
        let word = self.0[slot.index()].load(Ordering::Relaxed);
        let line = home(hash >> 48, (word >> ADDRESS_BITS) as u32);
        prefetch(((word & ADDRESS_MASK) as usize + line * size_of::<Line>()) as *const u8);
    }
}

const ADDRESS_BITS: u32 = 48;
const ADDRESS_MASK: u64 = (1 << ADDRESS_BITS) - 1;
const LINES_MAX: u32 = u16::MAX as u32;
