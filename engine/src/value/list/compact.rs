//! A small list inside its entry's block.
//!
//! ```text
//! | number of elements, 1 byte | element | element | ...      at most COMPACT_BYTES_MAX bytes
//! ```

use super::{End, Limits, List};
use crate::text::StrRef;
use crate::value::listpack::{self, Elements, FRAME_BYTES};

/// The bytes of an empty list.
pub(crate) const EMPTY: &[u8] = &[0];

/// How many elements there are. O(1).
#[inline]
pub(crate) fn len(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |&count| usize::from(count))
}

/// The bytes of the elements.
#[inline]
pub(crate) fn elements(bytes: &[u8]) -> &[u8] {
    bytes.get(1..).unwrap_or_default()
}

/// Whether some elements fit, too.
#[inline]
fn has_room(bytes: &[u8], new: &[StrRef<'_>]) -> bool {
    len(bytes) + new.len() <= COUNT_MAX
        && bytes.len() + new.iter().map(|new| listpack::encoded_len(*new)).sum::<usize>() <= COMPACT_BYTES_MAX
}

/// Whether the list is small enough for its entry's block with some elements more.
#[inline]
pub(crate) fn fits(bytes: &[u8], new: &[StrRef<'_>], limits: Limits) -> bool {
    let size = elements(bytes).len() + new.iter().map(|element| element.byte_len()).sum::<usize>();
    has_room(bytes, new) && !limits.exceeds(FRAME_BYTES + size, len(bytes) + new.len())
}

/// Adds an element at an end, for which there is room. O(bytes).
pub(crate) fn push(bytes: &mut Vec<u8>, end: End, element: StrRef<'_>) {
    bytes[0] += 1;
    let size = listpack::encoded_len(element);
    let old = bytes.len();
    bytes.resize(old + size, 0);
    match end {
        End::Right => listpack::write(&mut bytes[old..], element),
        End::Left => {
            bytes.copy_within(1..old, 1 + size);
            listpack::write(&mut bytes[1..1 + size], element);
        }
    }
}

/// The element at an end and its size. O(1).
pub(crate) fn peek(bytes: &[u8], end: End) -> Option<(StrRef<'_>, usize)> {
    match end {
        End::Left => listpack::first(elements(bytes)),
        End::Right => listpack::last(elements(bytes)),
    }
}

/// Takes away the element of that size at an end. O(bytes).
pub(crate) fn pop(bytes: &mut Vec<u8>, end: End, size: usize) {
    bytes[0] -= 1;
    match end {
        End::Left => drop(bytes.drain(1..1 + size)),
        End::Right => bytes.truncate(bytes.len() - size),
    }
}

/// The list as a value of its own.
pub(crate) fn to_list(bytes: &[u8]) -> List {
    List::of_elements(elements(bytes), len(bytes))
}

/// The bytes of a list that is small enough to be kept in its entry's block.
pub(crate) fn from_list(list: &List) -> Option<Vec<u8>> {
    let elements = list.as_one_piece()?;
    let is_small = list.len() <= COUNT_MAX && elements.len() < COMPACT_BYTES_MAX;
    is_small.then(|| [&[list.len() as u8], elements].concat())
}

/// The elements from the front.
pub(crate) fn iter(bytes: &[u8]) -> Elements<'_> {
    Elements::new(elements(bytes))
}

const COUNT_MAX: usize = u8::MAX as usize;

/// Larger lists have chunks.
const COMPACT_BYTES_MAX: usize = 512;
