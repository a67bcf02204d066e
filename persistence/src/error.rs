//! Why a store cannot be opened.

use crate::snapshot::SnapshotError;
use crate::storage::FileError;
use keyslot_engine::Offset;
use std::path::PathBuf;

/// Why a store cannot be opened. Each says what, where, what it means and what to do next; nothing was changed on disk
/// unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another store has the directory.
    #[error(
        "{} is in use by {}; stop it, or choose another directory",
        path.display(),
        holder(*.pid)
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, if known.
        pid: Option<u32>,
    },
    /// The disk refused something.
    #[error("{0}; the store was not opened")]
    Io(#[from] FileError),
    /// The log is damaged before its last durable byte: what a crash cannot explain.
    #[error(
        "{}: byte {offset}: expected {expected}, found {found}. What stands behind it had been written after this was \
         durable (readable up to journal offset {readable}, durable at least up to {durable}), so this is damage and not \
         the torn end of a crash. Nothing was changed; restore the file, or look with `repair --dry-run` and open with \
         Recovery::Salvage, which keeps what stands before this byte",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The byte in the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
        /// Up to where the log was durable, by its own account.
        durable: Offset,
        /// Up to where it can be read.
        readable: Offset,
    },
    /// The list of log files cannot be read.
    #[error("{}: line {line}: expected {expected}, found {found}; restore the file, no log file was touched", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The manifest names a file that is not there.
    #[error("{} names {}, which is not there; restore it, or remove its line to go on without its data", manifest.display(), path.display())]
    MissingFile {
        /// The manifest.
        manifest: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// The base has not the size that it was written with.
    #[error(
        "{}: expected {expected} bytes, found {found}. The log stands on this file, which was complete when the manifest \
         named it: something changed it since. Restore it from a copy; nothing was changed",
        path.display()
    )]
    BaseSize {
        /// The base.
        path: PathBuf,
        /// Its size by the manifest, bytes.
        expected: u64,
        /// Its size.
        found: u64,
    },
    /// A log file with data is in no manifest.
    #[error(
        "{} holds data but is not listed in {}; restore the manifest, or move the file away to go on without its data",
        path.display(),
        manifest.display()
    )]
    UnlistedFile {
        /// The manifest, which may be absent.
        manifest: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// The log was written in a form that this program does not know.
    #[error("{}: byte {offset}: format version {found}, and this program reads version 1; use a newer program", path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// The byte in the file.
        offset: u64,
        /// The version.
        found: u32,
    },
    /// The base cannot be read.
    #[error(
        "{}: byte {offset}: expected {expected}, found: {found}. The log stands on this file, which was complete when it was \
         named, so this is damage. Nothing was changed; restore it from a copy, or look at it with `check`",
        path.display()
    )]
    Base {
        /// The base.
        path: PathBuf,
        /// The byte in the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What is wrong with what stands there.
        found: String,
    },
    /// The base is a snapshot that cannot be loaded.
    #[error("{0}. The log stands on this file; nothing was changed, restore it from a copy")]
    Snapshot(#[from] SnapshotError),
    /// The log has a torn end, which [`Recovery::Whole`](crate::Recovery::Whole) does not take.
    #[error(
        "{}: byte {offset}: expected {expected}, found {found}. This is the torn end that a crash leaves; nothing was \
         changed. Open with Recovery::Strict (`aof-load-truncated yes`), which cuts it off and keeps it in a quarantine \
         file, or run `repair`",
        path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// The byte in the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A command in the log cannot be applied, though its bytes are intact.
    #[error("{}: byte {offset}: expected {expected}, but: {reason}. Nothing was changed on disk", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The byte in the file.
        offset: u64,
        /// What should be possible.
        expected: String,
        /// Why it is not.
        reason: String,
    },
    /// Somebody else keeps the journal of the engine.
    #[error("the engine's changes go to another journal already")]
    OtherJournal,
    /// The background thread could not be started.
    #[error("cannot start the journal's thread: {0}")]
    Thread(std::io::Error),
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
