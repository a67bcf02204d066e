//! How a store is described and opened.

use super::compaction::{CompactionPolicy, Compactor};
use super::instant::Background;
use super::replay::{ReplayPlan, replay};
use super::{Drive, EngineHandle, Store};
use crate::driver::{Driver, DriverThread};
use crate::error::OpenError;
use crate::journal::{Fsync, Journal, JournalOptions};
use crate::log::manifest::Manifest;
use crate::log::{FirstLine, LogFiles, LogNames, LogOptions, LogPlace, LogWriter};
use crate::progress::Progress;
use crate::recovery::{Listing, Recovery, RecoveryReport, Settled, Settling, Sorted, lock, settle};
use crate::saving::{LogBase, Saver};
use crate::snapshot::{LoadOptions, Tolerance, WriteOptions};
use crate::storage::{FileError, RealStorage, Storage, StorageLock};
use keyslot_engine::{Ack, EffectSink, Engine, EngineBuilder, Offset};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a reply promises, and how often the disk is asked to keep its word. See the table in [`crate::store`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// The log is written, never fsynced unless somebody asks.
    Never,
    /// The log is fsynced about a second after a write.
    #[default]
    EverySecond,
    /// A reply to a write comes after its fsync; writers that come together share one.
    Always,
}

type OnProgress = Box<dyn FnMut(&Progress)>;

/// How a store is opened.
pub struct StoreBuilder {
    engine: EngineBuilder,
    storage: Arc<dyn Storage>,
    durability: Durability,
    recovery: Recovery,
    journal: JournalOptions,
    log: LogOptions,
    names: LogNames,
    compaction: CompactionPolicy,
    log_base: LogBase,
    is_instant: bool,
    has_thread: bool,
    recovery_threads: usize,
    on_progress: Option<OnProgress>,
    saver: Option<Saver>,
}

impl Default for StoreBuilder {
    fn default() -> Self {
        Self {
            engine: Engine::builder(),
            storage: Arc::new(RealStorage),
            durability: Durability::default(),
            recovery: Recovery::default(),
            journal: JournalOptions::default(),
            log: LogOptions::default(),
            names: LogNames::default(),
            compaction: CompactionPolicy::default(),
            log_base: LogBase::default(),
            is_instant: false,
            has_thread: true,
            recovery_threads: 2,
            on_progress: None,
            saver: None,
        }
    }
}

impl StoreBuilder {
    /// What a reply promises.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// What to do about damage that a crash cannot explain.
    #[must_use]
    pub fn recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// On how many threads a log is replayed, besides the one that reads it; 2 if not said. With 1 the reader does it all.
    #[must_use]
    pub fn recovery_threads(mut self, threads: usize) -> Self {
        self.recovery_threads = threads.clamp(1, RECOVERY_THREADS_MAX);
        self
    }

    /// Told how far opening got, each few megabytes.
    #[must_use]
    pub fn on_progress(mut self, watch: impl FnMut(&Progress) + 'static) -> Self {
        self.on_progress = Some(Box::new(watch));
        self
    }

    /// How the engine is made: its clock and seed.
    #[must_use]
    pub fn engine(mut self, engine: EngineBuilder) -> Self {
        self.engine = engine;
        self
    }

    /// Fills the engine of this saver, which is empty, and keeps its files where the saver does; [`engine`](Self::engine) and
    /// [`storage`](Self::storage) count for nothing then. For hosts that answer while the data is being loaded: see
    /// [`Options::loading`](keyslot_engine::Options::loading).
    #[must_use]
    pub fn saver(mut self, saver: Saver) -> Self {
        self.storage = saver.storage().clone();
        self.saver = Some(saver);
        self
    }

    /// Where the files are; the operating system's if not given.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage) -> Self {
        self.storage = Arc::new(storage);
        self
    }

    /// How the journal uses memory and time. Its `fsync` is overruled by [`durability`](Self::durability).
    #[must_use]
    pub fn journal(mut self, options: JournalOptions) -> Self {
        self.journal = options;
        self
    }

    /// How the log uses its files. Without this, space is reserved, so that `redis-server` takes the files as they are even
    /// after the process was killed; zeros written ahead make each fsync of [`Durability::Always`] cheaper.
    #[must_use]
    pub fn log(mut self, options: LogOptions) -> Self {
        self.log = options;
        self
    }

    /// The names of the log's directory and files, `appendonlydir` and `appendonly.aof` if not given
    /// (Redis: `appenddirname`, `appendfilename`).
    #[must_use]
    pub fn log_names(mut self, dir: impl Into<String>, file: impl Into<String>) -> Self {
        self.names = LogNames { dir: dir.into(), file: file.into() };
        self
    }

    /// When the log is compacted by itself; as in Redis if not given.
    #[must_use]
    pub fn compaction(mut self, policy: CompactionPolicy) -> Self {
        self.compaction = policy;
        self
    }

    /// How new bases of the log are written: as snapshots, if not said. [`LogBase::Rdb`] keeps the directory one that
    /// `redis-server` boots from.
    #[must_use]
    pub fn log_base(mut self, base: LogBase) -> Self {
        self.log_base = base;
        self
    }

    /// Serves before the data is loaded: each slot is loaded when it is first touched, the others in the background. That takes
    /// a base that is a [snapshot](LogBase::Snapshot), or none; and up to 1 GiB of log behind it that holds nothing but
    /// changes of single slots, as this store writes them. Otherwise, or after a FLUSHALL or the like in that log, opening
    /// loads everything first, as without this.
    ///
    /// The log is read and checked at opening, the base's index too; the bytes of a slot in the base when it is loaded. A slot
    /// that turns out to be damaged then answers [`CommandError::SlotUnreadable`](keyslot_engine::CommandError::SlotUnreadable),
    /// all others go on, and no file of the data is written that would lack it.
    #[must_use]
    pub fn instant(mut self, is_instant: bool) -> Self {
        self.is_instant = is_instant;
        self
    }

    /// Starts no thread: the caller calls [`Store::step`]. Whoever waits for an [`Ack`] above `Memory` waits for that.
    #[must_use]
    pub fn without_thread(mut self) -> Self {
        self.has_thread = false;
        self
    }

    /// Opens the store in this directory, or makes a new one.
    pub fn open(mut self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        let path = path.as_ref();
        let place = self.names.place(path);
        let lock = lock(&*self.storage, path)?;
        let given = self.saver.take();
        let engine = match &given {
            Some(saver) => saver.engine().clone(),
            None => std::mem::take(&mut self.engine).in_memory(),
        };
        let start_ms = engine.now().0;
        let plan = ReplayPlan {
            storage: &*self.storage,
            place: &place,
            threads: self.recovery_threads,
            is_instant: self.is_instant,
            tolerance: self.tolerance(),
        };
        let (inspection, sorted) = replay(&engine, &plan, self.on_progress.as_deref_mut())?;
        let elapsed_ms = u64::try_from(engine.now().0 - start_ms).unwrap_or(0);
        if let Some(refusal) = inspection.refusal(self.recovery) {
            return Err(refusal);
        }
        make_directories(&*self.storage, path, &place)?;
        let mut settled = settle(&*self.storage, &place, &inspection, Settling::Done)?;
        settled.report.elapsed_ms = elapsed_ms;
        let background = sorted.map(|sorted| self.begin_cold(&engine, sorted)).transpose()?;
        settled.report.cold_slots = engine.cold_slots();
        let report = settled.report.clone();
        let (journal, driver) = self.start_journal(&engine, place.clone(), settled)?;
        // Eras go on where they were, so that the log tells them apart.
        engine.resume_era(report.era + 1);
        let saver = given.unwrap_or_else(|| Saver::over(engine, self.storage.clone()));
        saver.note_loaded();
        tracing::info!(path = %path.display(), %report, "store opened");
        let store = self.start(saver, (journal, driver), (place, lock), report, background)?;
        if !inspection.base_damages.is_empty()
            && let Err(error) = store.compact()
        {
            tracing::warn!(%error, "there is no new base yet: until there is, opening has to salvage the old one again");
        }
        Ok(store)
    }

    /// Begins a log in this directory for the engine of a saver, which serves already: every change from here on is in it, and
    /// what there was before comes to it as its first base, which the store's thread begins to write at once. Until that is
    /// there ([`PersistenceInfo`](super::PersistenceInfo) tells) the directory is as it was for who opens it; then what it
    /// held is removed. `journal` is that of an earlier store of this engine, if it had one: see [`Store::detach`].
    pub fn attach(
        self,
        saver: &Saver,
        journal: Option<Arc<Journal>>,
        path: impl AsRef<Path>,
    ) -> Result<Store, OpenError> {
        let this = self.saver(saver.clone());
        let path = path.as_ref();
        let place = this.names.place(path);
        let lock = lock(&*this.storage, path)?;
        let listing = Listing::read(&*this.storage, &place)?;
        make_directories(&*this.storage, path, &place)?;
        for leftover in &listing.leftovers {
            this.storage.remove(leftover).map_err(|e| FileError::new("remove", leftover, e))?;
        }
        let older = listing.manifest.filter(|_| listing.moves.is_none()).unwrap_or_default();
        let files = LogFiles::aside(this.storage.clone(), place.clone(), Manifest { history: Vec::new(), ..older });
        let engine = saver.engine();
        let journal = match journal {
            Some(journal) => journal,
            None => Arc::new(Journal::new(engine.position(), this.journal)),
        };
        journal.reopen();
        let line = FirstLine { offset: journal.end().0, era: engine.era(), time_ms: engine.now().0 };
        let driver = Driver::new(journal.clone(), LogWriter::begin(files, this.log, line)?, line);
        let (fsync, ack) = levels(this.durability);
        journal.set_fsync(fsync);
        engine.options().set_ack(ack);
        this.start(saver.clone(), (journal, driver), (place, lock), RecoveryReport::default(), None)
    }

    /// Gives the engine its journal, and the driver its thread.
    fn start(
        &self,
        saver: Saver,
        (journal, driver): (Arc<Journal>, Driver),
        (place, lock): (LogPlace, Box<dyn StorageLock>),
        report: RecoveryReport,
        background: Option<Arc<Background>>,
    ) -> Result<Store, OpenError> {
        let engine = saver.engine().clone();
        if !engine.attach_sink(journal.clone()) {
            return Err(OpenError::OtherJournal);
        }
        journal.set_files(driver.files().clone());
        let compactor = Compactor::new(saver.clone(), engine.clone(), journal.clone(), driver.files().clone());
        compactor.set_policy(self.compaction);
        compactor.set_base(match self.log_base.clone() {
            LogBase::Snapshot(options) if !self.has_thread => LogBase::Snapshot(WriteOptions { threads: 0, ..options }),
            base => base,
        });
        if let (Some(background), true) = (&background, self.has_thread) {
            background.start(&engine, self.recovery_threads.div_ceil(2));
        }
        let drive = if self.has_thread {
            let compactor = compactor.clone();
            Drive::Thread(DriverThread::start(driver, move || compactor.look()).map_err(OpenError::Thread)?)
        } else {
            Drive::Manual(Box::new(driver))
        };
        Ok(Store {
            engine: EngineHandle(engine),
            journal,
            saver,
            compactor,
            drive: Mutex::new(drive),
            report,
            place,
            recovery_threads: self.recovery_threads,
            background,
            _lock: lock,
        })
    }

    /// Leaves the keys where they are, and loads the rest.
    fn begin_cold(&self, engine: &Engine, sorted: Sorted) -> Result<Arc<Background>, OpenError> {
        if let Some(snapshot) = sorted.snapshot() {
            snapshot.load_libraries(engine)?;
        }
        let options = LoadOptions { tolerance: self.tolerance(), ..LoadOptions::default() };
        Ok(Background::begin(engine, sorted, options))
    }

    fn tolerance(&self) -> Tolerance {
        match self.recovery {
            Recovery::Salvage => Tolerance::Salvage,
            Recovery::Strict | Recovery::Whole => Tolerance::Strict,
        }
    }

    fn start_journal(
        &self,
        engine: &Engine,
        place: LogPlace,
        settled: Settled,
    ) -> Result<(Arc<Journal>, Driver), OpenError> {
        let (fsync, ack) = levels(self.durability);
        let options = self.log;
        let line = FirstLine { offset: settled.report.end.0, era: settled.report.era, time_ms: engine.now().0 };
        let resumable = settled.resumable.filter(|(_, position)| *position < options.file_size_bytes_max);
        let (manifest, base_size) = (settled.manifest, settled.base_size_bytes);
        let files = LogFiles::new(self.storage.clone(), place, manifest, base_size, settled.spans, resumable.is_some());
        let log = match resumable {
            Some((id, at)) => LogWriter::resume(files, options, id, at, line)?,
            None => LogWriter::begin(files, options, line)?,
        };
        let journal = Arc::new(Journal::new(Offset(line.offset), JournalOptions { fsync, ..self.journal }));
        engine.options().set_ack(ack);
        let driver = Driver::new(journal.clone(), log, line);
        Ok((journal, driver))
    }
}

/// When the log is fsynced, and what replies wait for.
fn levels(durability: Durability) -> (Fsync, Ack) {
    match durability {
        Durability::Never => (Fsync::Never, Ack::Memory),
        Durability::EverySecond => (Fsync::EverySecond, Ack::Memory),
        Durability::Always => (Fsync::Always, Ack::Durable),
    }
}

/// Makes the directories, durably; those that are there may not be durable yet.
fn make_directories(storage: &dyn Storage, path: &Path, place: &LogPlace) -> Result<(), FileError> {
    storage.create_dir(&place.dir).map_err(|e| FileError::new("create directory", &place.dir, e))?;
    storage.sync_dir(path).map_err(|e| FileError::new("sync directory", path, e))?;
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        other => other.map(Path::to_owned),
    };
    match parent.map(|parent| storage.sync_dir(&parent).map_err(|e| FileError::new("sync directory", &parent, e))) {
        // A directory that this program may not read was not made by it.
        Some(Err(error)) if error.source.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        Some(outcome) => outcome,
        None => Ok(()),
    }
}

const RECOVERY_THREADS_MAX: usize = 64;
