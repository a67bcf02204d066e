//! Small hashes in one piece of memory: [packed](crate::value::packed) elements.
//!
//! ```text
//! plain    field value  field value ...
//! timed    8 bytes: the earliest expiry      field value expiry  field value expiry ...
//! ```
//!
//! An expiry is Unix milliseconds, 0 for none. A hash becomes timed when one of its fields gets an expiry, and stays so.
//!
//! Invariants
//! - The earliest expiry of a timed hash is exact; `i64::MAX` if there is none.
//! - Fields stand in the order of their coming.

use crate::time::UnixMillis;
use crate::value::{StrRef, packed};
use std::ops::Range;

/// How a compact hash is laid out. The numbers are forms of the entry's block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Plain = 0,
    Timed = 1,
}

impl Layout {
    pub(crate) fn of_form(form: u8) -> Self {
        if form == Self::Timed as u8 { Self::Timed } else { Self::Plain }
    }

    fn start(self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Timed => size_of::<i64>(),
        }
    }
}

/// A compact hash, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compact<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

/// A field, and where its parts lie.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) field: StrRef<'a>,
    pub(crate) value: StrRef<'a>,
    pub(crate) expiry: Option<UnixMillis>,
    start: usize,
    value_start: usize,
    expiry_start: usize,
    end: usize,
}

impl<'a> Compact<'a> {
    pub(crate) fn new(bytes: &'a [u8], layout: Layout) -> Self {
        Self { bytes, layout }
    }

    pub(crate) fn layout(self) -> Layout {
        self.layout
    }

    pub(crate) fn is_empty(self) -> bool {
        self.bytes.len() <= self.layout.start()
    }

    /// How many fields there are. O(n).
    pub(crate) fn len(self) -> usize {
        self.iter().count()
    }

    /// The earliest expiry of a field.
    pub(crate) fn next_expiry(self) -> Option<UnixMillis> {
        match self.layout {
            Layout::Plain => None,
            Layout::Timed => {
                let ms = i64::from_le_bytes(*self.bytes.first_chunk()?);
                (ms != i64::MAX).then_some(UnixMillis(ms))
            }
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Item<'a>> {
        let start = self.layout.start();
        let mut elements = packed::iter(self.bytes.get(start..).unwrap_or_default());
        std::iter::from_fn(move || {
            let at = start + elements.position();
            let field = elements.next()?;
            let value_start = start + elements.position();
            let value = elements.next()?;
            let expiry_start = start + elements.position();
            let expiry = match self.layout {
                Layout::Plain => None,
                Layout::Timed => elements.next()?.as_i64().filter(|ms| *ms != 0).map(UnixMillis),
            };
            Some(Item { field, value, expiry, start: at, value_start, expiry_start, end: start + elements.position() })
        })
    }

    /// A field. O(n).
    #[inline]
    pub(crate) fn find(self, field: StrRef<'_>) -> Option<Item<'a>> {
        self.iter().find(|item| item.field == field)
    }
}

/// What becomes of the expiry of a field that gets a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FieldExpiry {
    /// It has none afterwards.
    Clear,
    /// It stays as it is.
    Keep,
    /// It is this one.
    At(UnixMillis),
}

/// Sets a field; says whether it is new. A plain hash takes no expiry. O(bytes).
pub(crate) fn set(
    bytes: &mut Vec<u8>,
    layout: Layout,
    field: StrRef<'_>,
    value: StrRef<'_>,
    expiry: FieldExpiry,
) -> bool {
    let found = Compact::new(bytes, layout)
        .find(field)
        .map(|item| (item.value_start..item.expiry_start, item.expiry, item.end));
    match found {
        None => {
            let expiry = if let FieldExpiry::At(at) = expiry { Some(at) } else { None };
            push(bytes, layout, field, value, expiry);
            true
        }
        Some((value_range, old, end)) => {
            if layout == Layout::Timed && expiry != FieldExpiry::Keep {
                let new = if let FieldExpiry::At(at) = expiry { Some(at) } else { None };
                if new != old {
                    replace_expiry(bytes, value_range.end..end, new);
                }
            }
            packed::splice(bytes, value_range, value);
            false
        }
    }
}

/// Appends a field that is not there. A plain hash takes no expiry. O(field + value).
pub(super) fn push(
    bytes: &mut Vec<u8>,
    layout: Layout,
    field: StrRef<'_>,
    value: StrRef<'_>,
    expiry: Option<UnixMillis>,
) {
    packed::push(bytes, field);
    packed::push(bytes, value);
    if layout == Layout::Timed {
        packed::push(bytes, StrRef::Int(expiry.map_or(0, |UnixMillis(ms)| ms)));
        if let (Some(UnixMillis(ms)), Some(place)) = (expiry, bytes.first_chunk_mut()) {
            *place = ms.min(i64::from_le_bytes(*place)).to_le_bytes();
        }
    }
}

/// Sets or clears the expiry of a field of a timed hash. O(bytes).
pub(crate) fn set_expiry(bytes: &mut Vec<u8>, field: StrRef<'_>, expiry: Option<UnixMillis>) {
    let found = Compact::new(bytes, Layout::Timed).find(field).map(|item| item.expiry_start..item.end);
    if let Some(range) = found {
        replace_expiry(bytes, range, expiry);
    }
}

fn replace_expiry(bytes: &mut Vec<u8>, range: Range<usize>, expiry: Option<UnixMillis>) {
    packed::splice(bytes, range, StrRef::Int(expiry.map_or(0, |UnixMillis(ms)| ms)));
    tighten(bytes);
}

/// Takes a field out; says whether it was there. O(bytes).
pub(crate) fn remove(bytes: &mut Vec<u8>, layout: Layout, field: StrRef<'_>) -> bool {
    let found = Compact::new(bytes, layout).find(field).map(|item| (item.start..item.end, item.expiry));
    let Some((range, expiry)) = found else { return false };
    bytes.drain(range);
    if expiry.is_some() {
        tighten(bytes);
    }
    true
}

/// Makes a plain hash timed. O(bytes).
pub(crate) fn to_timed(bytes: &mut Vec<u8>) {
    let mut timed = i64::MAX.to_le_bytes().to_vec();
    for item in Compact::new(bytes, Layout::Plain).iter() {
        packed::push(&mut timed, item.field);
        packed::push(&mut timed, item.value);
        packed::push(&mut timed, StrRef::Int(0));
    }
    *bytes = timed;
}

/// Works out the earliest expiry of a timed hash.
fn tighten(bytes: &mut [u8]) {
    let expiries = Compact::new(bytes, Layout::Timed).iter().filter_map(|item| item.expiry);
    let earliest = expiries.min().map_or(i64::MAX, |UnixMillis(ms)| ms);
    if let Some(place) = bytes.first_chunk_mut() {
        *place = earliest.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], layout: Layout) -> String {
        let text = |s: StrRef<'_>| String::from_utf8(s.to_vec()).unwrap();
        let item = |item: Item<'_>| {
            format!("{}={}@{}", text(item.field), text(item.value), item.expiry.map_or(0, |UnixMillis(ms)| ms))
        };
        Compact::new(bytes, layout).iter().map(item).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn fields_keep_their_places_and_the_earliest_expiry_is_known() {
        let mut bytes = Vec::new();
        for (field, value) in [("a", "1"), ("b", "text"), ("12", "x"), ("a", "longer")] {
            set(
                &mut bytes,
                Layout::Plain,
                StrRef::of(field.as_bytes()),
                StrRef::of(value.as_bytes()),
                FieldExpiry::Clear,
            );
        }
        assert_eq!(shown(&bytes, Layout::Plain), "a=longer@0 b=text@0 12=x@0");
        to_timed(&mut bytes);
        let timed = Layout::Timed;
        let next = |bytes: &[u8]| Compact::new(bytes, timed).next_expiry().map(|UnixMillis(ms)| ms);
        assert_eq!((next(&bytes), shown(&bytes, timed)), (None, "a=longer@0 b=text@0 12=x@0".into()));
        set_expiry(&mut bytes, StrRef::Bytes(b"b"), Some(UnixMillis(900)));
        set_expiry(&mut bytes, StrRef::Int(12), Some(UnixMillis(700)));
        assert_eq!(next(&bytes), Some(700));
        let set_b = |bytes: &mut Vec<u8>, expiry| set(bytes, timed, StrRef::Bytes(b"b"), StrRef::Int(5), expiry);
        assert!(!set_b(&mut bytes, FieldExpiry::Keep));
        assert!(!set_b(&mut bytes, FieldExpiry::At(UnixMillis(600))));
        assert_eq!((next(&bytes), shown(&bytes, timed)), (Some(600), "a=longer@0 b=5@600 12=x@700".into()));
        set_b(&mut bytes, FieldExpiry::Clear);
        assert!(remove(&mut bytes, timed, StrRef::Int(12)) && !remove(&mut bytes, timed, StrRef::Int(12)));
        assert_eq!((next(&bytes), shown(&bytes, timed)), (None, "a=longer@0 b=5@0".into()));
        assert!(set(&mut bytes, timed, StrRef::Bytes(b"c"), StrRef::Int(0), FieldExpiry::At(UnixMillis(1 << 45))));
        remove(&mut bytes, timed, StrRef::Bytes(b"a"));
        remove(&mut bytes, timed, StrRef::Bytes(b"b"));
        assert_eq!((next(&bytes), shown(&bytes, timed)), (Some(1 << 45), format!("c=0@{}", 1u64 << 45)));
    }
}
