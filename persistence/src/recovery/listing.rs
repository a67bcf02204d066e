//! Which files a directory's log consists of, which of them are to be read, and what lies about.
//!
//! ```text
//! data/appendonlydir/*.manifest      ours, or of Redis 7
//! data/appendonly.aof                without a manifest: the single file of an older Redis. It is taken over as Redis 7
//!                                    does it: a manifest names it as the base, then it moves into the directory. Where
//!                                    that was cut off, the manifest names a file that is not in the directory yet.
//! ```

use super::window::Window;
use crate::error::OpenError;
use crate::log::LogPlace;
use crate::log::annotation::{Annotation, Kind, LINE_SIZE_MAX};
use crate::log::manifest::{GoesOn, MANIFEST_SIZE_BYTES_MAX, Manifest, ManifestFile};
use crate::storage::{Access, FileError, ListedFile, Storage, read_small};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files of a log.
#[derive(Debug)]
pub(crate) struct Listing {
    /// None if there is no log.
    pub(crate) manifest: Option<Manifest>,
    /// What to read, in order.
    pub(crate) sources: Vec<Source>,
    /// A single file that is to move into the directory, once a manifest names it.
    pub(crate) moves: Option<PathBuf>,
    /// Files that no reader needs.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// A file to read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) is_base: bool,
}

impl Listing {
    pub(crate) fn read(storage: &dyn Storage, place: &LogPlace) -> Result<Self, OpenError> {
        let mut manifest = read_manifest(storage, place)?;
        let listed = match storage.list(&place.dir) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(FileError::new("list", &place.dir, error).into()),
        };
        let leftovers = leftovers(storage, place, manifest.as_ref(), &listed)?;
        let single = place.single_path();
        let mut moves = None;
        if manifest.is_none() && size_of(storage, &single)?.is_some() {
            let base = ManifestFile { name: place.stem.clone(), seq: 1 };
            manifest = Some(Manifest { base: Some(base), ..Manifest::default() });
        }
        let mut sources = Vec::new();
        for file in manifest.iter().flat_map(|m| m.base.iter().chain(&m.incremental)) {
            let mut path = place.path(&file.name);
            let is_base = sources.is_empty() && manifest.as_ref().is_some_and(|m| m.base.is_some());
            let mut size = size_of(storage, &path)?;
            if size.is_none() && is_base && file.name == place.stem {
                size = size_of(storage, &single)?;
                path = single.clone();
                moves = Some(single.clone());
            }
            let Some(size_bytes) = size else {
                return Err(OpenError::MissingFile { manifest: place.manifest_path(), path: place.path(&file.name) });
            };
            sources.push(Source { path, size_bytes, is_base });
        }
        Ok(Self { manifest, sources, moves, leftovers })
    }

    /// How many bytes there are to read.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.size_bytes).sum()
    }

    /// For a log with a base: where it says that the journal goes on, if it says so.
    pub(crate) fn goes_on(&self) -> Option<Option<GoesOn>> {
        let manifest = self.manifest.as_ref()?;
        manifest.base.as_ref().map(|_| manifest.goes_on)
    }
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

fn size_of(storage: &dyn Storage, path: &Path) -> Result<Option<u64>, FileError> {
    match storage.open(path, Access::Read).and_then(|file| file.size_bytes()) {
        Ok(size) => Ok(Some(size)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("open", path, error)),
    }
}

/// Temporary files, history, and files that were begun but not yet listed. An unlisted file with data is an error: whoever
/// lost the manifest would lose the data.
fn leftovers(
    storage: &dyn Storage,
    place: &LogPlace,
    manifest: Option<&Manifest>,
    listed: &[ListedFile],
) -> Result<Vec<PathBuf>, OpenError> {
    let reads = |name: &str| manifest.is_some_and(|m| m.reads(name));
    let is_history = |name: &str| manifest.is_some_and(|m| m.history.iter().any(|file| file.name == name));
    let mut leftovers = Vec::new();
    for file in listed.iter().filter(|file| !reads(&file.name)) {
        let path = place.path(&file.name);
        if place.is_temporary(&file.name) || is_history(&file.name) {
            leftovers.push(path);
        } else if place.is_base(&file.name) {
            // Beside a manifest it is a base that was finished and not yet named, or one whose removal was cut off.
            if manifest.is_none() {
                return Err(OpenError::UnlistedFile { manifest: place.manifest_path(), path });
            }
            leftovers.push(path);
        } else if place.is_incremental(&file.name) {
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
    Ok(leftovers)
}

fn seq_of(name: &str) -> Option<u64> {
    name.strip_suffix(".incr.aof")?.rsplit('.').next()?.parse().ok()
}

/// Whether a file that no manifest lists has more than the line that opens it.
fn holds_data(storage: &dyn Storage, path: &Path) -> Result<bool, OpenError> {
    let mut window = Window::open(storage, path)?;
    let bytes = window.bytes_at(0, LINE_SIZE_MAX)?;
    let opened_to = match Annotation::decode(bytes) {
        Ok((line, size)) if line.kind == Kind::Open => size as u64,
        _ => 0,
    };
    let rest = window.bytes_at(opened_to, 1)?;
    let is_line_part = opened_to == 0 && rest.len() < LINE_SIZE_MAX;
    Ok(!is_line_part && !window.is_zero_from(opened_to)?)
}
