//! `XINFO STREAM key [FULL [COUNT count]]`, `XINFO GROUPS key`, `XINFO CONSUMERS key group`, `XINFO HELP`: what is known of a
//! stream.
//!
//! Reply: maps. The number of radix tree nodes is what Redis would need at most: here there is no such tree.

use super::lookup::{quoting_all, stream_of};
use super::reply::{StreamEntry, write_entries, write_entry, write_id};
use crate::command::introspection::help;
use crate::command::row::flag::{LOADING, READONLY, STALE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StreamId;
use crate::value::stream::{Consumer, Group, Stream};
use bytes::Bytes;

pub(super) const XINFO: Row = Row::container("xinfo", Run::Host, XINFO_SUBCOMMANDS, XINFO_HELP)
    .summary("A container for stream introspection commands.")
    .docs(CommandGroup::Stream, "5.0.0", "Depends on subcommand.");

const XINFO_SUBCOMMANDS: &[Row] = &[
    Row::new("xinfo|consumers", 4, Run::Turn(consumers))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro().access()])
        .tips("nondeterministic_output")
        .summary("Returns a list of the consumers in a consumer group.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .history(&[("7.2.0", "Added the `inactive` field.")])
        .args("key:key#0 group:string"),
    Row::new("xinfo|groups", 3, Run::Turn(groups))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro().access()])
        .summary("Returns a list of the consumer groups of a stream.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .history(&[("7.0.0", "Added the `entries-read` and `lag` fields")])
        .args("key:key#0"),
    Row::new("xinfo|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)"),
    Row::new("xinfo|stream", -3, Run::Turn(stream))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro().access()])
        .summary("Returns information about a stream.")
        .docs(CommandGroup::Stream, "5.0.0", "O(1)")
        .history(&[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` \
                 fields",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
        ])
        .args("key:key#0 full-block:block?{full=FULL count:integer?=COUNT}"),
];

/// HELP of XINFO.
const XINFO_HELP: &[&str] = &[
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
];

/// What is known of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamInfo {
    /// How many entries there are.
    pub length: u64,
    /// How many pieces they are packed in.
    pub node_count: usize,
    /// The last id that was given.
    pub last_generated_id: StreamId,
    /// The highest id that was deleted, `0-0` if none.
    pub max_deleted_entry_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// How many groups there are.
    pub groups: usize,
    /// The first entry.
    pub first_entry: Option<StreamEntry>,
    /// The last entry.
    pub last_entry: Option<StreamEntry>,
}

/// What is known of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupInfo {
    /// Its name.
    pub name: Bytes,
    /// How many consumers it has.
    pub consumers: usize,
    /// How many entries are pending in it.
    pub pending: usize,
    /// The last id that it read.
    pub last_delivered_id: StreamId,
    /// How many entries it has read of all that ever were; `None` if unknown.
    pub entries_read: Option<u64>,
    /// How many entries it has still to read; `None` if unknown.
    pub lag: Option<i64>,
}

/// What is known of a consumer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: Bytes,
    /// How many entries are pending for it.
    pub pending: usize,
    /// Milliseconds since it last asked for something.
    pub idle_ms: i64,
    /// Milliseconds since it last got something; `None` if never.
    pub inactive_ms: Option<i64>,
}

/// Shows the stream at a key to `f`.
fn with_stream<R>(
    turn: &mut Turn<'_>,
    key: &[u8],
    f: impl FnOnce(&Stream) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let key = turn.key(key)?;
    let entry = turn.read(&key);
    f(stream_of(entry.as_deref())?.ok_or(CommandError::NoSuchKey)?)
}

fn stream(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    with_stream(turn, args[2], |stream| {
        let form = CommandError::quoting(
            "ERR unknown subcommand or wrong number of arguments for '",
            &args[1][..args[1].len().min(128)],
            "'. Try XINFO HELP.",
        );
        match &args[3..] {
            [] => write_short(stream, reply),
            [full] if full.eq_ignore_ascii_case(b"FULL") => write_full(stream, COUNT_STANDARD, reply),
            [full, word, count] if full.eq_ignore_ascii_case(b"FULL") && word.eq_ignore_ascii_case(b"COUNT") => {
                let count = parse_i64(count).ok_or(CommandError::NotInteger)?;
                write_full(stream, usize::try_from(count).unwrap_or(COUNT_STANDARD), reply);
            }
            _ => return Err(form),
        }
        Ok(())
    })
}

fn write_head(stream: &Stream, reply: &mut ReplyWriter<'_>) {
    // A tree with one key has a node for what is left of it and one for its end; more keys part from each other.
    let tree_nodes = match stream.node_count() {
        nodes @ 0..2 => nodes + 1,
        nodes => 2 * nodes + 2,
    };
    write_count("length", stream.len(), reply);
    write_count("radix-tree-keys", stream.node_count() as u64, reply);
    write_count("radix-tree-nodes", tree_nodes as u64, reply);
    for (name, id) in [("last-generated-id", stream.last_id()), ("max-deleted-entry-id", stream.max_deleted_id())] {
        reply.bulk(name.as_bytes());
        write_id(id, reply);
    }
    write_count("entries-added", stream.entries_added(), reply);
    reply.bulk(b"recorded-first-entry-id");
    write_id(stream.first_id(), reply);
}

fn write_count(name: &str, count: u64, reply: &mut ReplyWriter<'_>) {
    reply.bulk(name.as_bytes());
    reply.integer(count as i64);
}

fn write_short(stream: &Stream, reply: &mut ReplyWriter<'_>) {
    reply.map(10);
    write_head(stream, reply);
    write_count("groups", stream.group_count() as u64, reply);
    let first = stream.range(StreamId::MIN, StreamId::MAX).next();
    let last = stream.range_back(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        reply.bulk(name.as_bytes());
        match entry {
            None => reply.null(),
            Some(entry) => write_entry(&entry, reply),
        }
    }
}

/// Writes everything; `count` bounds each list, 0 does not.
fn write_full(stream: &Stream, count: usize, reply: &mut ReplyWriter<'_>) {
    let most = if count == 0 { usize::MAX } else { count };
    reply.map(9);
    write_head(stream, reply);
    reply.bulk(b"entries");
    write_entries(stream.range(StreamId::MIN, StreamId::MAX).take(most), reply);
    reply.bulk(b"groups");
    reply.array(stream.group_count());
    for (name, group) in stream.groups() {
        write_full_group(stream, name, group, most, reply);
    }
}

fn write_full_group(stream: &Stream, name: &[u8], group: &Group, most: usize, reply: &mut ReplyWriter<'_>) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    write_progress(stream, group, reply);
    write_count("pel-count", group.pending_count() as u64, reply);
    reply.bulk(b"pending");
    reply.array(group.pending_count().min(most));
    for (id, pending) in group.pending_from(StreamId::MIN).take(most) {
        reply.array(4);
        write_id(*id, reply);
        reply.bulk(&pending.consumer);
        reply.integer(pending.delivered_ms);
        reply.integer(pending.delivery_count as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumer_count());
    for (name, consumer) in group.consumers() {
        write_full_consumer(group, name, consumer, most, reply);
    }
}

fn write_full_consumer(group: &Group, name: &[u8], consumer: &Consumer, most: usize, reply: &mut ReplyWriter<'_>) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"seen-time");
    reply.integer(consumer.seen_ms());
    reply.bulk(b"active-time");
    reply.integer(consumer.active_ms.unwrap_or(-1));
    write_count("pel-count", consumer.pending_count() as u64, reply);
    reply.bulk(b"pending");
    reply.array(consumer.pending_count().min(most));
    for id in consumer.pending_from(StreamId::MIN).take(most) {
        let (delivered_ms, count) =
            group.pending(id).map_or((0, 0), |pending| (pending.delivered_ms, pending.delivery_count));
        reply.array(3);
        write_id(id, reply);
        reply.integer(delivered_ms);
        reply.integer(count as i64);
    }
}

/// How far a group has read: three pairs.
fn write_progress(stream: &Stream, group: &Group, reply: &mut ReplyWriter<'_>) {
    reply.bulk(b"last-delivered-id");
    write_id(group.last_id, reply);
    for (name, count) in [("entries-read", group.entries_read.map(|read| read as i64)), ("lag", stream.lag(group))] {
        reply.bulk(name.as_bytes());
        match count {
            None => reply.null(),
            Some(count) => reply.integer(count),
        }
    }
}

fn groups(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    with_stream(turn, args[2], |stream| {
        reply.array(stream.group_count());
        for (name, group) in stream.groups() {
            reply.map(6);
            reply.bulk(b"name");
            reply.bulk(name);
            write_count("consumers", group.consumer_count() as u64, reply);
            write_count("pending", group.pending_count() as u64, reply);
            write_progress(stream, group, reply);
        }
        Ok(())
    })
}

fn consumers(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let consumers = turn.xinfo_consumers(args[2], args[3])?;
    reply.array(consumers.len());
    for consumer in consumers {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        write_count("pending", consumer.pending as u64, reply);
        reply.bulk(b"idle");
        reply.integer(consumer.idle_ms);
        reply.bulk(b"inactive");
        reply.integer(consumer.inactive_ms.unwrap_or(-1));
    }
    Ok(())
}

impl Turn<'_> {
    /// What is known of the stream at `key`.
    pub fn xinfo_stream(&mut self, key: impl AsRef<[u8]>) -> Result<StreamInfo, CommandError> {
        with_stream(self, key.as_ref(), |stream| {
            Ok(StreamInfo {
                length: stream.len(),
                node_count: stream.node_count(),
                last_generated_id: stream.last_id(),
                max_deleted_entry_id: stream.max_deleted_id(),
                entries_added: stream.entries_added(),
                groups: stream.group_count(),
                first_entry: stream.range(StreamId::MIN, StreamId::MAX).next().map(StreamEntry::of),
                last_entry: stream.range_back(StreamId::MIN, StreamId::MAX).next().map(StreamEntry::of),
            })
        })
    }

    /// What is known of the groups of the stream at `key`, in the order of their names.
    pub fn xinfo_groups(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<GroupInfo>, CommandError> {
        with_stream(self, key.as_ref(), |stream| {
            let info = |(name, group): (&crate::value::stream::Name, &Group)| GroupInfo {
                name: Bytes::copy_from_slice(name),
                consumers: group.consumer_count(),
                pending: group.pending_count(),
                last_delivered_id: group.last_id,
                entries_read: group.entries_read,
                lag: stream.lag(group),
            };
            Ok(stream.groups().map(info).collect())
        })
    }

    /// What is known of the consumers of a group, in the order of their names.
    pub fn xinfo_consumers(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
    ) -> Result<Vec<ConsumerInfo>, CommandError> {
        let (key, group) = (key.as_ref(), group.as_ref());
        let now_ms = self.now().0;
        with_stream(self, key, |stream| {
            let missing = || quoting_all(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"]);
            let group = stream.group(group).ok_or_else(missing)?;
            let info = |(name, consumer): (&crate::value::stream::Name, &Consumer)| ConsumerInfo {
                name: Bytes::copy_from_slice(name),
                pending: consumer.pending_count(),
                idle_ms: now_ms.wrapping_sub(consumer.seen_ms()).max(0),
                inactive_ms: consumer.active_ms.map(|active| now_ms.wrapping_sub(active)),
            };
            Ok(group.consumers().map(info).collect())
        })
    }
}

impl Engine {
    /// What is known of the stream at `key`. An error if there is none. O(log entries). Follows XINFO STREAM of Redis 7.2.
    pub fn xinfo_stream(&self, key: impl AsRef<[u8]>) -> Result<StreamInfo, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xinfo_stream(key))
    }

    /// What is known of the groups of the stream at `key`, in the order of their names. O(groups). Follows XINFO GROUPS of
    /// Redis 7.2.
    pub fn xinfo_groups(&self, key: impl AsRef<[u8]>) -> Result<Vec<GroupInfo>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xinfo_groups(key))
    }

    /// What is known of the consumers of a group, in the order of their names. O(consumers). Follows XINFO CONSUMERS of
    /// Redis 7.2.
    pub fn xinfo_consumers(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
    ) -> Result<Vec<ConsumerInfo>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.xinfo_consumers(key, group))
    }
}

/// How much of each list FULL shows unless told otherwise.
const COUNT_STANDARD: usize = 10;

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    fn filled() -> Bench {
        let bench = Bench::new();
        for n in 1..=3 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.run("XGROUP CREATE s g 0");
        bench.run("XREADGROUP GROUP g ada COUNT 1 STREAMS s >");
        bench.run("XGROUP CREATECONSUMER s g bob");
        bench.advance_ms(7);
        bench
    }

    fn field(map: &Value, name: &str) -> Value {
        let Value::Map(pairs) = map else { panic!("{map:?} is no map") };
        let found = pairs.iter().find(|(other, _)| other.as_bytes() == Some(name.as_bytes()));
        found.unwrap_or_else(|| panic!("{map:?} has no {name}")).1.clone()
    }

    #[test]
    fn streams_groups_and_consumers_are_described() {
        let bench = filled();
        bench.run("XDEL s 2");
        let stream = bench.run("XINFO STREAM s");
        assert_eq!(field(&stream, "length"), Value::Integer(2));
        assert_eq!(field(&stream, "entries-added"), Value::Integer(3));
        assert_eq!(field(&stream, "max-deleted-entry-id"), Value::bulk("2-0"));
        let groups = bench.run("XINFO GROUPS s");
        let group = &groups.as_slice().unwrap()[0];
        assert_eq!(field(group, "entries-read"), Value::Integer(1));
        assert_eq!(field(group, "lag"), Value::Nil, "an entry is missing ahead");
        let consumers = bench.run("XINFO CONSUMERS s g");
        let [ada, bob] = consumers.as_slice().unwrap() else { panic!("{consumers:?}") };
        assert_eq!((field(ada, "idle"), field(ada, "inactive")), (Value::Integer(7), Value::Integer(7)));
        assert_eq!((field(bob, "idle"), field(bob, "inactive")), (Value::Integer(7), Value::Integer(-1)));
        let full = bench.run("XINFO STREAM s FULL COUNT 1");
        assert_eq!(field(&full, "entries").as_slice().unwrap().len(), 1);
        let groups = field(&full, "groups");
        assert_eq!(field(&groups.as_slice().unwrap()[0], "pel-count"), Value::Integer(1));
        assert_eq!(bench.db.xinfo_stream("s").unwrap().last_entry.unwrap().id.ms, 3);
        assert_eq!(bench.db.xinfo_groups("s").unwrap()[0].consumers, 2);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        for (line, text) in [
            ("XINFO STREAM nokey", "ERR no such key"),
            ("XINFO GROUPS nokey", "ERR no such key"),
            ("XINFO CONSUMERS s h", "NOGROUP No such consumer group 'h' for key name 's'"),
            ("XINFO STREAM s FOO", "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
            (
                "XINFO STREAM s FULL COUNT",
                "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            ("XINFO STREAM s FULL COUNT x", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
    }
}
