//! Deleting keys that are due, slot by slot, within a budget.
//!
//! Every slot knows the earliest time at which one of its keys may be due, so a slot with nothing to do costs one lock.
//! The next call goes on where the budget of this one ended.

use super::{Opening, Turn};
use crate::core::Core;
use crate::keyspace::DATABASE_COUNT;
use crate::keyspace::shard::Due;
use crate::slot::{SLOT_COUNT, Slot};
use crate::time::UnixMillis;
use std::sync::atomic::Ordering;

/// What [`Engine::tick`](crate::Engine::tick) did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TickReport {
    /// Keys deleted because they were due.
    pub expired: usize,
    /// Whether work that is due was left undone for want of budget.
    pub more: bool,
}

/// Visits slots until all were seen once or `budget` entries were looked at.
pub(crate) fn run(core: &Core, now: UnixMillis, budget: usize) -> TickReport {
    let mut report = TickReport::default();
    if !core.options.active_expire.load(Ordering::Relaxed) || !core.may_expire(now) {
        return report;
    }
    let databases: Vec<u16> = (0..DATABASE_COUNT).filter(|db| core.totals.expires(*db) > 0).collect();
    if databases.is_empty() {
        return report;
    }
    let mut looked = 0;
    for _ in 0..SLOT_COUNT {
        if looked >= budget {
            report.more = true;
            return report;
        }
        let at = core.expire_cursor.fetch_add(1, Ordering::Relaxed) as usize % SLOT_COUNT;
        let slot = Slot::new(at as u16).expect("below the slot count");
        for db in &databases {
            looked += expire_slot(core, slot, *db, now, &mut report);
        }
    }
    report
}

/// A share of [`run`] that a turn does in passing: a few slots, so that an engine that nobody ticks does not leak.
pub(crate) fn run_share(core: &Core) {
    run(core, core.now(), SHARE_ENTRIES);
}

/// Deletes what is due in one slot and database. Returns how many entries were looked at.
fn expire_slot(core: &Core, slot: Slot, db: u16, now: UnixMillis, report: &mut TickReport) -> usize {
    let Some(mut guard) = core.slots.try_lock(slot) else { return 1 };
    if guard.state.shard(db).is_none_or(|shard| shard.next_expiry() >= now) {
        return 1;
    }
    let mut looked = 0;
    let mut from = 0;
    loop {
        let Due { keys, next } = guard.state.shard_mut(db).due(now, from, PASS_ENTRIES, &core.hasher);
        looked += PASS_ENTRIES;
        if !keys.is_empty() {
            report.expired += keys.len();
            let mut turn = Turn::over(core, Opening { now: Some(now), ..Opening::client(db) }, guard);
            for key in &keys {
                let key = turn.key(key).expect("the key was found in the slot that is held");
                turn.find(&key);
            }
            turn.commit();
            match core.slots.try_lock(slot) {
                Some(again) => guard = again,
                None => return looked,
            }
        }
        match next {
            Some(next) => from = next,
            None => return looked,
        }
    }
}

/// Entries looked at in one go while a slot is held.
const PASS_ENTRIES: usize = 256;

/// Entries that a turn's share of the cycle looks at.
const SHARE_ENTRIES: usize = 16;
