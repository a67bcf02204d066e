//! `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member ...` and `ZINCRBY key increment member`: gives members scores.
//!
//! Reply: how many members are new, with CH how many are new or have another score; with INCR, and of ZINCRBY, the score
//! afterwards, or null if a condition kept it from changing. Effect: `ZADD key score member ...` with what changed.

use super::arguments::score;
use super::change::{find, new_entry, outgrow, push_scored, record_one, set_all, set_one};
use super::{look, read, write_score};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::turn::{Key, Pieces, Turn};
use crate::value::sorted_set::{CompactMax, Placed};
use smallvec::SmallVec;

pub(super) const ZADD: Row = Row::new("zadd", -4, Run::Turn(zadd))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.")
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    )
    .history(&[
        ("2.4.0", "Accepts multiple elements."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ])
    .args(
        "key:key#0 condition:oneof@3.0.2?{nx=NX xx=XX} comparison:oneof@6.2.0?{gt=GT lt=LT} change@3.0.2?=CH \
         increment@3.0.2?=INCR data:block*{score:double member:string}",
    );

pub(super) const ZINCRBY: Row = Row::new("zincrby", 4, Run::Turn(zincr_by))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Increments the score of a member in a sorted set.")
    .docs(Group::SortedSet, "1.2.0", "O(log(N)) where N is the number of elements in the sorted set.")
    .args("key:key#0 increment:integer member:string");

/// Which members ZADD gives a score.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ZaddOptions {
    /// Only members that are not there yet (`NX`).
    pub only_new: bool,
    /// Only members that are there already (`XX`).
    pub only_existing: bool,
    /// A member that is there only if its score rises (`GT`).
    pub only_greater: bool,
    /// A member that is there only if its score falls (`LT`).
    pub only_less: bool,
}

impl ZaddOptions {
    /// Refuses options that exclude each other.
    fn check(self) -> Result<AddIf, CommandError> {
        let Self { only_new, only_existing, only_greater, only_less } = self;
        if only_new && only_existing {
            return Err(CommandError::text("ERR XX and NX options at the same time are not compatible"));
        }
        if (only_new && (only_greater || only_less)) || (only_greater && only_less) {
            let text = "ERR GT, LT, and/or NX options at the same time are not compatible";
            return Err(CommandError::text(text));
        }
        Ok(AddIf(self))
    }
}

/// Options that go together.
#[derive(Clone, Copy, Default)]
pub(crate) struct AddIf(ZaddOptions);

impl AddIf {
    /// Members that are new, members that are there, or both.
    pub(crate) fn of(only_new: bool, only_existing: bool) -> Result<Self, CommandError> {
        ZaddOptions { only_new, only_existing, ..ZaddOptions::default() }.check()
    }

    /// Whether a member that has a score, or none, gets another.
    #[inline]
    fn takes(self, old: Option<f64>, new: f64) -> bool {
        match old {
            None => !self.0.only_existing,
            Some(old) if new >= old && self.0.only_less || new <= old && self.0.only_greater => false,
            Some(_) => !self.0.only_new,
        }
    }
}

/// What became of the members of one ZADD.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) added: usize,
    pub(crate) moved: usize,
}

fn zadd(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut options, mut counts_moved, mut increments) = (ZaddOptions::default(), false, false);
    let mut at = 2;
    while let Some(word) = args.get(at) {
        match word.len() {
            2 if word.eq_ignore_ascii_case(b"NX") => options.only_new = true,
            2 if word.eq_ignore_ascii_case(b"XX") => options.only_existing = true,
            2 if word.eq_ignore_ascii_case(b"GT") => options.only_greater = true,
            2 if word.eq_ignore_ascii_case(b"LT") => options.only_less = true,
            2 if word.eq_ignore_ascii_case(b"CH") => counts_moved = true,
            4 if word.eq_ignore_ascii_case(b"INCR") => increments = true,
            _ => break,
        }
        at += 1;
    }
    let (words, rest) = args[at..].as_chunks::<2>();
    if words.is_empty() || !rest.is_empty() {
        return Err(CommandError::Syntax);
    }
    let condition = options.check()?;
    if increments && words.len() > 1 {
        return Err(CommandError::text("ERR INCR option supports a single increment-element pair"));
    }
    let mut pairs: SmallVec<[(&[u8], f64); 4]> = SmallVec::with_capacity(words.len());
    for [number, member] in words {
        pairs.push((member, score(number)?));
    }
    let key = turn.key(args[1])?;
    if increments {
        write_score(reply, increment(turn, &key, pairs[0].0, pairs[0].1, condition)?);
        return Ok(());
    }
    let Added { added, moved } = add_all(turn, &key, &pairs, condition)?;
    reply.integer(if counts_moved { added + moved } else { added } as i64);
    Ok(())
}

const OPTION_WORDS: [&[u8]; 6] = [b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"];

fn zincr_by(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    // Redis reads it as ZADD's options are read, and then no pair is left.
    if OPTION_WORDS.iter().any(|word| args[2].eq_ignore_ascii_case(word)) {
        return Err(CommandError::Syntax);
    }
    let delta = score(args[2])?;
    let key = turn.key(args[1])?;
    write_score(reply, increment(turn, &key, args[3], delta, AddIf::default())?);
    Ok(())
}

/// Gives members scores where the condition holds. Nothing is touched where nothing changes.
pub(crate) fn add_all(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    pairs: &[(&[u8], f64)],
    condition: AddIf,
) -> Result<Added, CommandError> {
    let spot = find(turn, key)?;
    if let (Some(spot), [(member, score)]) = (spot, pairs)
        && let Some(placed) = set_one(turn, key, spot, member, *score, |old| condition.takes(old, *score))
    {
        if placed != Placed::Kept {
            record_one(turn, key, member, *score);
            turn.notify(EventClass::SortedSet, "zadd", key.bytes);
        }
        let count = |wanted| usize::from(placed == wanted);
        return Ok(Added { added: count(Placed::Added), moved: count(Placed::Moved) });
    }
    let first = match spot {
        None if condition.0.only_existing => None,
        None => Some(0),
        Some(spot) => {
            let entry = turn.entry(key, spot);
            let set = read(&entry)?;
            pairs.iter().position(|(member, new)| {
                let old = set.score(member);
                condition.takes(old, *new) && old != Some(*new)
            })
        }
    };
    match first {
        None => Ok(Added::default()),
        Some(first) => Ok(apply(turn, key, spot, pairs, &pairs[first..], condition, "zadd")),
    }
}

/// Gives members scores, the first of which changes something.
fn apply(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Option<Spot>,
    all: &[(&[u8], f64)],
    pairs: &[(&[u8], f64)],
    condition: AddIf,
    event: &'static str,
) -> Added {
    let core = turn.core();
    let (mut added, mut changed, mut last) = (Added::default(), Pieces::default(), None);
    let is_alone = pairs.len() == 1;
    let mut see = |member: &[u8], score: f64, placed: Placed| {
        match placed {
            Placed::Added => added.added += 1,
            Placed::Moved => added.moved += 1,
            Placed::Kept => return,
        }
        match is_alone {
            true => last = Some(score),
            false => push_scored(&mut changed, member, score),
        }
    };
    let mut change = |entry: &mut crate::keyspace::EntryRef| {
        if condition.0 == ZaddOptions::default() || pairs.len() == 1 {
            return set_all(core, entry, &mut pairs.iter().copied(), &mut see);
        }
        // A member that comes twice must see the score that it got the first time.
        for (member, score) in pairs.iter().copied() {
            let old = read(entry).ok().and_then(|set| set.score(member));
            if condition.takes(old, score) {
                set_all(core, entry, &mut std::iter::once((member, score)), &mut see);
            }
        }
    };
    match spot {
        Some(spot) => turn.update(key, spot, |entry| {
            // So many pairs make it large even if few members are new, as in Redis.
            if all.len() > CompactMax::of(&core.options).entries {
                outgrow(core, entry);
            }
            change(entry);
        }),
        None => {
            let mut entry = new_entry(core, key.bytes, all.len(), all[0].0.len());
            change(&mut entry);
            turn.put(key, None, entry);
        }
    }
    match last {
        Some(score) => record_one(turn, key, pairs[0].0, score),
        None => changed.record(turn, &[b"ZADD", key.bytes]),
    }
    turn.notify(EventClass::SortedSet, event, key.bytes);
    added
}

/// Adds to the score of a member, a missing one's being 0; `None` if the condition kept it from changing.
fn increment(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    member: &[u8],
    delta: f64,
    condition: AddIf,
) -> Result<Option<f64>, CommandError> {
    let spot = find(turn, key)?;
    let old = match spot {
        None => None,
        Some(spot) => read(&turn.entry(key, spot))?.score(member),
    };
    let new = old.unwrap_or(0.0) + delta;
    let new = if old.is_none() { delta } else { new };
    if old.is_some() && condition.0.only_new || old.is_none() && condition.0.only_existing {
        return Ok(None);
    }
    if new.is_nan() {
        return Err(CommandError::text("ERR resulting score is not a number (NaN)"));
    }
    if !condition.takes(old, new) {
        return Ok(None);
    }
    if old != Some(new) {
        let pairs = [(member, new)];
        apply(turn, key, spot, &pairs, &pairs, AddIf::default(), "zincr");
    }
    Ok(Some(new))
}

impl Turn<'_> {
    /// Gives a member a score; says whether it is new. O(log n).
    pub fn zadd(&mut self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>, score: f64) -> Result<bool, CommandError> {
        let pairs = [(score, member.as_ref())];
        Ok(self.zadd_multiple_options(key, &pairs, ZaddOptions::default())?.0 > 0)
    }

    /// Gives a member a score where the options let it; says whether the member is new or has another score. O(log n).
    pub fn zadd_options(
        &mut self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
        score: f64,
        options: ZaddOptions,
    ) -> Result<bool, CommandError> {
        let (added, moved) = self.zadd_multiple_options(key, &[(score, member)], options)?;
        Ok(added + moved > 0)
    }

    /// Gives members scores; returns how many are new. O(log n) for each.
    pub fn zadd_multiple(
        &mut self,
        key: impl AsRef<[u8]>,
        members: &[(f64, impl AsRef<[u8]>)],
    ) -> Result<usize, CommandError> {
        Ok(self.zadd_multiple_options(key, members, ZaddOptions::default())?.0)
    }

    /// Gives members scores where the options let it; returns how many are new and how many have another score.
    pub fn zadd_multiple_options(
        &mut self,
        key: impl AsRef<[u8]>,
        members: &[(f64, impl AsRef<[u8]>)],
        options: ZaddOptions,
    ) -> Result<(usize, usize), CommandError> {
        let condition = options.check()?;
        let key = self.key(key.as_ref())?;
        let pairs: SmallVec<[(&[u8], f64); 4]> = members.iter().map(|(score, m)| (m.as_ref(), *score)).collect();
        if pairs.iter().any(|(_, score)| score.is_nan()) {
            return Err(CommandError::NotFloat);
        }
        if pairs.is_empty() {
            return look(self, &key, |_| (0, 0));
        }
        let Added { added, moved } = add_all(self, &key, &pairs, condition)?;
        Ok((added, moved))
    }

    /// Adds to the score of a member, a missing one's being 0; returns the sum. O(log n).
    pub fn zincr(&mut self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>, delta: f64) -> Result<f64, CommandError> {
        if delta.is_nan() {
            return Err(CommandError::NotFloat);
        }
        let key = self.key(key.as_ref())?;
        Ok(increment(self, &key, member.as_ref(), delta, AddIf::default())?.unwrap_or(delta))
    }
}

impl Engine {
    /// Gives a member of the sorted set at `key` a score; says whether the member is new. Fails with WRONGTYPE on other types,
    /// and if the score is NaN. O(log n). Follows ZADD of Redis 7.2; records `ZADD` if something changed.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert!(db.zadd("board", "ada", 31.5)?);
    /// assert!(!db.zadd("board", "ada", 32.0)?);
    /// assert_eq!(db.zscore("board", "ada")?, Some(32.0));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zadd(&self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>, score: f64) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.zadd(key, member, score))
    }

    /// Gives a member a score where the options let it; says whether the member is new or has another score. As
    /// [`Engine::zadd`] otherwise.
    ///
    /// ```
    /// use keyslot_engine::{Engine, ZaddOptions};
    /// let db = Engine::in_memory();
    /// let best = ZaddOptions { only_greater: true, ..ZaddOptions::default() };
    /// assert!(db.zadd_options("board", "ada", 31.5, best)?);
    /// assert!(!db.zadd_options("board", "ada", 30.0, best)?);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zadd_options(
        &self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
        score: f64,
        options: ZaddOptions,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.zadd_options(key, member, score, options))
    }

    /// Gives members scores; returns how many are new. As [`Engine::zadd`] otherwise.
    pub fn zadd_multiple(
        &self,
        key: impl AsRef<[u8]>,
        members: &[(f64, impl AsRef<[u8]>)],
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.zadd_multiple(key, members))
    }

    /// Gives members scores where the options let it; returns how many are new, and how many have another score. Fails if
    /// the options exclude each other; as [`Engine::zadd`] otherwise.
    pub fn zadd_multiple_options(
        &self,
        key: impl AsRef<[u8]>,
        members: &[(f64, impl AsRef<[u8]>)],
        options: ZaddOptions,
    ) -> Result<(usize, usize), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.zadd_multiple_options(key, members, options))
    }

    /// Adds to the score of a member, a missing one's being 0; returns the sum. Fails with WRONGTYPE on other types, and if the
    /// sum is no number. O(log n). Follows ZINCRBY of Redis 7.2; records `ZADD`.
    pub fn zincr(&self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>, delta: f64) -> Result<f64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.zincr(key, member, delta))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn what_changed_is_counted_and_recorded() {
        let bench = Bench::new();
        assert_eq!(bench.ask("ZADD z 1 a 2.5 b"), ":2\r\n");
        assert_eq!(bench.ask("ZADD z CH 1 a 3 b 4 c"), ":2\r\n");
        assert_eq!(bench.ask("ZADD z 1 a"), ":0\r\n");
        assert_eq!(bench.ask("ZADD z INCR 0.5 a"), "$3\r\n1.5\r\n");
        assert_eq!(bench.run("ZINCRBY z inf new"), Value::Double(f64::INFINITY));
        assert_eq!(bench.error("ZINCRBY z -inf new"), "ERR resulting score is not a number (NaN)");
        let expected = ["ZADD z 1 a 2.5 b", "ZADD z 3 b 4 c", "ZADD z 1.5 a", "ZADD z inf new"];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn conditions_hold_for_each_member_as_it_comes() {
        let bench = Bench::new();
        assert_eq!(bench.ask("ZADD z XX 1 a"), ":0\r\n");
        assert_eq!(bench.ask("EXISTS z"), ":0\r\n");
        assert_eq!(bench.ask("ZADD z NX 1 a 2 a"), ":1\r\n");
        assert_eq!(bench.ask("ZADD z GT CH 5 a 3 a 1 b"), ":2\r\n");
        assert_eq!(bench.ask("ZADD z LT XX CH 9 a 4 a 4 c"), ":1\r\n");
        assert_eq!(bench.ask("ZADD z NX INCR 9 a"), "$-1\r\n");
        assert_eq!(bench.ask("ZADD z GT INCR -9 a"), "$-1\r\n");
        assert_eq!(bench.effects(), ["ZADD z 1 a", "ZADD z 5 a 1 b", "ZADD z 4 a"]);
        bench.assert_replays();
    }

    #[test]
    fn many_members_outgrow_the_compact_form_and_are_recorded_in_pieces() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..3_000).map(|n| (f64::from(n % 70), format!("member:{n}"))).collect();
        assert_eq!(bench.db.zadd_multiple("z", &pairs).unwrap(), 3_000);
        assert_eq!(bench.ask("OBJECT ENCODING z"), "$8\r\nskiplist\r\n");
        assert!(bench.effects().len() > 1);
        bench.ask("ZADD small 1 a");
        assert_eq!(bench.ask("OBJECT ENCODING small"), "$8\r\nlistpack\r\n");
        bench.ask(&format!("ZADD small 1 {}", "x".repeat(65)));
        assert_eq!(bench.ask("OBJECT ENCODING small"), "$8\r\nskiplist\r\n");
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        bench.ask("SET s x");
        for (request, error) in [
            ("ZADD z 1", "ERR wrong number of arguments for 'zadd' command"),
            ("ZADD z NX 1", "ERR syntax error"),
            ("ZADD z 1 a 2", "ERR syntax error"),
            ("ZADD z NX XX 1 a", "ERR XX and NX options at the same time are not compatible"),
            ("ZADD z NX GT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z LT GT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z INCR 1 a 2 b", "ERR INCR option supports a single increment-element pair"),
            ("ZADD z 1 a nan b", "ERR value is not a valid float"),
            ("ZINCRBY z x a", "ERR value is not a valid float"),
            ("ZINCRBY z incr 1", "ERR syntax error"),
            ("ZADD s 1 a", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("ZINCRBY s 1 a", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        assert_eq!(bench.effects(), ["SET s x"]);
    }
}
