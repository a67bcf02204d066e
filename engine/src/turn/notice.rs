//! Keyspace events on their way: noted while a turn runs, announced when it ends and its slots are still held, so that the
//! events of a key are told in the order in which they happened. A turn that is given up announces nothing.

use super::{Origin, Turn};
use crate::effect::Offset;
use crate::event::EventClass;
use crate::pubsub::Woken;

/// One event of one key.
pub(super) struct Notice {
    db: u16,
    event: &'static str,
    key: Box<[u8]>,
}

impl Turn<'_> {
    /// Says that something happened to a key of the turn's database, under Redis's name for it. One load and one branch if
    /// nobody asked for events of the class.
    #[inline]
    pub(crate) fn notify(&mut self, class: EventClass, event: &'static str, key: &[u8]) {
        if self.core.options.keyspace_events().announces(class) {
            self.note(event, key);
        }
    }

    #[cold]
    fn note(&mut self, event: &'static str, key: &[u8]) {
        // Nobody listens yet.
        if self.origin == Origin::Replay {
            return;
        }
        self.notices.push(Notice { db: self.db, event, key: key.into() });
    }

    /// Tells what was noted; `offset` is the end of the turn's batch. Whom it reached is to be woken when the slots are
    /// free.
    #[cold]
    pub(super) fn announce(&mut self, offset: Offset) -> Woken {
        let mut woken = Woken::new();
        for Notice { db, event, key } in self.notices.drain(..) {
            self.core.announce(db, event, &key, offset, &mut woken);
        }
        woken
    }
}
