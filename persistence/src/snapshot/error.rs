//! Why a snapshot cannot be written, read or loaded.

use crate::storage::FileError;
use keyslot_engine::Slot;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a snapshot cannot be written, read or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The disk refused something.
    #[error(transparent)]
    Io(#[from] FileError),
    /// The file is not one that can be read.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FormatError,
    },
    /// An entry is intact, but the engine does not take it.
    #[error("{}: {place}, key {key:?}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The section.
        place: Place,
        /// The key, as far as it is text.
        key: String,
        /// Why it is not taken.
        reason: String,
    },
    /// Somebody asked for the writing or loading to stop.
    #[error("stopped before it was done")]
    Stopped,
}

impl SnapshotError {
    pub(crate) fn of(path: &Path, source: impl Into<FormatError>) -> Self {
        Self::Format { path: path.to_owned(), source: source.into() }
    }
}

/// Why a snapshot that is sent cannot be taken. What was stored until then stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The bytes are not those that were sent.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An entry is intact, but the engine does not take it.
    #[error("{place}, key {key:?}: {reason}")]
    Refused {
        /// The section.
        place: Place,
        /// The key, as far as it is text.
        key: String,
        /// Why it is not taken.
        reason: String,
    },
}

impl From<Damage> for TransferError {
    fn from(damage: Damage) -> Self {
        Self::Format(damage.into())
    }
}

/// What is wrong with the bytes of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// They are something else.
    #[error("this is no snapshot of Keyslot: it begins with {found:?}, not with \"KSLOTSNP\"")]
    NotSnapshot {
        /// How they begin.
        found: String,
    },
    /// They are of a version that is not known here.
    #[error("snapshot version {found} is newer than {newest}, the newest that can be read; use a newer program")]
    TooNew {
        /// The version.
        found: u32,
        /// The newest that is read.
        newest: u32,
    },
    /// They use something that is not known here.
    #[error("the snapshot uses features (bits {unknown:#x}) that this program does not know; use a newer program")]
    UnknownFeatures {
        /// The bits.
        unknown: u32,
    },
    /// They are not those that were written.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Bytes of a snapshot that are not what they have to be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{place}, byte {at}: expected {expected}, found {found}")]
pub struct Damage {
    /// The part of the file.
    pub place: Place,
    /// The byte in the file. In a compressed payload, where it begins.
    pub at: u64,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl Damage {
    #[cold]
    pub(crate) fn new(place: Place, at: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { place, at, expected: expected.into(), found: found.into() }
    }

    /// A checksum that does not agree with the bytes that it covers.
    #[cold]
    pub(crate) fn checksum(place: Place, at: u64, of_bytes: u32, found: u32) -> Self {
        Self::new(place, at, format!("checksum {of_bytes:08x}, that of the bytes it covers"), format!("{found:08x}"))
    }
}

/// A part of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// The header.
    Header,
    /// The section of the libraries of functions.
    Libraries,
    /// A section of this slot.
    Slot(Slot),
    /// A section of which not even the slot can be read.
    Section,
    /// The index.
    Index,
    /// The end, that says where the index is.
    End,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Libraries => f.write_str("libraries"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Section => f.write_str("a section"),
            Self::Index => f.write_str("index"),
            Self::End => f.write_str("end"),
        }
    }
}
