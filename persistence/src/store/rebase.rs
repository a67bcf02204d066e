//! Putting a base in the place of the log's older files.
//!
//! ```text
//!   split at eras -> take a view, which ends at B -> a file begins at B -> write the base aside, fsync -> install
//! ```
//!
//! Writers go on all the time. Whatever fails, the log is as it was, and what was begun is removed by the next opening.

use super::{Drive, Store};
use crate::log::{GoesOn, InstallError, LogFiles, StartState};
use crate::storage::{FileError, Storage};
use keyslot_engine::EffectSink;
use std::path::Path;

/// Why a base was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RebaseError {
    /// The log takes no more writes, or went on in the middle of a file; the latter may be tried again.
    #[error("the log has no file that begins at journal offset {0}")]
    NoStart(u64),
    #[error(transparent)]
    Io(#[from] FileError),
}

impl From<InstallError> for RebaseError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::NoStart(offset) => Self::NoStart(offset),
            InstallError::Io(error) => Self::Io(error),
        }
    }
}

impl Store {
    /// Makes a base of this `kind` (`rdb`, `aof`, `keyslot`). `take_view` takes a view and says where it ends;
    /// `write` writes it to a new file, fsyncs that, and returns its size in bytes. Blocks until all is durable.
    pub(crate) fn rebase<V>(
        &self,
        kind: &str,
        take_view: impl FnOnce() -> (V, GoesOn),
        write: impl FnOnce(V, GoesOn, &dyn Storage, &Path) -> Result<u64, FileError>,
    ) -> Result<GoesOn, RebaseError> {
        let files = self.files.clone();
        files.split_at_eras(true);
        let (view, goes_on) = take_view();
        let state = self.begin_file_at(&files, goes_on.offset);
        files.split_at_eras(false);
        if state != StartState::Begun {
            return Err(RebaseError::NoStart(goes_on.offset));
        }
        let base = files.next_base(kind);
        let written = write(view, goes_on, &**files.storage(), &base.temporary);
        let installed = written.map_err(RebaseError::from).and_then(|size| Ok(files.install(&base, size, goes_on)?));
        if installed.is_err() {
            // What could not be removed is a leftover for the next opening.
            let _ = files.storage().remove(&base.temporary);
        }
        installed.map(|()| goes_on)
    }

    /// Has a file of the log begin at `offset`, which is not before where the log is written, or where an era begins.
    fn begin_file_at(&self, files: &LogFiles, offset: u64) -> StartState {
        files.ask_start(offset);
        if let Drive::Manual(driver) = &mut *self.drive.lock() {
            driver.catch_up();
            return files.start_state(offset, self.journal.written().0.max(self.journal.end().0));
        }
        self.journal.wake_driver();
        files.wait_start(offset, || self.journal.written().0)
    }
}
