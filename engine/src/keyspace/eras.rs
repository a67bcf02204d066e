//! Eras: how turns and views are kept apart.
//!
//! ```text
//! turn   holds its slots -> enters: reads the era, is counted in it -> changes -> appends its batch -> leaves
//! view   raises the era -> waits until nobody is left in the old one -> notes the journal's end -> opens the new one
//!        -> visits every slot
//! ```
//!
//! A turn of the new era works on meanwhile; only its append waits until the era is open, which the turns that were under way
//! when the era was raised decide: they hold all that they need, so it is a matter of microseconds.
//!
//! Invariants
//! - In the journal all batches of an era stand before all batches of the next. So a view is the journal up to one offset.
//! - A slot is handed to the view that is being taken before it is changed in the new era, by the turn that changes it or by
//!   the visit.
//! - One view is taken at a time, and when it was taken every slot is of the current era: the low bits of an era tell.
//! - Whoever takes a view holds no slot.

use super::admission::Keys;
use super::capture::{Capture, SlotCopy};
use super::slots::SlotGuard;
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering, one_order, yield_now};
use bytes::Bytes;
use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard, RwLock};
use smallvec::SmallVec;
use std::sync::Arc;

/// The current era of an engine, who is in it, and the view that is being taken.
pub(crate) struct Eras {
    turnstile: Turnstile,
    taking: Mutex<()>,
    capture: RwLock<Option<Arc<Capture>>>,
}

impl Eras {
    pub(crate) fn new() -> Self {
        Self { turnstile: Turnstile::new(), taking: Mutex::new(()), capture: RwLock::new(None) }
    }

    /// The current era.
    #[inline]
    pub(crate) fn current(&self) -> u64 {
        self.turnstile.current.load(Ordering::Acquire)
    }

    /// Enters the current era, to [leave](Self::leave) it after the append. The caller holds its slots.
    #[inline]
    pub(crate) fn enter(&self) -> u64 {
        self.turnstile.enter()
    }

    /// Leaves an era that was entered by this thread.
    #[inline]
    pub(crate) fn leave(&self, era: u64) {
        self.turnstile.leave(era);
    }

    /// Waits until batches of this era may be appended.
    #[inline]
    pub(crate) fn wait_open(&self, era: u64) {
        self.turnstile.wait_open(era);
    }

    /// Brings a slot to `era`: what it holds goes to the view that is being taken, unless that was done before. `libraries`
    /// gives the texts of the libraries, which belong to the first slot here: they change only while all slots are held.
    #[inline]
    pub(crate) fn bring(&self, guard: &mut SlotGuard<'_>, era: u64, libraries: impl FnOnce() -> Vec<Bytes>) {
        if guard.state.era != era as u16 {
            self.hand_over(guard, era, libraries);
        }
    }

    #[cold]
    fn hand_over(&self, guard: &mut SlotGuard<'_>, era: u64, libraries: impl FnOnce() -> Vec<Bytes>) {
        // Half a slot is nobody's picture. Whoever holds it next hands over the whole.
        if guard.state.admission.keys() == Keys::Arriving {
            return;
        }
        guard.state.era = era as u16;
        let (is_first, mut shards) = (guard.slot() == Slot::FIRST, guard.state.shards().peekable());
        if !is_first && shards.peek().is_none() {
            return;
        }
        let capture = self.capture.read();
        let Some(capture) = &*capture else { return };
        if is_first {
            capture.set_libraries(libraries);
        }
        let shards: SmallVec<_> = shards.map(|(db, shard)| (db, shard.clone())).collect();
        if !shards.is_empty() {
            capture.enter(guard.slot(), SlotCopy(shards));
        }
    }

    /// Goes on at `era`, if that is later. Nobody may be in an era, and no view be taken.
    pub(crate) fn resume(&self, era: u64) {
        self.turnstile.current.fetch_max(era, Ordering::SeqCst);
        self.turnstile.open.fetch_max(era, Ordering::SeqCst);
    }

    /// Begins to take a view. Waits for another that is being taken.
    pub(crate) fn take(&self) -> Taking<'_> {
        let one = self.taking.lock();
        let capture = Arc::new(Capture::new());
        *self.capture.write() = Some(capture.clone());
        Taking { eras: self, capture, _one: one }
    }
}

/// A view that is being taken.
pub(crate) struct Taking<'e> {
    eras: &'e Eras,
    pub(crate) capture: Arc<Capture>,
    _one: MutexGuard<'e, ()>,
}

impl Taking<'_> {
    /// Raises the era; `between` runs when nobody is in the old era any more and nobody of the new one has appended.
    /// Every slot is to be [brought](Eras::bring) to the era that is returned before this is dropped.
    pub(crate) fn raise<R>(&self, between: impl FnOnce() -> R) -> (u64, R) {
        self.eras.turnstile.raise(between)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        *self.eras.capture.write() = None;
    }
}

/// Counts who is in the old era and who in the new.
struct Turnstile {
    current: AtomicU64,
    /// The newest era whose batches may be appended.
    open: AtomicU64,
    /// Turns in even and in odd eras; threads use different counters so that they do not share lines.
    inside: [[CachePadded<AtomicU64>; STRIPE_COUNT]; 2],
}

impl Turnstile {
    fn new() -> Self {
        let stripes = || std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0)));
        Self { current: AtomicU64::new(1), open: AtomicU64::new(1), inside: [stripes(), stripes()] }
    }

    #[inline]
    fn counter(&self, era: u64) -> &AtomicU64 {
        &self.inside[(era & 1) as usize][stripe()]
    }

    #[inline]
    fn enter(&self) -> u64 {
        loop {
            let era = self.current.load(Ordering::Relaxed);
            self.counter(era).fetch_add(1, Ordering::SeqCst);
            // Either the count is seen by who raises the era, or the raise is seen here.
            one_order();
            if self.current.load(Ordering::SeqCst) == era {
                return era;
            }
            self.counter(era).fetch_sub(1, Ordering::Release);
        }
    }

    #[inline]
    fn leave(&self, era: u64) {
        self.counter(era).fetch_sub(1, Ordering::Release);
    }

    #[inline]
    fn wait_open(&self, era: u64) {
        while self.open.load(Ordering::Acquire) < era {
            yield_now();
        }
    }

    fn raise<R>(&self, between: impl FnOnce() -> R) -> (u64, R) {
        let old = self.current.load(Ordering::Relaxed);
        self.current.store(old + 1, Ordering::SeqCst);
        one_order();
        for counter in &self.inside[(old & 1) as usize] {
            while counter.load(Ordering::Acquire) > 0 {
                yield_now();
            }
        }
        let result = between();
        self.open.store(old + 1, Ordering::Release);
        (old + 1, result)
    }
}

/// The counter of this thread.
#[inline]
fn stripe() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    // Threads have their locals at different addresses, apart by more than a page.
    let page = PLACE.with(|place| std::ptr::from_ref(place).addr() >> 12);
    (page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) & (STRIPE_COUNT - 1)
}

#[cfg(not(loom))]
const STRIPE_COUNT: usize = 32;
#[cfg(loom)]
const STRIPE_COUNT: usize = 1;

/// Run with `RUSTFLAGS="--cfg loom" cargo test -p keyslot-engine --lib --release loom_`.
#[cfg(all(test, loom))]
mod loom_models {
    use super::*;
    use loom::sync::Mutex;

    #[test]
    fn loom_batches_of_an_era_stand_before_those_of_the_next() {
        let mut model = loom::model::Builder::new();
        // Waiting is by yielding, which the model would let happen without end.
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = loom::sync::Arc::new((Turnstile::new(), Mutex::new(Vec::new())));
            let turns = {
                let shared = shared.clone();
                loom::thread::spawn(move || {
                    for _ in 0..2 {
                        let era = shared.0.enter();
                        shared.0.wait_open(era);
                        shared.1.lock().unwrap().push(era);
                        shared.0.leave(era);
                    }
                })
            };
            let (era, count) = shared.0.raise(|| shared.1.lock().unwrap().len());
            turns.join().unwrap();
            let journal = shared.1.lock().unwrap();
            assert!(journal.iter().enumerate().all(|(at, of)| (at >= count) == (*of == era)), "{journal:?} {count}");
        });
    }
}
