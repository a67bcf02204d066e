//! Requests over several slots, in each mode.

use crate::command::keys::Include;
use crate::command::table::table;
use crate::command::testing::{Bench, Client, ask, session};
use crate::gate::testing::all_to;
use crate::gate::{Endpoint, Redirects};
use crate::resp::Value;
use crate::slot::{Slot, SlotSet};
use crate::{CommandError, GateState, SlotMode};

const CROSSSLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";

/// Requests that name keys of several slots.
const ACROSS: [&str; 12] = [
    "MSET a 1 b 2",
    "MGET a b",
    "DEL a b",
    "SADD {s}1 x",
    "SUNIONSTORE c {s}1 d",
    "RENAME c e",
    "COPY e f",
    "SMOVE e g x",
    "RPUSH l 1 2",
    "LMOVE l m LEFT RIGHT",
    "ZUNIONSTORE z 2 {s}1 f",
    "BITOP OR h a b",
];

fn bench(mode: SlotMode, is_cluster: bool) -> Bench {
    let bench = Bench::new();
    bench.db.options().set_slot_mode(mode);
    bench.db.set_cluster(is_cluster);
    bench
}

fn is_across(request: &str) -> bool {
    let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    let command = table().lookup(&args).expect("it is a command");
    let slots: Vec<Slot> =
        command.keys(&args, Include::Routed).iter().map(|key| Slot::of(args[key.index as usize])).collect();
    slots.windows(2).any(|pair| pair[0] != pair[1])
}

#[test]
fn strict_refuses_what_a_cluster_would_without_being_one() {
    let bench = bench(SlotMode::Strict, false);
    let mut s = session(&bench.db);
    for request in ACROSS {
        let reply = ask(&mut s, request);
        assert_eq!(reply == CROSSSLOT, is_across(request), "{request}: {reply}");
    }
    for request in ["WATCH a b", "BLPOP a b 0", "SINTER a b", "EXISTS a b", "PFCOUNT a b", "MSETNX a 1 b 2"] {
        assert_eq!(ask(&mut s, request), CROSSSLOT, "{request}");
    }
    assert!(ask(&mut s, "SORT l BY w_*").starts_with("-ERR BY option of SORT denied"));
    for (request, reply) in [("MSET {t}a 1 {t}b 2", "+OK\r\n"), ("SELECT 3", "+OK\r\n"), ("KEYS *", "*0\r\n")] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
}

#[test]
fn strict_refuses_transactions_and_typed_verbs_over_several_slots() {
    let bench = bench(SlotMode::Strict, false);
    let mut s = session(&bench.db);
    ask(&mut s, "MULTI");
    assert_eq!(ask(&mut s, "MGET a b"), CROSSSLOT);
    assert!(ask(&mut s, "EXEC").starts_with("-EXECABORT"));
    for request in ["MULTI", "SET a 1", "SET b 2"] {
        ask(&mut s, request);
    }
    assert_eq!(ask(&mut s, "EXEC"), CROSSSLOT);
    let done: Result<(), CommandError> = bench.db.atomic_many(&["a", "b"], |_| Ok(()));
    assert!(matches!(done, Err(CommandError::CrossSlot { .. })));
    assert_eq!(bench.ask("DBSIZE"), ":0\r\n");
}

#[test]
fn lenient_does_in_a_cluster_what_one_node_can_and_each_effect_is_of_one_slot() {
    let bench = bench(SlotMode::Lenient, true);
    let mut s = session(&bench.db);
    for request in ACROSS {
        let reply = ask(&mut s, request);
        assert!(!reply.starts_with('-'), "{request}: {reply}");
    }
    for request in ["WATCH a b", "MULTI", "SET a 1", "SET b 2", "SINTERSTORE c {s}1 f"] {
        ask(&mut s, request);
    }
    assert!(ask(&mut s, "EXEC").starts_with("*3\r\n+OK\r\n"));
    assert_eq!(
        bench.db.atomic_many(&["a", "b"], |tx| {
            tx.incr("a", 1)?;
            tx.incr("b", 1)
        }),
        Ok(3)
    );
    let mut waiting = Client::waiting(&bench.db, "BLPOP q r 0");
    ask(&mut s, "RPUSH r x");
    assert_eq!(waiting.served(), "*2\r\n$1\r\nr\r\n$1\r\nx\r\n");
    assert_eq!(ask(&mut s, "SORT l BY w_*"), bench_sort_refusal());
    for batch in bench.batches() {
        for effect in &batch.effects {
            let text = String::from_utf8_lossy(&effect.join(&b' ')).into_owned();
            assert!(!is_across(&text), "{text}");
        }
    }
    bench.assert_replays();
}

fn bench_sort_refusal() -> String {
    let bench = Bench::new();
    bench.db.set_cluster(true);
    bench.ask("SORT l BY w_*")
}

/// A lenient node that has `a`, another that has `b` and `c`, and a third that has the rest.
fn among_others() -> Bench {
    let bench = bench(SlotMode::Lenient, true);
    let set = |keys: &[&str]| -> SlotSet { keys.iter().map(|key| Slot::of(key.as_bytes())).collect() };
    let (own, second) = (set(&["a", "a2"]), set(&["b", "c"]));
    let mut redirects = Redirects::default();
    redirects.serve(&second, &Endpoint::new("second:1"));
    redirects.serve(&own.union(&second).complement(), &Endpoint::new("third:1"));
    bench.db.set_redirects(redirects);
    bench.db.set_gate(own.complement().iter(), GateState::Elsewhere);
    bench
}

#[test]
fn lenient_sends_elsewhere_only_what_one_other_node_has() {
    let bench = among_others();
    let moved = |key: &str| format!("-MOVED {} second:1\r\n", Slot::of(key.as_bytes()).number());
    assert_eq!(bench.ask("MSET a 1 a2 2"), "+OK\r\n");
    assert_eq!(bench.ask("MGET b"), moved("b"));
    assert!([moved("b"), moved("c")].contains(&bench.ask("MGET b c")));
    for request in ["MGET a b", "MGET b a", "MGET b d", "RENAME a b", "WATCH a b"] {
        assert_eq!(bench.ask(request), CROSSSLOT, "{request}");
    }
    let mut s = session(&bench.db);
    ask(&mut s, "MULTI");
    assert_eq!(ask(&mut s, "MGET a d"), CROSSSLOT);
    ask(&mut s, "DISCARD");
}

#[test]
fn lenient_is_asked_again_while_a_key_is_on_its_way() {
    let bench = bench(SlotMode::Lenient, true);
    bench.run("MSET a 1 b 2");
    bench.db.set_redirects(all_to("second:1"));
    bench.db.set_gate([Slot::of(b"a")], GateState::Migrating);
    assert_eq!(bench.ask("MGET a b"), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    bench.run("DEL a");
    assert_eq!(bench.ask("MGET a b"), "-TRYAGAIN Multiple keys request during rehashing of slot\r\n");
    assert!(bench.ask("GET a").starts_with("-ASK "));
}

#[test]
fn standard_follows_redis_in_a_cluster_and_without_one() {
    let (alone, cluster) = (bench(SlotMode::Standard, false), bench(SlotMode::Standard, true));
    assert_eq!(alone.run("MSET a 1 b 2"), Value::Ok);
    assert_eq!(cluster.ask("MSET a 1 b 2"), CROSSSLOT);
    assert_eq!(SlotMode::of_name("LENIENT"), Some(SlotMode::Lenient));
    assert_eq!(SlotMode::of_name("loose"), None);
}
