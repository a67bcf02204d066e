//! `BZPOPMIN key ... timeout`, `BZPOPMAX key ... timeout` and `BZMPOP timeout numkeys key ... MIN|MAX [COUNT count]`: takes
//! members out of the first sorted set that has any, or waits for one.
//!
//! Reply: key, member, score; of BZMPOP the key and pairs; a null array when the time is over. Effect: `ZREM key member ...`;
//! `DEL key` if none is left.

use super::zpop::{End, MultiPop, PoppedFrom, pop, write_popped};
use crate::command::row::flag::{BLOCKING, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::timeout::deadline_of_seconds;
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::{ReplyWriter, Value};
use crate::turn::Turn;
use crate::turn::waiting::{Unserved, Wait};
use crate::value::ValueType;
use bytes::Bytes;

pub(super) const BZPOPMIN: Row = Row::new("bzpopmin", -3, Run::Turn(bzpop_min))
    .flags(WRITE | FAST | BLOCKING)
    .keys(&[KeySpec::index(1).range(-2, 1).rw().access().delete()])
    .summary(
        "Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a member is \
     available otherwise. Deletes the sorted set if the last element was popped.",
    )
    .docs(Group::SortedSet, "5.0.0", "O(log(N)) with N being the number of elements in the sorted set.")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
    .args("key:key#0* timeout:double");
pub(super) const BZPOPMAX: Row = Row::new("bzpopmax", -3, Run::Turn(bzpop_max))
    .flags(WRITE | FAST | BLOCKING)
    .keys(&[KeySpec::index(1).range(-2, 1).rw().access().delete()])
    .summary(
        "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member \
     available otherwise.  Deletes the sorted set if the last element was popped.",
    )
    .docs(Group::SortedSet, "5.0.0", "O(log(N)) with N being the number of elements in the sorted set.")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
    .args("key:key#0* timeout:double");
pub(super) const BZMPOP: Row = Row::new("bzmpop", -5, Run::Turn(bzmpop))
    .flags(WRITE | BLOCKING)
    .keys(&[KeySpec::index(2).counted().rw().access().delete()])
    .summary(
        "Removes and returns a member by score from one or more sorted sets. Blocks until a member is available \
     otherwise. Deletes the sorted set if the last element was popped.",
    )
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, \
     and M being the number of elements popped.",
    )
    .args("timeout:double numkeys:integer key:key#0* where:oneof{min=MIN max=MAX} count:integer?=COUNT");

fn bzpop_min(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take_or_wait(turn, args, End::Min, reply)
}

fn bzpop_max(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    take_or_wait(turn, args, End::Max, reply)
}

fn take_or_wait(turn: &mut Turn<'_>, args: &[&[u8]], end: End, reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (keys, timeout) = (&args[1..args.len() - 1], args[args.len() - 1]);
    let deadline = deadline_of_seconds(turn, timeout)?;
    for key in keys {
        let key = turn.key(key)?;
        if let Some((member, score)) = pop(turn, &key, end, 1)?.first() {
            reply.array(3);
            reply.bulk(key.bytes);
            reply.bulk(member);
            reply.double(*score);
            return Ok(());
        }
    }
    turn.block(Wait::new(ValueType::SortedSet, keys, Unserved::NullArray).until(deadline), reply)
}

fn bzmpop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::read(&args[2..])?;
    let deadline = deadline_of_seconds(turn, args[1])?;
    for key in keys {
        let key = turn.key(key)?;
        let popped = pop(turn, &key, end, count)?;
        if !popped.is_empty() {
            write_popped(reply, key.bytes, &popped);
            return Ok(());
        }
    }
    turn.block(Wait::new(ValueType::SortedSet, keys, Unserved::NullArray).until(deadline), reply)
}

/// A key, a member that was taken from it, and its score.
type Taken = Option<(Bytes, Bytes, f64)>;

fn wait_for(db: &Engine, name: &str, keys: &[impl AsRef<[u8]>], timeout: f64) -> Result<Taken, CommandError> {
    let timeout = timeout.to_string();
    let mut args: Vec<&[u8]> = vec![name.as_bytes()];
    args.extend(keys.iter().map(AsRef::as_ref));
    args.push(timeout.as_bytes());
    let value = db.ask_blocking(&args)?;
    let Some([key, member, Value::Double(score)]) = value.as_slice() else { return Ok(None) };
    let copy = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    Ok(copy(key).zip(copy(member)).map(|(key, member)| (key, member, *score)))
}

fn wait_for_many(
    db: &Engine,
    timeout: f64,
    keys: &[impl AsRef<[u8]>],
    end: &[u8],
    count: usize,
) -> Result<Option<PoppedFrom>, CommandError> {
    let (timeout, key_count, count) = (timeout.to_string(), keys.len().to_string(), count.to_string());
    let mut args: Vec<&[u8]> = vec![b"BZMPOP", timeout.as_bytes(), key_count.as_bytes()];
    args.extend(keys.iter().map(AsRef::as_ref));
    args.extend([end, b"COUNT", count.as_bytes()]);
    let value = db.ask_blocking(&args)?;
    let Some([key, Value::Array(pairs)]) = value.as_slice() else { return Ok(None) };
    let copy = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    let pair = |pair: &Value| match pair.as_slice() {
        Some([member, Value::Double(score)]) => Some((copy(member)?, *score)),
        _ => None,
    };
    Ok(copy(key).map(|key| (key, pairs.iter().filter_map(pair).collect())))
}

impl Engine {
    /// Takes the member with the lowest score out of the first sorted set that has any; returns its key, the member and the
    /// score. Blocks this thread until there is one or `timeout` seconds are over (`None`); 0 is for ever. No lock is held
    /// meanwhile; a [session](Engine::session) waits without a thread. Follows BZPOPMIN of Redis 7.2; records `ZREM` or `DEL`.
    pub fn bzpopmin(&self, keys: &[impl AsRef<[u8]>], timeout: f64) -> Result<Taken, CommandError> {
        wait_for(self, "BZPOPMIN", keys, timeout)
    }

    /// Takes the member with the highest score; follows BZPOPMAX. As [`Engine::bzpopmin`] otherwise.
    pub fn bzpopmax(&self, keys: &[impl AsRef<[u8]>], timeout: f64) -> Result<Taken, CommandError> {
        wait_for(self, "BZPOPMAX", keys, timeout)
    }

    /// Takes up to `count` members with the lowest scores out of the first sorted set that has any; follows BZMPOP MIN. Waits
    /// as [`Engine::bzpopmin`].
    pub fn bzmpop_min(
        &self,
        timeout: f64,
        keys: &[impl AsRef<[u8]>],
        count: usize,
    ) -> Result<Option<PoppedFrom>, CommandError> {
        wait_for_many(self, timeout, keys, b"MIN", count)
    }

    /// Takes up to `count` members with the highest scores; follows BZMPOP MAX. As [`Engine::bzmpop_min`] otherwise.
    pub fn bzmpop_max(
        &self,
        timeout: f64,
        keys: &[impl AsRef<[u8]>],
        count: usize,
    ) -> Result<Option<PoppedFrom>, CommandError> {
        wait_for_many(self, timeout, keys, b"MAX", count)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, ask, assert_totals, session};
    use crate::resp::Value;

    #[test]
    fn a_member_that_is_there_is_taken_at_once() {
        let bench = Bench::new();
        bench.ask("ZADD {k}z 1 a 2 b 3 c");
        bench.effects();
        assert_eq!(bench.ask("BZPOPMIN {k}none {k}z 0"), "*3\r\n$4\r\n{k}z\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(bench.db.bzpopmax(&["{k}z"], 0.1).unwrap(), Some(("{k}z".into(), "c".into(), 3.0)));
        let pair = Value::Array(vec![Value::bulk("b"), Value::Double(2.0)]);
        let expected = Value::Array(vec![Value::bulk("{k}z"), Value::Array(vec![pair])]);
        assert_eq!(bench.run("BZMPOP 1 2 {k}z {k}none MAX COUNT 4"), expected);
        assert_eq!(bench.run("BZPOPMIN {k}z 0.01"), Value::Nil);
        assert_eq!(bench.effects(), ["ZREM {k}z a", "ZREM {k}z c", "DEL {k}z"]);
        bench.ask("SET {k}s x");
        for (request, error) in [
            ("BZPOPMIN {k}z {k}s 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("BZPOPMIN {k}z x", "ERR timeout is not a float or out of range"),
            ("BZPOPMIN {k}z -1", "ERR timeout is negative"),
            ("BZMPOP x 0 {k}z MIN", "ERR numkeys should be greater than 0"),
            ("BZMPOP x 1 {k}z MIN", "ERR timeout is not a float or out of range"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.assert_replays();
    }

    #[test]
    fn typed_verbs_take_several_members_or_give_up() {
        let bench = Bench::new();
        bench.ask("ZADD {k}z 1 a 2 b 3 c");
        let taken = |members: &[(&str, f64)]| {
            Some(("{k}z".into(), members.iter().map(|(m, score)| (m.to_string().into(), *score)).collect()))
        };
        assert_eq!(bench.db.bzmpop_max(1.0, &["{k}none", "{k}z"], 1).unwrap(), taken(&[("c", 3.0)]));
        assert_eq!(bench.db.bzmpop_min(1.0, &["{k}z"], 9).unwrap(), taken(&[("a", 1.0), ("b", 2.0)]));
        assert!(bench.db.bzmpop_min(1.0, &["{k}z"], 0).is_err());
        bench.assert_replays();
    }

    #[test]
    fn who_waits_is_served_when_a_member_comes() {
        let bench = Bench::new();
        let (mut first, mut second) = (session(&bench.db), session(&bench.db));
        assert_eq!(ask(&mut first, "BZPOPMAX z 0"), "");
        assert_eq!(ask(&mut second, "BZMPOP 0 1 z MIN COUNT 9"), "");
        bench.ask("RPUSH z x");
        bench.ask("DEL z");
        bench.effects();
        assert_eq!(bench.ask("ZADD z 1 a 2 b 3 c"), ":3\r\n");
        let mut out = Vec::new();
        first.poll_output(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), "*3\r\n$1\r\nz\r\n$1\r\nc\r\n$1\r\n3\r\n");
        out.clear();
        second.poll_output(&mut out);
        let both = "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n";
        assert_eq!(String::from_utf8_lossy(&out), both);
        assert_eq!(bench.effects(), ["ZADD z 1 a 2 b 3 c", "ZREM z c", "DEL z"]);
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
