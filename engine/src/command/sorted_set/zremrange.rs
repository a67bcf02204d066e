//! `ZREMRANGEBYRANK key start stop`, `ZREMRANGEBYSCORE key min max` and `ZREMRANGEBYLEX key min max`: takes a range of
//! members out.
//!
//! Reply: how many went. Effect: `ZREM key member ...` with those; `DEL key` if none is left.

use super::arguments::{LexLimit, ScoreLimit, integer, lex_range, ranks, score_range};
use super::change::{find, remove_ranks};
use super::read;
use crate::command::row::flag::WRITE;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::{Direction, SortedSetRef};
use std::ops::Range;

pub(super) const ZREMRANGEBYRANK: Row = Row::new("zremrangebyrank", 4, Run::Turn(by_rank))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary(
        "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were \
     removed.",
    )
    .docs(
        Group::SortedSet,
        "2.0.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by \
     the operation.",
    )
    .args("key:key#0 start:integer stop:integer");

pub(super) const ZREMRANGEBYSCORE: Row = Row::new("zremrangebyscore", 4, Run::Turn(by_score))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary(
        "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were \
     removed.",
    )
    .docs(
        Group::SortedSet,
        "1.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by \
     the operation.",
    )
    .args("key:key#0 min:double max:double");

pub(super) const ZREMRANGEBYLEX: Row = Row::new("zremrangebylex", 4, Run::Turn(by_lex))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary(
        "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were \
     removed.",
    )
    .docs(
        Group::SortedSet,
        "2.8.9",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by \
     the operation.",
    )
    .args("key:key#0 min:string max:string");

fn by_rank(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    reply.integer(turn.zremrangebyrank(args[1], start, stop)? as i64);
    Ok(())
}

fn by_score(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let range = score_range(args[2], args[3])?;
    reply.integer(remove(turn, args[1], "zremrangebyscore", |set| set.score_ranks(&range))? as i64);
    Ok(())
}

fn by_lex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let range = lex_range(args[2], args[3])?;
    reply.integer(remove(turn, args[1], "zremrangebylex", |set| set.lex_ranks(&range, Direction::Up))? as i64);
    Ok(())
}

fn remove(
    turn: &mut Turn<'_>,
    key: &[u8],
    event: &'static str,
    ranks: impl FnOnce(SortedSetRef<'_>) -> Range<usize>,
) -> Result<usize, CommandError> {
    let key = turn.key(key)?;
    let Some(spot) = find(turn, &key)? else { return Ok(0) };
    let ranks = ranks(read(&turn.entry(&key, spot))?);
    let count = ranks.len();
    if count > 0 {
        remove_ranks(turn, &key, spot, ranks, event, |_, _| ());
    }
    Ok(count)
}

impl Turn<'_> {
    /// Takes out the members from rank `start` to `stop`, negative ones counting from the end. O(log n + k).
    pub fn zremrangebyrank(&mut self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<usize, CommandError> {
        remove(self, key.as_ref(), "zremrangebyrank", |set| ranks(start, stop, set.len()))
    }

    /// Takes out the members with a score from `min` to `max`. O(log n + k).
    pub fn zrembyscore(
        &mut self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<usize, CommandError> {
        let range = ScoreLimit::range(min, max)?;
        remove(self, key.as_ref(), "zremrangebyscore", |set| set.score_ranks(&range))
    }

    /// Takes out the members from `min` to `max`, all having the same score. O(log n + k).
    pub fn zrembylex(
        &mut self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<usize, CommandError> {
        let range = LexLimit::range(min, max);
        remove(self, key.as_ref(), "zremrangebylex", |set| set.lex_ranks(&range, Direction::Up))
    }
}

impl Engine {
    /// Takes out the members from rank `start` to `stop`, negative ones counting from the end; returns how many. Fails with
    /// WRONGTYPE on other types. O(log n + k). Follows ZREMRANGEBYRANK of Redis 7.2; records `ZREM` or `DEL`.
    pub fn zremrangebyrank(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zremrangebyrank(key, start, stop))
    }

    /// Takes out the members with a score from `min` to `max`; returns how many. Follows ZREMRANGEBYSCORE; as
    /// [`Engine::zremrangebyrank`] otherwise.
    pub fn zrembyscore(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zrembyscore(key, min, max))
    }

    /// Takes out the members from `min` to `max`, all having the same score; returns how many. Follows ZREMRANGEBYLEX; as
    /// [`Engine::zremrangebyrank`] otherwise.
    pub fn zrembylex(
        &self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.zrembylex(key, min, max))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn ranges_go_by_rank_score_and_bytes() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b 3 c 4 d 5 e");
        bench.ask("ZADD l 0 a 0 b 0 c");
        bench.effects();
        assert_eq!(bench.ask("ZREMRANGEBYRANK z 1 -4"), ":1\r\n");
        assert_eq!(bench.ask("ZREMRANGEBYSCORE z (3 4"), ":1\r\n");
        assert_eq!(bench.ask("ZREMRANGEBYSCORE z 10 20"), ":0\r\n");
        assert_eq!(bench.ask("ZREMRANGEBYLEX l [b +"), ":2\r\n");
        assert_eq!(bench.ask("ZREMRANGEBYRANK z 0 -1"), ":3\r\n");
        assert_eq!(bench.ask("ZREMRANGEBYRANK none 0 -1"), ":0\r\n");
        assert_eq!(bench.effects(), ["ZREM z b", "ZREM z d", "ZREM l b c", "DEL z"]);
        for (request, error) in [
            ("ZREMRANGEBYRANK z a 1", "ERR value is not an integer or out of range"),
            ("ZREMRANGEBYSCORE z a 1", "ERR min or max is not a float"),
            ("ZREMRANGEBYLEX z a 1", "ERR min or max not valid string range item"),
        ] {
            assert_eq!(bench.error(request), error);
        }
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_range_of_a_large_set_goes() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..5_000).map(|n| (f64::from(n), n.to_string())).collect();
        bench.db.zadd_multiple("z", &pairs).unwrap();
        assert_eq!(bench.db.zrembyscore("z", 100.0, 4_899.0).unwrap(), 4_800);
        assert_eq!(bench.db.zcard("z").unwrap(), 200);
        assert_eq!(bench.db.zrank("z", "4900").unwrap(), Some(100));
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
