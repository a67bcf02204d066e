//! Choosing what is evicted: some keys are drawn, all with nearly the same chance, and the best of those and of earlier draws
//! goes.
//!
//! Slots are drawn by the number of their keys as it was counted lately, then a key in the slot. Keys with an expiry have no
//! index of their own: where draws meet none, slots that have such keys are searched.

use crate::core::Core;
use crate::keyspace::EntryRef;
use crate::keyspace::candidates::{Candidate, Pool};
use crate::keyspace::frequency;
use crate::keyspace::shard::Shard;
use crate::keyspace::{DATABASE_COUNT, slots::SlotGuard};
use crate::options::EvictionPolicy;
use crate::slot::Slot;
use crate::table::Lent;
use std::sync::atomic::Ordering;

/// What was chosen.
pub(super) enum Chosen {
    Key(Candidate),
    /// None was found: slots are held by others.
    Busy,
    /// There is no key that may go.
    Nothing,
}

/// The best key to evict.
pub(super) fn choose(core: &Core, policy: EvictionPolicy) -> Chosen {
    let count = |db| if policy.is_volatile() { core.totals.expires(db) } else { core.totals.keys(db) };
    if (0..DATABASE_COUNT).all(|db| count(db) == 0) {
        return Chosen::Nothing;
    }
    let mut pool = core.candidates.lock();
    pool.follow(policy);
    if pool.is_stale() {
        count_keys(core, policy, &mut pool);
    }
    let wanted = if policy.is_random() { 1 } else { core.options.eviction_samples.load(Ordering::Relaxed).max(1) };
    let mut met = 0;
    for _ in 0..wanted.saturating_mul(DRAWS_EACH) {
        met += usize::from(sample(core, policy, &mut pool));
        if met == wanted {
            break;
        }
    }
    match pool.take() {
        Some(candidate) => Chosen::Key(candidate),
        None => {
            // The count is old, or nearly nothing in those slots has an expiry.
            count_keys(core, policy, &mut pool);
            search(core, policy, &mut pool)
        }
    }
}

/// Counts the keys that may go, slot by slot. O(occupied slots).
fn count_keys(core: &Core, policy: EvictionPolicy, pool: &mut Pool) {
    let of_db = |db| {
        let mut from = 0;
        std::iter::from_fn(move || {
            let slot = core.totals.next_occupied(db, from)?;
            from = slot.index() + 1;
            Some(slot)
        })
        .map(move |slot| (slot_count(core, policy, db, slot), db, slot))
    };
    let counted = (0..DATABASE_COUNT).filter(|db| core.totals.keys(*db) > 0).flat_map(of_db);
    pool.set_places(counted.filter(|(count, ..)| *count > 0));
}

/// How many keys of a slot may go; one that is held by others counts as having one.
fn slot_count(core: &Core, policy: EvictionPolicy, db: u16, slot: Slot) -> usize {
    let Some(guard) = core.slots.try_lock_warm(slot) else { return 1 };
    match guard.state.shard(db) {
        None => 0,
        Some(shard) if policy.is_volatile() => shard.expires(),
        Some(shard) => shard.len(),
    }
}

/// Draws a key and offers it. False if none was met.
fn sample(core: &Core, policy: EvictionPolicy, pool: &mut Pool) -> bool {
    let Some((db, slot)) = pool.draw(|below| core.random_below(below)) else { return false };
    let Some(guard) = core.slots.try_lock_warm(slot) else { return false };
    let Some(entry) = guard.state.shard(db).and_then(|shard| draw_entry(core, policy, shard)) else { return false };
    pool.offer(score(core, policy, &entry), db, slot, entry.key());
    true
}

fn draw_entry<'a>(core: &Core, policy: EvictionPolicy, shard: &'a Shard) -> Option<Lent<'a, EntryRef>> {
    let draw = || shard.random(|below| core.random_below(below));
    match policy.is_volatile() {
        false => draw(),
        true if shard.expires() == 0 => None,
        true => (0..ENTRY_DRAWS).filter_map(|_| draw()).find(|entry| entry.has_expiry()),
    }
}

/// Takes the first key that may go. O(keys) at worst.
fn search(core: &Core, policy: EvictionPolicy, pool: &mut Pool) -> Chosen {
    for (db, slot) in pool.places() {
        let Some(guard) = core.slots.try_lock_warm(slot) else { continue };
        if let Some(key) = first_key(policy, db, &guard) {
            return Chosen::Key(Candidate { score: 0, db, slot, key });
        }
    }
    // Those that may go are held by others, or are on their way.
    pool.make_stale();
    Chosen::Busy
}

fn first_key(policy: EvictionPolicy, db: u16, guard: &SlotGuard<'_>) -> Option<Box<[u8]>> {
    let mut entries = guard.state.shard(db)?.iter();
    entries.find(|entry| !policy.is_volatile() || entry.has_expiry()).map(|entry| entry.key().into())
}

/// How much a key deserves to go.
fn score(core: &Core, policy: EvictionPolicy, entry: &EntryRef) -> u64 {
    match policy {
        EvictionPolicy::AllKeysLru | EvictionPolicy::VolatileLru => u64::from(core.idle_seconds(entry)),
        EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => {
            u64::from(255 - frequency::counter(entry.access(), core.access_minutes(), core.options.lfu_pace()))
        }
        EvictionPolicy::VolatileTtl => entry.expiry().map_or(0, |expiry| u64::MAX - expiry.0.max(0) as u64),
        EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom | EvictionPolicy::NoEviction => 0,
    }
}

/// Draws for each key that is wanted.
const DRAWS_EACH: usize = 8;

/// Draws in a slot of which some keys have an expiry.
const ENTRY_DRAWS: usize = 16;
