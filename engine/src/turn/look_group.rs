//! Looks at a group of keys, so that their waits for memory overlap.
//!
//! ```text
//! hash, ask for the slots -> ask for the lines -> lock, find the tags -> ask for the entries -> lend the entries
//! ```
//!
//! The slots are taken in the order of the keys, which is not their own order; so only the first may be waited for, and
//! the group ends before a key whose slot another turn holds.

use super::ahead::GROUP_KEYS;
use crate::core::Core;
use crate::effect::Offset;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::keyspace::slots::SlotGuard;
use crate::slot::Slot;
use crate::table::{Spot, prefetch};
use crate::time::UnixMillis;

/// A key of the group, as far as it is worked out.
#[derive(Clone, Copy)]
struct Ahead {
    slot: Slot,
    /// Which of the group's guards.
    guard: u32,
    hash: u64,
    candidate: Option<(Spot, *const u8)>,
}

const UNKNOWN: Ahead = Ahead { slot: Slot::FIRST, guard: 0, hash: 0, candidate: None };

/// Slots of the group that are held, in the order in which they were taken.
struct Held<'e> {
    guards: [Option<SlotGuard<'e>>; GROUP_KEYS],
    count: usize,
}

/// Lends the entries at the first keys of a group to `f`, with their numbers, by the rules of [`look`](super::look::look).
/// Returns how many keys are done, at most [`GROUP_KEYS`], and the newest journal offset of their slots. None are done if
/// the first takes a turn.
#[inline]
pub(crate) fn look_group(
    core: &Core,
    keys: &[impl AsRef<[u8]>],
    mut now: impl FnMut() -> UnixMillis,
    mut f: impl FnMut(usize, Option<&EntryRef>),
) -> (usize, Offset) {
    let mut group = [UNKNOWN; GROUP_KEYS];
    for (ahead, key) in group.iter_mut().zip(keys) {
        let key = key.as_ref();
        ahead.slot = Slot::of(key);
        core.slots.prefetch_slot(ahead.slot);
        ahead.hash = core.hasher.hash(key);
    }
    let group = &mut group[..keys.len().min(GROUP_KEYS)];
    for ahead in &*group {
        core.totals.hints.prefetch(ahead.slot, ahead.hash);
    }
    let mut held = Held { guards: [const { None }; GROUP_KEYS], count: 0 };
    let mut ready = 0;
    for ahead in &mut *group {
        let Some(at) = held.take(core, ahead.slot) else { break };
        let Some(guard) = &held.guards[at] else { break };
        if !guard.state.admission.is_open() {
            break;
        }
        ahead.guard = at as u32;
        ahead.candidate = guard.state.first().candidate(ahead.hash);
        ready += 1;
    }
    let group = &group[..ready];
    // Apart from the locking: a prefetch that has to walk page tables holds up the next locked instruction.
    for (_, address) in group.iter().filter_map(|ahead| ahead.candidate) {
        prefetch(address);
        prefetch(address.wrapping_add(64));
    }
    let announces_misses = core.options.keyspace_events().announces(EventClass::KeyMiss);
    let mut newest = Offset(0);
    for (number, (ahead, key)) in group.iter().zip(keys).enumerate() {
        let Some(guard) = &mut held.guards[ahead.guard as usize] else { break };
        let state = &mut *guard.state;
        newest = newest.max(state.last_offset);
        match state.first().find_from(ahead.candidate.map(|(spot, _)| spot), ahead.hash, key.as_ref()) {
            None => {
                if announces_misses {
                    return (number, newest);
                }
                f(number, None);
                state.misses += 1;
            }
            Some(entry) => {
                if entry.has_expiry() && entry.is_due(now()) {
                    return (number, newest);
                }
                core.touch(&entry);
                f(number, Some(&entry));
                state.count_hit();
            }
        }
    }
    (ready, newest)
}

impl<'e> Held<'e> {
    /// Takes a slot that may be among those taken before, and says which it is now; waits only if it is the first.
    #[inline]
    fn take(&mut self, core: &'e Core, slot: Slot) -> Option<usize> {
        let guard = match core.slots.try_lock(slot) {
            Some(guard) => guard,
            None if self.count == 0 => core.slots.lock(slot),
            None => return self.guards.iter().flatten().position(|guard| guard.slot() == slot),
        };
        let at = self.count;
        self.guards[at] = Some(guard);
        self.count += 1;
        Some(at)
    }
}
