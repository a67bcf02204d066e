//! Who takes what recovery reads.

use crate::rdb::RdbEvent;
use crate::snapshot::{LoadReport, Snapshot, SnapshotError, Tolerance};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Commands that were one turn's, or a part of them in one database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayBatch<'a> {
    /// The database.
    pub(crate) db: u16,
    /// The commands, each a list of arguments with the name first.
    pub(crate) commands: &'a [&'a [&'a [u8]]],
    /// Where the batch begins in the file that was begun last.
    pub(crate) at: u64,
}

/// What cannot be applied, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    /// The command's name, or what else was to be applied.
    pub(crate) what: String,
    pub(crate) reason: String,
}

/// Something that could not be applied, found out after it was handed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LateRefusal {
    pub(crate) path: PathBuf,
    pub(crate) at: u64,
    pub(crate) refused: Refused,
}

/// Takes batches in order.
pub(crate) trait Receiver {
    /// What comes from here on stands in this file.
    fn begin_file(&mut self, path: &Path);

    /// Takes a batch. It may be applied later, but before anything that it could be told from.
    fn batch(&mut self, batch: &ReplayBatch<'_>) -> Result<(), Refused>;

    /// Takes what an RDB tells. All of it comes before any batch.
    fn event(&mut self, event: RdbEvent<'_>) -> Result<(), Refused>;

    /// Takes all of a snapshot. It comes before any batch.
    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<LoadReport, SnapshotError>;

    /// What is done about damage of a base.
    fn tolerance(&self) -> Tolerance {
        Tolerance::Strict
    }

    /// Says that a part of the base is missing: commands that do not fit what is left are passed over from here on.
    fn miss_base(&mut self) {}

    /// How many keys and commands were passed over.
    fn passed_over(&self) -> u64 {
        0
    }

    /// Waits until everything is applied.
    fn finish(&mut self) -> Result<(), LateRefusal>;
}

/// A function applies each batch at once.
impl<F: FnMut(&ReplayBatch<'_>) -> Result<(), Refused>> Receiver for F {
    fn begin_file(&mut self, _: &Path) {}

    fn batch(&mut self, batch: &ReplayBatch<'_>) -> Result<(), Refused> {
        self(batch)
    }

    fn event(&mut self, _: RdbEvent<'_>) -> Result<(), Refused> {
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<LoadReport, SnapshotError> {
        Ok(LoadReport { keys: snapshot.entries(), ..LoadReport::default() })
    }

    fn finish(&mut self) -> Result<(), LateRefusal> {
        Ok(())
    }
}

impl Refused {
    pub(crate) fn new(command: &[&[u8]], reason: impl fmt::Display) -> Self {
        let name = command.first().copied().unwrap_or_default();
        let what = String::from_utf8_lossy(&name[..name.len().min(NAME_SHOWN_MAX)]).into_owned();
        Self { what, reason: reason.to_string() }
    }
}

const NAME_SHOWN_MAX: usize = 64;
