//! The expiry arguments that SET, SETEX, PSETEX and GETEX share: a number and what it counts.

use crate::error::CommandError;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::Turn;
use std::slice::Iter;

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

/// What the number of an option counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Seconds,
    Millis,
    AtSeconds,
    AtMillis,
}

impl Unit {
    /// The option named by `word` in any case.
    fn named(word: &[u8]) -> Option<Self> {
        let units = [(&b"EX"[..], Self::Seconds), (b"PX", Self::Millis), (b"EXAT", Self::AtSeconds)];
        let units = units.into_iter().chain([(&b"PXAT"[..], Self::AtMillis)]);
        units.into_iter().find_map(|(name, unit)| word.eq_ignore_ascii_case(name).then_some(unit))
    }

    fn count(self, number: i64) -> Expiration {
        match self {
            Self::Seconds => Expiration::Seconds(number),
            Self::Millis => Expiration::Millis(number),
            Self::AtSeconds => Expiration::AtSeconds(number),
            Self::AtMillis => Expiration::AtMillis(number),
        }
    }
}

/// The expiry option of a request. Its number is read only when the command comes to use it: an error in it shows after
/// all errors of syntax and, for GETEX, only if there is a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExpiryWord<'a> {
    /// `KEEPTTL` or `PERSIST`.
    Standalone,
    /// `EX`, `PX`, `EXAT` or `PXAT` with its number.
    Timed(Unit, &'a [u8]),
}

impl<'a> ExpiryWord<'a> {
    /// Reads the option `word`, its number being the next of `words`. `standalone` is the command's option without a
    /// number; `before` is what was read so far: an option may be repeated, the last one counts, but not contradicted.
    pub(super) fn read(
        word: &[u8],
        words: &mut Iter<'_, &'a [u8]>,
        standalone: &[u8],
        before: Option<Self>,
    ) -> Result<Self, CommandError> {
        if word.eq_ignore_ascii_case(standalone) {
            return match before {
                None | Some(Self::Standalone) => Ok(Self::Standalone),
                Some(Self::Timed(..)) => Err(CommandError::Syntax),
            };
        }
        let agrees = |unit| match before {
            None => true,
            Some(Self::Standalone) => false,
            Some(Self::Timed(earlier, _)) => earlier == unit,
        };
        match (Unit::named(word).filter(|unit| agrees(*unit)), words.next()) {
            (Some(unit), Some(number)) => Ok(Self::Timed(unit, number)),
            _ => Err(CommandError::Syntax),
        }
    }

    /// The expiry that a timed option asks for; `None` for the option without a number.
    pub(super) fn expiration(self) -> Result<Option<Expiration>, CommandError> {
        match self {
            Self::Standalone => Ok(None),
            Self::Timed(unit, number) => {
                parse_i64(number).map(|number| Some(unit.count(number))).ok_or(CommandError::NotInteger)
            }
        }
    }
}
