//! Why a file of the data was not written.

use super::SaveKind;
use crate::storage::FileError;

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
    /// Somebody wanted it to end.
    #[error("it was cancelled; what was saved before is still there")]
    Cancelled,
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}
