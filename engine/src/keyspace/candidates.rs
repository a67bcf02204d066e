//! What eviction remembers from one key to the next: where keys are, and which of those it met were the best to evict.

use crate::options::EvictionPolicy;
use crate::slot::Slot;
use parking_lot::{Mutex, MutexGuard};

/// The memory of eviction. A leaf among the locks: who holds it tries slots and waits for none.
#[derive(Default)]
pub(crate) struct Candidates(Mutex<Pool>);

impl Candidates {
    /// Takes it, for a few samples.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock()
    }
}

/// A key that was met.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The higher, the sooner it goes.
    pub(crate) score: u64,
    pub(crate) db: u16,
    pub(crate) slot: Slot,
    pub(crate) key: Box<[u8]>,
}

/// The best keys that were met and are not evicted yet, and how many keys each slot had.
#[derive(Default)]
pub(crate) struct Pool {
    policy: EvictionPolicy,
    /// Worst first.
    best: Vec<Candidate>,
    /// Databases and slots, each with the number of keys in it and those before it.
    places: Vec<(u64, u16, Slot)>,
    /// Draws until the keys are counted anew.
    draws_left: u32,
}

impl Pool {
    /// Forgets what was met under another policy.
    pub(crate) fn follow(&mut self, policy: EvictionPolicy) {
        if self.policy != policy {
            *self = Self { policy, ..Self::default() };
        }
    }

    /// Keeps a key, if it is better than the worst that is kept or there is room.
    pub(crate) fn offer(&mut self, score: u64, db: u16, slot: Slot, key: &[u8]) {
        let is_full = self.best.len() >= POOL_KEYS;
        if is_full && self.best[0].score >= score || self.best.iter().any(|kept| kept.db == db && *kept.key == *key) {
            return;
        }
        let mut at = self.best.partition_point(|kept| kept.score <= score);
        if is_full {
            self.best.remove(0);
            at -= 1;
        }
        self.best.insert(at, Candidate { score, db, slot, key: key.into() });
    }

    /// The best key; it is not kept any more.
    pub(crate) fn take(&mut self) -> Option<Candidate> {
        self.best.pop()
    }

    /// Whether keys are to be counted before the next draw.
    pub(crate) fn is_stale(&self) -> bool {
        self.draws_left == 0
    }

    /// Counts keys anew: the next draw asks for it.
    pub(crate) fn make_stale(&mut self) {
        self.draws_left = 0;
    }

    /// Says where how many keys are.
    pub(crate) fn set_places(&mut self, counts: impl Iterator<Item = (usize, u16, Slot)>) {
        let mut sum = 0;
        self.places.clear();
        self.places.extend(counts.map(|(count, db, slot)| {
            sum += count as u64;
            (sum, db, slot)
        }));
        self.draws_left = DRAWS;
    }

    /// A database and slot, drawn by the number of its keys; `random` is asked for a number below another.
    pub(crate) fn draw(&mut self, random: impl FnOnce(usize) -> usize) -> Option<(u16, Slot)> {
        self.draws_left = self.draws_left.saturating_sub(1);
        let total = self.places.last()?.0;
        let n = random(total as usize) as u64;
        let (_, db, slot) = self.places[self.places.partition_point(|(end, ..)| *end <= n)];
        Some((db, slot))
    }

    /// All databases and slots that had keys.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u16, Slot)> {
        self.places.iter().map(|(_, db, slot)| (*db, *slot))
    }
}

/// Keys that are kept, as many as Redis keeps.
const POOL_KEYS: usize = 16;

/// Draws before the keys of all slots are counted anew, which takes about as long as evicting some hundred.
const DRAWS: u32 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_each_once() {
        let mut pool = Pool::default();
        let slot = Slot::FIRST;
        for n in 0..40_u8 {
            let score = u64::from(n) * 7 % 40;
            pool.offer(score, 0, slot, &[n]);
            pool.offer(score, 0, slot, &[n]);
        }
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take()).map(|candidate| candidate.score).collect();
        assert_eq!(taken, (24..40).rev().collect::<Vec<_>>());
    }

    #[test]
    fn places_are_drawn_by_their_keys() {
        let mut pool = Pool::default();
        assert!(pool.is_stale() && pool.draw(|_| 0).is_none());
        let (a, b) = (Slot::FIRST, Slot::of(b"other"));
        pool.set_places([(3, 0, a), (1, 2, b)].into_iter());
        let drawn: Vec<_> = (0..4).filter_map(|n| pool.draw(|below| n.min(below))).collect();
        assert_eq!(drawn, [(0, a), (0, a), (0, a), (2, b)]);
        assert!(!pool.is_stale());
    }
}
