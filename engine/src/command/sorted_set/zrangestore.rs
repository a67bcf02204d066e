//! `ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`: stores a range of members elsewhere.
//!
//! Reply: how many members that are. Effect: `DEL dst` where something was there, and `ZADD dst score member ...`.

use super::change::{store_whole, whole};
use super::look;
use super::range_query::{Form, Query};
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::CompactMax;
use crate::value::sorted_set::compact;

pub(super) const ZRANGESTORE: Row = Row::new("zrangestore", -5, Run::Turn(zrange_store))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update(), KeySpec::index(2).ro().access()])
    .summary("Stores a range of members from sorted set in a key.")
    .docs(
        Group::SortedSet,
        "6.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into \
     the destination key.",
    )
    .args(
        "dst:key#0 src:key#1 min:string max:string sortby:oneof?{byscore=BYSCORE bylex=BYLEX} rev?=REV \
         limit:block?=LIMIT{offset:integer count:integer}",
    );

fn zrange_store(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let query = Query::read(&args[3..], Form::Stored)?;
    let (destination, source) = (turn.key(args[1])?, turn.key(args[2])?);
    let core = turn.core();
    let entry = look(turn, &source, |set| {
        let (rank, count) = query.select(set);
        let mut pairs: Vec<_> = set.walk(rank, count, query.direction).map(|(m, score)| (m.to_vec(), score)).collect();
        // A set that begins compact has lost the sign of zeros when it outgrows that form.
        let max = CompactMax::of(&core.options);
        if query.is_open() || max.admits(count, 0) {
            let is_compact = |(at, (member, _)): &(usize, &mut (Vec<u8>, f64))| max.admits(at + 1, member.len());
            pairs.iter_mut().enumerate().take_while(is_compact).for_each(|(_, pair)| pair.1 = compact::kept(pair.1));
        }
        whole(core, destination.bytes, pairs.iter().map(|(member, score)| (&member[..], *score)).collect())
    })?;
    reply.integer(store_whole(turn, &destination, entry, "zrangestore")? as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn a_range_is_stored_and_an_empty_one_removes() {
        let bench = Bench::new();
        bench.ask("ZADD {k}s 1 a 2 b 3 c");
        bench.ask("SET {k}d x EX 100");
        bench.effects();
        assert_eq!(bench.ask("ZRANGESTORE {k}d {k}s 0 1 REV"), ":2\r\n");
        assert_eq!(bench.ask("ZRANGE {k}d 0 -1"), "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
        assert_eq!(bench.ask("TTL {k}d"), ":-1\r\n");
        assert_eq!(bench.ask("ZRANGESTORE {k}s {k}s (1 2 BYSCORE"), ":1\r\n");
        assert_eq!(bench.ask("ZRANGESTORE {k}d {k}none 0 -1"), ":0\r\n");
        assert_eq!(bench.ask("ZRANGESTORE {k}d {k}none 0 -1"), ":0\r\n");
        let expected = ["DEL {k}d", "ZADD {k}d 2 b 3 c", "DEL {k}s", "ZADD {k}s 2 b", "DEL {k}d"];
        assert_eq!(bench.effects(), expected);
        assert_eq!(bench.error("ZRANGESTORE d s 0 1 WITHSCORES"), "ERR syntax error");
        bench.ask("SET {k}str x");
        assert!(bench.error("ZRANGESTORE {k}d {k}str 0 1").starts_with("WRONGTYPE"));
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
