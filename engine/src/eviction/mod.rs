//! Eviction: keys go when the data takes more memory than `maxmemory`.
//!
//! ```text
//! a request that may add data -> over the bound? -> [ sample keys -> keep the best -> evict the best of those ]* -> its turn
//! ```
//!
//! It runs before a turn takes its slots, in turns of its own: each victim is a turn over one slot, with a DEL as its effect.
//! What takes longer than a request should wait is left to the next one, and to the engine's tick.
//!
//! Invariants
//! - Where others decide what is there (a replica, replay) or writes are paused nothing is evicted, and nothing refused.
//! - No slot is waited for.

mod sampling;
#[cfg(test)]
mod tests;

use crate::core::Core;
use crate::event::EventClass;
use crate::keyspace::candidates::Candidate;
use crate::options::EvictionPolicy;
use crate::time::UnixMillis;
use crate::turn::{Opening, Turn};
use sampling::{Chosen, choose};
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

/// How the data stands to `maxmemory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Memory {
    /// Below the bound.
    Enough,
    /// Above it: the rest of the work is left for later.
    Later,
    /// Above it, and nothing may be evicted.
    Short,
}

/// Evicts keys until the data is below `maxmemory`, or for about as long as a request may wait.
#[inline]
pub(crate) fn make_room(core: &Core, now: UnixMillis) -> Memory {
    match core.memory_left() {
        None => make_room_for_ns(core, now, time_limit_ns(core)),
        Some(_) => Memory::Enough,
    }
}

#[cold]
fn make_room_for_ns(core: &Core, now: UnixMillis, limit_ns: u64) -> Memory {
    if !core.may_expire(now) {
        return Memory::Enough;
    }
    let began = core.monotonic_ns();
    let (memory, evicted) = evict(core, now, began.saturating_add(limit_ns));
    let ended = core.monotonic_ns();
    core.stats.note_eviction(memory != Memory::Enough, evicted, ended);
    let (ms, threshold_ms) =
        (ended.saturating_sub(began) / 1_000_000, core.options.latency_threshold_ms.load(Ordering::Relaxed));
    if threshold_ms > 0 && ms >= threshold_ms {
        core.stats.add_latency("eviction-cycle", now, ms);
    }
    memory
}

/// Evicts keys until then, by the steady clock. Returns how the data stands, and how many went.
fn evict(core: &Core, now: UnixMillis, end_ns: u64) -> (Memory, u64) {
    let policy = core.options.eviction_policy();
    let (mut evicted, mut misses) = (0, 0);
    while core.memory_left().is_none() {
        if core.reclaim.pending() > 0 && core.reclaim.run(&core.totals, RECLAIMED_ENTRIES) > 0 {
            if core.monotonic_ns() >= end_ns {
                return (Memory::Later, evicted);
            }
            continue;
        }
        if policy == EvictionPolicy::NoEviction {
            return (Memory::Short, evicted);
        }
        if !has_journal_room(core) {
            return (Memory::Later, evicted);
        }
        match choose(core, policy) {
            Chosen::Key(victim) if evict_one(core, now, policy, &victim) => evicted += 1,
            Chosen::Key(_) if misses < MISSES_MAX => misses += 1,
            Chosen::Key(_) => return (Memory::Later, evicted),
            Chosen::Busy => return (Memory::Later, evicted),
            Chosen::Nothing => return (Memory::Short, evicted),
        }
        if core.monotonic_ns() >= end_ns {
            break;
        }
    }
    (if core.memory_left().is_some() { Memory::Enough } else { Memory::Later }, evicted)
}

fn has_journal_room(core: &Core) -> bool {
    core.sink().is_none_or(|sink| matches!(sink.poll_room(Waker::noop()), Poll::Ready(Ok(()))))
}

/// Deletes a key in a turn of its own, if it is still there and may go. Says whether it went.
fn evict_one(core: &Core, now: UnixMillis, policy: EvictionPolicy, victim: &Candidate) -> bool {
    let Some(guard) = core.slots.try_lock(victim.slot) else { return false };
    let mut turn = Turn::over(core, Opening { now: Some(now), ..Opening::client(victim.db) }, guard);
    let key = turn.key(&victim.key).expect("the key was found in the slot that is held");
    let spot = turn.find(&key).filter(|spot| !policy.is_volatile() || turn.entry(&key, *spot).has_expiry());
    if let Some(spot) = spot {
        turn.discard(&key, spot);
        turn.record(&[b"DEL", key.bytes]);
        turn.notify(EventClass::Evicted, "evicted", key.bytes);
    }
    turn.commit();
    spot.is_some()
}

/// How long a request may be held up: half a millisecond by default.
fn time_limit_ns(core: &Core) -> u64 {
    match core.options.eviction_tenacity.load(Ordering::Relaxed) {
        tenacity @ 0..=10 => 50_000 * u64::from(tenacity),
        tenacity @ 11..=99 => (500_000.0 * 1.15_f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// What the engine's tick does: a share, however long requests may wait. Says whether work is left.
pub(crate) fn run(core: &Core, now: UnixMillis) -> bool {
    match core.memory_left() {
        None => make_room_for_ns(core, now, TICK_NS) == Memory::Later,
        Some(_) => {
            core.stats.note_eviction(false, 0, core.monotonic_ns());
            false
        }
    }
}

/// Keys that were gone or held by others when they were to be evicted, before the rest is left for later.
const MISSES_MAX: u32 = 1000;

/// Elements that were given up and are freed in one go.
const RECLAIMED_ENTRIES: usize = 1000;

/// How long a tick evicts.
const TICK_NS: u64 = 1_000_000;
