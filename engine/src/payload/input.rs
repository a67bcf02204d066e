//! Bytes that are there so far, and the small pieces that serialised values are made of.
//!
//! ```text
//! length    00llllll | 01llllll llllllll | 0x80 4 bytes big-endian | 0x81 8 bytes big-endian
//! string    length, bytes
//!           0xc0 1 byte | 0xc1 2 bytes | 0xc2 4 bytes    an integer, little-endian, printed
//!           0xc3 length of what follows, length of the string, LZF
//! ```

use super::error::PayloadError;
use super::lzf;
use crate::text::StrRef;

/// A cursor over bytes of which more may come. A piece that is not there as a whole is not taken: `Ok(None)`.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A length, or what stands in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// A length or a number.
    Plain(u64),
    /// An encoded string follows: 0 to 3.
    Encoded(u8),
}

/// A string that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Text<'a> {
    /// It stands in the input.
    Plain(&'a [u8]),
    /// It was written as an integer.
    Int(i64),
    /// It was decompressed.
    Decompressed(Vec<u8>),
}

impl Text<'_> {
    /// The string; a number in canonical form is given as one.
    pub fn as_str(&self) -> StrRef<'_> {
        match self {
            Text::Plain(bytes) => StrRef::of(bytes),
            Text::Int(n) => StrRef::Int(*n),
            Text::Decompressed(bytes) => StrRef::of(bytes),
        }
    }

    /// Lends the bytes to `f`.
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Text::Plain(bytes) => f(bytes),
            Text::Int(n) => StrRef::Int(*n).with_bytes(f),
            Text::Decompressed(bytes) => f(bytes),
        }
    }
}

type Read<T> = Result<Option<T>, PayloadError>;

impl<'a> Input<'a> {
    /// A cursor at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were taken.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Goes back or forth to a position that was taken before.
    pub fn seek(&mut self, position: usize) {
        self.at = position.min(self.bytes.len());
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..count)?;
        self.at += count;
        Some(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.rest().first_chunk()?;
        self.at += N;
        Some(taken)
    }

    /// A length, or the sign of an encoded string.
    pub fn length(&mut self) -> Read<Length> {
        let Some(&first) = self.rest().first() else { return Ok(None) };
        let rest = &self.rest()[1..];
        let (length, size) = match (first >> 6, first) {
            (0, _) => (Length::Plain(u64::from(first & 0x3f)), 1),
            (1, _) => match rest.first() {
                None => return Ok(None),
                Some(second) => (Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(*second)), 2),
            },
            (2, 0x80) => match rest.first_chunk() {
                None => return Ok(None),
                Some(four) => (Length::Plain(u64::from(u32::from_be_bytes(*four))), 5),
            },
            (2, 0x81) => match rest.first_chunk() {
                None => return Ok(None),
                Some(eight) => (Length::Plain(u64::from_be_bytes(*eight)), 9),
            },
            (3, _) if first & 0x3f <= LZF => (Length::Encoded(first & 0x3f), 1),
            _ => return Err(PayloadError::corrupt(self.at, "a length")),
        };
        self.at += size;
        Ok(Some(length))
    }

    /// A number in the form of a length.
    pub fn number(&mut self) -> Read<u64> {
        let start = self.at;
        match self.length()? {
            None => Ok(None),
            Some(Length::Plain(n)) => Ok(Some(n)),
            Some(Length::Encoded(_)) => Err(PayloadError::corrupt(start, "a number, not a string")),
        }
    }

    /// A string.
    pub fn text(&mut self) -> Read<Text<'a>> {
        let start = self.at;
        let text = self.text_or_stop();
        if !matches!(text, Ok(Some(_))) {
            self.at = start;
        }
        text
    }

    fn text_or_stop(&mut self) -> Read<Text<'a>> {
        let Some(length) = self.length()? else { return Ok(None) };
        let text = match length {
            Length::Plain(len) => self.take(self.size(len)?).map(Text::Plain),
            Length::Encoded(0) => self.array().map(|b: [u8; 1]| Text::Int(i64::from(i8::from_le_bytes(b)))),
            Length::Encoded(1) => self.array().map(|b| Text::Int(i64::from(i16::from_le_bytes(b)))),
            Length::Encoded(2) => self.array().map(|b| Text::Int(i64::from(i32::from_le_bytes(b)))),
            Length::Encoded(_) => {
                let Some(packed) = self.number()? else { return Ok(None) };
                let Some(len) = self.number()? else { return Ok(None) };
                let (packed, len) = (self.size(packed)?, self.size(len)?);
                let at = self.at;
                match self.take(packed) {
                    None => None,
                    Some(packed) => Some(Text::Decompressed(lzf::decompress(packed, len).map_err(|e| e.after(at))?)),
                }
            }
        };
        Ok(text)
    }

    /// A length as a size in memory.
    fn size(&self, len: u64) -> Result<usize, PayloadError> {
        let fits = usize::try_from(len).ok().filter(|len| *len <= STRING_BYTES_MAX);
        fits.ok_or_else(|| PayloadError::corrupt(self.at, "a string of at most 4 GiB"))
    }
}

impl PayloadError {
    /// The same error, found in something that begins at `start`.
    pub(super) fn after(self, start: usize) -> Self {
        match self {
            Self::Corrupt { at, what } => Self::Corrupt { at: at + start, what },
            other => other,
        }
    }
}

/// Appends a number in the form of a length.
pub fn push_number(out: &mut Vec<u8>, n: u64) {
    match n {
        0..0x40 => out.push(n as u8),
        0x40..0x4000 => out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]),
        0x4000..=0xffff_ffff => {
            out.push(0x80);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

/// Appends a string: small integers as such, long strings compressed where that helps and is wanted.
pub fn push_text(out: &mut Vec<u8>, text: StrRef<'_>, compress: bool) {
    match text {
        StrRef::Int(n) => push_int(out, n),
        // Whatever else looks like a number was not kept as one, but Redis writes it as one all the same.
        StrRef::Bytes(bytes) if bytes.len() <= INT_TEXT_BYTES_MAX => match crate::text::parse_i64(bytes) {
            Some(n) if i32::try_from(n).is_ok() => push_int(out, n),
            _ => push_plain(out, bytes),
        },
        StrRef::Bytes(bytes) => {
            let packed = if compress && bytes.len() > COMPRESS_BYTES_MIN { lzf::compress(bytes) } else { None };
            match packed {
                None => push_plain(out, bytes),
                Some(packed) => {
                    out.push(0xc0 | LZF);
                    push_number(out, packed.len() as u64);
                    push_number(out, bytes.len() as u64);
                    out.extend_from_slice(&packed);
                }
            }
        }
    }
}

fn push_int(out: &mut Vec<u8>, n: i64) {
    if let Ok(n) = i8::try_from(n) {
        out.extend_from_slice(&[0xc0, n as u8]);
    } else if let Ok(n) = i16::try_from(n) {
        out.push(0xc1);
        out.extend_from_slice(&n.to_le_bytes());
    } else if let Ok(n) = i32::try_from(n) {
        out.push(0xc2);
        out.extend_from_slice(&n.to_le_bytes());
    } else {
        StrRef::Int(n).with_bytes(|bytes| push_plain(out, bytes));
    }
}

fn push_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    push_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

const LZF: u8 = 3;
const STRING_BYTES_MAX: usize = u32::MAX as usize;
const COMPRESS_BYTES_MIN: usize = 20;
const INT_TEXT_BYTES_MAX: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_and_wait_for_their_last_byte() {
        let long = b"0123456789".repeat(40);
        let strings =
            [&b""[..], b"a", b"-1", b"300", b"-70000", b"12345678901", b"007", &[b'x'; 70], &long, &[7; 20_000]];
        for compress in [false, true] {
            for string in strings {
                let mut out = Vec::new();
                push_text(&mut out, StrRef::of(string), compress);
                for len in 0..out.len() {
                    let mut input = Input::new(&out[..len]);
                    assert_eq!((input.text(), input.position()), (Ok(None), 0));
                }
                let mut input = Input::new(&out);
                let text = input.text().expect("well formed").expect("whole");
                assert!(text.with_bytes(|bytes| bytes == string), "{string:?}");
                assert!(input.rest().is_empty());
            }
        }
    }

    #[test]
    fn lengths_that_no_memory_has_are_refused() {
        let mut out = Vec::new();
        push_number(&mut out, u64::MAX);
        assert!(Input::new(&out).text().is_err());
        assert!(Input::new(&[0xc4]).length().is_err());
        assert!(Input::new(&[0x82]).length().is_err());
    }
}
