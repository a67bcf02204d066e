//! Putting a base in the place of the log's older files.
//!
//! ```text
//!   split at eras -> take a view, which ends at B -> a file begins at B -> write the base aside, fsync -> install
//! ```
//!
//! Writers go on all the time. Whatever fails, the log is as it was, and what was begun is removed by the next opening.

use crate::journal::Journal;
use crate::log::{GoesOn, LogFiles, StartState};
use crate::saving::SaveError;
use crate::storage::Storage;
use keyslot_engine::EffectSink;
use std::path::Path;

/// Makes a base of this `kind` (`rdb`, `aof`, `keyslot`). `take_view` takes a view and says where it ends; `write` writes it to
/// a new file, fsyncs that, and returns its size in bytes; `step` has the driver write what there is, where it has no thread,
/// and says whether it did.
/// Blocks until all is durable.
pub(super) fn rebase<V>(
    files: &LogFiles,
    journal: &Journal,
    step: impl FnOnce() -> bool,
    kind: &str,
    take_view: impl FnOnce() -> Result<(V, GoesOn), SaveError>,
    write: impl FnOnce(V, GoesOn, &dyn Storage, &Path) -> Result<u64, SaveError>,
) -> Result<GoesOn, SaveError> {
    files.split_at_eras(true);
    let (view, goes_on) = take_view().inspect_err(|_| files.split_at_eras(false))?;
    files.ask_start(goes_on.offset);
    let state = if step() {
        files.start_state(goes_on.offset, journal.written().0.max(journal.end().0))
    } else {
        journal.wake_driver();
        files.wait_start(goes_on.offset, || journal.written().0)
    };
    files.split_at_eras(false);
    if state != StartState::Begun {
        return Err(SaveError::NoStart { offset: goes_on.offset });
    }
    let base = files.next_base(kind);
    let written = write(view, goes_on, &**files.storage(), &base.temporary);
    let installed = written.and_then(|size| Ok(files.install(&base, size, goes_on)?));
    if installed.is_err() {
        // What could not be removed is a leftover for the next opening.
        let _ = files.storage().remove(&base.temporary);
    }
    installed.map(|()| goes_on)
}
