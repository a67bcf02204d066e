//! Ids of stream entries: a time in milliseconds and a sequence number within it, written `ms-seq`.

use std::fmt;
use std::str::FromStr;

/// The id of an entry of a stream. Ordered as its parts are: first the time, then the number.
///
/// ```
/// use keyslot_engine::StreamId;
/// let id: StreamId = "1526919030474-55".parse()?;
/// assert_eq!(id, StreamId::new(1_526_919_030_474, 55));
/// assert_eq!(id.to_string(), "1526919030474-55");
/// # Ok::<(), keyslot_engine::InvalidStreamId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds, of Unix time where the id was made by `*`.
    pub ms: u64,
    /// Tells the entries of one millisecond apart.
    pub seq: u64,
}

/// A text that is no id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Invalid stream ID specified as stream command argument")]
pub struct InvalidStreamId;

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: Self = Self::new(0, 0);
    /// The last id there is.
    pub const MAX: Self = Self::new(u64::MAX, u64::MAX);

    /// The id of these parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The id after this one, if there is one.
    pub const fn next(self) -> Option<Self> {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => None,
            (ms, u64::MAX) => Some(Self::new(ms + 1, 0)),
            (ms, seq) => Some(Self::new(ms, seq + 1)),
        }
    }

    /// The id before this one, if there is one.
    pub const fn previous(self) -> Option<Self> {
        match (self.ms, self.seq) {
            (0, 0) => None,
            (ms, 0) => Some(Self::new(ms - 1, u64::MAX)),
            (ms, seq) => Some(Self::new(ms, seq - 1)),
        }
    }

    /// Reads `ms-seq`, or `ms` alone with `missing_seq` for the rest, as Redis does: a number may have blanks and a plus
    /// before it, and ends with the text or at a zero byte.
    pub(crate) fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        let (ms, seq) = split(text)?;
        let seq = match seq {
            None => missing_seq,
            Some(digits) => parse_u64(digits)?,
        };
        Some(Self::new(parse_u64(ms)?, seq))
    }

    /// Reads `ms-*`: the time alone.
    pub(crate) fn parse_open(text: &[u8]) -> Option<u64> {
        match split(text)? {
            (ms, Some(b"*")) => parse_u64(ms),
            _ => None,
        }
    }

    /// Writes the id into `buffer` and returns its text. No allocation.
    pub(crate) fn text(self, buffer: &mut IdBuffer) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let mut len = 0;
        let mut put = |text: &[u8]| {
            buffer.0[len..len + text.len()].copy_from_slice(text);
            len += text.len();
        };
        put(digits.format(self.ms).as_bytes());
        put(b"-");
        put(digits.format(self.seq).as_bytes());
        &buffer.0[..len]
    }
}

/// Room for the text of any id, to be kept on the stack.
pub(crate) struct IdBuffer([u8; 41]);

impl IdBuffer {
    pub(crate) const fn new() -> Self {
        Self([0; 41])
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<(u64, u64)> for StreamId {
    fn from((ms, seq): (u64, u64)) -> Self {
        Self::new(ms, seq)
    }
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        Self::parse(text.as_bytes(), 0).ok_or(InvalidStreamId)
    }
}

/// The part before the first minus, and the one after it. A text that is too long for an id has none.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = &text[..text.iter().position(|byte| *byte == 0).unwrap_or(text.len())];
    Some(match text.iter().position(|byte| *byte == b'-') {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    })
}

/// Reads a number as C's `strtoull` does, but refuses a negative one that is written as a number usually is.
fn parse_u64(text: &[u8]) -> Option<u64> {
    if crate::text::parse_i64(text).is_some_and(|number| number < 0) {
        return None;
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { number.wrapping_neg() } else { number })
}

const TEXT_BYTES_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_redis_reads_them() {
        let max = u64::MAX.to_string();
        for (text, id) in [
            ("5", Some((5, 7))),
            ("5-3", Some((5, 3))),
            ("0-0", Some((0, 0))),
            ("007-+3", Some((7, 3))),
            (" 7- 3", Some((7, 3))),
            ("5\0-3", Some((5, 7))),
            ("5--0", Some((5, 0))),
            ("5--03", Some((5, 3u64.wrapping_neg()))),
            ("5--3", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("-1", None),
            ("5-", None),
            ("5-*", None),
            ("5-3-1", None),
            ("a", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(StreamId::parse(text.as_bytes(), 7), id.map(StreamId::from), "{text:?}");
        }
        assert_eq!(StreamId::parse(format!("{max}-{max}").as_bytes(), 0), Some(StreamId::MAX));
        assert_eq!(StreamId::parse(&[b'0'; 128], 0), None);
        assert_eq!(StreamId::parse_open(b"12-*"), Some(12));
        assert_eq!(StreamId::parse_open(b"12-3"), None);
    }

    #[test]
    fn neighbours_carry_from_one_part_to_the_other() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!((StreamId::MAX.next(), StreamId::MIN.previous()), (None, None));
        assert_eq!(StreamId::MAX.text(&mut IdBuffer::new()), StreamId::MAX.to_string().as_bytes());
    }
}
