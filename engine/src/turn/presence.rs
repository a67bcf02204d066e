//! Which keys of a request are here: asked by the gate while their slot is on its way to another node or from there.

use crate::core::Core;
use crate::gate::Presence;
use crate::keyspace::slots::SlotGuard;
use crate::slot::Slot;

/// Counts those of `keys` that are in the slot that is held. A key that is due is not here, and stays; nothing is counted as a lookup.
#[cold]
pub(crate) fn presence<'k>(core: &Core, guard: &SlotGuard<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Presence {
    let (mut presence, mut first, now) = (Presence::default(), None, core.now());
    for key in keys.filter(|key| Slot::of(key) == guard.slot()) {
        presence.several |= *first.get_or_insert(key) != key;
        // A cluster has one database.
        let found = guard.state.first().seek(core.hasher.hash(key), key);
        match found.is_some_and(|(_, entry)| !entry.is_due(now)) {
            true => presence.here += 1,
            false => presence.missing += 1,
        }
    }
    presence
}
