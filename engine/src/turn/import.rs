//! Keys of a slot that moves in: stored many in one turn.

use super::{Key, Turn};
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::keyspace::shard::Filled;

impl Turn<'_> {
    /// Makes room for so many keys in the only slot that the turn holds.
    pub(crate) fn make_room(&mut self, count: usize) {
        self.enter();
        let guard = &mut self.guards[0];
        let around = self.core.surroundings(guard.slot(), self.db);
        guard.state.shard_mut(self.db).reserve(count, around);
    }

    /// Whether the only slot that the turn holds has a key with this hash, due or not.
    pub(crate) fn holds(&self, hash: u64, key: &[u8]) -> bool {
        self.guards[0].state.shard(self.db).is_some_and(|shard| shard.find(hash, key).is_some())
    }

    /// Stores an entry in the only slot that the turn holds, to which its key belongs, and which [holds](Self::holds) none. To be
    /// recorded by the caller. What is counted is gathered in `filled`.
    pub(crate) fn bring_in(&mut self, hash: u64, entry: EntryRef, filled: &mut Filled) {
        let key = Key { bytes: entry.key(), hash, guard: 0 };
        self.announce_change(&key);
        self.notify(EventClass::New, "new", key.bytes);
        self.enter();
        self.core.mark_new(&entry);
        let around = self.surroundings(&key);
        self.guards[0].state.shard_mut(self.db).fill(hash, entry, around, filled);
    }
}
