//! The base of a log: the state that its files go on from.

use super::rdb_file::write_whole;
use super::sequential::SequentialFile;
use super::{SaveError, SaveProgress};
use crate::aof::write_commands;
use crate::rdb::RdbOptions;
use crate::snapshot::{WriteOptions, write_unnamed};
use crate::storage::Storage;
use keyslot_engine::{DATABASE_COUNT, View};
use std::path::Path;

/// In which form a new base of the log is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogBase {
    /// As a [snapshot](crate::snapshot): several times faster to write and to load than the others, and a store can
    /// [open instantly](crate::StoreBuilder::instant) on it. `redis-server` does not read it.
    Snapshot(WriteOptions),
    /// As an RDB, from which `redis-server` boots; it carries everything, too.
    Rdb(RdbOptions),
    /// As commands, which `redis-server` and other programs can read. Access bits and pending entries of deleted messages
    /// are lost.
    Commands,
}

impl Default for LogBase {
    fn default() -> Self {
        Self::Snapshot(WriteOptions::default())
    }
}

impl LogBase {
    /// How names of such bases end.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "keyslot",
            Self::Rdb(_) => "rdb",
            Self::Commands => "aof",
        }
    }

    /// Writes the view to a new file, durably but for its name, and returns its size.
    pub(crate) fn write(
        &self,
        view: View,
        storage: &dyn Storage,
        path: &Path,
        progress: &SaveProgress,
    ) -> Result<u64, SaveError> {
        match self {
            Self::Snapshot(options) => {
                progress.begin((0..DATABASE_COUNT).map(|db| view.sizes(db).keys).sum());
                Ok(write_unnamed(view, storage, path, options, progress.of_snapshot())?.size_bytes)
            }
            Self::Rdb(options) => write_whole(&view, storage, path, *options, &[("aof-base", "1")], progress),
            Self::Commands => {
                let mut out = SequentialFile::create(storage, path)?;
                write_commands(&view, &mut |piece| {
                    progress.check()?;
                    out.push(piece)
                })?;
                out.finish()
            }
        }
    }
}
