//! `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]` and the older commands that do parts of
//! it: a range of members.
//!
//! Reply: the members, with WITHSCORES also their scores.

use super::arguments::{LexLimit, ScoreLimit, integer, lex_range, ranks, score_range};
use super::listing::{self, Scores};
use super::{look, read_or_empty};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::{Direction, LexRange, ScoreRange, SortedSetRef, compact};
use bytes::Bytes;
use std::ops::Range;

pub(super) const ZRANGE: Row = Row::new("zrange", -4, Run::Look(zrange))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a range of indexes.")
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    )
    .history(&[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")])
    .args(
        "key:key#0 start:string stop:string sortby:oneof@6.2.0?{byscore=BYSCORE bylex=BYLEX} rev@6.2.0?=REV \
         limit:block@6.2.0?=LIMIT{offset:integer count:integer} withscores?=WITHSCORES",
    );

pub(super) const ZREVRANGE: Row = Row::new("zrevrange", -4, Run::Look(zrevrange))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a range of indexes in reverse order.")
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `REV` argument")
    .args("key:key#0 start:integer stop:integer withscores?=WITHSCORES");

pub(super) const ZRANGEBYSCORE: Row = Row::new("zrangebyscore", -4, Run::Look(zrange_by_score))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a range of scores.")
    .docs(
        Group::SortedSet,
        "1.0.5",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being \
     returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it \
     O(log(N)).",
    )
    .history(&[("2.0.0", "Added the `WITHSCORES` modifier.")])
    .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
    .args(
        "key:key#0 min:double max:double withscores@2.0.0?=WITHSCORES limit:block?=LIMIT{offset:integer \
         count:integer}",
    );

pub(super) const ZREVRANGEBYSCORE: Row = Row::new("zrevrangebyscore", -4, Run::Look(zrevrange_by_score))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a range of scores in reverse order.")
    .docs(
        Group::SortedSet,
        "2.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being \
     returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it \
     O(log(N)).",
    )
    .history(&[("2.1.6", "`min` and `max` can be exclusive.")])
    .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
    .args("key:key#0 max:double min:double withscores?=WITHSCORES limit:block?=LIMIT{offset:integer count:integer}");

pub(super) const ZRANGEBYLEX: Row = Row::new("zrangebylex", -4, Run::Look(zrange_by_lex))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a lexicographical range.")
    .docs(
        Group::SortedSet,
        "2.8.9",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being \
     returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it \
     O(log(N)).",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument")
    .args("key:key#0 min:string max:string limit:block?=LIMIT{offset:integer count:integer}");

pub(super) const ZREVRANGEBYLEX: Row = Row::new("zrevrangebylex", -4, Run::Look(zrevrange_by_lex))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns members in a sorted set within a lexicographical range in reverse order.")
    .docs(
        Group::SortedSet,
        "2.8.9",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being \
     returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it \
     O(log(N)).",
    )
    .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")
    .args("key:key#0 max:string min:string limit:block?=LIMIT{offset:integer count:integer}");

fn zrange(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Any)?, reply)
}

fn zrevrange(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Fixed(By::Rank, Direction::Down))?, reply)
}

fn zrange_by_score(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Fixed(By::Score, Direction::Up))?, reply)
}

fn zrevrange_by_score(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Fixed(By::Score, Direction::Down))?, reply)
}

fn zrange_by_lex(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Fixed(By::Lex, Direction::Up))?, reply)
}

fn zrevrange_by_lex(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write(entry, &Query::read(&args[2..], Form::Fixed(By::Lex, Direction::Down))?, reply)
}

fn write(entry: Option<&EntryRef>, query: &Query<'_>, reply: &mut ReplyWriter<'_>) -> CommandResult {
    let set = read_or_empty(entry)?;
    let (rank, count) = query.select(set);
    listing::begin(reply, count, query.scores);
    // What is asked for most: nothing is read that is not shown.
    if let (SortedSetRef::Compact(bytes), Direction::Up, Scores::Hidden) = (set, query.direction, query.scores) {
        compact::members(bytes, rank).take(count).for_each(|member| listing::write_member(reply, member));
        return Ok(());
    }
    for (member, score) in set.walk(rank, count, query.direction) {
        listing::write(reply, member, score, query.scores);
    }
    Ok(())
}

/// What a range goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// What a command leaves open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything (ZRANGE).
    Any,
    /// All but scores, which are always stored (ZRANGESTORE).
    Stored,
    /// What the range goes by, and where it begins, is in the command's name.
    Fixed(By, Direction),
}

/// The members that are asked for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

/// A range that was asked for.
pub(super) struct Query<'a> {
    wanted: Wanted<'a>,
    pub(super) direction: Direction,
    /// Members that are passed over, negative: all; and how many follow, negative: all.
    limit: (i64, i64),
    scores: Scores,
}

impl<'a> Query<'a> {
    /// Reads start, stop and options.
    pub(super) fn read(args: &[&'a [u8]], form: Form) -> Result<Self, CommandError> {
        let (mut by, mut direction) = match form {
            Form::Fixed(by, direction) => (Some(by), Some(direction)),
            Form::Any | Form::Stored => (None, None),
        };
        let (mut limit, mut scores) = ((0, -1), Scores::Hidden);
        let mut words = args[2..].iter();
        while let Some(word) = words.next() {
            match word.to_ascii_uppercase().as_slice() {
                b"WITHSCORES" if form != Form::Stored => scores = Scores::Shown,
                b"LIMIT" if words.len() >= 2 => {
                    let numbers = [words.next(), words.next()].map(|word| word.map_or(Ok(0), |word| integer(word)));
                    let [offset, count] = numbers;
                    limit = (offset?, count?);
                }
                b"REV" if direction.is_none() => direction = Some(Direction::Down),
                b"BYLEX" if by.is_none() => by = Some(By::Lex),
                b"BYSCORE" if by.is_none() => by = Some(By::Score),
                _ => return Err(CommandError::Syntax),
            }
        }
        let (by, direction) = (by.unwrap_or(By::Rank), direction.unwrap_or(Direction::Up));
        if limit.1 != -1 && by == By::Rank {
            let text = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
            return Err(CommandError::text(text));
        }
        if scores == Scores::Shown && by == By::Lex {
            let text = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
            return Err(CommandError::text(text));
        }
        if by == By::Rank {
            // A count of -1 is let through, and then means nothing, whatever the offset.
            limit = (0, -1);
        }
        let (min, max) = if direction == Direction::Up { (args[0], args[1]) } else { (args[1], args[0]) };
        let wanted = match by {
            By::Rank => Wanted::Ranks(integer(args[0])?, integer(args[1])?),
            By::Score => Wanted::Scores(score_range(min, max)?),
            By::Lex => Wanted::Members(lex_range(min, max)?),
        };
        Ok(Self { wanted, direction, limit, scores })
    }

    fn of(wanted: Wanted<'a>, direction: Direction) -> Self {
        Self { wanted, direction, limit: (0, -1), scores: Scores::Hidden }
    }

    /// The rank of the first member, and how many there are.
    pub(super) fn select(&self, set: SortedSetRef<'_>) -> (usize, usize) {
        let direction = self.direction;
        let found = match &self.wanted {
            Wanted::Ranks(start, stop) => {
                let (len, found) = (set.len(), ranks(*start, *stop, set.len()));
                if direction == Direction::Up { found } else { len - found.end..len - found.start }
            }
            Wanted::Scores(range) => set.score_ranks(range),
            Wanted::Members(range) => set.lex_ranks(range, direction),
        };
        self.limited(found)
    }

    /// Whether how many members there are is only known when they have been met.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.wanted, Wanted::Ranks(..))
    }

    fn limited(&self, found: Range<usize>) -> (usize, usize) {
        let (offset, count) = self.limit;
        let Some(offset) = usize::try_from(offset).ok().filter(|offset| *offset < found.len()) else { return (0, 0) };
        let left = found.len() - offset;
        let count = usize::try_from(count).map_or(left, |count| count.min(left));
        let first = if self.direction == Direction::Up { found.start + offset } else { found.end - 1 - offset };
        (first, count)
    }

    fn list(&self, set: SortedSetRef<'_>) -> Vec<(Bytes, f64)> {
        let (rank, count) = self.select(set);
        let copied =
            |(member, score): (crate::text::StrRef<'_>, f64)| (member.with_bytes(Bytes::copy_from_slice), score);
        set.walk(rank, count, self.direction).map(copied).collect()
    }
}

fn members(pairs: Vec<(Bytes, f64)>) -> Vec<Bytes> {
    pairs.into_iter().map(|(member, _)| member).collect()
}

impl Turn<'_> {
    /// The members from rank `start` to `stop`, negative ones counting from the end, with their scores. O(log n + k).
    pub fn zrange_withscores(
        &mut self,
        key: impl AsRef<[u8]>,
        start: i64,
        stop: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| Query::of(Wanted::Ranks(start, stop), Direction::Up).list(set))
    }

    /// The members from rank `start` to `stop`. O(log n + k).
    pub fn zrange(&mut self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrange_withscores(key, start, stop)?))
    }

    /// The members with a score from `min` to `max`, lowest first, with their scores. O(log n + k).
    pub fn zrangebyscore_withscores(
        &mut self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let range = ScoreLimit::range(min, max)?;
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| Query::of(Wanted::Scores(range), Direction::Up).list(set))
    }
}

impl Engine {
    fn list(&self, key: &[u8], query: &Query<'_>) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.on_key(key, Access::Read, |turn| {
            let key = turn.key(key)?;
            look(turn, &key, |set| query.list(set))
        })
    }

    /// The members of the sorted set at `key` from rank `start` to `stop`, negative ones counting from the end. Fails with
    /// WRONGTYPE on other types. O(log n + k). Follows ZRANGE of Redis 7.2.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.zadd_multiple("board", &[(31.5, "ada"), (7.0, "bob")])?;
    /// assert_eq!(db.zrange("board", 0, -1)?, ["bob", "ada"]);
    /// assert_eq!(db.zrange_withscores("board", -1, -1)?, [("ada".into(), 31.5)]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zrange(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrange_withscores(key, start, stop)?))
    }

    /// As [`Engine::zrange`], with the scores.
    pub fn zrange_withscores(
        &self,
        key: impl AsRef<[u8]>,
        start: i64,
        stop: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.list(key.as_ref(), &Query::of(Wanted::Ranks(start, stop), Direction::Up))
    }

    /// As [`Engine::zrange`], ranks counting from the highest score. Follows ZREVRANGE.
    pub fn zrevrange(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrevrange_withscores(key, start, stop)?))
    }

    /// As [`Engine::zrevrange`], with the scores.
    pub fn zrevrange_withscores(
        &self,
        key: impl AsRef<[u8]>,
        start: i64,
        stop: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.list(key.as_ref(), &Query::of(Wanted::Ranks(start, stop), Direction::Down))
    }

    /// The members with a score from `min` to `max`, lowest first. Fails if a limit is NaN. Follows ZRANGEBYSCORE; as
    /// [`Engine::zrange`] otherwise.
    pub fn zrangebyscore(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrangebyscore_withscores(key, min, max)?))
    }

    /// As [`Engine::zrangebyscore`], with the scores.
    pub fn zrangebyscore_withscores(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let range = ScoreLimit::range(min, max)?;
        self.list(key.as_ref(), &Query::of(Wanted::Scores(range), Direction::Up))
    }

    /// As [`Engine::zrangebyscore_withscores`]: `count` members after the first `offset`.
    pub fn zrangebyscore_limit_withscores(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let query = Query::of(Wanted::Scores(ScoreLimit::range(min, max)?), Direction::Up);
        self.list(key.as_ref(), &Query { limit: (offset, count), ..query })
    }

    /// The members with a score from `max` down to `min`, highest first, with their scores. Follows ZREVRANGEBYSCORE.
    pub fn zrevrangebyscore_withscores(
        &self,
        key: impl AsRef<[u8]>,
        max: impl Into<ScoreLimit>,
        min: impl Into<ScoreLimit>,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let range = ScoreLimit::range(min, max)?;
        self.list(key.as_ref(), &Query::of(Wanted::Scores(range), Direction::Down))
    }

    /// The members from `min` to `max`, all having the same score. Follows ZRANGEBYLEX; as [`Engine::zrange`] otherwise.
    pub fn zrangebylex(
        &self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<Vec<Bytes>, CommandError> {
        let range = LexLimit::range(min, max);
        Ok(members(self.list(key.as_ref(), &Query::of(Wanted::Members(range), Direction::Up))?))
    }

    /// The members from `max` down to `min`, all having the same score. Follows ZREVRANGEBYLEX.
    pub fn zrevrangebylex(
        &self,
        key: impl AsRef<[u8]>,
        max: LexLimit<'_>,
        min: LexLimit<'_>,
    ) -> Result<Vec<Bytes>, CommandError> {
        let range = LexLimit::range(min, max);
        Ok(members(self.list(key.as_ref(), &Query::of(Wanted::Members(range), Direction::Down))?))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    fn list(value: &Value) -> String {
        let word = |value: &Value| String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap();
        value.as_slice().unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranges_by_rank_score_and_bytes_in_both_directions() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b 2 c 5 d");
        bench.ask("ZADD l 0 a 0 b 0 c 0 d");
        for (request, members) in [
            ("ZRANGE z 0 -1", "a b c d"),
            ("ZRANGE z 1 2 REV", "c b"),
            ("ZREVRANGE z 0 0", "d"),
            ("ZRANGE z 0 1 LIMIT 5 -1", "a b"),
            ("ZRANGE z (1 +inf BYSCORE", "b c d"),
            ("ZRANGE z +inf (1 BYSCORE REV LIMIT 1 1", "c"),
            ("ZRANGEBYSCORE z 2 5 LIMIT 1 -1", "c d"),
            ("ZRANGEBYSCORE z 2 5 LIMIT -1 2", ""),
            ("ZRANGEBYSCORE z 2 5 LIMIT 0 0", ""),
            ("ZREVRANGEBYSCORE z 5 2 LIMIT 0 2", "d c"),
            ("ZRANGE l [b + BYLEX", "b c d"),
            ("ZRANGEBYLEX l - (c", "a b"),
            ("ZREVRANGEBYLEX l + [b LIMIT 1 9", "c b"),
            ("ZRANGE none 0 -1", ""),
        ] {
            assert_eq!(list(&bench.run(request)), members, "{request}");
        }
        assert_eq!(bench.ask("ZRANGE z 0 0 WITHSCORES"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        let pair = Value::Array(vec![Value::bulk("a"), Value::Double(1.0)]);
        assert_eq!(bench.run("ZRANGEBYSCORE z 0 1 WITHSCORES"), Value::Array(vec![pair]));
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        let lone_limit = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
        let lex_scores = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
        for (request, error) in [
            ("ZRANGE z 0 1 LIMIT 0 1", lone_limit),
            ("ZRANGE z - + BYLEX WITHSCORES", lex_scores),
            ("ZRANGEBYLEX z - + WITHSCORES", lex_scores),
            ("ZRANGE z a 1", "ERR value is not an integer or out of range"),
            ("ZRANGE z 0 1 BYSCORE LIMIT 0", "ERR syntax error"),
            ("ZRANGE z 0 1 BYSCORE LIMIT a 1", "ERR value is not an integer or out of range"),
            ("ZREVRANGE z 0 1 REV", "ERR syntax error"),
            ("ZRANGEBYSCORE z 0 1 BYLEX", "ERR syntax error"),
            ("ZRANGE z a 1 BYSCORE", "ERR min or max is not a float"),
            ("ZRANGE z a 1 BYLEX", "ERR min or max not valid string range item"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        bench.ask("SET s x");
        assert!(bench.error("ZRANGE s 0 1").starts_with("WRONGTYPE"));
    }
}
