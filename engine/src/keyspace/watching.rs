//! Keys of a slot that clients watch: WATCH and EXEC.
//!
//! ```text
//! Watching, in few slots:   key -> database, watch        whoever changes the key marks the watch
//! Watch, one for a client:  unchanged -> changed          EXEC does nothing then
//! ```
//!
//! Invariants
//! - A watch is marked while the slot of its key is held, and EXEC looks at it while it holds the slots of all its keys:
//!   what EXEC runs on is what was there when the keys were watched.
//! - A turn that is given up may have marked a watch: EXEC then refuses once too often, never once too seldom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether anything changed that a client watches.
#[derive(Default, Debug)]
pub(crate) struct Watch(AtomicU8);

const CHANGED: u8 = 1;
const LEFT: u8 = 2;

impl Watch {
    pub(crate) fn mark(&self) {
        self.0.fetch_or(CHANGED, Ordering::AcqRel);
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CHANGED != 0
    }

    /// Says that its client watches nothing any more: where it is still noted it means nothing.
    pub(crate) fn leave(&self) {
        self.0.fetch_or(LEFT, Ordering::AcqRel);
    }

    fn has_left(&self) -> bool {
        self.0.load(Ordering::Acquire) & LEFT != 0
    }
}

/// What happens to a watched key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// It goes.
    Removal,
    /// It comes, or its value or expiry changes.
    Other,
}

struct Watched {
    db: u16,
    watch: Arc<Watch>,
    /// Whether the key was there and due when it was watched: that it is deleted changes nothing then.
    was_due: bool,
}

/// The watched keys of one slot.
#[derive(Default)]
pub(crate) struct Watching(BTreeMap<Box<[u8]>, Vec<Watched>>);

impl Watching {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a key. Watches whose clients left without a word are dropped by the way.
    pub(crate) fn enter(&mut self, db: u16, key: &[u8], watch: &Arc<Watch>, was_due: bool) {
        self.retain(|watched| !watched.watch.has_left());
        self.0.entry(key.into()).or_default().push(Watched { db, watch: Arc::clone(watch), was_due });
    }

    /// Takes a client's watch out. O(watched keys of the slot).
    pub(crate) fn leave(&mut self, watch: &Arc<Watch>) {
        self.retain(|watched| !Arc::ptr_eq(&watched.watch, watch));
    }

    fn retain(&mut self, keep: impl Fn(&Watched) -> bool) {
        self.0.retain(|_, all| {
            all.retain(&keep);
            !all.is_empty()
        });
    }

    /// Whether a key was due already when it was watched.
    pub(crate) fn was_due(&self, db: u16, key: &[u8], watch: &Watch) -> bool {
        let of = |watched: &&Watched| watched.db == db && std::ptr::eq(&*watched.watch, watch);
        self.0.get(key).and_then(|all| all.iter().find(of)).is_some_and(|watched| watched.was_due)
    }

    /// Marks the watches of a key that changes.
    pub(crate) fn touch(&mut self, db: u16, key: &[u8], change: Change) {
        let Some(all) = self.0.get_mut(key) else { return };
        for watched in all.iter_mut().filter(|watched| watched.db == db) {
            if !(std::mem::take(&mut watched.was_due) && change == Change::Removal) {
                watched.watch.mark();
            }
        }
    }

    /// Marks the watches of all keys of some databases for which `is_there` holds.
    pub(crate) fn touch_all(&mut self, dbs: &[u16], is_there: impl Fn(&[u8]) -> bool) {
        for (_, all) in self.0.iter().filter(|(key, _)| is_there(key)) {
            all.iter().filter(|watched| dbs.contains(&watched.db) && !watched.was_due).for_each(|w| w.watch.mark());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_marks_who_watches_that_key() {
        let mut watching = Watching::default();
        let (a, b, c) = (Arc::new(Watch::default()), Arc::new(Watch::default()), Arc::new(Watch::default()));
        watching.enter(0, b"k", &a, false);
        watching.enter(1, b"k", &b, false);
        watching.enter(0, b"k", &c, true);
        watching.touch(0, b"k", Change::Removal);
        assert!(a.is_changed() && !b.is_changed() && !c.is_changed());
        watching.touch(0, b"k", Change::Removal);
        assert!(c.is_changed(), "it came back and went again");
        watching.leave(&a);
        b.leave();
        watching.enter(0, b"l", &a, false);
        watching.leave(&a);
        watching.leave(&c);
        assert!(watching.is_empty());
    }

    #[test]
    fn clearing_marks_what_was_there() {
        let mut watching = Watching::default();
        let (a, b) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
        watching.enter(0, b"there", &a, false);
        watching.enter(0, b"not there", &b, false);
        watching.touch_all(&[1], |_| true);
        assert!(!a.is_changed());
        watching.touch_all(&[0, 1], |key| key == b"there");
        assert!(a.is_changed() && !b.is_changed());
    }
}
