//! `ZRANK key member [WITHSCORE]` and `ZREVRANK key member [WITHSCORE]`: the place of a member, from the lowest or the
//! highest score.
//!
//! Reply: the rank; with WITHSCORE rank and score; null where there is no such member.

use super::{look, read_or_empty};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::sorted_set::{Direction, SortedSetRef};
use std::borrow::Cow;

pub(super) const ZRANK: Row = Row::new("zrank", -3, Run::Look(zrank))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the index of a member in a sorted set ordered by ascending scores.")
    .docs(Group::SortedSet, "2.0.0", "O(log(N))")
    .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")])
    .args("key:key#0 member:string withscore?=WITHSCORE");

pub(super) const ZREVRANK: Row = Row::new("zrevrank", -3, Run::Look(zrevrank))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the index of a member in a sorted set ordered by descending scores.")
    .docs(Group::SortedSet, "2.0.0", "O(log(N))")
    .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")])
    .args("key:key#0 member:string withscore?=WITHSCORE");

fn zrank(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_rank(entry, args, reply, Direction::Up)
}

fn zrevrank(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_rank(entry, args, reply, Direction::Down)
}

fn write_rank(
    entry: Option<&EntryRef>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    direction: Direction,
) -> CommandResult {
    let shows_score = match &args[3..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        [_] => return Err(CommandError::Syntax),
        _ => {
            let name = if direction == Direction::Up { "zrank" } else { "zrevrank" };
            return Err(CommandError::WrongArity(Cow::Borrowed(name)));
        }
    };
    match (rank(read_or_empty(entry)?, args[2], direction), shows_score) {
        (None, false) => reply.null(),
        (None, true) => reply.null_array(),
        (Some((rank, _)), false) => reply.integer(rank as i64),
        (Some((rank, score)), true) => {
            reply.array(2);
            reply.integer(rank as i64);
            reply.double(score);
        }
    }
    Ok(())
}

fn rank(set: SortedSetRef<'_>, member: &[u8], direction: Direction) -> Option<(usize, f64)> {
    let (rank, score) = set.rank(member)?;
    Some((if direction == Direction::Up { rank } else { set.len() - 1 - rank }, score))
}

impl Turn<'_> {
    /// The rank of a member from the lowest score, which has rank 0. O(log n).
    pub fn zrank(&mut self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<usize>, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| Some(rank(set, member.as_ref(), Direction::Up)?.0))
    }

    /// The rank of a member from the highest score, which has rank 0. O(log n).
    pub fn zrevrank(&mut self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<usize>, CommandError> {
        let key = self.key(key.as_ref())?;
        look(self, &key, |set| Some(rank(set, member.as_ref(), Direction::Down)?.0))
    }
}

impl Engine {
    /// The rank of a member of the sorted set at `key`, from the lowest score, which has rank 0. Fails with WRONGTYPE on other
    /// types. O(log n). Follows ZRANK of Redis 7.2.
    pub fn zrank(&self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<usize>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.zrank(key, member))
    }

    /// The rank of a member from the highest score. As [`Engine::zrank`] otherwise; follows ZREVRANK.
    pub fn zrevrank(&self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<Option<usize>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.zrevrank(key, member))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn ranks_from_both_ends_with_and_without_score() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2.5 b 2.5 c");
        assert_eq!(bench.ask("ZRANK z b"), ":1\r\n");
        assert_eq!(bench.ask("ZREVRANK z b"), ":1\r\n");
        assert_eq!(bench.ask("ZREVRANK z a WITHSCORE"), "*2\r\n:2\r\n$1\r\n1\r\n");
        assert_eq!(bench.ask("ZRANK z x"), "$-1\r\n");
        assert_eq!(bench.ask("ZRANK none x WITHSCORE"), "*-1\r\n");
        assert_eq!(bench.error("ZRANK z a FOO"), "ERR syntax error");
        assert_eq!(bench.error("ZREVRANK z a b c"), "ERR wrong number of arguments for 'zrevrank' command");
        assert_eq!(bench.db.zrevrank("z", "c").unwrap(), Some(0));
        bench.ask("SET s x");
        assert!(bench.error("ZRANK s a").starts_with("WRONGTYPE"));
    }
}
