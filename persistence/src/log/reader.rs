//! Reading the journal back from the files of an open log: what memory does not hold any more.
//!
//! ```text
//! line | group | line | group | line | group ..        lines are skipped, groups checked and given on
//!                 ^ here a reader begins that was somewhere in this group
//! ```

use super::annotation::{Annotation, LINE_SIZE_MAX};
use super::files::LogFiles;
use crate::storage::{Access, FileError, StorageFile};
use std::path::PathBuf;
use std::sync::Arc;

/// Reads groups in order, from one file to the next.
pub(crate) struct LogReader {
    files: Arc<LogFiles>,
    path: PathBuf,
    file: Box<dyn StorageFile>,
    /// Where the next line stands in the file.
    at: u64,
    /// The journal offset of the first byte of `group` from `from` on.
    offset: u64,
    /// A group that was read, and how much of it is given on.
    group: Vec<u8>,
    from: usize,
}

impl LogReader {
    /// A reader from this offset of the journal on. `None` if no file holds it.
    pub(crate) fn open(files: &Arc<LogFiles>, offset: u64) -> Result<Option<Self>, FileError> {
        let Some(path) = files.path_at(offset) else { return Ok(None) };
        let file = files.storage().open(&path, Access::Read).map_err(|e| FileError::new("open", &path, e))?;
        let mut reader = Self { files: files.clone(), path, file, at: 0, offset, group: Vec::new(), from: 0 };
        // Groups before the one that holds the offset are passed over by their lines.
        while let Some((line, size)) = reader.line()? {
            if line.offset + line.length > offset {
                let is_there = line.offset <= offset && reader.take_group(&line, size)?;
                reader.from = (offset - line.offset.min(offset)) as usize;
                return Ok(is_there.then_some(reader));
            }
            reader.at += size + line.length;
        }
        Ok(None)
    }

    /// Appends what follows, at most `budget` bytes, and returns how many: 0 when the files hold no more, or what follows is
    /// damaged.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>, budget: usize) -> Result<usize, FileError> {
        if self.from == self.group.len() && !self.next_group()? {
            return Ok(0);
        }
        let part = &self.group[self.from..][..budget.min(self.group.len() - self.from)];
        out.extend_from_slice(part);
        let size = part.len();
        self.from += size;
        self.offset += size as u64;
        Ok(size)
    }

    /// Reads the group that goes on where the last one ended.
    fn next_group(&mut self) -> Result<bool, FileError> {
        loop {
            match self.line()? {
                Some((line, size)) if line.length == 0 => self.at += size,
                Some((line, size)) => return Ok(line.offset == self.offset && self.take_group(&line, size)?),
                None => {
                    // The next file begins where this one ends.
                    let Some(path) = self.files.path_at(self.offset).filter(|path| *path != self.path) else {
                        return Ok(false);
                    };
                    let opened = self.files.storage().open(&path, Access::Read);
                    self.file = opened.map_err(|e| FileError::new("open", &path, e))?;
                    (self.path, self.at) = (path, 0);
                }
            }
        }
    }

    /// The line at `at`, and its size.
    fn line(&self) -> Result<Option<(Annotation, u64)>, FileError> {
        let mut bytes = [0; LINE_SIZE_MAX];
        let read = self.fill(&mut bytes, self.at)?;
        Ok(Annotation::decode(&bytes[..read]).ok().map(|(line, size)| (line, size as u64)))
    }

    /// Reads the group behind a line, and goes behind it. False if it is not whole.
    fn take_group(&mut self, line: &Annotation, line_size: u64) -> Result<bool, FileError> {
        let held = self.file.size_bytes().map_err(|e| FileError::new("read the size of", &self.path, e))?;
        if self.at + line_size + line.length > held {
            return Ok(false);
        }
        let mut group = std::mem::take(&mut self.group);
        group.resize(line.length as usize, 0);
        let read = self.fill(&mut group, self.at + line_size)?;
        let is_whole = read == group.len() && crc32fast::hash(&group) == line.crc;
        (self.group, self.from) = (group, 0);
        self.at += line_size + line.length;
        Ok(is_whole)
    }

    fn fill(&self, bytes: &mut [u8], at: u64) -> Result<usize, FileError> {
        let mut filled = 0;
        while filled < bytes.len() {
            let read = self.file.read_at(&mut bytes[filled..], at + filled as u64);
            match read.map_err(|e| FileError::new("read", &self.path, e))? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}
