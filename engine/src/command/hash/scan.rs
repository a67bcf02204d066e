//! `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`: the fields, a few at a time.
//!
//! Reply: the next cursor, and fields and values in turn. A field that is there from the first call to the last comes exactly
//! once. Compact hashes come whole. Records nothing. NOVALUES is of Redis 7.4.

use super::{copied, view};
use crate::command::element_scan::{ElementScan, Values, parse_cursor, write_step};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use bytes::Bytes;

pub(super) const HSCAN: Row = Row::new("hscan", -3, Run::LookAt(hscan))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Iterates over fields and values of a hash.")
    .docs(
        Group::Hash,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    )
    .args("key:key#0 cursor:integer pattern:pattern?=MATCH count:integer?=COUNT");

fn hscan(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let cursor = parse_cursor(args[2])?;
    let Some(hash) = view(entry, || now)? else {
        write_step(reply, |_| (0, 0));
        return Ok(());
    };
    let scan = ElementScan::parse(cursor, &args[3..], Values::Optional)?;
    write_step(reply, |reply| {
        let mut count = 0;
        let next = hash.hash.scan(scan.cursor, scan.count, |field| {
            if hash.shows(&field) && field.field.with_bytes(|field| scan.takes(field)) {
                field.field.with_bytes(|field| reply.bulk(field));
                count += 1;
                if !scan.is_bare {
                    field.value.with_bytes(|value| reply.bulk(value));
                    count += 1;
                }
            }
        });
        (next, count)
    });
    Ok(())
}

/// The fields of one hash with their values, fetched a few at a time: what [`Engine::hscan`] returns.
pub struct FieldScan {
    db: Engine,
    key: Vec<u8>,
    /// Where to go on; none at the end.
    cursor: Option<u64>,
    /// Fields that were fetched, in reverse.
    fetched: Vec<(Bytes, Bytes)>,
}

impl Iterator for FieldScan {
    type Item = Result<(Bytes, Bytes), CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pair) = self.fetched.pop() {
                return Some(Ok(pair));
            }
            let cursor = self.cursor?;
            let step = self.db.on_entry(&self.key, |entry| {
                let Some(hash) = view(entry, || Some(self.db.now()))? else { return Ok((0, Vec::new())) };
                let mut pairs = Vec::new();
                let next = hash.hash.scan(cursor, ITERATOR_COUNT, |field| {
                    if hash.shows(&field) {
                        pairs.push((copied(field.field), copied(field.value)));
                    }
                });
                Ok((next, pairs))
            });
            match step {
                Ok((next, pairs)) => {
                    self.cursor = (next != 0).then_some(next);
                    self.fetched = pairs;
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
    /// The fields of the hash at `key` with their values, a few fetched at a time. Fields that are there from the first step
    /// to the last come exactly once; no slot is locked between two fields. A value of another type is an error, and the end.
    /// Follows HSCAN of Redis 7.2.
    pub fn hscan(&self, key: impl AsRef<[u8]>) -> FieldScan {
        FieldScan { db: self.clone(), key: key.as_ref().to_vec(), cursor: Some(0), fetched: Vec::new() }
    }
}

/// Fields looked at in one step of an iterator.
const ITERATOR_COUNT: usize = 128;

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use std::collections::BTreeSet;

    #[test]
    fn a_scan_returns_every_field_once() {
        for size in [0, 3, 5_000] {
            let bench = Bench::new();
            let pairs: Vec<_> = (0..size).map(|n| (format!("f{n}"), format!("v{n}"))).collect();
            bench.db.hset_multiple("k", &pairs).unwrap();
            let all: Vec<_> = bench.db.hscan("k").map(Result::unwrap).collect();
            assert!(all.iter().all(|(field, value)| field[1..] == value[1..]));
            assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (size, size));
        }
    }

    #[test]
    fn options_and_errors_are_those_of_redis() {
        let bench = Bench::new();
        bench.run("HSET k a 1 b 2");
        assert_eq!(bench.ask("HSCAN k 0 MATCH a* COUNT 1"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(bench.ask("HSCAN k 0 novalues"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(bench.ask("HSCAN none 7"), "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_eq!(bench.error("HSCAN k x"), "ERR invalid cursor");
        assert_eq!(bench.error("HSCAN k 0 COUNT 0"), "ERR syntax error");
        bench.run("SET s v");
        assert_eq!(bench.error("HSCAN s 0"), "WRONGTYPE Operation against a key holding the wrong kind of value");
    }
}
