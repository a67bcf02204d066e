//! The server family through sessions.

use crate::command::testing::Bench;
use crate::{Engine, PeerInfo, Session};
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo { addr: "10.0.0.1:5".into(), ..PeerInfo::default() })
}

fn ask(session: &mut Session, request: &str) -> String {
    session.feed(format!("{request}\r\n").as_bytes());
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn time_is_that_of_the_clock() {
    let bench = Bench::new();
    bench.clock.advance(Duration::from_millis(1234));
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "TIME"), "*2\r\n$10\r\n1700000001\r\n$6\r\n234000\r\n");
}

#[test]
fn role_tells_the_journals_end() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "ROLE"), "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
    assert_eq!(ask(&mut s, "SET k v\r\nROLE"), "+OK\r\n*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n");
}

#[test]
fn there_are_no_modules_and_no_functions() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    for (request, reply) in [
        ("MODULE LIST", "*0\r\n"),
        ("FUNCTION LIST", "*0\r\n"),
        ("FUNCTION LIST WITHCODE LIBRARYNAME", "-ERR library name argument was not given\r\n"),
        ("FUNCTION FLUSH", "+OK\r\n"),
        ("FUNCTION FLUSH async", "+OK\r\n"),
        ("FUNCTION FLUSH later", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option\r\n"),
        (
            "FUNCTION FLUSH a b",
            "-ERR unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.\r\n",
        ),
    ] {
        assert_eq!(ask(&mut s, request), reply);
    }
    assert!(bench.batches().is_empty(), "nothing changed");
}

#[test]
fn lolwut_ends_with_the_version() {
    let mut s = session(&Engine::in_memory());
    assert!(ask(&mut s, "LOLWUT").ends_with("\nRedis ver. 7.2.4\n\r\n"));
    assert_eq!(ask(&mut s, "LOLWUT VERSION x"), "-ERR value is not an integer or out of range\r\n");
}

#[test]
fn the_slow_log_keeps_what_it_is_told_to_keep() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    bench.db.options().slowlog_slower_than_us.store(0, Ordering::Relaxed);
    bench.db.options().slowlog_count_max.store(2, Ordering::Relaxed);
    ask(&mut s, "CLIENT SETNAME me\r\nPING\r\nECHO hello");
    bench.db.options().slowlog_slower_than_us.store(-1, Ordering::Relaxed);
    assert_eq!(ask(&mut s, "SLOWLOG LEN"), ":2\r\n");
    assert_eq!(
        ask(&mut s, "SLOWLOG GET 1"),
        "*1\r\n*6\r\n:2\r\n:1700000000\r\n:0\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n$10\r\n10.0.0.1:5\r\n$2\r\nme\r\n"
    );
    assert!(ask(&mut s, "SLOWLOG GET -1").starts_with("*2\r\n"));
    assert_eq!(ask(&mut s, "SLOWLOG GET 0"), "*0\r\n");
    assert_eq!(ask(&mut s, "SLOWLOG GET -2"), "-ERR count should be greater than or equal to -1\r\n");
    bench.db.options().slowlog_slower_than_us.store(0, Ordering::Relaxed);
    ask(&mut s, "AUTH default pw");
    assert!(ask(&mut s, "SLOWLOG GET 1").contains("*3\r\n$4\r\nAUTH\r\n$10\r\n(redacted)\r\n$10\r\n(redacted)\r\n"));
    bench.db.options().slowlog_slower_than_us.store(-1, Ordering::Relaxed);
    assert_eq!(ask(&mut s, "SLOWLOG RESET\r\nSLOWLOG GET"), "+OK\r\n*0\r\n");
    assert!(ask(&mut s, "SLOWLOG HELP").starts_with("*12\r\n+SLOWLOG <subcommand> "));
}

#[test]
fn latency_spikes_are_listed_drawn_and_forgotten() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    let core = &bench.db.core;
    core.stats.add_latency("command", core.now(), 120);
    core.stats.add_latency("command", core.now(), 80);
    bench.clock.advance(Duration::from_secs(5));
    core.stats.add_latency("command", core.now(), 60);
    core.stats.add_latency("fork", core.now(), 1);
    assert_eq!(
        ask(&mut s, "LATENCY LATEST"),
        "*2\r\n*4\r\n$7\r\ncommand\r\n:1700000005\r\n:60\r\n:120\r\n*4\r\n$4\r\nfork\r\n:1700000005\r\n:1\r\n:1\r\n"
    );
    assert_eq!(
        ask(&mut s, "LATENCY HISTORY command"),
        "*2\r\n*2\r\n:1700000000\r\n:120\r\n*2\r\n:1700000005\r\n:60\r\n"
    );
    assert_eq!(ask(&mut s, "LATENCY HISTORY nothing"), "*0\r\n");
    let graph = ask(&mut s, "LATENCY GRAPH command");
    assert!(graph.contains("command - high 120 ms, low 60 ms (all time high 120 ms)\n-----"), "{graph}");
    assert_eq!(ask(&mut s, "LATENCY GRAPH x"), "-ERR No samples available for event 'x'\r\n");
    assert!(ask(&mut s, "LATENCY DOCTOR").contains("command: 2 spikes kept, 90 ms on average, 120 ms at worst."));
    assert_eq!(ask(&mut s, "LATENCY RESET nothing"), ":0\r\n");
    assert_eq!(ask(&mut s, "LATENCY RESET fork nothing"), ":1\r\n");
    assert_eq!(ask(&mut s, "LATENCY RESET"), ":1\r\n");
    assert_eq!(ask(&mut s, "LATENCY LATEST"), "*0\r\n");
}

#[test]
fn histograms_are_cumulative_and_leave_out_what_was_never_called() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    // The clock stands still, so every call takes no time.
    ask(&mut s, "HELLO 3\r\nCLIENT ID\r\nCLIENT ID\r\nCLIENT GETNAME");
    assert_eq!(
        ask(&mut s, "LATENCY HISTOGRAM client get nothing"),
        "%2\r\n$14\r\nclient|getname\r\n%2\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n%1\r\n:1\r\n:1\r\n\
         $9\r\nclient|id\r\n%2\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n%1\r\n:1\r\n:2\r\n"
    );
    bench.db.options().latency_tracking.store(false, Ordering::Relaxed);
    ask(&mut s, "GET k");
    assert_eq!(ask(&mut s, "LATENCY HISTOGRAM get"), "%0\r\n");
}

#[test]
fn memory_usage_follows_the_value() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "SET small x");
    bench.db.set("big", vec![b'x'; 10_000]).unwrap();
    let bytes = |reply: String| -> usize { reply.trim_start_matches(':').trim_end().parse().unwrap() };
    let (small, big) = (bytes(ask(&mut s, "MEMORY USAGE small")), bytes(ask(&mut s, "MEMORY USAGE big SAMPLES 0")));
    assert!(small > 0 && small < 100 && (10_000..12_000).contains(&big), "{small} {big}");
    for (request, reply) in [
        ("MEMORY USAGE none", "$-1\r\n"),
        ("MEMORY USAGE small SAMPLES", "-ERR syntax error\r\n"),
        ("MEMORY USAGE small SAMPLES -1", "-ERR syntax error\r\n"),
        ("MEMORY USAGE small SAMPLES x", "-ERR value is not an integer or out of range\r\n"),
        ("MEMORY PURGE", "+OK\r\n"),
        ("MEMORY MALLOC-STATS", "$45\r\nStats not supported for the current allocator\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply);
    }
}

#[test]
fn memory_stats_is_a_whole_map_with_an_entry_for_each_database() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "SET a 1\r\nSELECT 5\r\nSET b 2");
    s.feed(b"HELLO 3\r\n");
    s.poll_output(&mut Vec::new());
    s.feed(b"MEMORY STATS\r\n");
    let mut out = Vec::new();
    s.poll_output(&mut out);
    let (value, used) = crate::resp::parse_reply(&out).unwrap().unwrap();
    assert_eq!(used, out.len(), "the map holds as many pairs as it says");
    let crate::resp::Value::Map(pairs) = value else { panic!("a map") };
    assert_eq!(pairs.len(), 29);
    let text = String::from_utf8_lossy(&out);
    assert!(text.contains("$4\r\ndb.0\r\n%3\r\n") && text.contains("$4\r\ndb.5\r\n%3\r\n"));
    assert!(text.contains("$10\r\nkeys.count\r\n:2\r\n"));
}

#[test]
fn digests_are_those_of_redis() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "DEBUG DIGEST"), format!("+{}\r\n", "0".repeat(40)));
    ask(&mut s, "SET k v");
    assert_eq!(ask(&mut s, "DEBUG DIGEST"), "+264ccf65edec66bccfa7cc659414ccca432057d2\r\n");
    ask(&mut s, "SET x 5 EX 100");
    assert_eq!(ask(&mut s, "DEBUG DIGEST"), "+3cf891ff91cc1eb6f68b2f19d951c45d0c719735\r\n");
    assert_eq!(ask(&mut s, "DEBUG DIGEST-VALUE x"), "*1\r\n+1e47b7737b7537b3113b09ca0319a5fd0e2bf48d\r\n");
    ask(&mut s, "SELECT 3\r\nSET y abc");
    assert_eq!(ask(&mut s, "DEBUG DIGEST"), "+17e78b55eb641b387ebebc7f20eb6ce8f9cd29ce\r\n");
    assert_eq!(
        ask(&mut s, "SELECT 0\r\nDEBUG DIGEST-VALUE k none"),
        format!("+OK\r\n*2\r\n+d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f\r\n+{}\r\n", "0".repeat(40))
    );
}

#[test]
fn debug_does_what_it_can_and_names_what_it_cannot() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    for (request, reply) in [
        ("DEBUG OBJECT none", "-ERR no such key\r\n"),
        ("DEBUG SET-ACTIVE-EXPIRE 0", "+OK\r\n"),
        ("DEBUG QUICKLIST-PACKED-THRESHOLD 100b", "+OK\r\n"),
        (
            "DEBUG QUICKLIST-PACKED-THRESHOLD x",
            "-ERR argument must be a memory value bigger than 1 and smaller than 4gb\r\n",
        ),
        ("DEBUG ERROR boom", "-boom\r\n"),
        ("DEBUG PROTOCOL string", "$11\r\nHello World\r\n"),
        ("DEBUG JMAP", "-ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP.\r\n"),
        ("DEBUG POPULATE 3 p 4", "+OK\r\n"),
        ("GET p:2", "$4\r\nvalu\r\n"),
        ("DEBUG POPULATE 9223372036854775807", "-ERR value is out of range, must be positive\r\n"),
        ("DEBUG POPULATE -1", "-ERR value is out of range, must be positive\r\n"),
        ("DEBUG POPULATE 1 p 99999999999", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
    assert!(!bench.db.options().active_expire.load(Ordering::Relaxed));
    assert!(ask(&mut s, "DEBUG OBJECT p:1").starts_with("+Value at:0x0 refcount:1 encoding:embstr serializedlength:"));
    bench.assert_replays();
    bench.db.options().debug_commands.store(false, Ordering::Relaxed);
    bench.db.options().debug_commands_local.store(false, Ordering::Relaxed);
    assert!(ask(&mut s, "DEBUG DIGEST").starts_with("-ERR DEBUG command not allowed. If the enable-debug-command"));
}

#[test]
fn no_touch_leaves_idle_times_alone_and_touch_does_not() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    ask(&mut s, "SET k v\r\nCLIENT NO-TOUCH ON");
    bench.clock.advance(Duration::from_secs(100));
    assert_eq!(ask(&mut s, "GET k\r\nAPPEND k w\r\nOBJECT IDLETIME k"), "$1\r\nv\r\n:2\r\n:100\r\n");
    assert_eq!(ask(&mut s, "SET k other\r\nOBJECT IDLETIME k"), "+OK\r\n:100\r\n");
    assert_eq!(ask(&mut s, "TOUCH k\r\nOBJECT IDLETIME k"), ":1\r\n:0\r\n");
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(ask(&mut s, "CLIENT NO-TOUCH OFF\r\nGET k\r\nOBJECT IDLETIME k"), "+OK\r\n$5\r\nother\r\n:0\r\n");
}
