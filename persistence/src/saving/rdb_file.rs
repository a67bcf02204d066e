//! An RDB as a file: written under another name, renamed when it is whole and durable.

use super::{SaveError, SaveProgress};
use crate::rdb::{RdbOptions, RdbWriter};
use crate::storage::{Access, FileError, Storage, StorageFile};
use keyslot_engine::{DATABASE_COUNT, Slot, SlotView, View};
use std::path::{Path, PathBuf};

/// Writes what the view shows to an RDB of this name, durably; the view's memory is given back on the way. A file that was there
/// stays until the new one takes its place. Returns the size in bytes. O(bytes).
pub(super) fn write_rdb(
    view: View,
    storage: &dyn Storage,
    path: &Path,
    options: RdbOptions,
    progress: &SaveProgress,
) -> Result<u64, SaveError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!("temp-{}-{name}", storage.chance() % 1_000_000));
    let written = write_whole(view, storage, &temporary, options, progress);
    let size = written.inspect_err(|_| {
        // The error that counts is the first one.
        let _ = storage.remove(&temporary);
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    storage.rename(&temporary, path).map_err(|e| FileError::new("rename", &temporary, e))?;
    storage.sync_dir(&folder).map_err(|e| FileError::new("sync directory", &folder, e))?;
    Ok(size)
}

/// Writes what the view shows to a new file, and makes its bytes durable. Returns their count.
pub(crate) fn write_whole(
    view: View,
    storage: &dyn Storage,
    path: &Path,
    options: RdbOptions,
    progress: &SaveProgress,
) -> Result<u64, SaveError> {
    let file = storage.open(path, Access::Create).map_err(|e| FileError::new("create", path, e))?;
    let sizes: Vec<_> = (0..DATABASE_COUNT).map(|db| (db, view.sizes(db))).filter(|(_, s)| s.keys > 0).collect();
    progress.begin(sizes.iter().map(|(_, sizes)| sizes.keys).sum());
    let has_field_expiries = sizes.iter().any(|(_, sizes)| sizes.timed > 0);
    let mut out = Out { file, path, writer: RdbWriter::new(options.carrying(has_field_expiries)), size: 0 };
    out.writer.begin(view.now());
    view.libraries().for_each(|library| out.writer.library(library));
    let last = sizes.len().saturating_sub(1);
    for (at, (db, sizes)) in sizes.iter().enumerate() {
        out.writer.select(*db, sizes.keys, sizes.expires);
        let is_last = at == last;
        for slot in Slot::all() {
            let keys = if is_last { view.take_slot(slot) } else { view.slot(slot) };
            progress.advance(out.write_slot(&keys, *db)?)?;
        }
    }
    out.writer.end();
    out.flush()?;
    out.file.sync_data().map_err(|e| FileError::new("sync", path, e))?;
    Ok(out.size)
}

/// A file that is written from its beginning to its end.
struct Out<'p> {
    file: Box<dyn StorageFile>,
    path: &'p Path,
    writer: RdbWriter,
    size: u64,
}

impl Out<'_> {
    fn write_slot(&mut self, slot: &SlotView, db: u16) -> Result<u64, SaveError> {
        let mut count = 0;
        for entry in slot.iter_database(db) {
            self.writer.entry(&entry);
            count += 1;
            if self.writer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), SaveError> {
        let count = self.writer.len() as u64;
        let written = self.writer.take(|bytes| self.file.write_at(&[bytes], self.size));
        written.map_err(|e| FileError::new("write", self.path, e))?;
        self.size += count;
        Ok(())
    }
}

const BUFFER_BYTES: usize = 1 << 20;
