//! `SDIFF key [key ...]`, `SDIFFSTORE destination key [key ...]`: the members of the first set that no other has.
//!
//! Reply: the members; how many were stored. Effect of storing: `DEL destination`, then `SADD destination member ...` in
//! pieces.

use super::algebra::{Sources, new_result, store, write_result};
use super::copied;
use crate::command::row::flag::{DENYOOM, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::set::{NewSet, SetRef};
use bytes::Bytes;

pub(super) const SDIFF: Row = Row::new("sdiff", -2, Run::Turn(sdiff))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).range(-1, 1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns the difference of multiple sets.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the total number of elements in all given sets.")
    .args("key:key#0*");

pub(super) const SDIFFSTORE: Row = Row::new("sdiffstore", -3, Run::Turn(sdiffstore))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).range(-1, 1).ro().access()])
    .summary("Stores the difference of multiple sets in a key.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the total number of elements in all given sets.")
    .args("destination:key#0 key:key#1*");

fn sdiff(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let sources = Sources::read(turn, &args[1..])?;
    let rest = new_result(turn);
    write_result(reply, |f| subtract(&sources, rest, f));
    Ok(())
}

fn sdiffstore(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.sdiffstore(args[1], &args[2..])? as i64);
    Ok(())
}

/// Whether asking the other sets for each member of the first takes less work than striking their members out of a copy: the
/// choice that Redis makes, on which the form of a stored result depends.
fn is_asking_cheaper(first: SetRef<'_>, others: &[SetRef<'_>]) -> bool {
    let all = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    first.len() * (others.len() + 1) / 2 <= all
}

/// Calls `f` with the members of the first set that no other has.
fn subtract(sources: &Sources, rest: NewSet, f: &mut dyn FnMut(StrRef<'_>)) {
    let (Some(first), mut others) = sources.first_and_rest() else { return };
    if is_asking_cheaper(first, &others) {
        // A large set is most likely to have a member.
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        first.for_each(|member| {
            if !others.iter().any(|other| other.contains(member)) {
                f(member);
            }
        });
    } else {
        strike(first, &others, rest).as_set().for_each(f);
    }
}

/// The first set without the members of the others.
fn strike(first: SetRef<'_>, others: &[SetRef<'_>], mut rest: NewSet) -> NewSet {
    if !rest.begin_with(first) {
        first.for_each(|member| {
            rest.add(member);
        });
    }
    for other in others {
        other.for_each(|member| {
            rest.remove(member);
        });
    }
    rest
}

impl Turn<'_> {
    /// The members of the set at the first of `keys` that no other has, copied.
    pub fn sdiff(&mut self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let sources = Sources::read(self, keys)?;
        let mut members = Vec::new();
        subtract(&sources, new_result(self), &mut |member| members.push(copied(member)));
        Ok(members)
    }

    /// Stores the members of the set at the first of `keys` that no other has at `destination`; says how many.
    pub fn sdiffstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.key(destination.as_ref())?;
        let sources = Sources::read(self, keys)?;
        let mut result = new_result(self);
        if let (Some(first), others) = sources.first_and_rest() {
            if is_asking_cheaper(first, &others) {
                subtract(&sources, new_result(self), &mut |member| {
                    result.add(member);
                });
            } else {
                result = strike(first, &others, result);
            }
        }
        drop(sources);
        store(self, destination.as_ref(), result, "sdiffstore")
    }
}

impl Engine {
    /// The members of the set at the first of `keys` that no other has at one moment, copied. Fails with WRONGTYPE on other
    /// types. O(members), or O(first set x keys) where that is less. Follows SDIFF of Redis 7.2.
    pub fn sdiff(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&held, Access::Read, |turn| turn.sdiff(&held))
    }

    /// Stores the members of the set at the first of `keys` that no other has at `destination`, in the place of what is
    /// there; says how many. As [`Engine::sdiff`] otherwise. Records `DEL` and `SADD`.
    pub fn sdiffstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let destination = destination.as_ref();
        self.on_target(destination, keys, |turn| turn.sdiffstore(destination, keys))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;
    use std::collections::BTreeSet;

    #[test]
    fn both_ways_give_what_only_the_first_has() {
        let bench = Bench::new();
        let of = |range: std::ops::Range<u32>| range.map(|n| format!("m{n}")).collect::<Vec<_>>();
        bench.db.sadd_many("a", &of(0..1_000)).unwrap();
        bench.db.sadd_many("b", &of(100..1_500)).unwrap();
        for (key, from) in [("c", 0), ("d", 3), ("e", 50), ("f", 990)] {
            bench.db.sadd_many(key, &of(from..from + 5)).unwrap();
        }
        for keys in [&["a", "b"][..], &["a", "c", "d", "e", "f", "none"], &["c", "a"], &["none", "a"], &["a"]] {
            let mut expected: BTreeSet<_> = bench.db.smembers(keys[0]).unwrap().into_iter().collect();
            for key in &keys[1..] {
                bench.db.smembers(key).unwrap().iter().for_each(|member| {
                    expected.remove(member);
                });
            }
            let members = bench.db.sdiff(keys).unwrap();
            assert_eq!(bench.db.sdiffstore("x", keys).unwrap(), expected.len());
            assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), expected);
            assert_eq!(bench.db.smembers("x").unwrap().into_iter().collect::<BTreeSet<_>>(), expected);
        }
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn integers_are_the_same_members_in_every_form() {
        let bench = Bench::new();
        let long = "x".repeat(100);
        bench.run(&format!("SADD table 1 7 {long}"));
        bench.run("SADD packed 7 x");
        bench.run("SADD integers 7 8");
        for other in ["packed", "integers"] {
            let left: BTreeSet<_> = bench.db.sdiff(&["table", other]).unwrap().into_iter().collect();
            assert_eq!(left, BTreeSet::from(["1".into(), long.clone().into()]), "{other}");
            assert_eq!(bench.db.sinter(&["table", other]).unwrap(), ["7"]);
            assert_eq!(bench.db.sunion(&[other, "table"]).unwrap().len(), 4);
        }
    }

    #[test]
    fn the_result_may_take_the_place_of_a_source() {
        let bench = Bench::new();
        bench.run("SADD a 1 2 3");
        bench.run("SADD b 2");
        bench.effects();
        assert_eq!(bench.run("SDIFFSTORE a a b"), Value::Integer(2));
        assert_eq!(bench.effects(), ["DEL a", "SADD a 1 3"]);
        assert_eq!(bench.run("SDIFFSTORE a a a"), Value::Integer(0));
        assert_eq!(bench.run("EXISTS a"), Value::Integer(0));
        bench.run("SET s v");
        assert_eq!(bench.error("SDIFF none s"), "WRONGTYPE Operation against a key holding the wrong kind of value");
        bench.assert_replays();
    }
}
