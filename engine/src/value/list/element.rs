//! Elements of a list, one after another, readable from both ends: the entries of Redis's listpack.
//!
//! ```text
//! element = head, data, back length
//!
//! head                    data
//! 0xxxxxxx                none: the integer 0..=127
//! 10llllll                a string of l < 64 bytes
//! 110xxxxx xxxxxxxx       none: an integer of 13 bits, two's complement
//! 1110llll llllllll       a string of l < 4096 bytes
//! f0 llll                 a string; 4 bytes of length, little-endian
//! f1 f2 f3 f4             an integer of 2, 3, 4 or 8 bytes, little-endian
//!
//! back length: the size of head and data, 7 bits a byte, most significant first; all bytes but the first have the top
//! bit set, so that it is read from its end
//! ```
//!
//! What is read was written by this module: bytes of peers and files are parsed elsewhere.

use crate::text::StrRef;

/// What a listpack takes besides its entries: Redis's limits count it.
pub(crate) const FRAME_BYTES: usize = 7;

/// Bytes of an element before its data ends.
fn front_len(element: StrRef<'_>) -> usize {
    match element {
        StrRef::Int(0..=127) => 1,
        StrRef::Int(-4096..=-1 | 128..=4095) => 2,
        StrRef::Int(n) => 1 + int_size(n),
        StrRef::Bytes(bytes) => match bytes.len() {
            len @ 0..64 => 1 + len,
            len @ 64..4096 => 2 + len,
            len => 5 + len,
        },
    }
}

fn int_size(n: i64) -> usize {
    let magnitude = if n < 0 { !n } else { n };
    match magnitude {
        0..0x8000 => 2,
        0x8000..0x80_0000 => 3,
        0x80_0000..0x8000_0000 => 4,
        _ => 8,
    }
}

fn back_len(front: usize) -> usize {
    match front {
        0..0x80 => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0x0fff_ffff => 4,
        _ => 5,
    }
}

/// How many bytes an element takes. O(1).
#[inline]
pub(crate) fn encoded_len(element: StrRef<'_>) -> usize {
    let front = front_len(element);
    front + back_len(front)
}

/// Writes an element into a piece of exactly its size. O(element).
pub(crate) fn write(out: &mut [u8], element: StrRef<'_>) {
    let front = front_len(element);
    let (body, back) = out.split_at_mut(front);
    match element {
        StrRef::Int(n @ 0..=127) => body[0] = n as u8,
        StrRef::Int(n @ (-4096..=-1 | 128..=4095)) => {
            let bits = n as u16 & 0x1fff;
            body.copy_from_slice(&[0xc0 | (bits >> 8) as u8, bits as u8]);
        }
        StrRef::Int(n) => {
            let size = int_size(n);
            body[0] = match size {
                2 => 0xf1,
                3 => 0xf2,
                4 => 0xf3,
                _ => 0xf4,
            };
            body[1..].copy_from_slice(&n.to_le_bytes()[..size]);
        }
        StrRef::Bytes(bytes) => {
            let head = front - bytes.len();
            match head {
                1 => body[0] = 0x80 | bytes.len() as u8,
                2 => body[..2].copy_from_slice(&[0xe0 | (bytes.len() >> 8) as u8, bytes.len() as u8]),
                _ => {
                    let len = u32::try_from(bytes.len()).expect("arguments are bounded far below 4 GiB");
                    body[0] = 0xf0;
                    body[1..5].copy_from_slice(&len.to_le_bytes());
                }
            }
            body[head..].copy_from_slice(bytes);
        }
    }
    let mut rest = front;
    for byte in back.iter_mut().rev() {
        *byte = 0x80 | (rest & 0x7f) as u8;
        rest >>= 7;
    }
    back[0] &= 0x7f;
}

/// Appends an element. O(element).
pub(crate) fn push(out: &mut Vec<u8>, element: StrRef<'_>) {
    let start = out.len();
    out.resize(start + encoded_len(element), 0);
    write(&mut out[start..], element);
}

/// The first element and its size; `None` at the end. O(1).
#[inline]
pub(crate) fn first(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let (&head, rest) = bytes.split_first()?;
    let (element, front) = match head {
        0x00..0x80 => return Some((StrRef::Int(head.into()), 2)),
        0x80..0xc0 => {
            let len = usize::from(head & 0x3f);
            (StrRef::Bytes(rest.get(..len)?), 1 + len)
        }
        0xc0..0xe0 => {
            let bits = u16::from(head & 0x1f) << 8 | u16::from(*rest.first()?);
            (StrRef::Int(i64::from((bits << 3) as i16 >> 3)), 2)
        }
        0xe0..0xf0 => {
            let len = usize::from(head & 0x0f) << 8 | usize::from(*rest.first()?);
            (StrRef::Bytes(rest.get(1..1 + len)?), 2 + len)
        }
        0xf0 => {
            let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            (StrRef::Bytes(rest.get(4..4 + len)?), 5 + len)
        }
        _ => {
            let size = match head {
                0xf1 => 2,
                0xf2 => 3,
                0xf3 => 4,
                _ => 8,
            };
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(rest.get(..size)?);
            let unused = 64 - 8 * size as u32;
            (StrRef::Int(i64::from_le_bytes(wide) << unused >> unused), 1 + size)
        }
    };
    Some((element, front + back_len(front)))
}

/// The last element and its size; `None` if there is none. O(1).
#[inline]
pub(crate) fn last(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let (mut front, mut shift, mut back) = (0usize, 0, 0);
    for &byte in bytes.iter().rev().take(5) {
        front |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        back += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let start = bytes.len().checked_sub(front + back).filter(|_| back > 0)?;
    first(&bytes[start..])
}

/// Where the element of a place counted from the front lies. O(its distance from the nearer end).
pub(crate) fn locate(bytes: &[u8], count: usize, index: usize) -> usize {
    if index <= count / 2 {
        let mut at = 0;
        for _ in 0..index {
            at += first(&bytes[at..]).map_or(0, |(_, size)| size);
        }
        return at;
    }
    let mut end = bytes.len();
    for _ in index..count {
        end -= last(&bytes[..end]).map_or(0, |(_, size)| size);
    }
    end
}

/// Elements from the front or from the back.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = StrRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        let (element, size) = first(self.0)?;
        self.0 = &self.0[size..];
        Some(element)
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (element, size) = last(self.0)?;
        self.0 = &self.0[..self.0.len() - size];
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_element_is_read_from_both_ends() {
        let lens = [0, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_383, 16_384, 2_097_151, 2_097_152];
        let strings: Vec<Vec<u8>> = lens.map(|len| vec![b'x'; len]).to_vec();
        let numbers = [0, 127, 128, -1, 4095, 4096, -4096, -4097, 32_767, -32_768, 32_768, 8_388_607, -8_388_608];
        let wide = [8_388_608, i64::from(i32::MAX), i64::from(i32::MIN), 1 << 31, i64::MAX, i64::MIN];
        let numbers = numbers.into_iter().chain(wide).map(StrRef::Int);
        let elements: Vec<StrRef<'_>> = strings.iter().map(|s| StrRef::Bytes(s)).chain(numbers).collect();
        let mut bytes = Vec::new();
        for element in &elements {
            let before = bytes.len();
            push(&mut bytes, *element);
            assert_eq!(bytes.len() - before, encoded_len(*element));
            assert_eq!(last(&bytes), Some((*element, bytes.len() - before)));
        }
        assert!(Elements::new(&bytes).eq(elements.iter().copied()));
        assert!(Elements::new(&bytes).rev().eq(elements.iter().rev().copied()));
        for index in 0..=elements.len() {
            assert_eq!(
                first(&bytes[locate(&bytes, elements.len(), index)..]).map(|e| e.0),
                elements.get(index).copied()
            );
        }
        assert_eq!((first(b""), last(b"")), (None, None));
    }

    #[test]
    fn sizes_are_those_of_a_listpack() {
        for (text, size) in [("", 2), ("1", 2), ("128", 3), ("5000", 4), ("100000", 5), ("hello", 7)] {
            assert_eq!(encoded_len(StrRef::of(text.as_bytes())), size, "{text}");
        }
    }
}
