//! Scores, ends of ranges and counts, as clients write them.

use crate::error::CommandError;
use crate::text::{parse_f64, parse_i64};
use crate::value::sorted_set::{LexBound, LexRange, ScoreRange};
use std::ops::Range;

/// Reads a score or a weight: not NaN.
#[inline]
pub(super) fn score(text: &[u8]) -> Result<f64, CommandError> {
    // Most are small whole numbers, which are read faster as such.
    if text.len() <= WHOLE_DIGITS
        && let Some(whole) = parse_i64(text)
    {
        return Ok(whole as f64);
    }
    parse_f64(text).ok_or(CommandError::NotFloat)
}

/// Reads an integer.
pub(super) fn integer(text: &[u8]) -> Result<i64, CommandError> {
    parse_i64(text).ok_or(CommandError::NotInteger)
}

/// Reads an integer that is not negative; `text` is the error for whatever else there is.
pub(super) fn count(word: &[u8], text: &'static str) -> Result<usize, CommandError> {
    parse_i64(word).and_then(|number| usize::try_from(number).ok()).ok_or(CommandError::text(text))
}

/// Reads a number of keys, or another integer above zero; `text` is the error for whatever else there is.
pub(super) fn positive(word: &[u8], text: &'static str) -> Result<usize, CommandError> {
    let number = parse_i64(word).and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or(CommandError::text(text))
}

/// Reads a range of scores.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    match (score_end(min), score_end(max)) {
        (Some((min, min_is_excluded)), Some((max, max_is_excluded))) => {
            Ok(ScoreRange { min, max, min_is_excluded, max_is_excluded })
        }
        _ => Err(CommandError::text("ERR min or max is not a float")),
    }
}

/// An end of a range of scores, and whether it stands outside.
fn score_end(text: &[u8]) -> Option<(f64, bool)> {
    match text {
        [b'(', number @ ..] => Some((c_number(number)?, true)),
        number => Some((c_number(number)?, false)),
    }
}

/// Reads a number as C's `strtod` does: nothing is zero, blanks may come first, and what is too large is infinite.
fn c_number(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    // What follows a zero byte is not seen.
    let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let number = text.trim_ascii_start();
    if let Some(number) = parse_f64(number) {
        return Some(number);
    }
    let is_decimal = number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if is_decimal { std::str::from_utf8(number).ok()?.parse().ok() } else { None }
}

/// Reads a range of members.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    match (lex_end(min), lex_end(max)) {
        (Some(min), Some(max)) => Ok(LexRange { min, max }),
        _ => Err(CommandError::text("ERR min or max not valid string range item")),
    }
}

fn lex_end(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Highest),
        [b'-'] | [b'-', 0, ..] => Some(LexBound::Lowest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

/// The ranks from `start` to `stop`, both included; negative ones count from the end.
pub(super) fn ranks(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { len.saturating_add(index) } else { index };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop || start >= len {
        return 0..0;
    }
    start as usize..stop as usize + 1
}

/// Whole numbers of so many digits are doubles, too.
const WHOLE_DIGITS: usize = 15;

/// An end of a range of scores.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ScoreLimit {
    /// At a score, which belongs to the range.
    Included(f64),
    /// At a score, which does not.
    Excluded(f64),
}

impl From<f64> for ScoreLimit {
    fn from(score: f64) -> Self {
        Self::Included(score)
    }
}

impl ScoreLimit {
    fn parts(self) -> (f64, bool) {
        match self {
            Self::Included(score) => (score, false),
            Self::Excluded(score) => (score, true),
        }
    }

    /// The range between two ends. An error if one is not a number.
    pub(super) fn range(min: impl Into<Self>, max: impl Into<Self>) -> Result<ScoreRange, CommandError> {
        let ((min, min_is_excluded), (max, max_is_excluded)) = (min.into().parts(), max.into().parts());
        if min.is_nan() || max.is_nan() {
            return Err(CommandError::text("ERR min or max is not a float"));
        }
        Ok(ScoreRange { min, max, min_is_excluded, max_is_excluded })
    }
}

/// An end of a range of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LexLimit<'a> {
    /// Before all members.
    Lowest,
    /// After all members.
    Highest,
    /// At a member, which belongs to the range.
    Included(&'a [u8]),
    /// At a member, which does not.
    Excluded(&'a [u8]),
}

impl<'a> LexLimit<'a> {
    fn bound(self) -> LexBound<'a> {
        match self {
            Self::Lowest => LexBound::Lowest,
            Self::Highest => LexBound::Highest,
            Self::Included(member) => LexBound::Included(member),
            Self::Excluded(member) => LexBound::Excluded(member),
        }
    }

    /// The range between two ends.
    pub(super) fn range(min: Self, max: Self) -> LexRange<'a> {
        LexRange { min: min.bound(), max: max.bound() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_ranges_are_read_as_redis_reads_them() {
        let ends = [
            ("1.5", Some((1.5, false))),
            ("(1.5", Some((1.5, true))),
            ("-inf", Some((f64::NEG_INFINITY, false))),
            ("(+inf", Some((f64::INFINITY, true))),
            ("", Some((0.0, false))),
            ("(", Some((0.0, true))),
            (" 3", Some((3.0, false))),
            ("1e999", Some((f64::INFINITY, false))),
            ("0x10", Some((16.0, false))),
            ("3 ", None),
            ("nan", None),
            ("((1", None),
            ("x", None),
        ];
        for (text, end) in ends {
            assert_eq!(score_end(text.as_bytes()), end, "{text}");
        }
        for (text, end) in
            [("[a", LexBound::Included(&b"a"[..])), ("(", LexBound::Excluded(b"")), ("+", LexBound::Highest)]
        {
            assert_eq!(lex_end(text.as_bytes()), Some(end));
        }
        assert!(["a", "", "+a", "-1"].iter().all(|text| lex_end(text.as_bytes()).is_none()));
    }

    #[test]
    fn ranks_count_from_either_end() {
        let rows =
            [(0, -1, 0..5), (-3, -2, 2..4), (3, 9, 3..5), (5, 9, 0..0), (-9, 1, 0..2), (3, 2, 0..0), (0, -6, 0..0)];
        for (start, stop, expected) in rows {
            assert_eq!(ranks(start, stop, 5), expected, "{start} {stop}");
        }
        assert_eq!(ranks(i64::MIN, i64::MAX, 5), 0..5);
        assert_eq!(ranks(0, -1, 0), 0..0);
    }
}
