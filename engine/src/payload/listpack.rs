//! Listpacks: elements one after another, each followed by its own size so that they can be read from either end.
//!
//! ```text
//! 4 bytes of size, 2 bytes of count (0xffff: unknown), elements, 0xff
//! 0lllllll                    0..=127                 1110llll llllllll  string of l bytes
//! 10llllll                    string of l bytes       11110000 4 bytes   string of so many bytes
//! 110nnnnn nnnnnnnn           13 bits, signed         11110001..=11110100  integer of 2, 3, 4, 8 bytes
//! ```
//!
//! The size behind an element takes 7 bits a byte, the first of them lowest when read backwards.

use super::error::PayloadError;
use crate::text::StrRef;

/// The elements. An error ends them.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Opens a listpack. The bytes must be exactly its own.
pub(super) fn elements(bytes: &[u8]) -> Result<Elements<'_>, PayloadError> {
    let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size) as usize);
    if size != Some(bytes.len()) || bytes.len() < HEAD_BYTES + 1 || bytes.last() != Some(&END) {
        return Err(PayloadError::corrupt(0, "a listpack as long as it says"));
    }
    Ok(Elements { bytes, at: HEAD_BYTES })
}

impl<'a> Elements<'a> {
    /// The next element, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<StrRef<'a>>, PayloadError> {
        let rest = &self.bytes[self.at..self.bytes.len() - 1];
        if rest.is_empty() {
            return Ok(None);
        }
        let corrupt = || PayloadError::corrupt(self.at, "an element of a listpack");
        let (element, size) = read(rest).ok_or_else(corrupt)?;
        let behind = back_size(size);
        if size + behind > rest.len() {
            return Err(corrupt());
        }
        self.at += size + behind;
        Ok(Some(element))
    }

    /// The next element, which must be there.
    pub(super) fn demand(&mut self) -> Result<StrRef<'a>, PayloadError> {
        self.next()?.ok_or_else(|| PayloadError::corrupt(self.at, "one more element in the listpack"))
    }

    /// The next element, which must be an integer.
    pub(super) fn integer(&mut self) -> Result<i64, PayloadError> {
        let at = self.at;
        self.demand()?.as_i64().ok_or_else(|| PayloadError::corrupt(at, "an integer in the listpack"))
    }
}

/// An element, and how many bytes it takes.
fn read(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let string = |head: usize, len: usize| Some((StrRef::Bytes(bytes.get(head..head + len)?), head + len));
    let integer = |n: i64, size: usize| Some((StrRef::Int(n), 1 + size));
    match first {
        0..0x80 => integer(i64::from(first), 0),
        0x80..0xc0 => string(1, usize::from(first & 0x3f)),
        0xc0..0xe0 => {
            let raw = i64::from(first & 0x1f) << 8 | i64::from(*rest.first()?);
            integer(raw << 51 >> 51, 1)
        }
        0xe0..0xf0 => string(2, usize::from(first & 0x0f) << 8 | usize::from(*rest.first()?)),
        0xf0 => string(5, u32::from_le_bytes(*rest.first_chunk()?) as usize),
        0xf1 => integer(i64::from(i16::from_le_bytes(*rest.first_chunk()?)), 2),
        0xf2 => {
            let [a, b, c] = *rest.first_chunk()?;
            integer(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 3)
        }
        0xf3 => integer(i64::from(i32::from_le_bytes(*rest.first_chunk()?)), 4),
        0xf4 => integer(i64::from_le_bytes(*rest.first_chunk()?), 8),
        _ => None,
    }
}

/// How many bytes the size behind an element takes.
fn back_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

#[cfg(test)]
/// A listpack under construction.
#[derive(Debug)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    count: usize,
}

#[cfg(test)]
impl Builder {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; HEAD_BYTES], count: 0 }
    }

    /// Appends an element.
    pub(super) fn push(&mut self, element: StrRef<'_>) {
        let out = &mut self.bytes;
        let start = out.len();
        match element {
            StrRef::Int(n) => push_int(out, n),
            StrRef::Bytes(bytes) => {
                match bytes.len() {
                    len @ 0..0x40 => out.push(0x80 | len as u8),
                    len @ 0x40..0x1000 => out.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
                    len => {
                        out.push(0xf0);
                        out.extend_from_slice(&(len as u32).to_le_bytes());
                    }
                }
                out.extend_from_slice(bytes);
            }
        }
        let size = out.len() - start;
        let behind = back_size(size);
        for place in (0..behind).rev() {
            let seven = (size >> (7 * place) & 0x7f) as u8;
            out.push(if place + 1 == behind { seven } else { seven | 0x80 });
        }
        self.count += 1;
    }

    /// The finished listpack.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let size = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
fn push_int(out: &mut Vec<u8>, n: i64) {
    match n {
        0..=127 => out.push(n as u8),
        -4096..=4095 => out.extend_from_slice(&[0xc0 | (n >> 8 & 0x1f) as u8, n as u8]),
        -32_768..=32_767 => {
            out.push(0xf1);
            out.extend_from_slice(&(n as i16).to_le_bytes());
        }
        -8_388_608..=8_388_607 => {
            out.push(0xf2);
            out.extend_from_slice(&n.to_le_bytes()[..3]);
        }
        -2_147_483_648..=2_147_483_647 => {
            out.push(0xf3);
            out.extend_from_slice(&(n as i32).to_le_bytes());
        }
        _ => {
            out.push(0xf4);
            out.extend_from_slice(&n.to_le_bytes());
        }
    }
}

const HEAD_BYTES: usize = 6;
const END: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<StrRef<'_>>, PayloadError> {
        let mut elements = elements(bytes)?;
        let mut all = Vec::new();
        while let Some(element) = elements.next()? {
            all.push(element);
        }
        Ok(all)
    }

    #[test]
    fn every_element_comes_back_and_damage_is_told() {
        let strings: Vec<Vec<u8>> = [0, 1, 63, 64, 127, 4095, 4096, 20_000].map(|len| vec![b's'; len]).to_vec();
        let numbers = [0, 127, 128, -1, 4095, -4096, 4096, -4097, 32_768, -8_388_608, 8_388_608, 1 << 40, i64::MIN];
        let mut builder = Builder::new();
        let elements: Vec<StrRef<'_>> =
            strings.iter().map(|s| StrRef::Bytes(s)).chain(numbers.map(StrRef::Int)).collect();
        elements.iter().for_each(|element| builder.push(*element));
        let bytes = builder.finish();
        assert_eq!(all(&bytes), Ok(elements));
        for len in (0..bytes.len()).step_by(7) {
            assert!(all(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn bytes_are_those_that_redis_writes() {
        let mut builder = Builder::new();
        builder.push(StrRef::Bytes(b"a"));
        builder.push(StrRef::Int(1000));
        assert_eq!(builder.finish(), [13, 0, 0, 0, 2, 0, 0x81, b'a', 2, 0xc3, 0xe8, 2, 0xff]);
    }
}
