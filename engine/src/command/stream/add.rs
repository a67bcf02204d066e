//! `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] id | ms-* | * field value [field value ...]`:
//! appends an entry to a stream.
//!
//! Reply: the entry's id; null with NOMKSTREAM where there is no stream. Effect: `XADD key id field value ...` with the id
//! that was given or made, and `MAXLEN =` or `MINID =` with what the trimming left.

use super::arguments::{INVALID_ID, id};
use super::limits::node_limits;
use super::lookup::{edit_stream, find_stream};
use super::reply::write_id;
use super::trim::{ThresholdText, Trim, TrimOptions, TrimWords};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::stream::{ENTRY_BYTES_MAX, IdBuffer, Stream};
use crate::value::{Object, StreamId, ValueType};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) const XADD: Row = Row::new("xadd", -5, Run::Turn(xadd))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update().notes("UPDATE instead of INSERT because of the optional trimming feature")])
    .tips("nondeterministic_output")
    .summary("Appends a new message to a stream. Creates the key if it doesn't exist.")
    .docs(
        Group::Stream,
        "5.0.0",
        "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    )
    .history(&[
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
    ])
    .args(
        "key:key#0 nomkstream@6.2.0?=NOMKSTREAM trim:block?{strategy:oneof{maxlen=MAXLEN minid@6.2.0=MINID} \
         operator:oneof?{equal== approximately=~} threshold:string count:integer@6.2.0?=LIMIT} \
         id-selector:oneof{auto-id=* id:string} data:block*{field:string value:string}",
    );

/// The id that a new entry gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddId {
    /// The time, and a number that makes the id higher than all before (`*`).
    #[default]
    Auto,
    /// This time in milliseconds, and the next number (`ms-*`).
    AutoSequence(u64),
    /// Exactly this one.
    Exact(StreamId),
}

impl From<StreamId> for AddId {
    fn from(id: StreamId) -> Self {
        Self::Exact(id)
    }
}

/// The options of XADD.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddOptions {
    /// Adds nothing where there is no stream yet (`NOMKSTREAM`).
    pub only_existing: bool,
    /// Trims the stream afterwards.
    pub trim: Option<TrimOptions>,
}

fn xadd(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (words, at) = parse(args)?;
    let trim = words.trim.resolve(turn)?;
    let pairs = args.get(at + 1..).unwrap_or_default();
    if pairs.len() < 2 || pairs.len() % 2 == 1 {
        return Err(CommandError::WrongArity(Cow::Borrowed("xadd")));
    }
    let key = turn.key(args[1])?;
    match add(turn, &key, words.id, pairs, words.only_existing, trim)? {
        None => reply.null(),
        Some(id) => write_id(id, reply),
    }
    Ok(())
}

#[derive(Default)]
struct Words {
    id: AddId,
    only_existing: bool,
    trim: TrimWords,
}

/// Reads what stands before the fields; also returns where the id stands.
fn parse(args: &[&[u8]]) -> Result<(Words, usize), CommandError> {
    let mut words = Words::default();
    let mut at = 2;
    while at < args.len() {
        if args[at] == b"*" {
            break;
        }
        match words.trim.read(args, at)? {
            0 if args[at].eq_ignore_ascii_case(b"NOMKSTREAM") => {
                words.only_existing = true;
                at += 1;
            }
            0 => {
                words.id = match StreamId::parse_open(args[at]) {
                    Some(ms) => AddId::AutoSequence(ms),
                    None => AddId::Exact(id(args[at], 0)?),
                };
                break;
            }
            taken => at += taken,
        }
    }
    Ok((words, at))
}

/// Adds an entry, whose fields and values stand in turn in `pairs`.
fn add(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    id: AddId,
    pairs: &[&[u8]],
    only_existing: bool,
    trim: Option<Trim>,
) -> Result<Option<StreamId>, CommandError> {
    if id == AddId::Exact(StreamId::MIN) {
        return Err(CommandError::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let spot = find_stream(turn, key)?;
    if spot.is_none() && only_existing {
        return Ok(None);
    }
    let last = spot.and_then(|spot| turn.entry(key, spot).as_stream().map(Stream::last_id)).unwrap_or(StreamId::MIN);
    let id = next_id(id, last, turn)?;
    if pairs.iter().map(|text| text.len()).sum::<usize>() > ENTRY_BYTES_MAX {
        return Err(CommandError::text("ERR Elements are too large to be stored"));
    }
    let limits = node_limits(&turn.core().options);
    let append = |stream: &mut Stream| {
        stream.append(id, pairs, limits);
        trim.map_or((0, None), |trim| trim.apply(stream))
    };
    let (removed, left) = match spot {
        Some(spot) => edit_stream(turn, key, spot, append),
        None => {
            let mut stream = Stream::new();
            let trimmed = append(&mut stream);
            let object = Object::Stream(Arc::new(stream));
            turn.put(key, None, EntryRef::object(key.bytes, object, ValueType::Stream, None));
            trimmed
        }
    };
    record(turn, key, id, pairs, left);
    turn.notify(EventClass::Stream, "xadd", key.bytes);
    if removed > 0 {
        turn.notify(EventClass::Stream, "xtrim", key.bytes);
    }
    Ok(Some(id))
}

/// The id of the next entry: above all before.
fn next_id(id: AddId, last: StreamId, turn: &Turn<'_>) -> Result<StreamId, CommandError> {
    if last == StreamId::MAX {
        return Err(CommandError::text("ERR The stream has exhausted the last possible ID, unable to add more items"));
    }
    let next = match id {
        AddId::Exact(id) => Some(id),
        AddId::AutoSequence(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| StreamId::new(ms, seq)),
        AddId::AutoSequence(ms) => Some(StreamId::new(ms, 0)),
        AddId::Auto => {
            let now = u64::try_from(turn.now().0).unwrap_or(0);
            if now > last.ms { Some(StreamId::new(now, 0)) } else { last.next() }
        }
    };
    next.filter(|next| *next > last)
        .ok_or(CommandError::text("ERR The ID specified in XADD is equal or smaller than the target stream top item"))
}

fn record(turn: &mut Turn<'_>, key: &Key<'_>, id: StreamId, pairs: &[&[u8]], left: Option<crate::value::TrimTo>) {
    let mut buffer = IdBuffer::new();
    let threshold = left.map(ThresholdText::new);
    let mut effect: SmallVec<[&[u8]; 16]> = SmallVec::new();
    effect.extend_from_slice(&[b"XADD", key.bytes]);
    if let Some(threshold) = &threshold {
        effect.extend_from_slice(&threshold.words());
    }
    effect.push(id.text(&mut buffer));
    effect.extend_from_slice(pairs);
    turn.record(&effect);
}

impl Turn<'_> {
    /// Appends an entry to the stream at `key`, which is made if there is none; returns the entry's id.
    pub fn xadd<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        id: impl Into<AddId>,
        fields: &[(F, V)],
    ) -> Result<StreamId, CommandError> {
        let added = self.xadd_options(key, id, fields, AddOptions::default())?;
        added.ok_or(INVALID_ID)
    }

    /// Appends with options; returns the entry's id, or `None` if there is no stream and none is to be made.
    pub fn xadd_options<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        id: impl Into<AddId>,
        fields: &[(F, V)],
        options: AddOptions,
    ) -> Result<Option<StreamId>, CommandError> {
        if fields.is_empty() {
            return Err(CommandError::WrongArity(Cow::Borrowed("xadd")));
        }
        let pairs: SmallVec<[&[u8]; 8]> =
            fields.iter().flat_map(|(field, value)| [field.as_ref(), value.as_ref()]).collect();
        let key = self.key(key.as_ref())?;
        let trim = options.trim.map(|trim| trim.resolve(self));
        add(self, &key, id.into(), &pairs, options.only_existing, trim)
    }
}

impl Engine {
    /// Appends an entry to the stream at `key`, which is made if there is none; returns the entry's id. An error if the id
    /// is not above all before, or without fields. O(entry + log entries). Follows XADD of Redis 7.2; records the entry with
    /// its id.
    ///
    /// ```
    /// use keyslot_engine::{AddId, Engine, StreamId};
    /// let db = Engine::in_memory();
    /// db.xadd("log", AddId::Auto, &[("level", "info"), ("text", "started")])?;
    /// assert!(db.xadd("log", StreamId::new(1, 1), &[("level", "info")]).is_err(), "ids only grow");
    /// assert_eq!(db.xlen("log")?, 1);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xadd<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        id: impl Into<AddId>,
        fields: &[(F, V)],
    ) -> Result<StreamId, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xadd(key, id, fields))
    }

    /// As [`Engine::xadd`], and trims the stream afterwards.
    ///
    /// ```
    /// use keyslot_engine::{AddId, Engine, TrimOptions, TrimTo};
    /// let db = Engine::in_memory();
    /// for n in ["1", "2", "3"] {
    ///     db.xadd_maxlen("log", TrimOptions::exact(TrimTo::Length(2)), AddId::Auto, &[("n", n)])?;
    /// }
    /// assert_eq!(db.xlen("log")?, 2);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xadd_maxlen<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        trim: TrimOptions,
        id: impl Into<AddId>,
        fields: &[(F, V)],
    ) -> Result<StreamId, CommandError> {
        let added = self.xadd_options(key, id, fields, AddOptions { trim: Some(trim), ..AddOptions::default() })?;
        added.ok_or(INVALID_ID)
    }

    /// Appends with options; returns the entry's id, or `None` if there is no stream and none is to be made. Follows XADD
    /// of Redis 7.2.
    pub fn xadd_options<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        id: impl Into<AddId>,
        fields: &[(F, V)],
        options: AddOptions,
    ) -> Result<Option<StreamId>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.xadd_options(key, id, fields, options))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START};
    use crate::resp::Value;
    use crate::{AddId, AddOptions, StreamId};

    #[test]
    fn ids_are_made_completed_and_checked() {
        let bench = Bench::new();
        let now = START.0;
        assert_eq!(bench.run("XADD s * f v"), Value::bulk(format!("{now}-0")));
        assert_eq!(bench.run("XADD s * f v"), Value::bulk(format!("{now}-1")));
        assert_eq!(bench.run(&format!("XADD s {now}-* f v")), Value::bulk(format!("{now}-2")));
        assert_eq!(bench.run(&format!("XADD s {} f v", now + 5)), Value::bulk(format!("{}-0", now + 5)));
        assert_eq!(bench.run("XADD s * f v"), Value::bulk(format!("{}-1", now + 5)), "the clock may stand back");
        assert_eq!(bench.run("XADD other 0-* f v"), Value::bulk("0-1"));
        assert_eq!(bench.run("XADD other 7-* f v"), Value::bulk("7-0"));
        let small = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
        for (line, text) in [
            ("XADD s 5 f v", small),
            ("XADD s 5-* f v", small),
            ("XADD new 0-0 f v", "ERR The ID specified in XADD must be greater than 0-0"),
            ("XADD s x f v", "ERR Invalid stream ID specified as stream command argument"),
            ("XADD s - f v", "ERR Invalid stream ID specified as stream command argument"),
            ("XADD s * f", "ERR wrong number of arguments for 'xadd' command"),
            ("XADD s * f v f", "ERR wrong number of arguments for 'xadd' command"),
            ("XADD s MAXLEN 5 NOMKSTREAM", "ERR wrong number of arguments for 'xadd' command"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        let max = u64::MAX;
        bench.run(&format!("XADD end {max}-{} f v", max - 1));
        assert_eq!(bench.run(&format!("XADD end {max}-* f v")), Value::bulk(format!("{max}-{max}")));
        let exhausted = "ERR The stream has exhausted the last possible ID, unable to add more items";
        assert_eq!(bench.error("XADD end * f v"), exhausted);
        assert_eq!(bench.run("EXISTS new"), Value::Integer(0));
        bench.assert_replays();
    }

    #[test]
    fn effects_hold_the_id_and_what_trimming_left() {
        let bench = Bench::new();
        let now = START.0;
        bench.run("XADD s NOMKSTREAM * a 1");
        bench.run("XADD s * a 1");
        bench.run("XADD s NOMKSTREAM MAXLEN ~ 5 * a 2");
        bench.run("XADD s MAXLEN = 2 * a 3");
        bench.run("XADD s MAXLEN ~ 0 LIMIT 0 * a 4");
        bench.run(&format!("XADD s MINID {} 1-* a 5", now + 1));
        bench.run(&format!("XADD s MINID ~ {} {}-1 a 6", now + 9, now + 3));
        let expected = [
            format!("XADD s {now}-0 a 1"),
            format!("XADD s {now}-1 a 2"),
            format!("XADD s MAXLEN = 2 {now}-2 a 3"),
            format!("XADD s MAXLEN = 0 {now}-3 a 4"),
            format!("XADD s MINID = {}-2 {}-1 a 6", now + 3, now + 3),
        ];
        assert_eq!(bench.effects(), expected);
        assert_eq!(bench.run("XLEN s"), Value::Integer(0));
        bench.assert_replays();
    }

    #[test]
    fn typed_verbs_return_ids() {
        let bench = Bench::new();
        let options = AddOptions { only_existing: true, ..AddOptions::default() };
        assert_eq!(bench.db.xadd_options("s", AddId::Auto, &[("f", "v")], options).unwrap(), None);
        let id = bench.db.xadd("s", AddId::AutoSequence(3), &[("f", "v")]).unwrap();
        assert_eq!(id, StreamId::new(3, 0));
        assert!(bench.db.xadd::<&str, &str>("s", AddId::Auto, &[]).is_err());
        assert_eq!(bench.db.xlen("s").unwrap(), 1);
    }
}
