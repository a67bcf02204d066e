//! Reading an RDB file into an engine.

use crate::driver::crew::with_crew;
use crate::progress::Progress;
use crate::rdb::lanes::{Lanes, lanes};
use crate::rdb::{RdbLoadError, RdbLoaded, RdbLoader};
use crate::storage::{Access, FileError, Storage, StorageFile};
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

/// Fills an engine that serves nobody yet from an RDB file. Keys that are due are passed over, unless the file notes (`repl-id`) that
/// its data is a part of a stream. `None` if there is no file. A
/// large file is loaded on so many `threads` beside the one that reads it. `on_progress` is told how far it got, for each
/// megabyte. O(bytes).
pub fn load_rdb(
    engine: &Engine,
    storage: &dyn Storage,
    path: &Path,
    threads: usize,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Option<RdbLoaded>, LoadRdbError> {
    let file = match storage.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("open", path, error).into()),
    };
    let total_bytes = file.size_bytes().map_err(|e| FileError::new("read the size of", path, e))?;
    let source = Source { file: &*file, path, total_bytes };
    // Where the data is a part of a stream, that is to tell of every key that goes.
    let now = (!source.is_of_stream()?).then(|| engine.now());
    if total_bytes < THREADS_BYTES_MIN || threads == 0 {
        return source.read(engine, RdbLoader::new(engine, now), on_progress).map(Some);
    }
    let (work, mut senders) = lanes(threads);
    let loaded = with_crew(
        threads,
        |number| work.work(number, engine),
        |started| {
            work.give_up_from(started);
            senders.keep(started);
            let lanes = (started > 0).then_some(senders);
            source.read(engine, RdbLoader::over(engine, now, lanes), on_progress)
        },
    );
    source.join(loaded?, work).map(Some)
}

/// A file that is read.
struct Source<'f> {
    file: &'f dyn StorageFile,
    path: &'f Path,
    total_bytes: u64,
}

impl Source<'_> {
    /// Whether the file begins with the note of a history.
    fn is_of_stream(&self) -> Result<bool, LoadRdbError> {
        let mut start = [0; NOTES_BYTES];
        let count = self.file.read_at(&mut start, 0).map_err(|e| FileError::new("read", self.path, e))?;
        Ok(start[..count].windows(NOTE.len()).any(|part| part == NOTE))
    }

    fn read(
        &self,
        engine: &Engine,
        mut loader: RdbLoader,
        on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<RdbLoaded, LoadRdbError> {
        let start_ms = engine.now().0;
        let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], 0);
        while !loader.is_finished() {
            let count = self.file.read_at(&mut buffer, at).map_err(|e| FileError::new("read", self.path, e))?;
            if count == 0 {
                break;
            }
            loader.feed(&buffer[..count]).map_err(|source| self.wrong(source))?;
            at += count as u64;
            let elapsed_ms = u64::try_from(engine.now().0 - start_ms).unwrap_or(0);
            on_progress(&Progress { done_bytes: at, total_bytes: self.total_bytes, elapsed_ms });
        }
        loader.finish().map_err(|source| self.wrong(source))
    }

    /// Adds what the lanes stored.
    fn join(&self, loaded: RdbLoaded, lanes: Lanes) -> Result<RdbLoaded, LoadRdbError> {
        let of_lanes = lanes.outcome();
        let of_lanes = of_lanes.map_err(|source| self.wrong(RdbLoadError::late(source, self.total_bytes)))?;
        Ok(RdbLoaded { keys: loaded.keys + of_lanes.keys, expires: loaded.expires + of_lanes.expires, ..loaded })
    }

    fn wrong(&self, source: RdbLoadError) -> LoadRdbError {
        LoadRdbError::Content { path: self.path.to_owned(), source }
    }
}

const BUFFER_BYTES: usize = 1 << 20;

/// The notes stand before all keys. The name with its length.
const NOTE: &[u8] = b"\x07repl-id";
const NOTES_BYTES: usize = 512;

/// A smaller file is loaded before threads are started.
const THREADS_BYTES_MIN: u64 = 1 << 20;
