//! The data that a node serves: an engine in memory, or a store that keeps a log of all changes.

use crate::host::{rdb_path, take_engine_options};
use crate::settings::Values;
use keyslot::engine::{Ack, Engine};
use keyslot::persistence::saving::{LoadRdbError, load_rdb};
use keyslot::persistence::{
    CompactionPolicy, Durability, Fsync, LogBase, LogNames, OpenError, PersistenceInfo, RealStorage, Recovery,
    SaveError, Saver, Store,
};
use parking_lot::Mutex;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why the data cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Load(#[from] LoadRdbError),
}

/// The engine, and the store around it if `appendonly` is on.
pub(crate) struct Data {
    pub(crate) engine: Engine,
    saver: Saver,
    /// Taken out when the node stops.
    store: Mutex<Option<Store>>,
}

impl Data {
    /// Opens what the settings ask for, in the current folder. Progress goes to the log.
    pub(crate) fn open(values: &Values) -> Result<Self, DataError> {
        let given = values.clone();
        let engine = Engine::builder().options(move |options| take_engine_options(options, &given));
        if !values.switch("appendonly") {
            return Self::load(engine.in_memory(), &rdb_path(values));
        }
        let names = log_names(values);
        let started = Instant::now();
        let mut told = started;
        let store = Store::builder()
            .engine(engine)
            .durability(durability(values.choice("appendfsync")))
            .recovery(if values.switch("aof-load-truncated") { Recovery::Strict } else { Recovery::Whole })
            .log_names(names.dir, names.file)
            .on_progress(move |progress| {
                if told.elapsed() >= PROGRESS_INTERVAL {
                    told = Instant::now();
                    tracing::info!("{progress}");
                }
            })
            .open(".")?;
        tracing::info!("DB loaded from append only file: {:.3} seconds", started.elapsed().as_secs_f64());
        let saver = store.saver().clone();
        let data = Self { engine: Engine::clone(&store), saver, store: Mutex::new(Some(store)) };
        data.set_durability(values);
        Ok(data)
    }

    /// An engine without a log, with what the newest file of the data holds.
    fn load(engine: Engine, path: &Path) -> Result<Self, DataError> {
        let started = Instant::now();
        let loaded = load_rdb(&engine, &RealStorage, path)?;
        if let Some(loaded) = loaded {
            tracing::info!("Done loading RDB, keys loaded: {}, keys expired: {}.", loaded.keys, loaded.expired);
            tracing::info!("DB loaded from disk: {:.3} seconds", started.elapsed().as_secs_f64());
        }
        let saver = Saver::new(engine.clone(), RealStorage);
        Ok(Self { engine, saver, store: Mutex::new(None) })
    }

    /// What writes files of the data.
    pub(crate) fn saver(&self) -> &Saver {
        &self.saver
    }

    /// Begins to write a new base of the log; `None` if there is no log.
    pub(crate) fn start_compaction(&self) -> Option<Result<(), SaveError>> {
        self.store.lock().as_ref().map(Store::start_compaction)
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
        let store = self.store.lock();
        let Some(store) = &*store else { return };
        let (fsync, ack) = match durability(values.choice("appendfsync")) {
            Durability::Never => (Fsync::Never, Ack::Memory),
            Durability::EverySecond => (Fsync::EverySecond, Ack::Memory),
            Durability::Always => (Fsync::Always, Ack::Durable),
        };
        store.journal().set_fsync(fsync);
        self.engine.options().set_ack(match values.choice("write-ack") {
            "memory" => Ack::Memory,
            "logged" => Ack::Logged,
            "durable" => Ack::Durable,
            _ => ack,
        });
    }

    /// Whether changes are kept in files.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.lock().is_some()
    }

    /// Appends INFO's persistence lines.
    pub(crate) fn append_info(&self, out: &mut String) {
        let info = match &*self.store.lock() {
            Some(store) => store.info(),
            None => PersistenceInfo { saving: self.saver.status(), now_ms: self.engine.now().0, log: None },
        };
        info.append_to(out);
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
        let store = self.store.lock().take();
        store.map_or(Ok(()), Store::close).map_err(|error| error.to_string())
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

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
