//! `XPENDING key group [[IDLE ms] start end count [consumer]]`: what was handed out and not yet acknowledged.
//!
//! Reply without a range: how many, the first and the last id, and for each consumer that has any its name and how many;
//! nulls if there are none. With a range: an array of entries, each its id, consumer, milliseconds since it was handed out,
//! and how often it was. Nothing is recorded.

use super::arguments::{ends, range_end, range_start};
use super::lookup::{no_group, stream_of};
use super::reply::write_id;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StreamId;
use crate::value::stream::{Group, Pending};
use bytes::Bytes;
use std::ops::RangeBounds;

pub(super) const XPENDING: Row = Row::new("xpending", -3, Run::Turn(xpending))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns the information and entries from a stream consumer group's pending entries list.")
    .docs(
        CommandGroup::Stream,
        "5.0.0",
        "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is \
         O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command \
         returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) \
         time for iterating every consumer.",
    )
    .history(&[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")])
    .args(
        "key:key#0 group:string filters:block?{min-idle-time:integer@6.2.0?=IDLE start:string end:string count:integer \
         consumer:string?}",
    );

/// What is pending in a group, in short.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PendingSummary {
    /// How many entries.
    pub count: u64,
    /// The first and the last id; `None` if there are none.
    pub ends: Option<(StreamId, StreamId)>,
    /// Consumers that have any, with how many.
    pub consumers: Vec<(Bytes, u64)>,
}

/// An entry that was handed out and not yet acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingEntry {
    /// Its id.
    pub id: StreamId,
    /// Who has it.
    pub consumer: Bytes,
    /// Milliseconds since it was handed out last.
    pub idle_ms: u64,
    /// How often it was handed out.
    pub delivery_count: u64,
}

/// Which pending entries are asked for.
struct Filter<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    idle_ms_min: i64,
    consumer: Option<&'a [u8]>,
}

fn xpending(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let filter = match args.len() {
        3 => None,
        6..=9 => Some(parse(args)?),
        _ => return Err(CommandError::Syntax),
    };
    let now_ms = turn.now().0;
    let key = turn.key(args[1])?;
    let entry = turn.read(&key);
    let group = stream_of(entry.as_deref())?.and_then(|stream| stream.group(args[2]));
    let group = group.ok_or_else(|| no_group(args[1], args[2]))?;
    match filter {
        None => write_summary(group, reply),
        Some(filter) => {
            let array = reply.begin_array();
            let mut count = 0;
            each(group, &filter, now_ms, |id, pending| {
                reply.array(4);
                write_id(id, reply);
                reply.bulk(&pending.consumer);
                reply.integer(idle_ms(pending, now_ms) as i64);
                reply.integer(pending.delivery_count as i64);
                count += 1;
            });
            reply.end_array(array, count);
        }
    }
    Ok(())
}

fn parse<'a>(args: &[&'a [u8]]) -> Result<Filter<'a>, CommandError> {
    let (mut at, mut idle_ms_min) = (3, 0);
    if args[3].eq_ignore_ascii_case(b"IDLE") {
        idle_ms_min = parse_i64(args[4]).ok_or(CommandError::NotInteger)?;
        if args.len() < 8 {
            return Err(CommandError::Syntax);
        }
        at = 5;
    }
    let count = parse_i64(args[at + 2]).ok_or(CommandError::NotInteger)?;
    let (start, end) = (range_start(args[at])?, range_end(args[at + 1])?);
    let count = usize::try_from(count).unwrap_or(0);
    Ok(Filter { start, end, count, idle_ms_min, consumer: args.get(at + 3).copied() })
}

fn write_summary(group: &Group, reply: &mut ReplyWriter<'_>) {
    reply.array(4);
    reply.integer(group.pending_count() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    write_id(first, reply);
    write_id(last, reply);
    let array = reply.begin_array();
    let mut count = 0;
    for (name, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_count() > 0) {
        reply.array(2);
        reply.bulk(name);
        reply.bulk_i64(consumer.pending_count() as i64);
        count += 1;
    }
    reply.end_array(array, count);
}

fn idle_ms(pending: &Pending, now_ms: i64) -> u64 {
    now_ms.wrapping_sub(pending.delivered_ms).max(0) as u64
}

/// Shows the pending entries that are asked for to `f`.
fn each(group: &Group, filter: &Filter<'_>, now_ms: i64, mut f: impl FnMut(StreamId, &Pending)) {
    let is_asked = |(id, pending): &(StreamId, &Pending)| {
        let is_idle = filter.idle_ms_min == 0 || now_ms.wrapping_sub(pending.delivered_ms) >= filter.idle_ms_min;
        *id >= filter.start && is_idle
    };
    let is_within = |(id, _): &(StreamId, &Pending)| *id <= filter.end;
    match filter.consumer {
        None => {
            let all = group.pending_from(filter.start).map(|(id, pending)| (*id, pending));
            all.take_while(is_within).filter(is_asked).take(filter.count).for_each(|(id, pending)| f(id, pending));
        }
        Some(name) => {
            let Some(consumer) = group.consumer(name) else { return };
            let all = consumer.pending_from(filter.start).filter_map(|id| Some((id, group.pending(id)?)));
            all.take_while(is_within).filter(is_asked).take(filter.count).for_each(|(id, pending)| f(id, pending));
        }
    }
}

impl Turn<'_> {
    /// What is pending in a group, in short.
    pub fn xpending(&mut self, key: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Result<PendingSummary, CommandError> {
        let (key, name) = (self.key(key.as_ref())?, group.as_ref());
        let entry = self.read(&key);
        let group = stream_of(entry.as_deref())?.and_then(|stream| stream.group(name));
        let group = group.ok_or_else(|| no_group(key.bytes, name))?;
        let consumers = group.consumers().filter(|(_, consumer)| consumer.pending_count() > 0);
        Ok(PendingSummary {
            count: group.pending_count() as u64,
            ends: group.pending_ends(),
            consumers: consumers
                .map(|(name, consumer)| (Bytes::copy_from_slice(name), consumer.pending_count() as u64))
                .collect(),
        })
    }

    /// The first `count` pending entries with ids in `range`.
    pub fn xpending_count(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<PendingEntry>, CommandError> {
        self.pending_entries(key.as_ref(), group.as_ref(), range, count, None)
    }

    /// The first `count` entries pending for a consumer with ids in `range`.
    pub fn xpending_consumer_count(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
        consumer: impl AsRef<[u8]>,
    ) -> Result<Vec<PendingEntry>, CommandError> {
        self.pending_entries(key.as_ref(), group.as_ref(), range, count, Some(consumer.as_ref()))
    }

    fn pending_entries(
        &mut self,
        key: &[u8],
        name: &[u8],
        range: impl RangeBounds<StreamId>,
        count: usize,
        consumer: Option<&[u8]>,
    ) -> Result<Vec<PendingEntry>, CommandError> {
        let now_ms = self.now().0;
        let key = self.key(key)?;
        let entry = self.read(&key);
        let group = stream_of(entry.as_deref())?.and_then(|stream| stream.group(name));
        let group = group.ok_or_else(|| no_group(key.bytes, name))?;
        let Some((start, end)) = ends(range) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        each(group, &Filter { start, end, count, idle_ms_min: 0, consumer }, now_ms, |id, pending| {
            entries.push(PendingEntry {
                id,
                consumer: Bytes::copy_from_slice(&pending.consumer),
                idle_ms: idle_ms(pending, now_ms),
                delivery_count: pending.delivery_count,
            });
        });
        Ok(entries)
    }
}

impl Engine {
    /// What is pending in a group, in short. O(consumers). Follows XPENDING of Redis 7.2.
    pub fn xpending(&self, key: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Result<PendingSummary, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xpending(key, group))
    }

    /// The first `count` pending entries with ids in `range`. O(log pending + entries returned). Follows XPENDING of Redis
    /// 7.2.
    pub fn xpending_count(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<PendingEntry>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xpending_count(key, group, range, count))
    }

    /// The first `count` entries pending for a consumer with ids in `range`.
    pub fn xpending_consumer_count(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
        consumer: impl AsRef<[u8]>,
    ) -> Result<Vec<PendingEntry>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xpending_consumer_count(key, group, range, count, consumer))
    }
}

#[cfg(test)]
mod tests {
    use crate::StreamId;
    use crate::command::testing::Bench;

    fn filled() -> Bench {
        let bench = Bench::new();
        bench.run("XGROUP CREATE s g 0 MKSTREAM");
        for n in 1..=4 {
            bench.run(&format!("XADD s {n} f v"));
            let consumer = if n % 2 == 0 { "bob" } else { "ada" };
            bench.run(&format!("XREADGROUP GROUP g {consumer} COUNT 1 STREAMS s >"));
            bench.advance_ms(10);
        }
        bench
    }

    #[test]
    fn both_forms_tell_what_is_pending() {
        let bench = filled();
        let summary =
            "*4\r\n:4\r\n$3\r\n1-0\r\n$3\r\n4-0\r\n*2\r\n*2\r\n$3\r\nada\r\n$1\r\n2\r\n*2\r\n$3\r\nbob\r\n$1\r\n2\r\n";
        assert_eq!(bench.ask("XPENDING s g"), summary);
        let first = "*4\r\n$3\r\n1-0\r\n$3\r\nada\r\n:40\r\n:1\r\n";
        let third = "*4\r\n$3\r\n3-0\r\n$3\r\nada\r\n:20\r\n:1\r\n";
        assert_eq!(bench.ask("XPENDING s g - + 9 ada"), format!("*2\r\n{first}{third}"));
        assert_eq!(bench.ask("XPENDING s g - + 1"), format!("*1\r\n{first}"));
        assert_eq!(bench.ask("XPENDING s g IDLE 15 (2 + 9"), format!("*1\r\n{third}"));
        assert_eq!(bench.ask("XPENDING s g - + 9 nobody"), "*0\r\n");
        assert_eq!(bench.ask("XPENDING s g - + -9"), "*0\r\n");
        bench.run("XGROUP CREATE s h 0");
        assert_eq!(bench.ask("XPENDING s h"), "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
        let typed = bench.db.xpending_consumer_count("s", "g", StreamId::new(2, 0).., 9, "bob").unwrap();
        assert_eq!(typed.iter().map(|entry| entry.idle_ms).collect::<Vec<_>>(), [30, 10]);
        assert_eq!(bench.db.xpending("s", "g").unwrap().count, 4);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        for (line, text) in [
            ("XPENDING s h", "NOGROUP No such key 's' or consumer group 'h'"),
            ("XPENDING nokey g", "NOGROUP No such key 'nokey' or consumer group 'g'"),
            ("XPENDING s g - +", "ERR syntax error"),
            ("XPENDING s g IDLE 1 - +", "ERR syntax error"),
            ("XPENDING s g - + x", "ERR value is not an integer or out of range"),
            ("XPENDING s g x + 1", "ERR Invalid stream ID specified as stream command argument"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
    }
}
