//! Reading the journal from memory, by offset.

use super::Journal;
use super::chunk::Chunk;
use keyslot_engine::Offset;
use keyslot_engine::effect::Unreadable;
use std::fmt;
use std::sync::Arc;

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
