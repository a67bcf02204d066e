//! A file that is written from its beginning to its end.

use super::error::SaveError;
use crate::storage::{Access, FileError, Storage, StorageFile};
use std::path::Path;

/// A new file. Its bytes gather in a buffer.
pub(super) struct SequentialFile<'p> {
    file: Box<dyn StorageFile>,
    path: &'p Path,
    buffer: Vec<u8>,
    at: u64,
}

impl<'p> SequentialFile<'p> {
    pub(super) fn create(storage: &dyn Storage, path: &'p Path) -> Result<Self, SaveError> {
        let file = storage.open(path, Access::Create).map_err(|e| FileError::new("create", path, e))?;
        Ok(Self { file, path, buffer: Vec::with_capacity(2 * BUFFER_BYTES), at: 0 })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), SaveError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Makes all bytes durable, and returns how many there are.
    pub(super) fn finish(mut self) -> Result<u64, SaveError> {
        self.flush()?;
        self.file.sync_data().map_err(|e| FileError::new("sync", self.path, e))?;
        Ok(self.at)
    }

    fn flush(&mut self) -> Result<(), SaveError> {
        self.file.write_at(&[&self.buffer], self.at).map_err(|e| FileError::new("write", self.path, e))?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

const BUFFER_BYTES: usize = 1 << 20;
