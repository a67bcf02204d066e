//! The array of 16384 slots: each a lock with everything about its keys behind it.
//!
//! ```text
//! SlotCell, 128 bytes, aligned
//!   hint    address and number of database 0's lines, readable without the lock: for prefetching only
//!   lock -> SlotState { shards by database, newest journal offset, gate, who waits }
//! ```
//!
//! The lock is exclusive, for readers too: a turn on one key is shorter than the second atomic operation that a
//! reader-writer lock would cost. It is never held across a wait, and a turn that needs several takes them in ascending
//! order.
//!
//! Thread safety: everything but the hint is reached through a [`SlotGuard`]. The hint may be stale; nobody follows it.

use super::shard::Shard;
use super::waiting::{Waiter, Waiting};
use super::watching::Watching;
use crate::effect::Offset;
use crate::slot::{SLOT_COUNT, Slot};
use crate::table::prefetch;
use crate::table::segment::{Line, home};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// How many databases there are. In cluster mode only the first is used.
pub const DATABASE_COUNT: u16 = 16;

/// Whether a slot takes requests of clients. Decided by whoever owns the cluster's configuration, read by turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GateState {
    /// Requests are served here.
    #[default]
    Open,
    /// Nobody serves the slot.
    Unassigned,
    /// Another node serves the slot.
    Elsewhere,
    /// The slot belongs here, but the cluster as a whole is not serving.
    Down,
}

/// Everything about one slot.
pub(crate) struct SlotState {
    first: Shard,
    seldom: Option<Box<Seldom>>,
    /// The journal's end after the newest batch of this slot: what a reply about it may have to wait for.
    pub(crate) last_offset: Offset,
    pub(crate) gate: GateState,
    /// Writing turns so far, wrapping: paces the share of housekeeping that each does.
    pub(crate) turn_count: u8,
    /// Lookups for reading that found a key, and that found none.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

/// What few slots have.
#[derive(Default)]
struct Seldom {
    /// Databases 1 and up.
    others: [Option<Box<Shard>>; DATABASE_COUNT as usize - 1],
    /// Requests that wait for a key of this slot.
    waiting: Waiting,
    /// Keys of this slot that clients watch.
    watching: Watching,
}

static NOBODY: Waiting = Waiting::NOBODY;

impl SlotState {
    /// Whether a request waits for a key of this slot.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.seldom.as_ref().is_some_and(|seldom| !seldom.waiting.is_empty())
    }

    /// Whether anybody waits for a key of this slot, or watches one: changes of keys concern them.
    #[inline]
    pub(crate) fn has_audience(&self) -> bool {
        self.seldom.as_ref().is_some_and(|seldom| !seldom.waiting.is_empty() || !seldom.watching.is_empty())
    }

    /// The keys of this slot that clients watch, if any did ever.
    pub(crate) fn watching(&mut self) -> Option<&mut Watching> {
        self.seldom.as_mut().map(|seldom| &mut seldom.watching)
    }

    /// The keys of this slot that clients watch.
    pub(crate) fn watching_mut(&mut self) -> &mut Watching {
        &mut self.seldom.get_or_insert_default().watching
    }

    /// The requests that wait for a key of this slot.
    pub(crate) fn waiting(&self) -> &Waiting {
        self.seldom.as_ref().map_or(&NOBODY, |seldom| &seldom.waiting)
    }

    /// Takes a waiter out of this slot's queues.
    pub(crate) fn leave(&mut self, waiter: &Waiter) {
        if let Some(seldom) = &mut self.seldom {
            seldom.waiting.leave(waiter);
        }
    }

    /// The requests that wait for a key of this slot.
    pub(crate) fn waiting_mut(&mut self) -> &mut Waiting {
        &mut self.seldom.get_or_insert_default().waiting
    }

    /// The keys of one database, if there ever were any.
    #[inline]
    pub(crate) fn shard(&self, db: u16) -> Option<&Shard> {
        match db {
            0 => Some(&self.first),
            _ => self.seldom.as_ref()?.others[usize::from(db) - 1].as_deref(),
        }
    }

    /// The keys of database 0.
    #[inline]
    pub(crate) fn first(&self) -> &Shard {
        &self.first
    }

    /// The keys of one database.
    #[inline]
    pub(crate) fn shard_mut(&mut self, db: u16) -> &mut Shard {
        match db {
            0 => &mut self.first,
            _ => self.seldom.get_or_insert_default().others[usize::from(db) - 1].get_or_insert_default(),
        }
    }

    /// Exchanges two databases of this slot.
    pub(crate) fn swap(&mut self, a: u16, b: u16) {
        let shard = std::mem::take(self.shard_mut(a));
        let shard = std::mem::replace(self.shard_mut(b), shard);
        *self.shard_mut(a) = shard;
    }
}

#[repr(C, align(128))]
struct SlotCell {
    hint: AtomicPtr<Line>,
    hint_count: AtomicU32,
    state: Mutex<SlotState>,
}

/// All slots of an engine.
pub(crate) struct SlotArray(Box<[SlotCell]>);

impl SlotArray {
    pub(crate) fn new() -> Self {
        let cell = |_| SlotCell {
            hint: AtomicPtr::default(),
            hint_count: AtomicU32::new(0),
            state: Mutex::new(SlotState {
                first: Shard::default(),
                seldom: None,
                last_offset: Offset(0),
                gate: GateState::Open,
                turn_count: 0,
                hits: 0,
                misses: 0,
            }),
        };
        Self((0..SLOT_COUNT).map(cell).collect())
    }

    /// Takes a slot's lock.
    #[inline]
    pub(crate) fn lock(&self, slot: Slot) -> SlotGuard<'_> {
        let cell = &self.0[slot.index()];
        SlotGuard { cell, slot, state: cell.state.lock() }
    }

    /// Takes a slot's lock if nobody holds it.
    #[inline]
    pub(crate) fn try_lock(&self, slot: Slot) -> Option<SlotGuard<'_>> {
        let cell = &self.0[slot.index()];
        Some(SlotGuard { cell, slot, state: cell.state.try_lock()? })
    }

    /// Asks for the slot's own two lines.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: Slot) {
        let cell: *const u8 = std::ptr::from_ref(&self.0[slot.index()]).cast();
        prefetch(cell);
        prefetch(cell.wrapping_add(64));
    }

    /// Asks for the line in which a key of database 0 with this hash is likely to be. Reads the slot's own line.
    #[inline]
    pub(crate) fn prefetch_line(&self, slot: Slot, hash: u64) {
        let cell = &self.0[slot.index()];
        let line = home(hash >> 48, cell.hint_count.load(Ordering::Relaxed));
        prefetch(cell.hint.load(Ordering::Relaxed).wrapping_add(line).cast());
    }
}

/// One slot, locked.
pub(crate) struct SlotGuard<'a> {
    cell: &'a SlotCell,
    slot: Slot,
    pub(crate) state: MutexGuard<'a, SlotState>,
}

impl SlotGuard<'_> {
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

impl Drop for SlotGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let (lines, count) = self.state.first.line_hint();
        if self.cell.hint.load(Ordering::Relaxed) != lines || self.cell.hint_count.load(Ordering::Relaxed) != count {
            self.cell.hint.store(lines, Ordering::Relaxed);
            self.cell.hint_count.store(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_no_larger_than_its_lines() {
        assert_eq!(size_of::<SlotCell>(), 128);
    }
}
