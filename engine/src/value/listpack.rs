//! Elements of Redis's listpack: strings and integers one after another, readable from both ends. Lists and the nodes of
//! streams are kept in them, and serialised values hold them.
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
//! The head of a whole listpack (4 bytes of size, 2 of count) and its end (`0xff`) are not kept here.
//!
//! Invariant: [`first`], [`last`] and what stands on them give `None` for bytes that are cut or spoilt. A walk by
//! [`Elements`] is for bytes that this module wrote.

use crate::text::StrRef;

/// What a listpack takes besides its entries: Redis's limits count it.
pub(crate) const FRAME_BYTES: usize = HEAD_BYTES + 1;

/// Bytes of a listpack before its first entry.
pub(crate) const HEAD_BYTES: usize = 6;

/// What stands behind the last entry.
pub(crate) const END: u8 = 0xff;

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
        _ => BACK_BYTES_MAX,
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
        0xf1..=0xf4 => {
            let size = [2, 3, 4, 8][usize::from(head - 0xf1)];
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(rest.get(..size)?);
            let unused = 64 - 8 * size as u32;
            (StrRef::Int(i64::from_le_bytes(wide) << unused >> unused), 1 + size)
        }
        _ => return None,
    };
    Some((element, front + back_len(front)))
}

/// The last element and its size; `None` if there is none. O(1).
#[inline]
pub(crate) fn last(bytes: &[u8]) -> Option<(StrRef<'_>, usize)> {
    first(&bytes[before(bytes, bytes.len())?..])
}

/// Where the element that ends before `end` begins. O(1).
#[inline]
pub(crate) fn before(bytes: &[u8], end: usize) -> Option<usize> {
    let mut front = 0;
    for back in 0..BACK_BYTES_MAX {
        let byte = *bytes.get(end.checked_sub(back + 1)?)?;
        front |= usize::from(byte & 0x7f) << (7 * back);
        if byte & 0x80 == 0 {
            return end.checked_sub(back + 1 + front);
        }
    }
    None
}

/// The element at `at`, and where the next one begins. O(1).
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<(StrRef<'_>, usize)> {
    let (element, size) = first(bytes.get(at..)?)?;
    Some((element, at + size))
}

/// The integer at `at`, and where the next element begins. O(1).
pub(crate) fn read_int(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    match read(bytes, at)? {
        (StrRef::Int(n), next) => Some((n, next)),
        _ => None,
    }
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

const BACK_BYTES_MAX: usize = 5;

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

    #[test]
    fn the_bytes_are_those_of_redis() {
        let mut bytes = Vec::new();
        for element in [StrRef::Int(5), StrRef::Int(-1), StrRef::Int(1000), StrRef::Bytes(b"ab"), StrRef::Int(-70_000)]
        {
            push(&mut bytes, element);
        }
        let expected = [5, 1, 0xdf, 0xff, 2, 0xc3, 0xe8, 2, 0x82, b'a', b'b', 3, 0xf2, 0x90, 0xee, 0xfe, 4];
        assert_eq!(bytes, expected);
        let mut long = Vec::new();
        push(&mut long, StrRef::Bytes(&[b'x'; 200]));
        assert_eq!(&long[..2], &[0xe0, 200]);
        assert_eq!(&long[202..], &[1, 0xca]);
        // 16 383 bytes are the first to need three bytes of back length.
        let mut longer = Vec::new();
        push(&mut longer, StrRef::Bytes(&[b'x'; 16_383 - 5]));
        assert_eq!(longer.len(), 16_383 + 3);
    }

    #[test]
    fn spoilt_bytes_are_no_elements() {
        let mut bytes = Vec::new();
        push(&mut bytes, StrRef::Bytes(&[b'x'; 5000]));
        push(&mut bytes, StrRef::Int(1 << 40));
        for len in 0..20 {
            assert_eq!(read(&bytes[..len], 0), None);
        }
        assert_eq!((read(&[0xff], 0), read(&[0xf5; 20], 0), read(&bytes, bytes.len() + 1)), (None, None, None));
        assert_eq!((before(&[0xff; 9], 9), before(&[0x7f], 1), before(&bytes, 0)), (None, None, None));
    }
}
