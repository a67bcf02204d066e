//! The compact form of small collections: elements one after another in one piece of memory.
//!
//! ```text
//! first byte    element
//! 0x00..=0xbf   a string of so many bytes, which follow
//! 0xc0..=0xdf   the integer 0..=31
//! 0xe0..=0xe7   an integer in 1..=8 bytes, which follow, little-endian, two's complement
//! 0xe8          a string: 2 bytes of length, little-endian, then the string
//! 0xe9          a string: 4 bytes of length, little-endian, then the string
//! ```
//!
//! A hash keeps field, value, field, value; a set its members; a sorted set member, score in the order of the scores. It is
//! read from the front only, and everything is a walk: it is meant for as many elements as a few cache lines hold.
//!
//! Invariants
//! - What is read was written by this module: bytes of peers and files are parsed elsewhere.
//! - The same string always has the same encoding if it is pushed by [`StrRef::of`], so equality is equality of bytes.

use super::StrRef;
use std::ops::Range;

/// Appends an element. O(element).
pub(crate) fn push(out: &mut Vec<u8>, element: StrRef<'_>) {
    match element {
        StrRef::Int(n @ 0..=SMALL_INT_MAX) => out.push(SMALL_INT + n as u8),
        StrRef::Int(n) => {
            let size = int_size(n);
            out.push(INT + size as u8 - 1);
            out.extend_from_slice(&n.to_le_bytes()[..size]);
        }
        StrRef::Bytes(bytes) => {
            match bytes.len() {
                len if len <= SHORT_BYTES_MAX => out.push(len as u8),
                len if len <= usize::from(u16::MAX) => {
                    out.push(LONG);
                    out.extend_from_slice(&(len as u16).to_le_bytes());
                }
                len => {
                    out.push(LONGER);
                    let len = u32::try_from(len).expect("arguments are bounded far below 4 GiB");
                    out.extend_from_slice(&len.to_le_bytes());
                }
            }
            out.extend_from_slice(bytes);
        }
    }
}

/// How many bytes an element takes. O(1).
pub(crate) fn encoded_len(element: StrRef<'_>) -> usize {
    match element {
        StrRef::Int(0..=SMALL_INT_MAX) => 1,
        StrRef::Int(n) => 1 + int_size(n),
        StrRef::Bytes(bytes) => {
            bytes.len()
                + match bytes.len() {
                    len if len <= SHORT_BYTES_MAX => 1,
                    len if len <= usize::from(u16::MAX) => 3,
                    _ => 5,
                }
        }
    }
}

/// The elements, from the front.
pub(crate) fn iter(bytes: &[u8]) -> Elements<'_> {
    Elements { bytes, at: 0 }
}

/// How many elements there are. O(elements).
pub(crate) fn count(bytes: &[u8]) -> usize {
    let mut elements = iter(bytes);
    std::iter::from_fn(|| elements.pass()).count()
}

/// Where the first element equal to `element` lies, among those at every `step`-th place from the first on. O(elements).
pub(crate) fn find(bytes: &[u8], element: StrRef<'_>, step: usize) -> Option<Range<usize>> {
    let mut elements = iter(bytes);
    loop {
        let start = elements.at;
        if elements.next()? == element {
            return Some(start..elements.at);
        }
        for _ in 1..step {
            elements.next()?;
        }
    }
}

/// Puts an element in the place of the bytes in `range`: replaces what is there, or inserts where it is empty. O(bytes).
pub(crate) fn splice(bytes: &mut Vec<u8>, range: Range<usize>, element: StrRef<'_>) {
    let size = encoded_len(element);
    let end = bytes.len();
    push(bytes, element);
    if range.start == end {
        return;
    }
    // The element was written at the end, from where it is turned into its place.
    if range.len() == size {
        bytes.copy_within(end.., range.start);
        bytes.truncate(end);
    } else {
        bytes[range.start..].rotate_right(size);
        bytes.drain(range.start + size..range.end + size);
    }
}

/// A walk over elements.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Elements<'_> {
    /// Where the next element begins.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Passes over the next element, if there is one, without reading it.
    #[inline]
    pub(crate) fn pass(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let (&first, tail) = rest.split_first()?;
        let size = match first {
            0..SMALL_INT => 1 + usize::from(first),
            SMALL_INT..INT => 1,
            INT..LONG => 2 + usize::from(first - INT),
            LONG => 3 + usize::from(u16::from_le_bytes(*tail.first_chunk()?)),
            _ => 5 + u32::from_le_bytes(*tail.first_chunk()?) as usize,
        };
        if size > rest.len() {
            return None;
        }
        self.at += size;
        Some(())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = StrRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        let rest = self.bytes.get(self.at..)?;
        let (&first, rest) = rest.split_first()?;
        let (head, len) = match first {
            0..SMALL_INT => (1, usize::from(first)),
            SMALL_INT..INT => {
                self.at += 1;
                return Some(StrRef::Int(i64::from(first - SMALL_INT)));
            }
            INT..LONG => {
                let size = usize::from(first - INT) + 1;
                self.at += 1 + size;
                return Some(StrRef::Int(read_int(rest.get(..size)?)));
            }
            LONG => (3, usize::from(u16::from_le_bytes(*rest.first_chunk()?))),
            _ => (5, u32::from_le_bytes(*rest.first_chunk()?) as usize),
        };
        let bytes = rest.get(head - 1..head - 1 + len)?;
        self.at += head + len;
        Some(StrRef::Bytes(bytes))
    }
}

#[inline]
fn read_int(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unused = 64 - 8 * bytes.len() as u32;
    i64::from_le_bytes(wide) << unused >> unused
}

/// The fewest bytes that hold `n` with its sign.
fn int_size(n: i64) -> usize {
    let magnitude = if n < 0 { !n } else { n };
    (64 - magnitude.leading_zeros() as usize) / 8 + 1
}

const SHORT_BYTES_MAX: usize = 0xbf;
const SMALL_INT: u8 = 0xc0;
const SMALL_INT_MAX: i64 = 31;
const INT: u8 = 0xe0;
const LONG: u8 = 0xe8;
const LONGER: u8 = 0xe9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_element_comes_back() {
        let strings: Vec<Vec<u8>> = [0, 1, 191, 192, 65_535, 65_536].map(|len| vec![b'x'; len]).to_vec();
        let numbers =
            [0, 31, 32, -1, 127, 128, -128, -129, 32_767, 32_768, 1 << 23, -(1 << 31), 1 << 55, i64::MAX, i64::MIN];
        let elements: Vec<StrRef<'_>> =
            strings.iter().map(|s| StrRef::Bytes(s)).chain(numbers.map(StrRef::Int)).collect();
        let mut bytes = Vec::new();
        for element in &elements {
            let before = bytes.len();
            push(&mut bytes, *element);
            assert_eq!(bytes.len() - before, encoded_len(*element));
        }
        assert_eq!(iter(&bytes).collect::<Vec<_>>(), elements);
        assert_eq!(count(&bytes), elements.len());
        let mut walk = iter(&bytes);
        for element in &elements {
            let mut other = walk.clone();
            assert_eq!(other.next(), Some(*element));
            walk.pass().unwrap();
            assert_eq!(walk.position(), other.position());
        }
    }

    #[test]
    fn elements_are_found_at_their_step_and_spliced() {
        let mut bytes = Vec::new();
        for word in ["a", "b", "b", "c"] {
            push(&mut bytes, StrRef::of(word.as_bytes()));
        }
        assert_eq!(find(&bytes, StrRef::Bytes(b"b"), 2), Some(4..6));
        assert_eq!(find(&bytes, StrRef::Bytes(b"c"), 2), None);
        splice(&mut bytes, 4..6, StrRef::Int(1000));
        splice(&mut bytes, 0..0, StrRef::Bytes(b"first"));
        splice(&mut bytes, 0..6, StrRef::Bytes(b"third"));
        let end = bytes.len();
        splice(&mut bytes, end..end, StrRef::Int(7));
        let expected = [&b"third"[..], b"a", b"b", b"1000", b"c", b"7"];
        assert_eq!(iter(&bytes).map(StrRef::to_vec).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bytes_that_are_cut_end_the_walk() {
        let mut bytes = Vec::new();
        push(&mut bytes, StrRef::Bytes(&[b'x'; 300]));
        push(&mut bytes, StrRef::Int(1 << 40));
        for len in 0..bytes.len() {
            assert!(count(&bytes[..len]) < 2);
        }
    }
}
