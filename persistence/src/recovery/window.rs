//! A file read from front to back through a buffer that is as large as the largest group, not as the file.

use crate::storage::{Access, FileError, Storage, StorageFile};
use std::path::{Path, PathBuf};

/// A part of a file in memory.
#[derive(Debug)]
pub(crate) struct Window {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    size: u64,
    /// The position of the first byte of `bytes` in the file.
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) fn new(file: Box<dyn StorageFile>, path: &Path) -> Result<Self, FileError> {
        let size = file.size_bytes().map_err(|e| FileError::new("read the size of", path, e))?;
        Ok(Self { file, path: path.to_owned(), size, start: 0, bytes: Vec::new() })
    }

    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Self, FileError> {
        let file = storage.open(path, Access::Read).map_err(|e| FileError::new("open", path, e))?;
        Self::new(file, path)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `at` on: at least `len`, or all up to the end of the file.
    pub(crate) fn bytes_at(&mut self, at: u64, len: usize) -> Result<&[u8], FileError> {
        let len = (len as u64).min(self.size.saturating_sub(at)) as usize;
        let here = at >= self.start && at - self.start + len as u64 <= self.bytes.len() as u64;
        if !here {
            self.fill(at, len)?;
        }
        let from = at.saturating_sub(self.start).min(self.bytes.len() as u64) as usize;
        Ok(&self.bytes[from..])
    }

    /// Moves the window to begin at `at`, keeping what is there already.
    fn fill(&mut self, at: u64, len: usize) -> Result<(), FileError> {
        let kept = if at >= self.start && at - self.start < self.bytes.len() as u64 {
            self.bytes.drain(..(at - self.start) as usize);
            self.bytes.len()
        } else {
            0
        };
        let wanted = (len.max(READ_SIZE) as u64).min(self.size.saturating_sub(at)) as usize;
        self.bytes.resize(wanted.max(kept), 0);
        self.start = at;
        let mut filled = kept;
        while filled < wanted {
            let read = self.file.read_at(&mut self.bytes[filled..wanted], at + filled as u64);
            match read.map_err(|e| FileError::new("read", &self.path, e))? {
                0 => break,
                n => filled += n,
            }
        }
        if filled < wanted {
            // Somebody cut the file since it was opened.
            self.size = at + filled as u64;
            self.bytes.truncate(filled);
        }
        Ok(())
    }

    /// Whether there are only zeros from `at` to the end.
    pub(crate) fn is_zero_from(&mut self, mut at: u64) -> Result<bool, FileError> {
        while at < self.size {
            let bytes = self.bytes_at(at, 1)?;
            if bytes.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            at += bytes.len() as u64;
        }
        Ok(true)
    }
}

/// How much is read at a time.
const READ_SIZE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn any_part_can_be_asked_for() {
        let disk = MemoryStorage::new(1);
        let content: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
        disk.put(Path::new("/f"), &content);
        let file = disk.open(Path::new("/f"), Access::Read).unwrap();
        let mut window = Window::new(file, Path::new("/f")).unwrap();
        for (at, len) in [(0, 10), (5, 1 << 20), (2_000_000, 4), (1_999_990, 2_000_000), (2_999_999, 5), (0, 3_000_000)]
        {
            let bytes = window.bytes_at(at as u64, len).unwrap();
            let expected = &content[at..];
            assert!(bytes.len() >= len.min(expected.len()));
            assert!(bytes == &expected[..bytes.len()]);
        }
        assert!(window.bytes_at(3_000_000, 1).unwrap().is_empty());
        assert!(window.bytes_at(9_000_000, 1).unwrap().is_empty());
    }

    #[test]
    fn zeros_are_recognised_to_the_end() {
        let disk = MemoryStorage::new(1);
        let mut content = vec![0; 2_500_000];
        content[9] = 1;
        disk.put(Path::new("/f"), &content);
        let file = disk.open(Path::new("/f"), Access::Read).unwrap();
        let mut window = Window::new(file, Path::new("/f")).unwrap();
        assert!(!window.is_zero_from(0).unwrap());
        assert!(window.is_zero_from(10).unwrap());
    }
}
