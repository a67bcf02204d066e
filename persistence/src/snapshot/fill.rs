//! Puts the entries of a section into an engine.

use super::entry::{Access, Entry, Value};
use super::error::Damage;
use super::layout::{Section, Spot};
use super::section::Subject;
use keyslot_engine::payload::PayloadError;
use keyslot_engine::{Attributes, LoadError, Loader, UnixMillis};

/// Stores what is in a section, without the keys that were due at `due_at`; returns how many those were. After an error a part
/// is stored. O(bytes).
pub(crate) fn fill(loader: &mut Loader, section: &Section<'_>, due_at: UnixMillis) -> Result<u64, Refusal> {
    let Subject::Slot(slot) = section.subject else {
        section
            .for_each_library(|text| loader.library(text).map_err(|error| Refusal::Load { key: Vec::new(), error }))?;
        return Ok(0);
    };
    let mut due = 0;
    loader.expect(slot, 0, section.expected_keys());
    section.for_each(|entry, spot| {
        spot.expect_slot(entry.key)?;
        if entry.expiry.is_some_and(|expiry| expiry <= due_at) {
            due += 1;
            return Ok(());
        }
        store(loader, entry).map_err(|error| refused(entry, spot, error))
    })?;
    Ok(due)
}

#[inline]
fn store(loader: &mut Loader, entry: &Entry<'_>) -> Result<(), LoadError> {
    match (entry.value, entry.access) {
        (Value::String(value), Access::Unknown) => loader.string(entry.db, entry.key, value, entry.expiry),
        (Value::String(value), _) => {
            loader.begin(entry.db, entry.key, attributes(entry))?;
            loader.part(keyslot_engine::payload::Part::String(value))?;
            loader.end().map(drop)
        }
        (Value::Payload { number, bytes }, _) => {
            let used = loader.value(entry.db, entry.key, attributes(entry), number, bytes)?;
            if used == bytes.len() {
                Ok(())
            } else {
                Err(PayloadError::Corrupt { at: used, what: "no more bytes" }.into())
            }
        }
    }
}

fn attributes(entry: &Entry<'_>) -> Attributes {
    let mut attributes = Attributes { expiry: entry.expiry, ..Attributes::default() };
    match entry.access {
        Access::Unknown => {}
        Access::IdleSeconds(seconds) => attributes.idle_seconds = Some(seconds),
        Access::Frequency(count) => attributes.frequency = Some(count),
    }
    attributes
}

#[cold]
fn refused(entry: &Entry<'_>, spot: &Spot, error: LoadError) -> Refusal {
    match error {
        LoadError::Value(PayloadError::Corrupt { at, what }) => Refusal::Damage(super::check::value_damage(
            entry,
            spot,
            what,
            &format!("something else at byte {at} of it"),
        )),
        LoadError::Value(error) => {
            Refusal::Damage(super::check::value_damage(entry, spot, "a value that can be read", &error.to_string()))
        }
        error => Refusal::Load { key: entry.key.to_vec(), error },
    }
}

/// Why a section is not loaded to its end.
pub(crate) enum Refusal {
    Damage(Damage),
    /// The engine does not take an entry.
    Load {
        key: Vec<u8>,
        error: LoadError,
    },
}

impl From<Damage> for Refusal {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}
