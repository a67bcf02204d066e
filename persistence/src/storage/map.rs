//! A file's bytes in the address space.

use super::StorageMap;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::path::Path;

/// A mapped file.
#[derive(Debug)]
pub(super) struct FileMap(Mmap);

impl FileMap {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: what is mapped are files that got their name when they were whole; nothing in this crate writes to them
        // after that, and a new one takes the name without touching the bytes of the old. That nobody else changes them is
        // what `StorageMap` asks for.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self(map))
    }
}

impl StorageMap for FileMap {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn will_read(&self, at: usize, size: usize) {
        let size = size.min(self.0.len().saturating_sub(at));
        if size > 0 {
            // A hint: where it is refused, reading only takes longer.
            let _ = self.0.advise_range(Advice::WillNeed, at, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_the_file_and_survives_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for bytes in [&b""[..], b"some bytes"] {
            std::fs::write(&path, bytes).unwrap();
            let map = FileMap::open(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            map.will_read(0, 100);
            map.will_read(100, 100);
            assert_eq!(map.bytes(), bytes);
        }
        assert_eq!(FileMap::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
