//! Reads one log file from front to back: checks the lines, hands on the batches, stops at the first damage.
//!
//! A file of ours begins with an annotation, and then every group has one. Where a command stands in place of an
//! annotation, a real `redis-server` went on with the file; from there to the end it is read as Redis writes it, without
//! checksums. Files that begin without an annotation are read like that from the start.

use super::frames::{Comments, Reader, Why};
use super::receiver::{Receiver, Refused, ReplayBatch};
use super::report::Legible;
use super::window::Window;
use crate::log::annotation::{Annotation, Kind, LINE_SIZE_MAX, MAGIC, NotAnnotation};
use crate::storage::FileError;
use keyslot_engine::Offset;
use std::collections::VecDeque;

/// What is known when a file is begun, and more of it when it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The journal offset that the next byte has.
    pub(crate) offset: u64,
    /// What stands before this journal offset is in the base: it is checked, and not handed on.
    pub(crate) skipped_to: u64,
    /// The highest journal offset that any line read so far calls durable.
    pub(crate) durable: u64,
    pub(crate) era: u64,
    pub(crate) time_ms: i64,
    pub(crate) batches: u64,
    pub(crate) commands: u64,
}

/// How far a file could be read.
#[derive(Clone, Debug)]
pub(crate) struct Scanned {
    /// Everything before this byte is sound, and was handed on.
    pub(crate) sound_to: u64,
    /// Its number, if it is a file of ours.
    pub(crate) file_id: Option<u64>,
    /// Whether the end, or all, was written by `redis-server`.
    pub(crate) foreign: bool,
    /// Whether the last line says that the log was stopped in good order.
    pub(crate) stopped: bool,
    /// Where the last line begins.
    pub(crate) last_line_at: u64,
    /// Where the groups begin that no line calls durable: journal offset and byte.
    pub(crate) unsettled: VecDeque<(u64, u64)>,
    /// Why reading ended before the end of the file.
    pub(crate) damage: Option<Damage>,
}

/// Bytes that are not what they have to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    /// The first of them.
    pub(crate) at: u64,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) cause: Cause,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// The file ends too early, or in zeros: what a crash leaves behind.
    Short,
    /// Something else.
    Wrong,
    /// The receiver refused a command.
    Refused,
    /// A format version that is not ours.
    Version(u32),
}

/// Told how many bytes of the file were read.
pub(crate) type Watch<'f> = &'f mut dyn FnMut(u64);

/// Reads a file from byte `from` on.
pub(crate) fn scan(
    window: &mut Window,
    from: u64,
    progress: &mut Progress,
    receiver: &mut dyn Receiver,
    watch: Watch<'_>,
) -> Result<Scanned, FileError> {
    let mut scan = Scan {
        scanned: Scanned {
            sound_to: from,
            file_id: None,
            foreign: false,
            stopped: false,
            last_line_at: 0,
            unsettled: VecDeque::new(),
            damage: None,
        },
        reader: Reader { batches: progress.batches, commands: progress.commands, ..Reader::default() },
        window,
        progress,
    };
    scan.run(receiver, watch)?;
    let scanned = scan.scanned;
    (progress.batches, progress.commands) = (scan.reader.batches, scan.reader.commands);
    Ok(scanned)
}

/// What the intact lines behind a damage say.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Behind {
    /// The highest journal offset that any of them calls durable.
    pub(crate) durable: u64,
    /// The journal offset of the first.
    pub(crate) first_offset: Option<u64>,
}

/// Looks for intact lines from byte `at` on.
pub(crate) fn look_behind(window: &mut Window, at: u64, file_id: Option<u64>) -> Result<Behind, FileError> {
    let mut behind = Behind::default();
    walk_lines(window, at, file_id, &mut |_, line, _| {
        behind.durable = behind.durable.max(line.durable);
        behind.first_offset.get_or_insert(line.offset);
        Ok(())
    })?;
    Ok(behind)
}

/// The groups from byte `at` on that are intact, line and bytes.
pub(crate) fn legible_groups(window: &mut Window, at: u64, file_id: Option<u64>) -> Result<Vec<Legible>, FileError> {
    let mut groups = Vec::new();
    walk_lines(window, at, file_id, &mut |window, line, start| {
        let Ok(length) = usize::try_from(line.length) else { return Ok(()) };
        if length == 0 || groups.len() == LEGIBLE_MAX {
            return Ok(());
        }
        let bytes = window.bytes_at(start, length)?;
        let Some(group) = bytes.get(..length).filter(|group| crc32fast::hash(group) == line.crc) else { return Ok(()) };
        let mut reader = Reader::default();
        reader.read(group, Comments::Malformed, &mut |_: &ReplayBatch<'_>| Ok(()));
        groups.push(Legible {
            at: start,
            size_bytes: line.length,
            offset: Offset(line.offset),
            commands: reader.commands,
        });
        Ok(())
    })?;
    Ok(groups)
}

/// What is done with a line: the window, the line, and where the byte behind it stands.
type Line<'f> = &'f mut dyn FnMut(&mut Window, &Annotation, u64) -> Result<(), FileError>;

/// Calls `f` with every intact line of this file from byte `at` on. The bytes of its group are skipped, so that a line within
/// a value is not taken for one of the log's.
fn walk_lines(window: &mut Window, mut at: u64, file_id: Option<u64>, f: Line<'_>) -> Result<(), FileError> {
    while at < window.size() {
        let bytes = window.bytes_at(at, LINE_SIZE_MAX)?;
        let Some(next) = find(bytes, MAGIC.as_bytes()) else {
            // The start of a line may stand in the last bytes.
            let step = bytes.len().saturating_sub(MAGIC.len() - 1).max(1);
            at += step as u64;
            continue;
        };
        at += next as u64;
        let step = match Annotation::decode(window.bytes_at(at, LINE_SIZE_MAX)?) {
            Ok((line, size)) if file_id.is_none_or(|id| id == line.file_id) => {
                f(window, &line, at + size as u64)?;
                line.length.saturating_add(size as u64)
            }
            _ => 1,
        };
        at = at.saturating_add(step);
    }
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

struct Scan<'w> {
    scanned: Scanned,
    reader: Reader,
    window: &'w mut Window,
    progress: &'w mut Progress,
}

impl Scan<'_> {
    fn run(&mut self, receiver: &mut dyn Receiver, watch: Watch<'_>) -> Result<(), FileError> {
        loop {
            let at = self.scanned.sound_to;
            if at >= self.window.size() || self.scanned.damage.is_some() {
                return Ok(());
            }
            let bytes = self.window.bytes_at(at, LINE_SIZE_MAX)?;
            let is_ours = bytes.starts_with(&MAGIC.as_bytes()[..bytes.len().min(MAGIC.len())]);
            // A comment of ours with a flipped bit must not pass for one of Redis's.
            let is_command = bytes[0] == b'*' || bytes.starts_with(REDIS_TIME_LINE);
            if is_ours {
                self.group(receiver)?;
                watch(self.scanned.sound_to);
            } else if is_command || (self.scanned.file_id.is_none() && bytes[0] != 0) {
                return self.foreign(receiver, watch);
            } else {
                return self.damaged(at, "a line of the log", None);
            }
        }
    }

    /// Reads a line and the group that it announces.
    fn group(&mut self, receiver: &mut dyn Receiver) -> Result<(), FileError> {
        let at = self.scanned.sound_to;
        let bytes = self.window.bytes_at(at, LINE_SIZE_MAX)?;
        let (line, size) = match Annotation::decode(bytes) {
            Ok(read) => read,
            Err(NotAnnotation::Unfinished) => return self.short(at, "a whole line of the log"),
            Err(NotAnnotation::Damaged) => return self.damaged(at, "a line of the log with a matching sum", None),
            Err(NotAnnotation::Version(version)) => {
                self.damaged(at, "format version 1", Some(format!("format version {version}")))?;
                return self.blame(Cause::Version(version));
            }
        };
        if let Some(misplaced) = self.misplaced(&line) {
            return self.damaged(at, &misplaced.0, Some(misplaced.1));
        }
        let start = at + size as u64;
        let Some(length) = usize::try_from(line.length).ok().filter(|_| self.window.size() - start >= line.length)
        else {
            let left = self.window.size() - start;
            let found = format!("{left} bytes up to the end of the file");
            self.damaged(at, &format!("a group of {} bytes", line.length), Some(found))?;
            return self.blame(Cause::Short);
        };
        let payload = &self.window.bytes_at(start, length)?[..length];
        let crc = crc32fast::hash(payload);
        if crc != line.crc && line.length > 0 {
            let expected = format!("{length} bytes with checksum {:08x}", line.crc);
            return self.damaged(at, &expected, Some(format!("checksum {crc:08x}")));
        }
        if line.offset < self.progress.skipped_to {
            if line.offset + line.length > self.progress.skipped_to {
                let expected = format!("a group that ends at journal offset {}, as the base", self.progress.skipped_to);
                return self.damaged(at, &expected, Some(format!("one that ends at {}", line.offset + line.length)));
            }
            self.accept(&line, at, start + line.length);
            return Ok(());
        }
        (self.reader.db, self.reader.place) = (line.db, start);
        let read = self.reader.read(payload, Comments::Malformed, receiver);
        match read.why {
            Why::End => {}
            Why::Refused(refused) => return self.refused(start + read.whole_to as u64, refused),
            // The checksum is right, so these are not a disk's doing, and part of the group was handed on already.
            Why::Malformed { at, expected } => {
                self.damaged(start + at as u64, expected, None)?;
                return self.blame(Cause::Refused);
            }
            Why::Incomplete { .. } | Why::Annotation { .. } => {
                self.damaged(start + read.whole_to as u64, "whole batches within a group", None)?;
                return self.blame(Cause::Refused);
            }
        }
        self.accept(&line, at, start + line.length);
        Ok(())
    }

    /// Why this line cannot stand here, as expected and found.
    fn misplaced(&self, line: &Annotation) -> Option<(String, String)> {
        let offset = self.progress.offset;
        match self.scanned.file_id {
            None if line.kind != Kind::Open => Some(("the line that opens a file".into(), "one of a group".into())),
            Some(id) if id != line.file_id => {
                Some((format!("a line of file {id:016x}"), format!("one of {:016x}", line.file_id)))
            }
            _ if offset != line.offset => Some((format!("journal offset {offset}"), format!("offset {}", line.offset))),
            _ => None,
        }
    }

    fn accept(&mut self, line: &Annotation, at: u64, end: u64) {
        self.scanned.file_id = Some(line.file_id);
        self.scanned.stopped = line.kind == Kind::Stop;
        self.scanned.sound_to = end;
        self.scanned.last_line_at = at;
        self.progress.offset = line.offset + line.length;
        self.progress.durable = self.progress.durable.max(line.durable);
        self.progress.era = self.progress.era.max(line.era);
        self.progress.time_ms = line.time_ms;
        let unsettled = &mut self.scanned.unsettled;
        if line.length > 0 {
            unsettled.push_back((line.offset, at));
        }
        while unsettled.front().is_some_and(|(offset, _)| *offset < self.progress.durable) {
            unsettled.pop_front();
        }
    }

    /// Reads commands without lines up to the end of the file.
    fn foreign(&mut self, receiver: &mut dyn Receiver, watch: Watch<'_>) -> Result<(), FileError> {
        self.scanned.foreign = true;
        self.scanned.stopped = false;
        self.reader.db = 0;
        let mut needed = 1;
        loop {
            let at = self.scanned.sound_to;
            let bytes = self.window.bytes_at(at, needed)?;
            if bytes.is_empty() {
                return Ok(());
            }
            let seen = bytes.len();
            self.reader.place = at;
            let read = self.reader.read(bytes, Comments::Skipped, receiver);
            self.scanned.sound_to += read.whole_to as u64;
            self.progress.offset += read.whole_to as u64;
            watch(self.scanned.sound_to);
            let at = self.scanned.sound_to;
            let rest = self.window.size() - at;
            match read.why {
                Why::End => needed = 1,
                // Twice as much as before: a long transaction is not read anew for each of its commands.
                Why::Incomplete { needed: wanted } if (wanted as u64) <= rest => {
                    needed = wanted.max((seen - read.whole_to) * 2);
                }
                Why::Incomplete { .. } => return self.short(at, "a whole command"),
                Why::Malformed { at: bad, expected } => {
                    return self.damaged(at - read.whole_to as u64 + bad as u64, expected, None);
                }
                Why::Annotation { .. } => return self.damaged(0, "the line that opens a file", None),
                Why::Refused(refused) => return self.refused(at, refused),
            }
        }
    }

    fn refused(&mut self, at: u64, refused: Refused) -> Result<(), FileError> {
        self.damaged(at, &format!("that {} can be applied", refused.what), Some(refused.reason))?;
        self.blame(Cause::Refused)
    }

    fn short(&mut self, at: u64, expected: &str) -> Result<(), FileError> {
        let found = format!("the end of the file after {} bytes", self.window.size() - at);
        self.damaged(at, expected, Some(found))?;
        self.blame(Cause::Short)
    }

    fn damaged(&mut self, at: u64, expected: &str, found: Option<String>) -> Result<(), FileError> {
        let all_zero = self.window.is_zero_from(self.scanned.sound_to)?;
        let found = match found {
            _ if all_zero => "zeros up to the end of the file".to_owned(),
            Some(found) => found,
            None => {
                let bytes = self.window.bytes_at(at, FOUND_SHOWN_MAX)?;
                format!("\"{}\"", bytes[..bytes.len().min(FOUND_SHOWN_MAX)].escape_ascii())
            }
        };
        let cause = if all_zero { Cause::Short } else { Cause::Wrong };
        self.scanned.damage = Some(Damage { at, expected: expected.to_owned(), found, cause });
        Ok(())
    }

    fn blame(&mut self, cause: Cause) -> Result<(), FileError> {
        if let Some(damage) = &mut self.scanned.damage {
            damage.cause = cause;
        }
        Ok(())
    }
}

/// How Redis begins the comments that it writes into its files (`aof-timestamp-enabled`).
const REDIS_TIME_LINE: &[u8] = b"#TS:";
/// So many groups of what was cut are told.
const LEGIBLE_MAX: usize = 1000;
/// So many bytes of what was found are shown.
const FOUND_SHOWN_MAX: usize = 24;
