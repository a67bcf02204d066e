//! Writing a snapshot to a file.
//!
//! ```text
//! encoders (threads)     slots of a run -> sections -> pieces
//! writer (this thread)   pieces in order -> file, at the rate that is allowed
//! ```
//!
//! The file is written under a temporary name, synced and renamed, so that its name never stands for half a file. After an
//! error or a stop the temporary file is removed, as far as the disk lets us.

use super::encoder::{Assembly, Piece, SectionEncoder};
use super::error::SnapshotError;
use super::header::SnapshotHeader;
use super::progress::SnapshotProgress;
use super::relay::{Relay, StopOnPanic};
use super::section::Subject;
use crate::driver::crew::with_crew;
use crate::driver::pace::Pace;
use crate::storage::{Access, FileError, Storage, StorageFile};
use keyslot_engine::{Offset, SLOT_COUNT, Slot, UnixMillis};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

/// How a snapshot is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteOptions {
    /// How many threads encode beside the calling one, which writes. With none it does both.
    pub threads: usize,
    /// How many bytes are written in a second, at most.
    pub rate_bytes_per_second: Option<NonZeroU64>,
    /// Whether sections are compressed.
    pub compression: Compression,
    /// Whether it is noted of each key for how long it was not used: for policies of eviction that look at that.
    pub keeps_access: bool,
    /// The stream that the journal's offsets count in: 40 characters, or empty.
    pub replication_id: String,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            rate_bytes_per_second: None,
            compression: Compression::None,
            keeps_access: false,
            replication_id: String::new(),
        }
    }
}

/// How sections are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Not at all: the fastest to write and to read.
    #[default]
    None,
    /// By LZ4, each section that gets shorter.
    Lz4,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteReport {
    /// What the file is of.
    pub header: SnapshotHeader,
    /// How many keys, and libraries of functions.
    pub entries: u64,
    /// The size of the file.
    pub size_bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a snapshot is made from.
pub(crate) trait Source: Sync {
    fn era(&self) -> u64;
    fn offset(&self) -> Offset;
    fn time(&self) -> UnixMillis;
    fn encode_libraries(&self, encoder: &mut SectionEncoder<'_>);
    /// Adds the slot's entries, and lets go of them.
    fn encode_slot(&self, slot: Slot, encoder: &mut SectionEncoder<'_>);
}

/// Writes everything to the file at `path`, replacing one that is there. Blocks until it is durable.
pub(crate) fn write_source(
    source: &dyn Source,
    storage: &dyn Storage,
    path: &Path,
    options: &WriteOptions,
    progress: &SnapshotProgress,
) -> Result<WriteReport, SnapshotError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!("temp-{name}"));
    let report = write_aside(source, storage, &temporary, options, progress)?;
    if let Err(error) = storage.rename(&temporary, path) {
        // Best effort, as below.
        let _ = storage.remove(&temporary);
        return Err(FileError::new("rename", &temporary, error).into());
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    storage.sync_dir(dir).map_err(|e| FileError::new("sync directory", dir, e))?;
    Ok(report)
}

/// Writes everything to the file at `path`, whose bytes are durable then; its name is the caller's business.
pub(crate) fn write_aside(
    source: &dyn Source,
    storage: &dyn Storage,
    path: &Path,
    options: &WriteOptions,
    progress: &SnapshotProgress,
) -> Result<WriteReport, SnapshotError> {
    let header = SnapshotHeader {
        id: storage.chance(),
        era: source.era(),
        offset: source.offset(),
        time: source.time(),
        may_be_compressed: options.compression == Compression::Lz4,
        replication_id: options.replication_id.clone(),
        writer: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut file = TargetFile::create(storage, path, &header, options.rate_bytes_per_second, progress)?;
    let written = match options.threads {
        0 => encode_here(source, &header, &mut file),
        threads => encode_in_threads(source, &header, &mut file, threads),
    };
    match written.and_then(|()| file.finish()) {
        Ok((entries, size_bytes)) => Ok(WriteReport { header, entries, size_bytes, elapsed: file.pace.elapsed() }),
        Err(error) => {
            // Best effort: a new snapshot replaces what is left.
            let _ = storage.remove(path);
            Err(error)
        }
    }
}

fn encode_here(source: &dyn Source, header: &SnapshotHeader, file: &mut TargetFile<'_>) -> Result<(), SnapshotError> {
    let (mut outcome, progress) = (Ok(()), file.progress);
    for run in 0..RUNS {
        let mut sink = |piece: Piece| {
            if outcome.is_ok() {
                outcome = file.write(&piece);
            }
            let mut buffer = piece.bytes;
            buffer.clear();
            buffer
        };
        encode_run(source, header, run, Vec::new(), &mut sink, progress);
        std::mem::replace(&mut outcome, Ok(()))?;
    }
    Ok(())
}

fn encode_in_threads(
    source: &dyn Source,
    header: &SnapshotHeader,
    file: &mut TargetFile<'_>,
    threads: usize,
) -> Result<(), SnapshotError> {
    let relay = Relay::new(RUNS);
    let progress = file.progress;
    let work = |_| {
        let guard = StopOnPanic(&relay);
        let mut buffer = Vec::new();
        while let Some(run) = relay.take() {
            let mut sink = |piece| relay.pass(run, piece);
            buffer = encode_run(source, header, run, buffer, &mut sink, progress);
            relay.end(run);
        }
        std::mem::forget(guard);
    };
    with_crew(threads, work, |started| {
        if started == 0 {
            return encode_here(source, header, file);
        }
        let _guard = StopOnPanic(&relay);
        while let Some(piece) = relay.next() {
            file.write(&piece)?;
            relay.recycle(piece.bytes);
        }
        Ok(())
    })
}

/// Encodes the slots of a run. Returns the buffer that was not needed.
fn encode_run(
    source: &dyn Source,
    header: &SnapshotHeader,
    run: usize,
    buffer: Vec<u8>,
    sink: &mut dyn FnMut(Piece) -> Vec<u8>,
    progress: &SnapshotProgress,
) -> Vec<u8> {
    let mut encoder = SectionEncoder::new(header, buffer, sink);
    if run == 0 {
        encoder.begin(Subject::Libraries);
        source.encode_libraries(&mut encoder);
        encoder.end();
    }
    let slots = Slot::all().skip(run * RUN_SLOTS).take(RUN_SLOTS);
    for slot in slots {
        if progress.is_stopped() {
            break;
        }
        encoder.begin(Subject::Slot(slot));
        source.encode_slot(slot, &mut encoder);
        encoder.end();
        progress.add_slot();
    }
    encoder.finish()
}

/// The file while it is written.
struct TargetFile<'a> {
    path: &'a Path,
    file: Box<dyn StorageFile>,
    assembly: Option<Assembly>,
    /// Bytes that are not written yet: small pieces are gathered.
    gathered: Vec<u8>,
    written: u64,
    synced: u64,
    pace: Pace,
    progress: &'a SnapshotProgress,
}

impl<'a> TargetFile<'a> {
    fn create(
        storage: &dyn Storage,
        path: &'a Path,
        header: &SnapshotHeader,
        rate: Option<NonZeroU64>,
        progress: &'a SnapshotProgress,
    ) -> Result<Self, SnapshotError> {
        let file = storage.open(path, Access::Create).map_err(|e| FileError::new("create", path, e))?;
        let (assembly, first) = Assembly::begin(header);
        let pace = Pace::start(rate);
        let assembly = Some(assembly);
        let gathered = first.to_vec();
        Ok(Self { path, file, assembly, gathered, written: 0, synced: 0, pace, progress })
    }

    fn write(&mut self, piece: &Piece) -> Result<(), SnapshotError> {
        if self.progress.is_stopped() {
            return Err(SnapshotError::Stopped);
        }
        if let Some(assembly) = &mut self.assembly {
            assembly.add(piece);
        }
        if self.gathered.len() + piece.bytes.len() < WRITE_BYTES {
            self.gathered.extend_from_slice(&piece.bytes);
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.put(&[&gathered, &piece.bytes])?;
        self.gathered = gathered;
        self.gathered.clear();
        Ok(())
    }

    fn put(&mut self, parts: &[&[u8]]) -> Result<(), SnapshotError> {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        self.file.write_at(parts, self.written).map_err(|e| FileError::new("write", self.path, e))?;
        self.written += size;
        self.progress.add_bytes(size);
        if self.written - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        self.pace.spend(size, || self.progress.is_stopped());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SnapshotError> {
        self.file.sync_data().map_err(|e| FileError::new("sync", self.path, e))?;
        self.synced = self.written;
        Ok(())
    }

    /// Writes index and end and makes the bytes durable. Returns entries and size.
    fn finish(&mut self) -> Result<(u64, u64), SnapshotError> {
        let Some(assembly) = self.assembly.take() else { return Err(SnapshotError::Stopped) };
        if self.progress.is_stopped() {
            return Err(SnapshotError::Stopped);
        }
        let entries = assembly.entries();
        let gathered = std::mem::take(&mut self.gathered);
        self.put(&[&gathered, &assembly.end()])?;
        self.sync()?;
        Ok((entries, self.written))
    }
}

/// So many slots are encoded by one thread before it takes others.
const RUN_SLOTS: usize = 16;
const RUNS: usize = SLOT_COUNT / RUN_SLOTS;
/// Less is gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
/// So often what was written is synced: a sync of a log on the same disk never waits for more.
const SYNC_BYTES: u64 = 32 << 20;
