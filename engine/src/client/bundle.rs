//! Messages that a client publishes one after the other on one channel, on their way together.
//!
//! A pipeline of messages to a thousand subscribers touches each subscriber once instead of once for each message, and all
//! of them share the same bytes.

use bytes::Bytes;

/// Frames for the subscribers of one channel.
#[derive(Default, Debug)]
pub(crate) struct Bundle {
    pub(crate) channel: Vec<u8>,
    frames: Vec<u8>,
    /// Where each frame begins.
    starts: Vec<usize>,
}

impl Bundle {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Whether it holds enough.
    pub(crate) fn is_full(&self) -> bool {
        self.frames.len() >= BUNDLE_BYTES_MIN
    }

    /// Adds a frame, given without its first byte.
    pub(crate) fn add(&mut self, rest: &[u8]) {
        self.starts.push(self.frames.len());
        self.frames.push(b'*');
        self.frames.extend_from_slice(rest);
    }

    /// Takes the frames out, in RESP2; for RESP3 [`mark`](Self::mark) them.
    pub(crate) fn take(&mut self) -> (Bytes, Vec<usize>) {
        (std::mem::take(&mut self.frames).into(), std::mem::take(&mut self.starts))
    }

    /// The same frames in RESP3.
    pub(crate) fn mark(frames: &[u8], starts: &[usize]) -> Bytes {
        let mut marked = frames.to_vec();
        starts.iter().for_each(|start| marked[*start] = b'>');
        marked.into()
    }
}

/// A bundle of this size goes out.
const BUNDLE_BYTES_MIN: usize = 32 * 1024;
