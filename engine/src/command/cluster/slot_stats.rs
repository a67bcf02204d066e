//! `CLUSTER SLOT-STATS SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]`: figures of the slots that belong to
//! this node or to its primary. Of Redis 8.2.
//!
//! Reply: an array of pairs, a slot and a map of its figures. The number of keys, those included whose time has passed, is the only
//! figure that is kept, so it is the only metric. O(slots); with ORDERBY O(slots * log slots).

use super::slots::slot;
use crate::client::Connection;
use crate::command::row::flag::{LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::GateState;
use crate::resp::ReplyWriter;
use crate::slot::{SLOT_COUNT, Slot};
use crate::text::parse_i64;
use std::cmp::Reverse;

pub(super) const SLOT_STATS: Row = Row::new("cluster|slot-stats", -4, Run::Connection(slot_stats))
    .flags(LOADING | STALE)
    .tips("nondeterministic_output request_policy:all_shards")
    .summary("Return an array of slot usage statistics for slots assigned to the current node.")
    .docs(
        Group::Cluster,
        "8.2.0",
        "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
    )
    .args(
        "filter:oneof{slotsrange:block=SLOTSRANGE{start-slot:integer end-slot:integer} \
         orderby:block=ORDERBY{metric:string limit:integer?=LIMIT order:oneof?{asc=ASC desc=DESC}}}",
    );

fn slot_stats(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.gate.require_cluster()?;
    let figures = match (&args[2].to_ascii_lowercase()[..], &args[3..]) {
        (b"slotsrange", [first, last]) => {
            let (first, last) = (known_slot(first)?, known_slot(last)?);
            if first > last {
                return Err(CommandError::Quoting(
                    format!("ERR Start slot number {first} is greater than end slot number {last}").into_bytes(),
                ));
            }
            key_counts(core, first, last)
        }
        (b"orderby", [metric, rest @ ..]) => {
            if !metric.eq_ignore_ascii_case(b"key-count") {
                return Err(CommandError::text("ERR Unrecognized sort metric for ORDERBY."));
            }
            let (limit, order) = order(rest)?;
            let mut figures = key_counts(core, Slot::FIRST, Slot::LAST);
            match order {
                Order::Ascending => figures.sort_by_key(|(slot, count)| (*count, *slot)),
                Order::Descending => figures.sort_by_key(|(slot, count)| (Reverse(*count), *slot)),
            }
            figures.truncate(limit);
            figures
        }
        _ => {
            let before = "ERR unknown subcommand or wrong number of arguments for '";
            return Err(CommandError::quoting(before, args[1], "'. Try CLUSTER HELP."));
        }
    };
    reply.array(figures.len());
    for (slot, key_count) in figures {
        reply.array(2);
        reply.integer(slot.number().into());
        reply.map(1);
        reply.bulk(b"key-count");
        reply.integer(key_count as i64);
    }
    Ok(())
}

/// In which order slots are told.
#[derive(Clone, Copy)]
enum Order {
    Ascending,
    Descending,
}

/// `[LIMIT limit] [ASC | DESC]`, in any order, each once.
fn order(words: &[&[u8]]) -> Result<(usize, Order), CommandError> {
    let (mut limit, mut order) = (None, None);
    let mut rest = words;
    while let [word, behind @ ..] = rest {
        rest = behind;
        let is_again = match (&word.to_ascii_lowercase()[..], behind) {
            (b"limit", [number, behind @ ..]) => {
                rest = behind;
                let number = parse_i64(number).ok_or(LIMIT_RANGE)?;
                let number = usize::try_from(number).ok().filter(|number| (1..=SLOT_COUNT).contains(number));
                limit.replace(number.ok_or(LIMIT_RANGE)?).is_some()
            }
            (b"asc", _) => order.replace(Order::Ascending).is_some(),
            (b"desc", _) => order.replace(Order::Descending).is_some(),
            _ => return Err(CommandError::Syntax),
        };
        if is_again {
            return Err(CommandError::text("ERR Multiple filters of the same type are disallowed."));
        }
    }
    Ok((limit.unwrap_or(SLOT_COUNT), order.unwrap_or(Order::Descending)))
}

const LIMIT_RANGE: CommandError =
    CommandError::text("ERR Limit has to lie in between 1 and 16384 (maximum number of slots).");

fn known_slot(word: &[u8]) -> Result<Slot, CommandError> {
    slot(word).ok().flatten().ok_or(CommandError::text("ERR Invalid or out of range slot"))
}

/// The slots of a range that are this node's or its primary's, with the number of their keys. Each is held for a moment; those whose
/// keys are not here yet stay so, and have none.
fn key_counts(core: &Core, first: Slot, last: Slot) -> Vec<(Slot, usize)> {
    let slots = Slot::all().skip(first.index()).take(last.index() + 1 - first.index());
    let figure = |slot| {
        let guard = core.slots.lock_as_is(slot);
        let gate = guard.state.admission.gate();
        (gate.is_own() || gate == GateState::Replicated).then(|| (slot, guard.state.first().len()))
    };
    slots.filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{ask, session};
    use crate::{Engine, GateState, Slot};

    fn node() -> Engine {
        let db = Engine::in_memory();
        db.set_cluster(true);
        let own = [0, 1, 3300, 15495].map(|number| Slot::new(number).unwrap());
        db.set_gate(Slot::all().filter(|slot| !own.contains(slot)), GateState::Elsewhere);
        let mut s = session(&db);
        ask(&mut s, "MSET {a}1 x {a}2 x");
        ask(&mut s, "SET b x");
        db.set_gate([Slot::of(b"a")], GateState::Migrating);
        db.set_gate([Slot::new(1).unwrap()], GateState::Replicated);
        db
    }

    #[test]
    fn a_range_tells_the_slots_that_belong_here() {
        let mut s = session(&node());
        let pair = |slot: u16, count: u16| format!("*2\r\n:{slot}\r\n*2\r\n$9\r\nkey-count\r\n:{count}\r\n");
        assert_eq!(ask(&mut s, "CLUSTER SLOT-STATS SLOTSRANGE 0 3300"), {
            format!("*3\r\n{}{}{}", pair(0, 0), pair(1, 0), pair(3300, 1))
        });
        assert_eq!(ask(&mut s, "CLUSTER SLOT-STATS slotsrange 15495 15495"), format!("*1\r\n{}", pair(15495, 2)));
        assert_eq!(ask(&mut s, "CLUSTER SLOT-STATS SLOTSRANGE 2 3299"), "*0\r\n");
        ask(&mut s, "HELLO 3");
        assert_eq!(ask(&mut s, "CLUSTER SLOT-STATS SLOTSRANGE 3300 3301"), {
            "*1\r\n*2\r\n:3300\r\n%1\r\n$9\r\nkey-count\r\n:1\r\n"
        });
    }

    #[test]
    fn slots_are_ordered_by_their_keys_and_equals_by_number() {
        let mut s = session(&node());
        let mut slots = |request: &str| {
            let reply = ask(&mut s, &format!("CLUSTER SLOT-STATS {request}"));
            let lines: Vec<&str> = reply.split("\r\n").collect();
            let at = lines.iter().enumerate().filter(|(_, line)| **line == "*2").map(|(at, _)| at).step_by(2);
            at.map(|at| lines[at + 1][1..].parse().unwrap()).collect::<Vec<u16>>()
        };
        assert_eq!(slots("ORDERBY key-count"), [15495, 3300, 0, 1]);
        assert_eq!(slots("ORDERBY KEY-COUNT ASC LIMIT 3"), [0, 1, 3300]);
        assert_eq!(slots("ORDERBY key-count LIMIT 1 desc"), [15495]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut s = session(&node());
        let unknown = "-ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.\r\n";
        let range = "-ERR Invalid or out of range slot\r\n";
        let limit = "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n";
        for (request, reply) in [
            ("SLOTSRANGE 5 4", "-ERR Start slot number 5 is greater than end slot number 4\r\n"),
            ("SLOTSRANGE 0 16384", range),
            ("SLOTSRANGE x 1", range),
            ("SLOTSRANGE -1 1", range),
            ("SLOTSRANGE 1 2 3", unknown),
            ("NOPE 1", unknown),
            ("ORDERBY", "-ERR wrong number of arguments for 'cluster|slot-stats' command\r\n"),
            ("ORDERBY cpu-usec", "-ERR Unrecognized sort metric for ORDERBY.\r\n"),
            ("ORDERBY key-count LIMIT 0", limit),
            ("ORDERBY key-count LIMIT 16385", limit),
            ("ORDERBY key-count LIMIT x", limit),
            ("ORDERBY key-count LIMIT", "-ERR syntax error\r\n"),
            ("ORDERBY key-count UP", "-ERR syntax error\r\n"),
            ("ORDERBY key-count ASC DESC", "-ERR Multiple filters of the same type are disallowed.\r\n"),
            ("ORDERBY key-count LIMIT 1 LIMIT 2", "-ERR Multiple filters of the same type are disallowed.\r\n"),
        ] {
            assert_eq!(ask(&mut s, &format!("CLUSTER SLOT-STATS {request}")), reply, "{request}");
        }
        let mut alone = session(&Engine::in_memory());
        assert_eq!(ask(&mut alone, "CLUSTER SLOT-STATS ORDERBY key-count"), {
            "-ERR This instance has cluster support disabled\r\n"
        });
    }
}
