//! `ZSCAN key cursor [MATCH pattern] [COUNT count]`: members and scores, a few at a time.
//!
//! Reply: the next cursor, and member, score, ... . Members of a large set are visited in the order of their hashes, which
//! nothing changes: one that is there from the first call to the last is returned exactly once. A compact set is returned
//! whole.

use super::{look, read};
use crate::command::element_scan::{ElementScan, Values, parse_cursor, write_step};
use crate::command::keyspace::ScanCursor;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::{DoubleBuffer, format_f64, format_f64_g17};
use crate::value::sorted_set::SortedSetRef;
use bytes::Bytes;

pub(super) const ZSCAN: Row = Row::new("zscan", -3, Run::Look(zscan))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Iterates over members and scores of a sorted set.")
    .docs(
        Group::SortedSet,
        "2.8.0",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
     back to 0. N is the number of elements inside the collection.",
    )
    .args("key:key#0 cursor:integer pattern:pattern?=MATCH count:integer?=COUNT");

fn zscan(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let cursor = parse_cursor(args[2])?;
    let Some(entry) = entry else {
        write_step(reply, |_| (0, 0));
        return Ok(());
    };
    let set = read(entry)?;
    let scan = ElementScan::parse(cursor, &args[3..], Values::Always)?;
    write_step(reply, |reply| {
        let (mut word_count, mut buffer) = (0, DoubleBuffer::new());
        let next = step(set, scan.cursor, scan.count, |member, score| {
            if scan.takes(member) {
                reply.bulk(member);
                reply.bulk(match set {
                    SortedSetRef::Compact(_) => format_f64(score, &mut buffer),
                    SortedSetRef::Large(_) => format_f64_g17(score, &mut buffer),
                });
                word_count += 2;
            }
        });
        (next, word_count)
    });
    Ok(())
}

/// Visits about `count` members from a cursor on; returns the next.
fn step(set: SortedSetRef<'_>, cursor: u64, count: usize, mut f: impl FnMut(&[u8], f64)) -> u64 {
    match set {
        SortedSetRef::Compact(_) => {
            set.iter().for_each(|(member, score)| member.with_bytes(|member| f(member, score)));
            0
        }
        SortedSetRef::Large(set) => set.scan(cursor, count, f),
    }
}

impl Engine {
    /// One step of a scan over the sorted set at `key`: where to go on, and the members found, with their scores. Fails with
    /// WRONGTYPE on other types. O(count). Follows ZSCAN of Redis 7.2.
    pub fn zscan_step(
        &self,
        key: impl AsRef<[u8]>,
        cursor: ScanCursor,
        count: usize,
    ) -> Result<(ScanCursor, Vec<(Bytes, f64)>), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| {
            let key = turn.key(key)?;
            look(turn, &key, |set| {
                let mut found = Vec::new();
                let next = step(set, cursor.0, count.max(1), |member, score| {
                    found.push((Bytes::copy_from_slice(member), score));
                });
                (ScanCursor(next), found)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::{ScanCursor, resp::Value};
    use std::collections::BTreeSet;

    #[test]
    fn a_compact_set_comes_whole_and_a_large_one_in_steps() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2.5 b");
        assert_eq!(bench.ask("ZSCAN z 0"), "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
        assert_eq!(
            bench.run("ZSCAN z 0 MATCH b*").as_slice().unwrap()[1],
            Value::Array(vec![Value::bulk("b"), Value::bulk("2.5")])
        );
        assert_eq!(bench.ask("ZSCAN none 5 FOO"), "*2\r\n$1\r\n0\r\n*0\r\n");
        let pairs: Vec<_> = (0..2_000).map(|n| (f64::from(n), n.to_string())).collect();
        bench.db.zadd_multiple("large", &pairs).unwrap();
        let (mut cursor, mut seen) = (ScanCursor::default(), BTreeSet::new());
        loop {
            let (next, found) = bench.db.zscan_step("large", cursor, 50).unwrap();
            found.into_iter().for_each(|(member, _)| assert!(seen.insert(member)));
            cursor = next;
            if cursor == ScanCursor::default() {
                break;
            }
        }
        assert_eq!(seen.len(), 2_000);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a");
        bench.ask("SET s x");
        for (request, error) in [
            ("ZSCAN z x", "ERR invalid cursor"),
            ("ZSCAN z 0 COUNT 0", "ERR syntax error"),
            ("ZSCAN z 0 COUNT x", "ERR value is not an integer or out of range"),
            ("ZSCAN z 0 TYPE string", "ERR syntax error"),
            ("ZSCAN s 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
    }
}
