//! Where the sections of a file are, and what is in one: bytes in, entries out. No files.

use super::compression::decompress;
use super::cursor::Cursor;
use super::entry::{ENTRY_BYTES_MIN, Entries, Entry};
use super::error::{Damage, FormatError, Place};
use super::header::SnapshotHeader;
use super::index::{IndexEntry, decode_index};
use super::section::{Form, MARK, SECTION_HEAD_BYTES, SectionHead, Subject};
use keyslot_engine::Slot;
use std::borrow::Cow;

/// What a reader does about damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tolerance {
    /// Refuses the file.
    #[default]
    Strict,
    /// Reads what is sound, and tells what is not.
    Salvage,
}

/// The parts of a file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) header: SnapshotHeader,
    pub(crate) sections: Vec<IndexEntry>,
    /// Damage of index and end, and of heads of sections. Only under [`Tolerance::Salvage`].
    pub(crate) damages: Vec<Damage>,
}

impl Layout {
    /// Finds the parts. O(sections), or O(bytes) where the index is damaged.
    pub(crate) fn read(file: &[u8], tolerance: Tolerance) -> Result<Self, FormatError> {
        let header = SnapshotHeader::decode(file)?;
        match (decode_index(file, header.id), tolerance) {
            (Ok(sections), _) => Ok(Self { header, sections, damages: Vec::new() }),
            (Err(damage), Tolerance::Strict) => Err(damage.into()),
            (Err(damage), Tolerance::Salvage) => {
                let (sections, mut damages) = walk(file, header.id);
                damages.insert(0, damage);
                Ok(Self { header, sections, damages })
            }
        }
    }

    /// The sections of a slot: more than one if it is large, none if it is empty.
    pub(crate) fn of_slot(&self, slot: Slot) -> &[IndexEntry] {
        let subject = Subject::Slot(slot);
        let from = self.sections.partition_point(|section| section.subject < subject);
        let count = self.sections[from..].partition_point(|section| section.subject == subject);
        &self.sections[from..from + count]
    }
}

/// Finds sections without an index, from the header on. What lies between two of them is told as damage.
fn walk(file: &[u8], id: u64) -> (Vec<IndexEntry>, Vec<Damage>) {
    let (mut sections, mut damages) = (Vec::<IndexEntry>::new(), Vec::new());
    let (mut at, mut broken) = (super::header::HEADER_BYTES, None);
    while let Some(rest) = file.get(at..) {
        let in_order = |head: &SectionHead| sections.last().is_none_or(|last| last.subject <= head.subject);
        match SectionHead::decode(rest, id, at as u64) {
            Ok(head) if in_order(&head) => {
                damages.extend(broken.take());
                let section = IndexEntry::of(at as u64, &head, rest.first_chunk().expect("a head was read"));
                sections.push(section);
                at = section.end().and_then(|end| usize::try_from(end).ok()).unwrap_or(usize::MAX);
            }
            other => {
                let damage = other.err().unwrap_or_else(|| {
                    Damage::new(Place::Section, at as u64, "a slot no lower than the one before", "a lower one")
                });
                broken.get_or_insert(damage);
                let ahead = rest.windows(MARK.len()).skip(1).position(|mark| mark == MARK);
                match ahead {
                    Some(ahead) => at += 1 + ahead,
                    None => break,
                }
            }
        }
    }
    // What broke last is not followed by a section: it is the index, or what is left of it.
    (sections, damages)
}

/// A section whose head and payload are sound.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) subject: Subject,
    entries: u64,
    /// Where the payload stands in the file.
    payload_at: u64,
    form: Form,
    payload: Cow<'a, [u8]>,
}

impl<'a> Section<'a> {
    /// Opens the section that the index names, and checks it.
    pub(crate) fn open(file: &'a [u8], id: u64, named: &IndexEntry) -> Result<Self, Damage> {
        let rest = usize::try_from(named.at).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let place = named.subject.place();
        let head = SectionHead::decode(rest, id, named.at).map_err(|damage| Damage { place, ..damage })?;
        let encoded = rest.first_chunk().expect("a head was read");
        if IndexEntry::of(named.at, &head, encoded) != *named {
            let found = format!("that of {} with {} bytes", head.subject.place(), head.payload_bytes);
            return Err(Damage::new(place, named.at, "the head that the index names", found));
        }
        let payload_at = named.at + SECTION_HEAD_BYTES as u64;
        Self::of(&head, &rest[SECTION_HEAD_BYTES..], id, payload_at)
    }

    /// Opens the section with this head, and checks it. `rest` is what stands behind the head, at `payload_at`.
    pub(crate) fn of(head: &SectionHead, rest: &'a [u8], id: u64, payload_at: u64) -> Result<Self, Damage> {
        let payload = head.payload(rest, id, payload_at)?;
        let payload = match head.form {
            Form::Plain => Cow::Borrowed(payload),
            Form::Lz4 => decompress(payload)
                .map_err(|(expected, found)| Damage::new(head.subject.place(), payload_at, expected, found))?,
        };
        Ok(Self { subject: head.subject, entries: head.entries, payload_at, form: head.form, payload })
    }

    /// What can be made out of a section that is damaged: its payload as far as it is there, unchecked.
    pub(crate) fn open_unchecked(file: &'a [u8], named: &IndexEntry) -> Option<Self> {
        let payload_at = named.at + SECTION_HEAD_BYTES as u64;
        let rest = usize::try_from(payload_at).ok().and_then(|at| file.get(at..))?;
        let payload = &rest[..usize::try_from(named.payload_bytes).unwrap_or(usize::MAX).min(rest.len())];
        let payload = match named.form {
            Form::Plain => Cow::Borrowed(payload),
            Form::Lz4 => decompress(payload).ok()?,
        };
        Some(Self { subject: named.subject, entries: named.entries, payload_at, form: named.form, payload })
    }

    /// How many entries of database 0 to expect: what the head claims, as far as there are bytes for it; none if the first is of
    /// another.
    pub(crate) fn expected_keys(&self) -> usize {
        if !Entries::new(&self.payload).begins_in_database_0() {
            return 0;
        }
        usize::try_from(self.entries).unwrap_or(usize::MAX).min(self.payload.len() / ENTRY_BYTES_MIN)
    }

    /// Gives the entries to `f`, whose error ends it.
    #[inline]
    pub(crate) fn for_each<E: From<Damage>>(
        &self,
        mut f: impl FnMut(&Entry<'_>, &Spot) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = Entries::new(&self.payload);
        let mut count = 0;
        loop {
            let spot =
                Spot { subject: self.subject, payload_at: self.payload_at, form: self.form, at: entries.position() };
            match entries.next() {
                Ok(Some(entry)) => f(&entry, &spot)?,
                Ok(None) => break,
                Err(fault) => return Err(spot.damage(fault.at - spot.at, fault.expected, fault.found).into()),
            }
            count += 1;
        }
        self.expect_count(count).map_err(E::from)
    }

    /// Gives the libraries of functions to `f`, whose error ends it.
    pub(crate) fn for_each_library<E: From<Damage>>(&self, mut f: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut cursor = Cursor::new(&self.payload);
        let mut count = 0;
        while !cursor.rest().is_empty() {
            let at = self.payload_at + cursor.position() as u64;
            let text = cursor.text();
            let cut = || Damage::new(Place::Libraries, at, "a library as long as it says", "the end of the section");
            f(text.ok_or_else(cut)?)?;
            count += 1;
        }
        self.expect_count(count).map_err(E::from)
    }

    fn expect_count(&self, found: u64) -> Result<(), Damage> {
        if found == self.entries {
            return Ok(());
        }
        let expected = format!("{} entries", self.entries);
        Err(Damage::new(self.subject.place(), self.payload_at, expected, format!("{found}")))
    }
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    subject: Subject,
    payload_at: u64,
    form: Form,
    at: usize,
}

impl Spot {
    /// Damage within the entry, `at` bytes from its beginning.
    #[cold]
    pub(crate) fn damage(&self, at: usize, expected: &str, found: String) -> Damage {
        let within = self.at + at;
        match self.form {
            Form::Plain => Damage::new(self.subject.place(), self.payload_at + within as u64, expected, found),
            Form::Lz4 => {
                let found = format!("{found} (byte {within} of what was compressed)");
                Damage::new(self.subject.place(), self.payload_at, expected, found)
            }
        }
    }

    /// The damage if `key` does not belong to the section's slot.
    #[inline]
    pub(crate) fn expect_slot(&self, key: &[u8]) -> Result<(), Damage> {
        let slot = Slot::of(key);
        if self.subject == Subject::Slot(slot) {
            return Ok(());
        }
        let found = format!("\"{}\" of slot {slot}", key.escape_ascii());
        Err(self.damage(0, "a key of this slot", found))
    }
}
