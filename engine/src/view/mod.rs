//! Views: consistent, read-only pictures of all slots at one offset of the journal.
//!
//! Taking one raises the [era](crate::keyspace::eras) and shares every slot's table: O(slots), a millisecond or two for the
//! caller, while others work on. Afterwards a writer copies a segment when it changes it for the first time, and an entry
//! likewise; what nobody changes exists once. Dropping a view, or a part of it, gives back what only it still holds.
//!
//! ```text
//!                    slot 7                       slot 7 after a SET of b
//!  the engine   -> [ seg | seg ]                [ seg'| seg ]      seg' is the slot's own: a, b', c
//!                     |     |                            |
//!  the view     -> [ seg | seg ]                [ seg | seg ]      still a, b, c; a and c are shared by both
//! ```
//!
//! Invariants
//! - Every batch of the journal before [`View::offset`] is in the view, wholly, and none after it.
//! - Keys that are due are in the view until somebody deleted them: who reads it decides.

mod entry;
#[cfg(test)]
mod tests;

pub use entry::{ViewEffects, ViewEntry};

use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
use crate::keyspace::capture::{Capture, SlotCopy};
use crate::keyspace::shard::Shard;
use crate::slot::{Slot, SlotSet};
use crate::time::UnixMillis;
use crate::turn::bring;
use std::sync::Arc;

/// A consistent picture of an engine. Several threads may read it. See the module.
///
/// ```
/// let db = keyslot_engine::Engine::in_memory();
/// db.set("k", "before")?;
/// let view = db.view();
/// db.set("k", "after")?;
/// let slot = view.slot(keyslot_engine::Slot::of(b"k"));
/// let entry = slot.iter().next().expect("the key was there");
/// assert_eq!(entry.as_string(), Some(keyslot_engine::StrRef::Bytes(b"before")));
/// # Ok::<(), keyslot_engine::CommandError>(())
/// ```
pub struct View {
    capture: Arc<Capture>,
    era: u64,
    offset: Offset,
    taken: Taken,
}

/// When a view was taken.
#[derive(Clone, Copy)]
struct Taken {
    now: UnixMillis,
    access_seconds: u32,
}

impl View {
    fn take(core: &Core) -> Self {
        let taking = core.eras.take();
        let (era, offset) = taking.raise(|| core.journal_end());
        for slot in Slot::all() {
            bring(core, &mut core.slots.lock(slot), era);
        }
        let now = core.now();
        let taken = Taken { now, access_seconds: core.access_seconds() };
        Self { capture: taking.capture.clone(), era, offset, taken }
    }

    /// The era that it began: batches of this era and later ones are not in it.
    pub fn era(&self) -> u64 {
        self.era
    }

    /// Where the journal goes on: what stands before it is in the view, what follows is not. 0 without a journal.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// When it was taken, by the engine's clock.
    pub fn now(&self) -> UnixMillis {
        self.taken.now
    }

    /// The texts of the libraries of functions.
    pub fn libraries(&self) -> impl Iterator<Item = &[u8]> {
        self.capture.libraries().iter().map(|text| &text[..])
    }

    /// How many keys a database has, and how many of them with an expiry; what was [taken](Self::take_slot) out does not
    /// count. O(slots with keys).
    pub fn sizes(&self, db: u16) -> Sizes {
        let mut sizes = Sizes::default();
        for copy in self.capture.held(0).filter_map(|slot| self.capture.slot(slot)) {
            for (_, shard) in copy.0.iter().filter(|(of, _)| *of == db) {
                sizes.keys += shard.len() as u64;
                sizes.expires += shard.expires() as u64;
                sizes.timed_hashes += shard.timed_hashes() as u64;
            }
        }
        sizes
    }

    /// Gives up all other slots: what only the view had of them is freed. O(slots with keys).
    pub fn keep_only(&self, slots: &SlotSet) {
        self.capture.held(0).filter(|slot| !slots.contains(*slot)).for_each(|slot| drop(self.capture.take(slot)));
    }

    /// The first slot from number `from` on of which the view holds keys. O(slots / 64), and less the more have keys.
    pub fn next_held(&self, from: usize) -> Option<Slot> {
        self.capture.held(from).next()
    }

    /// A slot's keys. O(1).
    pub fn slot(&self, slot: Slot) -> SlotView {
        SlotView { slot, copy: self.capture.slot(slot), taken: self.taken }
    }

    /// A slot's keys, which the view holds no longer: when this is dropped, what only the view had of the slot is freed. For
    /// who reads every slot once.
    pub fn take_slot(&self, slot: Slot) -> SlotView {
        SlotView { slot, copy: self.capture.take(slot), taken: self.taken }
    }
}

/// How many keys a database has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Hashes with fields that have an expiry.
    pub timed_hashes: u64,
}

/// One slot of a [`View`].
pub struct SlotView {
    slot: Slot,
    copy: Option<Arc<SlotCopy>>,
    taken: Taken,
}

impl SlotView {
    /// Which slot.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// How many keys there are in all databases. O(databases in use).
    pub fn len(&self) -> usize {
        self.copy.iter().flat_map(|copy| &copy.0).map(|(_, shard)| shard.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The databases that have keys here, ascending, and how many.
    pub fn databases(&self) -> impl Iterator<Item = (u16, Sizes)> {
        let sizes = |shard: &Shard| Sizes {
            keys: shard.len() as u64,
            expires: shard.expires() as u64,
            timed_hashes: shard.timed_hashes() as u64,
        };
        self.shards().map(move |(db, shard)| (db, sizes(shard)))
    }

    /// The keys of all databases, one database after another.
    pub fn iter(&self) -> impl Iterator<Item = ViewEntry<'_>> {
        self.shards().flat_map(|(db, shard)| self.entries(db, shard))
    }

    /// The keys of the `n`-th part of one database, about a thousand at most; `None` behind the last part. All parts together are
    /// all keys: for who stops in between. O(n).
    pub fn part(&self, db: u16, n: usize) -> Option<impl Iterator<Item = ViewEntry<'_>>> {
        let (_, shard) = self.copy.as_ref()?.0.iter().find(|(of, _)| *of == db)?;
        let access_seconds = self.taken.access_seconds;
        Some(shard.part(n)?.map(move |entry| ViewEntry::new(db, entry, access_seconds)))
    }

    /// The keys of one database, in no order that means anything.
    pub fn iter_database(&self, db: u16) -> impl Iterator<Item = ViewEntry<'_>> {
        self.shards().filter(move |(of, _)| *of == db).flat_map(|(db, shard)| self.entries(db, shard))
    }

    /// The databases that have keys here, ascending.
    fn shards(&self) -> impl Iterator<Item = (u16, &Shard)> {
        self.copy.iter().flat_map(|copy| &copy.0).map(|(db, shard)| (*db, shard))
    }

    fn entries<'v>(&'v self, db: u16, shard: &'v Shard) -> impl Iterator<Item = ViewEntry<'v>> {
        shard.iter().map(move |entry| ViewEntry::new(db, entry, self.taken.access_seconds))
    }
}

impl Engine {
    /// Takes a consistent picture of everything. O(slots), about a millisecond, for the caller; writers go on. What they
    /// change from here on is copied first, segment by segment, for as long as the view holds it.
    ///
    /// Not to be called inside [`atomic`](Self::atomic): it would wait for its own slot for ever.
    pub fn view(&self) -> View {
        View::take(&self.core)
    }
}
