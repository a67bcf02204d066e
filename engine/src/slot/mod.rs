//! Hash slots: the number a key belongs to, and sets of such numbers.
//!
//! A slot is `0..16384`, the CRC16/XMODEM of a key's hash tag modulo 16384 (Redis Cluster specification, "Key
//! distribution model" and "Hash tags"). A slot is also the unit of locking, counting, moving and exporting.

mod crc16;
mod set;

use std::fmt;

pub use set::{SlotSet, SlotSetError};

/// How many hash slots there are.
pub const SLOT_COUNT: usize = 16384;

/// One hash slot, always below [`SLOT_COUNT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// Slot 0.
    pub(crate) const FIRST: Self = Self(0);
    /// The slot with the highest number.
    pub(crate) const LAST: Self = Self(SLOT_COUNT as u16 - 1);

    /// The slot with this number, or `None` at 16384 and above.
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < SLOT_COUNT { Some(Self(number)) } else { None }
    }

    /// Returns the slot of `key`. Hashes only the bytes between the first `{` and the next `}` if that span is not
    /// empty. Any bytes in, `0..16384` out, O(span), no allocation. Source: Redis Cluster specification, "Hash tags".
    ///
    /// ```
    /// use keyslot_engine::Slot;
    /// assert_eq!(Slot::of(b"foo").number(), 12182);
    /// assert_eq!(Slot::of(b"{foo}.bar"), Slot::of(b"foo"));
    /// assert_eq!(Slot::of(b"foo{}{bar}"), Slot::new(8363).unwrap());
    /// ```
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        Self(crc16::checksum(hash_tag(key)) & (SLOT_COUNT as u16 - 1))
    }

    /// The number, `0..16384`.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The number as an index into an array of [`SLOT_COUNT`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All slots in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..SLOT_COUNT as u16).map(Self)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bytes of `key` that decide its slot: what stands between the first `{` and the first `}` after it, or the whole
/// key when there is no such pair or nothing between.
#[inline]
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = find_brace(key) else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&b| b == b'}') {
        None | Some(0) => key,
        Some(close) => &rest[..close],
    }
}

/// Position of the first `{`: eight bytes at a step, since nearly every key has none.
#[inline]
fn find_brace(key: &[u8]) -> Option<usize> {
    const BRACES: u64 = 0x7b7b_7b7b_7b7b_7b7b;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = key.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let zero_where_brace = u64::from_le_bytes(*word) ^ BRACES;
        let marks = zero_where_brace.wrapping_sub(ONES) & !zero_where_brace & ONES << 7;
        if marks != 0 {
            return Some(at * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&b| b == b'{').map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_tag_is_the_first_non_empty_brace_pair() {
        for (key, tag) in [
            ("foo", "foo"),
            ("{foo}", "foo"),
            ("a{b}c", "b"),
            ("a{}b{c}", "a{}b{c}"),
            ("a{b", "a{b"),
            ("{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("", ""),
            ("0123456789ab{cd}", "cd"),
            ("01234567{8}", "8"),
            ("0123456{7}{8}", "7"),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }

    #[test]
    fn known_slots() {
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("hello", 866), ("123456789", 12739), ("", 0)] {
            assert_eq!(Slot::of(key.as_bytes()).number(), slot, "{key}");
        }
    }
}
