//! Deleting keys that are due, slot by slot, within a budget.
//!
//! Every slot knows the earliest time at which one of its keys may be due, so a slot with nothing to do costs one lock, and
//! a slot without keys nothing. A slot with something to do is walked in hash order, a stretch at a time, and its hint is
//! renewed at the end of the walk. Where the budget ends, there the next call goes on, in the middle of a slot too.
//!
//! Invariants
//! - One cycle at a time: who finds another at work leaves it to that one.
//! - No slot is waited for: one that is busy is left for the next round.
//! - A hint is never later than the first expiry of its slot, except for the one slot that is being walked: what is still
//!   unknown of it is in the walk.

use super::{Opening, Turn};
use crate::core::Core;
use crate::effect::Offset;
use crate::keyspace::DATABASE_COUNT;
use crate::keyspace::expiry_walk::Walk;
use crate::keyspace::shard::{Due, Shard};
use crate::keyspace::slots::SlotGuard;
use crate::slot::{SLOT_COUNT, Slot};
use crate::time::UnixMillis;
use smallvec::SmallVec;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

/// What [`Engine::tick`](crate::Engine::tick) did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TickReport {
    /// Keys deleted because they were due.
    pub expired: usize,
    /// Whether work that is due was left undone for want of budget.
    pub more: bool,
}

/// Why work on a slot ended.
#[derive(PartialEq, Eq)]
enum Stop {
    /// Nothing is left to do.
    Done,
    /// The slot is held by somebody, or the budget is used up.
    Interrupted,
}

/// Visits slots until all were seen once or about `budget` entries were looked at.
pub(crate) fn run(core: &Core, now: UnixMillis, budget: usize) -> TickReport {
    let mut report = TickReport::default();
    let mut left = budget;
    if core.reclaim.pending() > 0 {
        left = left.saturating_sub(core.reclaim.run(&core.totals, budget.div_ceil(2)));
        report.more = core.reclaim.pending() > 0;
    }
    let databases: SmallVec<[u16; 4]> = (0..DATABASE_COUNT).filter(|db| core.totals.is_volatile(*db)).collect();
    if databases.is_empty() || !core.options.active_expire.load(Ordering::Relaxed) || !may_record(core, now) {
        return report;
    }
    let Some(mut progress) = core.expire_cycle.try_begin() else { return report };
    // A walk that was interrupted makes it one slot more.
    for _ in 0..=SLOT_COUNT {
        let slot = Slot::new(progress.slot).expect("below the slot count");
        for db in &databases {
            if left == 0 {
                report.more = true;
                return report;
            }
            let may_have_keys = core.totals.next_occupied(*db, slot.index()) == Some(slot);
            let is_elsewhere = progress.walk.is_some_and(|walk| walk.db != *db);
            if may_have_keys
                && !is_elsewhere
                && expire_slot(core, slot, *db, now, &mut progress.walk, &mut left, &mut report) == Stop::Interrupted
            {
                report.more |= left == 0;
                if progress.walk.is_some() {
                    return report;
                }
            }
        }
        progress.walk = None;
        progress.slot = (progress.slot + 1) % SLOT_COUNT as u16;
    }
    report
}

/// A share of [`run`] that a turn does in passing: a few slots, so that an engine that nobody ticks does not leak.
pub(crate) fn run_share(core: &Core) {
    run(core, core.now(), SHARE_ENTRIES);
}

fn may_record(core: &Core, now: UnixMillis) -> bool {
    let is_writable = core.sink().is_none_or(|sink| matches!(sink.poll_room(Waker::noop()), Poll::Ready(Ok(()))));
    is_writable && core.may_expire(now)
}

/// Deletes what is due in one database of a slot, or a part of it: then `walk` says where to go on.
fn expire_slot(
    core: &Core,
    slot: Slot,
    db: u16,
    now: UnixMillis,
    walk: &mut Option<Walk>,
    left: &mut usize,
    report: &mut TickReport,
) -> Stop {
    loop {
        *left = left.saturating_sub(1);
        let Some(mut guard) = core.slots.try_lock_warm(slot) else { return Stop::Interrupted };
        let Some(shard) = shard_of(&mut guard, db) else { return Stop::Done };
        if walk.is_none() && shard.next_expiry() >= now {
            return Stop::Done;
        }
        let at = walk.get_or_insert_with(|| Walk { db, from: 0, before: shard.loosen(), earliest: i64::MAX });
        let Due { keys, earliest, looked, next } =
            shard.due(now, at.from, STRETCH_ENTRIES.min(*left + 1), &core.hasher);
        *left = left.saturating_sub(looked);
        at.earliest = at.earliest.min(earliest);
        match next {
            Some(next) => at.from = next,
            None => {
                shard.tighten(at.earliest);
                *walk = None;
            }
        }
        let mut rest = Rest::Nothing;
        if !keys.is_empty() {
            let count;
            (count, rest) = delete(core, guard, db, now, &keys, left);
            report.expired += count;
        }
        if next.is_none() && rest == Rest::Nothing {
            return Stop::Done;
        }
        if *left == 0 {
            return Stop::Interrupted;
        }
    }
}

/// Deletes keys of a slot that somebody came across. Returns the newest offset of the slot's journal.
pub(crate) fn delete_met(core: &Core, slot: Slot, db: u16, now: UnixMillis, keys: &[Vec<u8>]) -> Offset {
    if !may_record(core, now) {
        return Offset(0);
    }
    let mut turn = Turn::over(core, Opening { now: Some(now), ..Opening::client(db) }, core.slots.lock(slot));
    for key in keys {
        let key = turn.key(key).expect("the key was found in the slot that is held");
        turn.find(&key);
    }
    turn.commit().offset
}

/// Whether something of what was looked at is due still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// Fields of a large hash, of which a part was looked at.
    Fields,
}

/// Deletes keys and fields that are due in a turn over their slot. Returns how many effects that took.
fn delete(
    core: &Core,
    guard: SlotGuard<'_>,
    db: u16,
    now: UnixMillis,
    keys: &[Vec<u8>],
    left: &mut usize,
) -> (usize, Rest) {
    let mut turn = Turn::over(core, Opening { now: Some(now), ..Opening::client(db) }, guard);
    let mut rest = Rest::Nothing;
    for key in keys {
        let key = turn.key(key).expect("the key was found in the slot that is held");
        if turn.delete_due_part(&key, STRETCH_ENTRIES) {
            *left = left.saturating_sub(STRETCH_ENTRIES);
            rest = Rest::Fields;
        }
    }
    let count = turn.effect_count() as usize;
    if count < keys.len() || rest == Rest::Fields {
        // Deleting was forbidden meanwhile, or is to go on: some are due still.
        for (_, state) in turn.states_mut() {
            state.shard_mut(db).tighten(now.0.saturating_sub(1));
        }
    }
    turn.commit();
    (count, rest)
}

fn shard_of<'a>(guard: &'a mut SlotGuard<'_>, db: u16) -> Option<&'a mut Shard> {
    guard.state.shard(db)?;
    Some(guard.state.shard_mut(db))
}

/// Entries looked at in one go while a slot is held.
const STRETCH_ENTRIES: usize = 256;

/// Entries that a turn's share of the cycle looks at.
const SHARE_ENTRIES: usize = 16;
