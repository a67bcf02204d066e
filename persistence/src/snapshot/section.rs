//! The head of a section, and its checksums.

use super::cursor::Cursor;
use super::error::{Damage, Place};
use super::header::part_checksum;
use keyslot_engine::Slot;

/// What a section is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// Libraries of functions.
    Libraries,
    /// A slot, or a part of it.
    Slot(Slot),
}

impl Subject {
    pub(crate) fn to_u16(self) -> u16 {
        match self {
            Self::Libraries => LIBRARIES,
            Self::Slot(slot) => slot.number(),
        }
    }

    pub(crate) fn of_u16(number: u16) -> Option<Self> {
        if number == LIBRARIES { Some(Self::Libraries) } else { Slot::new(number).map(Self::Slot) }
    }

    pub(crate) fn place(self) -> Place {
        match self {
            Self::Libraries => Place::Libraries,
            Self::Slot(slot) => Place::Slot(slot),
        }
    }
}

/// How a payload is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Plain,
    Lz4,
}

impl Form {
    pub(crate) fn to_u8(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Lz4 => 1,
        }
    }

    pub(crate) fn of_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Lz4),
            _ => None,
        }
    }
}

/// The head of a section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SectionHead {
    pub(crate) subject: Subject,
    pub(crate) form: Form,
    pub(crate) entries: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) payload_checksum: u32,
}

impl SectionHead {
    /// The head of a section with this payload.
    pub(crate) fn of(id: u64, subject: Subject, form: Form, entries: u64, payload: &[u8]) -> Self {
        let payload_checksum = part_checksum(id, payload);
        Self { subject, form, entries, payload_bytes: payload.len() as u64, payload_checksum }
    }

    pub(crate) fn encode(&self, id: u64) -> [u8; SECTION_HEAD_BYTES] {
        let mut out = [0; SECTION_HEAD_BYTES];
        out[..2].copy_from_slice(&MARK);
        out[2..4].copy_from_slice(&self.subject.to_u16().to_le_bytes());
        out[4] = self.form.to_u8();
        out[8..16].copy_from_slice(&self.entries.to_le_bytes());
        out[16..24].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_checksum.to_le_bytes());
        let checksum = part_checksum(id, &out[..28]);
        out[28..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the head at the beginning of `bytes`, which stand at `at` of the file.
    pub(crate) fn decode(bytes: &[u8], id: u64, at: u64) -> Result<Self, Damage> {
        let Some(head) = bytes.first_chunk::<SECTION_HEAD_BYTES>() else {
            let found = format!("the end of the file after {} of them", bytes.len());
            return Err(Damage::new(Place::Section, at, "32 bytes, the head of a section", found));
        };
        let (covered, checksum) = head.split_last_chunk::<4>().expect("the head is longer");
        let (found, of_bytes) = (u32::from_le_bytes(*checksum), part_checksum(id, covered));
        if !covered.starts_with(&MARK) {
            let found = format!("\"{}\"", covered[..2].escape_ascii());
            return Err(Damage::new(Place::Section, at, "\"SL\", the mark of a section", found));
        }
        if found != of_bytes {
            return Err(Damage::checksum(Place::Section, at + 28, of_bytes, found));
        }
        Self::fields(covered).ok_or_else(|| {
            let found = format!("{:02x?}", &covered[2..8]);
            Damage::new(Place::Section, at + 2, "a slot, a form of payload and zeros", found)
        })
    }

    fn fields(covered: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(covered.get(2..)?);
        let (subject, form) = (Subject::of_u16(cursor.u16()?)?, Form::of_u8(cursor.array::<1>()?[0])?);
        if cursor.array()? != [0; 3] {
            return None;
        }
        let (entries, payload_bytes, payload_checksum) = (cursor.u64()?, cursor.u64()?, cursor.u32()?);
        Some(Self { subject, form, entries, payload_bytes, payload_checksum })
    }

    /// The payload among `bytes`, all that stands behind the head, which stand at `at` of the file. It is checked.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8], id: u64, at: u64) -> Result<&'a [u8], Damage> {
        let payload = self.payload_unchecked(bytes);
        if (payload.len() as u64) < self.payload_bytes {
            let expected = format!("{} bytes, the payload", self.payload_bytes);
            let found = format!("the end of the file after {} of them", payload.len());
            return Err(Damage::new(self.subject.place(), at, expected, found));
        }
        let of_bytes = part_checksum(id, payload);
        if of_bytes != self.payload_checksum {
            let what = format!("{} bytes with the checksum {:08x}", payload.len(), self.payload_checksum);
            return Err(Damage::new(self.subject.place(), at, what, format!("{of_bytes:08x}")));
        }
        Ok(payload)
    }

    /// As much of the payload as is there.
    pub(crate) fn payload_unchecked<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let size = usize::try_from(self.payload_bytes).unwrap_or(usize::MAX).min(bytes.len());
        &bytes[..size]
    }
}

pub(crate) const SECTION_HEAD_BYTES: usize = 32;
pub(crate) const MARK: [u8; 2] = *b"SL";
const LIBRARIES: u16 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_every_flipped_bit_is_noticed() {
        for subject in [Subject::Libraries, Subject::Slot(Slot::new(16383).unwrap())] {
            let head = SectionHead::of(5, subject, Form::Lz4, 3, b"payload");
            let bytes = head.encode(5);
            assert_eq!(SectionHead::decode(&bytes, 5, 0), Ok(head));
            assert_eq!(head.payload(b"payload, and more", 5, 0), Ok(&b"payload"[..]));
            assert!(SectionHead::decode(&bytes, 6, 0).is_err(), "of another file");
            assert!(head.payload(b"payload", 6, 0).is_err());
            for bit in 0..bytes.len() * 8 {
                let mut bent = bytes;
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(SectionHead::decode(&bent, 5, 0).is_err(), "bit {bit}");
            }
            for len in 0..bytes.len() {
                assert!(SectionHead::decode(&bytes[..len], 5, 0).is_err());
            }
        }
    }

    #[test]
    fn damage_says_where_what_was_expected_and_what_was_found() {
        let head = SectionHead::of(5, Subject::Slot(Slot::new(7).unwrap()), Form::Plain, 3, b"payload");
        let damage = head.payload(b"pay", 5, 100).unwrap_err();
        assert_eq!(
            damage.to_string(),
            "slot 7, byte 100: expected 7 bytes, the payload, found the end of the file after 3 of them"
        );
        let damage = head.payload(b"payloaf", 5, 100).unwrap_err();
        assert!(damage.to_string().starts_with("slot 7, byte 100: expected 7 bytes with the checksum "), "{damage}");
    }
}
