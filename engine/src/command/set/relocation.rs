//! `SMOVE source destination member`: takes a member out of one set and adds it to another.
//!
//! Reply: 1 if it was in the source, else 0. Effects: `SREM source member`; `SADD destination member` if it was not there:
//! the two may lie in different slots.

use super::removal::discard_if_empty;
use super::{add, find_set};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};

pub(super) const SMOVE: Row = Row::new("smove", 4, Run::Turn(smove))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete(), KeySpec::index(2).rw().insert()])
    .summary("Moves a member from one set to another.")
    .docs(Group::Set, "1.0.0", "O(1)")
    .args("source:key#0 destination:key#1 member:string");

fn smove(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let moved = relocate(turn, args[1], args[2], args[3])?;
    reply.integer(moved.into());
    Ok(())
}

fn relocate(turn: &mut Turn<'_>, source: &[u8], destination: &[u8], member: &[u8]) -> Result<bool, CommandError> {
    let (from, to) = (turn.key(source)?, turn.key(destination)?);
    // The destination first: where it is due and deleted, what is found afterwards stays where it is found.
    let target = turn.find(&to);
    let Some(spot) = turn.find(&from) else { return Ok(false) };
    let value = StrRef::of(member);
    let is_there = turn.entry(&from, spot).as_set().ok_or(CommandError::WrongType)?.contains(value);
    if let Some(target) = target
        && turn.entry(&to, target).as_set().is_none()
    {
        return Err(CommandError::WrongType);
    }
    if source == destination || !is_there {
        return Ok(is_there);
    }
    turn.update(&from, spot, |entry| entry.remove_from_set(value));
    turn.record(&[b"SREM", from.bytes, member]);
    turn.notify(EventClass::Set, "srem", from.bytes);
    discard_if_empty(turn, &from, spot);
    debug_assert!(find_set(turn, &to).is_ok(), "checked above");
    add::add(turn, &to, &[member])?;
    Ok(true)
}

impl Turn<'_> {
    /// Moves `member` from the set at `source` to the one at `destination`; says whether it was in the source. O(1).
    pub fn smove(
        &mut self,
        source: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        member: impl AsValue,
    ) -> Result<bool, CommandError> {
        let (source, destination) = (source.as_ref(), destination.as_ref());
        member.with_value(|member| member.with_bytes(|member| relocate(self, source, destination, member)))
    }
}

impl Engine {
    /// Moves `member` from the set at `source` to the one at `destination`, at one moment; says whether it was in the
    /// source. Fails with WRONGTYPE if either is another type. O(1). Follows SMOVE of Redis 7.2; records `SREM` and `SADD`.
    pub fn smove(
        &self,
        source: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        member: impl AsValue,
    ) -> Result<bool, CommandError> {
        let (source, destination) = (source.as_ref(), destination.as_ref());
        self.on_keys(&[source, destination], Access::Write, |turn| turn.smove(source, destination, member))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn a_member_moves_and_each_slot_has_its_own_effect() {
        let bench = Bench::new();
        bench.run("SADD a x 1");
        bench.run("SADD b x");
        bench.effects();
        assert_eq!(bench.run("SMOVE a b none"), Value::Integer(0));
        assert_eq!(bench.run("SMOVE a a x"), Value::Integer(1));
        assert_eq!(bench.run("SMOVE a b 1"), Value::Integer(1));
        assert_eq!(bench.run("SMOVE a b x"), Value::Integer(1));
        assert_eq!(bench.run("EXISTS a"), Value::Integer(0));
        assert_eq!(bench.db.smembers("b").unwrap(), ["x", "1"]);
        assert_eq!(bench.effects(), ["SREM a 1", "SADD b 1", "SREM a x"]);
        assert!(bench.db.smove("b", "c", 1).unwrap());
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn types_are_checked_before_anything_moves() {
        let bench = Bench::new();
        bench.run("SET s v");
        bench.run("SADD a x");
        bench.effects();
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(bench.error("SMOVE a s x"), wrong);
        assert_eq!(bench.error("SMOVE a s none"), wrong);
        assert_eq!(bench.error("SMOVE s a x"), wrong);
        assert_eq!(bench.run("SMOVE none s x"), Value::Integer(0));
        assert!(bench.effects().is_empty());
    }
}
