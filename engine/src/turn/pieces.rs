//! Effects of many words: members, elements, or fields with their values, recorded in pieces of bounded size.

use crate::effect::Recorder;
use smallvec::SmallVec;

/// Words for effects on one key, gathered while a value is read or changed.
#[derive(Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pieces {
    pub(crate) fn push(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
    }

    /// Whether there is enough for one effect.
    pub(crate) fn is_full(&self) -> bool {
        self.ends.len() >= PIECE_WORDS || self.bytes.len() >= PIECE_BYTES
    }

    /// Records `head word ...` in as many effects as it takes, none if there are no words; words come in pairs or alone, and
    /// pairs stay together. Nothing is gathered afterwards.
    pub(crate) fn record(&mut self, to: &mut impl Recorder, head: &[&[u8]]) {
        let (mut first, mut start) = (0, 0);
        while first < self.ends.len() {
            let is_full = |end: &usize| *end - start >= PIECE_BYTES;
            let rest = &self.ends[first..];
            let count = rest.iter().take(PIECE_WORDS).position(is_full).map_or(PIECE_WORDS, |at| at + 1);
            let count = count.next_multiple_of(2).min(rest.len());
            let mut args: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(head);
            for end in &rest[..count] {
                args.push(&self.bytes[start..*end]);
                start = *end;
            }
            to.record(&args);
            first += count;
        }
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Words of one effect, at most: a compact collection of default limits fits in one piece, and so stays compact when it is
/// replayed; and far fewer than a reader of the log takes.
pub(crate) const PIECE_WORDS: usize = 256;

/// Bytes after which a piece ends.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;

    #[test]
    fn pieces_are_bounded_and_pairs_stay_together() {
        let bench = Bench::new();
        bench
            .db
            .atomic("k", |turn| {
                let mut pieces = Pieces::default();
                pieces.record(turn, &[b"SADD", b"none"]);
                for n in 0..300 {
                    pieces.push(format!("field{n}").as_bytes());
                    pieces.push(if n == 3 { &[b'v'; PIECE_BYTES] } else { b"v" });
                }
                assert!(pieces.is_full());
                pieces.record(turn, &[b"HSET", b"k"]);
                pieces.record(turn, &[b"HSET", b"k"]);
                Ok::<(), crate::CommandError>(())
            })
            .expect("nothing fails");
        let batches = bench.batches();
        let lens: Vec<usize> = batches.iter().flat_map(|batch| &batch.effects).map(Vec::len).collect();
        assert_eq!(lens, [2 + 8, 2 + PIECE_WORDS, 2 + PIECE_WORDS, 2 + 600 - 8 - 2 * PIECE_WORDS]);
    }
}
