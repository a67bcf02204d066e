//! A store: an engine whose changes are kept in a directory.
//!
//! [`Store::open`] locks the directory, replays the log into a new engine, makes the files fit to go on, attaches the
//! journal and starts its one thread. A store dereferences to its [`Engine`]; clones of the engine, and sessions, may
//! outlive the store and then get errors for writes.
//!
//! What a reply promises is the engine's [`Ack`] level, `engine.options().set_ack(..)`, which opening sets from the
//! [`Durability`]:
//!
//! | durability | fsync | a reply means | lost at worst when the process dies | when the machine dies |
//! |---|---|---|---|---|
//! | `Never` | when the system likes | applied | the last 10 ms | what the system had not written |
//! | `EverySecond` | each second | applied | the last 10 ms | about the last second |
//! | `Always` | before the reply | on disk | nothing that was replied to | nothing that was replied to |
//!
//! With `set_ack(Ack::Logged)` a reply waits for the write to the file, and the death of the process loses nothing.

mod builder;
mod compaction;
mod info;
mod instant;
mod rebase;
mod replay;

pub use builder::{Durability, StoreBuilder};
pub use compaction::CompactionPolicy;
pub use info::{LoadingInfo, LogInfo, PersistenceInfo};

use crate::driver::{Driver, DriverThread, Next};
use crate::error::OpenError;
use crate::journal::Journal;
use crate::log::LogPlace;
use crate::recovery::{Recovery, RecoveryReport};
use crate::saving::{LogBase, SaveError, SaveKind, Saver};
use crate::snapshot::Tolerance;
use crate::storage::{FileError, StorageLock};
use compaction::Compactor;
use instant::Background;
use keyslot_engine::effect::OutcomeUnknown;
use keyslot_engine::{Ack, CommandError, EffectSink, Engine, Offset, Origin};
use parking_lot::Mutex;
use replay::{ReplayPlan, replay};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// An engine with a journal and files.
///
/// ```
/// use keyslot_persistence::{Durability, Store};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// let db = Store::builder().durability(Durability::Always).open(&path)?;
/// db.set("user:1:name", "ada")?;
/// db.close()?;
///
/// let db = Store::open(&path)?;
/// assert_eq!(db.get("user:1:name")?.as_deref(), Some(&b"ada"[..]));
/// assert_eq!(db.recovery().commands, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Store {
    engine: EngineHandle,
    journal: Arc<Journal>,
    saver: Saver,
    compactor: Compactor,
    drive: Mutex<Drive>,
    report: RecoveryReport,
    place: LogPlace,
    recovery_threads: usize,
    /// Who loads cold slots.
    background: Option<Arc<Background>>,
    /// Declared last: the directory is free only after the driver has stopped.
    _lock: Box<dyn StorageLock>,
}

/// Who steps the driver.
#[derive(Debug)]
enum Drive {
    Thread(DriverThread),
    Manual(Box<Driver>),
    Stopped,
}

impl Store {
    /// Opens the store in this directory, or makes a new one, with default options.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// Starts describing a store.
    pub fn builder() -> StoreBuilder {
        StoreBuilder::default()
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// The journal that this store keeps.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Waits until everything up to `offset` is fsynced.
    pub fn wait_durable(&self, offset: Offset) -> Result<(), OutcomeUnknown> {
        self.engine.0.wait_for(Ack::Durable, offset)
    }

    /// Waits until every change made so far is fsynced.
    pub fn flush(&self) -> Result<(), OutcomeUnknown> {
        self.wait_durable(self.journal.end())
    }

    /// Does what is due at `now_ns`, for a store that was opened [without a thread](StoreBuilder::without_thread), and
    /// says when there is more to do, if nobody writes before. Any clock that does not go back will do.
    pub fn step(&self, now_ns: u64) -> Option<u64> {
        let next = match &mut *self.drive.lock() {
            Drive::Manual(driver) => driver.step(now_ns),
            Drive::Thread(_) | Drive::Stopped => return None,
        };
        match (&self.background, next) {
            (Some(background), _) if background.load(self, STEP_SLOTS) => Some(now_ns),
            (_, Next::At(at_ns)) => Some(at_ns),
            (_, Next::Idle) => None,
        }
    }

    /// Writes all data to a new base and drops the log files before it. Writers go on; blocks until it is done.
    pub fn compact(&self) -> Result<(), SaveError> {
        self.compactor.run(|| self.catch_up())
    }

    /// Has a driver without a thread write what there is. False if there is none.
    fn catch_up(&self) -> bool {
        match &mut *self.drive.lock() {
            Drive::Manual(driver) => driver.catch_up(),
            Drive::Thread(_) | Drive::Stopped => return false,
        }
        true
    }

    /// Begins to [compact](Self::compact) on a thread of its own; [`saver`](Self::saver) tells how it goes. A store
    /// [without a thread](StoreBuilder::without_thread) compacts at once: nobody else would step its driver.
    pub fn start_compaction(&self) -> Result<(), SaveError> {
        let has_thread = !matches!(*self.drive.lock(), Drive::Manual(_));
        if has_thread { self.compactor.start() } else { self.compact() }
    }

    /// When the log is compacted by itself. A store without a thread does so only when asked.
    pub fn set_compaction_policy(&self, policy: CompactionPolicy) {
        self.compactor.set_policy(policy);
    }

    /// How new bases of the log are written.
    pub fn set_log_base(&self, base: LogBase) {
        self.compactor.set_base(base);
    }

    /// What writes files of the data, and tells how that goes.
    pub fn saver(&self) -> &Saver {
        &self.saver
    }

    /// The figures of INFO's persistence section.
    pub fn info(&self) -> PersistenceInfo {
        let log = LogInfo {
            last_write_ok: self.journal.failure().is_none(),
            current_size: self.journal.log_size_bytes(),
            base_size: self.compactor.base_size_bytes(),
            buffer_length: self.journal.end().0 - self.journal.written().0.min(self.journal.end().0),
            pending_bio_fsync: u64::from(self.journal.is_fsync_awaited()),
            delayed_fsync: self.journal.delayed_fsyncs(),
            has_base: !self.compactor.has_no_base(),
        };
        PersistenceInfo { log: Some(log), ..PersistenceInfo::without_log(self.saver.status(), self.now().0) }
    }

    /// Writes and fsyncs everything, marks the log as stopped in good order, and frees the directory. Engines and
    /// sessions that are still there can read, and get errors for writes.
    pub fn close(self) -> Result<(), CloseError> {
        self.stop()
    }

    /// Ends the log in good order and frees the directory; the engine goes on without it, and its sessions notice nothing.
    /// Whoever keeps the [`journal`](Self::journal) can [attach](StoreBuilder::attach) it again. A base that is being written
    /// is given up; an error means that the log does not hold all that it should.
    pub fn detach(self) -> Result<(), CloseError> {
        self.saver.stop(SaveKind::Rewrite);
        // What was promised is kept before promises end; a log that failed says so below.
        let _ = self.catch_up() || self.flush().is_ok();
        self.engine.0.detach_sink();
        self.engine.0.options().set_ack(Ack::Memory);
        self.stop_driver()
    }

    /// Empties the engine and reads the log into it again. For tests of what the log holds: the host sees to it that nobody is
    /// served meanwhile. After an error the engine holds a part.
    pub fn reload(&self) -> Result<(), ReloadError> {
        if self.compactor.has_no_base() {
            return Err(ReloadError::NoBase);
        }
        let engine = &self.engine.0;
        if !self.catch_up() {
            self.flush()?;
        }
        let empty: &[&[&[u8]]] = &[&[b"FLUSHALL"], &[b"FUNCTION", b"FLUSH"]];
        engine.apply(Origin::Replay, 0, empty)?;
        let storage = self.saver.storage();
        let plan = ReplayPlan {
            storage: &**storage,
            place: &self.place,
            threads: self.recovery_threads,
            is_instant: false,
            tolerance: Tolerance::Strict,
        };
        let (inspection, _) = replay(engine, &plan, None)?;
        match inspection.refusal(Recovery::Strict) {
            Some(refusal) => Err(refusal.into()),
            None => {
                self.saver.note_loaded();
                Ok(())
            }
        }
    }

    fn stop(&self) -> Result<(), CloseError> {
        if matches!(*self.drive.lock(), Drive::Stopped) {
            return Ok(());
        }
        if let Some(background) = &self.background {
            background.stop();
        }
        // A base that is half written is of no use to the next opening.
        self.saver.cancel();
        self.saver.wait();
        self.stop_driver()
    }

    fn stop_driver(&self) -> Result<(), CloseError> {
        let was_failed = self.journal.failure();
        let drive = std::mem::replace(&mut *self.drive.lock(), Drive::Stopped);
        match drive {
            Drive::Thread(thread) => thread.stop()?,
            Drive::Manual(mut driver) => driver.stop()?,
            Drive::Stopped => return Ok(()),
        }
        match was_failed {
            Some(failure) => Err(CloseError::Failed(failure)),
            None => Ok(()),
        }
    }
}

impl Deref for Store {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine.0
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the store was not closed in good order");
        }
    }
}

/// So many cold slots are loaded in a step of a store without a thread.
const STEP_SLOTS: usize = 16;

struct EngineHandle(Engine);

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// Why a log was not read again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The log was [attached](StoreBuilder::attach) a short while ago and its first base is not written yet.
    #[error("the log has no base yet")]
    NoBase,
    /// The log does not hold all that it should.
    #[error(transparent)]
    Log(#[from] OutcomeUnknown),
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine was not emptied.
    #[error(transparent)]
    Engine(#[from] CommandError),
}

/// Why a store was not closed in good order. What was not durable before may be lost; the next opening finds out.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The disk refused something while closing.
    #[error(transparent)]
    Io(#[from] FileError),
    /// The log had failed before.
    #[error("the log had failed before: {0}")]
    Failed(String),
}

#[cfg(test)]
mod attach_tests;
#[cfg(test)]
mod instant_tests;
#[cfg(test)]
mod rebase_tests;
#[cfg(test)]
mod tests;
