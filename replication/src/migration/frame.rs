//! Pieces of a transfer on a connection, both ways.
//!
//! ```text
//!   0  1  kind            source -> target   'S' bytes of a snapshot   'E' effects   'F' final: epoch   'H' I am there   'X' given up: why
//!                         target -> source   'P' progress: frames      'C' claimed: epoch               'H' I am there   'X' refused: why
//!   1  3  0
//!   4  4  size of what follows the head, little-endian
//!   8  8  number of the frame in its direction, from 0
//! ```
//!
//! The number tells a frame that was lost or doubled by whoever carries the bytes.

/// One piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Frame<'a> {
    Snapshot(&'a [u8]),
    Effects(&'a [u8]),
    Final { epoch: u64 },
    Progress { frames: u64 },
    Claimed { epoch: u64 },
    Alive,
    GivenUp(String),
}

/// Bytes that are no frame, or not the next one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("frame {number} of the transfer: expected {expected}, found {found}")]
pub struct FrameError {
    /// Which frame, from 0.
    pub number: u64,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

/// Writes frames.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    number: u64,
}

impl FrameWriter {
    pub(super) fn write(&mut self, out: &mut Vec<u8>, frame: &Frame<'_>) {
        let at = self.begin(out);
        let kind = match frame {
            Frame::Snapshot(bytes) | Frame::Effects(bytes) => {
                out.extend_from_slice(bytes);
                if matches!(frame, Frame::Snapshot(_)) { SNAPSHOT } else { EFFECTS }
            }
            Frame::Final { epoch } => number(out, *epoch, FINAL),
            Frame::Progress { frames } => number(out, *frames, PROGRESS),
            Frame::Claimed { epoch } => number(out, *epoch, CLAIMED),
            Frame::Alive => ALIVE,
            Frame::GivenUp(why) => {
                out.extend_from_slice(&why.as_bytes()[..why.len().min(TEXT_SIZE_MAX)]);
                GIVEN_UP
            }
        };
        self.end(out, at, kind);
    }

    /// Leaves room for a head; what follows it in `out` is the frame's until [`end`](Self::end).
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) -> usize {
        let at = out.len();
        out.extend_from_slice(&[0; HEAD_SIZE]);
        at
    }

    /// Ends the frame whose head stands at `at`; one without content of a kind that has some leaves nothing.
    pub(super) fn end(&mut self, out: &mut Vec<u8>, at: usize, kind: u8) {
        let size = out.len() - at - HEAD_SIZE;
        if size == 0 && kind != ALIVE && kind != GIVEN_UP {
            return out.truncate(at);
        }
        out[at] = kind;
        out[at + 4..at + 8].copy_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        out[at + 8..at + HEAD_SIZE].copy_from_slice(&self.number.to_le_bytes());
        self.number += 1;
    }

    /// How many frames were written.
    pub(super) fn count(&self) -> u64 {
        self.number
    }
}

fn number(out: &mut Vec<u8>, number: u64, kind: u8) -> u8 {
    out.extend_from_slice(&number.to_le_bytes());
    kind
}

/// Reads frames out of bytes that come in pieces.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    buffer: Vec<u8>,
    /// Up to here its frames were taken.
    taken: usize,
    number: u64,
}

impl FrameReader {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_SIZE_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many frames were taken.
    pub(super) fn count(&self) -> u64 {
        self.number
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let rest = &self.buffer[self.taken..];
        let Some(head) = rest.first_chunk::<HEAD_SIZE>() else { return Ok(None) };
        let wrong = |expected, found| FrameError { number: self.number, expected, found };
        let number = u64::from_le_bytes(*head[8..].first_chunk().expect("eight bytes stand there"));
        if number != self.number || head[1..4] != [0; 3] {
            return Err(wrong("the next frame", format!("{:02x?}", head)));
        }
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if size > FRAME_SIZE_MAX {
            return Err(wrong("a frame of 1 GiB at most", size.to_string()));
        }
        let Some(content) = rest[HEAD_SIZE..].get(..size) else { return Ok(None) };
        let as_number = || {
            let bytes: Option<[u8; 8]> = content.try_into().ok();
            bytes.map(u64::from_le_bytes).ok_or_else(|| wrong("a number of eight bytes", format!("{size} bytes")))
        };
        let frame = match head[0] {
            SNAPSHOT => Frame::Snapshot(content),
            EFFECTS => Frame::Effects(content),
            FINAL => Frame::Final { epoch: as_number()? },
            PROGRESS => Frame::Progress { frames: as_number()? },
            CLAIMED => Frame::Claimed { epoch: as_number()? },
            ALIVE if size == 0 => Frame::Alive,
            GIVEN_UP if size <= TEXT_SIZE_MAX => Frame::GivenUp(String::from_utf8_lossy(content).into_owned()),
            kind => return Err(wrong("a kind of frame that is known", format!("{kind:#04x} of {size} bytes"))),
        };
        self.taken += HEAD_SIZE + size;
        self.number += 1;
        Ok(Some(frame))
    }
}

pub(super) const SNAPSHOT: u8 = b'S';
pub(super) const EFFECTS: u8 = b'E';
const FINAL: u8 = b'F';
const PROGRESS: u8 = b'P';
const CLAIMED: u8 = b'C';
const ALIVE: u8 = b'H';
const GIVEN_UP: u8 = b'X';
const HEAD_SIZE: usize = 16;
const FRAME_SIZE_MAX: usize = 1 << 30;
const TEXT_SIZE_MAX: usize = 1024;
/// Memory that is kept for frames that come in parts.
const KEPT_SIZE_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_pieces_of_any_size() {
        let frames = [
            Frame::Snapshot(b"abc"),
            Frame::Effects(&[7; 300]),
            Frame::Alive,
            Frame::Final { epoch: u64::MAX },
            Frame::Progress { frames: 3 },
            Frame::Claimed { epoch: 0 },
            Frame::GivenUp(String::new()),
            Frame::GivenUp("because".into()),
        ];
        let (mut writer, mut bytes) = (FrameWriter::default(), Vec::new());
        frames.iter().for_each(|frame| writer.write(&mut bytes, frame));
        for size in 1..bytes.len() {
            let (mut reader, mut count) = (FrameReader::default(), 0);
            for piece in bytes.chunks(size) {
                reader.feed(piece);
                while let Some(frame) = reader.next().expect("they are right") {
                    assert_eq!(frame, frames[count]);
                    count += 1;
                }
            }
            assert_eq!(count, frames.len());
        }
    }

    #[test]
    fn what_is_no_frame_or_not_the_next_is_refused() {
        let (mut writer, mut bytes) = (FrameWriter::default(), Vec::new());
        writer.write(&mut bytes, &Frame::Alive);
        let refused = |bytes: &[u8]| {
            let mut reader = FrameReader::default();
            reader.feed(bytes);
            while reader.next()?.is_some() {}
            Ok::<(), FrameError>(())
        };
        assert_eq!(refused(&bytes), Ok(()));
        assert!(refused(&bytes.repeat(2)).is_err(), "it came twice");
        for (at, byte) in [(0, b'?'), (1, 1), (8, 1), (7, 0xff), (4, 1)] {
            let mut bent = bytes.clone();
            bent[at] = byte;
            bent.extend_from_slice(&[0; 64]);
            assert!(refused(&bent).is_err(), "byte {at}");
        }
    }
}
