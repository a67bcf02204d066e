//! Bitmaps: strings seen as rows of bits, bit 0 being the highest bit of the first byte.

mod bitcount;
mod bitfield;
mod bitop;
mod bitpos;
mod getbit;
mod setbit;

pub use bitfield::{FieldAction, FieldOperation};
pub use bitpos::BitSpan;

use super::row::Row;
use crate::error::CommandError;
use crate::text::parse_i64;
use crate::turn::Turn;
use std::ops::Range;
use std::sync::atomic::Ordering;

pub(super) const ROWS: &[Row] = &[
    bitcount::BITCOUNT,
    bitfield::BITFIELD,
    bitfield::BITFIELD_RO,
    bitop::BITOP,
    bitpos::BITPOS,
    getbit::GETBIT,
    setbit::SETBIT,
];

/// What the numbers of a range count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BitUnit {
    /// Bytes.
    #[default]
    Byte,
    /// Bits.
    Bit,
}

impl BitUnit {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match word {
            word if word.eq_ignore_ascii_case(b"BIT") => Ok(Self::Bit),
            word if word.eq_ignore_ascii_case(b"BYTE") => Ok(Self::Byte),
            _ => Err(CommandError::Syntax),
        }
    }

    /// The bits from `start` to `end`, both included, that a string of `len` bytes has. Negative numbers count from the
    /// end, and what is before the first is the first.
    fn bits(self, len: usize, start: i64, end: i64) -> Range<u64> {
        let len = match self {
            Self::Byte => len as i64,
            Self::Bit => len as i64 * 8,
        };
        let from_start = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
        let (start, end) = (from_start(start), from_start(end).min(len - 1));
        if start > end {
            return 0..0;
        }
        let (start, end) = (start as u64, end as u64 + 1);
        match self {
            Self::Byte => start * 8..end * 8,
            Self::Bit => start..end,
        }
    }
}

/// Reads the offset of a bit, which is still to be [checked](check_offset).
fn parse_offset(text: &[u8]) -> Result<u64, CommandError> {
    parse_i64(text).and_then(|offset| u64::try_from(offset).ok()).ok_or(BAD_OFFSET)
}

/// Refuses bits beyond the longest string. What was decided elsewhere is followed further, but not without end.
fn check_offset(turn: &Turn<'_>, offset: u64) -> Result<(), CommandError> {
    let bytes_max = match turn.follows() {
        true => FOLLOWED_BYTES_MAX,
        false => turn.core().options.bulk_bytes_max.load(Ordering::Relaxed) as u64,
    };
    if offset >> 3 < bytes_max { Ok(()) } else { Err(BAD_OFFSET) }
}

const BAD_OFFSET: CommandError = CommandError::text("ERR bit offset is not an integer or out of range");

/// The longest string that a primary, a log or an import can make by setting a bit.
const FOLLOWED_BYTES_MAX: u64 = 4 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_redis() {
        assert_eq!(BitUnit::Byte.bits(5, 0, -1), 0..40);
        assert_eq!(BitUnit::Byte.bits(5, 1, 1), 8..16);
        assert_eq!(BitUnit::Bit.bits(5, 1, 1), 1..2);
        assert_eq!(BitUnit::Bit.bits(5, -3, 1000), 37..40);
        assert_eq!(BitUnit::Byte.bits(5, -1000, -900), 0..8);
        assert_eq!(BitUnit::Byte.bits(5, 3, 2), 0..0);
        assert_eq!(BitUnit::Byte.bits(0, 0, -1), 0..0);
        assert_eq!(BitUnit::Bit.bits(0, i64::MIN, i64::MAX), 0..0);
    }
}
