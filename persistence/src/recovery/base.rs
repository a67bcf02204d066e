//! Reads the RDB that a file begins with: a base, or the preamble of a single file.

use super::receiver::{Receiver, Refused};
use super::scan::{Cause, Damage};
use super::window::Window;
use crate::log::GoesOn;
use crate::rdb::{RdbError, RdbEvent, RdbReader};
use crate::storage::FileError;

/// What was read of an RDB.
#[derive(Clone, Debug)]
pub(crate) struct RdbPart {
    /// How many bytes it takes.
    pub(crate) size_bytes: u64,
    pub(crate) version: u32,
    pub(crate) keys: u64,
    pub(crate) libraries: u64,
    /// Where it says that the journal goes on.
    pub(crate) goes_on: Option<GoesOn>,
    pub(crate) damage: Option<Damage>,
}

/// Whether the file begins as an RDB does.
pub(crate) fn begins_rdb(window: &mut Window) -> Result<bool, FileError> {
    let start = window.bytes_at(0, MAGIC_SIZE)?;
    Ok(start.starts_with(b"REDIS") || start.starts_with(b"VALKEY"))
}

/// Reads it to its end, and hands on what it tells.
pub(crate) fn read_rdb(
    window: &mut Window,
    receiver: &mut dyn Receiver,
    watch: &mut dyn FnMut(u64),
) -> Result<RdbPart, FileError> {
    let mut reader = RdbReader::new();
    let (mut offset, mut era) = (None, None);
    let (mut keys, mut libraries) = (0, 0);
    let mut at = 0;
    let mut sink = |event: RdbEvent<'_>| {
        match event {
            RdbEvent::Note { key: b"keyslot-offset", value } => offset = parse(value),
            RdbEvent::Note { key: b"keyslot-era", value } => era = parse(value),
            RdbEvent::Key { .. } => keys += 1,
            RdbEvent::Function(_) => libraries += 1,
            _ => {}
        }
        receiver.event(event).map_err(Stop::Refused)
    };
    let stopped = loop {
        let bytes = window.bytes_at(at, 1)?;
        if bytes.is_empty() {
            break reader.finish().map_err(Stop::Damaged).err();
        }
        match reader.feed(bytes, &mut sink) {
            Ok(used) => at += used as u64,
            Err(stop) => break Some(stop),
        }
        watch(reader.position());
        if reader.is_finished() {
            break None;
        }
    };
    let damage = stopped.map(|stop| stop.damage(reader.position()));
    let goes_on = offset.map(|offset| GoesOn { offset, era: era.unwrap_or(0) });
    let (size_bytes, version) = (reader.position(), reader.version());
    Ok(RdbPart { size_bytes, version, keys, libraries, goes_on, damage })
}

fn parse(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

enum Stop {
    Damaged(RdbError),
    Refused(Refused),
}

impl From<RdbError> for Stop {
    fn from(error: RdbError) -> Self {
        Self::Damaged(error)
    }
}

impl Stop {
    fn damage(self, position: u64) -> Damage {
        let found = || self.text();
        match &self {
            Self::Refused(refused) => Damage {
                at: position,
                expected: format!("that {} can be loaded", refused.what),
                found: refused.reason.clone(),
                cause: Cause::Refused,
            },
            Self::Damaged(error) => {
                let (at, expected, cause) = match error {
                    RdbError::NotRdb { .. } => (0, "an RDB", Cause::Wrong),
                    RdbError::TooNew { at, .. } => (*at, "a version that this program knows", Cause::Refused),
                    RdbError::Value { at, .. } => (*at, "a value as RDB has it", Cause::Wrong),
                    RdbError::Corrupt { at, .. } => (*at, "what RDB has there", Cause::Wrong),
                    RdbError::Checksum { at, .. } => (*at, "the checksum of the bytes before it", Cause::Wrong),
                    RdbError::Cut { at, .. } => (*at, "the rest of the RDB", Cause::Short),
                };
                Damage { at, expected: expected.to_owned(), found: found(), cause }
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Damaged(error) => error.to_string(),
            Self::Refused(refused) => refused.reason.clone(),
        }
    }
}

const MAGIC_SIZE: usize = 6;
