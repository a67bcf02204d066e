//! `FLUSHDB [ASYNC | SYNC]` and `FLUSHALL [ASYNC | SYNC]`: delete every key of a database, or of all of them.
//!
//! Effect: `FLUSHDB` or `FLUSHALL`, which concern every slot; none if there was no key. The tables are taken out while all
//! slots are held, which is O(slots); the memory is freed after they are released: by the caller, or with ASYNC in parts by
//! the engine's housekeeping.

use crate::command::row::flag::WRITE;
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::turn::Turn;
use std::sync::atomic::Ordering;

pub(super) const FLUSHDB: Row = Row::new("flushdb", -1, Run::Store(flushdb))
    .flags(WRITE)
    .categories(category::KEYSPACE | category::DANGEROUS)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Remove all keys from the current database.")
    .docs(Group::Server, "1.0.0", "O(N) where N is the number of keys in the selected database")
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ])
    .args("flush-type:oneof?{async@4.0.0=ASYNC sync@6.2.0=SYNC}");

pub(super) const FLUSHALL: Row = Row::new("flushall", -1, Run::Store(flushall))
    .flags(WRITE)
    .categories(category::KEYSPACE | category::DANGEROUS)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Removes all keys from all databases.")
    .docs(Group::Server, "1.0.0", "O(N) where N is the total number of keys in all databases")
    .history(&[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ])
    .args("flush-type:oneof?{async@4.0.0=ASYNC sync@6.2.0=SYNC}");

/// When the memory of deleted keys is freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FlushMode {
    /// Before the caller goes on.
    #[default]
    Sync,
    /// Later, in parts.
    Async,
}

fn flushdb(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    clear_one(turn, parse(args)?);
    reply.ok();
    Ok(())
}

fn flushall(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    clear_all(turn, parse(args)?);
    reply.ok();
    Ok(())
}

fn parse(args: &[&[u8]]) -> Result<FlushMode, CommandError> {
    match args[1..] {
        [] => Ok(FlushMode::Sync),
        [word] if word.eq_ignore_ascii_case(b"SYNC") => Ok(FlushMode::Sync),
        [word] if word.eq_ignore_ascii_case(b"ASYNC") => Ok(FlushMode::Async),
        _ => Err(CommandError::Syntax),
    }
}

fn clear_one(turn: &mut Turn<'_>, mode: FlushMode) {
    // Recorded where nothing was, too: whoever follows may hold more.
    let had_keys = turn.clear(turn.db());
    note(turn);
    turn.record(&[b"FLUSHDB"]);
    if had_keys {
        leave(turn, mode);
    }
}

fn clear_all(turn: &mut Turn<'_>, mode: FlushMode) {
    let had_keys = (0..DATABASE_COUNT).fold(false, |had_keys, db| turn.clear(db) | had_keys);
    note(turn);
    turn.record(&[b"FLUSHALL"]);
    if had_keys {
        leave(turn, mode);
    }
}

/// Says that a whole database was emptied.
fn note(turn: &mut Turn<'_>) {
    turn.core().clears.fetch_add(1, Ordering::Relaxed);
    turn.make_global();
}

/// Leaves what was taken out to the turn's end, or to the housekeeping.
fn leave(turn: &mut Turn<'_>, mode: FlushMode) {
    if mode == FlushMode::Async {
        let shards = turn.take_cleared();
        turn.core().reclaim.add(shards);
    }
}

impl Engine {
    /// Deletes every key of every database. Holds all slots while it takes the tables out, not while it frees them.
    /// Follows FLUSHALL of Redis 7.2.
    pub fn flushall(&self) -> Result<(), CommandError> {
        self.flushall_options(FlushMode::Sync)
    }

    /// As [`flushall`](Self::flushall), with a say in when the memory is freed.
    pub fn flushall_options(&self, mode: FlushMode) -> Result<(), CommandError> {
        let slots: Vec<Slot> = Slot::all().collect();
        self.in_turn(&slots, Access::Write, |turn| {
            clear_all(turn, mode);
            Ok(())
        })
    }

    /// Deletes every key of database 0. Follows FLUSHDB of Redis 7.2.
    pub fn flushdb(&self) -> Result<(), CommandError> {
        self.flushdb_options(FlushMode::Sync)
    }

    /// As [`flushdb`](Self::flushdb), with a say in when the memory is freed.
    pub fn flushdb_options(&self, mode: FlushMode) -> Result<(), CommandError> {
        let slots: Vec<Slot> = Slot::all().collect();
        self.in_turn(&slots, Access::Write, |turn| {
            clear_one(turn, mode);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, ask, assert_totals, contents, session};
    use crate::effect::BatchKind;

    fn filled() -> Bench {
        let bench = Bench::new();
        for n in 0..2000 {
            bench.db.set(n.to_string(), "x".repeat(n % 3 * 1000)).unwrap();
            bench.db.set(format!("{{one slot}}{n}"), "v").unwrap();
        }
        bench.ask("SET volatile v PX 5000");
        bench.ask("COPY volatile there DB 3");
        bench.batches();
        bench
    }

    #[test]
    fn flushall_empties_every_database_and_gives_all_memory_back() {
        for word in ["", " SYNC", " async"] {
            let bench = filled();
            let empty = Bench::new().db.core.totals.bytes();
            assert_eq!(bench.ask(&format!("FLUSHALL{word}")), "+OK\r\n");
            assert!(contents(&bench.db).is_empty());
            while bench.db.tick(bench.db.now(), 100).more {}
            assert_totals(&bench.db);
            assert_eq!(bench.db.core.totals.bytes(), empty, "{word}");
            let batches = bench.batches();
            assert_eq!((batches.len(), batches[0].kind, batches[0].slots.len()), (1, BatchKind::Global, 0));
            bench.assert_replays();
        }
    }

    #[test]
    fn an_asynchronous_flush_frees_in_parts() {
        let bench = filled();
        bench.db.flushall_options(FlushMode::Async).unwrap();
        assert_eq!(bench.db.core.reclaim.pending(), 4002);
        assert!(bench.db.tick(bench.db.now(), 100).more);
        let pending = bench.db.core.reclaim.pending();
        assert!((2000..4002).contains(&pending), "one step frees a part: {pending}");
    }

    #[test]
    fn flushdb_empties_its_own_database_only() {
        let bench = filled();
        assert_eq!(bench.ask("FLUSHDB"), "+OK\r\n");
        assert_eq!(contents(&bench.db).keys().map(|(db, _)| *db).collect::<Vec<_>>(), [3]);
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn flushing_nothing_is_recorded_as_others_may_hold_more() {
        let bench = Bench::new();
        assert_eq!(bench.ask("FLUSHALL"), "+OK\r\n");
        assert_eq!(bench.ask("FLUSHDB"), "+OK\r\n");
        assert_eq!(bench.effects(), ["FLUSHALL", "FLUSHDB"]);
    }

    #[test]
    fn unknown_words_are_a_syntax_error() {
        let bench = filled();
        let mut s = session(&bench.db);
        for request in ["FLUSHALL now", "FLUSHALL ASYNC SYNC", "FLUSHDB now"] {
            assert_eq!(ask(&mut s, request), "-ERR syntax error\r\n", "{request}");
        }
        assert_eq!(bench.db.db_size(), 4001);
    }
}
