//! Loading a snapshot into an engine that serves nobody yet: by several threads, or one slot alone.
//!
//! ```text
//! sections     | 3 | 3 | 3 | 7 | 9 | 12 | 12 | 15 | ..        batches: whole slots, about half a megabyte
//! thread 0     [-----------]       [--------------]
//! thread 1                 [-------]                          each takes the next batch and has a loader of its own
//! ```

use super::check::{BrokenSection, legible};
use super::error::SnapshotError;
use super::fill::{Refusal, fill};
use super::index::IndexEntry;
use super::layout::Tolerance;
use super::progress::SnapshotProgress;
use super::reader::Snapshot;
use super::section::Subject;
use crate::driver::crew::with_crew;
use crate::driver::pace::Pace;
use keyslot_engine::{Engine, LoadError, Loader, SLOT_COUNT, Slot, UnixMillis};
use parking_lot::Mutex;
use std::ops::Range;
use std::time::Duration;

/// How a snapshot is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoadOptions {
    /// How many threads load. With none or one, the calling thread does it.
    pub threads: usize,
    /// What is done about a section that is damaged: the load fails, or goes on without it.
    pub tolerance: Tolerance,
    /// Keys that were due at this time are left out. Without it, they are loaded too.
    pub due_at: Option<UnixMillis>,
}

/// What was loaded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LoadReport {
    /// How many keys.
    pub keys: u64,
    /// How many were left out because they were due.
    pub due: u64,
    /// How many libraries of functions.
    pub libraries: u64,
    /// Bytes of the file that were read.
    pub size_bytes: u64,
    /// Sections that were left out, or what was left of them behind the damage.
    pub broken: Vec<BrokenSection>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Snapshot {
    /// Loads everything. After an error some keys are in the engine and some are not. O(bytes).
    pub fn load(
        &self,
        engine: &Engine,
        options: &LoadOptions,
        progress: &SnapshotProgress,
    ) -> Result<LoadReport, SnapshotError> {
        let pace = Pace::start(None);
        let job = Job { snapshot: self, engine, options, progress, state: Mutex::default() };
        match options.threads {
            0 | 1 => job.run(),
            threads => with_crew(threads - 1, |_| job.run(), |_| job.run()),
        }
        let State { report, error, .. } = job.state.into_inner();
        match error {
            Some(error) => Err(error),
            None if progress.is_stopped() => Err(SnapshotError::Stopped),
            None => {
                progress.reach_slot(SLOT_COUNT as u32);
                Ok(LoadReport { elapsed: pace.elapsed(), ..report })
            }
        }
    }

    /// Loads one slot, without the libraries of functions. O(bytes of the slot).
    pub fn load_slot(&self, engine: &Engine, slot: Slot, options: &LoadOptions) -> Result<LoadReport, SnapshotError> {
        let pace = Pace::start(None);
        let report = self.fill_slot(&mut engine.loader(), slot, options)?;
        Ok(LoadReport { elapsed: pace.elapsed(), ..report })
    }

    /// Gives the keys of one slot to a loader that has nothing else to do.
    pub(crate) fn fill_slot(
        &self,
        loader: &mut Loader,
        slot: Slot,
        options: &LoadOptions,
    ) -> Result<LoadReport, SnapshotError> {
        let mut filler = Filler::new(self, loader, options);
        for named in self.layout().of_slot(slot) {
            filler.add_section(named)?;
        }
        filler.finish()
    }

    /// Loads the libraries of functions and nothing else.
    pub(crate) fn load_libraries(&self, engine: &Engine) -> Result<LoadReport, SnapshotError> {
        let (mut loader, options) = (engine.loader(), LoadOptions::default());
        let mut filler = Filler::new(self, &mut loader, &options);
        for named in self.layout().sections.iter().take_while(|named| named.subject == Subject::Libraries) {
            filler.add_section(named)?;
        }
        filler.finish()
    }

    /// The slots that have keys, by the index.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.layout().sections.iter().filter_map(|named| match named.subject {
            Subject::Slot(slot) => Some(slot),
            Subject::Libraries => None,
        })
    }
}

/// One load by several threads.
struct Job<'a> {
    snapshot: &'a Snapshot,
    engine: &'a Engine,
    options: &'a LoadOptions,
    progress: &'a SnapshotProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The first section that nobody has taken.
    untaken: usize,
    /// Up to where the system was told that it will be read.
    announced: u64,
    report: LoadReport,
    error: Option<SnapshotError>,
}

impl Job<'_> {
    /// Loads batches until there is none left.
    fn run(&self) {
        let mut loader = self.engine.loader();
        let mut filler = Filler::new(self.snapshot, &mut loader, self.options);
        let mut outcome = Ok(());
        while let (Ok(()), Some(batch)) = (&outcome, self.take()) {
            for named in &self.snapshot.layout().sections[batch] {
                outcome = filler.add_section(named);
                if outcome.is_err() {
                    break;
                }
                self.progress.add_bytes(named.end().unwrap_or(named.at) - named.at);
            }
        }
        let finished = filler.finish();
        let mut state = self.state.lock();
        match outcome.and(finished) {
            Ok(report) => state.report.add(report),
            Err(error) => _ = state.error.get_or_insert(error),
        }
    }

    fn take(&self) -> Option<Range<usize>> {
        let sections = &self.snapshot.layout().sections;
        let mut state = self.state.lock();
        if state.error.is_some() || self.progress.is_stopped() {
            return None;
        }
        let start = state.untaken;
        let first = sections.get(start)?;
        let is_full = |pair: &[IndexEntry]| {
            // The last of a slot, and enough bytes.
            pair[0].subject != pair[1].subject && pair[1].at - first.at >= BATCH_BYTES
        };
        let count = sections[start..].windows(2).position(is_full).map_or(sections.len() - start, |at| at + 1);
        let batch = start..start + count;
        state.untaken = batch.end;
        let end = sections[batch.end - 1].end().unwrap_or(u64::MAX);
        if end + AHEAD_BYTES / 2 > state.announced {
            let from = state.announced.max(first.at);
            state.announced = end + AHEAD_BYTES;
            self.snapshot.map().will_read(from as usize, (state.announced - from) as usize);
        }
        if let Subject::Slot(slot) = first.subject {
            self.progress.reach_slot(u32::from(slot.number()));
        }
        Some(batch)
    }
}

impl LoadReport {
    fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.due += other.due;
        self.libraries += other.libraries;
        self.size_bytes += other.size_bytes;
        self.broken.extend(other.broken);
        self.broken.sort_by_key(|broken| broken.damage.at);
    }
}

/// Puts sections into an engine.
struct Filler<'a> {
    snapshot: &'a Snapshot,
    tolerance: Tolerance,
    due_at: UnixMillis,
    loader: &'a mut Loader,
    report: LoadReport,
}

impl<'a> Filler<'a> {
    fn new(snapshot: &'a Snapshot, loader: &'a mut Loader, options: &LoadOptions) -> Self {
        Self {
            snapshot,
            tolerance: options.tolerance,
            due_at: options.due_at.unwrap_or(UnixMillis(i64::MIN)),
            loader,
            report: LoadReport::default(),
        }
    }

    fn add_section(&mut self, named: &IndexEntry) -> Result<(), SnapshotError> {
        self.report.size_bytes += named.end().unwrap_or(named.at) - named.at;
        let outcome = match self.snapshot.section(named) {
            Ok(section) => fill(self.loader, &section, self.due_at).map(|due| self.report.due += due),
            Err(damage) => Err(Refusal::Damage(damage)),
        };
        match (outcome, self.tolerance) {
            (Ok(()), _) => Ok(()),
            (Err(Refusal::Damage(damage)), Tolerance::Salvage) => {
                let legible = legible(self.snapshot.map().bytes(), named);
                let size_bytes = named.end().unwrap_or(named.at) - named.at;
                self.report.broken.push(BrokenSection { damage, size_bytes, entries: named.entries, legible });
                Ok(())
            }
            (Err(Refusal::Damage(damage)), Tolerance::Strict) => Err(SnapshotError::of(self.snapshot.path(), damage)),
            (Err(Refusal::Load { key, error }), _) => Err(SnapshotError::Refused {
                path: self.snapshot.path().to_owned(),
                place: named.subject.place(),
                key: String::from_utf8_lossy(&key).into_owned(),
                reason: error.to_string(),
            }),
        }
    }

    fn finish(mut self) -> Result<LoadReport, SnapshotError> {
        let path = self.snapshot.path();
        let refused = |error: LoadError| {
            let (path, place) = (path.to_owned(), super::error::Place::Section);
            SnapshotError::Refused { path, place, key: String::new(), reason: error.to_string() }
        };
        self.loader.flush().map_err(refused)?;
        let loaded = self.loader.loaded();
        self.report.keys = loaded.keys;
        self.report.libraries = loaded.libraries;
        Ok(self.report)
    }
}

/// So many bytes of sections a thread takes at once, at least.
const BATCH_BYTES: u64 = 512 << 10;
/// So far ahead the system is told what will be read.
const AHEAD_BYTES: u64 = 16 << 20;
