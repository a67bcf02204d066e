//! Saving: files of the whole data, written from a view while the engine serves.
//!
//! A [`Saver`] writes one file at a time, on the caller's thread or on one of its own, and remembers how it went: what SAVE,
//! BGSAVE, LASTSAVE and the fields of INFO need, and what a policy like Redis's `save 3600 1` decides by.
//!
//! ```text
//!   idle --start--> running: view -> temp file -> fsync -> rename -> fsync of the directory --> idle, and the outcome
//!                      |  cancel
//!                      +--------> the temp file is removed --> idle
//! ```
//!
//! Invariants
//! - A file gets its name only when it is whole and durable: a crash leaves the old one.
//! - One file is written at a time.
//! - A change is counted as unsaved until a file that holds it has its name.

mod error;
mod kind;
mod log_base;
mod points;
mod progress;
mod rdb_file;
mod rdb_load;
mod sequential;
mod status;
#[cfg(test)]
mod tests;

pub use error::SaveError;
pub(crate) use error::whole_view;
pub use kind::SaveKind;
pub use log_base::LogBase;
pub use points::SavePoint;
pub(crate) use progress::SaveProgress;
use rdb_file::write_rdb;
pub use rdb_load::{LoadRdbError, load_rdb};
pub use status::{PastSaves, RunningSave, SavingStatus};

use crate::driver::spawn;
use crate::rdb::RdbOptions;
use crate::storage::Storage;
use keyslot_engine::{Engine, View};
use parking_lot::{Condvar, Mutex};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes files of an engine's data. Clones are the same saver.
#[derive(Clone)]
pub struct Saver {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
    /// Told when a save ends.
    ended: Condvar,
    progress: SaveProgress,
    notes: Mutex<Option<Notes>>,
}

/// What else an RDB of a view is to say.
type Notes = Arc<dyn Fn(&View) -> Vec<(String, String)> + Send + Sync>;

#[derive(Default)]
struct State {
    running: Option<(SaveKind, i64)>,
    snapshots: PastSaves,
    rewrites: PastSaves,
    /// Changes that the newest file holds.
    saved_changes: u64,
}

impl Saver {
    /// A saver of this engine's data into this storage. Nothing is saved yet: the time of the last save is now, as in Redis.
    pub fn new(engine: Engine, storage: impl Storage) -> Self {
        Self::over(engine, Arc::new(storage))
    }

    pub(crate) fn over(engine: Engine, storage: Arc<dyn Storage>) -> Self {
        let past = PastSaves { last_success_ms: engine.now().0, ..PastSaves::default() };
        let state = State { running: None, saved_changes: engine.changes(), snapshots: past.clone(), rewrites: past };
        let shared = Shared {
            engine,
            storage,
            state: Mutex::new(state),
            ended: Condvar::new(),
            progress: SaveProgress::default(),
            notes: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Says what else the RDBs that are written from here on note of their data, by name and value.
    pub fn set_notes(&self, notes: impl Fn(&View) -> Vec<(String, String)> + Send + Sync + 'static) {
        *self.shared.notes.lock() = Some(Arc::new(notes));
    }

    /// Writes an RDB and waits for it. The file holds what there was when this was called.
    pub fn save_rdb(&self, path: &Path, options: RdbOptions) -> Result<(), SaveError> {
        self.run(SaveKind::Snapshot, |progress| self.shared.write_rdb(path, options, progress))
    }

    /// As [`save_rdb`](Self::save_rdb), in the place of whatever is being saved, or begun meanwhile: that is given up.
    pub fn save_rdb_first(&self, path: &Path, options: RdbOptions) -> Result<(), SaveError> {
        loop {
            self.cancel();
            self.wait();
            match self.save_rdb(path, options) {
                // Somebody else was faster.
                Err(SaveError::Busy { .. }) => {}
                outcome => return outcome,
            }
        }
    }

    /// Begins to write an RDB on a thread of its own. [`status`](Self::status) tells how it goes.
    pub fn start_rdb(&self, path: PathBuf, options: RdbOptions) -> Result<(), SaveError> {
        let shared = self.shared.clone();
        self.start(SaveKind::Snapshot, move |progress| shared.write_rdb(&path, options, progress))
    }

    /// Runs `work` as the one save that runs.
    pub(crate) fn run(
        &self,
        kind: SaveKind,
        work: impl FnOnce(&SaveProgress) -> Result<(), SaveError>,
    ) -> Result<(), SaveError> {
        let running = self.begin(kind)?;
        let outcome = work(&self.shared.progress);
        running.end(outcome.as_ref().copied());
        outcome
    }

    /// Begins to run `work` on a thread of its own.
    pub(crate) fn start(
        &self,
        kind: SaveKind,
        work: impl FnOnce(&SaveProgress) -> Result<(), SaveError> + Send + 'static,
    ) -> Result<(), SaveError> {
        let running = self.begin(kind)?;
        let saver = self.clone();
        let started = spawn("keyslot-save", move || {
            let outcome = work(&saver.shared.progress);
            running.end(outcome.as_ref().copied());
            match outcome {
                Ok(()) => tracing::info!("{} was written", kind.name()),
                Err(error) => tracing::error!(%error, "{} was not written", kind.name()),
            }
        });
        // A thread that was not started has dropped what it was to run.
        started.map_err(SaveError::Thread)
    }

    fn begin(&self, kind: SaveKind) -> Result<Running, SaveError> {
        let mut state = self.shared.state.lock();
        if let Some((running, _)) = state.running {
            return Err(SaveError::Busy { running });
        }
        state.running = Some((kind, self.shared.engine.now().0));
        self.shared.progress.reset();
        Ok(Running { saver: self.clone(), kind, is_over: false })
    }

    fn end(&self, kind: SaveKind, outcome: Result<(), &SaveError>) {
        let now_ms = self.shared.engine.now().0;
        let mut state = self.shared.state.lock();
        let began_ms = state.running.take().map_or(now_ms, |(_, began_ms)| began_ms);
        state.past_mut(kind).note(now_ms, began_ms, outcome);
        drop(state);
        self.shared.ended.notify_all();
    }

    /// Has a running save give up, leaving what was there before.
    pub fn cancel(&self) {
        self.shared.progress.cancel();
    }

    /// Has a save of this kind give up, if one runs, and waits for its end.
    pub(crate) fn stop(&self, kind: SaveKind) {
        let mut state = self.shared.state.lock();
        while state.running.is_some_and(|(running, _)| running == kind) {
            self.shared.progress.cancel();
            self.shared.ended.wait(&mut state);
        }
    }

    /// The engine whose data it writes.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Where it writes.
    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.shared.storage
    }

    /// Waits until nothing is being saved.
    pub fn wait(&self) {
        let mut state = self.shared.state.lock();
        while state.running.is_some() {
            self.shared.ended.wait(&mut state);
        }
    }

    /// How saving goes.
    pub fn status(&self) -> SavingStatus {
        let state = self.shared.state.lock();
        let (keys_done, keys_total) = self.shared.progress.keys();
        SavingStatus {
            running: state.running.map(|(kind, began_ms)| RunningSave { kind, began_ms, keys_done, keys_total }),
            snapshots: state.snapshots.clone(),
            rewrites: state.rewrites.clone(),
            unsaved_changes: self.shared.engine.changes().saturating_sub(state.saved_changes),
        }
    }

    /// Says that the data is that of a file that was just read: nothing is unsaved.
    pub fn note_loaded(&self) {
        let changes = self.shared.engine.changes();
        self.shared.state.lock().saved_changes = changes;
    }
}

/// The one save that runs. It ends when this is dropped, too: who waits for it must not wait for a thread that panicked.
struct Running {
    saver: Saver,
    kind: SaveKind,
    is_over: bool,
}

impl Running {
    fn end(mut self, outcome: Result<(), &SaveError>) {
        self.is_over = true;
        self.saver.end(self.kind, outcome);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.saver.end(self.kind, Err(&SaveError::Interrupted));
        }
    }
}

impl State {
    fn past_mut(&mut self, kind: SaveKind) -> &mut PastSaves {
        match kind {
            SaveKind::Snapshot => &mut self.snapshots,
            SaveKind::Rewrite => &mut self.rewrites,
        }
    }
}

impl Shared {
    fn write_rdb(&self, path: &Path, options: RdbOptions, progress: &SaveProgress) -> Result<(), SaveError> {
        // Read before the view is taken: what comes between is in the file and counts as unsaved.
        let changes = self.engine.changes();
        let view = whole_view(&self.engine)?;
        let notes = self.notes.lock().clone();
        let notes = notes.map(|notes| notes(&view)).unwrap_or_default();
        write_rdb(&view, &*self.storage, path, options, &notes, progress)?;
        self.state.lock().saved_changes = changes;
        Ok(())
    }
}

impl std::fmt::Debug for Saver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saver").field("status", &self.status()).finish_non_exhaustive()
    }
}
