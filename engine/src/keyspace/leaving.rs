//! Keys of a slot that are on their way to another server, or from there, and who waits for them.
//!
//! ```text
//! Reads::Served    who may change the key waits      its value is being put together
//! Reads::Wait      who only reads it waits, too      it was sent: whoever it is asked of next knows it; or it arrives in pieces
//! ```
//!
//! Invariants
//! - A slot has such keys if and only if its [admission](super::admission) says so: nobody else pays for them.
//! - Whoever has to wait is noted while the slot is held, and woken when a key of the slot has left or stays after all.

use std::task::Waker;

/// What becomes of requests that only read a key on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reads {
    /// They are served.
    Served,
    /// They wait.
    Wait,
}

struct LeavingKey {
    db: u16,
    key: Box<[u8]>,
    reads: Reads,
    /// The client that writes it all the same; 0 for none.
    writer: u64,
}

/// The keys of one slot that are on their way.
#[derive(Default)]
pub(crate) struct LeavingKeys {
    keys: Vec<LeavingKey>,
    waiting: Vec<Waker>,
}

impl LeavingKeys {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Notes a key; the client with the id `writer`, if it is not 0, does not wait for it.
    pub(crate) fn enter(&mut self, db: u16, key: &[u8], reads: Reads, writer: u64) {
        self.keys.push(LeavingKey { db, key: key.into(), reads, writer });
    }

    /// Has those wait from here on who only read one of these keys. O(keys^2).
    pub(crate) fn close<'k>(&mut self, db: u16, keys: impl Iterator<Item = &'k [u8]> + Clone) {
        let of = |leaving: &&mut LeavingKey| leaving.db == db && keys.clone().any(|key| key == &*leaving.key);
        self.keys.iter_mut().filter(of).for_each(|leaving| leaving.reads = Reads::Wait);
    }

    /// Forgets a key. O(keys).
    pub(crate) fn leave(&mut self, db: u16, key: &[u8]) {
        if let Some(at) = self.keys.iter().position(|leaving| leaving.db == db && *leaving.key == *key) {
            self.keys.swap_remove(at);
        }
    }

    /// Whether a request of a client has to wait that changes a key of this name, or reads it; in whatever database. O(keys).
    pub(crate) fn delays(&self, key: &[u8], writes: bool, client_id: u64) -> bool {
        let is_delayed = |leaving: &LeavingKey| {
            let is_concerned = leaving.writer == 0 || leaving.writer != client_id;
            *leaving.key == *key && is_concerned && (writes || leaving.reads == Reads::Wait)
        };
        self.keys.iter().any(is_delayed)
    }

    /// Notes who is to be woken when a key has left or stays.
    pub(crate) fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// Those who wait, to be woken when the slot is not held any more.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }
}
