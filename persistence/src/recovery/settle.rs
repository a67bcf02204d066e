//! Makes the files of a log that was read fit to go on.

use super::report::{Cut, RecoveryReport};
use super::scan::legible_groups;
use super::window::Window;
use super::{BaseDamage, Broken, Inspection, ReadFile};
use crate::log::manifest::Manifest;
use crate::log::{LogPlace, Span};
use crate::storage::{Access, FileError, Storage, StorageFile, replace_file};
use std::path::{Path, PathBuf};

/// Whether to change anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settling {
    /// Say what would be done.
    DryRun,
    /// Do it.
    Done,
}

/// A log that is sound to its end.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) manifest: Manifest,
    pub(crate) report: RecoveryReport,
    /// The last file's number and its end, if it can be gone on with.
    pub(crate) resumable: Option<(u64, u64)>,
    pub(crate) base_size_bytes: u64,
    /// For each incremental file of the manifest.
    pub(crate) spans: Vec<Span>,
}

/// Cuts what cannot be read, and makes the rest durable.
pub(crate) fn settle(
    storage: &dyn Storage,
    place: &LogPlace,
    inspection: &Inspection,
    settling: Settling,
) -> Result<Settled, FileError> {
    let mut report = report_of(inspection);
    let mut manifest = inspection.listing.manifest.clone().unwrap_or_default();
    if settling == Settling::Done {
        for path in &inspection.listing.leftovers {
            storage.remove(path).map_err(|e| FileError::new("remove", path, e))?;
        }
    }
    // Whatever they were, the line above removed them.
    manifest.history.clear();
    keep_base(storage, place, inspection, settling, &mut report)?;
    let last = inspection.files.last();
    if let Some(last) = last {
        let broken = inspection.broken.as_ref();
        let is_base = last.is_base && broken.is_some();
        if is_base {
            // What is left of a base has another size, and the log does not go on from it: the manifest names neither before
            // the base is cut.
            (manifest.goes_on, manifest.base_size_bytes) = (None, None);
            let is_named = settling == Settling::Done && inspection.listing.moves.is_none();
            if is_named && broken.is_some_and(|broken| broken.later.is_empty()) {
                replace_file(storage, &place.dir, &place.manifest_name(), &manifest.encode())?;
            }
        } else {
            cut(storage, place, last, broken, settling, &mut report)?;
        }
        if let Some(broken) = broken.filter(|b| !b.later.is_empty()) {
            drop_files(storage, place, &broken.later, &mut manifest, settling, &mut report)?;
        }
        if is_base {
            cut(storage, place, last, broken, settling, &mut report)?;
        }
        if settling == Settling::Done {
            if is_kept(inspection, last) {
                make_durable(storage, last)?;
            }
            sync_dir(storage, &place.dir)?;
            if let Some(single) = &inspection.listing.moves {
                take_in(storage, place, &manifest, single)?;
            }
        }
    }
    let resumable = last.filter(|last| !last.is_base && is_kept(inspection, last)).and_then(|last| {
        let id = last.scanned.file_id.filter(|_| !last.scanned.foreign)?;
        Some((id, last.scanned.sound_to))
    });
    let (bases, log): (Vec<_>, Vec<_>) =
        inspection.files.iter().filter(|file| is_kept(inspection, file)).partition(|file| file.is_base);
    let base_size_bytes = bases.iter().map(|file| file.scanned.sound_to).sum();
    let spans = log.iter().map(|file| Span { start: file.start, size_bytes: file.scanned.sound_to }).collect();
    Ok(Settled { manifest, report, resumable, base_size_bytes, spans })
}

fn report_of(inspection: &Inspection) -> RecoveryReport {
    let progress = &inspection.progress;
    let last = inspection.files.last();
    RecoveryReport {
        base: inspection.base.clone(),
        files: inspection.files.len(),
        log_size_bytes: inspection.files.iter().map(|file| file.scanned.sound_to).sum(),
        batches: progress.batches,
        commands: progress.commands,
        end: keyslot_engine::Offset(inspection.end()),
        era: progress.era,
        clean: last.is_none_or(|last| last.scanned.stopped && last.scanned.sound_to == last.size),
        zeros_size_bytes: 0,
        cuts: Vec::new(),
        passed_over: inspection.passed_over,
        cold_slots: 0,
        elapsed_ms: 0,
    }
}

/// Keeps a copy of a base that is damaged, and reports what it lacks. The base itself stays until there is a new one.
fn keep_base(
    storage: &dyn Storage,
    place: &LogPlace,
    inspection: &Inspection,
    settling: Settling,
    report: &mut RecoveryReport,
) -> Result<(), FileError> {
    let (false, Some(base)) = (inspection.base_damages.is_empty(), inspection.files.first()) else { return Ok(()) };
    let kept = place.quarantine_path(&base.path, 0);
    for BaseDamage { at, size_bytes, expected, found } in inspection.base_damages.clone() {
        let (path, kept_in) = (base.path.clone(), Some(kept.clone()));
        let legible = Vec::new();
        report.cuts.push(Cut { path, at, size_bytes, expected, found, loses_durable: true, kept_in, legible });
    }
    if settling == Settling::Done {
        let mut window = Window::open(storage, &base.path)?;
        let size = window.size();
        copy(storage, &mut window, 0..size, &kept)?;
        sync_dir(storage, &place.dir)?;
    }
    Ok(())
}

/// Whether the file is still one of the log's.
fn is_kept(inspection: &Inspection, file: &ReadFile) -> bool {
    !inspection.broken.as_ref().is_some_and(|broken| broken.later.contains(&file.path))
}

/// Moves the single file of an older Redis into the directory. The manifest names it first: between the two steps it is
/// found where it was.
fn take_in(storage: &dyn Storage, place: &LogPlace, manifest: &Manifest, single: &Path) -> Result<(), FileError> {
    replace_file(storage, &place.dir, &place.manifest_name(), &manifest.encode())?;
    storage.rename(single, &place.path(&place.stem)).map_err(|e| FileError::new("rename", single, e))?;
    sync_dir(storage, &place.dir)?;
    sync_dir(storage, single.parent().unwrap_or(Path::new(".")))
}

/// Cuts the last file where it stops being sound.
fn cut(
    storage: &dyn Storage,
    place: &LogPlace,
    file: &ReadFile,
    broken: Option<&Broken>,
    settling: Settling,
    report: &mut RecoveryReport,
) -> Result<(), FileError> {
    let (Some(broken), at) = (broken, file.scanned.sound_to) else { return Ok(()) };
    let mut window = Window::open(storage, &file.path)?;
    let end = end_of_content(&mut window, at)?;
    report.zeros_size_bytes = file.size - end;
    let kept = place.quarantine_path(&file.path, at);
    if end > at {
        report.cuts.push(Cut {
            path: file.path.clone(),
            at,
            size_bytes: end - at,
            expected: broken.damage.expected.clone(),
            found: broken.damage.found.clone(),
            loses_durable: broken.is_corruption,
            kept_in: Some(kept.clone()),
            legible: legible_groups(&mut window, at, file.scanned.file_id)?,
        });
    }
    if settling == Settling::DryRun {
        return Ok(());
    }
    if end > at {
        copy(storage, &mut window, at..end, &kept)?;
        sync_dir(storage, &place.dir)?;
    }
    drop(window);
    let mut file = open_for_writing(storage, &file.path)?;
    file.0.set_size(at).map_err(|e| FileError::new("truncate", &file.1, e))?;
    file.0.sync_data().map_err(|e| FileError::new("sync", &file.1, e))
}

/// Where the last byte that is not zero ends.
fn end_of_content(window: &mut Window, from: u64) -> Result<u64, FileError> {
    let (mut at, mut end) = (from, from);
    while at < window.size() {
        let bytes = window.bytes_at(at, 1)?;
        if let Some(last) = bytes.iter().rposition(|b| *b != 0) {
            end = at + last as u64 + 1;
        }
        at += bytes.len() as u64;
    }
    Ok(end)
}

/// Moves whole files out of the log.
fn drop_files(
    storage: &dyn Storage,
    place: &LogPlace,
    paths: &[PathBuf],
    manifest: &mut Manifest,
    settling: Settling,
    report: &mut RecoveryReport,
) -> Result<(), FileError> {
    for path in paths {
        let mut window = Window::open(storage, path)?;
        let kept = place.quarantine_path(path, 0);
        report.cuts.push(Cut {
            path: path.clone(),
            at: 0,
            size_bytes: window.size(),
            expected: "the files before it to be whole".into(),
            found: "damage there".into(),
            loses_durable: true,
            kept_in: Some(kept.clone()),
            legible: legible_groups(&mut window, 0, None)?,
        });
        let size = window.size();
        if settling == Settling::Done {
            copy(storage, &mut window, 0..size, &kept)?;
        }
        manifest.incremental.retain(|file| place.path(&file.name) != *path);
    }
    if settling == Settling::Done {
        sync_dir(storage, &place.dir)?;
        replace_file(storage, &place.dir, &place.manifest_name(), &manifest.encode())?;
        for path in paths {
            storage.remove(path).map_err(|e| FileError::new("remove", path, e))?;
        }
        sync_dir(storage, &place.dir)?;
    }
    Ok(())
}

/// Copies a part of a file to a new file, durably but for its name.
fn copy(
    storage: &dyn Storage,
    window: &mut Window,
    range: std::ops::Range<u64>,
    target: &Path,
) -> Result<(), FileError> {
    let mut file = storage.open(target, Access::Create).map_err(|e| FileError::new("create", target, e))?;
    let mut at = range.start;
    while at < range.end {
        let bytes = window.bytes_at(at, 1)?;
        let size = (bytes.len() as u64).min(range.end - at);
        let written = file.write_at(&[&bytes[..size as usize]], at - range.start);
        written.map_err(|e| FileError::new("write", target, e))?;
        at += size;
    }
    file.sync_data().map_err(|e| FileError::new("sync", target, e))
}

/// Writes what no line calls durable, and the last line, once more, unchanged, and syncs the file.
fn make_durable(storage: &dyn Storage, file: &ReadFile) -> Result<(), FileError> {
    let mut window = Window::open(storage, &file.path)?;
    let mut target = open_for_writing(storage, &file.path)?;
    let from = file.scanned.unsettled.front().map_or(file.scanned.last_line_at, |(_, at)| *at);
    let mut at = if file.scanned.foreign { file.scanned.sound_to } else { from };
    while at < file.scanned.sound_to {
        let bytes = window.bytes_at(at, 1)?;
        let size = (bytes.len() as u64).min(file.scanned.sound_to - at);
        let written = target.0.write_at(&[&bytes[..size as usize]], at);
        written.map_err(|e| FileError::new("write", &target.1, e))?;
        at += size;
    }
    target.0.sync_data().map_err(|e| FileError::new("sync", &target.1, e))
}

fn open_for_writing(storage: &dyn Storage, path: &Path) -> Result<(Box<dyn StorageFile>, PathBuf), FileError> {
    let file = storage.open(path, Access::Write).map_err(|e| FileError::new("open", path, e))?;
    Ok((file, path.to_owned()))
}

fn sync_dir(storage: &dyn Storage, dir: &Path) -> Result<(), FileError> {
    storage.sync_dir(dir).map_err(|e| FileError::new("sync directory", dir, e))
}
