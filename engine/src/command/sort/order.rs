//! Putting members in order.
//!
//! Members of one weight are in the order of their bytes. Texts of one weight stay as they came. Only as much is put in
//! order as is asked for.

use crate::text::parse_f64;
use crate::value::StrRef;
use std::cmp::Ordering;

/// Ascending or descending.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortOrder {
    /// The smallest first (`ASC`).
    #[default]
    Ascending,
    /// The largest first (`DESC`).
    Descending,
}

impl SortOrder {
    fn apply(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

/// Reads a weight as C's `strtod` does: up to the first zero byte, blanks before it left out, nothing being zero.
pub(super) fn weight(text: StrRef<'_>) -> Option<f64> {
    let bytes = match text {
        StrRef::Int(n) => return Some(n as f64),
        StrRef::Bytes(bytes) => bytes,
    };
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    parse_f64(&text[blanks..])
}

/// Puts members in the order of their weights, as far as the first `wanted` are concerned.
pub(super) fn by_weight(members: &mut [(f64, StrRef<'_>)], order: SortOrder, wanted: usize) {
    let compare = |a: &(f64, StrRef<'_>), b: &(f64, StrRef<'_>)| {
        let weights = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
        order.apply(weights.then_with(|| compare_bytes(a.1, b.1)))
    };
    let members = first(members, wanted, compare);
    members.sort_unstable_by(compare);
}

/// How texts compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Collation {
    /// Up to the first zero byte, as C's `strcoll` does in its own locale.
    UpToZero,
    /// To the last byte.
    Whole,
}

/// A member with the text that it is put in order by, if there is one.
pub(super) struct Text<'t, 'm> {
    /// The first eight bytes.
    start: u64,
    text: Option<&'t [u8]>,
    pub(super) member: StrRef<'m>,
}

impl<'t, 'm> Text<'t, 'm> {
    pub(super) fn new(text: Option<&'t [u8]>, member: StrRef<'m>, collation: Collation) -> Self {
        let text = match collation {
            Collation::Whole => text,
            Collation::UpToZero => text.map(|text| text.split(|byte| *byte == 0).next().unwrap_or_default()),
        };
        let mut start = [0; 8];
        let bytes = text.unwrap_or_default();
        let len = bytes.len().min(8);
        start[..len].copy_from_slice(&bytes[..len]);
        Self { start: u64::from_be_bytes(start), text, member }
    }
}

/// Puts members in the order of their texts; those without one come first.
pub(super) fn by_text(members: &mut [Text<'_, '_>], order: SortOrder) {
    members.sort_by(|a, b| order.apply(a.start.cmp(&b.start).then_with(|| a.text.cmp(&b.text))));
}

/// Moves the first `wanted` to the front, if that is less than all, and returns those that are to be put in order.
fn first<T>(members: &mut [T], wanted: usize, mut compare: impl FnMut(&T, &T) -> Ordering) -> &mut [T] {
    if wanted == 0 || wanted >= members.len() {
        return members;
    }
    members.select_nth_unstable_by(wanted - 1, &mut compare);
    &mut members[..wanted]
}

fn compare_bytes(a: StrRef<'_>, b: StrRef<'_>) -> Ordering {
    a.with_bytes(|a| b.with_bytes(|b| a.cmp(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_c_reads_them() {
        let read = |text: &[u8]| weight(StrRef::of(text));
        assert_eq!(
            (read(b"12"), read(b"-1.5"), read(b"1e3"), read(b" \t5")),
            (Some(12.0), Some(-1.5), Some(1000.0), Some(5.0))
        );
        assert_eq!((read(b""), read(b"\0x"), read(b"7\0x")), (Some(0.0), Some(0.0), Some(7.0)));
        assert_eq!((read(b"inf"), read(b"0x10")), (Some(f64::INFINITY), Some(16.0)));
        for text in [&b"x"[..], b" ", b"1 ", b"nan", b"1x", b"1e999"] {
            assert_eq!(read(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn texts_are_compared_by_their_bytes() {
        let sorted = |texts: &[Option<&'static [u8]>], collation, order| {
            let members = texts.iter().enumerate();
            let mut members: Vec<_> =
                members.map(|(at, text)| Text::new(*text, StrRef::Int(at as i64), collation)).collect();
            by_text(&mut members, order);
            members.iter().map(|text| text.member.as_i64().unwrap()).collect::<Vec<_>>()
        };
        let texts: [Option<&[u8]>; 7] =
            [Some(b"b"), Some(b"a\0z"), Some(b"a\0b"), None, Some(b"a"), Some(b"abcdefghi"), Some(b"abcdefgh")];
        assert_eq!(sorted(&texts, Collation::UpToZero, SortOrder::Ascending), [3, 1, 2, 4, 6, 5, 0]);
        assert_eq!(sorted(&texts, Collation::Whole, SortOrder::Ascending), [3, 4, 2, 1, 6, 5, 0]);
        assert_eq!(sorted(&texts, Collation::UpToZero, SortOrder::Descending), [0, 5, 6, 1, 2, 4, 3]);
    }

    #[test]
    fn only_what_is_wanted_is_put_in_order() {
        let numbers = [5i64, 3, 9, 1, 7, 3, 8];
        let mut members: Vec<_> = numbers.iter().map(|n| (*n as f64, StrRef::Int(*n))).collect();
        by_weight(&mut members, SortOrder::Descending, 3);
        assert_eq!(members[..3].iter().map(|(weight, _)| *weight).collect::<Vec<_>>(), [9.0, 8.0, 7.0]);
        by_weight(&mut members, SortOrder::Ascending, 100);
        assert!(members.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
