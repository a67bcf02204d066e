//! `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`: walks over what is pending and takes over what
//! is idle for long enough.
//!
//! Reply: the id to go on from (`0-0` at the end), an array of the entries that were claimed, or of their ids with JUSTID,
//! and an array of ids that were pending but are gone from the stream. Effect: one XCLAIM for each of both.

use super::arguments::range_start;
use super::claims::{ClaimStep, Claims};
use super::lookup::{find_stream, no_group, read_stream};
use super::reply::{StreamEntry, write_entry, write_id};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::Entry;

pub(super) const XAUTOCLAIM: Row = Row::new("xautoclaim", -6, Run::Turn(xautoclaim))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().delete()])
    .tips("nondeterministic_output")
    .summary(
        "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as \
         consumer group member.",
    )
    .docs(CommandGroup::Stream, "6.2.0", "O(1) if COUNT is small.")
    .history(&[(
        "7.0.0",
        "Added an element to the reply array, containing deleted entries the command cleared from the PEL",
    )])
    .args(
        "key:key#0 group:string consumer:string min-idle-time:string start:string count:integer?=COUNT justid?=JUSTID",
    );

/// The options of XAUTOCLAIM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AutoClaimOptions {
    /// How many entries are claimed at most (`COUNT`). Ten times as many are looked at.
    pub count: usize,
    /// Leaves the delivery count as it is (`JUSTID`).
    pub keep_count: bool,
}

impl Default for AutoClaimOptions {
    fn default() -> Self {
        Self { count: 100, keep_count: false }
    }
}

/// What XAUTOCLAIM did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AutoClaimed {
    /// Where to go on; `0-0` at the end.
    pub next: StreamId,
    /// What was claimed.
    pub entries: Vec<StreamEntry>,
    /// What was pending but is gone from the stream.
    pub deleted: Vec<StreamId>,
}

struct Request<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    idle_ms_min: i64,
    start: StreamId,
    options: AutoClaimOptions,
}

fn xautoclaim(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let request = parse(args)?;
    let key = turn.key(args[1])?;
    // The id to go on from comes first, and is known last.
    let mut bytes = Vec::new();
    let mut claimed = ReplyWriter::new(&mut bytes, reply.version());
    let mut count = 0;
    let (next, deleted) = claim(turn, &key, &request, |entry| {
        match request.options.keep_count {
            true => write_id(entry.id, &mut claimed),
            false => write_entry(entry, &mut claimed),
        }
        count += 1;
    })?;
    reply.array(3);
    write_id(next, reply);
    reply.array(count);
    reply.encoded(&bytes);
    reply.array(deleted.len());
    deleted.iter().for_each(|id| write_id(*id, reply));
    Ok(())
}

fn parse<'a>(args: &[&'a [u8]]) -> Result<Request<'a>, CommandError> {
    let invalid = CommandError::text("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    let idle_ms_min = parse_i64(args[4]).ok_or(invalid)?.max(0);
    let start = range_start(args[5])?;
    let mut options = AutoClaimOptions::default();
    let mut words = args[6..].iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"JUSTID") {
            options.keep_count = true;
            continue;
        }
        let (true, Some(number)) = (word.eq_ignore_ascii_case(b"COUNT"), words.next()) else {
            return Err(CommandError::Syntax);
        };
        let count = parse_i64(number).and_then(|count| usize::try_from(count).ok());
        let refused = CommandError::text("ERR COUNT must be > 0");
        options.count = count.filter(|count| (1..=COUNT_MAX).contains(count)).ok_or(refused)?;
    }
    Ok(Request { group: args[2], consumer: args[3], idle_ms_min, start, options })
}

/// Claims what can be claimed; `f` sees the entries. Returns where to go on, and what is gone.
fn claim(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    request: &Request<'_>,
    mut f: impl FnMut(&Entry<'_>),
) -> Result<(StreamId, Vec<StreamId>), CommandError> {
    let has_group =
        read_stream(turn, key, |stream| stream.is_some_and(|stream| stream.group(request.group).is_some()))?;
    let spot = find_stream(turn, key)?.filter(|_| has_group).ok_or_else(|| no_group(key.bytes, request.group))?;
    let now_ms = turn.now().0;
    let (mut steps, mut deleted, mut next) = (Vec::new(), Vec::new(), StreamId::MIN);
    let entry = turn.entry(key, spot);
    if let Some((stream, group)) = entry.as_stream().and_then(|stream| Some((stream, stream.group(request.group)?))) {
        let mut tries = request.options.count.saturating_mul(TRIES_PER_ENTRY);
        for (&id, pending) in group.pending_from(request.start) {
            if tries == 0 || steps.len() == request.options.count {
                next = id;
                break;
            }
            tries -= 1;
            let Some(entry) = stream.entry(id) else {
                steps.push(ClaimStep::Settle(id));
                deleted.push(id);
                continue;
            };
            if request.idle_ms_min > 0 && now_ms.wrapping_sub(pending.delivered_ms) < request.idle_ms_min {
                continue;
            }
            let delivery_count = pending.delivery_count.wrapping_add(u64::from(!request.options.keep_count));
            steps.push(ClaimStep::Hand { id, delivery_count });
            f(&entry);
        }
    }
    let Request { group, consumer, .. } = *request;
    let claims = Claims { group, consumer, steps: &steps, delivered_ms: now_ms, last_id: StreamId::MIN };
    claims.apply(turn, key, spot);
    Ok((next, deleted))
}

impl Turn<'_> {
    /// Walks over what is pending in a group from `start` on, and takes over what is idle since `min_idle_ms`.
    pub fn xautoclaim_options(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        start: StreamId,
        options: AutoClaimOptions,
    ) -> Result<AutoClaimed, CommandError> {
        let key = self.key(key.as_ref())?;
        let idle_ms_min = i64::try_from(min_idle_ms).unwrap_or(i64::MAX);
        let request = Request { group: group.as_ref(), consumer: consumer.as_ref(), idle_ms_min, start, options };
        let mut entries = Vec::new();
        let (next, deleted) = claim(self, &key, &request, |entry| entries.push(StreamEntry::of(*entry)))?;
        Ok(AutoClaimed { next, entries, deleted })
    }
}

impl Engine {
    /// Walks over what is pending in a group from `start` on, and takes over what is idle since `min_idle_ms` milliseconds.
    /// O(count * log pending). Follows XAUTOCLAIM of Redis 7.2; records one XCLAIM for each entry claimed or gone.
    pub fn xautoclaim_options(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        start: StreamId,
        options: AutoClaimOptions,
    ) -> Result<AutoClaimed, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| {
            turn.xautoclaim_options(key, group, consumer, min_idle_ms, start, options)
        })
    }
}

/// The largest count that Redis takes.
const COUNT_MAX: usize = i64::MAX as usize / 16;
const TRIES_PER_ENTRY: usize = 10;

#[cfg(test)]
mod tests {
    use crate::command::stream::group_tests::assert_groups_replay;
    use crate::command::testing::{Bench, START};
    use crate::{AutoClaimOptions, StreamId};

    fn filled() -> Bench {
        let bench = Bench::new();
        bench.run("XGROUP CREATE s g 0 MKSTREAM");
        for n in 1..=5 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.run("XREADGROUP GROUP g ada STREAMS s >");
        bench.advance_ms(100);
        bench.run("XDEL s 2");
        bench.effects();
        bench
    }

    #[test]
    fn a_walk_claims_and_tells_what_is_gone() {
        let bench = filled();
        let now = START.0 + 100;
        let one = "$3\r\n1-0\r\n";
        assert_eq!(
            bench.ask("XAUTOCLAIM s g bob 50 - COUNT 2 JUSTID"),
            format!("*3\r\n$3\r\n3-0\r\n*1\r\n{one}*1\r\n$3\r\n2-0\r\n")
        );
        let expected = [
            format!("XCLAIM s g bob 0 1-0 TIME {now} RETRYCOUNT 1 FORCE JUSTID LASTID 5-0"),
            format!("XCLAIM s g ada 0 2-0 TIME {} RETRYCOUNT 1 FORCE JUSTID LASTID 5-0", START.0),
        ];
        assert_eq!(bench.effects(), expected);
        let rest =
            bench.db.xautoclaim_options("s", "g", "bob", 50, StreamId::new(3, 0), AutoClaimOptions::default()).unwrap();
        assert_eq!(rest.entries.iter().map(|entry| entry.id.ms).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((rest.next, rest.deleted.len()), (StreamId::MIN, 0));
        assert_eq!(bench.ask("XAUTOCLAIM s g bob 50 -"), "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n");
        assert_groups_replay(&bench);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        for (line, text) in [
            ("XAUTOCLAIM s h bob 0 -", "NOGROUP No such key 's' or consumer group 'h'"),
            ("XAUTOCLAIM nokey g bob x -", "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
            ("XAUTOCLAIM s g bob 0 x", "ERR Invalid stream ID specified as stream command argument"),
            ("XAUTOCLAIM s g bob 0 - COUNT 0", "ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 - COUNT x", "ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g bob 0 - COUNT", "ERR syntax error"),
            ("XAUTOCLAIM s g bob 0 - FOO", "ERR syntax error"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
    }
}
