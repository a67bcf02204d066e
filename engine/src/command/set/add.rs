//! `SADD key member [member ...]`: adds members to a set, which is made if missing.
//!
//! Reply: how many are new. Effect: `SADD key member ...` with the members as they came; none if none is new.

use super::{find_set, limits};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::set::NewSet;
use crate::value::{AsValue, StrRef};
use smallvec::SmallVec;

pub(super) const SADD: Row = Row::new("sadd", -3, Run::Turn(sadd))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Adds one or more members to a set. Creates the key if it doesn't exist.")
    .docs(
        Group::Set,
        "1.0.0",
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    )
    .history(&[("2.4.0", "Accepts multiple `member` arguments.")])
    .args("key:key#0 member:string*");

fn sadd(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    reply.integer(add(turn, &key, &args[2..])? as i64);
    Ok(())
}

/// Adds members; says how many are new.
pub(super) fn add(turn: &mut Turn<'_>, key: &Key<'_>, members: &[&[u8]]) -> Result<usize, CommandError> {
    let (limits, hasher) = (limits(turn), &turn.core().hasher);
    let count = match find_set(turn, key)? {
        None => {
            let Some(first) = members.first() else { return Ok(0) };
            let mut set = NewSet::new(StrRef::of(first), members.len(), limits, hasher);
            let count = members.iter().filter(|member| set.add(StrRef::of(member))).count();
            turn.put(key, None, set.into_entry(key.bytes, None));
            count
        }
        Some(spot) => {
            let first_new = {
                let entry = turn.entry(key, spot);
                let set = entry.as_set().ok_or(CommandError::WrongType)?;
                members.iter().position(|member| !set.contains(StrRef::of(member)))
            };
            let Some(first_new) = first_new else { return Ok(0) };
            turn.update(key, spot, |entry| {
                entry.expect_in_set(members.len(), limits, hasher);
                let new = &members[first_new..];
                new.iter().filter(|member| entry.add_to_set(StrRef::of(member), limits, hasher)).count()
            })
        }
    };
    let mut effect: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(&[b"SADD", key.bytes]);
    effect.extend_from_slice(members);
    turn.record(&effect);
    turn.notify(EventClass::Set, "sadd", key.bytes);
    Ok(count)
}

impl Turn<'_> {
    /// Adds `member` to the set at `key`, which is made if missing; says whether it is new. O(1).
    pub fn sadd(&mut self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        member.with_value(|member| member.with_bytes(|member| Ok(add(self, &key, &[member])? > 0)))
    }

    /// Adds `members` to the set at `key`, which is made if missing; says how many are new. O(members).
    pub fn sadd_many<M: AsRef<[u8]>>(&mut self, key: impl AsRef<[u8]>, members: &[M]) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let members: Vec<&[u8]> = members.iter().map(AsRef::as_ref).collect();
        add(self, &key, &members)
    }
}

impl Engine {
    /// Adds `member` to the set at `key`, which is made if missing; says whether it is new. Fails with WRONGTYPE on other
    /// types. O(1), O(n) while the set is small. Follows SADD of Redis 7.2; records `SADD`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert!(db.sadd("tags", "red")?);
    /// assert!(!db.sadd("tags", "red")?, "it is there already");
    /// assert_eq!(db.sadd_many("tags", &["red", "blue"])?, 1);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn sadd(&self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.sadd(key, member))
    }

    /// Adds `members` to the set at `key`, which is made if missing; says how many are new. As [`Engine::sadd`] otherwise.
    pub fn sadd_many<M: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, members: &[M]) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.sadd_many(key, members))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;
    use std::sync::atomic::Ordering::Relaxed;

    fn encoding(bench: &Bench) -> &'static str {
        bench.db.object_encoding("k").unwrap().unwrap()
    }

    #[test]
    fn only_new_members_are_counted_and_only_changes_recorded() {
        let bench = Bench::new();
        assert_eq!(bench.run("SADD k a b a 1"), Value::Integer(3));
        assert_eq!(bench.run("SADD k a 1"), Value::Integer(0));
        assert_eq!(bench.run("SADD k a c"), Value::Integer(1));
        assert_eq!(bench.effects(), ["SADD k a b a 1", "SADD k a c"]);
        assert_eq!(bench.ask("SMEMBERS k"), "*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\n1\r\n$1\r\nc\r\n");
        bench.run("SET s v");
        assert_eq!(bench.error("SADD s a"), "WRONGTYPE Operation against a key holding the wrong kind of value");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn encodings_change_where_those_of_redis_do() {
        let bench = Bench::new();
        let options = bench.db.options();
        options.set_intset_entries_max.store(6, Relaxed);
        options.set_listpack_entries_max.store(4, Relaxed);
        for (first, then, encodings) in [
            ("3 1 2", "1", ["intset", "intset"]),
            ("3 1 2", "x", ["intset", "listpack"]),
            ("a b c", "1", ["listpack", "listpack"]),
            ("a b c", "d e", ["listpack", "hashtable"]),
            ("1 2 3 4 5", "x", ["intset", "hashtable"]),
            ("1 2 3 4 5", "6 7", ["intset", "hashtable"]),
            ("a b", "1 2 3 4 a", ["listpack", "hashtable"]),
        ] {
            bench.run("DEL k");
            bench.run(&format!("SADD k {first}"));
            let before = encoding(&bench);
            bench.run(&format!("SADD k {then}"));
            assert_eq!([before, encoding(&bench)], encodings, "{first} and {then}");
        }
        bench.run("DEL k");
        bench.db.sadd_many("k", &["a".repeat(64), "b".repeat(65)]).unwrap();
        assert_eq!(encoding(&bench), "hashtable");
        assert_totals(&bench.db);
    }

    #[test]
    fn a_large_set_given_up_is_put_back() {
        let bench = Bench::new();
        for n in 0..2_000 {
            bench.db.sadd("k", n).unwrap();
        }
        let before = crate::command::testing::contents(&bench.db);
        let result: Result<(), crate::CommandError> = bench.db.atomic("k", |turn| {
            turn.sadd("k", "new")?;
            turn.srem("k", 5)?;
            Err(crate::CommandError::Syntax)
        });
        assert!(result.is_err());
        assert_eq!(crate::command::testing::contents(&bench.db), before);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
