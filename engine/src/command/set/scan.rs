//! `SSCAN key cursor [MATCH pattern] [COUNT count]`: the members, a few at a time.
//!
//! Reply: the next cursor and the members. A member that is there from the first call to the last comes exactly once. Compact
//! sets come whole. Records nothing.

use super::{copied, set_of};
use crate::command::element_scan::{ElementScan, Values, parse_cursor, write_step};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use bytes::Bytes;

pub(super) const SSCAN: Row = Row::new("sscan", -3, Run::Look(sscan))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Iterates over members of a set.")
    .docs(
        Group::Set,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    )
    .args("key:key#0 cursor:integer pattern:pattern?=MATCH count:integer?=COUNT");

fn sscan(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let cursor = parse_cursor(args[2])?;
    let set = set_of(entry)?;
    let Some(set) = set else {
        write_step(reply, |_| (0, 0));
        return Ok(());
    };
    let scan = ElementScan::parse(cursor, &args[3..], Values::Always)?;
    write_step(reply, |reply| {
        let mut count = 0;
        let next = set.scan(scan.cursor, scan.count, |member| {
            member.with_bytes(|member| {
                if scan.takes(member) {
                    reply.bulk(member);
                    count += 1;
                }
            });
        });
        (next, count)
    });
    Ok(())
}

/// The members of one set, fetched a few at a time: what [`Engine::sscan`] returns.
pub struct MemberScan {
    db: Engine,
    key: Vec<u8>,
    /// Where to go on; none at the end.
    cursor: Option<u64>,
    /// Members that were fetched, in reverse.
    fetched: Vec<Bytes>,
}

impl Iterator for MemberScan {
    type Item = Result<Bytes, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(member) = self.fetched.pop() {
                return Some(Ok(member));
            }
            let cursor = self.cursor?;
            let step = self.db.on_entry(&self.key, |entry| {
                let mut members = Vec::new();
                let next = set_of(entry)?
                    .map_or(0, |set| set.scan(cursor, ITERATOR_COUNT, |member| members.push(copied(member))));
                Ok((next, members))
            });
            match step {
                Ok((next, members)) => {
                    self.cursor = (next != 0).then_some(next);
                    self.fetched = members;
                    self.fetched.reverse();
                }
                Err(error) => {
                    self.cursor = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Engine {
    /// The members of the set at `key`, a few fetched at a time. Members that are there from the first step to the last come
    /// exactly once; no slot is locked between two members. A value of another type is an error, and the end. Follows SSCAN
    /// of Redis 7.2.
    pub fn sscan(&self, key: impl AsRef<[u8]>) -> MemberScan {
        MemberScan { db: self.clone(), key: key.as_ref().to_vec(), cursor: Some(0), fetched: Vec::new() }
    }
}

/// Members looked at in one step of an iterator.
const ITERATOR_COUNT: usize = 128;

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use std::collections::BTreeSet;

    #[test]
    fn a_scan_returns_every_member_once() {
        for size in [0, 3, 5_000] {
            let bench = Bench::new();
            for n in 0..size {
                bench.db.sadd("k", format!("m{n}")).unwrap();
            }
            let all: Vec<_> = bench.db.sscan("k").map(Result::unwrap).collect();
            assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (size, size));
        }
    }

    #[test]
    fn options_and_errors_are_those_of_redis() {
        let bench = Bench::new();
        bench.run("SADD k 1 2 13");
        assert_eq!(bench.ask("SSCAN k 0 MATCH 1* COUNT 1"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\n1\r\n$2\r\n13\r\n");
        assert_eq!(bench.ask("SSCAN none 7"), "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_eq!(bench.error("SSCAN k x"), "ERR invalid cursor");
        assert_eq!(bench.error("SSCAN k 0 COUNT 0"), "ERR syntax error");
        assert_eq!(bench.error("SSCAN k 0 NOVALUES"), "ERR syntax error");
        bench.run("SET s v");
        assert_eq!(bench.error("SSCAN s 0"), "WRONGTYPE Operation against a key holding the wrong kind of value");
        assert!(bench.db.sscan("s").next().unwrap().is_err());
    }
}
