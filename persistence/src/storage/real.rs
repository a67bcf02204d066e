//! The operating system's files.
//!
//! Linux and other Unix systems. `sync_data` is `fdatasync`, which also writes the size; `reserve` is `fallocate` with
//! `KEEP_SIZE`, so that the file never shows bytes that were not written; the lock is `flock`, which a dead process
//! cannot keep. Large writes go past the page cache where the system allows; see [`Direct`].

use super::direct::{DIRECT_SIZE_MIN, Direct};
use super::map::FileMap;
use super::{Access, ListedFile, LockError, Storage, StorageFile, StorageLock, StorageMap};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, fdatasync, flock, fsync};
use rustix::io::{Errno, pwritev};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The operating system's file system.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealStorage;

impl Storage for RealStorage {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match access {
            Access::Read => {}
            Access::Write => {
                options.write(true);
            }
            Access::Create => {
                options.write(true).create(true).truncate(true);
            }
        }
        let file = options.open(path)?;
        let direct = match access {
            Access::Read => None,
            Access::Write | Access::Create => Direct::open(path),
        };
        Ok(Box::new(RealFile { file, direct }))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn StorageMap>> {
        Ok(Box::new(FileMap::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListedFile>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push(ListedFile { name, size_bytes: metadata.len() });
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Ok(fsync(File::open(path)?)?)
    }

    fn chance(&self) -> u64 {
        // The standard library seeds each process's hash maps from the system.
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn StorageLock>, LockError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held { pid: read_pid(&mut file) }),
            Err(errno) => return Err(LockError::Io(errno.into())),
        }
        file.set_len(0)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[derive(Debug)]
struct RealLock {
    /// Closing it releases the lock.
    _file: File,
}

impl StorageLock for RealLock {}

#[derive(Debug)]
struct RealFile {
    file: File,
    direct: Option<Direct>,
}

impl StorageFile for RealFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&mut self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        if let Some(direct) = &mut self.direct
            && parts.iter().map(|part| part.len()).sum::<usize>() >= DIRECT_SIZE_MIN
        {
            return direct.write_at(&self.file, parts, at);
        }
        let mut at = at;
        let mut index = 0;
        let mut skip = 0;
        while index < parts.len() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_CALL_MAX];
            let count = (parts.len() - index).min(SLICES_PER_CALL_MAX);
            for (slot, part) in slices.iter_mut().zip(&parts[index..]) {
                *slot = IoSlice::new(part);
            }
            slices[0] = IoSlice::new(&parts[index][skip..]);
            let asked: usize = slices[..count].iter().map(|s| s.len()).sum();
            let mut written = match pwritev(&self.file, &slices[..count], at) {
                Ok(0) if asked > 0 => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            at += written as u64;
            while index < parts.len() && written >= parts[index].len() - skip {
                written -= parts[index].len() - skip;
                skip = 0;
                index += 1;
            }
            skip += written;
        }
        Ok(())
    }

    fn write_before_zeros(&mut self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        match &mut self.direct {
            Some(direct) => direct.write_before_zeros(&self.file, parts, at),
            None => self.write_at(parts, at),
        }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    fn reserve(&mut self, at: u64, len: u64) -> io::Result<()> {
        Ok(fallocate(&self.file, FallocateFlags::KEEP_SIZE, at, len)?)
    }

    fn set_size(&mut self, size_bytes: u64) -> io::Result<()> {
        self.file.set_len(size_bytes)
    }
}

/// How many parts go into one system call; the system's own limit is 1024.
const SLICES_PER_CALL_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_beyond_one_call_are_written_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut file = RealStorage.open(&path, Access::Create).unwrap();
        let pieces: Vec<Vec<u8>> = (0..1000u32).map(|i| vec![i as u8; (i % 7) as usize]).collect();
        let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        file.write_at(&[b"head"], 0).unwrap();
        file.write_at(&parts, 4).unwrap();
        let expected: Vec<u8> = b"head".iter().copied().chain(pieces.concat()).collect();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn reserving_does_not_change_the_size() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RealStorage.open(&dir.path().join("f"), Access::Create).unwrap();
        if file.reserve(0, 1 << 20).is_ok() {
            assert_eq!(file.size_bytes().unwrap(), 0);
        }
    }

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealStorage.lock(&path).unwrap();
        match RealStorage.lock(&path) {
            Err(LockError::Held { pid }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        RealStorage.lock(&path).unwrap();
    }

    #[test]
    fn only_plain_files_are_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b"), b"22").unwrap();
        std::fs::write(dir.path().join("a"), b"1").unwrap();
        std::fs::create_dir(dir.path().join("c")).unwrap();
        let listed = RealStorage.list(dir.path()).unwrap();
        let names: Vec<_> = listed.iter().map(|f| (f.name.as_str(), f.size_bytes)).collect();
        assert_eq!(names, [("a", 1), ("b", 2)]);
        let missing = RealStorage.list(&dir.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
