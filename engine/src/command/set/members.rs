//! `SCARD key`, `SISMEMBER key member`, `SMISMEMBER key member [member ...]`, `SMEMBERS key`: what is in a set.
//!
//! Reply: a number; 1 or 0; an array of those; all members. A missing key is a set without members. Records nothing.

use super::{copied, set_of};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::set::SetRef;
use crate::value::{AsValue, StrRef};
use bytes::Bytes;

pub(super) const SCARD: Row = Row::new("scard", 2, Run::Look(scard))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the number of members in a set.")
    .docs(Group::Set, "1.0.0", "O(1)")
    .args("key:key#0");

pub(super) const SISMEMBER: Row = Row::new("sismember", 3, Run::Look(sismember))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Determines whether a member belongs to a set.")
    .docs(Group::Set, "1.0.0", "O(1)")
    .args("key:key#0 member:string");

pub(super) const SMISMEMBER: Row = Row::new("smismember", -3, Run::Look(smismember))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Determines whether multiple members belong to a set.")
    .docs(Group::Set, "6.2.0", "O(N) where N is the number of elements being checked for membership")
    .args("key:key#0 member:string*");

pub(super) const SMEMBERS: Row = Row::new("smembers", 2, Run::Look(smembers))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns all members of a set.")
    .docs(Group::Set, "1.0.0", "O(N) where N is the set cardinality.")
    .args("key:key#0");

fn scard(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(set_of(entry)?.map_or(0, SetRef::len) as i64);
    Ok(())
}

fn sismember(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = set_of(entry)?;
    reply.integer(set.is_some_and(|set| set.contains(StrRef::of(args[2]))).into());
    Ok(())
}

fn smismember(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = set_of(entry)?;
    reply.array(args.len() - 2);
    for member in &args[2..] {
        reply.integer(set.is_some_and(|set| set.contains(StrRef::of(member))).into());
    }
    Ok(())
}

fn smembers(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = set_of(entry)?;
    reply.set(set.map_or(0, SetRef::len));
    if let Some(set) = set {
        set.for_each(|member| member.with_bytes(|member| reply.bulk(member)));
    }
    Ok(())
}

fn all(entry: Option<&EntryRef>) -> Result<Vec<Bytes>, CommandError> {
    Ok(set_of(entry)?.map_or_else(Vec::new, |set| set.iter().map(copied).collect()))
}

fn are_there(entry: Option<&EntryRef>, members: &[impl AsRef<[u8]>]) -> Result<Vec<bool>, CommandError> {
    let set = set_of(entry)?;
    let is_there = |member: &[u8]| set.is_some_and(|set| set.contains(StrRef::of(member)));
    Ok(members.iter().map(|member| is_there(member.as_ref())).collect())
}

impl Turn<'_> {
    /// How many members the set at `key` has. O(1).
    pub fn scard(&mut self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let entry = self.read(&key);
        Ok(set_of(entry.as_deref())?.map_or(0, SetRef::len))
    }

    /// Whether `member` is in the set at `key`. O(1).
    pub fn sismember(&mut self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let entry = self.read(&key);
        let set = set_of(entry.as_deref())?;
        Ok(member.with_value(|member| set.is_some_and(|set| set.contains(member))))
    }

    /// Which of `members` are in the set at `key`. O(members).
    pub fn smismember<M: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        members: &[M],
    ) -> Result<Vec<bool>, CommandError> {
        let key = self.key(key.as_ref())?;
        are_there(self.read(&key).as_deref(), members)
    }

    /// The members of the set at `key`, copied. O(n).
    pub fn smembers(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        all(self.read(&key).as_deref())
    }
}

impl Engine {
    /// How many members the set at `key` has, 0 if there is no such key. Fails with WRONGTYPE on other types. O(1). Follows
    /// SCARD of Redis 7.2.
    pub fn scard(&self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(set_of(entry)?.map_or(0, SetRef::len)))
    }

    /// Whether `member` is in the set at `key`. Fails with WRONGTYPE on other types. O(1), O(n) while the set is small.
    /// Follows SISMEMBER of Redis 7.2.
    pub fn sismember(&self, key: impl AsRef<[u8]>, member: impl AsValue) -> Result<bool, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let set = set_of(entry)?;
            Ok(member.with_value(|member| set.is_some_and(|set| set.contains(member))))
        })
    }

    /// Which of `members` are in the set at `key`, in their order. Fails with WRONGTYPE on other types. O(members). Follows
    /// SMISMEMBER of Redis 7.2.
    pub fn smismember<M: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, members: &[M]) -> Result<Vec<bool>, CommandError> {
        self.on_entry(key.as_ref(), |entry| are_there(entry, members))
    }

    /// The members of the set at `key`, copied: integers ascending, those of other small sets in the order of their coming.
    /// Fails with WRONGTYPE on other types. O(n). Follows SMEMBERS of Redis 7.2.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.sadd_many("primes", &["5", "2", "3"])?;
    /// assert_eq!(db.smembers("primes")?, ["2", "3", "5"]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn smembers(&self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), all)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, ask, session};
    use crate::resp::Value;

    #[test]
    fn members_are_told_in_every_form() {
        let bench = Bench::new();
        for (members, absent) in [("5 -1 300", "4"), ("5 a 300", "b"), (&*format!("5 a {}", "x".repeat(65)), "xx")] {
            bench.run(&format!("SADD k {members}"));
            assert_eq!(bench.run("SCARD k"), Value::Integer(3));
            assert_eq!(bench.run("SISMEMBER k 5"), Value::Integer(1));
            assert_eq!(bench.run(&format!("SISMEMBER k {absent}")), Value::Integer(0));
            assert_eq!(bench.run("SISMEMBER k 05"), Value::Integer(0));
            assert_eq!(bench.ask(&format!("SMISMEMBER k {absent} 5")), "*2\r\n:0\r\n:1\r\n");
            assert_eq!(bench.db.smembers("k").unwrap().len(), 3);
            bench.run("DEL k");
        }
    }

    #[test]
    fn members_are_a_set_in_resp3() {
        let bench = Bench::new();
        let mut session = session(&bench.db);
        assert_eq!(ask(&mut session, "SMEMBERS k"), "*0\r\n");
        ask(&mut session, "HELLO 3");
        assert_eq!(ask(&mut session, "SMEMBERS k"), "~0\r\n");
        bench.run("SADD k 2 1");
        assert_eq!(ask(&mut session, "SMEMBERS k"), "~2\r\n$1\r\n1\r\n$1\r\n2\r\n");
        assert_eq!(ask(&mut session, "SMISMEMBER none a b"), "*2\r\n:0\r\n:0\r\n");
    }

    #[test]
    fn other_types_are_refused() {
        let bench = Bench::new();
        bench.run("SET k v");
        for request in ["SCARD k", "SISMEMBER k a", "SMISMEMBER k a", "SMEMBERS k"] {
            assert_eq!(bench.error(request), "WRONGTYPE Operation against a key holding the wrong kind of value");
        }
    }
}
