//! Why a file of the data was not written.

use super::kind::SaveKind;
use crate::log::InstallError;
use crate::snapshot::SnapshotError;
use crate::storage::FileError;
use keyslot_engine::{Engine, Slot, View};

/// Why a file of the data was not written. What had its name before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The disk refused something.
    #[error("{0}; what was saved before is still there")]
    File(#[from] FileError),
    /// Something else is being written.
    #[error("{} is being written; wait for it or cancel it", .running.name())]
    Busy {
        /// What.
        running: SaveKind,
    },
    /// The log takes no more writes, or went on within a file; the latter may be tried again.
    #[error("no file of the log begins at journal offset {offset}, where the new base would end; the log is as it was")]
    NoStart {
        /// Where.
        offset: u64,
    },
    /// The keys of a slot are not in memory and cannot be read: a file without them would take the place of one that has them.
    #[error(
        "slot {slot} could not be loaded ({reason}), so nothing is written that would lack it; repair the store's base, or \
         open it with Recovery::Salvage to go on without what is damaged"
    )]
    SlotUnreadable {
        /// The slot.
        slot: Slot,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody wanted it to end.
    #[error("it was cancelled; what was saved before is still there")]
    Cancelled,
    /// It did not come to its end: the thread was not started, or panicked.
    #[error("it did not come to its end; what was saved before is still there")]
    Interrupted,
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}

impl From<SnapshotError> for SaveError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Io(error) => Self::File(error),
            // What is written is neither malformed nor refused.
            SnapshotError::Stopped | SnapshotError::Format { .. } | SnapshotError::Refused { .. } => Self::Cancelled,
        }
    }
}

impl From<InstallError> for SaveError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::NoStart(offset) => Self::NoStart { offset },
            InstallError::Io(error) => Self::File(error),
        }
    }
}

/// A view of everything; an error if some of it is unreadable.
pub(crate) fn whole_view(engine: &Engine) -> Result<View, SaveError> {
    // Taking it loads every slot.
    let view = engine.view();
    match engine.unreadable_slots().pop() {
        Some((slot, reason)) => Err(SaveError::SlotUnreadable { slot, reason }),
        None => Ok(view),
    }
}
