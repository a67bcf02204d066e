//! Checking a snapshot: what it is of, whether it is sound, and what is in it.

use super::entry::{Entry, Value};
use super::error::{Damage, FormatError};
use super::header::SnapshotHeader;
use super::index::IndexEntry;
use super::layout::{Layout, Section, Spot, Tolerance};
use super::section::Subject;
use keyslot_engine::payload::{Decoder, Dialect, Input, PayloadError};
use keyslot_engine::{Slot, ValueType};
use std::fmt;

/// What is in a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotCheck {
    /// What it is of.
    pub header: SnapshotHeader,
    /// The size of the file.
    pub size_bytes: u64,
    /// How many libraries of functions it holds.
    pub libraries: u64,
    /// What the sound sections hold.
    pub keys: KeyCounts,
    /// The same for each slot that holds keys, in the order of the slots.
    pub slots: Vec<SlotSummary>,
    /// What is wrong with header, index and end.
    pub damages: Vec<Damage>,
    /// Sections that cannot be used.
    pub broken: Vec<BrokenSection>,
}

impl SnapshotCheck {
    /// Whether all of it can be used.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty() && self.broken.is_empty()
    }
}

/// How many keys, by type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyCounts {
    /// Of all types.
    pub all: u64,
    /// With an expiry.
    pub expiring: u64,
    by_type: [u64; TYPES.len()],
}

impl KeyCounts {
    /// How many are of this type.
    pub fn of(&self, value_type: ValueType) -> u64 {
        TYPES.iter().position(|known| *known == value_type).map_or(0, |at| self.by_type[at])
    }

    fn count(&mut self, value_type: ValueType, expires: bool) {
        self.all += 1;
        self.expiring += u64::from(expires);
        if let Some(at) = TYPES.iter().position(|known| *known == value_type) {
            self.by_type[at] += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.all += other.all;
        self.expiring += other.expiring;
        for (mine, theirs) in self.by_type.iter_mut().zip(other.by_type) {
            *mine += theirs;
        }
    }
}

impl fmt::Display for KeyCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.all)?;
        for (value_type, count) in TYPES.iter().zip(self.by_type).filter(|(_, count)| *count > 0) {
            write!(f, ", {count} {}", value_type.name())?;
        }
        Ok(())
    }
}

/// What is in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotSummary {
    /// The slot.
    pub slot: Slot,
    /// The size of its sections in the file.
    pub size_bytes: u64,
    /// Its keys.
    pub keys: KeyCounts,
}

/// A section that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenSection {
    /// What is wrong: the first that was found.
    pub damage: Damage,
    /// Its size in the file.
    pub size_bytes: u64,
    /// How many entries its head claims.
    pub entries: u64,
    /// How many can be made out from its beginning on. Which of them are as they were written, nothing tells.
    pub legible: u64,
}

/// Checks the bytes of a snapshot: every checksum and every value. Any bytes will do; an error only if nothing can be said
/// about them. O(bytes); memory follows the number of sections.
pub fn check_snapshot(file: &[u8]) -> Result<SnapshotCheck, FormatError> {
    Ok(check_layout(file, &Layout::read(file, Tolerance::Salvage)?))
}

pub(crate) fn check_layout(file: &[u8], layout: &Layout) -> SnapshotCheck {
    let mut check = SnapshotCheck {
        header: layout.header.clone(),
        size_bytes: file.len() as u64,
        damages: layout.damages.clone(),
        ..SnapshotCheck::default()
    };
    for named in &layout.sections {
        let size_bytes = named.end().unwrap_or(u64::MAX) - named.at;
        match check_section(file, layout.header.id, named) {
            Ok((libraries, keys)) => {
                check.libraries += libraries;
                check.keys.add(&keys);
                if let Subject::Slot(slot) = named.subject {
                    check.add_slot(SlotSummary { slot, size_bytes, keys });
                }
            }
            Err(damage) => {
                let legible = legible(file, named);
                check.broken.push(BrokenSection { damage, size_bytes, entries: named.entries, legible });
            }
        }
    }
    check
}

impl SnapshotCheck {
    fn add_slot(&mut self, summary: SlotSummary) {
        match self.slots.last_mut().filter(|last| last.slot == summary.slot) {
            Some(last) => {
                last.size_bytes += summary.size_bytes;
                last.keys.add(&summary.keys);
            }
            None => self.slots.push(summary),
        }
    }
}

/// How many libraries and keys the section holds, all of which were read.
fn check_section(file: &[u8], id: u64, named: &IndexEntry) -> Result<(u64, KeyCounts), Damage> {
    let section = Section::open(file, id, named)?;
    let (mut libraries, mut keys) = (0, KeyCounts::default());
    if section.subject == Subject::Libraries {
        section.for_each_library(|_| {
            libraries += 1;
            Ok::<_, Damage>(())
        })?;
        return Ok((libraries, keys));
    }
    section.for_each(|entry, spot| {
        spot.expect_slot(entry.key)?;
        keys.count(check_value(entry, spot)?, entry.expiry.is_some());
        Ok::<_, Damage>(())
    })?;
    Ok((libraries, keys))
}

/// Reads a value to its end.
fn check_value(entry: &Entry<'_>, spot: &Spot) -> Result<ValueType, Damage> {
    let Value::Payload { number, bytes } = entry.value else { return Ok(ValueType::String) };
    let mut input = Input::new(bytes);
    let complete =
        Decoder::new(number, Dialect::Redis).and_then(|mut decoder| decoder.feed(&mut input, &mut |_| Ok(())));
    match complete {
        Ok(true) if input.rest().is_empty() => Ok(type_of(number)),
        Ok(true) => Err(value_damage(entry, spot, "a value that ends where its bytes end", "more bytes")),
        Ok(false) => Err(value_damage(entry, spot, "the rest of a value", "the end of its bytes")),
        Err(PayloadError::Corrupt { at, what }) => {
            Err(value_damage(entry, spot, what, &format!("something else at byte {at} of the value")))
        }
        Err(error) => Err(value_damage(entry, spot, "a value that can be read", &error.to_string())),
    }
}

/// Damage of the value of an entry.
#[cold]
pub(crate) fn value_damage(entry: &Entry<'_>, spot: &Spot, expected: &str, found: &str) -> Damage {
    let found = format!("{found}, in the value of \"{}\" in database {}", entry.key.escape_ascii(), entry.db);
    spot.damage(0, expected, found)
}

/// Entries from the beginning of a damaged section that look like entries of its slot.
pub(crate) fn legible(file: &[u8], named: &IndexEntry) -> u64 {
    let Some(section) = Section::open_unchecked(file, named) else { return 0 };
    let mut count = 0;
    let read = match named.subject {
        Subject::Libraries => section.for_each_library(|_| {
            count += 1;
            Ok::<_, Damage>(())
        }),
        Subject::Slot(_) => section.for_each(|entry, spot| {
            spot.expect_slot(entry.key)?;
            check_value(entry, spot)?;
            count += 1;
            Ok(())
        }),
    };
    // It ends with the first that is not legible.
    drop(read);
    count
}

/// The type that a form of RDB is of.
fn type_of(number: u8) -> ValueType {
    match number {
        1 | 10 | 14 | 18 => ValueType::List,
        2 | 11 | 20 => ValueType::Set,
        3 | 5 | 12 | 17 => ValueType::SortedSet,
        4 | 9 | 13 | 16 | 22..=25 => ValueType::Hash,
        15 | 19 | 21 => ValueType::Stream,
        _ => ValueType::String,
    }
}

const TYPES: [ValueType; 6] =
    [ValueType::String, ValueType::List, ValueType::Set, ValueType::SortedSet, ValueType::Hash, ValueType::Stream];
