//! A disk in memory that loses what a real disk may lose, from a seed.
//!
//! Every file has two images: what the program reads and what would survive a power cut. A write changes the first and
//! waits as *pending*; `sync_data` carries the pending writes over to the second. Names work the same way, per
//! directory, with `sync_dir`. [`MemoryStorage::crash`] throws the first image away and builds it anew from the second
//! plus whatever [`Loss`] lets through of the pending writes, in pieces of one sector (512 bytes).
//!
//! Faults are planned by the number of the call at which they strike, so that a test can strike at every call of a run.
//! Same seed, same calls: same result.

mod disk;

use super::{Access, ListedFile, LockError, Storage, StorageFile, StorageLock, StorageMap};
use disk::{Call, Change, Disk, Inode, NameChange, disk_full, io_error};
pub use disk::{Fault, Loss};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryStorage {
    /// An empty disk; `seed` decides what crashes lose.
    pub fn new(seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk { chance: seed ^ 0x9e37_79b9_7f4a_7c15, ..Disk::default() })) }
    }

    /// How many calls were made so far. The next one has this number.
    pub fn calls(&self) -> u64 {
        self.disk.lock().calls
    }

    /// Arranges a fault. Several may be planned.
    pub fn plan(&self, fault: Fault) {
        self.disk.lock().faults.push(fault);
    }

    /// Cuts the power and starts the machine again: applies `loss`, forgets faults and locks, makes open files stale.
    pub fn crash(&self, loss: Loss) {
        self.disk.lock().crash(loss);
    }

    /// The bytes of a file as a program would read them, without counting as a call.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk.lock();
        let inode = disk.names.get(path)?;
        Some(disk.inodes[*inode].current.clone())
    }

    /// Puts a file there, durable, with its directories, without counting as a call.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut disk = self.disk.lock();
        for dir in path.ancestors().skip(1) {
            disk.dirs.insert(dir.to_owned());
            disk.durable_dirs.insert(dir.to_owned());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode { current: bytes.to_owned(), durable: bytes.to_owned(), pending: Vec::new() });
        disk.names.insert(path.to_owned(), inode);
        disk.durable_names.insert(path.to_owned(), inode);
    }

    /// The names of all files, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.disk.lock().names.keys().cloned().collect()
    }

    /// An independent disk with the same files, all durable.
    pub fn fork(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        for path in self.files() {
            if let Some(bytes) = self.contents(&path) {
                copy.put(&path, &bytes);
            }
        }
        copy
    }
}

impl Storage for MemoryStorage {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        let ancestors: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
        for dir in ancestors.into_iter().rev() {
            if !disk.dirs.insert(dir.clone()) {
                continue;
            }
            if dir.parent().is_none() {
                // A root is always there.
                disk.durable_dirs.insert(dir);
            } else {
                disk.pending_names.push(NameChange::Dir(dir));
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        let inode = match (disk.names.get(path).copied(), access) {
            (Some(inode), Access::Read | Access::Write) => inode,
            (None, Access::Read | Access::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(inode), Access::Create) => {
                disk.inodes[inode].change(Change::Size(0));
                inode
            }
            (None, Access::Create) => {
                if !path.parent().is_some_and(|dir| disk.dirs.contains(dir)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let inode = disk.inodes.len();
                disk.inodes.push(Inode::default());
                disk.names.insert(path.to_owned(), inode);
                disk.pending_names.push(NameChange::Link(path.to_owned(), inode));
                inode
            }
        };
        let boot = disk.boot;
        Ok(Box::new(MemoryFile { disk: self.disk.clone(), inode, boot, writes: access != Access::Read }))
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn StorageMap>> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        let inode = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(MemoryMap(disk.inodes[inode].current.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        let inode = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), inode);
        disk.pending_names.push(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        disk.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        disk.pending_names.push(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<ListedFile>> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        if !disk.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let listed = disk.names.iter().filter(|(name, _)| name.parent() == Some(path)).filter_map(|(name, inode)| {
            let name = name.file_name()?.to_str()?.to_owned();
            Some(ListedFile { name, size_bytes: disk.inodes[*inode].current.len() as u64 })
        });
        Ok(listed.collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        if !disk.lies() {
            let (mine, others): (Vec<_>, Vec<_>) =
                std::mem::take(&mut disk.pending_names).into_iter().partition(|change| change.dir() == Some(path));
            disk.pending_names = others;
            for change in mine {
                disk.keep_name(change);
            }
        }
        Ok(())
    }

    fn chance(&self) -> u64 {
        self.disk.lock().roll(u64::MAX)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn StorageLock>, LockError> {
        let mut disk = self.disk.lock();
        disk.begin(Call::Other)?;
        if !disk.locks.insert(path.to_owned()) {
            return Err(LockError::Held { pid: None });
        }
        Ok(Box::new(MemoryLock { disk: self.disk.clone(), path: path.to_owned(), boot: disk.boot }))
    }
}

#[derive(Debug)]
struct MemoryMap(Vec<u8>);

impl StorageMap for MemoryMap {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    boot: u64,
}

impl StorageLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.boot == self.boot {
            disk.locks.remove(&self.path);
        }
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
    /// Which start of the machine this handle belongs to.
    boot: u64,
    writes: bool,
}

impl MemoryFile {
    fn with<R>(&self, call: Call<'_>, f: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
        let mut disk = self.disk.lock();
        if disk.boot != self.boot {
            return Err(io::Error::other("the machine was started again since this file was opened"));
        }
        if !self.writes && !matches!(call, Call::Other) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match disk.begin(call) {
            Ok(()) => f(&mut disk),
            Err(error) => Err(error),
        }
    }
}

impl StorageFile for MemoryFile {
    fn size_bytes(&self) -> io::Result<u64> {
        self.with(Call::Other, |disk| Ok(disk.inodes[self.inode].current.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(Call::Other, |disk| {
            let current = &disk.inodes[self.inode].current;
            let start = usize::try_from(at).unwrap_or(usize::MAX).min(current.len());
            let n = buf.len().min(current.len() - start);
            buf[..n].copy_from_slice(&current[start..start + n]);
            Ok(n)
        })
    }

    fn write_at(&mut self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        let bytes = parts.concat();
        self.with(Call::Write { inode: self.inode, at, bytes: &bytes }, |disk| {
            let inode = &disk.inodes[self.inode];
            let grown = (at + bytes.len() as u64).saturating_sub(inode.current.len() as u64);
            let room = disk.room();
            if grown > room {
                let kept = bytes.len().saturating_sub((grown - room) as usize);
                disk.inodes[self.inode].change(Change::Write(at, bytes[..kept].to_owned()));
                return Err(disk_full());
            }
            disk.inodes[self.inode].change(Change::Write(at, bytes.clone()));
            Ok(())
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.with(Call::Sync, |disk| {
            if disk.lies() {
                return Ok(());
            }
            let calls = disk.calls;
            let due = |f: &Fault| matches!(f, Fault::SyncFails(at) if *at < calls);
            if let Some(index) = disk.faults.iter().position(due) {
                disk.faults.remove(index);
                let pending = std::mem::take(&mut disk.inodes[self.inode].pending);
                for change in pending {
                    if disk.roll(2) == 0 {
                        disk.inodes[self.inode].keep(&change);
                    }
                }
                return Err(io_error());
            }
            let inode = &mut disk.inodes[self.inode];
            for change in std::mem::take(&mut inode.pending) {
                inode.keep(&change);
            }
            Ok(())
        })
    }

    fn reserve(&mut self, at: u64, len: u64) -> io::Result<()> {
        self.with(Call::Other, |disk| {
            let grown = (at + len).saturating_sub(disk.inodes[self.inode].current.len() as u64);
            if grown > disk.room() { Err(disk_full()) } else { Ok(()) }
        })
    }

    fn set_size(&mut self, size_bytes: u64) -> io::Result<()> {
        self.with(Call::Size, |disk| {
            disk.inodes[self.inode].change(Change::Size(size_bytes));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn disk_with_file(seed: u64) -> (MemoryStorage, Box<dyn StorageFile>) {
        let disk = MemoryStorage::new(seed);
        disk.create_dir(Path::new("/d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let file = disk.open(Path::new("/d/f"), Access::Create).unwrap();
        (disk, file)
    }

    #[test]
    fn unsynced_bytes_and_names_are_lost() {
        let (disk, mut file) = disk_with_file(1);
        file.write_at(&[b"one"], 0).unwrap();
        file.sync_data().unwrap();
        disk.crash(Loss::All);
        assert_eq!(disk.contents(Path::new("/d/f")), None, "the name was not synced");

        let (disk, mut file) = disk_with_file(1);
        file.write_at(&[b"one"], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file.write_at(&[b"two"], 3).unwrap();
        assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"onetwo");
        disk.crash(Loss::All);
        assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"one");
        assert!(file.sync_data().is_err(), "handles do not survive");
    }

    #[test]
    fn random_loss_keeps_whole_sectors() {
        let mut seen = BTreeSet::new();
        for seed in 0..64 {
            let (disk, mut file) = disk_with_file(seed);
            disk.sync_dir(Path::new("/d")).unwrap();
            file.write_at(&[&[1; 512], &[2; 512]], 0).unwrap();
            disk.crash(Loss::Random);
            let image = disk.contents(Path::new("/d/f")).unwrap();
            let sectors: Vec<u8> = image.chunks(512).map(|s| s[0]).collect();
            assert!(image.chunks(512).all(|s| s.iter().all(|b| *b == s[0])));
            seen.insert(sectors);
        }
        assert_eq!(seen, BTreeSet::from([vec![], vec![1], vec![0, 2], vec![1, 2]]));
    }

    #[test]
    fn a_failed_sync_forgets_and_the_next_one_hides_it() {
        let lost = (0..32).any(|seed| {
            let (disk, mut file) = disk_with_file(seed);
            disk.sync_dir(Path::new("/d")).unwrap();
            file.write_at(&[b"x"], 0).unwrap();
            disk.plan(Fault::SyncFails(0));
            assert!(file.sync_data().is_err());
            file.sync_data().unwrap();
            disk.crash(Loss::Nothing);
            assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"x");
            disk.crash(Loss::All);
            disk.contents(Path::new("/d/f")).unwrap().is_empty()
        });
        assert!(lost);
    }

    #[test]
    fn a_full_disk_takes_a_part() {
        let (disk, mut file) = disk_with_file(3);
        disk.plan(Fault::DiskHolds(4));
        let error = file.write_at(&[b"123456"], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.contents(Path::new("/d/f")).unwrap(), b"1234");
    }

    #[test]
    fn power_stays_off_until_the_crash() {
        let (disk, mut file) = disk_with_file(4);
        disk.plan(Fault::PowerFails(disk.calls() + 1));
        file.write_at(&[b"1"], 0).unwrap();
        assert!(file.sync_data().is_err());
        assert!(file.write_at(&[b"2"], 1).is_err());
        disk.crash(Loss::All);
        assert!(disk.create_dir(Path::new("/e")).is_ok());
    }
}
