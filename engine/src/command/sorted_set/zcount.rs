//! `ZCOUNT key min max` and `ZLEXCOUNT key min max`: how many members a range has.

use super::arguments::{LexLimit, ScoreLimit, lex_range, score_range};
use super::{look, read_or_empty};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::Direction;

pub(super) const ZCOUNT: Row = Row::new("zcount", 4, Run::Look(zcount))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the count of members in a sorted set that have scores within a range.")
    .docs(Group::SortedSet, "2.0.0", "O(log(N)) with N being the number of elements in the sorted set.")
    .args("key:key#0 min:double max:double");

pub(super) const ZLEXCOUNT: Row = Row::new("zlexcount", 4, Run::Look(zlexcount))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the number of members in a sorted set within a lexicographical range.")
    .docs(Group::SortedSet, "2.8.9", "O(log(N)) with N being the number of elements in the sorted set.")
    .args("key:key#0 min:string max:string");

fn zcount(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let range = score_range(args[2], args[3])?;
    reply.integer(read_or_empty(entry)?.score_ranks(&range).len() as i64);
    Ok(())
}

fn zlexcount(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let range = lex_range(args[2], args[3])?;
    reply.integer(read_or_empty(entry)?.lex_ranks(&range, Direction::Up).len() as i64);
    Ok(())
}

impl Turn<'_> {
    /// How many members have a score from `min` to `max`. O(log n).
    pub fn zcount(
        &mut self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<usize, CommandError> {
        let range = ScoreLimit::range(min, max)?;
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| set.score_ranks(&range).len())
    }

    /// How many members lie from `min` to `max`, all having the same score. O(log n).
    pub fn zlexcount(
        &mut self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| set.lex_ranks(&LexLimit::range(min, max), Direction::Up).len())
    }
}

impl Engine {
    /// How many members of the sorted set at `key` have a score from `min` to `max`. Fails with WRONGTYPE on other types, and if
    /// a limit is NaN. O(log n). Follows ZCOUNT of Redis 7.2.
    ///
    /// ```
    /// use keyslot_engine::{Engine, ScoreLimit};
    /// let db = Engine::in_memory();
    /// db.zadd_multiple("z", &[(1.0, "a"), (2.0, "b"), (3.0, "c")])?;
    /// assert_eq!(db.zcount("z", ScoreLimit::Excluded(1.0), f64::INFINITY)?, 2);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn zcount(
        &self,
        key: impl AsRef<[u8]>,
        min: impl Into<ScoreLimit>,
        max: impl Into<ScoreLimit>,
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.zcount(key, min, max))
    }

    /// How many members of the sorted set at `key` lie from `min` to `max`, all having the same score. Follows ZLEXCOUNT of
    /// Redis 7.2; as [`Engine::zcount`] otherwise.
    pub fn zlexcount(
        &self,
        key: impl AsRef<[u8]>,
        min: LexLimit<'_>,
        max: LexLimit<'_>,
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.zlexcount(key, min, max))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn ranges_are_counted() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b 3 c");
        bench.ask("ZADD l 0 a 0 b 0 c");
        for (request, count) in [
            ("ZCOUNT z -inf +inf", 3),
            ("ZCOUNT z (1 3", 2),
            ("ZCOUNT z 3 1", 0),
            ("ZCOUNT none 0 1", 0),
            ("ZLEXCOUNT l - +", 3),
            ("ZLEXCOUNT l [b +", 2),
            ("ZLEXCOUNT l (b (c", 0),
            ("ZLEXCOUNT none - +", 0),
        ] {
            assert_eq!(bench.ask(request), format!(":{count}\r\n"), "{request}");
        }
        assert_eq!(bench.error("ZCOUNT z x 1"), "ERR min or max is not a float");
        assert_eq!(bench.error("ZLEXCOUNT l a b"), "ERR min or max not valid string range item");
        bench.ask("SET s x");
        assert!(bench.error("ZCOUNT s 0 1").starts_with("WRONGTYPE"));
        assert!(bench.effects().len() == 3, "counting records nothing");
    }
}
