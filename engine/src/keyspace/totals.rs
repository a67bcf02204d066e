//! Keys, expiries and bytes of the whole engine, counted where they change and added up when asked.
//!
//! A stripe of its own cache lines serves every sixteenth slot, so that threads on different slots seldom share one.
//! Within a stripe the counters of a database may go below zero for a moment; the sums do not.

use super::hints::Hints;
use super::oversized::Oversized;
use super::slots::DATABASE_COUNT;
use crate::slot::{SLOT_COUNT, Slot};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

const STRIPE_COUNT: usize = 16;
const WORD_COUNT: usize = SLOT_COUNT / 64;

#[derive(Default)]
struct DatabaseTotals {
    keys: AtomicI64,
    expires: AtomicI64,
}

#[derive(Default)]
struct Stripe {
    bytes: AtomicI64,
    databases: [DatabaseTotals; DATABASE_COUNT as usize],
}

/// Striped counters of an engine, and which slots may hold keys.
pub(crate) struct Totals {
    pub(crate) hints: Hints,
    pub(crate) oversized: Oversized,
    stripes: [CachePadded<Stripe>; STRIPE_COUNT],
    /// One bit for each slot of each database. A clear bit is true; a set one may be stale: a slot that became empty keeps
    /// its bit until somebody who holds the slot says so, since a slot that gets its next key soon would only set it again.
    occupied: Box<[[AtomicU64; WORD_COUNT]]>,
    /// One bit for each slot that whoever walks over all slots passes over.
    hidden: [AtomicU64; WORD_COUNT],
    /// About the most keys of one slot of each database: a bound for choosing slots at random.
    largest: [AtomicUsize; DATABASE_COUNT as usize],
    /// Hashes of each database that have fields with an expiry.
    timed: [AtomicI64; DATABASE_COUNT as usize],
    /// About how long keys with an expiry have to live, milliseconds; 0 before the first sample.
    mean_ttl_ms: [AtomicI64; DATABASE_COUNT as usize],
}

/// Which slots of one database may hold keys, as they were at one time or another while this was read.
pub(crate) struct Occupied([u64; WORD_COUNT]);

impl Occupied {
    /// How many slots there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The `n`-th slot, counted from 0.
    pub(crate) fn nth(&self, mut n: usize) -> Option<Slot> {
        for (at, word) in self.0.iter().enumerate() {
            let ones = word.count_ones() as usize;
            if n < ones {
                let rest = (0..n).fold(*word, |rest, _| rest & (rest - 1));
                return Slot::new((at * 64) as u16 + rest.trailing_zeros() as u16);
            }
            n -= ones;
        }
        None
    }
}

impl Totals {
    pub(crate) fn new() -> Self {
        let empty = || std::array::from_fn(|_| AtomicU64::new(0));
        let occupied = (0..DATABASE_COUNT).map(|_| empty()).collect();
        Self {
            hints: Hints::new(),
            oversized: Oversized::default(),
            stripes: Default::default(),
            occupied,
            hidden: empty(),
            largest: Default::default(),
            timed: Default::default(),
            mean_ttl_ms: Default::default(),
        }
    }

    fn word(&self, slot: Slot, db: u16) -> (&AtomicU64, u64) {
        (&self.occupied[usize::from(db)][slot.index() / 64], 1 << (slot.index() % 64))
    }

    /// Says that a slot, which is held, has its first key.
    #[inline]
    pub(crate) fn set_occupied(&self, slot: Slot, db: u16) {
        let (word, bit) = self.word(slot, db);
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Says that a slot has so many keys.
    #[inline]
    pub(crate) fn note_len(&self, db: u16, len: usize) {
        if len > self.largest(db) {
            self.largest[usize::from(db)].store(len, Ordering::Relaxed);
        }
    }

    /// About the most keys of one slot: seldom too low, and too high after keys were deleted.
    #[inline]
    pub(crate) fn largest(&self, db: u16) -> usize {
        self.largest[usize::from(db)].load(Ordering::Relaxed)
    }

    /// Corrects [`largest`](Self::largest).
    pub(crate) fn set_largest(&self, db: u16, len: usize) {
        self.largest[usize::from(db)].store(len, Ordering::Relaxed);
    }

    /// Says that a slot, which is held, has no key.
    pub(crate) fn clear_occupied(&self, slot: Slot, db: u16) {
        let (word, bit) = self.word(slot, db);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    /// Has whoever walks over all slots pass over this one, or not. It is held.
    pub(crate) fn set_hidden(&self, slot: Slot, is_hidden: bool) {
        let (word, bit) = (&self.hidden[slot.index() / 64], 1 << (slot.index() % 64));
        match is_hidden {
            true => word.fetch_or(bit, Ordering::Relaxed),
            false => word.fetch_and(!bit, Ordering::Relaxed),
        };
    }

    /// The slots that are passed over. O(slots / 64).
    pub(crate) fn hidden(&self) -> impl Iterator<Item = Slot> {
        self.hidden.iter().enumerate().flat_map(|(at, word)| bits(at, word.load(Ordering::Relaxed)))
    }

    /// All slots that may hold keys, those too that are passed over, ascending. O(slots / 64 + slots that may hold keys).
    pub(crate) fn occupied_or_hidden(&self, db: u16) -> impl Iterator<Item = Slot> {
        let words = self.occupied[usize::from(db)].iter().enumerate();
        words.flat_map(|(at, word)| bits(at, word.load(Ordering::Relaxed)))
    }

    fn shown_word(&self, db: u16, at: usize) -> u64 {
        self.occupied[usize::from(db)][at].load(Ordering::Relaxed) & !self.hidden[at].load(Ordering::Relaxed)
    }

    /// The first slot from `from` on that may hold keys. O(slots / 64) at worst.
    pub(crate) fn next_occupied(&self, db: u16, from: usize) -> Option<Slot> {
        let mut mask = !0 << (from % 64);
        for at in from / 64..WORD_COUNT {
            let word = self.shown_word(db, at) & mask;
            if word != 0 {
                return Slot::new((at * 64) as u16 + word.trailing_zeros() as u16);
            }
            mask = !0;
        }
        None
    }

    /// All slots that may hold keys.
    pub(crate) fn occupied(&self, db: u16) -> Occupied {
        Occupied(std::array::from_fn(|at| self.shown_word(db, at)))
    }

    /// Adds to the counters of a slot's stripe.
    #[inline]
    pub(crate) fn add(&self, slot: Slot, db: u16, keys: i64, expires: i64, bytes: i64) {
        let stripe = &self.stripes[slot.index() % STRIPE_COUNT];
        let database = &stripe.databases[usize::from(db)];
        if keys != 0 {
            database.keys.fetch_add(keys, Ordering::Relaxed);
        }
        if expires != 0 {
            database.expires.fetch_add(expires, Ordering::Relaxed);
        }
        if bytes != 0 {
            stripe.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Counts hashes that have fields with an expiry.
    pub(crate) fn add_timed(&self, db: u16, count: i64) {
        self.timed[usize::from(db)].fetch_add(count, Ordering::Relaxed);
    }

    /// Whether a database may have something that is due by time.
    pub(crate) fn is_volatile(&self, db: u16) -> bool {
        self.timed[usize::from(db)].load(Ordering::Relaxed) > 0 || self.expires(db) > 0
    }

    /// About how long the keys of a database that have an expiry have to live, milliseconds; 0 if there are none, or none
    /// was looked at yet.
    pub(crate) fn mean_ttl_ms(&self, db: u16) -> i64 {
        if self.expires(db) == 0 { 0 } else { self.mean_ttl_ms[usize::from(db)].load(Ordering::Relaxed) }
    }

    /// Moves [`mean_ttl_ms`](Self::mean_ttl_ms) by a sample of some keys.
    pub(crate) fn note_mean_ttl(&self, db: u16, sampled_ms: i64) {
        let mean = &self.mean_ttl_ms[usize::from(db)];
        let moved = match mean.load(Ordering::Relaxed) {
            0 => sampled_ms,
            before => before / 50 * 49 + sampled_ms / 50,
        };
        mean.store(moved, Ordering::Relaxed);
    }

    /// Number of keys of a database, expired ones that are still there included.
    pub(crate) fn keys(&self, db: u16) -> u64 {
        self.sum(|s| &s.databases[usize::from(db)].keys)
    }

    /// Number of keys of a database that have an expiry.
    pub(crate) fn expires(&self, db: u16) -> u64 {
        self.sum(|s| &s.databases[usize::from(db)].expires)
    }

    /// Bytes of heap behind all entries and tables, the slot array included.
    pub(crate) fn bytes(&self) -> u64 {
        self.sum(|s| &s.bytes) + (SLOT_COUNT * 128) as u64
    }

    /// Exchanges the counters of two databases. Every slot is held.
    pub(crate) fn swap(&self, a: u16, b: u16) {
        for (a, b) in self.occupied[usize::from(a)].iter().zip(&self.occupied[usize::from(b)]) {
            let before = a.swap(b.load(Ordering::Relaxed), Ordering::Relaxed);
            b.store(before, Ordering::Relaxed);
        }
        let (largest_a, largest_b) = (self.largest(a), self.largest(b));
        self.set_largest(a, largest_b);
        self.set_largest(b, largest_a);
        for counters in [&self.timed, &self.mean_ttl_ms] {
            let (a, b) = (&counters[usize::from(a)], &counters[usize::from(b)]);
            let before = a.swap(b.load(Ordering::Relaxed), Ordering::Relaxed);
            b.store(before, Ordering::Relaxed);
        }
        for stripe in &self.stripes {
            let (a, b) = (&stripe.databases[usize::from(a)], &stripe.databases[usize::from(b)]);
            for (a, b) in [(&a.keys, &b.keys), (&a.expires, &b.expires)] {
                let before = a.swap(b.load(Ordering::Relaxed), Ordering::Relaxed);
                b.store(before, Ordering::Relaxed);
            }
        }
    }

    fn sum(&self, of: impl Fn(&Stripe) -> &AtomicI64) -> u64 {
        let sum: i64 = self.stripes.iter().map(|s| of(s).load(Ordering::Relaxed)).sum();
        u64::try_from(sum).unwrap_or(0)
    }
}

/// The slots that the `at`-th word of a bitmap names, ascending.
fn bits(at: usize, word: u64) -> impl Iterator<Item = Slot> {
    let words = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
    words
        .take_while(|word| *word != 0)
        .filter_map(move |word| Slot::new((at * 64) as u16 + word.trailing_zeros() as u16))
}
