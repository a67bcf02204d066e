//! `SPOP key [count]`: takes members out that are chosen at random.
//!
//! Reply: a member or null; with a count the members, each another one. Effect: `SREM key member ...` in pieces; `DEL key`
//! if none is left.

use super::removal::discard_if_empty;
use super::{copied, find_set};
use crate::command::choice::choose;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, PIECE_WORDS, Turn};
use crate::value::StrRef;
use bytes::Bytes;

pub(super) const SPOP: Row = Row::new("spop", -2, Run::Turn(spop))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .tips("nondeterministic_output")
    .summary("Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.")
    .docs(
        Group::Set,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    )
    .history(&[("3.2.0", "Added the `count` argument.")])
    .args("key:key#0 count:integer@3.2.0?");

fn spop(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = match args[2..] {
        [] => None,
        [count] => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::MustBePositive)?)
        }
        _ => return Err(CommandError::Syntax),
    };
    let key = turn.key(args[1])?;
    match count {
        None => match pop_one(turn, &key)? {
            Some(member) => reply.bulk(&member),
            None => reply.null(),
        },
        Some(count) => {
            let members = pop_many(turn, &key, count)?;
            reply.set(members.len());
            members.iter().for_each(|member| reply.bulk(member));
        }
    }
    Ok(())
}

fn pop_one(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Bytes>, CommandError> {
    let Some(spot) = find_set(turn, key)? else { return Ok(None) };
    let core = turn.core();
    let member = {
        let entry = turn.entry(key, spot);
        entry.as_set().and_then(|set| set.random(|below| core.random_below(below))).map(copied)
    };
    let Some(member) = member else { return Ok(None) };
    turn.update(key, spot, |entry| entry.remove_from_set(StrRef::of(&member)));
    turn.record(&[b"SREM", key.bytes, &member]);
    turn.notify(EventClass::Set, "spop", key.bytes);
    discard_if_empty(turn, key, spot);
    Ok(Some(member))
}

fn pop_many(turn: &mut Turn<'_>, key: &Key<'_>, count: usize) -> Result<Vec<Bytes>, CommandError> {
    let Some(spot) = find_set(turn, key)? else { return Ok(Vec::new()) };
    if count == 0 {
        return Ok(Vec::new());
    }
    let core = turn.core();
    let (members, is_whole) = {
        let entry = turn.entry(key, spot);
        let Some(set) = entry.as_set() else { return Ok(Vec::new()) };
        let mut members = Vec::with_capacity(count.min(set.len()));
        choose(set, count, |below| core.random_below(below), |member| members.push(copied(member)));
        let is_whole = members.len() == set.len();
        (members, is_whole)
    };
    turn.notify(EventClass::Set, "spop", key.bytes);
    if is_whole {
        turn.discard(key, spot);
        turn.record(&[b"DEL", key.bytes]);
        turn.notify(EventClass::Generic, "del", key.bytes);
        return Ok(members);
    }
    turn.update(key, spot, |entry| {
        members.iter().for_each(|member| {
            entry.remove_from_set(StrRef::of(member));
        });
    });
    for piece in members.chunks(PIECE_WORDS) {
        let mut effect: Vec<&[u8]> = vec![b"SREM", key.bytes];
        effect.extend(piece.iter().map(AsRef::as_ref));
        turn.record(&effect);
    }
    Ok(members)
}

impl Turn<'_> {
    /// Takes a member out of the set at `key` that is chosen at random. O(1).
    pub fn spop(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        pop_one(self, &key)
    }

    /// Takes up to `count` members out of the set at `key` that are chosen at random. O(count).
    pub fn spop_many(&mut self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        pop_many(self, &key, count)
    }
}

impl Engine {
    /// Takes a member out of the set at `key`, each with the same chance; `None` if there is no such key. Fails with
    /// WRONGTYPE on other types. O(1), O(n) while the set is small. Follows SPOP of Redis 7.2; records `SREM`.
    pub fn spop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.spop(key))
    }

    /// Takes up to `count` members out of the set at `key`, every choice with the same chance. As [`Engine::spop`]
    /// otherwise. O(count), O(n) where that is a large part of the set. Records `SREM`, or `DEL` if none is left.
    pub fn spop_many(&self, key: impl AsRef<[u8]>, count: usize) -> Result<Vec<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.spop_many(key, count))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_popped_was_there_and_is_recorded() {
        let bench = Bench::new();
        for (size, count) in [(1, 1), (10, 3), (300, 7), (600, 1), (600, 599), (3_000, 10), (3_000, 2_500)] {
            let before: BTreeSet<String> = (0..size).map(|n| format!("m{n}")).collect();
            bench.db.sadd_many("k", &before.iter().collect::<Vec<_>>()).unwrap();
            let popped: BTreeSet<_> = bench.db.spop_many("k", count).unwrap().into_iter().collect();
            let left: BTreeSet<_> = bench.db.smembers("k").unwrap().into_iter().collect();
            assert_eq!((popped.len(), left.len()), (count, size - count));
            assert!(popped.is_disjoint(&left));
            assert_totals(&bench.db);
            bench.assert_replays();
            bench.db.del("k").unwrap();
        }
    }

    #[test]
    fn one_member_at_a_time_until_the_key_is_gone() {
        let bench = Bench::new();
        bench.run("SADD k 1 b");
        bench.effects();
        bench.run("SPOP k");
        bench.run("SPOP k");
        assert_eq!(bench.run("SPOP k"), Value::Nil);
        let effects = bench.effects();
        assert!(effects.len() == 2 && effects.iter().all(|effect| effect.starts_with("SREM k ")), "{effects:?}");
        bench.run("SADD k 1 2 3");
        bench.effects();
        assert_eq!(bench.db.spop_many("k", usize::MAX).unwrap().len(), 3);
        assert_eq!(bench.effects(), ["DEL k"]);
        bench.assert_replays();
    }

    #[test]
    fn counts_are_checked_first() {
        let bench = Bench::new();
        bench.run("SET s v");
        for count in ["x", "-1", "9223372036854775808"] {
            assert_eq!(bench.error(&format!("SPOP s {count}")), "ERR value is out of range, must be positive");
        }
        assert_eq!(bench.error("SPOP s 1 2"), "ERR syntax error");
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(bench.error("SPOP s 0"), wrong);
        assert_eq!(bench.error("SPOP s"), wrong);
        assert_eq!(bench.ask("SPOP none 3"), "*0\r\n");
        assert_eq!(bench.ask("SPOP none"), "$-1\r\n");
    }
}
