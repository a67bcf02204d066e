//! Reading the journal by offset: from memory, and from the log's files what memory does not hold any more.

use super::Journal;
use super::chunk::Chunk;
use super::tail::Hold;
use crate::log::LogReader;
use keyslot_engine::effect::Unreadable;
use keyslot_engine::{EffectSink, Offset};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

/// Bytes of the journal, from one offset on. Holds their memory; copying it is cheap.
#[derive(Clone)]
pub struct JournalSlice {
    chunk: Arc<Chunk>,
    from: usize,
    to: usize,
}

impl JournalSlice {
    /// The offset of the first byte.
    pub fn start(&self) -> Offset {
        Offset(self.chunk.start() + self.from as u64)
    }

    /// The offset after the last byte: where to read on.
    pub fn end(&self) -> Offset {
        Offset(self.chunk.start() + self.to as u64)
    }

    /// The bytes. They end where a batch ends.
    pub fn bytes(&self) -> &[u8] {
        &self.chunk.published()[self.from..self.to]
    }
}

impl fmt::Debug for JournalSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalSlice({}..{})", self.start(), self.end())
    }
}

impl Journal {
    /// The journal's bytes from `offset` on: up to the end of the piece of memory that holds them, so possibly less than
    /// there is, and nothing only if `offset` is the end. O(log pieces), copies no bytes.
    pub fn read_from(&self, offset: Offset) -> Result<JournalSlice, Unreadable> {
        let tail = self.appended.tail.lock();
        if offset.0 < tail.oldest() {
            return Err(Unreadable::Lagged { oldest: Offset(tail.oldest()) });
        }
        if offset.0 > tail.end() {
            return Err(Unreadable::Ahead { end: Offset(tail.end()) });
        }
        let chunk = tail.chunk_at(offset.0).clone();
        let from = (offset.0 - chunk.start()) as usize;
        let to = (chunk.end() - chunk.start()) as usize;
        Ok(JournalSlice { chunk, from, to })
    }
}

/// Has a journal without a log keep what is behind an offset, within [its bound](super::JournalOptions::held_size_bytes_max),
/// until it is dropped.
#[derive(Debug)]
pub struct JournalHold {
    place: Hold,
}

impl JournalHold {
    fn move_to(&self, at: Offset) {
        self.place.store(at.0, Ordering::Relaxed);
    }
}

/// Follows the journal from an offset on, byte for byte.
pub struct JournalReader {
    journal: Arc<Journal>,
    at: Offset,
    /// At `at`.
    hold: JournalHold,
    /// Where memory does not hold it.
    log: Option<LogReader>,
}

impl Journal {
    /// Keeps what is behind `at` for a reader that comes later.
    pub fn hold(&self, at: Offset) -> JournalHold {
        JournalHold { place: self.appended.tail.lock().hold(at.0) }
    }
}

impl JournalReader {
    /// A reader from this offset on; an error if that is neither in memory nor in the log.
    pub fn new(journal: Arc<Journal>, at: Offset) -> Result<Self, Unreadable> {
        // Held first: what is there now stays.
        let hold = journal.hold(at);
        let oldest = journal.oldest_logged().unwrap_or(journal.oldest());
        if at < oldest.min(journal.oldest()) {
            return Err(Unreadable::Lagged { oldest });
        }
        if at > journal.end() {
            return Err(Unreadable::Ahead { end: journal.end() });
        }
        Ok(Self { journal, at, hold, log: None })
    }

    /// The offset of the next byte.
    pub fn position(&self) -> Offset {
        self.at
    }

    /// How many bytes follow.
    pub fn unread_bytes(&self) -> u64 {
        self.journal.end().0.saturating_sub(self.at.0)
    }

    /// Appends what follows, at most `budget` bytes: nothing if there is nothing yet. An error if what follows is gone.
    pub fn read(&mut self, out: &mut Vec<u8>, budget: usize) -> Result<(), Unreadable> {
        match self.journal.read_from(self.at) {
            Ok(slice) => {
                self.log = None;
                let bytes = &slice.bytes()[..slice.bytes().len().min(budget)];
                out.extend_from_slice(bytes);
                self.at.0 += bytes.len() as u64;
                self.hold.move_to(self.at);
                Ok(())
            }
            Err(lagged @ Unreadable::Lagged { .. }) => match self.read_log(out, budget) {
                Some(size @ 1..) => {
                    self.at.0 += size as u64;
                    self.hold.move_to(self.at);
                    Ok(())
                }
                _ => Err(lagged),
            },
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn read_log(&mut self, out: &mut Vec<u8>, budget: usize) -> Option<usize> {
        if self.log.is_none() {
            self.log = self.journal.open_log(self.at);
        }
        let read = self.log.as_mut()?.read(out, budget);
        read.inspect_err(|error| tracing::warn!(%error, "the log cannot be read back")).ok()
    }

    /// Whether there is anything to [read](Self::read). `Pending`: `waker` is woken when there is.
    pub fn poll_more(&self, waker: &Waker) -> Poll<()> {
        self.journal.poll_more(self.at, waker)
    }
}

impl fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalReader({})", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::JournalOptions;
    use super::*;
    use keyslot_engine::{Batch, BatchKind, EffectSink, UnixMillis};

    const SELECT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

    fn journal_with(count: usize) -> Journal {
        let options = JournalOptions { chunk_size_bytes: 64, backlog_size_bytes_max: 256, ..JournalOptions::default() };
        let journal = Journal::new(Offset(1000), options);
        for _ in 0..count {
            append(&journal);
        }
        journal
    }

    fn append(journal: &Journal) {
        journal.append(&Batch {
            kind: BatchKind::Slots,
            db: 0,
            slots: &[],
            era: 0,
            now: UnixMillis(0),
            count: 1,
            bytes: b"*1\r\n$4\r\nPING\r\n",
            verbatim: None,
        });
    }

    #[test]
    fn slices_in_a_row_are_the_stream() {
        let journal = journal_with(50);
        let mut at = Offset(1000);
        let mut bytes = Vec::new();
        while at < journal.end() {
            let slice = journal.read_from(at).unwrap();
            assert_eq!(slice.start(), at);
            assert!(slice.bytes().starts_with(SELECT.as_bytes()), "a reader may begin at any chunk");
            bytes.extend_from_slice(slice.bytes());
            at = slice.end();
        }
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.replace(SELECT, ""), "*1\r\n$4\r\nPING\r\n".repeat(50));
        assert!(journal.read_from(at).unwrap().bytes().is_empty());
    }

    #[test]
    fn what_is_gone_or_not_there_yet_is_named() {
        let journal = journal_with(50);
        journal.set_written(journal.end().0, 0);
        let slice = journal.read_from(Offset(1000)).unwrap();
        for _ in 0..50 {
            append(&journal);
        }
        match journal.read_from(Offset(1000)) {
            Err(Unreadable::Lagged { oldest }) => assert!(oldest > Offset(1000)),
            other => panic!("{other:?}"),
        }
        assert!(slice.bytes().starts_with(b"*2\r\n"), "a slice keeps its bytes");
        let beyond = Offset(journal.end().0 + 1);
        assert_eq!(journal.read_from(beyond).unwrap_err(), Unreadable::Ahead { end: journal.end() });
    }
}
