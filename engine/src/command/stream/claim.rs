//! `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]`:
//! takes over entries that are pending for others.
//!
//! Reply: an array of the entries that were claimed, or of their ids with JUSTID. Effect: one XCLAIM for each entry that
//! changed hands, or that is pending no more because it is gone from the stream; XGROUP SETID or XGROUP CREATECONSUMER if
//! that is all there was.

use super::arguments::{Ids, id};
use super::claims::{ClaimStep, Claims};
use super::lookup::{find_stream, no_group, read_stream};
use super::reply::{StreamEntry, write_entry, write_id};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::Entry;

pub(super) const XCLAIM: Row = Row::new("xclaim", -6, Run::Turn(xclaim))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .tips("nondeterministic_output")
    .summary(
        "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer \
         group member.",
    )
    .docs(
        CommandGroup::Stream,
        "5.0.0",
        "O(log N) with N being the number of messages in the PEL of the consumer group.",
    )
    .args(
        "key:key#0 group:string consumer:string min-idle-time:string id:string* ms:integer?=IDLE \
         unix-time-milliseconds:unix-time?=TIME count:integer?=RETRYCOUNT force?=FORCE justid?=JUSTID \
         lastid:string?=LASTID",
    );

/// The options of XCLAIM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClaimOptions {
    /// When the entries count as handed out, in milliseconds of Unix time (`TIME`); now if not given or in the future.
    pub delivered_ms: Option<i64>,
    /// How often they count as handed out (`RETRYCOUNT`); once more than before if not given.
    pub delivery_count: Option<u64>,
    /// Claims entries that are not pending, too (`FORCE`).
    pub force: bool,
    /// Leaves the delivery count as it is (`JUSTID`).
    pub keep_count: bool,
    /// The group goes on reading at least after this id (`LASTID`).
    pub last_id: StreamId,
}

struct Request<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    idle_ms_min: i64,
    ids: Ids,
    options: ClaimOptions,
}

fn xclaim(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let has_group = read_stream(turn, &key, |stream| stream.is_some_and(|stream| stream.group(args[2]).is_some()))?;
    if !has_group {
        return Err(no_group(args[1], args[2]));
    }
    let request = parse(args, turn.now().0)?;
    let array = reply.begin_array();
    let mut count = 0;
    claim(turn, &key, &request, |entry| {
        match request.options.keep_count {
            true => write_id(entry.id, reply),
            false => write_entry(entry, reply),
        }
        count += 1;
    })?;
    reply.end_array(array, count);
    Ok(())
}

fn parse<'a>(args: &[&'a [u8]], now_ms: i64) -> Result<Request<'a>, CommandError> {
    let number = |text: &[u8], error: &'static str| parse_i64(text).ok_or(CommandError::text(error));
    let idle_ms_min = number(args[4], "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
    let ids: Ids = args[5..].iter().map_while(|text| StreamId::parse(text, 0)).collect();
    let mut options = ClaimOptions::default();
    let mut words = args[5 + ids.len()..].iter();
    while let Some(word) = words.next() {
        let mut value = words.clone();
        match (word.to_ascii_uppercase().as_slice(), value.next()) {
            (b"FORCE", _) => options.force = true,
            (b"JUSTID", _) => options.keep_count = true,
            (b"IDLE", Some(ms)) => {
                let idle = number(ms, "ERR Invalid IDLE option argument for XCLAIM")?;
                options.delivered_ms = Some(now_ms.wrapping_sub(idle));
                words = value;
            }
            (b"TIME", Some(ms)) => {
                options.delivered_ms = Some(number(ms, "ERR Invalid TIME option argument for XCLAIM")?);
                words = value;
            }
            (b"RETRYCOUNT", Some(count)) => {
                let count = number(count, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                options.delivery_count = u64::try_from(count).ok();
                words = value;
            }
            (b"LASTID", Some(last)) => {
                options.last_id = id(last, 0)?;
                words = value;
            }
            _ => return Err(CommandError::quoting("ERR Unrecognized XCLAIM option '", word, "'")),
        }
    }
    Ok(Request { group: args[2], consumer: args[3], idle_ms_min, ids, options })
}

/// Claims what can be claimed; `f` sees the entries. The group is there.
fn claim(turn: &mut Turn<'_>, key: &Key<'_>, request: &Request<'_>, f: impl FnMut(&Entry<'_>)) -> CommandResult {
    let Some(spot) = find_stream(turn, key)? else { return Ok(()) };
    let now_ms = turn.now().0;
    // A time that is no time of the past is taken for a client's mistake; the clock that a recorded one was read from may be
    // ahead of this one.
    let latest_ms = if turn.follows() { i64::MAX } else { now_ms };
    let delivered_ms = request.options.delivered_ms.filter(|ms| (0..=latest_ms).contains(ms)).unwrap_or(now_ms);
    let steps = plan(turn, key, spot, request, delivered_ms, f);
    let claims = Claims {
        group: request.group,
        consumer: request.consumer,
        steps: &steps,
        delivered_ms,
        last_id: request.options.last_id,
    };
    claims.apply(turn, key, spot);
    Ok(())
}

/// What there is to do for each id. Repeated ids are looked at as the steps before leave them.
fn plan(
    turn: &Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    request: &Request<'_>,
    delivered_ms: i64,
    mut f: impl FnMut(&Entry<'_>),
) -> Vec<ClaimStep> {
    let now_ms = turn.now().0;
    let entry = turn.entry(key, spot);
    let Some((stream, group)) = entry.as_stream().and_then(|stream| Some((stream, stream.group(request.group)?)))
    else {
        return Vec::new();
    };
    let mut steps: Vec<ClaimStep> = Vec::with_capacity(request.ids.len());
    let repeats = has_repeats(&request.ids);
    for &id in &request.ids {
        let before = if repeats { steps.iter().rev().find(|step| step.id() == id) } else { None };
        let pending = match before {
            Some(ClaimStep::Settle(_)) => None,
            Some(ClaimStep::Hand { delivery_count, .. }) => Some((delivered_ms, *delivery_count)),
            None => group.pending(id).map(|pending| (pending.delivered_ms, pending.delivery_count)),
        };
        let Some(entry) = stream.entry(id) else {
            if pending.is_some() {
                steps.push(ClaimStep::Settle(id));
            }
            continue;
        };
        let count = match pending {
            Some((since, count)) => {
                if request.idle_ms_min > 0 && now_ms.wrapping_sub(since) < request.idle_ms_min {
                    continue;
                }
                count
            }
            None if request.options.force => 1,
            None => continue,
        };
        let more = u64::from(!request.options.keep_count);
        let delivery_count = request.options.delivery_count.unwrap_or(count.wrapping_add(more));
        steps.push(ClaimStep::Hand { id, delivery_count });
        f(&entry);
    }
    steps
}

fn has_repeats(ids: &[StreamId]) -> bool {
    let mut sorted = Ids::from_slice(ids);
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

impl Turn<'_> {
    /// Takes over entries that are pending for others since `min_idle_ms`; returns those that it got.
    pub fn xclaim(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        ids: &[StreamId],
    ) -> Result<Vec<StreamEntry>, CommandError> {
        self.xclaim_options(key, group, consumer, min_idle_ms, ids, ClaimOptions::default())
    }

    /// Takes over entries, with options.
    pub fn xclaim_options(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        ids: &[StreamId],
        options: ClaimOptions,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        let (key, group) = (self.key(key.as_ref())?, group.as_ref());
        let has_group = read_stream(self, &key, |stream| stream.is_some_and(|stream| stream.group(group).is_some()))?;
        if !has_group {
            return Err(no_group(key.bytes, group));
        }
        let idle_ms_min = i64::try_from(min_idle_ms).unwrap_or(i64::MAX);
        let request = Request { group, consumer: consumer.as_ref(), idle_ms_min, ids: Ids::from_slice(ids), options };
        let mut entries = Vec::new();
        claim(self, &key, &request, |entry| entries.push(StreamEntry::of(*entry)))?;
        Ok(entries)
    }
}

impl Engine {
    /// Takes over entries that are pending for others since `min_idle_ms` milliseconds; returns those that it got. O(log
    /// pending) for each. Follows XCLAIM of Redis 7.2; records one XCLAIM for each.
    pub fn xclaim(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        ids: &[StreamId],
    ) -> Result<Vec<StreamEntry>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xclaim(key, group, consumer, min_idle_ms, ids))
    }

    /// Takes over entries, with options. Follows XCLAIM of Redis 7.2.
    pub fn xclaim_options(
        &self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle_ms: u64,
        ids: &[StreamId],
        options: ClaimOptions,
    ) -> Result<Vec<StreamEntry>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xclaim_options(key, group, consumer, min_idle_ms, ids, options))
    }
}

#[cfg(test)]
mod tests {
    use crate::StreamId;
    use crate::command::stream::group_tests::assert_groups_replay;
    use crate::command::testing::{Bench, START};
    use crate::resp::Value;

    fn filled() -> Bench {
        let bench = Bench::new();
        bench.run("XGROUP CREATE s g 0 MKSTREAM");
        for n in 1..=4 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.run("XREADGROUP GROUP g ada COUNT 3 STREAMS s >");
        bench.advance_ms(100);
        bench.effects();
        bench
    }

    #[test]
    fn entries_change_hands_when_they_are_idle() {
        let bench = filled();
        let now = START.0 + 100;
        assert_eq!(bench.run("XCLAIM s g bob 101 1 2"), Value::Array(vec![]));
        assert_eq!(bench.effects(), ["XGROUP CREATECONSUMER s g bob"]);
        assert_eq!(bench.ask("XCLAIM s g bob 100 1 4 9"), "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
        assert_eq!(
            bench.ask("XCLAIM s g bob 0 2 4 IDLE 7 RETRYCOUNT 5 FORCE JUSTID"),
            "*2\r\n$3\r\n2-0\r\n$3\r\n4-0\r\n"
        );
        bench.run("XDEL s 3");
        assert_eq!(bench.ask("XCLAIM s g bob 0 3 LASTID 4"), "*0\r\n");
        assert_eq!(bench.ask("XCLAIM s g bob 0 9 LASTID 5"), "*0\r\n");
        let expected = [
            format!("XCLAIM s g bob 0 1-0 TIME {now} RETRYCOUNT 2 FORCE JUSTID LASTID 3-0"),
            format!("XCLAIM s g bob 0 2-0 TIME {} RETRYCOUNT 5 FORCE JUSTID LASTID 3-0", now - 7),
            format!("XCLAIM s g bob 0 4-0 TIME {} RETRYCOUNT 5 FORCE JUSTID LASTID 3-0", now - 7),
            "XDEL s 3-0".to_owned(),
            format!("XCLAIM s g ada 0 3-0 TIME {} RETRYCOUNT 1 FORCE JUSTID LASTID 4-0", START.0),
            "XGROUP SETID s g 5-0 ENTRIESREAD 3".to_owned(),
        ];
        assert_eq!(bench.effects(), expected);
        let pending = bench.db.xpending("s", "g").unwrap();
        assert_eq!(pending.count, 3);
        assert_groups_replay(&bench);
    }

    #[test]
    fn repeated_ids_are_looked_at_twice() {
        let bench = filled();
        let once = "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
        assert_eq!(bench.ask("XCLAIM s g bob 50 1 1"), format!("*1\r\n{once}"));
        assert_eq!(bench.ask("XCLAIM s g bob 0 1 1"), format!("*2\r\n{once}{once}"));
        let entries = bench.db.xpending_count("s", "g", StreamId::MIN.., 1).unwrap();
        assert_eq!(entries[0].delivery_count, 4);
        assert_groups_replay(&bench);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        for (line, text) in [
            ("XCLAIM s h bob 0 1", "NOGROUP No such key 's' or consumer group 'h'"),
            ("XCLAIM nokey g bob x 1", "NOGROUP No such key 'nokey' or consumer group 'g'"),
            ("XCLAIM s g bob x 1", "ERR Invalid min-idle-time argument for XCLAIM"),
            ("XCLAIM s g bob 0 1 IDLE x", "ERR Invalid IDLE option argument for XCLAIM"),
            ("XCLAIM s g bob 0 1 TIME x", "ERR Invalid TIME option argument for XCLAIM"),
            ("XCLAIM s g bob 0 1 RETRYCOUNT x", "ERR Invalid RETRYCOUNT option argument for XCLAIM"),
            ("XCLAIM s g bob 0 1 LASTID x", "ERR Invalid stream ID specified as stream command argument"),
            ("XCLAIM s g bob 0 1 IDLE", "ERR Unrecognized XCLAIM option 'IDLE'"),
            ("XCLAIM s g bob 0 x", "ERR Unrecognized XCLAIM option 'x'"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        assert!(bench.effects().is_empty());
    }
}
