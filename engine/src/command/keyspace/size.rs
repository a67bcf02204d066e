//! `DBSIZE`: how many keys the database has, due ones that are still there included.

use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const DBSIZE: Row = Row::new("dbsize", 1, Run::Visit(size))
    .flags(READONLY | FAST)
    .categories(category::KEYSPACE)
    .tips("request_policy:all_shards response_policy:agg_sum")
    .summary("Returns the number of keys in the database.")
    .docs(Group::Server, "1.0.0", "O(1)");

fn size(turn: &mut Turn<'_>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    turn.core().slots.warm_all();
    turn.note_seen(turn.core().journal_end());
    reply.integer(i64::try_from(turn.core().shown_keys(turn.db()).0).unwrap_or(i64::MAX));
    Ok(())
}

impl Engine {
    /// How many keys database 0 has, due ones that are still there included. Adds up striped counters: O(1), no lock, unless
    /// slots are cold, which are loaded first.
    /// Follows DBSIZE of Redis 7.2.
    pub fn db_size(&self) -> u64 {
        self.core.slots.warm_all();
        self.core.shown_keys(0).0
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn keys_are_counted_across_slots() {
        let bench = Bench::new();
        for n in 0..1000 {
            bench.db.set(n.to_string(), n).unwrap();
        }
        bench.db.del("7").unwrap();
        assert_eq!(bench.ask("DBSIZE"), ":999\r\n");
        assert_eq!(bench.db.db_size(), 999);
    }
}
