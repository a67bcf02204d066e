//! An RDB as a file: written under another name, renamed when it is whole and durable.

use super::sequential::SequentialFile;
use super::{SaveError, SaveProgress};
use crate::rdb::{RdbOptions, write_view};
use crate::storage::{FileError, Storage};
use keyslot_engine::{DATABASE_COUNT, View};
use std::path::{Path, PathBuf};

/// Writes what the view shows to an RDB of this name, durably; the view's memory is given back on the way. A file that was there
/// stays until the new one takes its place. O(bytes).
pub(super) fn write_rdb(
    view: &View,
    storage: &dyn Storage,
    path: &Path,
    options: RdbOptions,
    notes: &[(String, String)],
    progress: &SaveProgress,
) -> Result<(), SaveError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!("temp-{}-{name}", storage.chance() % 1_000_000));
    let mut all: Vec<_> = notes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("aof-base", "0"));
    let named = write_whole(view, storage, &temporary, options, &all, progress)
        .and_then(|_| Ok(storage.rename(&temporary, path).map_err(|e| FileError::new("rename", &temporary, e))?));
    named.inspect_err(|_| {
        // The error that counts is the first one.
        let _ = storage.remove(&temporary);
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok(storage.sync_dir(&folder).map_err(|e| FileError::new("sync directory", &folder, e))?)
}

/// Writes what the view shows to a new file, with these notes and those of every RDB, and makes its bytes durable. Returns their
/// count.
pub(super) fn write_whole(
    view: &View,
    storage: &dyn Storage,
    path: &Path,
    options: RdbOptions,
    notes: &[(&str, &str)],
    progress: &SaveProgress,
) -> Result<u64, SaveError> {
    progress.begin((0..DATABASE_COUNT).map(|db| view.sizes(db).keys).sum());
    let seconds = (view.now().0 / 1000).to_string();
    let mut all =
        vec![("redis-ver", REDIS_VERSION), ("redis-bits", "64"), ("ctime", &seconds), ("keyslot-ver", KEYSLOT_VERSION)];
    all.extend_from_slice(notes);
    let mut out = SequentialFile::create(storage, path)?;
    write_view(view, options, &all, &mut |piece, keys| {
        progress.reach(keys)?;
        out.push(piece)
    })?;
    out.finish()
}

/// The version that files name: that of the server whose commands are served.
const REDIS_VERSION: &str = "7.2.4";
const KEYSLOT_VERSION: &str = env!("CARGO_PKG_VERSION");
