//! Opening a log: reads what is there, decides what a damage is, makes the files fit to go on.
//!
//! Reading (`inspect`) changes nothing. It walks manifest, base and incremental files in order and hands on every whole
//! batch. At the first damage, with `readable` the journal offset up to which everything is sound:
//!
//! ```text
//!  does any intact line, before or after the damage, in this file or a later one, say durable > readable?
//!    no   -> torn tail: what a crash leaves. Cut, kept in a quarantine file, reported.
//!    yes  -> corruption. Strict: refused with the place. Salvage: cut, kept, reported as loss.
//! ```
//!
//! A damaged line that held no bytes of the journal, with an intact line behind it, is corruption as well: such lines are
//! synced before anything is written behind them. What no line calls durable yet cannot be told from a torn tail: damage
//! done later to the newest groups of a log that was not stopped cleanly is cut, kept and reported as torn.
//!
//! A damaged base is refused, or, to salvage, read as far as it is legible: the log goes on behind it all the same.
//!
//! Settling (`settle`) cuts, and then writes what no line calls durable once more and syncs it, with the names: after a
//! failed fsync the system may show bytes that it will never write by itself.
//!
//! Invariants
//! - A batch is applied wholly or not at all.
//! - Settling can be cut off anywhere and done again: bytes are copied to quarantine, synced, and only then cut.
//! - Nothing is cut unless all of the log could be read up to there.

mod base;
mod dispatch;
mod frames;
mod listing;
mod lock;
mod log_check;
mod manifest_check;
mod receiver;
mod repair;
mod report;
mod scan;
mod settle;
mod sorter;
mod survey;
mod window;

pub(crate) use dispatch::{Dispatcher, Lanes};
pub(crate) use listing::Listing;
pub(crate) use lock::lock;
pub use log_check::{LogCheck, check_log};
pub use manifest_check::{ManifestCheck, check_manifest};
pub(crate) use receiver::{Receiver, ReplayBatch};
pub use repair::{CheckReport, Repair, check, repair};
pub(crate) use report::Size;
pub use report::{BaseKind, BaseReport, Cut, Legible, RecoveryReport};
pub(crate) use settle::{Settled, Settling, settle};
pub(crate) use sorter::{Sorted, Sorter};
pub use survey::{Contents, FileKind, Survey, survey};

use crate::error::OpenError;
use crate::log::GoesOn;
use crate::log::annotation::{Annotation, Kind, LINE_SIZE_MAX};
pub use crate::log::manifest::ManifestFault;
use crate::rdb::RdbEvent;
use crate::snapshot::{LoadReport, Snapshot, Tolerance};
use crate::storage::{FileError, Storage};
use base::{begins_rdb, read_rdb};
use keyslot_engine::Offset;
use listing::Source;
use scan::{Cause, Damage, Progress, Scanned, Watch, scan};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use window::Window;

/// What to do about a log that is damaged where a crash cannot have damaged it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Recovery {
    /// Refuse to open, naming the place.
    #[default]
    Strict,
    /// Open with what stands before the damage; keep the rest in quarantine files. Of a base, with all sections of a snapshot
    /// that are sound, or all keys of an RDB before the damage: then what the log holds for the others is passed over where it
    /// does not fit, a new base is written at once, and the old one is kept in a quarantine file.
    Salvage,
    /// Refuse a torn end as well (Redis: `aof-load-truncated no`).
    Whole,
}

/// What a log holds, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) listing: Listing,
    /// The files that were read, oldest first.
    pub(crate) files: Vec<ReadFile>,
    pub(crate) progress: Progress,
    pub(crate) broken: Option<Broken>,
    pub(crate) base: Option<BaseReport>,
    /// What is wrong with the base, and was passed over.
    pub(crate) base_damages: Vec<BaseDamage>,
    /// Keys and commands that did not fit what is left of it.
    pub(crate) passed_over: u64,
}

/// Damage of a base that did not end the reading.
#[derive(Clone, Debug)]
pub(crate) struct BaseDamage {
    pub(crate) at: u64,
    /// How many bytes are lost with it, if any are.
    pub(crate) size_bytes: u64,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) path: PathBuf,
    pub(crate) is_base: bool,
    pub(crate) size: u64,
    /// The journal offset of its first byte.
    pub(crate) start: u64,
    pub(crate) scanned: Scanned,
}

/// Where the log cannot be read on.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// The place, in the last of the files that were read.
    pub(crate) damage: Damage,
    /// Files after that one.
    pub(crate) later: Vec<PathBuf>,
    /// Up to where the log was durable by its own account.
    pub(crate) durable: u64,
    pub(crate) is_corruption: bool,
    /// Whether there is nothing but space that was written ahead.
    pub(crate) is_only_zeros: bool,
}

impl Inspection {
    /// Where the journal goes on.
    pub(crate) fn end(&self) -> u64 {
        self.progress.offset
    }

    /// The error for a log that `recovery` does not open.
    pub(crate) fn refusal(&self, recovery: Recovery) -> Option<OpenError> {
        let broken = self.broken.as_ref()?;
        let path = self.files.last()?.path.clone();
        let Damage { at: offset, expected, found, .. } = broken.damage.clone();
        match recovery {
            Recovery::Strict | Recovery::Whole if broken.is_corruption => {
                let (durable, readable) = (Offset(broken.durable), Offset(self.end()));
                Some(OpenError::Corrupt { path, offset, expected, found, durable, readable })
            }
            Recovery::Whole if !broken.is_only_zeros => Some(OpenError::Torn { path, offset, expected, found }),
            Recovery::Strict | Recovery::Salvage | Recovery::Whole => None,
        }
    }
}

/// Reads a log and hands on its batches. `watch` is told the bytes read of all and how many there are.
pub(crate) fn inspect(
    storage: &dyn Storage,
    listing: Listing,
    receiver: &mut dyn Receiver,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Inspection, OpenError> {
    let mut inspection = Inspection {
        listing,
        files: Vec::new(),
        progress: Progress::default(),
        broken: None,
        base: None,
        base_damages: Vec::new(),
        passed_over: 0,
    };
    let read = inspection.read(storage, receiver, watch);
    // What was refused late stands before what stopped the reading.
    receiver.finish().map_err(|late| OpenError::Refused {
        path: late.path,
        offset: late.at,
        expected: format!("that {} can be applied", late.refused.what),
        reason: late.refused.reason,
    })?;
    read?;
    inspection.passed_over = receiver.passed_over();
    reach_base(&mut inspection);
    Ok(inspection)
}

impl Inspection {
    fn read(
        &mut self,
        storage: &dyn Storage,
        receiver: &mut dyn Receiver,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<(), OpenError> {
        let sources = self.listing.sources.clone();
        let total = self.listing.size_bytes();
        let mut before = 0;
        for (index, source) in sources.iter().enumerate() {
            let mut window = Window::open(storage, &source.path)?;
            let mut watch_file: Watch<'_> = &mut |read| watch(before + read, total);
            receiver.begin_file(&source.path);
            let mut rdb_size = 0;
            if source.is_base {
                rdb_size = self.read_base(storage, &mut window, &source.path, receiver, &mut watch_file)?;
            } else if index <= 1 {
                enter_log(&mut window, self.listing.goes_on(), &mut self.progress)?;
            }
            let start = self.progress.offset;
            let scanned = scan(&mut window, rdb_size, &mut self.progress, receiver, &mut watch_file)?;
            let damage = scanned.damage.clone();
            let Source { path, is_base, .. } = source.clone();
            self.files.push(ReadFile { path, is_base, size: window.size(), start, scanned });
            before += window.size();
            let Some(damage) = damage else { continue };
            unrecoverable(&source.path, &damage)?;
            let later = &sources[index + 1..];
            if !source.is_base && goes_on(storage, later, &self.progress)? {
                continue;
            }
            self.broken = Some(judge(storage, &mut window, self, damage, later)?);
            break;
        }
        Ok(())
    }

    /// Reads the RDB or snapshot of a base, if it has one, and says how large that is.
    fn read_base(
        &mut self,
        storage: &dyn Storage,
        window: &mut Window,
        path: &Path,
        receiver: &mut dyn Receiver,
        watch: Watch<'_>,
    ) -> Result<u64, OpenError> {
        let manifest = self.listing.manifest.get_or_insert_default();
        let tolerance = receiver.tolerance();
        let mut damages = Vec::new();
        if let Some(expected) = manifest.base_size_bytes.filter(|size| *size != window.size()) {
            let found = window.size();
            if tolerance == Tolerance::Strict {
                return Err(OpenError::BaseSize { path: path.to_owned(), expected, found });
            }
            let (at, size_bytes) = (found.min(expected), found.saturating_sub(expected));
            let (expected, found) = (format!("a base of {expected} bytes"), format!("one of {found}"));
            damages.push(BaseDamage { at, size_bytes, expected, found });
            receiver.miss_base();
        }
        let mut base = BaseReport { path: path.to_owned(), size_bytes: window.size(), ..BaseReport::default() };
        if window.bytes_at(0, SNAPSHOT_MAGIC.len())?.starts_with(SNAPSHOT_MAGIC) {
            let snapshot = Arc::new(Snapshot::open(storage, path, tolerance)?);
            let loaded = receiver.snapshot(&snapshot)?;
            damages.extend(snapshot_damages(&snapshot, &loaded));
            if !damages.is_empty() {
                receiver.miss_base();
            }
            self.base_damages = damages;
            let header = snapshot.header();
            let goes_on = GoesOn { offset: header.offset.0, era: header.era };
            manifest.goes_on = manifest.goes_on.or(Some(goes_on));
            let (keys, libraries) = (loaded.keys, loaded.libraries);
            self.base = Some(BaseReport { kind: BaseKind::Snapshot, keys, libraries, ..base });
            watch(window.size());
            return Ok(window.size());
        }
        if begins_rdb(window)? {
            let mut rdb = read_rdb(window, receiver, watch)?;
            if let Some(Damage { at: offset, expected, found, cause }) = rdb.damage {
                if tolerance == Tolerance::Strict || cause == Cause::Refused {
                    return Err(OpenError::Base { path: path.to_owned(), offset, expected, found });
                }
                // What is whole is stored; the rest has no marks by which to find it.
                receiver.miss_base();
                let _ = receiver.event(RdbEvent::End);
                let size_bytes = window.size().saturating_sub(offset);
                damages.push(BaseDamage { at: offset, size_bytes, expected, found });
                rdb.size_bytes = window.size();
            }
            self.base_damages = damages;
            manifest.goes_on = manifest.goes_on.or(rdb.goes_on);
            base = BaseReport {
                kind: BaseKind::Rdb { version: rdb.version },
                keys: rdb.keys,
                libraries: rdb.libraries,
                ..base
            };
            self.base = Some(base);
            return Ok(rdb.size_bytes);
        }
        self.base_damages = damages;
        self.base = Some(base);
        Ok(0)
    }
}

/// What a snapshot lacks.
fn snapshot_damages(snapshot: &Snapshot, loaded: &LoadReport) -> Vec<BaseDamage> {
    let of_file = snapshot.damages().iter().map(|damage| (damage, 0, String::new()));
    let of_sections = loaded.broken.iter().map(|broken| {
        let lost = format!("; {} entries are lost", broken.entries);
        (&broken.damage, broken.size_bytes, lost)
    });
    let damages = of_file.chain(of_sections).map(|(damage, size_bytes, lost)| BaseDamage {
        at: damage.at,
        size_bytes,
        expected: damage.expected.clone(),
        found: format!("{} in {}{lost}", damage.found, damage.place),
    });
    damages.collect()
}

/// A log that ends before its base does, or has no files, goes on at the base's end. The former is damage: a base is named
/// only once the log is durable up to there.
fn reach_base(inspection: &mut Inspection) {
    let Some(Some(goes_on)) = inspection.listing.goes_on() else { return };
    if inspection.broken.is_some() || inspection.end() >= goes_on.offset {
        return;
    }
    let found = format!("its end at {}", inspection.end());
    (inspection.progress.offset, inspection.progress.era) = (goes_on.offset, inspection.progress.era.max(goes_on.era));
    let log = inspection.listing.sources.iter().filter(|source| !source.is_base);
    let later: Vec<PathBuf> = log.map(|source| source.path.clone()).collect();
    let Some(last) = inspection.files.last().filter(|_| !later.is_empty()) else { return };
    let expected = format!("the log up to journal offset {}, where its base ends", goes_on.offset);
    let damage = Damage { at: last.size, expected, found, cause: Cause::Wrong };
    inspection.broken =
        Some(Broken { damage, later, durable: goes_on.offset, is_corruption: true, is_only_zeros: false });
}

/// Sets where the journal is when the first file of the log begins: where the base says, or, if it says nothing, where the
/// file does.
fn enter_log(window: &mut Window, base: Option<Option<GoesOn>>, progress: &mut Progress) -> Result<(), FileError> {
    let Some(goes_on) = base else { return Ok(()) };
    let line = Annotation::decode(window.bytes_at(0, LINE_SIZE_MAX)?);
    let start = line.ok().filter(|(line, _)| line.kind == Kind::Open).map(|(line, _)| line.offset);
    match (goes_on, start) {
        (Some(goes_on), start) => {
            progress.offset = goes_on.offset;
            progress.era = progress.era.max(goes_on.era);
            if let Some(start) = start.filter(|start| *start <= goes_on.offset) {
                (progress.offset, progress.skipped_to) = (start, goes_on.offset);
            }
        }
        (None, Some(start)) => progress.offset = start,
        (None, None) => {}
    }
    Ok(())
}

/// Damage that no way of opening gets past.
fn unrecoverable(path: &Path, damage: &Damage) -> Result<(), OpenError> {
    let path = path.to_owned();
    match damage.cause {
        Cause::Refused => Err(OpenError::Refused {
            path,
            offset: damage.at,
            expected: damage.expected.clone(),
            reason: damage.found.clone(),
        }),
        Cause::Version(found) => Err(OpenError::UnsupportedVersion { path, offset: damage.at, found }),
        Cause::Short | Cause::Wrong => Ok(()),
    }
}

/// Whether the next file begins exactly where this one could be read to: then nothing of the journal is missing.
fn goes_on(storage: &dyn Storage, later: &[Source], progress: &Progress) -> Result<bool, FileError> {
    let Some(next) = later.first() else { return Ok(false) };
    let mut window = Window::open(storage, &next.path)?;
    let line = Annotation::decode(window.bytes_at(0, LINE_SIZE_MAX)?);
    Ok(matches!(line, Ok((line, _)) if line.kind == Kind::Open && line.offset == progress.offset))
}

/// Decides whether a crash can have done this.
fn judge(
    storage: &dyn Storage,
    window: &mut Window,
    inspection: &Inspection,
    damage: Damage,
    later: &[Source],
) -> Result<Broken, FileError> {
    let scanned = &inspection.files.last().expect("the damaged file was read").scanned;
    let mut durable = inspection.progress.durable;
    let behind = scan::look_behind(window, scanned.sound_to, scanned.file_id)?;
    durable = durable.max(behind.durable);
    for source in later {
        durable = durable.max(scan::look_behind(&mut Window::open(storage, &source.path)?, 0, None)?.durable);
    }
    // A line that holds no bytes of the journal is synced before anything is written behind it.
    let is_line_whole = Annotation::decode(window.bytes_at(scanned.sound_to, LINE_SIZE_MAX)?).is_ok();
    let hits_empty_line = scanned.sound_to == 0 || behind.first_offset == Some(inspection.end());
    let hits_synced_line = !is_line_whole && hits_empty_line && behind.first_offset.is_some();
    let is_corruption = if scanned.foreign {
        // Redis records nothing about durability: only a short last file looks like a crash.
        damage.cause != Cause::Short || !later.is_empty() || durable > inspection.end()
    } else {
        durable > inspection.end() || !later.is_empty() || hits_synced_line
    };
    let is_only_zeros = window.is_zero_from(inspection.files.last().map_or(0, |file| file.scanned.sound_to))?;
    let later = later.iter().map(|source| source.path.clone()).collect();
    Ok(Broken { damage, later, durable, is_corruption, is_only_zeros })
}

/// How a snapshot begins.
const SNAPSHOT_MAGIC: &[u8] = b"KSLOTSNP";

#[cfg(test)]
mod tests;
