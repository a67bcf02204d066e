//! Checking the bytes of one log file, without a directory, an engine or a disk: for tools and for fuzzing.

use super::receiver::ReplayBatch;
use super::scan::{Progress, scan};
use super::window::Window;
use crate::log::annotation::Annotation;
use crate::storage::StorageFile;
use std::io;
use std::path::Path;

/// What the bytes of a log file are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogCheck {
    /// Everything before this byte is sound.
    pub sound_bytes: u64,
    /// Batches that would be replayed.
    pub batches: u64,
    /// Commands in them.
    pub commands: u64,
    /// The first byte that is not what it has to be, what was expected there, and what was found.
    pub damage: Option<(u64, String, String)>,
}

/// Reads the bytes of one log file as recovery would: ours, or an AOF without base that `redis-server` wrote. Any bytes will
/// do. O(bytes); memory is bounded by a small multiple of the input.
///
/// ```
/// use keyslot_persistence::recovery::check_log;
/// let check = check_log(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nDE");
/// assert_eq!((check.commands, check.sound_bytes), (1, 27));
/// assert!(check.damage.is_some());
/// ```
pub fn check_log(bytes: &[u8]) -> LogCheck {
    // Any file of a log will do, so it begins where it says.
    let offset = Annotation::decode(bytes).map_or(0, |(line, _)| line.offset);
    let mut progress = Progress { offset, ..Progress::default() };
    let file = Box::new(Bytes(bytes.to_vec()));
    let scanned = Window::new(file, Path::new("bytes"))
        .and_then(|mut window| scan(&mut window, 0, &mut progress, &mut |_: &ReplayBatch<'_>| Ok(()), &mut |_| {}))
        .expect("bytes in memory can be read");
    LogCheck {
        sound_bytes: scanned.sound_to,
        batches: progress.batches,
        commands: progress.commands,
        damage: scanned.damage.map(|damage| (damage.at, damage.expected, damage.found)),
    }
}

/// Bytes that can be read like a file, and not changed.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl StorageFile for Bytes {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, _: &[&[u8]], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_size(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
