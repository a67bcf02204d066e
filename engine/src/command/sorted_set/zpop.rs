//! `ZPOPMIN key [count]`, `ZPOPMAX key [count]` and `ZMPOP numkeys key ... MIN|MAX [COUNT count]`: takes out the members with
//! the lowest or highest scores.
//!
//! Reply: member, score, ...; of ZMPOP the key that had members and pairs, or null. Effect: `ZREM key member ...`; `DEL key`
//! if none is left.

use super::arguments::positive;
use super::change::{find, remove_ranks};
use super::listing::{self, Scores};
use super::read;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::{ReplyWriter, RespVersion};
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use bytes::Bytes;

pub(super) const ZPOPMIN: Row = Row::new("zpopmin", -2, Run::Turn(zpop_min))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary(
        "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last \
     member was popped.",
    )
    .docs(
        Group::SortedSet,
        "5.0.0",
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements \
     popped.",
    )
    .args("key:key#0 count:integer?");

pub(super) const ZPOPMAX: Row = Row::new("zpopmax", -2, Run::Turn(zpop_max))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary(
        "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the \
     last member was popped.",
    )
    .docs(
        Group::SortedSet,
        "5.0.0",
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements \
     popped.",
    )
    .args("key:key#0 count:integer?");

pub(super) const ZMPOP: Row = Row::new("zmpop", -4, Run::Turn(zmpop))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).counted().rw().access().delete()])
    .summary(
        "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the \
     sorted set if the last member was popped.",
    )
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, \
     and M being the number of elements popped.",
    )
    .args("numkeys:integer key:key#0* where:oneof{min=MIN max=MAX} count:integer?=COUNT");

/// Which end members are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    /// Reads `MIN` or `MAX`.
    pub(super) fn read(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_uppercase().as_slice() {
            b"MIN" => Ok(Self::Min),
            b"MAX" => Ok(Self::Max),
            _ => Err(CommandError::Syntax),
        }
    }
}

fn zpop_min(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    zpop(turn, args, reply, End::Min)
}

fn zpop_max(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    zpop(turn, args, reply, End::Max)
}

fn zpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, end: End) -> CommandResult {
    let count = match &args[2..] {
        [] => None,
        [word] => {
            let count = parse_i64(word).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::MustBePositive)?)
        }
        _ => return Err(CommandError::Syntax),
    };
    let key = turn.key(args[1])?;
    let popped = pop(turn, &key, end, count.unwrap_or(1))?;
    match count {
        Some(_) => listing::begin(reply, popped.len(), Scores::Shown),
        None => reply.array(popped.len() * 2),
    }
    for (member, score) in &popped {
        if count.is_some() && reply.version() == RespVersion::V3 {
            reply.array(2);
        }
        reply.bulk(member);
        reply.double(*score);
    }
    Ok(())
}

fn zmpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::read(&args[1..])?;
    for key in keys {
        let key = turn.key(key)?;
        let popped = pop(turn, &key, end, count)?;
        if !popped.is_empty() {
            write_popped(reply, key.bytes, &popped);
            return Ok(());
        }
    }
    reply.null_array();
    Ok(())
}

/// The arguments of ZMPOP and BZMPOP from the number of keys on.
pub(super) struct MultiPop<'a, 'b> {
    pub(super) keys: &'b [&'a [u8]],
    pub(super) end: End,
    pub(super) count: usize,
}

impl<'a, 'b> MultiPop<'a, 'b> {
    pub(super) fn read(args: &'b [&'a [u8]]) -> Result<Self, CommandError> {
        let key_count = positive(args[0], "ERR numkeys should be greater than 0")?;
        let end = args.get(key_count.saturating_add(1)).ok_or(CommandError::Syntax)?;
        let (keys, end) = (&args[1..=key_count], End::read(end)?);
        let count = match &args[key_count + 2..] {
            [] => 1,
            [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                let count = positive(count, "ERR count should be greater than 0")?;
                if !rest.is_empty() {
                    return Err(CommandError::Syntax);
                }
                count
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { keys, end, count })
    }
}

/// Writes what ZMPOP took from a key.
pub(super) fn write_popped(reply: &mut ReplyWriter<'_>, key: &[u8], popped: &[(Bytes, f64)]) {
    reply.array(2);
    reply.bulk(key);
    reply.array(popped.len());
    for (member, score) in popped {
        reply.array(2);
        reply.bulk(member);
        reply.double(*score);
    }
}

/// Takes up to `count` members from one end; in the order in which they were met from there.
pub(super) fn pop(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    end: End,
    count: usize,
) -> Result<Vec<(Bytes, f64)>, CommandError> {
    let Some(spot) = find(turn, key)? else { return Ok(Vec::new()) };
    let len = read(&turn.entry(key, spot))?.len();
    let count = count.min(len);
    if count == 0 {
        return Ok(Vec::new());
    }
    let (ranks, event) = match end {
        End::Min => (0..count, "zpopmin"),
        End::Max => (len - count..len, "zpopmax"),
    };
    let mut popped = Vec::with_capacity(count);
    remove_ranks(turn, key, spot, ranks, event, |member, score| popped.push((Bytes::copy_from_slice(member), score)));
    if end == End::Max {
        popped.reverse();
    }
    Ok(popped)
}

impl Turn<'_> {
    /// Takes out up to `count` members with the lowest scores, lowest first. O(log n + count).
    pub fn zpopmin(&mut self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let key = self.key(key.as_ref())?;
        pop(self, &key, End::Min, count)
    }

    /// Takes out up to `count` members with the highest scores, highest first. O(log n + count).
    pub fn zpopmax(&mut self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let key = self.key(key.as_ref())?;
        pop(self, &key, End::Max, count)
    }
}

/// A key with the members that were taken from it.
pub(super) type PoppedFrom = (Bytes, Vec<(Bytes, f64)>);

impl Engine {
    /// Takes out up to `count` members with the lowest scores of the sorted set at `key`, lowest first. Fails with WRONGTYPE on
    /// other types. O(log n + count). Follows ZPOPMIN of Redis 7.2; records `ZREM` or `DEL`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.zadd_multiple("queue", &[(2.0, "later"), (1.0, "now")])?;
    /// assert_eq!(db.zpopmin("queue", 1)?, [("now".into(), 1.0)]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zpopmin(&self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zpopmin(key, count))
    }

    /// Takes out up to `count` members with the highest scores, highest first. Follows ZPOPMAX; as [`Engine::zpopmin`]
    /// otherwise.
    pub fn zpopmax(&self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zpopmax(key, count))
    }

    /// Takes up to `count` members with the lowest scores out of the first of `keys` that has any. Follows ZMPOP MIN of Redis
    /// 7.2; as [`Engine::zpopmin`] otherwise.
    pub fn zmpop_min(&self, keys: &[impl AsRef<[u8]>], count: usize) -> Result<Option<PoppedFrom>, CommandError> {
        self.zmpop(keys, End::Min, count)
    }

    /// Takes up to `count` members with the highest scores out of the first of `keys` that has any. Follows ZMPOP MAX.
    pub fn zmpop_max(&self, keys: &[impl AsRef<[u8]>], count: usize) -> Result<Option<PoppedFrom>, CommandError> {
        self.zmpop(keys, End::Max, count)
    }

    fn zmpop(&self, keys: &[impl AsRef<[u8]>], end: End, count: usize) -> Result<Option<PoppedFrom>, CommandError> {
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&keys, Access::Write, |turn| {
            for key in &keys {
                let key = turn.key(key)?;
                let popped = pop(turn, &key, end, count)?;
                if !popped.is_empty() {
                    return Ok(Some((Bytes::copy_from_slice(key.bytes), popped)));
                }
            }
            Ok(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    fn pair(member: &str, score: f64) -> Value {
        Value::Array(vec![Value::bulk(member), Value::Double(score)])
    }

    #[test]
    fn members_are_popped_from_either_end() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b 3 c 4 d");
        bench.effects();
        assert_eq!(bench.ask("ZPOPMIN z"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(bench.run("ZPOPMAX z"), pair("d", 4.0));
        assert_eq!(bench.run("ZPOPMAX z 9"), Value::Array(vec![pair("c", 3.0), pair("b", 2.0)]));
        assert_eq!((bench.ask("ZPOPMIN z"), bench.ask("ZPOPMIN z 3")), ("*0\r\n".into(), "*0\r\n".into()));
        assert_eq!(bench.effects(), ["ZREM z a", "ZREM z d", "DEL z"]);
        assert_eq!(bench.error("ZPOPMIN z -1"), "ERR value is out of range, must be positive");
        assert_eq!(bench.error("ZPOPMIN z x"), "ERR value is out of range, must be positive");
        assert_eq!(bench.error("ZPOPMIN z 1 2"), "ERR syntax error");
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn the_first_key_with_members_gives_them() {
        let bench = Bench::new();
        bench.ask("ZADD {k}b 1 x 2 y");
        assert_eq!(bench.ask("ZMPOP 2 {k}a {k}b MAX"), "*2\r\n$4\r\n{k}b\r\n*1\r\n*2\r\n$1\r\ny\r\n$1\r\n2\r\n");
        assert_eq!(bench.run("ZMPOP 1 {k}b MIN COUNT 5").as_slice().unwrap()[1], Value::Array(vec![pair("x", 1.0)]));
        assert_eq!(bench.ask("ZMPOP 2 {k}a {k}b MAX"), "*-1\r\n");
        for (request, error) in [
            ("ZMPOP 0 a MIN", "ERR numkeys should be greater than 0"),
            ("ZMPOP x a MIN", "ERR numkeys should be greater than 0"),
            ("ZMPOP 2 a MIN", "ERR syntax error"),
            ("ZMPOP 1 a MID", "ERR syntax error"),
            ("ZMPOP 1 a MIN COUNT 0", "ERR count should be greater than 0"),
            ("ZMPOP 1 a MIN COUNT", "ERR syntax error"),
            ("ZMPOP 1 a MIN COUNT 1 COUNT 2", "ERR syntax error"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.assert_replays();
    }
}
