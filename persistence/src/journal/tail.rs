//! The newest part of the journal, in memory: what is not written yet, and as much before it as the backlog holds.
//!
//! ```text
//!   sealed chunks, oldest first            the open chunk
//!   [ ........ ][ ............ ][ ..... ]  [ ........    ]
//!   ^oldest              ^written                   ^end
//!   |------ backlog -----|------ unwritten ---------|        marks divide the unwritten part into groups
//! ```
//!
//! Invariants
//! - A batch, with its framing, never crosses a chunk's end; a group never crosses one either.
//! - A sealed chunk leaves only when it is written, and then only to keep the backlog within its bound. Without a log, nobody could
//!   read again what left: then it also stays for [readers](Hold) that are not past it, within a bound of its own.
//! - `marks` names the start of every group of the part that nobody took yet; a group ends where the next one starts.

use super::chunk::{Chunk, ChunkWriter};
use keyslot_engine::effect::FRAMING_SIZE_MAX;
use keyslot_engine::{Batch, BatchKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The journal's memory; its owner holds the lock.
#[derive(Debug)]
pub(crate) struct Tail {
    writer: ChunkWriter,
    sealed: VecDeque<Arc<Chunk>>,
    end: u64,
    /// The database that is selected at the end.
    selected: u16,
    /// Whether the next batch says its database in any case.
    says_db: bool,
    /// That of the newest batch.
    era: u64,
    marks: Vec<Mark>,
    /// At this end a new group is begun; 0 to begin one now.
    mark_limit: u64,
    /// An append that reaches this end wakes the driver; 0 while the driver sleeps without a deadline.
    wake_at: u64,
    /// Whether a reader waits for the next append.
    is_followed: bool,
    /// Whether somebody writes it to a log.
    is_written: bool,
    /// Where readers are.
    holds: Vec<Hold>,
    /// What the sealed chunks take.
    sealed_size: usize,
    limits: TailLimits,
}

/// The offset from which on a reader wants the journal to stay. Counts while the reader has its copy.
pub(crate) type Hold = Arc<AtomicU64>;

/// How much the tail holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailLimits {
    pub(crate) chunk_size: usize,
    pub(crate) group_size: u64,
    pub(crate) backlog_size_bytes_max: usize,
    pub(crate) held_size_bytes_max: usize,
}

/// The start of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) start: u64,
    pub(crate) era: u64,
    pub(crate) time_ms: i64,
    pub(crate) db: u16,
    pub(crate) global: bool,
}

/// What the driver took to write.
#[derive(Default, Debug)]
pub(crate) struct Taken {
    pub(crate) marks: Vec<Mark>,
    pub(crate) chunks: Vec<Arc<Chunk>>,
    pub(crate) end: u64,
}

impl Tail {
    pub(crate) fn new(start: u64, limits: TailLimits) -> Self {
        Self {
            writer: ChunkWriter::new(start, limits.chunk_size),
            sealed: VecDeque::new(),
            end: start,
            selected: 0,
            says_db: true,
            era: 0,
            marks: Vec::new(),
            mark_limit: 0,
            wake_at: 0,
            is_followed: false,
            is_written: true,
            holds: Vec::new(),
            sealed_size: 0,
            limits,
        }
    }

    /// Keeps what is from `at` on for a reader, as far as the bound goes.
    pub(crate) fn hold(&mut self, at: u64) -> Hold {
        let hold = Arc::new(AtomicU64::new(at));
        self.holds.push(hold.clone());
        hold
    }

    /// Changes the bound of what is held for readers.
    pub(crate) fn set_held_size(&mut self, size_bytes_max: usize) {
        self.limits.held_size_bytes_max = size_bytes_max.max(self.limits.backlog_size_bytes_max);
    }

    /// The offset from which on readers want it to stay.
    fn held_from(&mut self) -> u64 {
        self.holds.retain(|hold| Arc::strong_count(hold) > 1);
        if self.is_written {
            return u64::MAX;
        }
        self.holds.iter().map(|hold| hold.load(Ordering::Relaxed)).min().unwrap_or(u64::MAX)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The end at which an append has somebody to wake: the driver, or readers.
    #[inline]
    pub(crate) fn wake_at(&self) -> u64 {
        if self.is_followed { 0 } else { self.wake_at }
    }

    pub(crate) fn set_wake_at(&mut self, end: u64) {
        self.wake_at = end;
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// Has the next append wake who waits for it.
    pub(crate) fn follow(&mut self) {
        self.is_followed = true;
    }

    /// Says that whoever was to be woken is.
    pub(crate) fn woke(&mut self) {
        self.wake_at = u64::MAX;
        self.is_followed = false;
    }

    /// Appends a batch with its framing and returns the new end. `written` is read only when a new chunk is needed.
    #[inline]
    pub(crate) fn append(&mut self, batch: &Batch<'_>, written: impl FnOnce() -> u64) -> u64 {
        let size = batch.bytes.len() + FRAMING_SIZE_MAX;
        if size > self.writer.room() {
            self.next_chunk(size, written());
            // A reader may begin at a chunk.
            self.forget_db();
        }
        if self.era != batch.era {
            // So may a file of the log, where a view ends.
            self.era = batch.era;
            self.forget_db();
        }
        // What touches no key is in any database, and a primary's bytes say theirs themselves.
        let has_db = batch.kind != BatchKind::Keyless && batch.verbatim.is_none();
        let selects = has_db && (self.says_db || self.selected != batch.db);
        let global = batch.kind == BatchKind::Global;
        if self.end >= self.mark_limit || self.marks.last().is_some_and(|m| m.era != batch.era || m.global != global) {
            self.begin_group(batch, global);
        }
        let before = self.writer.filled();
        batch.write_framed(selects, |part| self.writer.push(part));
        if has_db {
            (self.selected, self.says_db) = (batch.db, false);
        } else if let Some(db) = batch.verbatim {
            self.selected = db;
        }
        self.end += (self.writer.filled() - before) as u64;
        self.writer.publish();
        self.end
    }

    /// Moves everything from `written` on into `taken`. The next batch begins a new group.
    pub(crate) fn take(&mut self, written: u64, taken: &mut Taken) {
        taken.marks.clear();
        taken.chunks.clear();
        std::mem::swap(&mut self.marks, &mut taken.marks);
        self.mark_limit = 0;
        taken.end = self.end;
        let first = self.sealed.partition_point(|chunk| chunk.end() <= written);
        taken.chunks.extend(self.sealed.range(first..).cloned());
        taken.chunks.push(self.writer.chunk().clone());
    }

    /// Forgets what was not taken: nobody will write it.
    pub(crate) fn begin_anew(&mut self) {
        self.marks.clear();
        self.mark_limit = 0;
        self.wake_at = 0;
        self.forget_db();
    }

    /// Says whether somebody writes it to a log.
    pub(crate) fn set_written(&mut self, is_written: bool) {
        self.is_written = is_written;
    }

    /// Goes on at `start`, where `selected` is the database, without anything of before.
    pub(crate) fn restart(&mut self, start: u64, selected: u16) {
        let (is_written, is_followed) = (self.is_written, self.is_followed);
        *self = Self { selected, is_written, is_followed, ..Self::new(start, self.limits) };
    }

    pub(crate) fn set_selected(&mut self, db: u16) {
        self.selected = db;
    }

    /// The database that is selected at the end.
    pub(crate) fn selected(&self) -> u16 {
        self.selected
    }

    /// Has the next batch say its database, so that a reader who starts there needs nothing from before.
    pub(crate) fn forget_db(&mut self) {
        self.says_db = true;
    }

    /// The oldest offset that is still here.
    pub(crate) fn oldest(&self) -> u64 {
        self.sealed.front().map_or(self.writer.chunk().start(), |chunk| chunk.start())
    }

    /// The chunk that holds the byte at `offset`, which is at least [`oldest`](Self::oldest) and below the end.
    pub(crate) fn chunk_at(&self, offset: u64) -> &Arc<Chunk> {
        let index = self.sealed.partition_point(|chunk| chunk.end() <= offset);
        self.sealed.get(index).unwrap_or_else(|| self.writer.chunk())
    }

    fn begin_group(&mut self, batch: &Batch<'_>, global: bool) {
        if self.is_written {
            let db = self.selected;
            self.marks.push(Mark { start: self.end, era: batch.era, time_ms: batch.now.0, db, global });
        }
        self.mark_limit = self.end + self.limits.group_size;
    }

    #[cold]
    fn next_chunk(&mut self, size: usize, written: u64) {
        let held_from = self.held_from();
        let mut spare = None;
        for _ in 0..CHUNKS_LEFT_AT_ONCE {
            let size = self.sealed_size + self.writer.chunk().capacity() + self.limits.chunk_size;
            let may_leave = |chunk: &Arc<Chunk>| {
                let is_held = chunk.end() > held_from && size <= self.limits.held_size_bytes_max;
                chunk.end() <= written && !is_held
            };
            if size <= self.limits.backlog_size_bytes_max || !self.sealed.front().is_some_and(may_leave) {
                break;
            }
            if let Some(chunk) = self.sealed.pop_front() {
                self.sealed_size -= chunk.capacity();
                spare = Some(chunk);
            }
        }
        let fits = |chunk: &Arc<Chunk>| chunk.capacity() == self.limits.chunk_size && chunk.capacity() >= size;
        let reused = spare.filter(fits).and_then(|chunk| ChunkWriter::reuse(chunk, self.end).ok());
        let next = reused.unwrap_or_else(|| ChunkWriter::new(self.end, self.limits.chunk_size.max(size)));
        let full = std::mem::replace(&mut self.writer, next);
        if full.filled() > 0 {
            let chunk = full.seal();
            self.sealed_size += chunk.capacity();
            self.sealed.push_back(chunk);
        }
        self.mark_limit = 0;
    }
}

/// No append frees more than so many chunks: many may leave when a slow reader does.
const CHUNKS_LEFT_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot_engine::{Slot, UnixMillis};

    const LIMITS: TailLimits =
        TailLimits { chunk_size: 256, group_size: 100, backlog_size_bytes_max: 1024, held_size_bytes_max: 4096 };

    fn batch<'a>(db: u16, count: u32, bytes: &'a [u8], slots: &'a [Slot]) -> Batch<'a> {
        Batch { kind: BatchKind::Slots, db, slots, era: 1, now: UnixMillis(7), count, bytes, verbatim: None }
    }

    fn text(tail: &Tail) -> String {
        let mut bytes = Vec::new();
        for chunk in &tail.sealed {
            bytes.extend_from_slice(chunk.published());
        }
        bytes.extend_from_slice(tail.writer.chunk().published());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_stream_selects_on_change_and_wraps_many() {
        let mut tail = Tail::new(0, LIMITS);
        let ping = b"*1\r\n$4\r\nPING\r\n";
        assert_eq!(tail.append(&batch(0, 1, ping, &[]), || 0), 23 + 14);
        tail.append(&batch(0, 1, ping, &[]), || 0);
        tail.append(&batch(12, 2, &[&ping[..], ping].concat(), &[]), || 0);
        let expected = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n\
                        *2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n\
                        *1\r\n$4\r\nEXEC\r\n";
        assert_eq!(text(&tail), expected);
        assert_eq!(tail.end(), expected.len() as u64);
    }

    #[test]
    fn every_database_number_fits() {
        for db in [0, 9, 10, 15, 99, 100, 16383, u16::MAX] {
            let mut tail = Tail::new(0, TailLimits { chunk_size: 1, ..LIMITS });
            tail.append(&batch(db, 1, b"", &[]), || 0);
            let digits = db.to_string();
            assert_eq!(text(&tail), format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{digits}\r\n", digits.len()));
        }
    }

    #[test]
    fn groups_end_at_their_size_and_when_the_era_or_kind_changes() {
        let mut tail = Tail::new(0, TailLimits { chunk_size: 4096, ..LIMITS });
        let bytes = [b'x'; 60];
        for _ in 0..3 {
            tail.append(&batch(0, 1, &bytes, &[]), || 0);
        }
        let ends = tail.end();
        tail.append(&Batch { era: 2, ..batch(0, 1, &bytes, &[]) }, || 0);
        tail.append(&Batch { era: 2, kind: BatchKind::Global, ..batch(0, 1, &bytes, &[]) }, || 0);
        tail.append(&Batch { era: 2, kind: BatchKind::Keyless, ..batch(0, 1, &bytes, &[]) }, || 0);
        let mut taken = Taken::default();
        tail.take(0, &mut taken);
        // A group of a new era begins with its SELECT of 23 bytes.
        let starts: Vec<_> = taken.marks.iter().map(|m| (m.start, m.era, m.global)).collect();
        let expected = [(0, 1, false), (143, 1, false), (ends, 2, false), (ends + 83, 2, true), (ends + 143, 2, false)];
        assert_eq!(starts, expected);
        tail.append(&batch(0, 1, &bytes, &[]), || 0);
        assert_eq!(tail.marks.len(), 1, "what was taken is not continued");
    }

    #[test]
    fn written_chunks_leave_and_unwritten_ones_stay() {
        let mut tail = Tail::new(0, LIMITS);
        for _ in 0..20 {
            tail.append(&batch(0, 1, &[b'x'; 100], &[]), || 0);
        }
        assert_eq!(tail.oldest(), 0, "nothing was written, so nothing may go");
        let end = tail.end();
        for _ in 0..4 {
            tail.append(&batch(0, 1, &[b'x'; 100], &[]), || end);
        }
        assert!(tail.oldest() > 0);
        assert!(tail.sealed.len() <= 4, "{:?}", tail.sealed);
        let at = tail.oldest() + 1;
        assert!((tail.chunk_at(at).start()..tail.chunk_at(at).end()).contains(&at));
    }

    #[test]
    fn without_a_log_what_a_reader_has_not_read_stays_within_a_bound() {
        let mut tail = Tail::new(0, LIMITS);
        tail.set_written(false);
        let append = |tail: &mut Tail, count: usize| {
            for _ in 0..count {
                tail.append(&batch(0, 1, &[b'x'; 100], &[]), || u64::MAX);
            }
        };
        let hold = tail.hold(0);
        append(&mut tail, 12);
        assert_eq!(tail.oldest(), 0);
        hold.store(u64::MAX, Ordering::Relaxed);
        append(&mut tail, 12);
        assert!(tail.sealed_size <= 1024, "who has read it needs it no more");
        hold.store(tail.end(), Ordering::Relaxed);
        append(&mut tail, 100);
        assert!((3000..=4096).contains(&tail.sealed_size), "a reader that is too slow loses its place");
        drop(hold);
        append(&mut tail, 20);
        assert!(tail.sealed_size <= 1024);
        assert_eq!(tail.sealed_size, tail.sealed.iter().map(|chunk| chunk.capacity()).sum::<usize>());
    }

    #[test]
    fn a_batch_larger_than_a_chunk_gets_its_own() {
        let mut tail = Tail::new(0, LIMITS);
        tail.append(&batch(0, 1, &[b'a'; 50], &[]), || 0);
        tail.append(&batch(0, 1, &[b'b'; 5000], &[]), || 0);
        tail.append(&batch(0, 1, &[b'c'; 50], &[]), || 0);
        // Each chunk begins with its SELECT of 23 bytes.
        assert_eq!(tail.end(), 3 * 23 + 5100);
        assert_eq!(tail.chunk_at(100).end(), 2 * 23 + 5050);
        let mut taken = Taken::default();
        tail.take(0, &mut taken);
        assert_eq!(taken.chunks.len(), 3);
        assert_eq!(taken.marks.len(), 3);
    }
}
