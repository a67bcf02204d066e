//! A look: reading one key without the machinery of a turn.
//!
//! It takes the slot's lock, finds the key and lends the entry, by the same rules as [`Turn::read`](super::Turn::read): the
//! gate applies, a hit or a miss is counted, the entry is marked as used. Whatever needs more (a slot that is not open, a
//! key that is due and so has to be deleted, a miss that is to be announced) is left to a turn.

use super::{KnownKey, Touch};
use crate::core::Core;
use crate::effect::Offset;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::keyspace::slots::SlotState;
use crate::slot::Slot;
use crate::table::Lent;
use crate::time::UnixMillis;

/// Which key to look at, and how.
#[derive(Clone, Copy)]
pub(crate) struct Looked<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) hash: u64,
    pub(crate) db: u16,
    pub(crate) touch: Touch,
}

/// What a look finds.
pub(crate) enum Seen<'g> {
    Entry(Lent<'g, EntryRef>),
    Missing,
    /// It takes a turn to say.
    Unsure,
}

/// Finds the entry at a key, whose slot is held, and marks it as used. Counting the hit or the miss is left to the caller.
#[inline(always)]
pub(crate) fn seek<'g>(
    core: &Core,
    state: &'g SlotState,
    looked: Looked<'_>,
    now: impl FnOnce() -> UnixMillis,
) -> Seen<'g> {
    match state.admission.is_open() {
        true => seek_admitted(core, state, looked, now),
        false => Seen::Unsure,
    }
}

/// As [`seek`], in a slot whose gate was asked and whose keys are here.
#[inline(always)]
pub(crate) fn seek_admitted<'g>(
    core: &Core,
    state: &'g SlotState,
    looked: Looked<'_>,
    now: impl FnOnce() -> UnixMillis,
) -> Seen<'g> {
    let Looked { key, hash, db, touch } = looked;
    let Some((_, entry)) = state.shard(db).and_then(|shard| shard.seek(hash, key)) else {
        let is_announced = core.options.keyspace_events().announces(EventClass::KeyMiss);
        return if is_announced { Seen::Unsure } else { Seen::Missing };
    };
    if let Some(due) = entry.next_due()
        && due < now()
    {
        return Seen::Unsure;
    }
    if touch == Touch::Mark {
        core.touch(&entry);
    }
    Seen::Entry(entry)
}

/// Lends the entry at a key that was hashed ahead to `f`, if its slot is free, and returns what `f` made of it, with the
/// newest journal offset of the slot. Gives `f` back when this takes a turn.
#[inline]
pub(crate) fn try_look<R, F: FnOnce(Option<&EntryRef>) -> R>(
    core: &Core,
    known: KnownKey,
    key: &[u8],
    db: u16,
    touch: Touch,
    now: UnixMillis,
    f: F,
) -> Result<(R, Offset), F> {
    let Some(mut guard) = core.slots.try_lock(known.slot) else { return Err(f) };
    look_held(core, &mut guard.state, Looked { key, hash: known.hash, db, touch }, now, f)
}

/// As [`try_look`], over a slot that is held already.
#[inline]
pub(crate) fn look_held<R, F: FnOnce(Option<&EntryRef>) -> R>(
    core: &Core,
    state: &mut SlotState,
    looked: Looked<'_>,
    now: UnixMillis,
    f: F,
) -> Result<(R, Offset), F> {
    let result = match seek(core, state, looked, || now) {
        Seen::Entry(entry) => {
            let result = f(Some(&entry));
            state.count_hit();
            result
        }
        Seen::Missing => {
            state.misses += 1;
            f(None)
        }
        Seen::Unsure => return Err(f),
    };
    Ok((result, state.last_offset))
}

/// As [`try_look`], on a replica, for a client that said READONLY: the slot is its primary's.
#[inline(never)]
pub(crate) fn try_look_replicated<R>(
    core: &Core,
    slot: Slot,
    looked: Looked<'_>,
    now: UnixMillis,
    f: impl FnOnce(Option<&EntryRef>) -> R,
) -> Option<(R, Offset)> {
    let mut guard = core.slots.try_lock(slot)?;
    let state = &mut *guard.state;
    if !state.admission.is_replicated() || core.gate.is_down() {
        return None;
    }
    let result = match seek_admitted(core, state, looked, || now) {
        Seen::Entry(entry) => {
            let result = f(Some(&entry));
            state.count_hit();
            result
        }
        Seen::Missing => {
            state.misses += 1;
            f(None)
        }
        Seen::Unsure => return None,
    };
    Some((result, state.last_offset))
}
