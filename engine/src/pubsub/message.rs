//! A message as the wire has it, encoded once for all who get it.
//!
//! ```text
//! RESP2   *3 \r\n $7 \r\n message \r\n $4 \r\n news \r\n $2 \r\n hi \r\n
//! RESP3   >3 ...                the rest is the same
//! ```

use crate::client::Frame;
use crate::effect::Offset;
use crate::resp::{ReplyWriter, RespVersion};
use bytes::Bytes;

/// A push without its first byte.
pub(super) enum Encoded {
    /// Short enough to be copied for each reader.
    Short(Vec<u8>),
    /// Shared by all.
    Long(Bytes),
}

impl Encoded {
    /// The push of some bulk strings.
    pub(super) fn new(words: &[&[u8]]) -> Self {
        let mut out = Vec::with_capacity(words.iter().map(|word| word.len() + 16).sum());
        let mut reply = ReplyWriter::new(&mut out, RespVersion::V3);
        reply.push(words.len());
        words.iter().for_each(|word| reply.bulk(word));
        Self::of(out)
    }

    /// The push that says how many subscriptions of a kind are left.
    pub(super) fn of_count(event: &[u8], name: &[u8], count: usize) -> Self {
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, RespVersion::V3);
        reply.push(3);
        reply.bulk(event);
        reply.bulk(name);
        reply.integer(count as i64);
        Self::of(out)
    }

    fn of(mut out: Vec<u8>) -> Self {
        out.remove(0);
        if out.len() < SHARED_BYTES_MIN { Self::Short(out) } else { Self::Long(out.into()) }
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        match self {
            Self::Short(bytes) => Frame { rest: bytes, shared: None, offset: Offset(0) },
            Self::Long(bytes) => Frame { rest: bytes, shared: Some(bytes), offset: Offset(0) },
        }
    }
}

/// Messages of this length are shared instead of copied.
const SHARED_BYTES_MIN: usize = 2 * 1024;
