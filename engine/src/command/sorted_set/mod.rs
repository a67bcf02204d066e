//! Sorted sets.
//!
//! Verbs read a value through [`read`], whatever its form, and change it through [`change`].

mod algebra;
mod arguments;
mod bzpop;
mod change;
mod combination;
#[cfg(test)]
mod combination_tests;
mod listing;
mod range_query;
#[cfg(test)]
mod revocation_tests;
mod zadd;
mod zcard;
mod zcount;
mod zdiff;
mod zinter;
mod zpop;
mod zrandmember;
mod zrange;
mod zrangestore;
mod zrank;
mod zrem;
mod zremrange;
mod zscan;
mod zscore;
mod zunion;

pub use arguments::{LexLimit, ScoreLimit};
pub use zadd::ZaddOptions;

use super::row::Row;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::turn::{Key, Turn};
use crate::value::sorted_set::SortedSetRef;
use crate::value::{Object, ValueType};
use bytes::Bytes;

use listing::write_score;

pub(super) use change::{record_members, store_whole, whole};
pub(super) use zadd::{AddIf, add_all};

pub(super) const ROWS: &[Row] = &[
    bzpop::BZMPOP,
    bzpop::BZPOPMAX,
    bzpop::BZPOPMIN,
    zadd::ZADD,
    zadd::ZINCRBY,
    zdiff::ZDIFF,
    zdiff::ZDIFFSTORE,
    zinter::ZINTER,
    zinter::ZINTERCARD,
    zinter::ZINTERSTORE,
    zunion::ZUNION,
    zunion::ZUNIONSTORE,
    zcard::ZCARD,
    zcount::ZCOUNT,
    zcount::ZLEXCOUNT,
    zpop::ZMPOP,
    zpop::ZPOPMAX,
    zpop::ZPOPMIN,
    zrandmember::ZRANDMEMBER,
    zrange::ZRANGE,
    zrange::ZRANGEBYLEX,
    zrange::ZRANGEBYSCORE,
    zrange::ZREVRANGE,
    zrange::ZREVRANGEBYLEX,
    zrange::ZREVRANGEBYSCORE,
    zrangestore::ZRANGESTORE,
    zrank::ZRANK,
    zrank::ZREVRANK,
    zrem::ZREM,
    zremrange::ZREMRANGEBYLEX,
    zremrange::ZREMRANGEBYRANK,
    zremrange::ZREMRANGEBYSCORE,
    zscan::ZSCAN,
    zscore::ZMSCORE,
    zscore::ZSCORE,
];

/// Members without their scores.
fn members(pairs: Vec<(Bytes, f64)>) -> Vec<Bytes> {
    pairs.into_iter().map(|(member, _)| member).collect()
}

/// The sorted set that an entry holds.
pub(crate) fn read(entry: &EntryRef) -> Result<SortedSetRef<'_>, CommandError> {
    if entry.value_type() != ValueType::SortedSet {
        return Err(CommandError::WrongType);
    }
    match (entry.packed(), entry.as_object()) {
        (Some(bytes), _) => Ok(SortedSetRef::Compact(bytes)),
        (None, Some(Object::SortedSet(set))) => Ok(SortedSetRef::Large(set)),
        (None, _) => Err(CommandError::WrongType),
    }
}

/// The sorted set that an entry holds, an empty one where there is none.
pub(crate) fn read_or_empty(entry: Option<&EntryRef>) -> Result<SortedSetRef<'_>, CommandError> {
    entry.map_or(Ok(SortedSetRef::Compact(&[])), read)
}

/// Lends the sorted set at a key to `f`, an empty one where there is none. Counts a hit or a miss.
fn look<R>(turn: &mut Turn<'_>, key: &Key<'_>, f: impl FnOnce(SortedSetRef<'_>) -> R) -> Result<R, CommandError> {
    match turn.read(key) {
        None => Ok(f(SortedSetRef::Compact(&[]))),
        Some(entry) => read(&entry).map(f),
    }
}
