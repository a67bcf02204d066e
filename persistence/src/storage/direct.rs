//! Large writes past the page cache.
//!
//! Copying into fresh pages of the cache costs many times what handing the bytes to the device does, and nobody reads a log
//! soon. The device takes whole blocks, from memory that begins at a block's size; so the bytes are gathered first.
//!
//! ```text
//!                 at        block              block          end
//!        ---------|..........|==================|.............|------
//! write_at        the cache    past the cache     the cache
//! ..before_zeros  =================== past the cache ===========|0000|
//!                 ^ from the start of its block, of which the first bytes are written again as they are
//! ```
//!
//! Invariants
//! - In `write_at`, blocks that are written in part go through the cache, where the next write goes on in the same block: no
//!   block is written both ways, and the file has no padding.
//! - `write_before_zeros` writes nothing but zeros behind the end, where there are zeros already.
//! - Where the system refuses, everything goes through the cache.

use rustix::io::{Errno, pwrite};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A second door to a file.
#[derive(Debug)]
pub(super) struct Direct {
    /// None once the system refused.
    file: Option<File>,
    /// Where bytes are gathered, from `first` on; allocated by the first write.
    gathered: Vec<u8>,
    /// The first byte whose address is a multiple of the block's size.
    first: usize,
    /// Where the last `write_before_zeros` ended: the started block stands at the front of the gathered bytes.
    started_at: Option<u64>,
}

impl Direct {
    /// The door to the file at `path`. None where the file system has none.
    #[cfg(target_os = "linux")]
    pub(super) fn open(path: &Path) -> Option<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::DIRECT.bits() as i32;
        let file = File::options().write(true).custom_flags(flags).open(path).ok()?;
        Some(Self { file: Some(file), gathered: Vec::new(), first: 0, started_at: None })
    }

    /// The door to the file at `path`. None where the file system has none.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_path: &Path) -> Option<Self> {
        None
    }

    /// Writes all `parts`, one after the other, from `at`. `cached` is the same file's other door.
    pub(super) fn write_at(&mut self, cached: &File, parts: &[&[u8]], mut at: u64) -> io::Result<()> {
        self.started_at = None;
        let mut rest = Rest { parts, skip: 0 };
        loop {
            let start = (at % BLOCK_SIZE as u64) as usize;
            let space = space(&mut self.gathered, &mut self.first);
            let end = start + rest.move_into(&mut space[start..]);
            if end == start {
                return Ok(());
            }
            let head_end = if start == 0 { 0 } else { BLOCK_SIZE.min(end) };
            let tail_start = head_end.max(end - end % BLOCK_SIZE);
            let place = |index: usize| at - start as u64 + index as u64;
            cached.write_all_at(&space[start..head_end.max(start)], at)?;
            write_blocks(&mut self.file, cached, &space[head_end..tail_start], place(head_end))?;
            cached.write_all_at(&space[tail_start..end], place(tail_start))?;
            at = place(end);
        }
    }

    /// Writes all `parts`, one after the other, from `at`, and zeros from their end to the end of its block.
    pub(super) fn write_before_zeros(&mut self, cached: &File, parts: &[&[u8]], mut at: u64) -> io::Result<()> {
        let mut rest = Rest { parts, skip: 0 };
        let is_started = self.started_at.take() == Some(at);
        let space = space(&mut self.gathered, &mut self.first);
        let mut start = (at % BLOCK_SIZE as u64) as usize;
        if !is_started {
            cached.read_exact_at(&mut space[..start], at - start as u64)?;
        }
        loop {
            let end = start + rest.move_into(&mut space[start..]);
            if end == start {
                break;
            }
            let whole = end.next_multiple_of(BLOCK_SIZE);
            space[end..whole].fill(0);
            write_blocks(&mut self.file, cached, &space[..whole], at - start as u64)?;
            at += (end - start) as u64;
            let started = end % BLOCK_SIZE;
            space.copy_within(end - started..end, 0);
            start = started;
        }
        self.started_at = Some(at);
        Ok(())
    }
}

/// The memory to gather in, aligned.
fn space<'a>(gathered: &'a mut Vec<u8>, first: &mut usize) -> &'a mut [u8] {
    if gathered.is_empty() {
        *gathered = vec![0; CALL_SIZE_MAX + BLOCK_SIZE];
        *first = gathered.as_ptr().align_offset(BLOCK_SIZE).min(BLOCK_SIZE);
    }
    &mut gathered[*first..][..CALL_SIZE_MAX]
}

/// Writes whole blocks past the cache. Where that is refused, `direct` is given up and they go through the cache.
fn write_blocks(direct: &mut Option<File>, cached: &File, mut blocks: &[u8], mut at: u64) -> io::Result<()> {
    while let (Some(file), false) = (&*direct, blocks.is_empty()) {
        match pwrite(file, blocks, at) {
            // A part of a block was taken: the device is full or about to fail. The other door says what is wrong.
            Ok(written) if written == 0 || written % BLOCK_SIZE != 0 => break,
            Ok(written) => {
                blocks = &blocks[written..];
                at += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::OPNOTSUPP) => *direct = None,
            Err(errno) => return Err(errno.into()),
        }
    }
    cached.write_all_at(blocks, at)
}

/// What is not written yet.
struct Rest<'a> {
    parts: &'a [&'a [u8]],
    /// Bytes of the first part that are done.
    skip: usize,
}

impl Rest<'_> {
    /// Moves as much as fits, and says how much.
    fn move_into(&mut self, space: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some((part, later)) = self.parts.split_first() {
            let part = &part[self.skip..];
            let size = part.len().min(space.len() - filled);
            space[filled..filled + size].copy_from_slice(&part[..size]);
            filled += size;
            if size < part.len() {
                self.skip += size;
                break;
            }
            (self.parts, self.skip) = (later, 0);
        }
        filled
    }
}

/// A multiple of what any device asks for, and of a page: the cache keeps whole pages.
const BLOCK_SIZE: usize = 4096;

/// How much is gathered for one system call.
const CALL_SIZE_MAX: usize = 1 << 20;

/// Writes of at least this size are worth the second door.
pub(super) const DIRECT_SIZE_MIN: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_place_and_size_reads_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let Some(mut direct) = Direct::open(&path) else { return };
        let mut expected = Vec::new();
        for (round, size) in
            [1, 4095, 1, 8192, 4096, 5, 100_000, 3 * CALL_SIZE_MAX + 77, 4096 * 3 + 1, 0, 9].into_iter().enumerate()
        {
            let bytes: Vec<u8> = (0..size).map(|i| (i * 31 / 7 + round) as u8).collect();
            let (a, b) = bytes.split_at(size / 3);
            let (b, c) = b.split_at(b.len() / 2);
            direct.write_at(&file, &[a, &[], b, c], expected.len() as u64).unwrap();
            expected.extend_from_slice(&bytes);
            assert_eq!(std::fs::read(&path).unwrap(), expected, "after {size} bytes");
        }
    }

    #[test]
    fn writes_before_zeros_leave_zeros_and_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let Some(mut direct) = Direct::open(&path) else { return };
        let size = 4 << 20;
        file.write_all_at(b"head", 0).unwrap();
        file.set_len(size).unwrap();
        let mut expected = b"head".to_vec();
        for (round, size) in
            [1, 4000, 91, 1, 9000, 4096, 5, 100_000, CALL_SIZE_MAX + 77, 0, 3, 9].into_iter().enumerate()
        {
            let bytes: Vec<u8> = (0..size).map(|i| (i * 31 / 7 + round + 1) as u8).collect();
            let (a, b) = bytes.split_at(size / 3);
            if round == 6 {
                // Another door was used in between.
                direct.write_at(&file, &[a, b], expected.len() as u64).unwrap();
            } else {
                direct.write_before_zeros(&file, &[a, b], expected.len() as u64).unwrap();
            }
            expected.extend_from_slice(&bytes);
            let found = std::fs::read(&path).unwrap();
            assert_eq!(found[..expected.len()], expected, "after {size} bytes");
            assert!(found[expected.len()..].iter().all(|b| *b == 0), "after {size} bytes");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    }

    #[test]
    fn a_refusal_sends_the_bytes_through_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        // A door that is open for reading only takes no writes.
        let mut door = None;
        write_blocks(&mut door, &file, &[7; 8192], 4096).unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[4096..], [7; 8192]);
    }

    #[test]
    fn a_device_that_is_full_says_so() {
        let full = std::path::Path::new("/dev/full");
        let Ok(file) = File::options().write(true).open(full) else { return };
        let mut direct = Direct { file: None, gathered: Vec::new(), first: 0, started_at: None };
        let error = direct.write_at(&file, &[&[0; 50_000]], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
