//! The log: files in the form of Redis 7's multi-part append-only file, with a checksummed line before every group.
//!
//! ```text
//! data/
//!   keyslot.lock                              held while a store is open; holds the process number
//!   appendonlydir/
//!     appendonly.aof.manifest                 which files, in which order        -> `manifest`, `files`
//!     appendonly.aof.3.base.rdb               the state that the files go on from, if there is one
//!     appendonly.aof.7.incr.aof               the journal's bytes, and our lines -> `annotation`
//!     appendonly.aof.8.incr.aof
//!     quarantine-appendonly.aof.7.incr.aof-88213441    what recovery cut off, from that byte on
//! ```
//!
//! One file, `SET k 1` in database 0 and then a batch of two effects, after a clean stop:
//!
//! ```text
//! #keyslot:1 open id=.. offset=0 length=0 durable=0 ..\r\n
//! #keyslot:1 slots id=.. offset=0 length=50 durable=0 .. crc=.. sum=..\r\n
//! *2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n            journal bytes 0..50
//! #keyslot:1 slots id=.. offset=50 length=81 durable=50 .. crc=.. sum=..\r\n
//! *1\r\n$5\r\nMULTI\r\n  .. two effects ..  *1\r\n$4\r\nEXEC\r\n                       journal bytes 50..131
//! #keyslot:1 stop id=.. offset=131 length=0 durable=131 ..\r\n
//! ```
//!
//! Invariants
//! - Without the lines, the files one after the other are the journal, byte for byte.
//! - Each file's first journal bytes are a `SELECT`, so a file means the same whatever stood before it.
//! - A group holds whole batches only, all of one era.
//! - A file is complete and durable before the manifest names the next one; the manifest names a file before the first
//!   group is written to it. So every group that any reader finds in a named file had all its predecessors on disk.
//! - After the last group there are only zeros (space written ahead), which a clean stop or the next opening cuts off.

pub(crate) mod annotation;
mod files;
pub(crate) mod manifest;
mod reader;
mod writer;

pub(crate) use files::{InstallError, LogFiles, Span, StartState};
pub(crate) use manifest::GoesOn;
pub(crate) use reader::LogReader;
pub(crate) use writer::{FirstLine, Group, LogWriter};

use std::path::{Path, PathBuf};

/// How the log uses its files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogOptions {
    /// Past this size a new file is begun.
    pub file_size_bytes_max: u64,
    /// How disk space is taken ahead of the writes.
    pub preallocation: Preallocation,
    /// The most space that is taken ahead at a time. It starts at a sixteenth and grows with the file.
    pub preallocation_bytes_max: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { file_size_bytes_max: 256 << 20, preallocation: Preallocation::Reserve, preallocation_bytes_max: 8 << 20 }
    }
}

/// How disk space is taken ahead of the writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preallocation {
    /// Not at all.
    None,
    /// Reserved beyond the file's end, which stays where the bytes end: other programs see an ordinary file.
    Reserve,
    /// Zeros are written ahead, so that a sync has no metadata to write (measured on ext4: 150 instead of 210
    /// microseconds). After a crash the file ends in zeros, which `redis-server` takes only after a repair.
    Zeros,
}

/// What the log's directory and files are called (Redis: `appenddirname`, `appendfilename`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogNames {
    /// The directory within the store's.
    pub dir: String,
    /// What the names of the files begin with.
    pub file: String,
}

impl Default for LogNames {
    fn default() -> Self {
        Self { dir: "appendonlydir".to_owned(), file: "appendonly.aof".to_owned() }
    }
}

impl LogNames {
    pub(crate) fn place(&self, path: &Path) -> LogPlace {
        LogPlace { dir: path.join(&self.dir), stem: self.file.clone() }
    }
}

/// Where a log lives and what its files are called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LogPlace {
    /// The directory of the files.
    pub(crate) dir: PathBuf,
    /// The first part of every name: `appendonly.aof`.
    pub(crate) stem: String,
}

impl LogPlace {
    pub(crate) fn manifest_name(&self) -> String {
        format!("{}.manifest", self.stem)
    }

    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.dir.join(self.manifest_name())
    }

    pub(crate) fn incremental_name(&self, seq: u64) -> String {
        format!("{}.{seq}.incr.aof", self.stem)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether this is the name of an incremental file of this log.
    pub(crate) fn is_incremental(&self, name: &str) -> bool {
        let seq = name.strip_prefix(&self.stem).and_then(|n| n.strip_prefix('.')?.strip_suffix(".incr.aof"));
        seq.is_some_and(|seq| !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit()))
    }

    /// What a base of this log is called; `kind` is `rdb`, `aof` or `keyslot`.
    pub(crate) fn base_name(&self, seq: u64, kind: &str) -> String {
        format!("{}.{seq}.base.{kind}", self.stem)
    }

    /// Whether this is the name of a base of this log.
    pub(crate) fn is_base(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.stem).and_then(|name| name.strip_prefix('.'));
        let parts = rest.and_then(|rest| rest.split_once(".base."));
        parts.is_some_and(|(seq, kind)| {
            !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit()) && matches!(kind, "rdb" | "aof" | "keyslot")
        })
    }

    /// Whether this is the name of a file that somebody was still writing when the log was left: ours, or of a rewrite by
    /// `redis-server`.
    pub(crate) fn is_temporary(&self, name: &str) -> bool {
        let ours = name
            .strip_prefix("temp-")
            .is_some_and(|name| name == self.manifest_name() || self.is_incremental(name) || self.is_base(name));
        let number = name.strip_prefix("temp-rewriteaof-").and_then(|name| name.strip_suffix(".aof"));
        let number = number.map(|number| number.strip_prefix("bg-").unwrap_or(number));
        ours || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The single file that Redis before 7 wrote beside where our directory is.
    pub(crate) fn single_path(&self) -> PathBuf {
        self.dir.parent().map_or_else(|| PathBuf::from(&self.stem), |dir| dir.join(&self.stem))
    }

    /// Where recovery keeps what it cuts off `file` from byte `at` on.
    pub(crate) fn quarantine_path(&self, file: &Path, at: u64) -> PathBuf {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or("file");
        self.dir.join(format!("quarantine-{name}-{at}"))
    }
}
