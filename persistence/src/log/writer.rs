//! Writes the newest log file and begins the next one.
//!
//! Invariants
//! - One write call per round, whatever the number of groups.
//! - After an error the writer must not be used again: what reached the file is unknown. The next opening finds out.
//! - `position` is where the annotated bytes end; between it and `allocated_to` the file holds nothing or zeros.
//! - Zeros written ahead end at a block's end.

use super::annotation::{Annotation, Kind};
use super::manifest::{Manifest, ManifestFile};
use super::{LogOptions, LogPlace, Preallocation};
use crate::storage::{Access, FileError, Storage, StorageFile, replace_file};
use std::path::PathBuf;
use std::sync::Arc;

/// Whole batches of one era, as they stand in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'a> {
    pub(crate) offset: u64,
    pub(crate) era: u64,
    pub(crate) db: u16,
    pub(crate) time_ms: i64,
    pub(crate) global: bool,
    pub(crate) bytes: &'a [u8],
}

/// What an `open` or `stop` line says. Everything before `offset` is durable when it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstLine {
    pub(crate) offset: u64,
    pub(crate) era: u64,
    pub(crate) time_ms: i64,
}

/// The open end of the log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    storage: Arc<dyn Storage>,
    place: LogPlace,
    options: LogOptions,
    manifest: Manifest,
    file: Box<dyn StorageFile>,
    path: PathBuf,
    file_id: u64,
    position: u64,
    allocated_to: u64,
    /// From `position` up to here there are zeros.
    zeros_to: u64,
    /// Bytes in the files before this one.
    bytes_before: u64,
    lines: Vec<u8>,
}

impl LogWriter {
    /// Begins a new file after those of `manifest` and makes it the newest, durably.
    pub(crate) fn begin(
        storage: Arc<dyn Storage>,
        place: LogPlace,
        options: LogOptions,
        mut manifest: Manifest,
        bytes_before: u64,
        line: FirstLine,
    ) -> Result<Self, FileError> {
        let seq = manifest.next_seq();
        let name = place.incremental_name(seq);
        let path = place.path(&name);
        let file_id = storage.chance();
        let mut file = storage.open(&path, Access::Create).map_err(|e| FileError::new("create", &path, e))?;
        let mut lines = Vec::new();
        empty_line(Kind::Open, file_id, line).encode(&mut lines);
        file.write_at(&[&lines], 0).map_err(|e| FileError::new("write", &path, e))?;
        file.sync_data().map_err(|e| FileError::new("sync", &path, e))?;
        storage.sync_dir(&place.dir).map_err(|e| FileError::new("sync directory", &place.dir, e))?;
        manifest.incremental.push(ManifestFile { name, seq });
        replace_file(&*storage, &place.dir, &place.manifest_name(), &manifest.encode())?;
        let position = lines.len() as u64;
        Ok(Self {
            storage,
            place,
            options,
            manifest,
            file,
            path,
            file_id,
            position,
            allocated_to: position,
            zeros_to: position,
            bytes_before,
            lines,
        })
    }

    /// Goes on in the last file of `manifest`, whose groups end at `position`, the end of the file.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn resume(
        storage: Arc<dyn Storage>,
        place: LogPlace,
        options: LogOptions,
        manifest: Manifest,
        bytes_before: u64,
        file_id: u64,
        position: u64,
        line: FirstLine,
    ) -> Result<Self, FileError> {
        let name = &manifest.incremental.last().expect("a log that is resumed has a file").name;
        let path = place.path(name);
        let mut file = storage.open(&path, Access::Write).map_err(|e| FileError::new("open", &path, e))?;
        let mut lines = Vec::new();
        empty_line(Kind::Open, file_id, line).encode(&mut lines);
        file.write_at(&[&lines], position).map_err(|e| FileError::new("write", &path, e))?;
        file.sync_data().map_err(|e| FileError::new("sync", &path, e))?;
        let position = position + lines.len() as u64;
        Ok(Self {
            storage,
            place,
            options,
            manifest,
            file,
            path,
            file_id,
            position,
            allocated_to: position,
            zeros_to: position,
            bytes_before,
            lines,
        })
    }

    /// Writes the groups with their lines: one write call. `durable` is the journal offset known to be durable.
    pub(crate) fn write(&mut self, groups: &[Group<'_>], durable: u64) -> Result<(), FileError> {
        self.lines.clear();
        let mut line_ends = Vec::with_capacity(groups.len());
        for group in groups {
            let annotation = Annotation {
                kind: if group.global { Kind::Global } else { Kind::Slots },
                file_id: self.file_id,
                offset: group.offset,
                length: group.bytes.len() as u64,
                durable,
                era: group.era,
                db: group.db,
                time_ms: group.time_ms,
                crc: crc32fast::hash(group.bytes),
            };
            annotation.encode(&mut self.lines);
            line_ends.push(self.lines.len());
        }
        let size = self.lines.len() as u64 + groups.iter().map(|group| group.bytes.len() as u64).sum::<u64>();
        self.allocate(self.position + size);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(groups.len() * 2);
        let mut line_start = 0;
        for (group, line_end) in groups.iter().zip(line_ends) {
            parts.push(&self.lines[line_start..line_end]);
            parts.push(group.bytes);
            line_start = line_end;
        }
        let written = if self.position + size <= self.zeros_to {
            self.file.write_before_zeros(&parts, self.position)
        } else {
            self.file.write_at(&parts, self.position)
        };
        written.map_err(|e| FileError::new("write", &self.path, e))?;
        self.position += size;
        Ok(())
    }

    /// Makes everything written durable.
    pub(crate) fn sync(&mut self) -> Result<(), FileError> {
        self.file.sync_data().map_err(|e| FileError::new("sync", &self.path, e))
    }

    /// Whether this file, grown by `more` bytes, is past its limit.
    pub(crate) fn is_full_with(&self, more: u64) -> bool {
        self.position + more > self.options.file_size_bytes_max
    }

    /// Ends this file, whose groups are all written, and begins the next one. Durable when it returns.
    pub(crate) fn rotate(&mut self, line: FirstLine) -> Result<(), FileError> {
        self.trim()?;
        self.sync()?;
        let next = Self::begin(
            self.storage.clone(),
            self.place.clone(),
            self.options,
            self.manifest.clone(),
            self.size_bytes(),
            line,
        )?;
        *self = next;
        Ok(())
    }

    /// Ends the log in good order: everything is durable, then a `stop` line says so.
    pub(crate) fn stop(&mut self, line: FirstLine) -> Result<(), FileError> {
        self.trim()?;
        self.sync()?;
        self.lines.clear();
        empty_line(Kind::Stop, self.file_id, line).encode(&mut self.lines);
        self.file.write_at(&[&self.lines], self.position).map_err(|e| FileError::new("write", &self.path, e))?;
        self.position += self.lines.len() as u64;
        self.sync()
    }

    /// The size of all files, without space taken ahead.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes_before + self.position
    }

    fn trim(&mut self) -> Result<(), FileError> {
        if self.allocated_to > self.position {
            self.file.set_size(self.position).map_err(|e| FileError::new("truncate", &self.path, e))?;
            (self.allocated_to, self.zeros_to) = (self.position, self.position);
        }
        Ok(())
    }

    /// Takes space for a write up to `end`, and some ahead. That it fails is no fault: the writes themselves will tell.
    fn allocate(&mut self, end: u64) {
        let limit = self.options.file_size_bytes_max;
        if end <= self.allocated_to || end >= limit {
            return;
        }
        let step_max = self.options.preallocation_bytes_max;
        let step = self.position.clamp(step_max / 16, step_max);
        let target = (end + step).min(limit).next_multiple_of(BLOCK_SIZE);
        let taken = match self.options.preallocation {
            Preallocation::None => return,
            Preallocation::Reserve => self.file.reserve(self.position, target - self.position),
            Preallocation::Zeros => self.write_zeros(target),
        };
        self.allocated_to = match taken {
            Ok(()) => target,
            Err(_) => limit,
        };
    }

    fn write_zeros(&mut self, target: u64) -> std::io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let from = self.zeros_to.max(self.position);
        let mut parts: Vec<&[u8]> = Vec::new();
        let mut rest = target - from;
        while rest > 0 {
            let part = rest.min(ZEROS.len() as u64);
            parts.push(&ZEROS[..part as usize]);
            rest -= part;
        }
        self.file.write_at(&parts, from)?;
        self.zeros_to = target;
        Ok(())
    }
}

/// Of a disk: zeros written ahead end where one ends.
const BLOCK_SIZE: u64 = 4096;

fn empty_line(kind: Kind, file_id: u64, line: FirstLine) -> Annotation {
    Annotation {
        kind,
        file_id,
        offset: line.offset,
        length: 0,
        durable: line.offset,
        era: line.era,
        db: 0,
        time_ms: line.time_ms,
        crc: 0,
    }
}
