//! Reading an RDB file into an engine.

use crate::progress::Progress;
use crate::rdb::{RdbLoadError, RdbLoaded, RdbLoader};
use crate::storage::{Access, FileError, Storage};
use keyslot_engine::Engine;
use std::io;
use std::path::{Path, PathBuf};

/// Why an RDB file was not loaded. The engine holds what came before.
#[derive(Debug, thiserror::Error)]
pub enum LoadRdbError {
    /// The disk refused something.
    #[error("{0}; nothing more was loaded")]
    File(#[from] FileError),
    /// The file cannot be loaded.
    #[error("{}: {source}. The data was not loaded; restore the file from a copy, or move it away to start empty", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RdbLoadError,
    },
}

/// Fills an engine that serves nobody yet from an RDB file. Keys that are due are passed over. `None` if there is no file.
/// `on_progress` is told how far it got, for each megabyte. O(bytes).
pub fn load_rdb(
    engine: &Engine,
    storage: &dyn Storage,
    path: &Path,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Option<RdbLoaded>, LoadRdbError> {
    let file = match storage.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("open", path, error).into()),
    };
    let total_bytes = file.size_bytes().map_err(|e| FileError::new("read the size of", path, e))?;
    let start_ms = engine.now().0;
    let wrong = |source| LoadRdbError::Content { path: path.to_owned(), source };
    let mut loader = RdbLoader::new(engine, Some(engine.now()));
    let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], 0);
    while !loader.is_finished() {
        let count = file.read_at(&mut buffer, at).map_err(|e| FileError::new("read", path, e))?;
        if count == 0 {
            break;
        }
        loader.feed(&buffer[..count]).map_err(wrong)?;
        at += count as u64;
        let elapsed_ms = u64::try_from(engine.now().0 - start_ms).unwrap_or(0);
        on_progress(&Progress { done_bytes: at, total_bytes, elapsed_ms });
    }
    loader.finish().map(Some).map_err(wrong)
}

const BUFFER_BYTES: usize = 1 << 20;
