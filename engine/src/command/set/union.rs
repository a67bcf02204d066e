//! `SUNION key [key ...]`, `SUNIONSTORE destination key [key ...]`: the members that any of several sets has.
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

pub(super) const SUNION: Row = Row::new("sunion", -2, Run::Turn(sunion))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).range(-1, 1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns the union of multiple sets.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the total number of elements in all given sets.")
    .args("key:key#0*");

pub(super) const SUNIONSTORE: Row = Row::new("sunionstore", -3, Run::Turn(sunionstore))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).range(-1, 1).ro().access()])
    .summary("Stores the union of multiple sets in a key.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the total number of elements in all given sets.")
    .args("destination:key#0 key:key#1*");

fn sunion(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let sources = Sources::read(turn, &args[1..])?;
    let small = new_result(turn);
    write_result(reply, |f| unite(&sources, small, f));
    Ok(())
}

fn sunionstore(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.sunionstore(args[1], &args[2..])? as i64);
    Ok(())
}

/// Calls `f` with the members of any set, each once.
///
/// Where a large set is among a few, each member is looked for in the sets before its own, which makes nothing; else the
/// union is made and walked.
fn unite(sources: &Sources, mut small: NewSet, f: &mut dyn FnMut(StrRef<'_>)) {
    let mut sets = sources.present();
    let has_table = sets.iter().any(|set| matches!(set, SetRef::Table(_)));
    if !has_table || sets.len() > ASKED_SETS_MAX {
        sets.iter().for_each(|set| {
            set.for_each(|member| {
                small.add(member);
            })
        });
        return small.as_set().for_each(f);
    }
    // Then members of the largest set need no question.
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    for (at, set) in sets.iter().enumerate() {
        set.for_each(|member| {
            if !sets[..at].iter().any(|other| other.contains(member)) {
                f(member);
            }
        });
    }
}

impl Turn<'_> {
    /// The members that any of the sets at `keys` has, copied.
    pub fn sunion(&mut self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let sources = Sources::read(self, keys)?;
        let mut members = Vec::new();
        unite(&sources, new_result(self), &mut |member| members.push(copied(member)));
        Ok(members)
    }

    /// Stores the members that any of the sets at `keys` has at `destination`; says how many.
    pub fn sunionstore(
        &mut self,
        destination: impl AsRef<[u8]>,
        keys: &[impl AsRef<[u8]>],
    ) -> Result<usize, CommandError> {
        self.key(destination.as_ref())?;
        let sources = Sources::read(self, keys)?;
        let mut result = new_result(self);
        let mut sets = sources.present();
        let largest = sets.iter().enumerate().max_by_key(|(_, set)| set.len()).map(|(at, _)| at);
        if let Some(at) = largest.filter(|at| result.begin_with(sets[*at])) {
            sets.swap_remove(at);
        }
        for set in sets {
            set.for_each(|member| {
                result.add(member);
            });
        }
        drop(sources);
        store(self, destination.as_ref(), result, "sunionstore")
    }
}

impl Engine {
    /// The members that any of the sets at `keys` has at one moment, copied. Fails with WRONGTYPE on other types. O(members).
    /// Follows SUNION of Redis 7.2.
    pub fn sunion(&self, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Bytes>, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&held, Access::Read, |turn| turn.sunion(&held))
    }

    /// Stores the members that any of the sets at `keys` has at `destination`, in the place of what is there; says how many.
    /// As [`Engine::sunion`] otherwise. Records `DEL` and `SADD`.
    pub fn sunionstore(&self, destination: impl AsRef<[u8]>, keys: &[impl AsRef<[u8]>]) -> Result<usize, CommandError> {
        let destination = destination.as_ref();
        self.on_target(destination, keys, |turn| turn.sunionstore(destination, keys))
    }
}

/// More sets than this are united in a set of their own.
const ASKED_SETS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;
    use std::collections::BTreeSet;

    #[test]
    fn unions_of_every_form_have_each_member_once() {
        let bench = Bench::new();
        let of = |range: std::ops::Range<u32>| range.map(|n| format!("m{n}")).collect::<Vec<_>>();
        bench.run("SADD numbers 3 1 2");
        bench.run("SADD words 2 a b");
        for (at, range) in [0..500, 250..900, 100..120, 800..2_000].into_iter().enumerate() {
            bench.db.sadd_many(format!("t{at}"), &of(range)).unwrap();
        }
        assert_eq!(bench.db.sunion(&["numbers", "words", "none"]).unwrap(), ["1", "2", "3", "a", "b"]);
        for keys in
            [&["t0", "t1", "t2"][..], &["t2", "t0", "words", "t3"], &["t0", "t1", "t2", "t3", "numbers", "words"]]
        {
            let members = bench.db.sunion(keys).unwrap();
            let stored = bench.db.sunionstore("d", keys).unwrap();
            let expected: BTreeSet<_> = keys.iter().flat_map(|key| bench.db.smembers(key).unwrap()).collect();
            assert_eq!((members.len(), stored), (expected.len(), expected.len()));
            assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), expected);
            assert_eq!(bench.db.smembers("d").unwrap().into_iter().collect::<BTreeSet<_>>(), expected);
        }
        assert_eq!(bench.run("SUNIONSTORE words words numbers"), Value::Integer(5));
        assert_eq!(bench.effects().pop().unwrap(), "SADD words 2 a b 1 3");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn nothing_stored_is_no_key() {
        let bench = Bench::new();
        bench.run("SET d v");
        assert_eq!(bench.run("SUNIONSTORE d a b"), Value::Integer(0));
        assert_eq!(bench.effects(), ["SET d v", "DEL d"]);
        assert_eq!(bench.ask("SUNION a b"), "*0\r\n");
        bench.assert_replays();
    }
}
