//! `ZCARD key`: how many members a sorted set has.

use super::read_or_empty;
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const ZCARD: Row = Row::new("zcard", 2, Run::Look(zcard))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the number of members in a sorted set.")
    .docs(Group::SortedSet, "1.2.0", "O(1)")
    .args("key:key#0");

fn zcard(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(read_or_empty(entry)?.len() as i64);
    Ok(())
}

impl Turn<'_> {
    /// How many members the sorted set at `key` has. O(1).
    pub fn zcard(&mut self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        super::look(self, &key, |set| set.len())
    }
}

impl Engine {
    /// How many members the sorted set at `key` has, 0 where there is none. Fails with WRONGTYPE on other types. O(1). Follows
    /// ZCARD of Redis 7.2.
    pub fn zcard(&self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(read_or_empty(entry)?.len()))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn members_are_counted() {
        let bench = Bench::new();
        bench.ask("ZADD z 1 a 2 b");
        assert_eq!((bench.ask("ZCARD z"), bench.ask("ZCARD none")), (":2\r\n".into(), ":0\r\n".into()));
        bench.ask("SET s x");
        assert!(bench.error("ZCARD s").starts_with("WRONGTYPE"));
        assert_eq!(bench.db.zcard("z").unwrap(), 2);
    }
}
