//! `SREM key member [member ...]`: takes members out of a set.
//!
//! Reply: how many were there. Effect: `SREM key member ...` with the members as they came; none if none was there. A set
//! without members is no key.

use super::find_set;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::{AsValue, StrRef};
use smallvec::SmallVec;

pub(super) const SREM: Row = Row::new("srem", -3, Run::Turn(srem))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Removes one or more members from a set. Deletes the set if the last member was removed.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the number of members to be removed.")
    .history(&[("2.4.0", "Accepts multiple `member` arguments.")])
    .args("key:key#0 member:string*");

fn srem(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    reply.integer(remove(turn, &key, &args[2..])? as i64);
    Ok(())
}

/// Takes members out; says how many were there.
pub(super) fn remove(turn: &mut Turn<'_>, key: &Key<'_>, members: &[&[u8]]) -> Result<usize, CommandError> {
    let Some(spot) = find_set(turn, key)? else { return Ok(0) };
    let first = {
        let entry = turn.entry(key, spot);
        let set = entry.as_set().ok_or(CommandError::WrongType)?;
        members.iter().position(|member| set.contains(StrRef::of(member)))
    };
    let Some(first) = first else { return Ok(0) };
    let count = turn.update(key, spot, |entry| {
        members[first..].iter().filter(|member| entry.remove_from_set(StrRef::of(member))).count()
    });
    let mut effect: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(&[b"SREM", key.bytes]);
    effect.extend_from_slice(members);
    turn.record(&effect);
    turn.notify(EventClass::Set, "srem", key.bytes);
    discard_if_empty(turn, key, spot);
    Ok(count)
}

/// Removes the key of a set without members.
pub(super) fn discard_if_empty(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot) {
    if turn.entry(key, spot).as_set().is_some_and(|set| set.is_empty()) {
        turn.discard(key, spot);
        turn.notify(EventClass::Generic, "del", key.bytes);
    }
}

impl Turn<'_> {
    /// Takes `member` out of the set at `key`; says whether it was there. O(1).
    pub fn srem(&mut self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        member.with_value(|member| member.with_bytes(|member| Ok(remove(self, &key, &[member])? > 0)))
    }

    /// Takes `members` out of the set at `key`; says how many were there. O(members).
    pub fn srem_many<M: AsRef<[u8]>>(&mut self, key: impl AsRef<[u8]>, members: &[M]) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let members: Vec<&[u8]> = members.iter().map(AsRef::as_ref).collect();
        remove(self, &key, &members)
    }
}

impl Engine {
    /// Takes `member` out of the set at `key`; says whether it was there. With the last member the key goes. Fails with
    /// WRONGTYPE on other types. O(1), O(n) while the set is small. Follows SREM of Redis 7.2; records `SREM`.
    pub fn srem(&self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.srem(key, member))
    }

    /// Takes `members` out of the set at `key`; says how many were there. As [`Engine::srem`] otherwise.
    pub fn srem_many<M: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, members: &[M]) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.srem_many(key, members))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn the_key_goes_with_the_last_member() {
        let bench = Bench::new();
        for members in [&["1", "2", "3"][..], &["a", "b", "3"], &["a", "b", &"c".repeat(100)]] {
            bench.db.sadd_many("k", members).unwrap();
            assert_eq!(bench.run("SREM k nothing 9"), Value::Integer(0));
            assert_eq!(bench.db.srem_many("k", &[members[0], "nothing", members[0], members[1]]).unwrap(), 2);
            assert_eq!(bench.run("SCARD k"), Value::Integer(1));
            assert!(bench.db.srem("k", members[2]).unwrap());
            assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
            assert_totals(&bench.db);
        }
        assert_eq!(bench.effects()[..3], ["SADD k 1 2 3", "SREM k 1 nothing 1 2", "SREM k 3"]);
        bench.assert_replays();
    }

    #[test]
    fn other_types_are_refused_and_what_is_missing_is_nothing() {
        let bench = Bench::new();
        assert_eq!(bench.run("SREM k a"), Value::Integer(0));
        bench.run("SET k v");
        assert_eq!(bench.error("SREM k a"), "WRONGTYPE Operation against a key holding the wrong kind of value");
        assert_eq!(bench.effects(), ["SET k v"]);
    }
}
