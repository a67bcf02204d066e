//! Hashes: fields with values.

mod counter;
mod field_expire;
mod field_list;
mod field_ttl;
mod fields;
mod float_counter;
mod getdel;
mod getex;
mod listing;
mod random;
mod recording;
mod removal;
mod scan;
mod set;
mod setex;

pub use field_expire::FieldOutcome;
pub use field_ttl::FieldTtl;
pub(crate) use recording::{record_hash, record_hash_part};
pub use scan::FieldScan;
pub use setex::FieldSetIf;

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::table::Spot;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::StrRef;
use crate::value::hash::{HashLimits, HashView};
use bytes::Bytes;

pub(super) const ROWS: &[Row] = &[
    removal::HDEL,
    fields::HEXISTS,
    field_expire::HEXPIRE,
    field_expire::HEXPIREAT,
    field_ttl::HEXPIRETIME,
    fields::HGET,
    listing::HGETALL,
    getdel::HGETDEL,
    getex::HGETEX,
    counter::HINCRBY,
    float_counter::HINCRBYFLOAT,
    listing::HKEYS,
    listing::HLEN,
    fields::HMGET,
    set::HMSET,
    field_ttl::HPERSIST,
    field_expire::HPEXPIRE,
    field_expire::HPEXPIREAT,
    field_ttl::HPEXPIRETIME,
    field_ttl::HPTTL,
    random::HRANDFIELD,
    scan::HSCAN,
    set::HSET,
    setex::HSETEX,
    set::HSETNX,
    fields::HSTRLEN,
    field_ttl::HTTL,
    listing::HVALS,
];

/// The hash in an entry, as it is seen at a moment; `None` if there is no entry. No moment: nothing is hidden.
fn view(
    entry: Option<&EntryRef>,
    now: impl FnOnce() -> Option<UnixMillis>,
) -> Result<Option<HashView<'_>>, CommandError> {
    match entry {
        None => Ok(None),
        Some(entry) => match entry.as_hash() {
            None => Err(CommandError::WrongType),
            Some(hash) => Ok(Some(HashView::new(hash, now))),
        },
    }
}

/// Finds a hash for changing.
fn find_hash(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(None) };
    match turn.entry(key, spot).as_hash() {
        None => Err(CommandError::WrongType),
        Some(_) => Ok(Some(spot)),
    }
}

/// Finds a hash for reading and shows it to `f`.
fn read_hash<R>(turn: &mut Turn<'_>, key: &[u8], f: impl FnOnce(Option<HashView<'_>>) -> R) -> Result<R, CommandError> {
    let key = turn.key(key)?;
    let now = turn.sight();
    let entry = turn.read(&key);
    Ok(f(view(entry.as_deref(), || now)?))
}

/// Up to which size hashes stay compact, as the options say now.
fn limits(turn: &Turn<'_>) -> HashLimits {
    HashLimits::of(&turn.core().options)
}

fn copied(string: StrRef<'_>) -> Bytes {
    string.with_bytes(Bytes::copy_from_slice)
}

/// Fields with their values, as one slice.
type Pairs<'a> = [[&'a [u8]; 2]];
