//! `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]` and the older commands that do parts of
//! it: a range of members.
//!
//! Reply: the members, with WITHSCORES also their scores.

use super::arguments::{LexLimit, ScoreLimit};
use super::listing::{self, Scores};
use super::range_query::{By, Form, Query, Wanted};
use super::{look, members, read_or_empty};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::{Direction, SortedSetRef, compact};
use bytes::Bytes;

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
    // What is asked for most: nothing is read that is not shown, and nothing twice.
    if let (SortedSetRef::Compact(bytes), Some((rank, count)), Scores::Hidden) = (set, query.front(), query.scores) {
        write_front(bytes, rank, count, reply);
        return Ok(());
    }
    let (rank, count) = query.select(set);
    listing::begin(reply, count, query.scores);
    for (member, score) in set.walk(rank, count, query.direction) {
        listing::write(reply, member, score, query.scores);
    }
    Ok(())
}

/// Writes up to `count` members of a compact set from a rank on.
fn write_front(bytes: &[u8], rank: usize, count: usize, reply: &mut ReplyWriter<'_>) {
    // A member and its score take two bytes at least.
    let list = reply.begin_array_of(count.min(bytes.len() / 2));
    let mut len = 0;
    for member in compact::members(bytes, rank).take(count) {
        listing::write_member(reply, member);
        len += 1;
    }
    reply.end_array(list, len);
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

    /// As [`Engine::zrangebyscore`]: `count` members after the first `offset`; all that follow if `count` is negative.
    pub fn zrangebyscore_limit(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrangebyscore_limit_withscores(key, min, max, offset, count)?))
    }

    /// As [`Engine::zrangebyscore_limit`], with the scores.
    pub fn zrangebyscore_limit_withscores(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let query = Query::of(Wanted::Scores(ScoreLimit::range(min, max)?), Direction::Up);
        self.list(key.as_ref(), &query.limited_to(offset, count))
    }

    /// The members with a score from `max` down to `min`, highest first. Follows ZREVRANGEBYSCORE; as
    /// [`Engine::zrangebyscore`] otherwise.
    pub fn zrevrangebyscore(
        &self,
        key: impl AsRef<[u8]>,
        max: impl Into<ScoreLimit>,
        min: impl Into<ScoreLimit>,
    ) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrevrangebyscore_withscores(key, max, min)?))
    }

    /// As [`Engine::zrevrangebyscore`], with the scores.
    pub fn zrevrangebyscore_withscores(
        &self,
        key: impl AsRef<[u8]>,
        max: impl Into<ScoreLimit>,
        min: impl Into<ScoreLimit>,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        self.zrevrangebyscore_limit_withscores(key, max, min, 0, -1)
    }

    /// As [`Engine::zrevrangebyscore`]: `count` members after the first `offset`; all that follow if `count` is negative.
    pub fn zrevrangebyscore_limit(
        &self,
        key: impl AsRef<[u8]>,
        max: impl Into<ScoreLimit>,
        min: impl Into<ScoreLimit>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<Bytes>, CommandError> {
        Ok(members(self.zrevrangebyscore_limit_withscores(key, max, min, offset, count)?))
    }

    /// As [`Engine::zrevrangebyscore_limit`], with the scores.
    pub fn zrevrangebyscore_limit_withscores(
        &self,
        key: impl AsRef<[u8]>,
        max: impl Into<ScoreLimit>,
        min: impl Into<ScoreLimit>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<(Bytes, f64)>, CommandError> {
        let query = Query::of(Wanted::Scores(ScoreLimit::range(min, max)?), Direction::Down);
        self.list(key.as_ref(), &query.limited_to(offset, count))
    }

    /// The members from `min` to `max`, all having the same score. Follows ZRANGEBYLEX; as [`Engine::zrange`] otherwise.
    pub fn zrangebylex(
        &self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<Vec<Bytes>, CommandError> {
        self.zrangebylex_limit(key, min, max, 0, -1)
    }

    /// As [`Engine::zrangebylex`]: `count` members after the first `offset`; all that follow if `count` is negative.
    pub fn zrangebylex_limit(
        &self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<Bytes>, CommandError> {
        let query = Query::of(Wanted::Members(LexLimit::range(min, max)), Direction::Up);
        Ok(members(self.list(key.as_ref(), &query.limited_to(offset, count))?))
    }

    /// The members from `max` down to `min`, all having the same score. Follows ZREVRANGEBYLEX.
    pub fn zrevrangebylex(
        &self,
        key: impl AsRef<[u8]>,
        max: LexLimit<'_>,
        min: LexLimit<'_>,
    ) -> Result<Vec<Bytes>, CommandError> {
        self.zrevrangebylex_limit(key, max, min, 0, -1)
    }

    /// As [`Engine::zrevrangebylex`]: `count` members after the first `offset`; all that follow if `count` is negative.
    pub fn zrevrangebylex_limit(
        &self,
        key: impl AsRef<[u8]>,
        max: LexLimit<'_>,
        min: LexLimit<'_>,
        offset: i64,
        count: i64,
    ) -> Result<Vec<Bytes>, CommandError> {
        let query = Query::of(Wanted::Members(LexLimit::range(min, max)), Direction::Down);
        Ok(members(self.list(key.as_ref(), &query.limited_to(offset, count))?))
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
            ("ZRANGE none 0 9", ""),
            ("ZRANGE z 1 2", "b c"),
            ("ZRANGE z 3 9223372036854775807", "d"),
            ("ZRANGE z 4 9", ""),
            ("ZRANGE z 9223372036854775807 9223372036854775807", ""),
            ("ZRANGE z 2 1", ""),
            ("ZREVRANGE z 1 2", "c b"),
        ] {
            assert_eq!(list(&bench.run(request)), members, "{request}");
        }
        assert_eq!(bench.ask("ZRANGE z 0 0 WITHSCORES"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        let pair = Value::Array(vec![Value::bulk("a"), Value::Double(1.0)]);
        assert_eq!(bench.run("ZRANGEBYSCORE z 0 1 WITHSCORES"), Value::Array(vec![pair]));
    }

    #[test]
    fn typed_verbs_take_parts_of_ranges_in_both_directions() {
        use crate::LexLimit::{Excluded, Highest, Included, Lowest};
        let bench = Bench::new();
        let db = &bench.db;
        bench.ask("ZADD z 1 a 2 b 2 c 5 d");
        bench.ask("ZADD l 0 a 0 b 0 c 0 d");
        assert_eq!(db.zrangebyscore_limit("z", 1.0, 5.0, 1, 2).unwrap(), ["b", "c"]);
        assert_eq!(db.zrevrangebyscore("z", 2.0, 1.0).unwrap(), ["c", "b", "a"]);
        assert_eq!(db.zrevrangebyscore_withscores("z", 5.0, 5.0).unwrap(), [("d".into(), 5.0)]);
        assert_eq!(db.zrevrangebyscore_limit("z", 5.0, 1.0, 2, -1).unwrap(), ["b", "a"]);
        assert_eq!(db.zrevrangebyscore_limit_withscores("z", 5.0, 1.0, 3, 9).unwrap(), [("a".into(), 1.0)]);
        assert_eq!(db.zrangebylex_limit("l", Lowest, Excluded(b"d"), 1, 9).unwrap(), ["b", "c"]);
        assert_eq!(db.zrevrangebylex_limit("l", Highest, Included(b"b"), 0, 2).unwrap(), ["d", "c"]);
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
