//! `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`: removes entries from the front of a stream.
//!
//! Reply: how many were removed. Effect: `XTRIM key MAXLEN | MINID = threshold`, with what was left where the trimming was
//! approximate, so that it does not depend on where nodes begin.

use super::arguments::id;
use super::limits::trim_limit;
use super::lookup::{edit_beside, edit_stream, find_stream};
use crate::command::row::flag::WRITE;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::stream::{Stream, TrimExactness};
use crate::value::{StreamId, TrimTo};

pub(super) const XTRIM: Row = Row::new("xtrim", -4, Run::Turn(xtrim))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .tips("nondeterministic_output")
    .summary("Deletes messages from the beginning of a stream.")
    .docs(
        Group::Stream,
        "5.0.0",
        "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are \
         organized in macro nodes containing multiple entries that can be released with a single deallocation.",
    )
    .history(&[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")])
    .args(
        "key:key#0 trim:block{strategy:oneof{maxlen=MAXLEN minid@6.2.0=MINID} \
         operator:oneof?{equal== approximately=~} threshold:string count:integer@6.2.0?=LIMIT}",
    );

/// How a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrimOptions {
    /// What is left.
    pub to: TrimTo,
    /// Whether more may be left, so that it costs less (`~`).
    pub approximate: bool,
    /// How many entries approximate trimming removes at most (`LIMIT`), 0 for any number; those of about a hundred nodes if
    /// not given.
    pub limit: Option<u64>,
}

impl TrimOptions {
    /// Leaves exactly this.
    pub const fn exact(to: TrimTo) -> Self {
        Self { to, approximate: false, limit: None }
    }

    /// Leaves this and perhaps a little more.
    pub const fn approximate(to: TrimTo) -> Self {
        Self { to, approximate: true, limit: None }
    }

    pub(super) fn resolve(self, turn: &Turn<'_>) -> Trim {
        let exactness = match self.approximate {
            false => TrimExactness::Exact,
            true => TrimExactness::Nodes { limit: self.limit.unwrap_or_else(|| trim_limit(&turn.core().options)) },
        };
        Trim { to: self.to, exactness }
    }
}

/// A trimming, worked out.
#[derive(Clone, Copy)]
pub(super) struct Trim {
    to: TrimTo,
    exactness: TrimExactness,
}

impl Trim {
    /// Trims; returns how many entries went and, if any, to what an exact trimming must go to do the same.
    pub(super) fn apply(self, stream: &mut Stream) -> (u64, Option<TrimTo>) {
        let removed = stream.trim(self.to, self.exactness);
        let left = match (removed, self.exactness, self.to) {
            (0, ..) => return (0, None),
            (_, TrimExactness::Exact, to) => to,
            (_, _, TrimTo::Length(_)) => TrimTo::Length(stream.len()),
            (_, _, TrimTo::Id(_)) if stream.len() == 0 => TrimTo::Id(stream.last_id().next().unwrap_or(StreamId::MAX)),
            (_, _, TrimTo::Id(_)) => TrimTo::Id(stream.first_id()),
        };
        (removed, Some(left))
    }
}

/// The words of a trimming as they stand in a request.
#[derive(Default)]
pub(super) struct TrimWords {
    to: Option<TrimTo>,
    approximate: bool,
    limit: Option<u64>,
}

impl TrimWords {
    /// Reads one option at `args[at]`; returns how many arguments it took, 0 if it is none of these.
    pub(super) fn read(&mut self, args: &[&[u8]], at: usize) -> Result<usize, CommandError> {
        let rest = &args[at + 1..];
        let is = |word: &[u8]| args[at].eq_ignore_ascii_case(word) && !rest.is_empty();
        if is(b"LIMIT") {
            let limit = parse_i64(rest[0]).ok_or(CommandError::NotInteger)?;
            let limit = u64::try_from(limit).map_err(|_| CommandError::text("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
            return Ok(2);
        }
        let is_length = is(b"MAXLEN");
        if !is_length && !is(b"MINID") {
            return Ok(0);
        }
        if self.to.is_some() {
            return Err(CommandError::text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_operator = rest.len() >= 2 && (rest[0] == b"~" || rest[0] == b"=");
        self.approximate = has_operator && rest[0] == b"~";
        let threshold = rest[usize::from(has_operator)];
        self.to = Some(match is_length {
            true => {
                let most = parse_i64(threshold).ok_or(CommandError::NotInteger)?;
                let refused = CommandError::text("ERR The MAXLEN argument must be >= 0.");
                TrimTo::Length(u64::try_from(most).map_err(|_| refused)?)
            }
            false => TrimTo::Id(id(threshold, 0)?),
        });
        Ok(2 + usize::from(has_operator))
    }

    /// The trimming that was asked for, if any.
    pub(super) fn resolve(&self, turn: &Turn<'_>) -> Result<Option<Trim>, CommandError> {
        let Some(to) = self.to else {
            return match self.limit {
                None | Some(0) => Ok(None),
                Some(_) => Err(CommandError::text(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
            };
        };
        let (approximate, mut limit) = (self.approximate, self.limit);
        if turn.follows() {
            // What is followed was limited where it was decided.
            limit = Some(0);
        } else if limit.is_some() && !approximate {
            return Err(CommandError::text("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        Ok(Some(TrimOptions { to, approximate, limit }.resolve(turn)))
    }
}

/// `MAXLEN = n` or `MINID = id` for an effect.
pub(super) struct ThresholdText {
    name: &'static [u8],
    text: String,
}

impl ThresholdText {
    pub(super) fn new(to: TrimTo) -> Self {
        match to {
            TrimTo::Length(most) => Self { name: b"MAXLEN", text: most.to_string() },
            TrimTo::Id(id) => Self { name: b"MINID", text: id.to_string() },
        }
    }

    pub(super) fn words(&self) -> [&[u8]; 3] {
        [self.name, b"=", self.text.as_bytes()]
    }
}

fn xtrim(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut words = TrimWords::default();
    let mut at = 2;
    while at < args.len() {
        at += match words.read(args, at)? {
            0 => return Err(CommandError::Syntax),
            taken => taken,
        };
    }
    let without = CommandError::text("ERR syntax error, XTRIM must be called with a trimming strategy");
    let trim = words.resolve(turn)?.ok_or(without)?;
    let key = turn.key(args[1])?;
    reply.integer(trim_stream(turn, &key, trim)? as i64);
    Ok(())
}

fn trim_stream(turn: &mut Turn<'_>, key: &Key<'_>, trim: Trim) -> Result<u64, CommandError> {
    let Some(spot) = find_stream(turn, key)? else { return Ok(0) };
    let entry = turn.entry(key, spot);
    let stream = entry.as_stream().expect("a stream was found at this spot");
    let is_hollow = matches!(trim.to, TrimTo::Id(start) if stream.is_hollow_below(start));
    if !may_trim(stream, trim.to) {
        if is_hollow {
            edit_beside(turn, key, spot, |stream| stream.trim(trim.to, trim.exactness));
        }
        return Ok(0);
    }
    let (removed, left) = edit_stream(turn, key, spot, |stream| trim.apply(stream));
    if let Some(left) = left {
        let threshold = ThresholdText::new(left);
        let [name, operator, text] = threshold.words();
        turn.record(&[b"XTRIM", key.bytes, name, operator, text]);
        turn.notify(EventClass::Stream, "xtrim", key.bytes);
    }
    Ok(removed)
}

/// Whether exact trimming would remove anything.
fn may_trim(stream: &Stream, to: TrimTo) -> bool {
    match to {
        TrimTo::Length(most) => stream.len() > most,
        TrimTo::Id(start) => stream.len() > 0 && stream.first_id() < start,
    }
}

impl Turn<'_> {
    /// Removes entries from the front of the stream at `key`; returns how many.
    pub fn xtrim(&mut self, key: impl AsRef<[u8]>, options: TrimOptions) -> Result<u64, CommandError> {
        let key = self.key(key.as_ref())?;
        let trim = options.resolve(self);
        trim_stream(self, &key, trim)
    }
}

impl Engine {
    /// Removes entries from the front of the stream at `key`; returns how many. O(entries removed), and far less where whole
    /// nodes go. Follows XTRIM of Redis 7.2; records the exact outcome.
    ///
    /// ```
    /// use keyslot_engine::{AddId, Engine, TrimOptions, TrimTo};
    /// let db = Engine::in_memory();
    /// for n in 0..5 {
    ///     db.xadd("log", AddId::Auto, &[("n", n.to_string())])?;
    /// }
    /// assert_eq!(db.xtrim("log", TrimOptions::exact(TrimTo::Length(2)))?, 3);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xtrim(&self, key: impl AsRef<[u8]>, options: TrimOptions) -> Result<u64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xtrim(key, options))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    fn filled(count: usize) -> Bench {
        let bench = Bench::new();
        for n in 1..=count {
            bench.run(&format!("XADD s {n}-0 f {n}"));
        }
        bench.effects();
        bench
    }

    #[test]
    fn approximate_trimming_takes_whole_nodes_up_to_a_limit() {
        let bench = filled(555);
        for (line, removed) in [
            ("XTRIM s MAXLEN ~ 555", 0),
            ("XTRIM s MAXLEN ~ 456", 0),
            ("XTRIM s MAXLEN ~ 420", 100),
            ("XTRIM s MAXLEN ~ 0 LIMIT 99", 0),
            ("XTRIM s MAXLEN ~ 0 LIMIT 250", 200),
            ("XTRIM s MINID ~ 401 LIMIT 0", 100),
            ("XTRIM s MAXLEN 150", 5),
            ("XTRIM s MINID = 410", 4),
        ] {
            assert_eq!(bench.run(line), Value::Integer(removed), "{line}");
        }
        let expected = [
            "XTRIM s MAXLEN = 455",
            "XTRIM s MAXLEN = 255",
            "XTRIM s MINID = 401-0",
            "XTRIM s MAXLEN = 150",
            "XTRIM s MINID = 410-0",
        ];
        assert_eq!(bench.effects(), expected);
        assert_eq!(bench.run("XTRIM nokey MAXLEN 0"), Value::Integer(0));
        bench.assert_replays();
    }

    #[test]
    fn a_node_whose_last_entry_is_deleted_stays_until_trimming_passes_it() {
        let bench = Bench::new();
        bench.db.options().stream_node_entries_max.store(3, std::sync::atomic::Ordering::Relaxed);
        (1..=4).for_each(|n| drop(bench.run(&format!("XADD s {n} f v"))));
        bench.run("XDEL s 2 3");
        let node_count = || bench.db.xinfo_stream("s").unwrap().node_count;
        for (line, removed, nodes) in [
            ("XTRIM s MINID ~ 3", 0, 2),
            ("XTRIM s MINID 3", 1, 2),
            ("XTRIM s MAXLEN 1", 0, 2),
            ("XTRIM s MINID ~ 4", 0, 1),
        ] {
            assert_eq!(bench.run(line), Value::Integer(removed), "{line}");
            assert_eq!(node_count(), nodes, "{line}");
        }
        bench.assert_replays();
    }

    #[test]
    fn a_stream_trimmed_to_nothing_stays() {
        let bench = filled(3);
        assert_eq!(bench.run("XTRIM s MINID ~ 9"), Value::Integer(3));
        assert_eq!(bench.effects(), ["XTRIM s MINID = 3-1"]);
        assert_eq!(bench.run("EXISTS s"), Value::Integer(1));
        bench.assert_replays();
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = filled(1);
        bench.run("SET k v");
        for (line, text) in [
            (
                "XTRIM s MAXLEN 5 MINID 5",
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ),
            ("XTRIM s LIMIT 5", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
            ("XTRIM s LIMIT 0", "ERR syntax error, XTRIM must be called with a trimming strategy"),
            ("XTRIM s MAXLEN 5 LIMIT 5", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
            ("XTRIM s MAXLEN ~ 5 LIMIT -1", "ERR The LIMIT argument must be >= 0."),
            ("XTRIM s MAXLEN -1", "ERR The MAXLEN argument must be >= 0."),
            ("XTRIM s MAXLEN x", "ERR value is not an integer or out of range"),
            ("XTRIM s MAXLEN ~", "ERR value is not an integer or out of range"),
            ("XTRIM s MINID x", "ERR Invalid stream ID specified as stream command argument"),
            ("XTRIM s FOO 1", "ERR syntax error"),
            ("XTRIM k MAXLEN 1", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ] {
            assert_eq!(bench.error(line), text, "{line}");
        }
        assert_eq!(bench.error("XTRIM s MAXLEN"), "ERR wrong number of arguments for 'xtrim' command");
    }
}
