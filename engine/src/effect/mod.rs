//! Effects: what a turn changed, as deterministic commands, encoded once.
//!
//! An effect is the RESP multibulk of a command that reproduces a change on another copy of the data: absolute expiry
//! times, the member actually popped, the float actually stored. A batch is all effects of one turn. The bytes made here
//! are the bytes in the log, in the replica stream and in the migration stream; nobody encodes them again.
//!
//! Invariants
//! - A batch names every slot it touches, or is global, or is keyless.
//! - One effect touches one slot and reads no other.
//! - `MULTI` and `EXEC` are framing: the sink adds them, a batch never holds them unless it is a primary's, kept verbatim. So is the `SELECT` of the batch's own
//!   database; a turn that works in several holds a `SELECT` where it changes, and one back at its end.

mod framing;
mod recorder;
mod ring;
mod sink;

pub use framing::{FRAMING_SIZE_MAX, Framing};
pub(crate) use recorder::Recorder;
pub(crate) use ring::Ring;
pub(crate) use sink::Promise;
pub use sink::{Ack, EffectSink, NotWritable, OutcomeUnknown, Unreadable};

use crate::slot::Slot;
use crate::time::UnixMillis;
use std::fmt;

/// Byte position in the journal; equal to Redis's replication offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a batch may touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchKind {
    /// Only the slots it names.
    Slots,
    /// Everything: FLUSHALL, FLUSHDB, SWAPDB. Its turn held every slot.
    Global,
    /// No key at all: PUBLISH, PING.
    Keyless,
}

/// The effects of one turn, as handed to an [`EffectSink`] while the turn still holds its slots.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What the batch may touch.
    pub kind: BatchKind,
    /// The database that the effects apply to, `0..16`.
    pub db: u16,
    /// The slots its turn locked, ascending and without repeats; empty unless `kind` is [`BatchKind::Slots`].
    pub slots: &'a [Slot],
    /// The era that the turn ran in.
    pub era: u64,
    /// The turn's time.
    pub now: UnixMillis,
    /// How many effects `bytes` holds; never zero.
    pub count: u32,
    /// The effects, each a RESP multibulk of bulk strings, one after the other.
    pub bytes: &'a [u8],
    /// Where `bytes` are a primary's and stand in the stream as they came, framing included: the database that they leave
    /// selected. `None`: the sink adds the framing.
    pub verbatim: Option<u16>,
}

/// Appends one effect, the RESP multibulk of `args`, to `out`. O(bytes).
pub fn encode_effect(out: &mut Vec<u8>, args: &[&[u8]]) {
    // One growth at most: a turn's buffer is often new.
    out.reserve(HEADER_SIZE + args.iter().map(|arg| arg.len() + HEADER_SIZE + 2).sum::<usize>());
    push_header(out, b'*', args.len());
    for arg in args {
        push_header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// More than the usual header takes: a kind, a number below a million, a line end.
const HEADER_SIZE: usize = 9;

#[inline]
fn push_header(out: &mut Vec<u8>, kind: u8, n: usize) {
    if n < 10 {
        out.extend_from_slice(&[kind, b'0' + n as u8, b'\r', b'\n']);
        return;
    }
    let mut digits = [0u8; 23];
    let mut at = digits.len() - 2;
    digits[at..].copy_from_slice(b"\r\n");
    let mut rest = n;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at -= 1;
    digits[at] = kind;
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_a_multibulk() {
        let mut out = Vec::new();
        encode_effect(&mut out, &[b"SET", b"k", b"0123456789"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n");
    }
}
