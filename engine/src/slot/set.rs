//! Sets of slots: one bit each, 2 KiB whatever the contents.
//!
//! The text form is that of the Redis Cluster specification's node lines: `0-5460 5462`, ascending, neighbours joined.
//! Bit `s % 64` of word `s / 64` is slot `s`; written little-endian, that is the bitmap of cluster bus messages.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{SLOT_COUNT, Slot};

/// A set of slots.
///
/// ```
/// use keyslot_engine::{Slot, SlotSet};
/// let mut slots: SlotSet = "0-5460 5462".parse().unwrap();
/// slots.insert(Slot::new(5461).unwrap());
/// assert_eq!((slots.len(), slots.to_string()), (5463, "0-5462".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotSet {
    words: [u64; WORDS],
}

impl SlotSet {
    /// No slot.
    pub const fn new() -> Self {
        Self { words: [0; WORDS] }
    }

    /// Every slot.
    pub const fn full() -> Self {
        Self { words: [u64::MAX; WORDS] }
    }

    /// Adds `slot`; true if it was not there.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Adds all slots from the first to the last; none if the first is above the last.
    pub fn insert_range(&mut self, range: RangeInclusive<Slot>) {
        self.change_range(range, |word, mask| *word |= mask);
    }

    /// Takes `slot` out; true if it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        let was_there = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        was_there
    }

    /// Takes all slots from the first to the last out.
    pub fn remove_range(&mut self, range: RangeInclusive<Slot>) {
        self.change_range(range, |word, mask| *word &= !mask);
    }

    /// Takes all slots out.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Whether `slot` is in the set.
    #[inline]
    pub fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.words[word] & bit != 0
    }

    /// How many slots are in the set, `0..=16384`.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The slots of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, |own, their| own | their)
    }

    /// The slots of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |own, their| own & their)
    }

    /// The slots of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, |own, their| own & !their)
    }

    /// The slots that are not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::full().difference(self)
    }

    /// Whether both sets have no slot in common.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(own, their)| own & their == 0)
    }

    /// Whether every slot of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(own, their)| own & !their == 0)
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, next: 0 }
    }

    /// The runs of neighbouring slots in ascending order: the fewest ranges that make up the set.
    pub fn ranges(&self) -> Ranges<'_> {
        Ranges { set: self, next: 0 }
    }

    /// The set as the bitmap of cluster bus messages: bit `s % 8` of byte `s / 8` is slot `s`.
    pub fn to_bitmap(&self) -> [u8; SLOT_COUNT / 8] {
        let mut bitmap = [0; SLOT_COUNT / 8];
        for (bytes, word) in bitmap.chunks_exact_mut(8).zip(&self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bitmap
    }

    /// The set with this bitmap: see [`SlotSet::to_bitmap`].
    pub fn from_bitmap(bitmap: &[u8; SLOT_COUNT / 8]) -> Self {
        let (words, _) = bitmap.as_chunks();
        Self { words: std::array::from_fn(|at| u64::from_le_bytes(words[at])) }
    }

    fn combine(&self, other: &Self, by: impl Fn(u64, u64) -> u64) -> Self {
        Self { words: std::array::from_fn(|word| by(self.words[word], other.words[word])) }
    }

    fn change_range(&mut self, range: RangeInclusive<Slot>, change: impl Fn(&mut u64, u64)) {
        let (first, last) = (range.start().index(), range.end().index());
        if first > last {
            return;
        }
        for word in first / WORD_BITS..=last / WORD_BITS {
            let low = first.saturating_sub(word * WORD_BITS);
            let high = (last - word * WORD_BITS).min(WORD_BITS - 1);
            change(&mut self.words[word], u64::MAX << low & u64::MAX >> (WORD_BITS - 1 - high));
        }
    }

    /// The first number at or above `from` whose bit is set, or clear; [`SLOT_COUNT`] if there is none.
    fn next(&self, from: usize, bit: Bit) -> usize {
        let mut from = from;
        while from < SLOT_COUNT {
            let word = match bit {
                Bit::Set => self.words[from / WORD_BITS],
                Bit::Clear => !self.words[from / WORD_BITS],
            };
            let rest = word >> (from % WORD_BITS);
            if rest != 0 {
                return from + rest.trailing_zeros() as usize;
            }
            from = (from / WORD_BITS + 1) * WORD_BITS;
        }
        SLOT_COUNT
    }
}

#[derive(Clone, Copy)]
enum Bit {
    Set,
    Clear,
}

#[inline]
fn place(slot: Slot) -> (usize, u64) {
    (slot.index() / WORD_BITS, 1 << (slot.index() % WORD_BITS))
}

/// The slots of a set, ascending. Made by [`SlotSet::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    set: &'a SlotSet,
    next: usize,
}

impl Iterator for Iter<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let found = self.set.next(self.next, Bit::Set);
        self.next = found + 1;
        Slot::new(found as u16)
    }
}

/// The runs of a set, ascending. Made by [`SlotSet::ranges`].
#[derive(Clone, Debug)]
pub struct Ranges<'a> {
    set: &'a SlotSet,
    next: usize,
}

impl Iterator for Ranges<'_> {
    type Item = RangeInclusive<Slot>;

    fn next(&mut self) -> Option<RangeInclusive<Slot>> {
        let first = self.set.next(self.next, Bit::Set);
        let end = self.set.next(first, Bit::Clear);
        self.next = end;
        Some(Slot::new(first as u16)?..=Slot::new((end - 1) as u16)?)
    }
}

impl<'a> IntoIterator for &'a SlotSet {
    type Item = Slot;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for SlotSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::new();
        set.extend(slots);
        set
    }
}

impl FromIterator<RangeInclusive<Slot>> for SlotSet {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<Slot>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert_range(range);
        }
        set
    }
}

impl TryFrom<RangeInclusive<u16>> for SlotSet {
    type Error = SlotSetError;

    fn try_from(range: RangeInclusive<u16>) -> Result<Self, SlotSetError> {
        let slot = |number: u16| Slot::new(number).ok_or(SlotSetError::OutOfRange { number: u64::from(number) });
        let (first, last) = (slot(*range.start())?, slot(*range.end())?);
        if first > last {
            return Err(SlotSetError::Descending { first, last });
        }
        Ok(Self::from_iter([first..=last]))
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.ranges().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            let (first, last) = (range.start(), range.end());
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotSet({self})")
    }
}

/// Why a text or a range is no set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotSetError {
    /// A word is neither a number nor two numbers with a dash between. Holds its first 32 characters.
    Malformed {
        /// The word.
        word: String,
    },
    /// A number is 16384 or above.
    OutOfRange {
        /// The number.
        number: u64,
    },
    /// A range ends before it begins.
    Descending {
        /// Its first slot.
        first: Slot,
        /// Its last slot.
        last: Slot,
    },
}

impl fmt::Display for SlotSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { word } => write!(f, "expected a slot or a range such as 0-5460, found \"{word}\""),
            Self::OutOfRange { number } => {
                write!(f, "slot {number} is out of range: the last one is {}", SLOT_COUNT - 1)
            }
            Self::Descending { first, last } => write!(f, "range {first}-{last} ends before it begins"),
        }
    }
}

impl std::error::Error for SlotSetError {}

/// Reads ranges and slots in any order, separated by blanks. A slot may be named twice. The empty text is the empty set.
impl FromStr for SlotSet {
    type Err = SlotSetError;

    fn from_str(text: &str) -> Result<Self, SlotSetError> {
        let mut set = Self::new();
        for word in text.split_ascii_whitespace() {
            let malformed = || SlotSetError::Malformed { word: word.chars().take(WORD_QUOTED_MAX).collect() };
            let slot = |digits: &str| {
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(malformed());
                }
                let number = digits.parse::<u64>().map_err(|_| malformed())?;
                u16::try_from(number).ok().and_then(Slot::new).ok_or(SlotSetError::OutOfRange { number })
            };
            let (first, last) = match word.split_once('-') {
                Some((first, last)) => (slot(first)?, slot(last)?),
                None => (slot(word)?, slot(word)?),
            };
            if first > last {
                return Err(SlotSetError::Descending { first, last });
            }
            set.insert_range(first..=last);
        }
        Ok(set)
    }
}

const WORD_BITS: usize = 64;
const WORDS: usize = SLOT_COUNT / WORD_BITS;
/// How much of a malformed word an error quotes.
const WORD_QUOTED_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn slot(number: u16) -> Slot {
        Slot::new(number).unwrap()
    }

    fn set(text: &str) -> SlotSet {
        text.parse().unwrap()
    }

    #[test]
    fn text_forms() {
        for (text, canonical, len) in [
            ("", "", 0),
            (" \t\n", "", 0),
            ("0", "0", 1),
            ("0-16383", "0-16383", 16384),
            ("0-5460 5462", "0-5460 5462", 5462),
            ("5-5", "5", 1),
            ("3 1 2 2-4", "1-4", 4),
            ("63-64 127 128 16383", "63-64 127-128 16383", 5),
        ] {
            assert_eq!((set(text).to_string().as_str(), set(text).len()), (canonical, len), "{text}");
        }
        assert_eq!(SlotSet::full().to_string(), "0-16383");
    }

    #[test]
    fn bad_texts_say_what_is_wrong() {
        for (text, message) in [
            ("1 x", "expected a slot or a range such as 0-5460, found \"x\""),
            ("-1", "expected a slot or a range such as 0-5460, found \"-1\""),
            ("1-", "expected a slot or a range such as 0-5460, found \"1-\""),
            ("1-2-3", "expected a slot or a range such as 0-5460, found \"1-2-3\""),
            ("+1", "expected a slot or a range such as 0-5460, found \"+1\""),
            ("0,1", "expected a slot or a range such as 0-5460, found \"0,1\""),
            ("16384", "slot 16384 is out of range: the last one is 16383"),
            ("0-65536", "slot 65536 is out of range: the last one is 16383"),
            ("9-3", "range 9-3 ends before it begins"),
        ] {
            assert_eq!(text.parse::<SlotSet>().unwrap_err().to_string(), message);
        }
        assert!("99999999999999999999999".parse::<SlotSet>().is_err());
        assert_eq!(SlotSet::try_from(5..=16384), Err(SlotSetError::OutOfRange { number: 16384 }));
        assert_eq!(SlotSet::try_from(0..=5460).unwrap(), set("0-5460"));
    }

    #[test]
    fn insertion_and_removal_tell_whether_anything_changed() {
        let mut slots = SlotSet::new();
        assert!(slots.is_empty() && slots.insert(slot(16383)) && !slots.insert(slot(16383)));
        assert!(slots.contains(slot(16383)) && !slots.contains(slot(0)));
        assert!(slots.remove(slot(16383)) && !slots.remove(slot(16383)) && slots.is_empty());
        slots.insert_range(slot(9)..=slot(3));
        assert!(slots.is_empty());
    }

    #[test]
    fn bitmap_has_the_lowest_slot_in_the_lowest_bit() {
        let bitmap = set("0 9 16383").to_bitmap();
        assert_eq!((bitmap[0], bitmap[1], bitmap[2047]), (1, 2, 0x80));
        assert_eq!(SlotSet::from_bitmap(&bitmap), set("0 9 16383"));
    }

    type Model = BTreeSet<u16>;

    fn ranges() -> impl Strategy<Value = Vec<(u16, u16)>> {
        proptest::collection::vec(
            (0..16384u16, 0..200u16).prop_map(|(first, len)| (first, (first + len).min(16383))),
            0..8,
        )
    }

    fn build(ranges: &[(u16, u16)]) -> (SlotSet, Model) {
        let set = ranges.iter().map(|&(first, last)| slot(first)..=slot(last)).collect();
        (set, ranges.iter().flat_map(|&(first, last)| first..=last).collect())
    }

    fn numbers(set: &SlotSet) -> Model {
        set.iter().map(Slot::number).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(a in ranges(), b in ranges(), removed in (0..16384u16, 0..16384u16)) {
            let ((mut a, mut plain_a), (b, plain_b)) = (build(&a), build(&b));
            prop_assert_eq!(numbers(&a), plain_a.clone());
            prop_assert_eq!(a.len(), plain_a.len());
            prop_assert_eq!(numbers(&a.union(&b)), &plain_a | &plain_b);
            prop_assert_eq!(numbers(&a.intersection(&b)), &plain_a & &plain_b);
            prop_assert_eq!(numbers(&a.difference(&b)), &plain_a - &plain_b);
            prop_assert_eq!(a.complement().len(), SLOT_COUNT - a.len());
            prop_assert_eq!(a.is_disjoint(&b), plain_a.is_disjoint(&plain_b));
            prop_assert!(a.intersection(&b).is_subset(&a));
            prop_assert_eq!(a.is_subset(&b), plain_a.is_subset(&plain_b));
            a.remove_range(slot(removed.0)..=slot(removed.1));
            plain_a.retain(|&number| !(removed.0 <= number && number <= removed.1));
            prop_assert_eq!(numbers(&a), plain_a);
        }

        #[test]
        fn text_ranges_and_bitmap_read_back(ranges in ranges()) {
            let (slots, _) = build(&ranges);
            prop_assert_eq!(&slots.to_string().parse::<SlotSet>().unwrap(), &slots);
            prop_assert_eq!(&slots.ranges().collect::<SlotSet>(), &slots);
            prop_assert_eq!(&SlotSet::from_bitmap(&slots.to_bitmap()), &slots);
            let ends: Vec<usize> = slots.ranges().flat_map(|range| [range.start().index(), range.end().index()]).collect();
            prop_assert!(ends.chunks(2).zip(ends.chunks(2).skip(1)).all(|(a, b)| a[1] + 1 < b[0]), "joined");
        }

        #[test]
        fn any_text_is_a_set_or_an_error(text in "[0-9 -]{0,20}") {
            let _ = text.parse::<SlotSet>();
        }
    }
}
