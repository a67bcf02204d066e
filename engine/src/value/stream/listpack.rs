//! Elements of a listpack, Redis's packed sequence of strings and integers: the bytes that a stream's nodes are kept in
//! and that an RDB file holds.
//!
//! ```text
//! element     = encoding and data, then the number of those bytes ("back length"), so that it can be walked backwards
//! 0xxxxxxx                an integer 0..=127
//! 10xxxxxx                a string of up to 63 bytes, which follow
//! 110xxxxx x              a 13-bit integer
//! 1110xxxx x              a string of up to 4095 bytes, which follow
//! 0xf0 x x x x            a string; the length is little-endian
//! 0xf1 .. 0xf4            an integer in 2, 3, 4 or 8 bytes, little-endian
//! back length             7 bits a byte, the highest first; all but the first have the top bit set
//! ```
//!
//! The header of a whole listpack (total bytes and count, 6 bytes) and its end (`0xff`) are not kept here.
//!
//! Invariant: bytes that are cut or spoilt give `None`, never a panic.

use crate::text::StrRef;

/// Bytes of a listpack besides its elements.
pub(crate) const FRAME_BYTES: usize = 7;

#[cfg(test)]
/// What stands behind the last element.
pub(crate) const END: u8 = 0xff;

/// Appends an element. O(element).
pub(crate) fn push(out: &mut Vec<u8>, element: StrRef<'_>) {
    let start = out.len();
    match element {
        StrRef::Int(n @ 0..=127) => out.push(n as u8),
        StrRef::Int(n @ -4096..=4095) => out.extend_from_slice(&[0xc0 | (n >> 8) as u8 & 0x1f, n as u8]),
        StrRef::Int(n) => {
            let (code, size) = wide_int(n);
            out.push(code);
            out.extend_from_slice(&n.to_le_bytes()[..size]);
        }
        StrRef::Bytes(bytes) => {
            match bytes.len() {
                len @ 0..64 => out.push(0x80 | len as u8),
                len @ 64..4096 => out.extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
                len => {
                    out.push(0xf0);
                    let len = u32::try_from(len).expect("a stream refuses elements of more than 1 GiB");
                    out.extend_from_slice(&len.to_le_bytes());
                }
            }
            out.extend_from_slice(bytes);
        }
    }
    let len = out.len() - start;
    let size = back_length_size(len);
    for at in (0..size).rev() {
        let more = if at + 1 == size { 0 } else { 0x80 };
        out.push((len >> (7 * at)) as u8 & 0x7f | more);
    }
}

/// How many bytes an element takes. O(1).
pub(crate) fn encoded_len(element: StrRef<'_>) -> usize {
    let len = match element {
        StrRef::Int(0..=127) => 1,
        StrRef::Int(-4096..=4095) => 2,
        StrRef::Int(n) => 1 + wide_int(n).1,
        StrRef::Bytes(bytes) => {
            bytes.len()
                + match bytes.len() {
                    0..64 => 1,
                    64..4096 => 2,
                    _ => 5,
                }
        }
    };
    len + back_length_size(len)
}

/// The element at `at`, and where the next one begins. O(1).
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<(StrRef<'_>, usize)> {
    let rest = bytes.get(at..)?;
    let first = *rest.first()?;
    let (element, len) = match first {
        0..0x80 => (StrRef::Int(i64::from(first)), 1),
        0x80..0xc0 => string(rest, 1, usize::from(first & 0x3f))?,
        0xc0..0xe0 => {
            let wide = u16::from(first & 0x1f) << 8 | u16::from(*rest.get(1)?);
            (StrRef::Int(i64::from((wide << 3) as i16 >> 3)), 2)
        }
        0xe0..0xf0 => string(rest, 2, usize::from(first & 0x0f) << 8 | usize::from(*rest.get(1)?))?,
        0xf0 => string(rest, 5, u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize)?,
        0xf1..=0xf4 => {
            let size = [2, 3, 4, 8][usize::from(first - 0xf1)];
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(rest.get(1..=size)?);
            let unused = 64 - 8 * size as u32;
            (StrRef::Int(i64::from_le_bytes(wide) << unused >> unused), 1 + size)
        }
        _ => return None,
    };
    Some((element, at + len + back_length_size(len)))
}

/// The integer at `at`, and where the next element begins.
pub(crate) fn read_int(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    match read(bytes, at)? {
        (StrRef::Int(n), next) => Some((n, next)),
        _ => None,
    }
}

/// Where the element that ends before `end` begins. O(1).
pub(crate) fn before(bytes: &[u8], end: usize) -> Option<usize> {
    let mut len = 0;
    for at in 0..BACK_LENGTH_SIZE_MAX {
        let byte = *bytes.get(end.checked_sub(at + 1)?)?;
        len |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return end.checked_sub(at + 1 + len);
        }
    }
    None
}

fn string(rest: &[u8], head: usize, len: usize) -> Option<(StrRef<'_>, usize)> {
    Some((StrRef::Bytes(rest.get(head..head.checked_add(len)?)?), head + len))
}

/// The code and the size of an integer beyond 13 bits.
fn wide_int(n: i64) -> (u8, usize) {
    match n {
        -0x8000..=0x7fff => (0xf1, 2),
        -0x80_0000..=0x7f_ffff => (0xf2, 3),
        -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
        _ => (0xf4, 8),
    }
}

fn back_length_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => BACK_LENGTH_SIZE_MAX,
    }
}

const BACK_LENGTH_SIZE_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_element_comes_back_from_both_sides() {
        let strings: Vec<Vec<u8>> =
            [0, 1, 63, 64, 4095, 4096, 16_383, 70_000, 2_100_000].map(|len| vec![b'x'; len]).to_vec();
        let numbers = [0, 127, 128, -1, 4095, -4096, 4096, -4097, 32_767, -32_769, 1 << 22, 1 << 23, 1 << 31, i64::MIN];
        let elements: Vec<StrRef<'_>> =
            strings.iter().map(|s| StrRef::Bytes(s)).chain(numbers.map(StrRef::Int)).collect();
        let mut bytes = Vec::new();
        for element in &elements {
            let before = bytes.len();
            push(&mut bytes, *element);
            assert_eq!(bytes.len() - before, encoded_len(*element), "{} bytes", element.byte_len());
        }
        let mut at = 0;
        let mut starts = Vec::new();
        for element in &elements {
            let (read, next) = read(&bytes, at).unwrap();
            assert_eq!(read, *element);
            starts.push(at);
            at = next;
        }
        assert_eq!(at, bytes.len());
        for start in starts.into_iter().rev() {
            at = before(&bytes, at).unwrap();
            assert_eq!(at, start);
        }
        assert_eq!(before(&bytes, 0), None);
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
    }

    #[test]
    fn spoilt_bytes_are_no_elements() {
        let mut bytes = Vec::new();
        push(&mut bytes, StrRef::Bytes(&[b'x'; 5000]));
        push(&mut bytes, StrRef::Int(1 << 40));
        for len in 0..20 {
            assert_eq!(read(&bytes[..len], 0), None);
        }
        assert_eq!(read(&[0xff], 0), None);
        assert_eq!(before(&[0xff; 9], 9), None);
        assert_eq!(before(&[0x7f], 1), None);
    }
}
