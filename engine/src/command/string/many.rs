//! `MGET key...`, `MSET key value...`, `MSETNX key value...`: several strings in one turn.
//!
//! Reply: an array with null where there is no string; OK; 1 if it stored, else 0. Effect: `SET key value` for each key,
//! all in one batch.

use super::set::{NewExpiry, SetIf, store};
use crate::command::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::{GROUP_KEYS, Turn};
use crate::value::StrRef;
use bytes::Bytes;
use std::borrow::Cow;

pub(super) const MGET: Row = Row::new("mget", -2, Run::Turn(mget))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).range(-1, 1).ro().access()])
    .tips("request_policy:multi_shard")
    .summary("Atomically returns the string values of one or more keys.")
    .docs(Group::String, "1.0.0", "O(N) where N is the number of keys to retrieve.")
    .args("key:key#0*");

pub(super) const MSET: Row = Row::new("mset", -3, Run::Turn(mset))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).range(-1, 2).ow().update()])
    .tips("request_policy:multi_shard response_policy:all_succeeded")
    .summary("Atomically creates or modifies the string values of one or more keys.")
    .docs(Group::String, "1.0.1", "O(N) where N is the number of keys to set.")
    .args("data:block*{key:key#0 value:string}");

pub(super) const MSETNX: Row = Row::new("msetnx", -3, Run::Turn(mset_nx))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).range(-1, 2).ow().insert()])
    .summary("Atomically modifies the string values of one or more keys only when all keys don't exist.")
    .docs(Group::String, "1.0.1", "O(N) where N is the number of keys to set.")
    .args("data:block*{key:key#0 value:string}");

fn mget(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.array(args.len() - 1);
    read_all(turn, &args[1..], |value| reply.string_or_null(value))
}

fn mset(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    store_all(turn, pairs(args, "mset")?)?;
    reply.ok();
    Ok(())
}

fn mset_nx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let pairs = pairs(args, "msetnx")?;
    let stored = are_missing(turn, pairs)?;
    if stored {
        store_all(turn, pairs)?;
    }
    reply.integer(stored.into());
    Ok(())
}

/// A key with its value.
pub(super) trait Pair {
    fn key(&self) -> &[u8];
    fn value(&self) -> &[u8];
}

impl Pair for [&[u8]; 2] {
    fn key(&self) -> &[u8] {
        self[0]
    }

    fn value(&self) -> &[u8] {
        self[1]
    }
}

impl<K: AsRef<[u8]>, V: AsRef<[u8]>> Pair for (K, V) {
    fn key(&self) -> &[u8] {
        self.0.as_ref()
    }

    fn value(&self) -> &[u8] {
        self.1.as_ref()
    }
}

/// The keys and values of a request as pairs.
fn pairs<'a, 'b>(args: &'b [&'a [u8]], command: &'static str) -> Result<&'b [[&'a [u8]; 2]], CommandError> {
    match args[1..].as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(CommandError::WrongArity(Cow::Borrowed(command))),
    }
}

/// Shows `f` the string of every key in order; none where another type is.
fn read_all<K: AsRef<[u8]>>(
    turn: &mut Turn<'_>,
    keys: &[K],
    mut f: impl FnMut(Option<StrRef<'_>>),
) -> Result<(), CommandError> {
    for group in keys.chunks(GROUP_KEYS) {
        for key in &turn.prepare(group.iter().map(AsRef::as_ref))? {
            match turn.read(key) {
                Some(entry) => f(entry.as_string()),
                None => f(None),
            }
        }
    }
    Ok(())
}

fn store_all(turn: &mut Turn<'_>, pairs: &[impl Pair]) -> Result<(), CommandError> {
    for group in pairs.chunks(GROUP_KEYS) {
        let keys = turn.prepare(group.iter().map(Pair::key))?;
        for (key, pair) in keys.iter().zip(group) {
            store(turn, key, StrRef::of(pair.value()), SetIf::Always, NewExpiry::Clear);
        }
    }
    Ok(())
}

fn are_missing(turn: &mut Turn<'_>, pairs: &[impl Pair]) -> Result<bool, CommandError> {
    for group in pairs.chunks(GROUP_KEYS) {
        let keys = turn.prepare(group.iter().map(Pair::key))?;
        if keys.iter().any(|key| turn.find(key).is_some()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Demands that every key belongs to the turn, before the first is changed.
fn check_keys(turn: &Turn<'_>, pairs: &[impl Pair]) -> Result<(), CommandError> {
    pairs.iter().try_for_each(|pair| turn.key(pair.key()).map(drop))
}

impl Turn<'_> {
    /// The strings at `keys`, copied; `None` where there is no string. O(keys + bytes).
    pub fn mget(&mut self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<Bytes>>, CommandError> {
        let mut values = Vec::with_capacity(keys.len());
        let copy = |value: StrRef<'_>| value.with_bytes(Bytes::copy_from_slice);
        read_all(self, keys, |value| values.push(value.map(copy)))?;
        Ok(values)
    }

    /// Stores each value at its key, whatever was there; of a key that comes twice the last value stays. O(bytes).
    pub fn mset(&mut self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<(), CommandError> {
        check_keys(self, pairs)?;
        store_all(self, pairs)
    }

    /// Stores each value at its key if none of the keys exists; says whether it stored. O(bytes).
    pub fn mset_nx(&mut self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<bool, CommandError> {
        check_keys(self, pairs)?;
        let stored = are_missing(self, pairs)?;
        if stored {
            store_all(self, pairs)?;
        }
        Ok(stored)
    }
}

impl Engine {
    /// The strings at `keys` at one moment, copied; `None` where there is no key, or another type. O(keys + bytes).
    /// Follows MGET of Redis 7.2; records nothing. See [`Engine::get_many`] for the faster way that is not one moment.
    pub fn mget(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<Bytes>>, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&held, Access::Read, |turn| turn.mget(&held))
    }

    /// Stores each value at its key at one moment, whatever was there; expiries are cleared. Of a key that comes twice
    /// the last value stays. O(bytes). Follows MSET of Redis 7.2; records a `SET` for each pair, in one batch.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.mset(&[("a", "1"), ("b", "2")])?;
    /// assert_eq!(db.mget(&["b", "c"])?, [Some("2".into()), None]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn mset(&self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<(), CommandError> {
        let keys: Vec<&[u8]> = pairs.iter().map(Pair::key).collect();
        self.on_keys(&keys, Access::Grow, |turn| store_all(turn, pairs))
    }

    /// Stores each value at its key at one moment if none of the keys exists; says whether it stored. O(bytes). Follows
    /// MSETNX of Redis 7.2; records a `SET` for each pair, in one batch.
    pub fn mset_nx(&self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<bool, CommandError> {
        let keys: Vec<&[u8]> = pairs.iter().map(Pair::key).collect();
        self.on_keys(&keys, Access::Grow, |turn| turn.mset_nx(pairs))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn many_keys_are_one_batch() {
        let bench = Bench::new();
        bench.run("SET b old EX 10");
        bench.batches();
        assert_eq!(bench.run("MSET a 1 b 2 c 3 a 4"), Value::Ok);
        let batches = bench.batches();
        assert_eq!((batches.len(), batches[0].slots.len()), (1, 3));
        assert_eq!(batches[0].effects[3], [&b"SET"[..], b"a", b"4"]);
        assert_eq!(bench.ask("MGET c none a b"), "*4\r\n$1\r\n3\r\n$-1\r\n$1\r\n4\r\n$1\r\n2\r\n");
        bench.assert_replays();
    }

    #[test]
    fn one_key_that_exists_keeps_all_from_being_stored() {
        let bench = Bench::new();
        assert_eq!(bench.run("MSETNX a 1 b 2 b 3"), Value::Integer(1));
        assert_eq!(bench.run("MSETNX c 1 a 2"), Value::Integer(0));
        assert_eq!(bench.run("MGET a b c"), Value::Array(vec![Value::bulk("1"), Value::bulk("3"), Value::Nil]));
        assert_eq!(bench.effects(), ["SET a 1", "SET b 2", "SET b 3"]);
        bench.assert_replays();
    }

    #[test]
    fn more_keys_than_a_group_keep_their_order() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..100).map(|n| (format!("key:{n}"), format!("value {n}"))).collect();
        bench.db.mset(&pairs).unwrap();
        let keys: Vec<_> = (0..110).map(|n| format!("key:{n}")).collect();
        let values = bench.db.mget(&keys).unwrap();
        for (n, value) in values.iter().enumerate() {
            let expected = (n < 100).then(|| format!("value {n}").into());
            assert_eq!(*value, expected);
        }
        bench.assert_replays();
    }

    #[test]
    fn a_key_without_a_value_is_refused_under_the_name_of_the_command() {
        let bench = Bench::new();
        assert_eq!(bench.error("MSET a 1 b"), "ERR wrong number of arguments for 'mset' command");
        assert_eq!(bench.error("MSETNX a 1 b"), "ERR wrong number of arguments for 'msetnx' command");
        bench.db.set_cluster(true);
        assert_eq!(bench.error("MSET a 1 b 2"), "CROSSSLOT Keys in request don't hash to the same slot");
        assert!(bench.db.mset(&[("a", "1"), ("b", "2")]).is_err());
        assert!(bench.effects().is_empty());
    }
}
