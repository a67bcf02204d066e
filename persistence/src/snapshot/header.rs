//! The header: what the file is of.
//!
//! Written by hand and not derived: these bytes are the specification that stands in the folder's documentation.

use super::cursor::Cursor;
use super::error::{Damage, FormatError, Place};
use keyslot_engine::{Offset, UnixMillis};

/// What a snapshot is of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotHeader {
    /// Tells this file from all others.
    pub id: u64,
    /// The era of the view: batches of this era or later came after it.
    pub era: u64,
    /// Where the journal goes on from what is in the file.
    pub offset: Offset,
    /// When the view was taken.
    pub time: UnixMillis,
    /// Whether sections may be compressed.
    pub may_be_compressed: bool,
    /// The stream that the offset counts in: 40 characters; empty if there is none.
    pub replication_id: String,
    /// The version of the program that wrote it.
    pub writer: String,
}

impl SnapshotHeader {
    /// The bytes. Texts are cut where they do not fit.
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.era.to_le_bytes());
        out.extend_from_slice(&self.offset.0.to_le_bytes());
        out.extend_from_slice(&self.time.0.to_le_bytes());
        let features = if self.may_be_compressed { FEATURE_LZ4 } else { 0 };
        out.extend_from_slice(&features.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&text_array::<40>(&self.replication_id));
        out.extend_from_slice(&text_array::<12>(&self.writer));
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.try_into().expect("the parts add up to the header's size")
    }

    /// Reads the header at the beginning of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut cursor = Cursor::new(bytes);
        let magic = cursor.take(MAGIC.len());
        if magic != Some(&MAGIC[..]) {
            return Err(not_snapshot(bytes));
        }
        let (Some(version), Some(size)) = (cursor.u32(), cursor.u32()) else { return Err(cut(bytes)) };
        // Whatever the version, the last four bytes are the checksum: a size that is damaged does not lead to one.
        let size = if version == VERSION { HEADER_BYTES } else { (size as usize).clamp(20, HEADER_BYTES_MAX) };
        let Some((covered, checksum)) = bytes.get(..size).and_then(<[u8]>::split_last_chunk::<4>) else {
            return Err(cut(bytes));
        };
        let (found, of_bytes) = (u32::from_le_bytes(*checksum), crc32fast::hash(covered));
        if found != of_bytes {
            return Err(Damage::checksum(Place::Header, covered.len() as u64, of_bytes, found).into());
        }
        if version > VERSION {
            return Err(FormatError::TooNew { found: version, newest: VERSION });
        }
        Self::fields(covered).ok_or_else(|| {
            let expected = "version 1 with a header of 112 bytes";
            FormatError::Damaged(Damage::new(Place::Header, 8, expected, format!("version {version}")))
        })?
    }

    /// Whether these bytes may be the beginning of a header whose end has not come.
    pub(crate) fn may_go_on(bytes: &[u8]) -> bool {
        let start = &bytes[..bytes.len().min(MAGIC.len())];
        let numbers = bytes.get(MAGIC.len()..).unwrap_or_default();
        let (version, size) = (numbers.first_chunk::<4>(), numbers.get(4..).and_then(|rest| rest.first_chunk::<4>()));
        let size = match (version, size) {
            (Some(version), Some(size)) if u32::from_le_bytes(*version) != VERSION => {
                (u32::from_le_bytes(*size) as usize).clamp(20, HEADER_BYTES_MAX)
            }
            _ => HEADER_BYTES,
        };
        MAGIC.starts_with(start) && bytes.len() < size
    }

    /// The fields behind version and size. None if the version never was one.
    fn fields(covered: &[u8]) -> Option<Result<Self, FormatError>> {
        let mut cursor = Cursor::new(covered);
        cursor.take(MAGIC.len())?;
        if (cursor.u32()?, cursor.u32()?) != (VERSION, HEADER_BYTES as u32) {
            return None;
        }
        let (id, era, offset, time) = (cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let features = cursor.u32()?;
        cursor.u32()?;
        let header = Self {
            id,
            era,
            offset: Offset(offset),
            time: UnixMillis(time as i64),
            may_be_compressed: features & FEATURE_LZ4 != 0,
            replication_id: array_text(cursor.take(40)?),
            writer: array_text(cursor.take(12)?),
        };
        let unknown = features & !FEATURE_LZ4;
        Some(if unknown == 0 { Ok(header) } else { Err(FormatError::UnknownFeatures { unknown }) })
    }
}

/// The checksum of a part of the file with this id.
pub(crate) fn part_checksum(id: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cold]
fn not_snapshot(bytes: &[u8]) -> FormatError {
    let start = &bytes[..bytes.len().min(MAGIC.len())];
    if MAGIC.starts_with(start) {
        return cut(bytes);
    }
    FormatError::NotSnapshot { found: start.escape_ascii().to_string() }
}

#[cold]
fn cut(bytes: &[u8]) -> FormatError {
    let found = format!("the end of the file after {} bytes", bytes.len());
    Damage::new(Place::Header, bytes.len() as u64, "a header of 112 bytes", found).into()
}

fn text_array<const N: usize>(text: &str) -> [u8; N] {
    let mut array = [0; N];
    let size = text.len().min(N);
    array[..size].copy_from_slice(&text.as_bytes()[..size]);
    array
}

fn array_text(bytes: &[u8]) -> String {
    let size = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..size]).into_owned()
}

pub(crate) const HEADER_BYTES: usize = 112;
const MAGIC: [u8; 8] = *b"KSLOTSNP";
const VERSION: u32 = 1;
const FEATURE_LZ4: u32 = 1;
/// No version will have a longer header.
const HEADER_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SnapshotHeader {
        SnapshotHeader {
            id: 0x1122_3344_5566_7788,
            era: 7,
            offset: Offset(123_456),
            time: UnixMillis(1_700_000_000_000),
            may_be_compressed: true,
            replication_id: "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb".to_owned(),
            writer: "0.1.0".to_owned(),
        }
    }

    /// With a right checksum.
    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn a_header_comes_back() {
        assert_eq!(SnapshotHeader::decode(&header().encode()), Ok(header()));
        let empty = SnapshotHeader::default();
        assert_eq!(SnapshotHeader::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes;
            bent[bit / 8] ^= 1 << (bit % 8);
            let error = SnapshotHeader::decode(&bent).unwrap_err();
            assert!(bit < 64 || matches!(error, FormatError::Damaged(_)), "bit {bit}: {error}");
        }
        for len in 0..bytes.len() {
            assert!(SnapshotHeader::decode(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn a_newer_file_is_refused_by_its_version_and_unknown_features_by_their_bits() {
        let mut newer = header().encode()[..108].to_vec();
        newer[8] = 2;
        newer.extend_from_slice(&[9; 20]);
        newer[12] = newer.len() as u8 + 4;
        assert_eq!(SnapshotHeader::decode(&sealed(newer)), Err(FormatError::TooNew { found: 2, newest: 1 }));
        let mut richer = header().encode()[..108].to_vec();
        richer[48] |= 6;
        assert_eq!(SnapshotHeader::decode(&sealed(richer)), Err(FormatError::UnknownFeatures { unknown: 6 }));
        let mut older = header().encode()[..108].to_vec();
        older[8] = 0;
        assert!(matches!(SnapshotHeader::decode(&sealed(older)), Err(FormatError::Damaged(_))));
        assert!(matches!(SnapshotHeader::decode(b"REDIS0011"), Err(FormatError::NotSnapshot { .. })));
    }
}
