//! Transactions through sessions.

use crate::client::Kind;
use crate::command::testing::{Bench, ask, assert_totals, session};
use crate::effect::BatchKind;
use crate::{Engine, GateState, Session, Slot};

/// Runs lines in a session and demands each reply.
fn play(session: &mut Session, script: &[(&str, &str)]) {
    for (request, reply) in script {
        assert_eq!(ask(session, request), *reply, "{request}");
    }
}

const NULL: &str = "*-1\r\n";

#[test]
fn queued_requests_run_as_one_batch() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    play(
        &mut s,
        &[
            ("MULTI", "+OK\r\n"),
            ("SET a 1", "+QUEUED\r\n"),
            ("INCR a", "+QUEUED\r\n"),
            ("GET b", "+QUEUED\r\n"),
            ("SETRANGE a x y", "+QUEUED\r\n"),
            ("DBSIZE", "+QUEUED\r\n"),
            ("PING hi", "+QUEUED\r\n"),
        ],
    );
    let list = ask(&mut session(&bench.db), "CLIENT LIST");
    assert!(list.contains("flags=x db=0 sub=0 psub=0 ssub=0 multi=6"), "{list}");
    assert!(bench.batches().is_empty());
    let replies = "*6\r\n+OK\r\n:2\r\n$-1\r\n-ERR value is not an integer or out of range\r\n:1\r\n$2\r\nhi\r\n";
    play(&mut s, &[("EXEC", replies), ("EXEC", "-ERR EXEC without MULTI\r\n"), ("GET a", "$1\r\n2\r\n")]);
    let batches = bench.batches();
    assert_eq!((batches.len(), batches[0].effects.len()), (1, 2));
    play(&mut s, &[("MULTI", "+OK\r\n"), ("EXEC", "*0\r\n"), ("MULTI", "+OK\r\n"), ("GET a", "+QUEUED\r\n")]);
    play(&mut s, &[("EXEC", "*1\r\n$1\r\n2\r\n")]);
    assert!(bench.batches().is_empty(), "reading records nothing");
    bench.assert_replays();
    assert_totals(&bench.db);
}

#[test]
fn what_is_refused_when_it_is_queued_breaks_the_transaction() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    for (wrong, reply) in [
        ("NOPE", "-ERR unknown command 'NOPE', with args beginning with: \r\n"),
        ("SET a", "-ERR wrong number of arguments for 'set' command\r\n"),
        ("CLIENT NOPE", "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.\r\n"),
    ] {
        play(&mut s, &[("MULTI", "+OK\r\n"), ("SET a 1", "+QUEUED\r\n"), (wrong, reply), ("EXEC", aborted)]);
        assert!(bench.effects().is_empty());
    }
    play(
        &mut s,
        &[
            ("MULTI", "+OK\r\n"),
            ("MULTI", "-ERR MULTI calls can not be nested\r\n"),
            ("WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n"),
            ("SET a 1", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n+OK\r\n"),
            ("DISCARD", "-ERR DISCARD without MULTI\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET a 2", "+QUEUED\r\n"),
            ("DISCARD", "+OK\r\n"),
            ("GET a", "$1\r\n1\r\n"),
            ("MULTI", "+OK\r\n"),
            ("RESET", "+RESET\r\n"),
            ("EXEC", "-ERR EXEC without MULTI\r\n"),
        ],
    );
}

#[test]
fn a_change_of_a_watched_key_lets_exec_do_nothing() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    for change in [
        "SET k 2",
        "INCR k",
        "DEL k",
        "EXPIRE k 100",
        "RENAME k other",
        "RENAME b k",
        "FLUSHALL",
        "FLUSHDB",
        "SWAPDB 0 1",
    ] {
        bench.ask("SET k 1");
        bench.ask("SET b 1");
        play(&mut s, &[("WATCH x k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
        bench.ask(change);
        play(&mut s, &[("EXEC", NULL), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n"), ("EXEC", "*1\r\n+PONG\r\n")]);
    }
    for same in ["GET k", "SET other 2", "EXPIRE x 100", "SETNX k 5", "DEL x", "SWAPDB 3 4"] {
        bench.ask("SET k 1");
        play(&mut s, &[("WATCH x k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
        bench.ask(same);
        assert_eq!(ask(&mut s, "EXEC"), "*1\r\n+PONG\r\n", "{same}");
    }
    play(&mut s, &[("WATCH x", "+OK\r\n"), ("SET x 1", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("EXEC", NULL)]);
    play(&mut s, &[("WATCH x", "+OK\r\n"), ("UNWATCH", "+OK\r\n"), ("SET x 1", "+OK\r\n"), ("MULTI", "+OK\r\n")]);
    play(&mut s, &[("EXEC", "*0\r\n"), ("WATCH x", "+OK\r\n"), ("SET x 2", "+OK\r\n"), ("MULTI", "+OK\r\n")]);
    play(&mut s, &[("DISCARD", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("EXEC", "*0\r\n")]);
}

#[test]
fn databases_of_watched_keys_are_apart() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    play(&mut s, &[("SELECT 5", "+OK\r\n"), ("WATCH k", "+OK\r\n"), ("SELECT 0", "+OK\r\n"), ("SET k 1", "+OK\r\n")]);
    play(&mut s, &[("MULTI", "+OK\r\n"), ("EXEC", "*0\r\n")]);
    play(
        &mut s,
        &[("SELECT 5", "+OK\r\n"), ("WATCH k", "+OK\r\n"), ("SELECT 0", "+OK\r\n"), ("SWAPDB 0 5", "+OK\r\n")],
    );
    play(&mut s, &[("MULTI", "+OK\r\n"), ("EXEC", NULL)]);
}

#[test]
fn expiry_after_watch_is_a_change_and_before_it_is_none() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    bench.ask("SET k 1 PX 10");
    play(&mut s, &[("WATCH k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
    bench.advance_ms(11);
    play(&mut s, &[("EXEC", NULL)]);
    bench.ask("SET k 1 PX 10");
    bench.advance_ms(11);
    play(&mut s, &[("WATCH k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
    bench.ask("EXISTS k");
    bench.ask("FLUSHALL");
    play(&mut s, &[("EXEC", "*1\r\n+PONG\r\n")]);
    // Where deleting is forbidden the key stays, due and hidden.
    bench.ask("SET k 1 PX 10");
    bench.advance_ms(11);
    bench.db.set_due_keys(crate::DueKeys::Hide);
    play(&mut s, &[("WATCH k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
    bench.db.set_due_keys(crate::DueKeys::Delete);
    bench.ask("EXISTS k");
    play(&mut s, &[("EXEC", "*1\r\n+PONG\r\n")]);
    bench.ask("SET k 1 PX 10");
    play(&mut s, &[("WATCH k", "+OK\r\n"), ("MULTI", "+OK\r\n"), ("PING", "+QUEUED\r\n")]);
    bench.advance_ms(11);
    bench.db.set_due_keys(crate::DueKeys::Hide);
    play(&mut s, &[("EXEC", NULL)]);
    bench.assert_replays();
}

#[test]
fn watches_leave_nothing_behind() {
    let bench = Bench::new();
    let is_watched = |key: &str| bench.db.core.slots.lock(Slot::of(key.as_bytes())).state.has_audience();
    let mut s = session(&bench.db);
    for end in ["UNWATCH", "EXEC", "RESET"] {
        play(&mut s, &[("WATCH a b", "+OK\r\n"), ("WATCH a", "+OK\r\n")]);
        assert!(is_watched("a") && is_watched("b"));
        if end == "EXEC" {
            ask(&mut s, "MULTI");
        }
        ask(&mut s, end);
        assert!(!is_watched("a") && !is_watched("b"), "{end}");
    }
    ask(&mut s, "WATCH a");
    drop(s);
    assert!(!is_watched("a"));
}

#[test]
fn commands_of_every_kind_run_inside() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "SUBSCRIBE news");
    ask(&mut s, "UNSUBSCRIBE news");
    bench.ask("SET there v");
    bench.batches();
    ask(&mut s, "MULTI");
    for request in [
        "SET a 1",
        "SELECT 3",
        "SET b 2",
        "KEYS *",
        "SELECT 0",
        "RANDOMKEY",
        "FLUSHALL",
        "SCAN 0",
        "SET c 3",
        "CLIENT ID",
        "INFO keyspace",
        "SET d 4",
        "DBSIZE",
    ] {
        assert_eq!(ask(&mut s, request), "+QUEUED\r\n", "{request}");
    }
    let reply = ask(&mut s, "EXEC");
    assert!(reply.starts_with("*13\r\n+OK\r\n+OK\r\n+OK\r\n*1\r\n$1\r\nb\r\n+OK\r\n$"), "{reply}");
    assert!(reply.contains("+OK\r\n*2\r\n$1\r\n0\r\n*0\r\n+OK\r\n:"), "{reply}");
    assert!(reply.contains("db0:keys=1,") && reply.ends_with("+OK\r\n:2\r\n"), "{reply}");
    let batches = bench.batches();
    assert_eq!(batches.iter().map(|b| b.kind).collect::<Vec<_>>(), [BatchKind::Global, BatchKind::Slots]);
    bench.assert_replays();
    assert_totals(&bench.db);
}

#[test]
fn an_exec_leaves_the_database_that_it_selected() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    play(&mut s, &[("MULTI", "+OK\r\n"), ("SELECT 7", "+QUEUED\r\n"), ("SET k v", "+QUEUED\r\n")]);
    play(
        &mut s,
        &[("EXEC", "*2\r\n+OK\r\n+OK\r\n"), ("GET k", "$1\r\nv\r\n"), ("SELECT 0", "+OK\r\n"), ("GET k", "$-1\r\n")],
    );
    assert_eq!(bench.effects(), ["SELECT 7", "SET k v", "SELECT 0"]);
    bench.assert_replays();
}

#[test]
fn messages_and_events_wait_until_the_reply_is_whole() {
    let bench = Bench::new();
    bench.db.options().set_keyspace_events("KEA".parse().unwrap());
    let mut s = session(&bench.db);
    ask(&mut s, "HELLO 3");
    ask(&mut s, "SUBSCRIBE news __keyspace@0__:k");
    ask(&mut s, "MULTI\r\nPUBLISH news hi\r\nSET k v\r\nPING");
    let reply = ask(&mut s, "EXEC");
    let message = ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n";
    let event = ">3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n";
    assert_eq!(reply, format!("*3\r\n:1\r\n+OK\r\n+PONG\r\n{message}{event}"));
    assert_eq!(ask(&mut s, "MULTI\r\nUNSUBSCRIBE news\r\nEXEC"), {
        "+OK\r\n+QUEUED\r\n*1\r\n>3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n"
    });
    assert_eq!(bench.db.core.pubsub.active_count(Kind::Channel), 1);
}

#[test]
fn a_cluster_asks_for_one_slot() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    let mut s = session(&db);
    let cross = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    play(&mut s, &[("MULTI", "+OK\r\n"), ("MSET a 1 b 2", cross), ("EXEC", aborted)]);
    play(&mut s, &[("MULTI", "+OK\r\n"), ("SET a 1", "+QUEUED\r\n"), ("SET b 1", "+QUEUED\r\n"), ("EXEC", cross)]);
    play(&mut s, &[("MULTI", "+OK\r\n"), ("SET {a}1 1", "+QUEUED\r\n"), ("SET {a}2 1", "+QUEUED\r\n")]);
    play(&mut s, &[("EXEC", "*2\r\n+OK\r\n+OK\r\n")]);
    db.set_redirects(crate::gate::testing::all_to("10.0.0.9:6379"));
    play(&mut s, &[("MULTI", "+OK\r\n"), ("SET a 1", "+QUEUED\r\n")]);
    db.set_gate([Slot::of(b"a")], GateState::Elsewhere);
    let moved = "-MOVED 15495 10.0.0.9:6379\r\n";
    play(&mut s, &[("GET a", moved), ("EXEC", moved), ("MULTI", "+OK\r\n"), ("SET a 1", moved), ("EXEC", aborted)]);
    play(&mut s, &[("WATCH a", moved)]);
}

#[test]
fn a_transaction_is_parked_while_its_slot_is_held() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    ask(&mut s, "MULTI\r\nSET k 1\r\nGET k");
    db.atomic("k", |turn| {
        assert_eq!(ask(&mut s, "EXEC"), "");
        turn.set("k", "2")
    })
    .unwrap();
    assert_eq!(ask(&mut s, ""), "*2\r\n+OK\r\n$1\r\n1\r\n");
}

#[test]
fn commandstats_count_what_exec_ran() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "MULTI\r\nSET k 1\r\nSETRANGE k x y\r\nEXEC");
    let info = bench.ask("INFO commandstats");
    assert!(info.contains("cmdstat_set:calls=1,"), "{info}");
    assert!(info.contains("rejected_calls=0,failed_calls=1"), "{info}");
    assert!(info.contains("cmdstat_exec:calls=1,") && info.contains("cmdstat_multi:calls=1,"), "{info}");
}
