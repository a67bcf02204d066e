//! `XREAD [COUNT count] [BLOCK ms] STREAMS key [key ...] id [id ...]` and
//! `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key ...] id [id ...]`: entries after an id,
//! of several streams; waits for some if asked to.
//!
//! `$` stands for the last id there is now, `>` for what the group has not read; any other id makes XREADGROUP give once more
//! what is pending for the consumer. Reply: for each stream that has any its name and an array of entries; a null array if
//! none has. Effects of XREADGROUP: see [`delivery`](super::delivery).

use super::arguments::id;
use super::delivery::{Delivery, Reader};
use super::lookup::{find_stream, quoting_all, read_stream};
use super::reply::{StreamEntry, write_entry, write_id};
use crate::command::row::flag::{BLOCKING, READONLY, WRITE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::timeout::deadline_of_millis;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::{Deferred, ReplyWriter, RespVersion, Value};
use crate::text::parse_i64;
use crate::turn::waiting::{Unserved, Wait};
use crate::turn::{Key, Turn};
use crate::value::stream::{Entry, IdBuffer, Stream};
use crate::value::{StreamId, ValueType};
use bytes::Bytes;
use smallvec::SmallVec;

pub(super) const XREAD: Row = Row::new("xread", -4, Run::Turn(xread))
    .flags(BLOCKING | READONLY)
    .keys(&[KeySpec::keyword("STREAMS", 1).ro().access().fraction(2)])
    .summary(
        "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is \
         available otherwise.",
    )
    .docs(CommandGroup::Stream, "5.0.0", "")
    .args("count:integer?=COUNT milliseconds:integer?=BLOCK streams:block=STREAMS{key:key#0* id:string*}");

pub(super) const XREADGROUP: Row = Row::new("xreadgroup", -7, Run::Turn(xreadgroup))
    .flags(BLOCKING | WRITE)
    .keys(&[KeySpec::keyword("STREAMS", 4).ro().access().fraction(2)])
    .summary(
        "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available \
         otherwise.",
    )
    .docs(
        CommandGroup::Stream,
        "5.0.0",
        "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking \
         for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD \
         will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
    )
    .args(
        "group-block:block=GROUP{group:string consumer:string} count:integer?=COUNT milliseconds:integer?=BLOCK \
         noack?=NOACK streams:block=STREAMS{key:key#0* id:string*}",
    );

/// Where reading begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadFrom {
    /// After this id. For a group: what is pending for the consumer after it.
    After(StreamId),
    /// With what is new: for a group what it has not read yet (`>`), else what is added from now on (`$`).
    New,
}

impl From<StreamId> for ReadFrom {
    fn from(id: StreamId) -> Self {
        Self::After(id)
    }
}

/// The options of XREAD and XREADGROUP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadOptions {
    /// How many entries of each stream at most; all if not given.
    pub count: Option<usize>,
    /// The group that reads, and its consumer.
    pub group: Option<(Bytes, Bytes)>,
    /// Entries do not become pending.
    pub no_ack: bool,
    /// How long [`Engine::xread_options`] waits for an entry, in milliseconds; 0 for ever. Inside of a turn nothing waits.
    pub block_ms: Option<u64>,
}

/// What was read of one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamRead {
    /// Its key.
    pub key: Bytes,
    /// The entries. One that is pending but gone from the stream has no fields.
    pub entries: Vec<StreamEntry>,
}

/// A request, taken apart.
struct Words<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    count: usize,
    block: Option<&'a [u8]>,
    no_ack: bool,
    /// Where the keys begin.
    keys_at: usize,
}

fn xread(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    read(turn, args, reply, parse(turn, args, "xread")?)
}

fn xreadgroup(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = parse(turn, args, "xreadgroup")?;
    if words.group.is_none() {
        return Err(CommandError::text("ERR Missing GROUP option for XREADGROUP"));
    }
    read(turn, args, reply, words)
}

fn parse<'a>(turn: &Turn<'_>, args: &[&'a [u8]], name: &str) -> Result<Words<'a>, CommandError> {
    let is_group = name == "xreadgroup";
    let mut words = Words { group: None, count: usize::MAX, block: None, no_ack: false, keys_at: 0 };
    let mut at = 1;
    while words.keys_at == 0 {
        let Some(word) = args.get(at) else { return Err(CommandError::Syntax) };
        let rest = &args[at + 1..];
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"BLOCK", [ms, ..]) => {
                deadline_of_millis(turn, ms)?;
                (words.block, at) = (Some(*ms), at + 2);
            }
            (b"COUNT", [number, ..]) => {
                let number = parse_i64(number).ok_or(CommandError::NotInteger)?;
                words.count = usize::try_from(number).ok().filter(|count| *count > 0).unwrap_or(usize::MAX);
                at += 2;
            }
            (b"STREAMS", [_, ..]) => {
                if rest.len() % 2 == 1 {
                    return Err(unbalanced(name));
                }
                words.keys_at = at + 1;
            }
            (b"GROUP", [_, _, ..]) if !is_group => return Err(GROUP_IN_XREAD),
            (b"GROUP", [group, consumer, ..]) => (words.group, at) = (Some((*group, *consumer)), at + 3),
            (b"NOACK", _) if !is_group => return Err(NOACK_IN_XREAD),
            (b"NOACK", _) => (words.no_ack, at) = (true, at + 1),
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(words)
}

fn unbalanced(name: &str) -> CommandError {
    let symbol = if name == "xread" { '$' } else { '>' };
    CommandError::Text(
        format!("ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified.")
            .into(),
    )
}

fn read(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>, words: Words<'_>) -> CommandResult {
    let streams = &args[words.keys_at..];
    let (keys, ids) = streams.split_at(streams.len() / 2);
    let mut from: SmallVec<[ReadFrom; 4]> = SmallVec::new();
    for (key, text) in keys.iter().zip(ids) {
        let key = turn.key(key)?;
        from.push(start(turn, &key, text, words.group.map(|(group, _)| group))?);
    }
    let mut delivery = ReplyDelivery { reply, streams: None, entries: None };
    let options = Options { group: words.group, count: words.count, no_ack: words.no_ack };
    serve(turn, keys, &from, options, &mut delivery)?;
    if delivery.finish() {
        return Ok(());
    }
    let Some(timeout) = words.block else {
        reply.null_array();
        return Ok(());
    };
    let deadline = deadline_of_millis(turn, timeout)?;
    let wait = Wait::new(ValueType::Stream, keys, Unserved::NullArray).until(deadline);
    match words.group {
        // A group that goes is told to those who wait for it.
        Some(_) => turn.block(wait.or_removal(), reply),
        None => {
            let request = resolved(args, ids.len(), &from);
            let request: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            turn.block(wait.request(&request), reply)
        }
    }
}

/// The request with ids in the place of `$`, which would mean something else later.
fn resolved(args: &[&[u8]], id_count: usize, from: &[ReadFrom]) -> Vec<Vec<u8>> {
    let ids = args.len() - id_count;
    let text = |from: &ReadFrom| match from {
        ReadFrom::After(id) => id.text(&mut IdBuffer::new()).to_vec(),
        ReadFrom::New => b"$".to_vec(),
    };
    args[..ids].iter().map(|arg| arg.to_vec()).chain(from.iter().map(text)).collect()
}

/// Where to begin in one stream.
fn start(turn: &mut Turn<'_>, key: &Key<'_>, text: &[u8], group: Option<&[u8]>) -> Result<ReadFrom, CommandError> {
    let last_id = match group {
        None => read_stream(turn, key, |stream| stream.map_or(StreamId::MIN, Stream::last_id))?,
        Some(group) => {
            check_group(turn, key, group)?;
            StreamId::MIN
        }
    };
    let from = match (text, group) {
        (b"$", None) => ReadFrom::After(last_id),
        (b"$", Some(_)) => return Err(NO_DOLLAR),
        (b">", None) => return Err(GREATER_IN_XREAD),
        (b">", Some(_)) => ReadFrom::New,
        _ => match id(text, 0)? {
            StreamId::MAX if group.is_some() => ReadFrom::New,
            id => ReadFrom::After(id),
        },
    };
    Ok(from)
}

fn check_group(turn: &mut Turn<'_>, key: &Key<'_>, group: &[u8]) -> CommandResult {
    let has_group = read_stream(turn, key, |stream| stream.is_some_and(|stream| stream.group(group).is_some()))?;
    match has_group {
        true => Ok(()),
        false => Err(quoting_all(&[
            b"NOGROUP No such key '",
            key.bytes,
            b"' or consumer group '",
            group,
            b"' in XREADGROUP with GROUP option",
        ])),
    }
}

#[derive(Clone, Copy)]
struct Options<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    count: usize,
    no_ack: bool,
}

/// Delivers what each stream has. Keys and groups were checked.
fn serve(
    turn: &mut Turn<'_>,
    keys: &[&[u8]],
    from: &[ReadFrom],
    options: Options<'_>,
    to: &mut impl Delivery,
) -> CommandResult {
    for (key, from) in keys.iter().zip(from) {
        let key = turn.key(key)?;
        let Some(spot) = find_stream(turn, &key)? else { continue };
        let Some((group, consumer)) = options.group else {
            let ReadFrom::After(id) = *from else { continue };
            let entry = turn.entry(&key, spot);
            let Some((stream, start)) = entry.as_stream().zip(id.next()) else { continue };
            if stream.top_id().is_some_and(|top| top > id) {
                to.begin_stream(key.bytes);
                stream.range(start, StreamId::MAX).take(options.count).for_each(|entry| to.entry(&entry));
                to.end_stream();
            }
            continue;
        };
        let reader = Reader { group, consumer, count: options.count, no_ack: options.no_ack };
        match from {
            ReadFrom::New => drop(reader.deliver_new(turn, &key, spot, to)),
            ReadFrom::After(id) => reader.deliver_pending(turn, &key, spot, *id, to),
        }
    }
    Ok(())
}

/// Entries as a reply: a map of streams in RESP3, an array of pairs in RESP2.
struct ReplyDelivery<'r, 'w> {
    reply: &'r mut ReplyWriter<'w>,
    streams: Option<(Deferred, usize)>,
    entries: Option<(Deferred, usize)>,
}

impl ReplyDelivery<'_, '_> {
    /// Ends the reply; false if nothing was written.
    fn finish(self) -> bool {
        let Some((streams, count)) = self.streams else { return false };
        match self.reply.version() {
            RespVersion::V2 => self.reply.end_array(streams, count),
            RespVersion::V3 => self.reply.end_map(streams, count),
        }
        true
    }

    fn count_entry(&mut self) {
        if let Some((_, count)) = &mut self.entries {
            *count += 1;
        }
    }
}

impl Delivery for ReplyDelivery<'_, '_> {
    fn begin_stream(&mut self, key: &[u8]) {
        let reply = &mut *self.reply;
        let (_, count) = self.streams.get_or_insert_with(|| (reply.begin_array(), 0));
        *count += 1;
        if reply.version() == RespVersion::V2 {
            reply.array(2);
        }
        reply.bulk(key);
        self.entries = Some((reply.begin_array(), 0));
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        write_entry(entry, self.reply);
        self.count_entry();
    }

    fn gone(&mut self, id: StreamId) {
        self.reply.array(2);
        write_id(id, self.reply);
        self.reply.null_array();
        self.count_entry();
    }

    fn end_stream(&mut self) {
        if let Some((entries, count)) = self.entries.take() {
            self.reply.end_array(entries, count);
        }
    }
}

/// Entries for embedders.
impl Delivery for Vec<StreamRead> {
    fn begin_stream(&mut self, key: &[u8]) {
        self.push(StreamRead { key: Bytes::copy_from_slice(key), entries: Vec::new() });
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        self.last_mut().into_iter().for_each(|read| read.entries.push(StreamEntry::of(*entry)));
    }

    fn gone(&mut self, id: StreamId) {
        self.last_mut().into_iter().for_each(|read| read.entries.push(StreamEntry { id, fields: Vec::new() }));
    }

    fn end_stream(&mut self) {}
}

impl Turn<'_> {
    /// Entries of the streams at `keys` after the ids in `from`, one for each key. Streams that have none are left out.
    pub fn xread_options<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        from: &[ReadFrom],
        options: &ReadOptions,
    ) -> Result<Vec<StreamRead>, CommandError> {
        let group = options.group.as_ref().map(|(group, consumer)| (&group[..], &consumer[..]));
        if keys.len() != from.len() {
            return Err(unbalanced(if group.is_some() { "xreadgroup" } else { "xread" }));
        }
        let keys: SmallVec<[&[u8]; 4]> = keys.iter().map(AsRef::as_ref).collect();
        for key in &keys {
            let key = self.key(key)?;
            match group {
                None => read_stream(self, &key, |_| ())?,
                Some((group, _)) => check_group(self, &key, group)?,
            }
        }
        let count = options.count.filter(|count| *count > 0).unwrap_or(usize::MAX);
        let mut read = Vec::new();
        serve(self, &keys, from, Options { group, count, no_ack: options.no_ack }, &mut read)?;
        Ok(read)
    }
}

impl Engine {
    /// Entries of the streams at `keys` after `ids`, one for each key. Streams that have none are left out. O(entries
    /// returned + log entries). Follows XREAD of Redis 7.2.
    pub fn xread<K: AsRef<[u8]>>(&self, keys: &[K], ids: &[StreamId]) -> Result<Vec<StreamRead>, CommandError> {
        let from: Vec<ReadFrom> = ids.iter().map(|id| ReadFrom::After(*id)).collect();
        self.xread_options(keys, &from, &ReadOptions::default())
    }

    /// Reads with options, also for a group; may block this thread, with no lock held. Follows XREAD and XREADGROUP of Redis
    /// 7.2; records what was handed to a group.
    ///
    /// ```
    /// use keyslot_engine::{AddId, Engine, GroupStart, ReadFrom, ReadOptions};
    /// let db = Engine::in_memory();
    /// db.xgroup_create_mkstream("jobs", "workers", GroupStart::Now)?;
    /// let id = db.xadd("jobs", AddId::Auto, &[("do", "sweep")])?;
    /// let ada = ReadOptions { group: Some(("workers".into(), "ada".into())), ..ReadOptions::default() };
    /// let read = db.xread_options(&["jobs"], &[ReadFrom::New], &ada)?;
    /// assert_eq!(read[0].entries[0].id, id);
    /// assert_eq!(db.xack("jobs", "workers", &[id])?, 1);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xread_options<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        from: &[ReadFrom],
        options: &ReadOptions,
    ) -> Result<Vec<StreamRead>, CommandError> {
        let names: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        if let Some(block_ms) = options.block_ms {
            return wait_for(self, &names, from, options, block_ms);
        }
        let access = if options.group.is_some() { Access::Write } else { Access::Read };
        self.on_keys(&names, access, |turn| turn.xread_options(keys, from, options))
    }
}

/// Reads by way of a request, which this thread may wait for.
fn wait_for(
    db: &Engine,
    keys: &[&[u8]],
    from: &[ReadFrom],
    options: &ReadOptions,
    block_ms: u64,
) -> Result<Vec<StreamRead>, CommandError> {
    let count = options.count.unwrap_or(0).to_string();
    let block = i64::try_from(block_ms).unwrap_or(i64::MAX).to_string();
    let mut args: Vec<&[u8]> = match &options.group {
        None => vec![b"XREAD"],
        Some((group, consumer)) => vec![b"XREADGROUP", b"GROUP", group, consumer],
    };
    args.extend([&b"COUNT"[..], count.as_bytes(), b"BLOCK", block.as_bytes()]);
    if options.no_ack {
        args.push(b"NOACK");
    }
    args.push(b"STREAMS");
    args.extend(keys);
    let new = if options.group.is_some() { ">" } else { "$" };
    let text = |from: &ReadFrom| match from {
        ReadFrom::After(id) => id.to_string(),
        ReadFrom::New => new.to_owned(),
    };
    let ids: Vec<String> = from.iter().map(text).collect();
    args.extend(ids.iter().map(String::as_bytes));
    match db.ask_blocking(&args)? {
        Value::Map(streams) => Ok(streams.iter().filter_map(|(key, entries)| read_of(key, entries)).collect()),
        _ => Ok(Vec::new()),
    }
}

fn read_of(key: &Value, entries: &Value) -> Option<StreamRead> {
    let bytes = |value: &Value| value.as_bytes().map(Bytes::copy_from_slice);
    let entry = |entry: &Value| {
        let [id, fields] = entry.as_slice()? else { return None };
        let pairs = fields.as_slice().unwrap_or_default().chunks_exact(2);
        let fields = pairs.filter_map(|pair| Some((bytes(&pair[0])?, bytes(&pair[1])?))).collect();
        Some(StreamEntry { id: StreamId::parse(id.as_bytes()?, 0)?, fields })
    };
    Some(StreamRead { key: bytes(key)?, entries: entries.as_slice()?.iter().filter_map(entry).collect() })
}

const GROUP_IN_XREAD: CommandError =
    CommandError::text("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NOACK_IN_XREAD: CommandError =
    CommandError::text("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
const NO_DOLLAR: CommandError = CommandError::text(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a \
     proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const GREATER_IN_XREAD: CommandError = CommandError::text(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);

#[cfg(test)]
mod tests {
    use crate::command::stream::group_tests::assert_groups_replay;
    use crate::command::testing::{Bench, START, ask, session};
    use crate::resp::Value;

    fn filled() -> Bench {
        let bench = Bench::new();
        for n in 1..=3 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.run("XADD t 5 f v");
        bench.run("XGROUP CREATE s g 0");
        bench.run("XGROUP CREATE t g 0");
        bench.effects();
        bench
    }

    #[test]
    fn both_versions_have_their_shape() {
        let bench = filled();
        let entry = |id: &str| format!("*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
        let (two, five) = (entry("2-0"), entry("5-0"));
        let line = "XREAD COUNT 1 STREAMS s nokey t 1 0 0-1";
        assert_eq!(bench.ask(line), format!("*2\r\n*2\r\n$1\r\ns\r\n*1\r\n{two}*2\r\n$1\r\nt\r\n*1\r\n{five}"));
        let mut s = session(&bench.db);
        ask(&mut s, "HELLO 3");
        assert_eq!(ask(&mut s, line), format!("%2\r\n$1\r\ns\r\n*1\r\n{two}$1\r\nt\r\n*1\r\n{five}"));
        assert_eq!(bench.ask("XREAD STREAMS s t $ 5"), "*-1\r\n");
        assert_eq!(bench.ask("XREAD STREAMS nokey 0"), "*-1\r\n");
        bench.run("XDEL s 3");
        assert_eq!(bench.ask("XREAD STREAMS s 2"), "*-1\r\n");
    }

    #[test]
    fn what_a_group_reads_becomes_pending() {
        let bench = filled();
        let now = START.0;
        let entry = |id: &str| format!("*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
        let first = format!("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n{}{}", entry("1-0"), entry("2-0"));
        assert_eq!(bench.ask("XREADGROUP GROUP g ada COUNT 2 STREAMS s >"), first);
        let expected = [
            format!("XCLAIM s g ada 0 1-0 TIME {now} RETRYCOUNT 1 FORCE JUSTID LASTID 1-0"),
            format!("XCLAIM s g ada 0 2-0 TIME {now} RETRYCOUNT 1 FORCE JUSTID LASTID 2-0"),
            "XGROUP SETID s g 2-0 ENTRIESREAD 2".to_owned(),
        ];
        assert_eq!(bench.effects(), expected);
        bench.advance_ms(5);
        bench.run("XDEL s 1");
        bench.effects();
        let again = format!("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*-1\r\n{}", entry("2-0"));
        assert_eq!(bench.ask("XREADGROUP GROUP g ada STREAMS s 0"), again);
        let expected = [format!("XCLAIM s g ada 0 2-0 TIME {} RETRYCOUNT 2 FORCE JUSTID LASTID 2-0", now + 5)];
        assert_eq!(bench.effects(), expected);
        assert_eq!(bench.ask("XREADGROUP GROUP g ada STREAMS s 2"), "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n");
        assert_eq!(
            bench.ask("XREADGROUP GROUP g bob NOACK STREAMS s >"),
            format!("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n{}", entry("3-0"))
        );
        assert_eq!(bench.ask("XREADGROUP GROUP g eve STREAMS s >"), "*-1\r\n");
        let expected =
            ["XGROUP CREATECONSUMER s g bob", "XGROUP SETID s g 3-0 ENTRIESREAD 3", "XGROUP CREATECONSUMER s g eve"];
        assert_eq!(bench.effects(), expected);
        assert_groups_replay(&bench);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled();
        bench.run("SET k v");
        for (line, text) in [
            (
                "XREAD STREAMS s t 0",
                "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
            ),
            (
                "XREADGROUP GROUP g ada STREAMS s t 0",
                "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
            ),
            ("XREAD COUNT x STREAMS s 0", "ERR value is not an integer or out of range"),
            ("XREAD BLOCK x STREAMS s 0", "ERR timeout is not an integer or out of range"),
            ("XREAD BLOCK -1 STREAMS s 0", "ERR timeout is negative"),
            ("XREAD COUNT 1 COUNT 1", "ERR syntax error"),
            ("XREAD FOO STREAMS s 0", "ERR syntax error"),
            ("XREAD STREAMS k 0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("XREAD STREAMS s x", "ERR Invalid stream ID specified as stream command argument"),
            ("XREAD STREAMS s -", "ERR Invalid stream ID specified as stream command argument"),
            (
                "XREAD STREAMS s >",
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            ),
            (
                "XREAD NOACK STREAMS s 0",
                "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREAD GROUP g ada STREAMS s 0",
                "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            ("XREADGROUP COUNT 1 NOACK NOACK STREAMS s 0", "ERR Missing GROUP option for XREADGROUP"),
            (
                "XREADGROUP GROUP h ada STREAMS s >",
                "NOGROUP No such key 's' or consumer group 'h' in XREADGROUP with GROUP option",
            ),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        assert!(bench.error("XREADGROUP GROUP g ada STREAMS s $").starts_with("ERR The $ ID is meaningless"));
        assert_eq!(bench.run("XREAD STREAMS s 9"), Value::Nil);
    }
}
