//! `XRANGE key start end [COUNT count]`, `XREVRANGE key end start [COUNT count]`: entries by id.
//!
//! `-` and `+` are the first and the last id there is, `(` excludes an id. Reply: an array of entries, each its id and an
//! array of fields and values; null for a count of 0.

use super::arguments::{ends, range_end, range_start};
use super::lookup::stream_of;
use super::reply::{StreamEntry, write_entries};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StreamId;
use std::ops::RangeBounds;

pub(super) const XRANGE: Row = Row::new("xrange", -4, Run::Look(xrange))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the messages from a stream within a range of IDs.")
    .docs(
        Group::Stream,
        "5.0.0",
        "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 \
         elements with COUNT), you can consider it O(1).",
    )
    .history(&[("6.2.0", "Added exclusive ranges.")])
    .args("key:key#0 start:string end:string count:integer?=COUNT");

pub(super) const XREVRANGE: Row = Row::new("xrevrange", -4, Run::Look(xrevrange))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the messages from a stream within a range of IDs in reverse order.")
    .docs(
        Group::Stream,
        "5.0.0",
        "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 \
         elements with COUNT), you can consider it O(1).",
    )
    .history(&[("6.2.0", "Added exclusive ranges.")])
    .args("key:key#0 end:string start:string count:integer?=COUNT");

/// From which side entries are given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

fn xrange(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    range(entry, Order::Ascending, args[2], args[3], &args[4..], reply)
}

fn xrevrange(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    range(entry, Order::Descending, args[3], args[2], &args[4..], reply)
}

fn range(
    entry: Option<&EntryRef>,
    order: Order,
    start: &[u8],
    end: &[u8],
    options: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let (start, end) = (range_start(start)?, range_end(end)?);
    let mut count = None;
    for pair in options.chunks(2) {
        match pair {
            [word, number] if word.eq_ignore_ascii_case(b"COUNT") => {
                let number = parse_i64(number).ok_or(CommandError::NotInteger)?;
                count = Some(usize::try_from(number).unwrap_or(0));
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    let Some(stream) = stream_of(entry)? else {
        reply.array(0);
        return Ok(());
    };
    let most = count.unwrap_or(usize::MAX);
    match order {
        _ if most == 0 => reply.null_array(),
        Order::Ascending => write_entries(stream.range(start, end).take(most), reply),
        Order::Descending => write_entries(stream.range_back(start, end).take(most), reply),
    }
    Ok(())
}

/// Up to `count` entries of a range.
fn collect(
    entry: Option<&EntryRef>,
    order: Order,
    range: impl RangeBounds<StreamId>,
    count: usize,
) -> Result<Vec<StreamEntry>, CommandError> {
    let (Some(stream), Some((start, end))) = (stream_of(entry)?, ends(range)) else { return Ok(Vec::new()) };
    Ok(match order {
        Order::Ascending => stream.range(start, end).take(count).map(StreamEntry::of).collect(),
        Order::Descending => stream.range_back(start, end).take(count).map(StreamEntry::of).collect(),
    })
}

impl Turn<'_> {
    /// Entries of the stream at `key` with ids in `range`.
    pub fn xrange(
        &mut self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.xrange_count(key, range, usize::MAX)
    }

    /// The first `count` entries of the stream at `key` with ids in `range`.
    pub fn xrange_count(
        &mut self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        let key = self.key(key.as_ref())?;
        collect(self.read(&key).as_deref(), Order::Ascending, range, count)
    }

    /// The last `count` entries of the stream at `key` with ids in `range`, the last one first.
    pub fn xrevrange_count(
        &mut self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        let key = self.key(key.as_ref())?;
        collect(self.read(&key).as_deref(), Order::Descending, range, count)
    }
}

impl Engine {
    /// Entries of the stream at `key` with ids in `range`, in order. O(log entries + entries returned). Follows XRANGE of
    /// Redis 7.2.
    ///
    /// ```
    /// use keyslot_engine::{Engine, StreamId};
    /// let db = Engine::in_memory();
    /// for ms in 1..=3 {
    ///     db.xadd("log", StreamId::new(ms, 0), &[("n", ms.to_string())])?;
    /// }
    /// let later = db.xrange("log", StreamId::new(2, 0)..)?;
    /// assert_eq!(later.iter().map(|entry| entry.id.ms).collect::<Vec<_>>(), [2, 3]);
    /// assert_eq!(later[0].value("n").map(|n| &n[..]), Some(&b"2"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xrange(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.xrange_count(key, range, usize::MAX)
    }

    /// All entries of the stream at `key`, in order.
    pub fn xrange_all(&self, key: impl AsRef<[u8]>) -> Result<Vec<StreamEntry>, CommandError> {
        self.xrange(key, ..)
    }

    /// The first `count` entries of the stream at `key` with ids in `range`.
    pub fn xrange_count(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.on_entry(key.as_ref(), |entry| collect(entry, Order::Ascending, range, count))
    }

    /// Entries of the stream at `key` with ids in `range`, the last one first. Follows XREVRANGE of Redis 7.2; the range is
    /// written with its lower end first.
    pub fn xrevrange(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.xrevrange_count(key, range, usize::MAX)
    }

    /// All entries of the stream at `key`, the last one first.
    pub fn xrevrange_all(&self, key: impl AsRef<[u8]>) -> Result<Vec<StreamEntry>, CommandError> {
        self.xrevrange(key, ..)
    }

    /// The last `count` entries of the stream at `key` with ids in `range`, the last one first.
    pub fn xrevrange_count(
        &self,
        key: impl AsRef<[u8]>,
        range: impl RangeBounds<StreamId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.on_entry(key.as_ref(), |entry| collect(entry, Order::Descending, range, count))
    }
}

#[cfg(test)]
mod tests {
    use crate::StreamId;
    use crate::command::testing::Bench;

    fn filled() -> Bench {
        let bench = Bench::new();
        for n in 1..=5 {
            bench.run(&format!("XADD s {n}-{n} f {n}"));
        }
        bench
    }

    fn ids(reply: &str) -> String {
        reply.split("\r\n").filter(|line| line.contains('-') && !line.starts_with('-')).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ends_are_included_unless_excluded() {
        let bench = filled();
        for (line, expected) in [
            ("XRANGE s - +", "1-1 2-2 3-3 4-4 5-5"),
            ("XRANGE s 2 4", "2-2 3-3 4-4"),
            ("XRANGE s 2-3 4-3", "3-3"),
            ("XRANGE s (2-2 (4-4", "3-3"),
            ("XRANGE s (2 4 COUNT 2", "2-2 3-3"),
            ("XRANGE s 4 2", ""),
            ("XREVRANGE s + -", "5-5 4-4 3-3 2-2 1-1"),
            ("XREVRANGE s 4 (2-2 COUNT 9", "4-4 3-3"),
            ("XREVRANGE s + - COUNT 1", "5-5"),
        ] {
            assert_eq!(ids(&bench.ask(line)), expected, "{line}");
        }
        assert_eq!(bench.ask("XRANGE s 1 1"), "*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n");
        assert_eq!(bench.ask("XRANGE s - + COUNT 0"), "*-1\r\n");
        assert_eq!(bench.ask("XRANGE s - + COUNT -5"), "*-1\r\n");
        assert_eq!(bench.ask("XRANGE nokey - + COUNT 0"), "*0\r\n");
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        let max = format!("{0}-{0}", u64::MAX);
        for (line, text) in [
            ("XRANGE s ( +".to_owned(), "ERR Invalid stream ID specified as stream command argument"),
            ("XRANGE s (- +".to_owned(), "ERR Invalid stream ID specified as stream command argument"),
            (format!("XRANGE s ({max} +"), "ERR invalid start ID for the interval"),
            ("XRANGE s - (0-0".to_owned(), "ERR invalid end ID for the interval"),
            ("XRANGE s - + COUNT".to_owned(), "ERR syntax error"),
            ("XRANGE s - + FOO 1".to_owned(), "ERR syntax error"),
            ("XREVRANGE s x -".to_owned(), "ERR Invalid stream ID specified as stream command argument"),
        ] {
            assert_eq!(bench.error(&line), text, "{line}");
        }
    }

    #[test]
    fn typed_ranges_are_those_of_rust() {
        let bench = filled();
        let (two, four) = (StreamId::new(2, 2), StreamId::new(4, 4));
        let ms = |entries: Vec<crate::StreamEntry>| entries.iter().map(|entry| entry.id.ms).collect::<Vec<_>>();
        assert_eq!(ms(bench.db.xrange("s", two..four).unwrap()), [2, 3]);
        assert_eq!(ms(bench.db.xrange_all("s").unwrap()), [1, 2, 3, 4, 5]);
        assert_eq!(ms(bench.db.xrevrange_all("s").unwrap()), [5, 4, 3, 2, 1]);
        assert_eq!(ms(bench.db.xrevrange("s", ..=two).unwrap()), [2, 1]);
        assert_eq!(ms(bench.db.xrevrange_count("s", .., 1).unwrap()), [5]);
        assert!(bench.db.xrange("s", ..StreamId::MIN).unwrap().is_empty());
    }
}
