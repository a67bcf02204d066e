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
//! Settling (`settle`) cuts, and then writes what no line calls durable once more and syncs it, with the names: after a
//! failed fsync the system may show bytes that it will never write by itself.
//!
//! Invariants
//! - A batch is applied wholly or not at all.
//! - Settling can be cut off anywhere and done again: bytes are copied to quarantine, synced, and only then cut.
//! - Nothing is cut unless all of the log could be read up to there.

mod frames;
mod lock;
mod log_check;
mod repair;
mod report;
mod scan;
mod settle;
mod window;

pub use frames::{Refused, ReplayBatch};
pub(crate) use lock::lock;
pub use log_check::{LogCheck, check_log};
pub use repair::{CheckReport, Repair, check, repair};
pub(crate) use report::Size;
pub use report::{Cut, RecoveryReport};
pub(crate) use settle::{Settled, Settling, settle};

use crate::error::OpenError;
use crate::log::LogPlace;
use crate::log::annotation::{Annotation, Kind, LINE_SIZE_MAX};
use crate::log::manifest::{MANIFEST_SIZE_BYTES_MAX, Manifest};
use crate::storage::{Access, FileError, Storage, read_small};
use frames::Apply;
use keyslot_engine::Offset;
use scan::{Cause, Damage, Progress, Scanned, Watch, scan};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use window::Window;

/// What to do about a log that is damaged where a crash cannot have damaged it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Recovery {
    /// Refuse to open, naming the place.
    #[default]
    Strict,
    /// Open with what stands before the damage; keep the rest in quarantine files.
    Salvage,
}

/// What a log holds, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) manifest: Option<Manifest>,
    /// The files that were read, oldest first.
    pub(crate) files: Vec<ReadFile>,
    pub(crate) progress: Progress,
    pub(crate) broken: Option<Broken>,
    /// Unfinished files that no reader needs.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
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
}

impl Inspection {
    /// Where the journal goes on.
    pub(crate) fn end(&self) -> u64 {
        self.progress.offset
    }

    /// The error for a log that `recovery` does not open.
    pub(crate) fn refusal(&self, recovery: Recovery) -> Option<OpenError> {
        let broken = self.broken.as_ref().filter(|b| b.is_corruption && recovery == Recovery::Strict)?;
        let file = self.files.last()?;
        Some(OpenError::Corrupt {
            path: file.path.clone(),
            offset: broken.damage.at,
            expected: broken.damage.expected.clone(),
            found: broken.damage.found.clone(),
            durable: Offset(broken.durable),
            readable: Offset(self.end()),
        })
    }
}

/// Reads a log and hands on its batches. `watch` is told the bytes read of all and how many there are.
pub(crate) fn inspect(
    storage: &dyn Storage,
    place: &LogPlace,
    apply: Apply<'_>,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Inspection, OpenError> {
    let mut inspection = Inspection {
        manifest: None,
        files: Vec::new(),
        progress: Progress::default(),
        broken: None,
        leftovers: Vec::new(),
    };
    let manifest = read_manifest(storage, place)?;
    inspection.leftovers = leftovers(storage, place, manifest.as_ref())?;
    let Some(manifest) = manifest else { return Ok(inspection) };
    let paths = log_paths(storage, place, &manifest)?;
    let total: u64 = paths.iter().map(|(_, size)| size).sum();
    let mut before = 0;
    for (index, (path, _)) in paths.iter().enumerate() {
        let mut window = open(storage, path)?;
        if index == 0 && manifest.base.is_some() && window.bytes_at(0, 5)?.starts_with(b"REDIS") {
            return Err(OpenError::RdbBase { path: path.clone() });
        }
        let mut watch_file: Watch<'_> = &mut |read| watch(before + read, total);
        let scanned = scan(&mut window, &mut inspection.progress, apply, &mut watch_file)?;
        let damage = scanned.damage.clone();
        let file = ReadFile { path: path.clone(), size: window.size(), scanned };
        before += file.size;
        inspection.files.push(file);
        let Some(damage) = damage else { continue };
        unrecoverable(path, &damage)?;
        let later = &paths[index + 1..];
        if goes_on(storage, later, &inspection.progress)? {
            continue;
        }
        inspection.broken = Some(judge(storage, &mut window, &inspection, damage, later)?);
        break;
    }
    inspection.manifest = Some(manifest);
    Ok(inspection)
}

fn read_manifest(storage: &dyn Storage, place: &LogPlace) -> Result<Option<Manifest>, OpenError> {
    let path = place.manifest_path();
    let bytes = match read_small(storage, &path, MANIFEST_SIZE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("read", &path, error).into()),
    };
    match Manifest::decode(&bytes) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(fault) => Err(OpenError::Manifest { path, line: fault.line, expected: fault.expected, found: fault.found }),
    }
}

/// Temporary files and files that were begun but not yet listed. An unlisted file with data is an error: whoever lost
/// the manifest would lose the data.
fn leftovers(storage: &dyn Storage, place: &LogPlace, manifest: Option<&Manifest>) -> Result<Vec<PathBuf>, OpenError> {
    let listed = match storage.list(&place.dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(FileError::new("list", &place.dir, error).into()),
    };
    let known = |name: &str| manifest.is_some_and(|m| m.incremental.iter().any(|file| file.name == name));
    let mut leftovers = Vec::new();
    for file in &listed {
        let path = place.path(&file.name);
        if file.name == format!("temp-{}", place.manifest_name()) {
            leftovers.push(path);
        } else if place.is_incremental(&file.name) && !known(&file.name) {
            let kept = place.quarantine_path(&path, 0);
            let is_kept =
                listed.iter().any(|other| place.path(&other.name) == kept && other.size_bytes == file.size_bytes);
            let newest = manifest.and_then(|m| m.incremental.last()).map(|last| last.name.as_str());
            let is_older = newest.is_some_and(|newest| seq_of(&file.name) < seq_of(newest));
            if !is_kept && !is_older && holds_data(storage, &path)? {
                return Err(OpenError::UnlistedFile { manifest: place.manifest_path(), path });
            }
            leftovers.push(path);
        }
    }
    let single = place.dir.parent().map(|dir| dir.join(&place.stem));
    if let (Some(path), None) = (single, manifest) {
        match storage.open(&path, Access::Read) {
            Ok(_) => return Err(OpenError::SingleFileLog { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::new("open", &path, error).into()),
        }
    }
    Ok(leftovers)
}

fn seq_of(name: &str) -> Option<u64> {
    name.strip_suffix(".incr.aof")?.rsplit('.').next()?.parse().ok()
}

/// Whether a file that no manifest lists has more than the line that opens it.
fn holds_data(storage: &dyn Storage, path: &Path) -> Result<bool, OpenError> {
    let mut window = open(storage, path)?;
    let bytes = window.bytes_at(0, LINE_SIZE_MAX)?;
    let opened_to = match Annotation::decode(bytes) {
        Ok((line, size)) if line.kind == Kind::Open => size as u64,
        _ => 0,
    };
    let rest = window.bytes_at(opened_to, 1)?;
    let is_line_part = opened_to == 0 && rest.len() < LINE_SIZE_MAX;
    Ok(!is_line_part && !window.is_zero_from(opened_to)?)
}

/// The files to read, with their sizes.
fn log_paths(storage: &dyn Storage, place: &LogPlace, manifest: &Manifest) -> Result<Vec<(PathBuf, u64)>, OpenError> {
    let mut paths = Vec::new();
    for file in manifest.base.iter().chain(&manifest.incremental) {
        let path = place.path(&file.name);
        let size = match storage.open(&path, Access::Read).and_then(|file| file.size_bytes()) {
            Ok(size) => size,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(OpenError::MissingFile { manifest: place.manifest_path(), path });
            }
            Err(error) => return Err(FileError::new("open", &path, error).into()),
        };
        paths.push((path, size));
    }
    Ok(paths)
}

fn open(storage: &dyn Storage, path: &Path) -> Result<Window, FileError> {
    let file = storage.open(path, Access::Read).map_err(|e| FileError::new("open", path, e))?;
    Window::new(file, path)
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
fn goes_on(storage: &dyn Storage, later: &[(PathBuf, u64)], progress: &Progress) -> Result<bool, FileError> {
    let Some((next, _)) = later.first() else { return Ok(false) };
    let mut window = open(storage, next)?;
    let line = Annotation::decode(window.bytes_at(0, LINE_SIZE_MAX)?);
    Ok(matches!(line, Ok((line, _)) if line.kind == Kind::Open && line.offset == progress.offset))
}

/// Decides whether a crash can have done this.
fn judge(
    storage: &dyn Storage,
    window: &mut Window,
    inspection: &Inspection,
    damage: Damage,
    later: &[(PathBuf, u64)],
) -> Result<Broken, FileError> {
    let scanned = &inspection.files.last().expect("the damaged file was read").scanned;
    let mut durable = inspection.progress.durable;
    let behind = scan::look_behind(window, scanned.sound_to, scanned.file_id)?;
    durable = durable.max(behind.durable);
    for (path, _) in later {
        durable = durable.max(scan::look_behind(&mut open(storage, path)?, 0, None)?.durable);
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
    let later = later.iter().map(|(path, _)| path.clone()).collect();
    Ok(Broken { damage, later, durable, is_corruption })
}

#[cfg(test)]
mod tests;
