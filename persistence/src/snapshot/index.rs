//! The index of sections and the end of the file.
//!
//! The index is used where it stands: its entries have one size, so a slot is found by bisection.

use super::cursor::Cursor;
use super::error::{Damage, Place};
use super::header::{HEADER_BYTES, part_checksum};
use super::section::{Form, SECTION_HEAD_BYTES, SectionHead, Subject};

/// Where a section is and what its head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IndexEntry {
    pub(crate) at: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) entries: u64,
    pub(crate) subject: Subject,
    pub(crate) form: Form,
    pub(crate) head_checksum: u32,
}

impl IndexEntry {
    /// The entry for the section at `at` with this head.
    pub(crate) fn of(at: u64, head: &SectionHead, encoded: &[u8; SECTION_HEAD_BYTES]) -> Self {
        let SectionHead { subject, form, entries, payload_bytes, .. } = *head;
        let (_, checksum) = encoded.split_last_chunk::<4>().expect("the head is longer");
        Self { at, payload_bytes, entries, subject, form, head_checksum: u32::from_le_bytes(*checksum) }
    }

    /// Where the section ends. None if that is beyond any file.
    pub(crate) fn end(&self) -> Option<u64> {
        self.at.checked_add(SECTION_HEAD_BYTES as u64)?.checked_add(self.payload_bytes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.payload_bytes.to_le_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.subject.to_u16().to_le_bytes());
        out.extend_from_slice(&[self.form.to_u8(), 0]);
        out.extend_from_slice(&self.head_checksum.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (at, payload_bytes, entries) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let (subject, form) = (Subject::of_u16(cursor.u16()?)?, Form::of_u8(cursor.array::<1>()?[0])?);
        if cursor.array::<1>()? != [0] {
            return None;
        }
        let head_checksum = cursor.u32()?;
        Some(Self { at, payload_bytes, entries, subject, form, head_checksum })
    }
}

/// Appends the end of a file whose index, `index`, begins at `index_at`.
pub(crate) fn push_end(out: &mut Vec<u8>, id: u64, index_at: u64, index: &[u8], entries: u64) {
    let start = out.len();
    out.extend_from_slice(&index_at.to_le_bytes());
    out.extend_from_slice(&((index.len() / INDEX_ENTRY_BYTES) as u64).to_le_bytes());
    out.extend_from_slice(&entries.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&part_checksum(id, index).to_le_bytes());
    let checksum = part_checksum(id, &out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&END_MAGIC);
}

/// Reads end and index of a file with this id. All of it is checked: that the sections follow one another from the header to
/// the index, in the order of their slots, and that their numbers of entries add up. O(sections).
pub(crate) fn decode_index(file: &[u8], id: u64) -> Result<Vec<IndexEntry>, Damage> {
    let end_at = file.len().saturating_sub(END_BYTES).max(HEADER_BYTES);
    let Some(end) = file.get(end_at..).and_then(|end| end.first_chunk::<END_BYTES>()) else {
        let found = format!("the end of the file at byte {}", file.len());
        return Err(Damage::new(Place::End, end_at as u64, "48 bytes that say where the index is", found));
    };
    let (covered, magic) = end.split_last_chunk::<8>().expect("the end is longer");
    if *magic != END_MAGIC {
        let found = format!("\"{}\"", magic.escape_ascii());
        return Err(Damage::new(Place::End, (end_at + 40) as u64, "\"KSLOTEND\"", found));
    }
    let (covered, checksum) = covered.split_last_chunk::<4>().expect("the end is longer");
    let (found, of_bytes) = (u32::from_le_bytes(*checksum), part_checksum(id, covered));
    if found != of_bytes {
        return Err(Damage::checksum(Place::End, (end_at + 36) as u64, of_bytes, found));
    }
    let mut cursor = Cursor::new(covered);
    let fields = (cursor.u64(), cursor.u64(), cursor.u64(), cursor.u64(), cursor.u32());
    let (Some(index_at), Some(count), Some(entries), Some(_), Some(checksum)) = fields else {
        return Err(Damage::new(Place::End, end_at as u64, "36 bytes", "fewer"));
    };
    let size = (end_at as u64).checked_sub(index_at);
    if index_at < HEADER_BYTES as u64 || size.is_none() || size != count.checked_mul(INDEX_ENTRY_BYTES as u64) {
        let expected = format!("an index of 32 bytes for each section that ends at {end_at}");
        let found = format!("{count} sections and an index at {index_at}");
        return Err(Damage::new(Place::End, end_at as u64, expected, found));
    }
    let index = &file[index_at as usize..end_at];
    let of_bytes = part_checksum(id, index);
    if checksum != of_bytes {
        return Err(Damage::checksum(Place::Index, index_at, of_bytes, checksum));
    }
    read_entries(index, index_at, entries)
}

fn read_entries(index: &[u8], index_at: u64, entries: u64) -> Result<Vec<IndexEntry>, Damage> {
    // As many as there are bytes for: nothing is claimed.
    let mut sections: Vec<IndexEntry> = Vec::with_capacity(index.len() / INDEX_ENTRY_BYTES);
    let (mut next_at, mut sum) = (HEADER_BYTES as u64, 0u64);
    for (number, bytes) in index.chunks_exact(INDEX_ENTRY_BYTES).enumerate() {
        let wrong = |expected: &str, found: String| {
            Damage::new(Place::Index, index_at + (number * INDEX_ENTRY_BYTES) as u64, expected, found)
        };
        let Some(entry) = IndexEntry::decode(bytes) else {
            return Err(wrong("a section's place, slot and form", format!("{:02x?}", &bytes[24..28])));
        };
        if entry.at != next_at {
            return Err(wrong(&format!("a section at {next_at}"), format!("{}", entry.at)));
        }
        if sections.last().is_some_and(|last| last.subject > entry.subject) {
            return Err(wrong("a slot no lower than the one before", entry.subject.place().to_string()));
        }
        let Some(end) = entry.end().filter(|end| *end <= index_at) else {
            return Err(wrong("a section that ends before the index", format!("{} bytes", entry.payload_bytes)));
        };
        next_at = end;
        sum = sum.saturating_add(entry.entries);
        sections.push(entry);
    }
    if next_at != index_at {
        let found = format!("sections up to {next_at}");
        return Err(Damage::new(Place::Index, index_at, format!("sections up to {index_at}"), found));
    }
    if sum != entries {
        let found = format!("{sum} in the sections");
        return Err(Damage::new(Place::Index, index_at, format!("{entries} entries"), found));
    }
    Ok(sections)
}

pub(crate) const INDEX_ENTRY_BYTES: usize = 32;
pub(crate) const END_BYTES: usize = 48;
const END_MAGIC: [u8; 8] = *b"KSLOTEND";
