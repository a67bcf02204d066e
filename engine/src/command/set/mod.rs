//! Sets: strings without order or repetition.

mod add;
mod algebra;
mod difference;
mod intersection;
mod members;
mod pop;
mod random;
mod recording;
mod relocation;
mod removal;
mod scan;
mod union;

pub(crate) use recording::{record_set, record_set_part};
pub use scan::MemberScan;

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::StrRef;
use crate::value::set::{SetLimits, SetRef};
use bytes::Bytes;

pub(super) const ROWS: &[Row] = &[
    add::SADD,
    members::SCARD,
    difference::SDIFF,
    difference::SDIFFSTORE,
    intersection::SINTER,
    intersection::SINTERCARD,
    intersection::SINTERSTORE,
    members::SISMEMBER,
    members::SMEMBERS,
    members::SMISMEMBER,
    relocation::SMOVE,
    pop::SPOP,
    random::SRANDMEMBER,
    removal::SREM,
    scan::SSCAN,
    union::SUNION,
    union::SUNIONSTORE,
];

/// The set in an entry; `None` if there is no entry.
fn set_of(entry: Option<&EntryRef>) -> Result<Option<SetRef<'_>>, CommandError> {
    match entry {
        None => Ok(None),
        Some(entry) => entry.as_set().map(Some).ok_or(CommandError::WrongType),
    }
}

/// Finds a set for changing.
fn find_set(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(None) };
    match turn.entry(key, spot).as_set() {
        None => Err(CommandError::WrongType),
        Some(_) => Ok(Some(spot)),
    }
}

/// Up to which size sets stay compact, as the options say now.
fn limits(turn: &Turn<'_>) -> SetLimits {
    SetLimits::of(&turn.core().options)
}

fn copied(member: StrRef<'_>) -> Bytes {
    member.with_bytes(Bytes::copy_from_slice)
}
