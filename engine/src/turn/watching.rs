//! Watched keys, as turns meet them.

use super::{Guards, Key, Turn};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::watching::{Change, Watch};
use crate::slot::Slot;
use std::sync::Arc;

impl Turn<'_> {
    /// Tells those who wait for a key or watch it what is about to happen to it.
    #[cold]
    pub(super) fn note_change(&mut self, key: &Key<'_>, change: Change) {
        let db = self.db;
        if let Some(watching) = self.guards[key.guard as usize].state.watching() {
            watching.touch(db, key.bytes, change);
        }
        self.note_ready(key);
    }

    /// Marks the watches of keys that are about to be cleared or exchanged with others: of those that are in one of the
    /// databases.
    pub(crate) fn touch_watched(&mut self, dbs: &[u16]) {
        let core = self.core;
        for guard in &mut self.guards {
            let state = &mut *guard.state;
            if !state.has_audience() {
                continue;
            }
            let Some(watching) = state.watching().map(std::mem::take) else { continue };
            let mut watching = watching;
            watching.touch_all(dbs, |key| {
                let hash = core.hasher.hash(key);
                dbs.iter().any(|db| state.shard(*db).is_some_and(|shard| shard.find(hash, key).is_some()))
            });
            *state.watching_mut() = watching;
        }
    }

    /// Watches a key from here on.
    pub(crate) fn watch(&mut self, key: &[u8], watch: &Arc<Watch>) -> Result<(), CommandError> {
        let key = self.key(key)?;
        let was_due = self.finds_hidden(&key);
        self.guards[key.guard as usize].state.watching_mut().enter(self.db, key.bytes, watch, was_due);
        Ok(())
    }

    /// Looks at a watched key once more before what depends on it is run: one that fell due meanwhile has changed.
    pub(crate) fn check_watched(&mut self, db: u16, key: &[u8], watch: &Watch) {
        let Ok(key) = self.key(key) else { return };
        let home_db = std::mem::replace(&mut self.db, db);
        // One that is deleted now marks the watch by itself.
        if self.finds_hidden(&key)
            && !self.guards[key.guard as usize].state.watching_mut().was_due(db, key.bytes, watch)
        {
            watch.mark();
        }
        self.db = home_db;
    }

    /// Whether a key is due and still there, because deleting it is somebody else's decision.
    fn finds_hidden(&mut self, key: &Key<'_>) -> bool {
        let hid = std::mem::take(&mut self.hid);
        let is_hidden = self.find(key).is_none() && self.hid;
        self.hid |= hid;
        is_hidden
    }

    /// Takes a watch out of the slots that the turn holds.
    pub(crate) fn unwatch(&mut self, watch: &Arc<Watch>) {
        unwatch_in(&mut self.guards, watch);
    }
}

fn unwatch_in(guards: &mut Guards<'_>, watch: &Arc<Watch>) {
    for guard in guards {
        if let Some(watching) = guard.state.watching() {
            watching.leave(watch);
        }
    }
}

/// Takes a watch out of some slots. Where one is busy it stays noted for a while and means nothing.
pub(crate) fn unwatch(core: &Core, watch: &Arc<Watch>, slots: impl IntoIterator<Item = Slot>) {
    watch.leave();
    for slot in slots {
        if let Some(mut guard) = super::try_lock(core, slot)
            && let Some(watching) = guard.state.watching()
        {
            watching.leave(watch);
        }
    }
}
