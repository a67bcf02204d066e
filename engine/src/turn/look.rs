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
use crate::keyspace::slots::{GateState, SlotGuard};
use crate::time::UnixMillis;

/// Which key to look at, and how.
#[derive(Clone, Copy)]
pub(crate) struct Looked<'k> {
    pub(crate) key: &'k [u8],
    pub(crate) hash: u64,
    pub(crate) db: u16,
    pub(crate) touch: Touch,
}

/// Lends the entry at a key to `f` and returns what `f` made of it, with the newest journal offset of the slot. Gives `f`
/// back when this takes a turn.
#[inline]
pub(crate) fn look<R, F: FnOnce(Option<&EntryRef>) -> R>(
    core: &Core,
    mut guard: SlotGuard<'_>,
    looked: Looked<'_>,
    now: impl FnOnce() -> UnixMillis,
    f: F,
) -> Result<(R, Offset), F> {
    let Looked { key, hash, db, touch } = looked;
    let state = &mut *guard.state;
    if state.gate != GateState::Open {
        return Err(f);
    }
    let Some((shard, spot)) = state.shard(db).and_then(|shard| Some((shard, shard.find(hash, key)?))) else {
        if core.options.keyspace_events().announces(EventClass::KeyMiss) {
            return Err(f);
        }
        let result = f(None);
        state.misses += 1;
        return Ok((result, state.last_offset));
    };
    let entry = shard.get(spot);
    if let Some(due) = entry.next_due()
        && due < now()
    {
        return Err(f);
    }
    if touch == Touch::Mark {
        core.touch(&entry);
    }
    let result = f(Some(&entry));
    state.hits += 1;
    Ok((result, state.last_offset))
}

/// [`look`] for a key that was hashed ahead, if its slot is free.
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
    match core.slots.try_lock(known.slot) {
        Some(guard) => look(core, guard, Looked { key, hash: known.hash, db, touch }, || now, f),
        None => Err(f),
    }
}
