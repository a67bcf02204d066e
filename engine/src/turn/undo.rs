//! What a turn would have to put back if it is given up.

use crate::keyspace::EntryRef;
use crate::slot::Slot;

/// The state of one key before a change: the entry, shared, or that there was none.
pub(super) struct Before {
    pub(super) slot: Slot,
    pub(super) db: u16,
    pub(super) hash: u64,
    pub(super) key: Box<[u8]>,
    pub(super) entry: Option<EntryRef>,
}

/// Changes of a turn in the order in which they were made.
#[derive(Default)]
pub(super) struct UndoLog(pub(super) Vec<Before>);
