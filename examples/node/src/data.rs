//! The data that a node serves: an engine in memory, or a store that keeps a log of all changes.

use crate::host::{log_base, rdb_path, take_engine_options};
use crate::settings::Values;
use keyslot::engine::{Ack, Engine};
use keyslot::persistence::saving::{LoadRdbError, load_rdb};
use keyslot::persistence::{
    CloseError, CompactionPolicy, Durability, Fsync, Journal, JournalOptions, LoadingInfo, LogBase, LogInfo, LogNames,
    OpenError, PersistenceInfo, Progress, RealStorage, Recovery, SaveError, Saver, Store, StoreBuilder,
};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Why the data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Load(#[from] LoadRdbError),
    #[error("the data was not loaded to its end")]
    Interrupted,
}

/// The engine, and the store around it while `appendonly` is on.
pub(crate) struct Data {
    pub(crate) engine: Engine,
    saver: Saver,
    /// Taken out when the log ends.
    store: Mutex<Option<Arc<Store>>>,
    /// The journal of the store that is or was there: a log that is begun again goes on with it.
    journal: Mutex<Option<Arc<Journal>>>,
    /// Whether what is being loaded is a log.
    reads_log: AtomicBool,
    /// How loading goes, while the data is being loaded.
    loading: Arc<Mutex<Option<LoadingInfo>>>,
    /// Keys that the newest file brought, and keys of it that had expired.
    loaded: Mutex<(u64, u64)>,
    /// What the file that was loaded at the start notes of its data.
    notes: Mutex<Vec<(String, String)>>,
}

impl Data {
    /// Data that is still to be [loaded](Self::load): clients are told so.
    pub(crate) fn new(values: &Values) -> Self {
        let given = values.clone();
        let engine = Engine::builder().options(move |options| take_engine_options(options, &given)).in_memory();
        let data = Self {
            saver: Saver::new(engine.clone(), RealStorage),
            engine,
            store: Mutex::new(None),
            journal: Mutex::new(None),
            reads_log: AtomicBool::new(values.switch("appendonly")),
            loading: Arc::default(),
            loaded: Mutex::new((0, 0)),
            notes: Mutex::default(),
        };
        data.begin_loading();
        data
    }

    /// Opens what the settings ask for, in the current folder. Progress goes to the log and to INFO.
    pub(crate) fn load(&self, values: &Values) -> Result<(), DataError> {
        if !values.switch("appendonly") {
            return Ok(self.load_rdb(&rdb_path(values))?);
        }
        let started = Instant::now();
        let mut watcher = self.watcher();
        let store = self
            .describe(values)
            .saver(self.saver.clone())
            .instant(values.switch("instant-open"))
            .recovery(if values.switch("aof-load-truncated") { Recovery::Strict } else { Recovery::Whole })
            .on_progress(move |progress| watcher.note(progress))
            .open(".")?;
        tracing::info!("DB loaded from append only file: {:.3} seconds", started.elapsed().as_secs_f64());
        self.keep(store, values);
        Ok(())
    }

    /// Loads the newest file of the data into the engine, which is empty or may hold other keys.
    pub(crate) fn load_rdb(&self, path: &Path) -> Result<(), LoadRdbError> {
        let started = Instant::now();
        let mut watcher = self.watcher();
        let loaded = load_rdb(&self.engine, &RealStorage, path, LOAD_THREADS, &mut |progress| watcher.note(progress))?;
        self.saver.note_loaded();
        if let Some(loaded) = loaded {
            *self.loaded.lock() = (loaded.keys, loaded.expired);
            *self.notes.lock() = loaded.notes;
            tracing::info!("Done loading RDB, keys loaded: {}, keys expired: {}.", loaded.keys, loaded.expired);
            tracing::info!("DB loaded from disk: {:.3} seconds", started.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// What the newest file that was loaded notes of its data.
    pub(crate) fn take_notes(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.notes.lock())
    }

    /// Whether the log was stopped in good order before it was opened.
    pub(crate) fn was_stopped_cleanly(&self) -> bool {
        self.store.lock().as_ref().is_some_and(|store| store.recovery().clean)
    }

    /// Reads the log into the engine again, in the place of all data.
    pub(crate) fn load_log(&self) -> Result<(), String> {
        // Nobody waits meanwhile to learn whether there is a log.
        let store = self.store.lock().clone().ok_or("there is no log")?;
        store.reload().map_err(|error| error.to_string())
    }

    /// From here on clients are told that the data is not all there.
    pub(crate) fn begin_loading(&self) {
        let start_ms = self.engine.now().0;
        *self.loading.lock() = Some(LoadingInfo { start_ms, total_bytes: 0, loaded_bytes: 0 });
        self.engine.options().loading.store(true, Relaxed);
    }

    /// The data is all there.
    pub(crate) fn end_loading(&self) {
        *self.loading.lock() = None;
        self.engine.options().loading.store(false, Relaxed);
    }

    pub(crate) fn is_loading(&self) -> bool {
        self.engine.options().loading.load(Relaxed)
    }

    fn watcher(&self) -> Watcher {
        Watcher { loading: Arc::clone(&self.loading), told: Instant::now() }
    }

    /// Begins a log of what there is.
    pub(crate) fn begin_log(&self, values: &Values) -> Result<(), OpenError> {
        let journal = self.journal.lock().clone();
        let store = self.describe(values).attach(&self.saver, journal, ".")?;
        self.keep(store, values);
        Ok(())
    }

    /// The journal, for whoever follows it: that of the log, or one in memory that holds every change from here on.
    pub(crate) fn begin_stream(&self, values: &Values) -> Arc<Journal> {
        if let Some(store) = &*self.store.lock() {
            return Arc::clone(store.journal());
        }
        let mut journal = self.journal.lock();
        let journal =
            journal.get_or_insert_with(|| Arc::new(Journal::in_memory(self.engine.position(), stream_options(values))));
        journal.keep_in_memory();
        self.engine.attach_sink(journal.clone());
        Arc::clone(journal)
    }

    /// The journal of the log, if there is one.
    pub(crate) fn log_journal(&self) -> Option<Arc<Journal>> {
        self.store.lock().as_ref().map(|store| Arc::clone(store.journal()))
    }

    /// Ends the log in good order; the journal goes on in memory.
    pub(crate) fn leave_log(&self, values: &Values) -> Result<(), CloseError> {
        let ended = self.end_log();
        self.begin_stream(values);
        ended
    }

    /// Ends the log in good order; the data goes on without it.
    pub(crate) fn end_log(&self) -> Result<(), CloseError> {
        // Somebody else has it only while the data is loaded anew, and then no log is ended.
        let store = self.store.lock().take().and_then(Arc::into_inner);
        store.map_or(Ok(()), Store::detach)
    }

    fn describe(&self, values: &Values) -> StoreBuilder {
        let names = log_names(values);
        let builder = Store::builder().durability(durability(values.choice("appendfsync")));
        builder.log_names(names.dir, names.file).log_base(log_base(values))
    }

    fn keep(&self, store: Store, values: &Values) {
        self.reads_log.store(false, Relaxed);
        *self.journal.lock() = Some(Arc::clone(store.journal()));
        *self.store.lock() = Some(Arc::new(store));
        self.set_durability(values);
    }

    /// What writes files of the data.
    pub(crate) fn saver(&self) -> &Saver {
        &self.saver
    }

    /// Begins to write a new base of the log; `None` if there is no log.
    pub(crate) fn start_compaction(&self) -> Option<Result<(), SaveError>> {
        self.store.lock().as_ref().map(|store| store.start_compaction())
    }

    /// Says when the log is compacted, and how its bases are written.
    pub(crate) fn set_compaction(&self, policy: CompactionPolicy, base: LogBase) {
        if let Some(store) = &*self.store.lock() {
            store.set_compaction_policy(policy);
            store.set_log_base(base);
        }
    }

    /// Takes over `appendfsync` and `write-ack`.
    pub(crate) fn set_durability(&self, values: &Values) {
        let (fsync, ack) = match durability(values.choice("appendfsync")) {
            Durability::Never => (Fsync::Never, Ack::Memory),
            Durability::EverySecond => (Fsync::EverySecond, Ack::Memory),
            Durability::Always => (Fsync::Always, Ack::Durable),
        };
        let ack = values.write_ack().unwrap_or(ack);
        let ack = match (&*self.store.lock(), ack) {
            (Some(store), _) => {
                store.journal().set_fsync(fsync);
                ack
            }
            (None, Ack::Replicas(_)) => ack,
            (None, _) => Ack::Memory,
        };
        self.engine.options().set_ack(ack);
    }

    /// Whether changes are kept in files.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.lock().is_some()
    }

    /// Whether there is a log that holds nothing before its first base is written.
    pub(crate) fn waits_for_base(&self) -> bool {
        self.store.lock().as_ref().is_some_and(|store| store.info().log.is_some_and(|log| !log.has_base))
    }

    /// Appends INFO's persistence lines.
    pub(crate) fn append_info(&self, is_rewrite_scheduled: bool, out: &mut String) {
        let info = match &*self.store.lock() {
            Some(store) => store.info(),
            None => PersistenceInfo::without_log(self.saver.status(), self.engine.now().0),
        };
        // One that is still being read counts as one.
        let unread = LogInfo { last_write_ok: true, has_base: true, ..LogInfo::default() };
        let log = info.log.or(self.reads_log.load(Relaxed).then_some(unread));
        let (loading, loaded) = (*self.loading.lock(), *self.loaded.lock());
        PersistenceInfo { log, is_rewrite_scheduled, loading, loaded, ..info }.append_to(out);
        out.push_str(&format!("cold_slots:{}\r\n", self.engine.cold_slots()));
    }

    /// Waits until every change made so far is safe.
    pub(crate) fn flush(&self) -> Result<(), String> {
        match &*self.store.lock() {
            Some(store) => store.flush().map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Ends the log in good order. Writes are refused from here on.
    pub(crate) fn close(&self) -> Result<(), String> {
        match self.store.lock().take().map(Arc::into_inner) {
            None => Ok(()),
            Some(Some(store)) => store.close().map_err(|error| error.to_string()),
            Some(None) => Err("the log is being read".to_owned()),
        }
    }
}

/// Notes how far loading got: for INFO each time, for people now and then.
struct Watcher {
    loading: Arc<Mutex<Option<LoadingInfo>>>,
    told: Instant,
}

impl Watcher {
    fn note(&mut self, progress: &Progress) {
        if let Some(loading) = &mut *self.loading.lock() {
            (loading.total_bytes, loading.loaded_bytes) = (progress.total_bytes, progress.done_bytes);
        }
        if self.told.elapsed() >= PROGRESS_INTERVAL {
            self.told = Instant::now();
            tracing::info!("{progress}");
        }
    }
}

/// A journal with the backlog of the settings; what replicas have not read counts as their output.
fn stream_options(values: &Values) -> JournalOptions {
    let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
    let backlog = size(values.number("repl-backlog-size")).max(BACKLOG_BYTES_MIN);
    let held = match values.buffer_limits().replica.hard_bytes {
        0 => usize::MAX,
        bytes => size(bytes),
    };
    JournalOptions {
        backlog_size_bytes_max: backlog,
        held_size_bytes_max: held,
        chunk_size_bytes: (backlog / BACKLOG_PIECES).min(1 << 20),
        ..JournalOptions::default()
    }
}

/// Where the log is, by the settings.
pub(crate) fn log_names(values: &Values) -> LogNames {
    let text = |name| String::from_utf8_lossy(values.text(name)).into_owned();
    LogNames { dir: text("appenddirname"), file: text("appendfilename") }
}

fn durability(appendfsync: &str) -> Durability {
    match appendfsync {
        "always" => Durability::Always,
        "no" => Durability::Never,
        _ => Durability::EverySecond,
    }
}

const BACKLOG_BYTES_MIN: usize = 64 << 10;

/// The oldest of so many pieces goes when another one is needed.
const BACKLOG_PIECES: usize = 16;

/// Threads that store what another reads.
const LOAD_THREADS: usize = 2;

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
