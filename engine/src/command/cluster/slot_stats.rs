//! `CLUSTER SLOT-STATS SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]`: figures of the slots that belong to
//! this node or to its primary. Of Redis 8.2 and Valkey 8.
//!
//! Reply: an array of pairs, a slot and a map of its [figures](METRICS), each of which slots may be ordered by. The last three are
//! told by no other server. All of them are always kept: see [`SlotStats`] for what they count. O(slots); with ORDERBY O(slots *
//! log slots).

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
use crate::slot_stats::{SlotStats, stats_of};
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

/// A figure by its name.
type Metric = (&'static str, fn(&SlotStats) -> u64);

/// The figures in the order in which they are told.
const METRICS: [Metric; 8] = [
    ("key-count", |stats| stats.keys),
    ("cpu-usec", |stats| stats.cpu_ns / 1000),
    ("memory-bytes", |stats| stats.bytes),
    ("network-bytes-in", |stats| stats.input_bytes),
    ("network-bytes-out", |stats| stats.output_bytes),
    ("expires", |stats| stats.expires),
    ("reads", |stats| stats.reads),
    ("writes", |stats| stats.writes),
];

fn slot_stats(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.gate.require_cluster()?;
    let told = match (&args[2].to_ascii_lowercase()[..], &args[3..]) {
        (b"slotsrange", [first, last]) => {
            let (first, last) = (known_slot(first)?, known_slot(last)?);
            if first > last {
                return Err(CommandError::Quoting(
                    format!("ERR Start slot number {first} is greater than end slot number {last}").into_bytes(),
                ));
            }
            figures(core, first, last)
        }
        (b"orderby", [metric, rest @ ..]) => {
            let known = METRICS.iter().find(|(name, _)| metric.eq_ignore_ascii_case(name.as_bytes()));
            let (_, metric) = known.ok_or(CommandError::text("ERR Unrecognized sort metric for ORDERBY."))?;
            let (limit, order) = order(rest)?;
            let mut told = figures(core, Slot::FIRST, Slot::LAST);
            match order {
                Order::Ascending => told.sort_by_key(|(slot, stats)| (metric(stats), *slot)),
                Order::Descending => told.sort_by_key(|(slot, stats)| (Reverse(metric(stats)), *slot)),
            }
            told.truncate(limit);
            told
        }
        _ => {
            let before = "ERR unknown subcommand or wrong number of arguments for '";
            return Err(CommandError::quoting(before, args[1], "'. Try CLUSTER HELP."));
        }
    };
    reply.array(told.len());
    for (slot, stats) in told {
        reply.array(2);
        reply.integer(slot.number().into());
        reply.map(METRICS.len());
        for (name, metric) in METRICS {
            reply.bulk(name.as_bytes());
            reply.integer(metric(&stats) as i64);
        }
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

/// The slots of a range that are this node's or its primary's, with their figures. Each is held for a moment.
fn figures(core: &Core, first: Slot, last: Slot) -> Vec<(Slot, SlotStats)> {
    let slots = Slot::all().skip(first.index()).take(last.index() + 1 - first.index());
    let is_told = |slot: &Slot| {
        let gate = core.slots.lock_as_is(*slot).state.admission.gate();
        gate.is_own() || gate == GateState::Replicated
    };
    slots.filter(is_told).map(|slot| (slot, stats_of(core, slot))).collect()
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
        let told = |s: &mut crate::Session, range: &str| -> Vec<(i64, i64)> {
            ask(s, &format!("CLUSTER SLOT-STATS slotsrange {range}"))
                .split("*2\r\n:")
                .skip(1)
                .map(|pair| {
                    let lines: Vec<&str> = pair.split("\r\n").collect();
                    assert_eq!(lines[2..4], ["$9", "key-count"]);
                    (lines[0].parse().unwrap(), lines[4][1..].parse().unwrap())
                })
                .collect()
        };
        assert_eq!(told(&mut s, "0 3300"), [(0, 0), (1, 0), (3300, 1)]);
        assert_eq!(told(&mut s, "15495 15495"), [(15495, 2)]);
        assert_eq!(ask(&mut s, "CLUSTER SLOT-STATS SLOTSRANGE 2 3299"), "*0\r\n");
        ask(&mut s, "HELLO 3");
        assert!(
            ask(&mut s, "CLUSTER SLOT-STATS SLOTSRANGE 3300 3301")
                .starts_with("*1\r\n*2\r\n:3300\r\n%8\r\n$9\r\nkey-count\r\n:1\r\n$8\r\ncpu-usec\r\n:")
        );
    }

    #[test]
    fn what_went_through_a_slot_is_told_and_forgotten_on_request() {
        let db = node();
        let mut s = session(&db);
        ask(&mut s, "GET b");
        ask(&mut s, "GET b");
        let figure = |s: &mut crate::Session, name: &str| -> u64 {
            let reply = ask(s, "CLUSTER SLOT-STATS SLOTSRANGE 3300 3300");
            let at = reply.find(&format!("\r\n{name}\r\n:")).unwrap_or_else(|| panic!("{name} in {reply}"));
            reply[at + name.len() + 5..].split("\r\n").next().unwrap().parse().unwrap()
        };
        let (set, get) = ("*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\nx\r\n".len(), "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n".len());
        assert_eq!(figure(&mut s, "network-bytes-in"), (set + 2 * get) as u64);
        assert_eq!(figure(&mut s, "network-bytes-out"), "+OK\r\n$1\r\nx\r\n$1\r\nx\r\n".len() as u64);
        assert_eq!([figure(&mut s, "reads"), figure(&mut s, "writes"), figure(&mut s, "expires")], [2, 1, 0]);
        assert!(figure(&mut s, "memory-bytes") > 0);
        db.reset_stats();
        assert_eq!([figure(&mut s, "network-bytes-in"), figure(&mut s, "reads"), figure(&mut s, "writes")], [0; 3]);
        assert_eq!(figure(&mut s, "key-count"), 1);
    }

    #[test]
    fn slots_are_ordered_by_their_keys_and_equals_by_number() {
        let mut s = session(&node());
        let mut slots = |request: &str| {
            let reply = ask(&mut s, &format!("CLUSTER SLOT-STATS {request}"));
            let lines: Vec<&str> = reply.split("\r\n").collect();
            let at = lines.iter().enumerate().skip(1).filter(|(_, line)| **line == "*2").map(|(at, _)| at);
            at.map(|at| lines[at + 1][1..].parse().unwrap()).collect::<Vec<u16>>()
        };
        assert_eq!(slots("ORDERBY key-count"), [15495, 3300, 0, 1]);
        assert_eq!(slots("ORDERBY KEY-COUNT ASC LIMIT 3"), [0, 1, 3300]);
        assert_eq!(slots("ORDERBY key-count LIMIT 1 desc"), [15495]);
        assert_eq!(slots("ORDERBY writes LIMIT 2"), [3300, 15495]);
        assert_eq!(slots("ORDERBY memory-bytes ASC LIMIT 2"), [0, 1]);
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
            ("ORDERBY cpu", "-ERR Unrecognized sort metric for ORDERBY.\r\n"),
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
