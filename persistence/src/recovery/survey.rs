//! Looking at any file or directory of data: what it is, whether it is sound, what is inside. Nothing is changed.
//!
//! What is legible is loaded into an engine, from which it is counted, and from which a host may show or convert it.

use super::base::{begins_rdb, read_rdb};
use super::receiver::Receiver;
use super::scan::{Progress, scan};
use super::window::Window;
use super::{Dispatcher, Lanes, Listing, Recovery, RecoveryReport, SNAPSHOT_MAGIC, Settling, inspect, settle};
use crate::error::OpenError;
use crate::log::annotation::{Annotation, MAGIC};
use crate::log::{LogNames, LogPlace};
use crate::snapshot::{LoadOptions, Snapshot, SnapshotProgress, Tolerance};
use crate::storage::Storage;
use keyslot_engine::{Engine, Slot, ValueType};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A directory with a log, of ours or of `redis-server`.
    Directory,
    /// One file of a log of ours.
    Log,
    /// An append-only file of `redis-server`.
    Aof,
    /// An append-only file that begins with an RDB.
    AofWithPreamble,
    /// An RDB.
    Rdb,
    /// A snapshot of ours.
    Snapshot,
}

/// What was found.
#[derive(Debug)]
pub struct Survey {
    /// What it is.
    pub kind: FileKind,
    /// The path.
    pub path: PathBuf,
    /// Its size; of a directory, that of all files that are read.
    pub size_bytes: u64,
    /// The version of the RDB or of the snapshot.
    pub version: Option<u32>,
    /// Commands that were applied.
    pub commands: u64,
    /// For a directory, what opening it would report.
    pub report: Option<RecoveryReport>,
    /// What is wrong with it, each a sentence with its place.
    pub faults: Vec<String>,
    /// What is inside, as far as it is legible.
    pub contents: Contents,
}

/// What data consists of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// Keys of each type.
    pub types: BTreeMap<&'static str, u64>,
    /// Keys of each database.
    pub databases: BTreeMap<u16, u64>,
    /// Keys of each slot that has any.
    pub slots: BTreeMap<u16, u64>,
    /// Keys that expire.
    pub expires: u64,
    /// Libraries of functions.
    pub libraries: u64,
}

/// Loads what `path` leads to into `engine`, which must be empty, and says what it is. `watch` is told the bytes read of all.
pub fn survey(
    storage: &dyn Storage,
    path: &Path,
    names: &LogNames,
    engine: &Engine,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Survey, OpenError> {
    let lanes = Lanes::new(0);
    let mut dispatcher = Dispatcher::new(engine, &lanes, 0);
    let mut survey = match place_of(storage, path, names) {
        Some(place) => of_directory(storage, &place, &mut dispatcher, watch)?,
        None => {
            let mut window = Window::open(storage, path)?;
            if window.bytes_at(0, SNAPSHOT_MAGIC.len())?.starts_with(SNAPSHOT_MAGIC) {
                of_snapshot(storage, path, engine)
            } else {
                of_file(&mut window, path, &mut dispatcher, watch)?
            }
        }
    };
    survey.path = path.to_owned();
    survey.contents = Contents::of(engine);
    Ok(survey)
}

/// The log that a path means: a store's directory, the log's own, or a manifest.
fn place_of(storage: &dyn Storage, path: &Path, names: &LogNames) -> Option<LogPlace> {
    let stem_of = |name: &str| name.strip_suffix(".manifest").map(str::to_owned);
    let Ok(listed) = storage.list(path) else {
        let stem = stem_of(path.file_name()?.to_str()?)?;
        return Some(LogPlace { dir: path.parent()?.to_owned(), stem });
    };
    let own = listed.iter().filter(|file| !file.name.starts_with("temp-")).find_map(|file| stem_of(&file.name));
    Some(own.map_or_else(|| names.place(path), |stem| LogPlace { dir: path.to_owned(), stem }))
}

fn of_directory(
    storage: &dyn Storage,
    place: &LogPlace,
    dispatcher: &mut Dispatcher<'_>,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Survey, OpenError> {
    let listing = Listing::read(storage, place)?;
    let mut survey = Survey::new(FileKind::Directory, listing.size_bytes());
    match inspect(storage, listing, dispatcher, watch) {
        Err(error) => survey.faults.push(error.to_string()),
        Ok(inspection) => {
            survey.faults.extend(inspection.refusal(Recovery::Whole).map(|refusal| refusal.to_string()));
            let report = settle(storage, place, &inspection, Settling::DryRun)?.report;
            survey.commands = report.commands;
            survey.report = Some(report);
        }
    }
    Ok(survey)
}

fn of_file(
    window: &mut Window,
    path: &Path,
    dispatcher: &mut Dispatcher<'_>,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Survey, OpenError> {
    let total = window.size();
    let mut watch_file = |read: u64| watch(read, total);
    dispatcher.begin_file(path);
    let mut survey = Survey::new(FileKind::Aof, total);
    let fault = |at: u64, expected: &str, found: &str| format!("byte {at}: expected {expected}, found {found}");
    let mut from = 0;
    if begins_rdb(window)? {
        let rdb = read_rdb(window, dispatcher, &mut watch_file)?;
        survey.version = Some(rdb.version);
        survey.kind = if rdb.size_bytes < total { FileKind::AofWithPreamble } else { FileKind::Rdb };
        from = rdb.size_bytes;
        if let Some(damage) = rdb.damage {
            survey.kind = FileKind::Rdb;
            survey.faults.push(fault(damage.at, &damage.expected, &damage.found));
            return Ok(survey);
        }
    } else if window.bytes_at(0, MAGIC.len())?.starts_with(MAGIC.as_bytes()) {
        survey.kind = FileKind::Log;
    }
    let start = Annotation::decode(window.bytes_at(from, 1)?).map_or(0, |(line, _)| line.offset);
    let mut progress = Progress { offset: start, ..Progress::default() };
    let scanned = scan(window, from, &mut progress, dispatcher, &mut watch_file)?;
    let late = dispatcher.finish().err();
    survey.commands = progress.commands;
    survey.faults.extend(scanned.damage.map(|damage| fault(damage.at, &damage.expected, &damage.found)));
    survey.faults.extend(
        late.map(|late| fault(late.at, &format!("that {} can be applied", late.refused.what), &late.refused.reason)),
    );
    Ok(survey)
}

fn of_snapshot(storage: &dyn Storage, path: &Path, engine: &Engine) -> Survey {
    let mut survey = Survey::new(FileKind::Snapshot, 0);
    let snapshot = match Snapshot::open(storage, path, Tolerance::Salvage) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            survey.faults.push(error.to_string());
            return survey;
        }
    };
    survey.size_bytes = snapshot.size_bytes();
    survey.faults.extend(snapshot.damages().iter().map(|damage| damage.to_string()));
    let options = LoadOptions { threads: 1, tolerance: Tolerance::Salvage, due_at: None };
    match snapshot.load(engine, &options, &SnapshotProgress::default()) {
        Ok(report) => survey.faults.extend(report.broken.iter().map(|broken| broken.damage.to_string())),
        Err(error) => survey.faults.push(error.to_string()),
    }
    survey
}

impl Survey {
    fn new(kind: FileKind, size_bytes: u64) -> Self {
        Self {
            kind,
            path: PathBuf::new(),
            size_bytes,
            version: None,
            commands: 0,
            report: None,
            faults: Vec::new(),
            contents: Contents::default(),
        }
    }

    /// Whether all of it can be read.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Contents {
    fn of(engine: &Engine) -> Self {
        let view = engine.view();
        let mut contents = Self { libraries: view.libraries().count() as u64, ..Self::default() };
        for slot in Slot::all() {
            for entry in view.slot(slot).iter() {
                *contents.types.entry(type_name(entry.value_type())).or_default() += 1;
                *contents.databases.entry(entry.db()).or_default() += 1;
                *contents.slots.entry(slot.number()).or_default() += 1;
                contents.expires += u64::from(entry.expiry().is_some());
            }
        }
        contents
    }

    /// How many keys there are.
    pub fn keys(&self) -> u64 {
        self.types.values().sum()
    }
}

/// A type as TYPE names it.
fn type_name(value_type: ValueType) -> &'static str {
    value_type.name()
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "directory with a log",
            Self::Log => "file of a Keyslot log",
            Self::Aof => "append-only file",
            Self::AofWithPreamble => "append-only file with an RDB preamble",
            Self::Rdb => "RDB",
            Self::Snapshot => "Keyslot snapshot",
        })
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.map_or(String::new(), |version| format!(", version {version}"));
        let bytes = super::Size(self.size_bytes);
        writeln!(f, "{}: {}{version}, {bytes}", self.path.display(), self.kind)?;
        if let Some(report) = &self.report {
            writeln!(f, "  {report}")?;
        } else if self.commands > 0 {
            writeln!(f, "  {} commands", self.commands)?;
        }
        let Contents { types, databases, slots, expires, libraries } = &self.contents;
        let types: Vec<String> = types.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let of_types = if types.is_empty() { String::new() } else { format!(" ({})", types.join(", ")) };
        writeln!(
            f,
            "  {} keys{of_types}, {expires} of them expire, {libraries} function libraries",
            self.contents.keys()
        )?;
        if !databases.is_empty() {
            let all: Vec<String> = databases.iter().map(|(db, count)| format!("db{db} {count}")).collect();
            writeln!(f, "  {}; {} of 16384 slots in use", all.join(", "), slots.len())?;
        }
        for fault in &self.faults {
            writeln!(f, "  fault: {fault}")?;
        }
        f.write_str(if self.is_sound() {
            "  sound"
        } else {
            "  NOT sound; what stands before a fault is counted above"
        })
    }
}
