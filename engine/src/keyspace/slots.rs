//! The array of 16384 slots: each a lock with everything about its keys behind it.
//!
//! ```text
//! SlotCell, 128 bytes, aligned
//!   line 1   lock, gate, hits, newest journal offset, the table of database 0: all that a lookup needs
//!   line 2   counts, expiry, misses, who waits, other databases
//! ```
//!
//! The lock is exclusive, for readers too: a turn on one key is shorter than the second atomic operation that a
//! reader-writer lock would cost. It is never held across a wait, and a turn that needs several takes them in ascending
//! order.
//!
//! A slot whose keys are not here yet is [cold](super::admission): locking it brings them first, so that whoever holds a slot
//! has its keys. Only who asks for nothing but gate and counters takes it [as it is](SlotArray::lock_as_is).
//!
//! Thread safety: everything is reached through a [`SlotGuard`].

use super::admission::{Admission, Keys};
use super::leaving::LeavingKeys;
use super::shard::Shard;
use super::waiting::{Waiter, Waiting};
use super::watching::Watching;
use crate::effect::Offset;
use crate::slot::{SLOT_COUNT, Slot};
use crate::table::prefetch;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many databases there are. In cluster mode only the first is used.
pub const DATABASE_COUNT: u16 = 16;

/// Everything about one slot. The order of the fields keeps what a lookup reads in the cell's first line.
#[repr(C)]
pub(crate) struct SlotState {
    pub(crate) admission: Admission,
    /// Writing turns so far, wrapping: paces the share of housekeeping that each does.
    turn_count: u8,
    /// The era in which the slot was handed to a view last, its low bits: see [`eras`](super::eras).
    pub(crate) era: u16,
    /// Lookups for reading that found a key, since they were last added to `hits_before`.
    hits: u32,
    /// The journal's end after the newest batch of this slot: what a reply about it may have to wait for.
    pub(crate) last_offset: Offset,
    first: Shard,
    /// Lookups for reading that found no key.
    pub(crate) misses: u64,
    hits_before: u64,
    /// Writing turns that `turn_count` does not tell of any more.
    writes_before: u64,
    seldom: Option<Box<Seldom>>,
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
    /// Keys of this slot that are on their way to another server.
    leaving: LeavingKeys,
}

static NOBODY: Waiting = Waiting::NOBODY;

impl SlotState {
    /// Counts a lookup for reading that found a key.
    #[inline]
    pub(crate) fn count_hit(&mut self) {
        match self.hits.checked_add(1) {
            Some(hits) => self.hits = hits,
            None => self.carry_hits(),
        }
    }

    #[cold]
    fn carry_hits(&mut self) {
        self.hits_before += u64::from(self.hits) + 1;
        self.hits = 0;
    }

    /// How many lookups for reading found a key.
    pub(crate) fn hits(&self) -> u64 {
        self.hits_before + u64::from(self.hits)
    }

    /// Counts a writing turn. True if it is to do a share of the housekeeping: one in [`SHARE_TURNS`] is.
    #[inline]
    pub(crate) fn count_write(&mut self) -> bool {
        self.turn_count = self.turn_count.wrapping_add(1);
        let is_share = self.turn_count.is_multiple_of(SHARE_TURNS);
        if is_share {
            self.writes_before += u64::from(SHARE_TURNS);
        }
        is_share
    }

    /// Whether the next writing turn is to do a share of the housekeeping.
    #[inline]
    pub(crate) fn is_share_next(&self) -> bool {
        self.turn_count.wrapping_add(1).is_multiple_of(SHARE_TURNS)
    }

    /// How many turns changed something in the slot.
    pub(crate) fn writes(&self) -> u64 {
        self.writes_before + u64::from(self.turn_count % SHARE_TURNS)
    }

    /// Counts lookups and writing turns from here on.
    pub(crate) fn forget_use(&mut self) {
        (self.hits, self.hits_before, self.misses) = (0, 0, 0);
        (self.turn_count, self.writes_before) = (0, 0);
    }

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

    /// The keys of this slot that are on their way to another server. Whoever adds or takes one says so in the slot's
    /// [admission](Admission::set_leaving).
    pub(crate) fn leaving_mut(&mut self) -> &mut LeavingKeys {
        &mut self.seldom.get_or_insert_default().leaving
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

    /// The databases that have keys here, ascending.
    pub(crate) fn shards(&self) -> impl Iterator<Item = (u16, &Shard)> {
        let others = self.seldom.iter().flat_map(|seldom| seldom.others.iter().zip(1..));
        let others = others.filter_map(|(shard, db)| Some((db, shard.as_deref()?)));
        std::iter::once((0, &self.first)).chain(others).filter(|(_, shard)| shard.len() > 0)
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
    state: Mutex<SlotState>,
}

/// One in so many writing turns of a slot does a share of the expiry cycle.
const SHARE_TURNS: u8 = 64;

/// Brings the keys of cold slots.
pub(crate) trait Warm: Send + Sync {
    /// Brings the keys of a slot, says that they [came](SlotArray::note_warm) and releases it.
    fn warm(&self, guard: SlotGuard<'_>);
}

/// All slots of an engine.
pub(crate) struct SlotArray {
    cells: Box<[SlotCell]>,
    /// How many are cold.
    cold: AtomicUsize,
    warmer: RwLock<Option<Arc<dyn Warm>>>,
    /// Slots whose keys could not be brought, and why.
    unreadable: Mutex<Vec<(Slot, String)>>,
}

impl SlotArray {
    pub(crate) fn new() -> Self {
        let cell = |_| SlotCell {
            state: Mutex::new(SlotState {
                admission: Admission::default(),
                turn_count: 0,
                era: 1,
                hits: 0,
                last_offset: Offset(0),
                first: Shard::default(),
                misses: 0,
                hits_before: 0,
                writes_before: 0,
                seldom: None,
            }),
        };
        Self {
            cells: (0..SLOT_COUNT).map(cell).collect(),
            cold: AtomicUsize::new(0),
            warmer: RwLock::new(None),
            unreadable: Mutex::default(),
        }
    }

    /// Takes a slot's lock. Brings its keys if it is cold.
    #[inline]
    pub(crate) fn lock(&self, slot: Slot) -> SlotGuard<'_> {
        let guard = self.lock_as_is(slot);
        if guard.state.admission.is_cold() {
            self.warm(guard);
            return self.lock_as_is(slot);
        }
        guard
    }

    /// Takes a slot's lock if nobody holds it. Brings its keys if it is cold.
    #[inline]
    pub(crate) fn try_lock(&self, slot: Slot) -> Option<SlotGuard<'_>> {
        let guard = self.try_lock_as_is(slot)?;
        if guard.state.admission.is_cold() {
            self.warm(guard);
            return self.try_lock_as_is(slot);
        }
        Some(guard)
    }

    /// Takes a slot's lock, whose keys may not be here.
    #[inline]
    pub(crate) fn lock_as_is(&self, slot: Slot) -> SlotGuard<'_> {
        let cell = &self.cells[slot.index()];
        SlotGuard { slot, state: cell.state.lock() }
    }

    #[inline]
    fn try_lock_as_is(&self, slot: Slot) -> Option<SlotGuard<'_>> {
        let cell = &self.cells[slot.index()];
        Some(SlotGuard { slot, state: cell.state.try_lock()? })
    }

    /// Takes the lock of a slot that is not cold, if nobody holds it: for housekeeping, which brings no keys.
    pub(crate) fn try_lock_warm(&self, slot: Slot) -> Option<SlotGuard<'_>> {
        self.try_lock_as_is(slot).filter(|guard| !guard.state.admission.is_cold())
    }

    /// How many slots are cold.
    #[inline]
    pub(crate) fn cold_count(&self) -> usize {
        self.cold.load(Ordering::Acquire)
    }

    /// Makes slots cold, which hold no key. False, and nothing is done, while there are cold ones of another source.
    pub(crate) fn cool(&self, slots: impl Iterator<Item = Slot>, warmer: Arc<dyn Warm>) -> bool {
        let mut current = self.warmer.write();
        if current.is_some() {
            return false;
        }
        let mut count = 0;
        for slot in slots {
            self.lock_as_is(slot).state.admission.set_keys(Keys::Cold);
            count += 1;
        }
        self.cold.store(count, Ordering::Release);
        *current = (count > 0).then_some(warmer);
        true
    }

    #[cold]
    fn warm(&self, mut guard: SlotGuard<'_>) {
        guard.state.admission.set_keys(Keys::Arriving);
        let warmer = self.warmer.read().clone();
        if let Some(warmer) = warmer {
            warmer.warm(guard);
        }
        if self.cold_count() == 0 {
            *self.warmer.write() = None;
        }
    }

    /// Says what became of the keys of a slot, which is held.
    pub(crate) fn note_warm(&self, state: &mut SlotState, slot: Slot, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => state.admission.set_keys(Keys::Here),
            Err(reason) => {
                state.admission.set_keys(Keys::Unreadable);
                self.unreadable.lock().push((slot, reason));
            }
        }
        self.cold.fetch_sub(1, Ordering::AcqRel);
    }

    /// Brings the keys of every slot.
    pub(crate) fn warm_all(&self) {
        if self.cold_count() > 0 {
            Slot::all().for_each(|slot| drop(self.lock(slot)));
        }
    }

    /// Slots whose keys could not be brought, and why.
    pub(crate) fn unreadable(&self) -> Vec<(Slot, String)> {
        self.unreadable.lock().clone()
    }

    /// Why the keys of a slot could not be brought.
    pub(crate) fn why_unreadable(&self, slot: Slot) -> String {
        let unreadable = self.unreadable.lock();
        let found = unreadable.iter().find(|(of, _)| *of == slot);
        found.map_or_else(String::new, |(_, reason)| reason.clone())
    }

    /// Asks for the line of the slot that a lookup reads.
    #[inline]
    pub(crate) fn prefetch_slot(&self, slot: Slot) {
        prefetch(std::ptr::from_ref(&self.cells[slot.index()]).cast());
    }

    /// Asks for all that a change in a slot reads: the line of a lookup, and the one behind it, which tells who waits.
    #[inline]
    pub(crate) fn prefetch_whole_slot(&self, slot: Slot) {
        let cell: *const u8 = std::ptr::from_ref(&self.cells[slot.index()]).cast();
        prefetch(cell);
        prefetch(cell.wrapping_add(64));
    }
}

/// One slot, locked.
pub(crate) struct SlotGuard<'a> {
    slot: Slot,
    pub(crate) state: MutexGuard<'a, SlotState>,
}

impl SlotGuard<'_> {
    #[inline]
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_no_larger_than_its_lines() {
        assert_eq!(size_of::<SlotCell>(), 128);
    }

    #[test]
    fn what_a_lookup_reads_is_in_the_first_line() {
        let slots = SlotArray::new();
        let guard = slots.lock(Slot::FIRST);
        let start = std::ptr::from_ref(&slots.cells[0]).addr();
        let end = std::ptr::from_ref(&guard.state.first).addr() + Shard::LOOKUP_BYTES;
        assert!(end - start <= 64, "{}", end - start);
        assert!(std::ptr::from_ref(&guard.state.admission).addr() - start < 64);
    }

    #[test]
    fn hits_are_counted_beyond_the_small_counter() {
        let slots = SlotArray::new();
        let mut guard = slots.lock(Slot::FIRST);
        guard.state.hits = u32::MAX - 1;
        (0..3).for_each(|_| guard.state.count_hit());
        assert_eq!(guard.state.hits(), u64::from(u32::MAX) + 2);
        guard.state.forget_use();
        assert_eq!(guard.state.hits(), 0);
    }

    #[test]
    fn writes_are_counted_beyond_the_small_counter() {
        let slots = SlotArray::new();
        let mut guard = slots.lock(Slot::FIRST);
        let shares = (0..1000).filter(|_| guard.state.count_write()).count();
        assert_eq!((guard.state.writes(), shares), (1000, 1000 / usize::from(SHARE_TURNS)));
        guard.state.forget_use();
        assert_eq!(guard.state.writes(), 0);
        guard.state.count_write();
        assert_eq!(guard.state.writes(), 1);
    }
}
