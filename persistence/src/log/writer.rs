//! Writes the newest log file and begins the next one.
//!
//! Invariants
//! - One write call per round, whatever the number of groups.
//! - After an error the writer must not be used again: what reached the file is unknown. The next opening finds out.
//! - `position` is where the annotated bytes end; between it and `allocated_to` the file holds nothing or zeros.
//! - Zeros written ahead end at a block's end.

use super::annotation::{Annotation, Kind};
use super::files::LogFiles;
use super::{LogOptions, Preallocation};
use crate::storage::{Access, FileError, StorageFile};
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
    files: Arc<LogFiles>,
    options: LogOptions,
    file: Box<dyn StorageFile>,
    path: PathBuf,
    file_id: u64,
    /// Where the first group stands or will stand.
    content_start: u64,
    position: u64,
    allocated_to: u64,
    /// From `position` up to here there are zeros.
    zeros_to: u64,
    lines: Vec<u8>,
}

impl LogWriter {
    /// Begins a new file after all others and makes it the newest, durably.
    pub(crate) fn begin(files: Arc<LogFiles>, options: LogOptions, line: FirstLine) -> Result<Self, FileError> {
        Self::begin_after(files, options, None, line)
    }

    fn begin_after(
        files: Arc<LogFiles>,
        options: LogOptions,
        size_before: Option<u64>,
        line: FirstLine,
    ) -> Result<Self, FileError> {
        let file_id = files.storage().chance();
        let mut lines = Vec::new();
        empty_line(Kind::Open, file_id, line).encode(&mut lines);
        let (file, path) = files.begin(line.offset, size_before, |path| {
            let file = files.storage().open(&path, Access::Create);
            let mut file = file.map_err(|e| FileError::new("create", &path, e))?;
            file.write_at(&[&lines], 0).map_err(|e| FileError::new("write", &path, e))?;
            file.sync_data().map_err(|e| FileError::new("sync", &path, e))?;
            Ok(file)
        })?;
        Ok(Self::at(files, options, file, path, file_id, lines.len() as u64, lines))
    }

    /// Goes on in the newest file, whose groups end at `position`, the end of the file.
    pub(crate) fn resume(
        files: Arc<LogFiles>,
        options: LogOptions,
        file_id: u64,
        position: u64,
        line: FirstLine,
    ) -> Result<Self, FileError> {
        let path = files.newest_path().expect("a log that is resumed has a file");
        let mut file = files.storage().open(&path, Access::Write).map_err(|e| FileError::new("open", &path, e))?;
        let mut lines = Vec::new();
        empty_line(Kind::Open, file_id, line).encode(&mut lines);
        file.write_at(&[&lines], position).map_err(|e| FileError::new("write", &path, e))?;
        file.sync_data().map_err(|e| FileError::new("sync", &path, e))?;
        let position = position + lines.len() as u64;
        Ok(Self { content_start: 0, ..Self::at(files, options, file, path, file_id, position, lines) })
    }

    fn at(
        files: Arc<LogFiles>,
        options: LogOptions,
        file: Box<dyn StorageFile>,
        path: PathBuf,
        file_id: u64,
        position: u64,
        lines: Vec<u8>,
    ) -> Self {
        let (content_start, allocated_to, zeros_to) = (position, position, position);
        Self { files, options, file, path, file_id, content_start, position, allocated_to, zeros_to, lines }
    }

    pub(crate) fn files(&self) -> &Arc<LogFiles> {
        &self.files
    }

    /// Whether no group was written to this file yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.position == self.content_start
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
        *self = Self::begin_after(self.files.clone(), self.options, Some(self.position), line)?;
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
        self.files.older_size_bytes() + self.position
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
