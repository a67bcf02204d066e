//! A journal in memory, for engines that keep none elsewhere: the newest part of the stream, in pieces.
//!
//! ```text
//!   [ piece ][ piece ][ piece ][ the newest, grows ]     the oldest goes when all together pass the bound
//!   ^oldest                                      ^end
//! ```
//!
//! Invariant: a batch with its framing lies in one piece, so a piece begins and ends where batches do.

use super::{Ack, Batch, EffectSink, NotWritable, Offset, OutcomeUnknown, Unreadable};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::task::{Poll, Waker};

/// Keeps the newest bytes of the stream, at most about a bound.
pub(crate) struct Ring {
    pieces: Mutex<Pieces>,
    size_max: usize,
}

#[derive(Default)]
struct Pieces {
    /// Start and bytes of each.
    all: VecDeque<(u64, Vec<u8>)>,
    end: u64,
    size: usize,
    selected: Option<u16>,
    followers: Vec<Waker>,
}

impl Ring {
    pub(crate) fn new(size_max: usize) -> Self {
        Self { pieces: Mutex::default(), size_max }
    }
}

impl EffectSink for Ring {
    fn append(&self, batch: &Batch<'_>) -> Offset {
        let mut pieces = self.pieces.lock();
        let pieces = &mut *pieces;
        if pieces.all.back().is_none_or(|(_, bytes)| bytes.len() >= PIECE_SIZE_BYTES) {
            pieces.all.push_back((pieces.end, Vec::new()));
            // A reader may begin here.
            pieces.selected = None;
        }
        let Some((_, bytes)) = pieces.all.back_mut() else { return Offset(pieces.end) };
        let before = bytes.len();
        let selects = pieces.selected.replace(batch.db) != Some(batch.db);
        batch.write_framed(selects, |part| bytes.extend_from_slice(part));
        let grown = bytes.len() - before;
        pieces.end += grown as u64;
        pieces.size += grown;
        while pieces.size > self.size_max && pieces.all.len() > 1 {
            pieces.size -= pieces.all.pop_front().map_or(0, |(_, bytes)| bytes.len());
        }
        Offset(pieces.end)
    }

    fn wake_followers(&self) {
        let followers = std::mem::take(&mut self.pieces.lock().followers);
        followers.into_iter().for_each(Waker::wake);
    }

    fn poll_room(&self, _: &Waker) -> Poll<Result<(), NotWritable>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing here ever gets further than memory.
    fn poll_reached(&self, _: Ack, _: Offset, _: &Waker) -> Poll<Result<(), OutcomeUnknown>> {
        Poll::Ready(Ok(()))
    }

    fn end(&self) -> Offset {
        Offset(self.pieces.lock().end)
    }

    fn read(&self, from: Offset, out: &mut Vec<u8>) -> Result<Offset, Unreadable> {
        let pieces = self.pieces.lock();
        if from.0 > pieces.end {
            return Err(Unreadable::Ahead { end: Offset(pieces.end) });
        }
        let oldest = pieces.all.front().map_or(pieces.end, |(start, _)| *start);
        if from.0 < oldest {
            return Err(Unreadable::Lagged { oldest: Offset(oldest) });
        }
        let at = pieces.all.partition_point(|(start, bytes)| start + bytes.len() as u64 <= from.0);
        let Some((start, bytes)) = pieces.all.get(at) else { return Ok(from) };
        out.extend_from_slice(&bytes[(from.0 - start) as usize..]);
        Ok(Offset(start + bytes.len() as u64))
    }

    fn poll_more(&self, offset: Offset, waker: &Waker) -> Poll<()> {
        let mut pieces = self.pieces.lock();
        if pieces.end > offset.0 {
            return Poll::Ready(());
        }
        if !pieces.followers.iter().any(|other| other.will_wake(waker)) {
            pieces.followers.push(waker.clone());
        }
        Poll::Pending
    }
}

/// A piece grows to at least this size.
const PIECE_SIZE_BYTES: usize = 64 << 10;
