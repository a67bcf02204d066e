//! The expiry arguments that SET, SETEX, PSETEX and GETEX share: a number and what it counts.

use crate::error::CommandError;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::Turn;

/// When a string is due to vanish, as its writer says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiration {
    /// So many seconds from now (`EX`).
    Seconds(i64),
    /// So many milliseconds from now (`PX`).
    Millis(i64),
    /// At this Unix time in seconds (`EXAT`).
    AtSeconds(i64),
    /// At this Unix time in milliseconds (`PXAT`).
    AtMillis(i64),
}

impl Expiration {
    /// Reads the number of an option that was recognised as `EX`, `PX`, `EXAT` or `PXAT`.
    pub(super) fn parse(unit: fn(i64) -> Self, number: &[u8]) -> Result<Self, CommandError> {
        parse_i64(number).map(unit).ok_or(CommandError::NotInteger)
    }

    /// The option named by `word` in any case.
    pub(super) fn unit(word: &[u8]) -> Option<fn(i64) -> Self> {
        match word.to_ascii_uppercase().as_slice() {
            b"EX" => Some(Self::Seconds),
            b"PX" => Some(Self::Millis),
            b"EXAT" => Some(Self::AtSeconds),
            b"PXAT" => Some(Self::AtMillis),
            _ => None,
        }
    }

    /// The moment it means. An error below 1 and beyond the range, naming `command`.
    pub(super) fn resolve(self, turn: &Turn<'_>, command: &'static str) -> Result<UnixMillis, CommandError> {
        let (number, factor, start) = match self {
            Self::Seconds(n) => (n, 1000, turn.now().0),
            Self::Millis(n) => (n, 1, turn.now().0),
            Self::AtSeconds(n) => (n, 1000, 0),
            Self::AtMillis(n) => (n, 1, 0),
        };
        let moment = number.checked_mul(factor).filter(|_| number > 0).and_then(|ms| ms.checked_add(start));
        moment.map(UnixMillis).ok_or(CommandError::InvalidExpire { command })
    }
}
