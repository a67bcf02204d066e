//! The base of a log: the state that its files go on from.

use super::rdb_file::write_whole;
use super::sequential::SequentialFile;
use super::{SaveError, SaveProgress};
use crate::aof::write_commands;
use crate::rdb::RdbOptions;
use crate::storage::Storage;
use keyslot_engine::View;
use std::path::Path;

/// In which form a new base of the log is written. `redis-server` boots from both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogBase {
    /// As an RDB: smaller, faster, and it carries everything.
    Rdb(RdbOptions),
    /// As commands, which other programs can read. Access bits and pending entries of deleted messages are lost.
    Commands,
}

impl Default for LogBase {
    fn default() -> Self {
        Self::Rdb(RdbOptions::default())
    }
}

impl LogBase {
    /// How names of such bases end.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Rdb(_) => "rdb",
            Self::Commands => "aof",
        }
    }

    /// Writes the view to a new file, durably but for its name, and returns its size.
    pub(crate) fn write(
        self,
        view: &View,
        storage: &dyn Storage,
        path: &Path,
        progress: &SaveProgress,
    ) -> Result<u64, SaveError> {
        match self {
            Self::Rdb(options) => write_whole(view, storage, path, options, &[("aof-base", "1")], progress),
            Self::Commands => {
                let mut out = SequentialFile::create(storage, path)?;
                write_commands(view, &mut |piece| {
                    progress.check()?;
                    out.push(piece)
                })?;
                out.finish()
            }
        }
    }
}
