//! Lists: sequences of strings, fast at both ends, and the commands that wait for an element.

mod blocking_pop;
mod edit;
mod insert;
mod many_pop;
mod pop;
mod position;
mod push;
mod range;
mod recording;
mod removal;
mod set;
mod transfer;
mod trim;

pub(crate) use edit::replace_list;
pub use position::PositionOptions;
pub(crate) use recording::record_list;

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::value::{End, ListRef, StrRef};

pub(super) const ROWS: &[Row] = &[
    blocking_pop::BLPOP,
    blocking_pop::BRPOP,
    insert::LINSERT,
    many_pop::BLMPOP,
    many_pop::LMPOP,
    pop::LPOP,
    pop::RPOP,
    position::LPOS,
    push::LPUSH,
    push::LPUSHX,
    push::RPUSH,
    push::RPUSHX,
    range::LINDEX,
    range::LLEN,
    range::LRANGE,
    removal::LREM,
    set::LSET,
    transfer::BLMOVE,
    transfer::BRPOPLPUSH,
    transfer::LMOVE,
    transfer::RPOPLPUSH,
    trim::LTRIM,
];

/// The list of an entry. WRONGTYPE on other types.
fn list_of(entry: &EntryRef) -> Result<ListRef<'_>, CommandError> {
    entry.as_list().ok_or(CommandError::WrongType)
}

/// Reads `LEFT` or `RIGHT`.
fn parse_end(word: &[u8]) -> Result<End, CommandError> {
    match word {
        _ if word.eq_ignore_ascii_case(b"LEFT") => Ok(End::Left),
        _ if word.eq_ignore_ascii_case(b"RIGHT") => Ok(End::Right),
        _ => Err(CommandError::Syntax),
    }
}

fn name_of(end: End) -> &'static [u8] {
    match end {
        End::Left => b"LEFT",
        End::Right => b"RIGHT",
    }
}

/// The place that an index means, which counts from the tail if negative. `None` if there is no such place.
fn place_of(index: i64, len: usize) -> Option<usize> {
    let place = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(place).ok().filter(|place| *place < len)
}

/// The places that `start stop` mean: both count from the tail if negative, and are held within the list.
fn places_of(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let held = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = usize::try_from(held(start)).unwrap_or(0);
    let end = usize::try_from(held(stop).saturating_add(1)).unwrap_or(0).min(len);
    if start < end { start..end } else { 0..0 }
}

/// Writes an element.
#[inline]
fn write_element(reply: &mut ReplyWriter<'_>, element: StrRef<'_>) {
    match element {
        StrRef::Int(n) => reply.bulk_i64(n),
        StrRef::Bytes(bytes) => reply.bulk(bytes),
    }
}

#[cfg(test)]
#[path = "blocking_tests.rs"]
mod blocking_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_redis() {
        assert_eq!(places_of(0, -1, 3), 0..3);
        assert_eq!(places_of(-100, 100, 3), 0..3);
        assert_eq!(places_of(1, 1, 3), 1..2);
        assert_eq!(places_of(2, 1, 3), 0..0);
        assert_eq!(places_of(3, 5, 3), 0..0);
        assert_eq!(places_of(i64::MIN, i64::MAX, 3), 0..3);
        assert_eq!(places_of(0, i64::MIN, 3), 0..0);
        assert_eq!(places_of(0, -4, 3), 0..0);
        assert_eq!((place_of(-1, 3), place_of(-4, 3), place_of(3, 3), place_of(0, 0)), (Some(2), None, None, None));
    }
}
