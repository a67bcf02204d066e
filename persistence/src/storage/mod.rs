//! The only door to a file system: what the log asks of a disk, and nothing more.
//!
//! Two implementations: [`RealStorage`] (the operating system) and [`MemoryStorage`] (deterministic, with faults). Calls
//! are synchronous; there are no threads here. Paths are plain paths; no caller opens a file in another way.
//!
//! What a caller may rely on, in both:
//! - Bytes are durable once [`StorageFile::sync_data`] returned `Ok` after they were written; before that, any part of
//!   them may be lost, in units of a sector, in any order.
//! - A created, renamed or removed name is durable once [`Storage::sync_dir`] of its directory returned `Ok`.
//! - A rename shows either the old or the new file, never a mix.
//! - After a failed `sync_data` nothing is known about the bytes since the last good one; calling it again proves nothing.

mod direct;
mod map;
mod memory;
mod real;

pub use memory::{Fault, Loss, MemoryStorage};
pub use real::RealStorage;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file system, as far as the log needs one.
pub trait Storage: Send + Sync + fmt::Debug + 'static {
    /// Creates the directory and its missing parents. `Ok` if it exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// The bytes of a file, for reading only. They are read from the disk when they are looked at; who looks waits.
    fn map(&self, path: &Path) -> io::Result<Box<dyn StorageMap>>;

    /// Gives `from` the name `to`, replacing what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The plain files of a directory, in the order of their names. `NotFound` if there is no such directory.
    fn list(&self, path: &Path) -> io::Result<Vec<ListedFile>>;

    /// Makes the names in this directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// A number that nobody outside can foresee: log files carry one, so that bytes within a value cannot pass for
    /// lines of the log.
    fn chance(&self) -> u64;

    /// Takes the exclusive lock that `path` (a file, created if absent) stands for, without waiting. The lock is held
    /// until the returned value is dropped or the process ends.
    fn lock(&self, path: &Path) -> Result<Box<dyn StorageLock>, LockError>;
}

/// One open file. Positions are bytes from the start.
pub trait StorageFile: Send + fmt::Debug {
    /// The size in bytes.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Reads into `buf` from `at`; returns how many bytes, zero only at the end of the file or for an empty `buf`.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all `parts`, one after the other, from `at`: one system call where the system allows. After an error any
    /// part of them may have been written.
    fn write_at(&mut self, parts: &[&[u8]], at: u64) -> io::Result<()>;

    /// As [`write_at`](Self::write_at), where the file holds zeros from the end of the `parts` to the next multiple of
    /// 4096: it may write them again.
    fn write_before_zeros(&mut self, parts: &[&[u8]], at: u64) -> io::Result<()> {
        self.write_at(parts, at)
    }

    /// Makes all bytes written so far durable, and the size with them.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Asks for disk space for `at .. at + len` without changing the size. An error means only that there is none yet.
    fn reserve(&mut self, at: u64, len: u64) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros.
    fn set_size(&mut self, size_bytes: u64) -> io::Result<()>;
}

/// The bytes of a file as they were when it was mapped. Nobody may change the file while this lives: what is then seen is
/// undefined, and where it was cut the process may be ended by the system.
pub trait StorageMap: Send + Sync + fmt::Debug {
    /// All of them.
    fn bytes(&self) -> &[u8];

    /// Says that these will be looked at soon.
    fn will_read(&self, at: usize, size: usize) {
        let _ = (at, size);
    }
}

/// An exclusive lock; dropping it releases it.
pub trait StorageLock: Send + Sync + fmt::Debug {}

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new, empty file, for reading and writing; one of the same name is emptied.
    Create,
}

/// One file of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedFile {
    /// The name within the directory. Names that are not Unicode are not listed: no file of ours has one.
    pub name: String,
    /// The size in bytes.
    pub size_bytes: u64,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another holder has it.
    #[error("held by {}", holder_text(.pid))]
    Held {
        /// The process that says it holds the lock, when it could be read.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn holder_text(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// Reads a whole file of at most `size_bytes_max` bytes: manifests and the like.
pub(crate) fn read_small(storage: &dyn Storage, path: &Path, size_bytes_max: usize) -> io::Result<Vec<u8>> {
    let file = storage.open(path, Access::Read)?;
    let size = file.size_bytes()?;
    if size > size_bytes_max as u64 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{size} bytes, where at most {size_bytes_max} make sense"),
        ));
    }
    let mut bytes = vec![0; size as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Replaces `dir/name` by a file with these bytes so that a crash leaves the old or the new one: written under a
/// temporary name, synced, renamed, directory synced.
pub(crate) fn replace_file(storage: &dyn Storage, dir: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = dir.join(format!("temp-{name}"));
    let target = dir.join(name);
    let mut file = storage.open(&temporary, Access::Create).map_err(|e| FileError::new("create", &temporary, e))?;
    file.write_at(&[bytes], 0).map_err(|e| FileError::new("write", &temporary, e))?;
    file.sync_data().map_err(|e| FileError::new("sync", &temporary, e))?;
    drop(file);
    storage.rename(&temporary, &target).map_err(|e| FileError::new("rename", &temporary, e))?;
    storage.sync_dir(dir).map_err(|e| FileError::new("sync directory", dir, e))
}

/// A file operation that failed: which, on what, why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried: `write`, `sync`, `rename` ...
    pub op: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn new(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self { op, path: path.to_owned(), source }
    }

    /// What the system said, in its own words and without the error number: `No space left on device`.
    pub fn system_text(&self) -> String {
        let text = self.source.to_string();
        match text.find(" (os error ") {
            Some(at) => text[..at].to_owned(),
            None => text,
        }
    }
}
