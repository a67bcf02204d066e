//! What ends a snapshot that is sent and not written: no index, as nobody looks a slot up in it.
//!
//! ```text
//!   0   2  "SE"
//!   2   2  database                    that the journal has selected at the snapshot's offset
//!   4   4  0
//!   8   8  how many sections
//!  16   8  how many entries in all of them
//!  24   4  0
//!  28   4  checksum of the 28 bytes before it
//! ```
//!
//! It is as long as the head of a section, in whose place it stands.

use super::error::{Damage, Place};
use super::header::part_checksum;
use super::section::{SECTION_HEAD_BYTES, SectionHead};

/// The end of a snapshot that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct StreamEnd {
    pub(crate) selected: u16,
    pub(crate) sections: u64,
    pub(crate) entries: u64,
}

/// What stands where a section may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Section(SectionHead),
    End(StreamEnd),
}

impl StreamEnd {
    pub(crate) fn encode(&self, id: u64) -> [u8; SECTION_HEAD_BYTES] {
        let mut out = [0; SECTION_HEAD_BYTES];
        out[..2].copy_from_slice(&MARK);
        out[2..4].copy_from_slice(&self.selected.to_le_bytes());
        out[8..16].copy_from_slice(&self.sections.to_le_bytes());
        out[16..24].copy_from_slice(&self.entries.to_le_bytes());
        let checksum = part_checksum(id, &out[..28]);
        out[28..].copy_from_slice(&checksum.to_le_bytes());
        out
    }
}

impl Frame {
    /// Reads 32 bytes that stand at `at` of the stream.
    pub(crate) fn decode(bytes: &[u8; SECTION_HEAD_BYTES], id: u64, at: u64) -> Result<Self, Damage> {
        if !bytes.starts_with(&MARK) {
            return SectionHead::decode(bytes, id, at).map(Self::Section);
        }
        let number = |from: usize| u64::from_le_bytes(*bytes[from..].first_chunk().expect("8 bytes stand there"));
        let selected = u16::from_le_bytes([bytes[2], bytes[3]]);
        let end = StreamEnd { selected, sections: number(8), entries: number(16) };
        match end.encode(id) == *bytes {
            true => Ok(Self::End(end)),
            false => Err(Damage::new(Place::End, at, "the end of a snapshot with its checksum", "something else")),
        }
    }

    /// How many bytes it has in all; none if that is more than there can be.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::End(_) => Some(SECTION_HEAD_BYTES),
            Self::Section(head) => usize::try_from(head.payload_bytes).ok()?.checked_add(SECTION_HEAD_BYTES),
        }
    }
}

const MARK: [u8; 2] = *b"SE";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::section::{Form, Subject};

    #[test]
    fn every_flipped_bit_is_noticed() {
        let end = StreamEnd { selected: 3, sections: 77, entries: 1 << 40 };
        let section = SectionHead::of(9, Subject::Libraries, Form::Plain, 1, b"x");
        for (frame, bytes) in [(Frame::End(end), end.encode(9)), (Frame::Section(section), section.encode(9))] {
            assert_eq!(Frame::decode(&bytes, 9, 0), Ok(frame));
            assert!(Frame::decode(&bytes, 8, 0).is_err(), "of another snapshot");
            for bit in 0..bytes.len() * 8 {
                let mut bent = bytes;
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(Frame::decode(&bent, 9, 0).is_err(), "bit {bit}");
            }
        }
    }
}
