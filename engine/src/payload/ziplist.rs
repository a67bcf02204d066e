//! Ziplists and zipmaps, which listpacks replaced: read, never written.
//!
//! ```text
//! ziplist   4 bytes of size, 4 of tail, 2 of count, elements, 0xff         all little-endian
//! element   size of the one before (1 byte, or 0xfe and 4), then
//!           00llllll | 01llllll llllllll | 10...... 4 bytes big-endian     string
//!           0xc0 2 bytes | 0xd0 4 | 0xe0 8 | 0xf0 3 | 0xfe 1               integer
//!           0xf1..=0xfd                                                    0..=12
//! zipmap    1 byte of count, (length, key, length, 1 byte of free, value, free bytes)*, 0xff
//! length    1 byte, or 0xfe and 4 bytes little-endian
//! ```

use super::error::PayloadError;
use crate::text::StrRef;

/// The elements of a ziplist. An error ends them.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Opens a ziplist. The bytes must be exactly its own.
pub(super) fn elements(bytes: &[u8]) -> Result<Elements<'_>, PayloadError> {
    let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size) as usize);
    if size != Some(bytes.len()) || bytes.len() < HEAD_BYTES + 1 || bytes.last() != Some(&END) {
        return Err(PayloadError::corrupt(0, "a ziplist as long as it says"));
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
        let (element, size) = read(rest).ok_or_else(|| PayloadError::corrupt(self.at, "an element of a ziplist"))?;
        self.at += size;
        Ok(Some(element))
    }

    /// The next element, which must be there.
    pub(super) fn demand(&mut self) -> Result<StrRef<'a>, PayloadError> {
        self.next()?.ok_or_else(|| PayloadError::corrupt(self.at, "one more element in the ziplist"))
    }
}

fn read(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let before = if *bytes.first()? == 0xfe { 5 } else { 1 };
    let body = bytes.get(before..)?;
    let (&first, rest) = body.split_first()?;
    let string = |head: usize, len: usize| Some((StrRef::Bytes(body.get(head..head + len)?), before + head + len));
    let integer = |n: i64, size: usize| Some((StrRef::Int(n), before + 1 + size));
    match first {
        0..0x40 => string(1, usize::from(first)),
        0x40..0x80 => string(2, usize::from(first & 0x3f) << 8 | usize::from(*rest.first()?)),
        0x80..0xc0 => string(5, u32::from_be_bytes(*rest.first_chunk()?) as usize),
        0xc0 => integer(i64::from(i16::from_le_bytes(*rest.first_chunk()?)), 2),
        0xd0 => integer(i64::from(i32::from_le_bytes(*rest.first_chunk()?)), 4),
        0xe0 => integer(i64::from_le_bytes(*rest.first_chunk()?), 8),
        0xf0 => {
            let [a, b, c] = *rest.first_chunk()?;
            integer(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 3)
        }
        0xfe => integer(i64::from(*rest.first()? as i8), 1),
        0xf1..=0xfd => integer(i64::from(first & 0x0f) - 1, 0),
        _ => None,
    }
}

/// Calls `f` with every key and value of a zipmap.
pub(super) fn for_each_pair(
    bytes: &[u8],
    mut f: impl FnMut(&[u8], &[u8]) -> Result<(), PayloadError>,
) -> Result<(), PayloadError> {
    let mut at = 1;
    loop {
        let corrupt = || PayloadError::corrupt(at, "a pair of a zipmap");
        if bytes.get(at) == Some(&END) && at + 1 == bytes.len() {
            return Ok(());
        }
        let (key, after_key) = sized(bytes, at, 0).ok_or_else(corrupt)?;
        let (value, after_value) = sized(bytes, after_key, 1).ok_or_else(corrupt)?;
        f(key, value)?;
        at = after_value;
    }
}

/// A sized string with `gap` bytes between size and string, the first of which says how many bytes are free behind it.
fn sized(bytes: &[u8], at: usize, gap: usize) -> Option<(&[u8], usize)> {
    let (len, head) = match *bytes.get(at)? {
        END => return None,
        0xfe => (u32::from_le_bytes(*bytes.get(at + 1..)?.first_chunk()?) as usize, 5),
        len => (usize::from(len), 1),
    };
    let free = if gap == 0 { 0 } else { usize::from(*bytes.get(at + head)?) };
    let start = at + head + gap;
    let string = bytes.get(start..start.checked_add(len)?)?;
    Some((string, start + len + free))
}

const HEAD_BYTES: usize = 10;
const END: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ziplist_of_every_kind_is_read() {
        let mut bytes = vec![0; 10];
        bytes.extend_from_slice(&[0, 0x03, b'a', b'b', b'c']);
        bytes.extend_from_slice(&[5, 0xf1, 2, 0xfd, 2, 0xfe, 0x80, 3, 0xc0, 0x00, 0x80]);
        bytes.extend_from_slice(&[4, 0xf0, 0xff, 0xff, 0x7f, 5, 0xd0, 1, 0, 0, 0x80]);
        bytes.extend_from_slice(&[6, 0xe0, 1, 0, 0, 0, 0, 0, 0, 0x40, 0xff]);
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        let mut elements = elements(&bytes).expect("sound");
        let mut all = Vec::new();
        while let Some(element) = elements.next().expect("sound") {
            all.push(element.to_vec());
        }
        let expected = ["abc", "0", "12", "-128", "-32768", "8388607", "-2147483647", "4611686018427387905"];
        assert_eq!(all, expected.map(|s| s.as_bytes().to_vec()));
        for cut in 0..bytes.len() {
            let mut cut = bytes[..cut].to_vec();
            if cut.len() >= 11 {
                let size = cut.len() as u32;
                cut[..4].copy_from_slice(&size.to_le_bytes());
                *cut.last_mut().expect("not empty") = 0xff;
            }
            if let Ok(mut elements) = super::elements(&cut) {
                while let Ok(Some(_)) = elements.next() {}
            }
        }
    }

    #[test]
    fn a_zipmap_with_free_bytes_is_read() {
        let bytes = [2, 1, b'a', 2, 1, b'x', b'y', 0, 0xfe, 1, 0, 0, 0, b'b', 0, 0, 0xff];
        let mut pairs = Vec::new();
        for_each_pair(&bytes, |k, v| {
            pairs.push((k.to_vec(), v.to_vec()));
            Ok(())
        })
        .expect("sound");
        assert_eq!(pairs, [(b"a".to_vec(), b"xy".to_vec()), (b"b".to_vec(), Vec::new())]);
        for len in 0..bytes.len() {
            assert!(for_each_pair(&bytes[..len], |_, _| Ok(())).is_err());
        }
    }
}
