//! `SINTER key [key ...]`, `SINTERSTORE destination key [key ...]`, `SINTERCARD numkeys key [key ...] [LIMIT limit]`: the
//! members that several sets have in common.
//!
//! Reply: the members; how many were stored; how many there are. Effect of storing: `DEL destination`, then `SADD
//! destination member ...` in pieces. The smallest set is walked, the others are asked.

use super::algebra::{Sources, new_result, store, write_result};
use super::copied;
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StrRef;
use bytes::Bytes;

pub(super) const SINTER: Row = Row::new("sinter", -2, Run::Turn(sinter))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).range(-1, 1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns the intersect of multiple sets.")
    .docs(Group::Set, "1.0.0", COMPLEXITY)
    .args("key:key#0*");

pub(super) const SINTERSTORE: Row = Row::new("sinterstore", -3, Run::Turn(sinterstore))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().update(), KeySpec::index(2).range(-1, 1).ro().access()])
    .summary("Stores the intersect of multiple sets in a key.")
    .docs(Group::Set, "1.0.0", COMPLEXITY)
    .args("destination:key#0 key:key#1*");

pub(super) const SINTERCARD: Row = Row::new("sintercard", -3, Run::Turn(sintercard))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).counted().ro().access()])
    .summary("Returns the number of members of the intersect of multiple sets.")
    .docs(Group::Set, "7.0.0", COMPLEXITY)
    .args("numkeys:integer key:key#0* limit:integer?=LIMIT");

const COMPLEXITY: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";

fn sinter(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let sources = Sources::read(turn, &args[1..])?;
    write_result(reply, |f| {
        intersect(&sources, |member| {
            f(member);
            true
        });
    });
    Ok(())
}

fn sinterstore(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.sinterstore(args[1], &args[2..])? as i64);
    Ok(())
}

fn sintercard(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let few = CommandError::text("ERR numkeys should be greater than 0");
    let key_count = parse_i64(args[1]).filter(|count| *count > 0).ok_or(few)?;
    let key_count = usize::try_from(key_count).ok().filter(|count| *count <= args.len() - 2);
    let key_count = key_count.ok_or(CommandError::text("ERR Number of keys can't be greater than number of args"))?;
    let (keys, mut words) = args[2..].split_at(key_count);
    let mut limit = 0;
    while let [word, rest @ ..] = words {
        let (true, [number, rest @ ..]) = (word.eq_ignore_ascii_case(b"LIMIT"), rest) else {
            return Err(CommandError::Syntax);
        };
        let number = parse_i64(number).and_then(|number| usize::try_from(number).ok());
        limit = number.ok_or(CommandError::text("ERR LIMIT can't be negative"))?;
        words = rest;
    }
    reply.integer(turn.sintercard(keys, limit)? as i64);
    Ok(())
}

/// Calls `f` with the members that all sets have, until it returns false.
fn intersect<'a>(sources: &'a Sources, mut f: impl FnMut(StrRef<'a>) -> bool) {
    if sources.has_gap() {
        return;
    }
    let mut sets = sources.present();
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains(member)) && !f(member) {
            return;
        }
    }
}

impl Turn<'_> {
    /// The members that the sets at all `keys` have, copied.
    pub fn sinter(&mut self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let sources = Sources::read(self, keys)?;
        let mut members = Vec::new();
        intersect(&sources, |member| {
            members.push(copied(member));
            true
        });
        Ok(members)
    }

    /// Stores the members that the sets at all `keys` have at `destination`; says how many.
    pub fn sinterstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.key(destination.as_ref())?;
        let sources = Sources::read(self, keys)?;
        let mut result = new_result(self);
        intersect(&sources, |member| {
            result.add(member);
            true
        });
        drop(sources);
        store(self, destination.as_ref(), result, "sinterstore")
    }

    /// How many members the sets at all `keys` have in common; counts up to `limit` of them unless that is 0.
    pub fn sintercard(&mut self, keys: &[impl AsRef<[u8]>], limit: usize) -> Result<usize, CommandError> {
        let sources = Sources::read(self, keys)?;
        let mut count = 0;
        intersect(&sources, |_| {
            count += 1;
            count != limit
        });
        Ok(count)
    }
}

impl Engine {
    /// The members that the sets at all `keys` have at one moment, copied. Fails with WRONGTYPE on other types. O(smallest
    /// set x keys). Follows SINTER of Redis 7.2.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.sadd_many("a", &["1", "2", "3"])?;
    /// db.sadd_many("b", &["2", "3", "4"])?;
    /// assert_eq!(db.sinter(&["a", "b"])?, ["2", "3"]);
    /// assert_eq!(db.sdiffstore("only a", &["a", "b"])?, 1);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn sinter(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&held, Access::Read, |turn| turn.sinter(&held))
    }

    /// Stores the members that the sets at all `keys` have at `destination`, in the place of what is there; says how many.
    /// As [`Engine::sinter`] otherwise. Records `DEL` and `SADD`.
    pub fn sinterstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let destination = destination.as_ref();
        self.on_target(destination, keys, |turn| turn.sinterstore(destination, keys))
    }

    /// How many members the sets at all `keys` have in common; counts up to `limit` of them unless that is 0. As
    /// [`Engine::sinter`] otherwise. Follows SINTERCARD of Redis 7.2.
    pub fn sintercard(&self, keys: &[impl AsRef<[u8]>], limit: usize) -> Result<usize, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&held, Access::Read, |turn| turn.sintercard(&held, limit))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn what_all_sets_have_is_told_counted_and_stored() {
        let bench = Bench::new();
        bench.run("SADD a 1 2 3 4 x");
        bench.run("SADD b 2 3 4 y");
        let large: Vec<String> = (3..1_000).map(|n| n.to_string()).collect();
        bench.db.sadd_many("c", &large).unwrap();
        bench.run("SET d old EX 100");
        assert_eq!(bench.db.sinter(&["a", "b", "c"]).unwrap(), ["3", "4"]);
        assert_eq!(bench.run("SINTERCARD 2 a b"), Value::Integer(3));
        assert_eq!(bench.run("SINTERCARD 2 a b LIMIT 2"), Value::Integer(2));
        assert_eq!(bench.run("SINTERCARD 2 a b LIMIT 0"), Value::Integer(3));
        bench.effects();
        assert_eq!(bench.run("SINTERSTORE d c a b"), Value::Integer(2));
        assert_eq!(bench.effects(), ["DEL d", "SADD d 3 4"]);
        assert_eq!((bench.run("TTL d"), bench.run("OBJECT ENCODING d")), (Value::Integer(-1), Value::bulk("intset")));
        assert_eq!(bench.run("SINTERSTORE a a a"), Value::Integer(5));
        assert_eq!(bench.run("SINTERSTORE d a none"), Value::Integer(0));
        assert_eq!((bench.run("EXISTS d"), bench.effects().pop()), (Value::Integer(0), Some("DEL d".into())));
        assert_eq!(bench.run("SINTERSTORE d a none"), Value::Integer(0));
        assert!(bench.effects().is_empty());
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        bench.run("SET s v");
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        for request in ["SINTER none s", "SINTERSTORE d none s", "SINTERCARD 2 none s"] {
            assert_eq!(bench.error(request), wrong);
        }
        for (request, error) in [
            ("SINTERCARD 0 a", "ERR numkeys should be greater than 0"),
            ("SINTERCARD x a", "ERR numkeys should be greater than 0"),
            ("SINTERCARD 2 a", "ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 1 a LIMIT -1", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 a LIMIT x", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 a LIMIT", "ERR syntax error"),
            ("SINTERCARD 1 a b", "ERR syntax error"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
    }
}
