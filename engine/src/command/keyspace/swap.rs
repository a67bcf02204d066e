//! `SWAPDB index1 index2`: exchanges two databases.
//!
//! Effect: `SWAPDB index1 index2`, which concerns every slot.

use super::small_integer;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::turn::Turn;

pub(super) const SWAPDB: Row = Row::new("swapdb", 3, Run::Store(swap))
    .flags(WRITE | FAST)
    .categories(category::KEYSPACE | category::DANGEROUS)
    .summary("Swaps two Redis databases.")
    .docs(
        Group::Server,
        "4.0.0",
        "O(N) where N is the count of clients watching or blocking on keys from both databases.",
    )
    .args("index1:integer index2:integer");

fn swap(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    refuse_in_cluster(turn)?;
    let first = small_integer(args[1]).map_err(|_| CommandError::InvalidFirstDatabase)?;
    let second = small_integer(args[2]).map_err(|_| CommandError::InvalidSecondDatabase)?;
    let number = |db: i32| u16::try_from(db).map_err(|_| CommandError::DatabaseOutOfRange);
    exchange(turn, number(first)?, number(second)?)?;
    reply.ok();
    Ok(())
}

fn refuse_in_cluster(turn: &Turn<'_>) -> Result<(), CommandError> {
    match turn.core().gate.is_cluster() {
        true => Err(CommandError::text("ERR SWAPDB is not allowed in cluster mode")),
        false => Ok(()),
    }
}

fn exchange(turn: &mut Turn<'_>, first: u16, second: u16) -> Result<(), CommandError> {
    if first.max(second) >= DATABASE_COUNT {
        return Err(CommandError::DatabaseOutOfRange);
    }
    if first == second {
        return Ok(());
    }
    turn.touch_watched(&[first, second]);
    turn.enter();
    let core = turn.core();
    let abandoned = core.expire_cycle.abandon();
    for (slot, state) in turn.states_mut() {
        if let Some((_, db, hint)) = abandoned.filter(|(at, ..)| *at == slot) {
            state.shard_mut(db).tighten(hint);
        }
        state.swap(first, second);
        core.totals.hints.set(slot, state.first().line_hint());
    }
    turn.core().totals.swap(first, second);
    turn.make_global();
    turn.note_all_ready(first);
    turn.note_all_ready(second);
    let (mut first_text, mut second_text) = (itoa::Buffer::new(), itoa::Buffer::new());
    turn.record(&[b"SWAPDB", first_text.format(first).as_bytes(), second_text.format(second).as_bytes()]);
    Ok(())
}

impl Engine {
    /// Exchanges two databases. Holds every slot for a moment. Follows SWAPDB of Redis 7.2.
    pub fn swap_db(&self, first: u16, second: u16) -> Result<(), CommandError> {
        let slots: Vec<Slot> = Slot::all().collect();
        self.in_turn(&slots, Access::Write, |turn| {
            refuse_in_cluster(turn)?;
            exchange(turn, first, second)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals, contents};
    use crate::effect::BatchKind;

    #[test]
    fn keys_expiries_and_counts_change_places() {
        let bench = Bench::new();
        bench.ask("SET a 1 PX 5000");
        bench.ask("COPY a b DB 1");
        bench.ask("COPY a c DB 1");
        bench.ask("SET z 1");
        bench.batches();
        assert_eq!(bench.ask("SWAPDB 0 1"), "+OK\r\n");
        let batches = bench.batches();
        assert_eq!((batches.len(), batches[0].kind), (1, BatchKind::Global));
        assert_eq!(bench.ask("DBSIZE"), ":2\r\n");
        assert_eq!(bench.ask("PTTL b"), ":5000\r\n");
        assert!(contents(&bench.db).contains_key(&(1, b"z".to_vec())));
        assert_eq!(bench.ask("SWAPDB 3 3"), "+OK\r\n");
        assert!(bench.batches().is_empty());
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn keys_of_swapped_databases_are_found_by_scan_and_expire() {
        let bench = Bench::new();
        bench.ask("SET a 1 PX 50");
        assert_eq!(bench.ask("SWAPDB 0 5"), "+OK\r\n");
        assert_eq!(bench.ask("KEYS *"), "*0\r\n");
        assert_eq!(bench.ask("SWAPDB 5 0"), "+OK\r\n");
        assert_eq!(bench.ask("KEYS *"), "*1\r\n$1\r\na\r\n");
        assert_eq!(bench.ask("SWAPDB 0 5"), "+OK\r\n");
        bench.advance_ms(51);
        assert_eq!(bench.db.tick(bench.db.now(), 100_000).expired, 1);
        bench.assert_replays();
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        for (request, reply) in [
            ("SWAPDB x 0", "-ERR invalid first DB index\r\n"),
            ("SWAPDB 0 x", "-ERR invalid second DB index\r\n"),
            ("SWAPDB 3000000000 0", "-ERR invalid first DB index\r\n"),
            ("SWAPDB 0 16", "-ERR DB index is out of range\r\n"),
            ("SWAPDB -1 0", "-ERR DB index is out of range\r\n"),
        ] {
            assert_eq!(bench.ask(request), reply, "{request}");
        }
        bench.db.set_cluster(true);
        assert_eq!(bench.ask("SWAPDB x 0"), "-ERR SWAPDB is not allowed in cluster mode\r\n");
    }
}
