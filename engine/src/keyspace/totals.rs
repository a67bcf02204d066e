//! Keys, expiries and bytes of the whole engine, counted where they change and added up when asked.
//!
//! A stripe of its own cache lines serves every sixteenth slot, so that threads on different slots seldom share one.
//! Within a stripe the counters of a database may go below zero for a moment; the sums do not.

use super::slots::DATABASE_COUNT;
use crate::slot::{SLOT_COUNT, Slot};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const STRIPE_COUNT: usize = 16;

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

/// Striped counters of an engine, and which slots of database 0 hold keys.
pub(crate) struct Totals {
    stripes: [CachePadded<Stripe>; STRIPE_COUNT],
    bytes_peak: AtomicU64,
}

impl Totals {
    pub(crate) fn new() -> Self {
        Self { stripes: Default::default(), bytes_peak: AtomicU64::new(0) }
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
        let bytes = self.sum(|s| &s.bytes) + (SLOT_COUNT * 128) as u64;
        self.bytes_peak.fetch_max(bytes, Ordering::Relaxed);
        bytes
    }

    /// The most bytes that were ever seen when asked.
    pub(crate) fn bytes_peak(&self) -> u64 {
        self.bytes().max(self.bytes_peak.load(Ordering::Relaxed))
    }

    /// Exchanges the counters of two databases. Every slot is held.
    pub(crate) fn swap(&self, a: u16, b: u16) {
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
