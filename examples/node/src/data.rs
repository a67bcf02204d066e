//! The data that a node serves: an engine in memory, or a store that keeps a log of all changes.

use crate::settings::Values;
use keyslot::engine::{Ack, Engine, Options};
use keyslot::persistence::{Durability, Fsync, LogNames, OpenError, Recovery, Store};
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The engine, and the store around it if `appendonly` is on.
pub(crate) struct Data {
    pub(crate) engine: Engine,
    /// Taken out when the node stops.
    store: Mutex<Option<Store>>,
}

impl Data {
    /// Opens what the settings ask for, in the current folder. `take_options` hands the engine its own before it loads
    /// anything. Progress goes to the log.
    pub(crate) fn open(values: &Values, take_options: fn(&Options, &Values)) -> Result<Self, OpenError> {
        let given = values.clone();
        let engine = Engine::builder().options(move |options| take_options(options, &given));
        if !values.switch("appendonly") {
            return Ok(Self { engine: engine.in_memory(), store: Mutex::new(None) });
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
        let data = Self { engine: Engine::clone(&store), store: Mutex::new(Some(store)) };
        data.set_durability(values);
        Ok(data)
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

    /// Appends INFO's persistence lines, if there is anything to tell.
    pub(crate) fn append_info(&self, out: &mut String) {
        if let Some(store) = &*self.store.lock() {
            store.info().append_to(out);
        }
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
