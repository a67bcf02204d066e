//! How requests are admitted or sent elsewhere: the transcripts of a real cluster, played against forged states of the gate.

use crate::gate::testing::all_to;
use crate::{Endpoint, Engine, GateState, ManualClock, PeerInfo, Redirects, Session, Slot, UnixMillis};
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

const CROSS: &str = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";
const MOVED: &str = "-MOVED 15495 10.0.0.9:7000\r\n";
const ASK: &str = "-ASK 15495 10.0.0.9:7000\r\n";
const AGAIN: &str = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
const DOWN: &str = "-CLUSTERDOWN The cluster is down\r\n";
const UNSERVED: &str = "-CLUSTERDOWN Hash slot not served\r\n";
const READ_ONLY: &str = "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n";

/// A node of a cluster whose other node is at 10.0.0.9.
fn node() -> Engine {
    let db = Engine::in_memory();
    db.set_cluster(true);
    db.set_redirects(all_to("10.0.0.9:7000"));
    db
}

fn gate(db: &Engine, state: GateState) {
    db.set_gate([Slot::of(b"a")], state);
}

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &str) -> String {
    if !request.is_empty() {
        session.feed(format!("{request}\r\n").as_bytes());
    }
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[track_caller]
fn play(session: &mut Session, steps: &[(&str, &str)]) {
    for (number, (request, reply)) in steps.iter().enumerate() {
        assert_eq!(ask(session, request), *reply, "step {number}: {request}");
    }
}

#[test]
fn a_slot_that_leaves_serves_the_keys_that_are_still_here() {
    let clock = ManualClock::at(UnixMillis(1000));
    let db = Engine::builder().clock(clock.clone()).in_memory();
    db.set_cluster(true);
    db.set_redirects(all_to("10.0.0.9:7000"));
    let mut s = session(&db);
    ask(&mut s, "SET {a}1 x\r\nSET {a}2 y\r\nSET {a}due z PX 1");
    gate(&db, GateState::Migrating);
    play(
        &mut s,
        &[
            ("GET {a}1", "$1\r\nx\r\n"),
            ("GET {a}no", ASK),
            ("MGET {a}1 {a}2", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n"),
            ("MGET {a}1 {a}no", AGAIN),
            ("MGET {a}no {a}no2", ASK),
            ("SET {a}new v", ASK),
            ("SET {a}1 x2", "+OK\r\n"),
            ("DEL {a}1x", ASK),
            ("EXISTS {a}1 {a}1", ":2\r\n"),
            ("EXISTS {a}1 b", CROSS),
            ("SPUBLISH {a}c m", ":0\r\n"),
            ("SSUBSCRIBE {a}c", "*3\r\n$10\r\nssubscribe\r\n$4\r\n{a}c\r\n:1\r\n"),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}c\r\n:0\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET {a}1 x", "+QUEUED\r\n"),
            ("GET {a}no", ASK),
            ("EXEC", ABORTED),
            ("MULTI", "+OK\r\n"),
            ("SET {a}1 x", "+QUEUED\r\n"),
            ("SET {a}2 x", "+QUEUED\r\n"),
            ("EXEC", "*2\r\n+OK\r\n+OK\r\n"),
            ("BLPOP {a}l 1", ASK),
            ("OBJECT ENCODING {a}1", "$6\r\nembstr\r\n"),
            ("OBJECT ENCODING {a}no", ASK),
            ("WATCH {a}no", ASK),
            ("MULTI", "+OK\r\n"),
            ("SPUBLISH {a}c m", "+QUEUED\r\n"),
            ("EXEC", ASK),
            ("SORT {a}no", ASK),
            ("XGROUP CREATE {a}no g $ MKSTREAM", ASK),
            ("RESTORE-ASKING {a}no 0 x", ASK),
            ("ASKING", "+OK\r\n"),
            ("GET {a}no", ASK),
        ],
    );
    clock.advance(Duration::from_millis(2));
    assert_eq!(ask(&mut s, "GET {a}due"), ASK, "what is due is not here");
    assert_eq!(db.set("{a}no", "v").unwrap_err().to_string(), ASK.trim_start_matches('-').trim_end());
    assert!(db.set("{a}1", "v").is_ok(), "typed verbs follow the same rules");
    assert_eq!(db.del_many(&["{a}1", "{a}no"]).unwrap_err().to_string(), AGAIN.trim_start_matches('-').trim_end());
    assert!(db.mset(&[("{a}1", "v"), ("{a}2", "v")]).is_ok());
    assert_eq!(db.mget(&["{a}1", "{a}no"]).unwrap_err().to_string(), AGAIN.trim_start_matches('-').trim_end());
    let atomic = db.atomic("{a}1", |turn| turn.set("{a}1", "v"));
    assert_eq!(
        atomic.unwrap_err().to_string(),
        AGAIN.trim_start_matches('-').trim_end(),
        "nobody knows its keys before"
    );
    gate(&db, GateState::Open);
    assert_eq!(ask(&mut s, "GET {a}no"), "$-1\r\n");
}

#[test]
fn a_slot_that_arrives_serves_who_was_told_to_ask() {
    let db = node();
    gate(&db, GateState::Importing);
    let mut s = session(&db);
    play(
        &mut s,
        &[
            ("GET {a}1", MOVED),
            ("ASKING", "+OK\r\n"),
            ("GET {a}1", "$-1\r\n"),
            ("GET {a}1", MOVED),
            ("ASKING", "+OK\r\n"),
            ("MGET {a}1 {a}2", AGAIN),
            ("ASKING", "+OK\r\n"),
            ("MGET {a}1 {a}1", "*2\r\n$-1\r\n$-1\r\n"),
            ("ASKING", "+OK\r\n"),
            ("MSET {a}1 v {a}2 v", AGAIN),
            ("ASKING", "+OK\r\n"),
            ("SET {a}i v", "+OK\r\n"),
            ("ASKING", "+OK\r\n"),
            ("MGET {a}i {a}i", "*2\r\n$1\r\nv\r\n$1\r\nv\r\n"),
            ("ASKING", "+OK\r\n"),
            ("MGET {a}i {a}j", AGAIN),
            ("ASKING", "+OK\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET {a}i w", "+QUEUED\r\n"),
            ("GET {a}i", "+QUEUED\r\n"),
            ("EXEC", "*2\r\n+OK\r\n$1\r\nw\r\n"),
            ("GET {a}i", MOVED),
            ("ASKING", "+OK\r\n"),
            ("PING", "+PONG\r\n"),
            ("GET {a}i", MOVED),
            ("RESTORE-ASKING {a}q 0 x", "-ERR DUMP payload version or checksum are wrong\r\n"),
            ("ASKING", "+OK\r\n"),
            ("SSUBSCRIBE {a}c", "*3\r\n$10\r\nssubscribe\r\n$4\r\n{a}c\r\n:1\r\n"),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}c\r\n:0\r\n"),
            ("SSUBSCRIBE {a}c", MOVED),
            ("ASKING", "+OK\r\n"),
            ("SPUBLISH {a}c x", ":0\r\n"),
            ("ASKING", "+OK\r\n"),
            ("WATCH {a}w", "+OK\r\n"),
            ("ASKING", "+OK\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET {a}n1 1", "+QUEUED\r\n"),
            ("SET {a}n2 2", "+QUEUED\r\n"),
            ("EXEC", AGAIN),
            ("MULTI", "+OK\r\n"),
            ("ASKING", "+QUEUED\r\n"),
            ("SET {a}n1 1", MOVED),
            ("EXEC", ABORTED),
            ("ASKING", "+OK\r\n"),
            ("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"),
            ("GET {a}i", MOVED),
        ],
    );
}

#[test]
fn a_request_that_asked_and_blocks_waits_on() {
    let db = node();
    gate(&db, GateState::Importing);
    let (mut s, mut pusher) = (session(&db), session(&db));
    assert_eq!(ask(&mut s, "ASKING\r\nBLPOP {a}l 0"), "+OK\r\n");
    gate(&db, GateState::Open);
    assert_eq!(ask(&mut pusher, "RPUSH {a}l x"), ":1\r\n");
    assert_eq!(ask(&mut s, ""), "*2\r\n$4\r\n{a}l\r\n$1\r\nx\r\n");
    gate(&db, GateState::Importing);
    assert_eq!(ask(&mut s, "GET {a}l"), MOVED, "it asked for that one alone");
}

#[test]
fn a_replica_serves_reads_to_who_said_readonly() {
    let db = node();
    db.call(&["MSET", "{a}1", "x", "{a}2", "y"]);
    gate(&db, GateState::Replicated);
    db.options().read_only.store(true, Ordering::Relaxed);
    let mut s = session(&db);
    play(
        &mut s,
        &[
            ("GET {a}1", MOVED),
            ("SET {a}1 z", MOVED),
            ("READONLY", "+OK\r\n"),
            ("GET {a}1", "$1\r\nx\r\n"),
            ("GET {a}1\r\nGET {a}2", "$1\r\nx\r\n$1\r\ny\r\n"),
            ("GET {a}nope", "$-1\r\n"),
            ("SET {a}1 z", MOVED),
            ("MGET {a}1 {a}2", "*2\r\n$1\r\nx\r\n$1\r\ny\r\n"),
            ("EXISTS {a}1 b", CROSS),
            ("FLUSHALL", "-READONLY You can't write against a read only replica.\r\n"),
            ("MULTI", "+OK\r\n"),
            ("GET {a}1", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n$1\r\nx\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET {a}1 9", MOVED),
            ("EXEC", ABORTED),
            ("SSUBSCRIBE {a}c", "*3\r\n$10\r\nssubscribe\r\n$4\r\n{a}c\r\n:1\r\n"),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}c\r\n:0\r\n"),
            ("BLPOP {a}l 1", MOVED),
            ("WATCH {a}1", "+OK\r\n"),
            ("SPUBLISH {a}c hi", ":0\r\n"),
            ("READWRITE", "+OK\r\n"),
            ("GET {a}1", MOVED),
            ("GET {a}1\r\nGET {a}2", &MOVED.repeat(2)),
        ],
    );
}

#[test]
fn who_waits_or_listens_is_sent_after_a_slot_that_left() {
    let db = node();
    let [mut waiter, mut v2, mut v3, mut begun, mut other, mut broken, mut watcher] = [(); 7].map(|()| session(&db));
    ask(&mut waiter, "BLPOP {a}l 0");
    ask(&mut v2, "SSUBSCRIBE {a}c");
    ask(&mut v3, "HELLO 3\r\nSSUBSCRIBE {a}c");
    ask(&mut begun, "MULTI\r\nSET {a}1 v");
    ask(&mut other, "WATCH {a}1\r\nMULTI\r\nSET {a}1 v");
    ask(&mut broken, "MULTI\r\nSET {a}1 v\r\nSETX");
    ask(&mut watcher, "WATCH {a}1\r\nMULTI\r\nPING");
    gate(&db, GateState::Migrating);
    db.apply(crate::Origin::Import, 0, &[&[b"SET", b"{a}1", b"x"], &[b"DEL", b"{a}1"]]).unwrap();
    assert_eq!((ask(&mut waiter, ""), ask(&mut v2, "")), (String::new(), String::new()));
    gate(&db, GateState::Elsewhere);
    assert_eq!(ask(&mut waiter, ""), MOVED);
    assert_eq!(ask(&mut v2, ""), "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}c\r\n:0\r\n");
    assert_eq!(ask(&mut v3, ""), ">3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}c\r\n:0\r\n");
    play(&mut begun, &[("GET {a}1", MOVED), ("EXEC", MOVED), ("PING", "+PONG\r\n")]);
    play(&mut other, &[("EXEC", MOVED)]);
    play(&mut broken, &[("EXEC", MOVED)]);
    play(&mut watcher, &[("EXEC", "*-1\r\n")]);
    play(
        &mut v2,
        &[
            ("SSUBSCRIBE {a}c", MOVED),
            ("SUNSUBSCRIBE {a}c", MOVED),
            ("SPUBLISH {a}c x", MOVED),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n"),
            ("EXISTS {a}1 b", CROSS),
            ("EXISTS b {a}1", CROSS),
        ],
    );
}

#[test]
fn a_primary_that_follows_another_keeps_those_who_only_wait_for_reads() {
    let db = node();
    let (mut reader, mut popper) = (session(&db), session(&db));
    ask(&mut reader, "READONLY\r\nXREAD BLOCK 0 STREAMS {a}s 0");
    ask(&mut popper, "READONLY\r\nBLPOP {a}l 0");
    gate(&db, GateState::Replicated);
    assert_eq!((ask(&mut reader, ""), ask(&mut popper, "")), (String::new(), MOVED.to_owned()));
    db.apply(crate::Origin::Primary, 0, &[&[b"XADD", b"{a}s", b"1-1", b"f", b"v"]]).unwrap();
    assert!(ask(&mut reader, "").contains("1-1"));
}

#[test]
fn a_cluster_that_is_down_serves_what_the_options_allow() {
    let db = node();
    let (mut s, mut waiter, mut begun) = (session(&db), session(&db), session(&db));
    ask(&mut waiter, "BLPOP c 0");
    ask(&mut begun, "MULTI\r\nSET c 1");
    gate(&db, GateState::Elsewhere);
    db.set_gate([Slot::of(b"b")], GateState::Unassigned);
    db.set_cluster_down(true);
    play(&mut waiter, &[("", DOWN)]);
    play(&mut begun, &[("EXEC", DOWN)]);
    play(
        &mut s,
        &[
            ("GET c", DOWN),
            ("SET c v", DOWN),
            ("GET {a}1", DOWN),
            ("GET b", UNSERVED),
            ("EXISTS b c", UNSERVED),
            ("EXISTS c d", CROSS),
            ("SPUBLISH c x", ":0\r\n"),
            ("SSUBSCRIBE c", "*3\r\n$10\r\nssubscribe\r\n$1\r\nc\r\n:1\r\n"),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:0\r\n"),
            ("PING", "+PONG\r\n"),
            ("MULTI", "+OK\r\n"),
            ("GET c", DOWN),
            ("EXEC", ABORTED),
        ],
    );
    db.options().cluster_channels_when_down.store(false, Ordering::Relaxed);
    play(
        &mut s,
        &[
            ("SPUBLISH c x", DOWN),
            ("SSUBSCRIBE c", DOWN),
            ("SUNSUBSCRIBE c", DOWN),
            ("SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n"),
        ],
    );
    db.options().cluster_reads_when_down.store(true, Ordering::Relaxed);
    play(
        &mut s,
        &[
            ("GET c", "$-1\r\n"),
            ("SET c v", READ_ONLY),
            ("GET {a}1", MOVED),
            ("GET b", UNSERVED),
            ("BLPOP c 1", READ_ONLY),
            ("MULTI", "+OK\r\n"),
            ("SET c v", READ_ONLY),
            ("EXEC", ABORTED),
            ("MULTI", "+OK\r\n"),
            ("GET c", "+QUEUED\r\n"),
            ("EXEC", "*1\r\n$-1\r\n"),
            ("XREAD BLOCK 0 STREAMS c 0", DOWN),
            ("DBSIZE", ":0\r\n"),
            ("FLUSHALL", "+OK\r\n"),
        ],
    );
}

#[test]
fn what_names_no_key_is_done_whatever_is_served() {
    let db = node();
    let mut s = session(&db);
    ask(&mut s, "SET b v");
    db.set_gate(Slot::all().filter(|slot| *slot != Slot::of(b"b")), GateState::Elsewhere);
    play(
        &mut s,
        &[
            ("DBSIZE", ":1\r\n"),
            ("KEYS *", "*1\r\n$1\r\nb\r\n"),
            ("RANDOMKEY", "$1\r\nb\r\n"),
            ("MULTI", "+OK\r\n"),
            ("FLUSHALL", "+QUEUED\r\n"),
            ("DBSIZE", "+QUEUED\r\n"),
            ("SET b w", "+QUEUED\r\n"),
            ("EXEC", "*3\r\n+OK\r\n:0\r\n+OK\r\n"),
            ("FLUSHALL", "+OK\r\n"),
            ("SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n"),
        ],
    );
}

#[test]
fn who_has_to_go_elsewhere_is_told_so_before_anything_else_is_refused() {
    let db = node();
    gate(&db, GateState::Elsewhere);
    let mut s = session(&db);
    let options = db.options();
    options.maxmemory.store(1, Ordering::Relaxed);
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    play(&mut s, &[("SET {a}1 v", MOVED), ("SET b v", oom)]);
    options.maxmemory.store(0, Ordering::Relaxed);
    options.lacks_replicas.store(true, Ordering::Relaxed);
    play(&mut s, &[("SET {a}1 v", MOVED), ("SET b v", "-NOREPLICAS Not enough good replicas to write.\r\n")]);
    options.lacks_replicas.store(false, Ordering::Relaxed);
    play(
        &mut s,
        &[
            ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
            ("MULTI", "+OK\r\n"),
            ("SET {a}1 v", MOVED),
            ("SET b v", "+QUEUED\r\n"),
            ("EXEC", ABORTED),
            ("CLIENT PAUSE 100000 ALL", "+OK\r\n"),
            ("GET {a}1", MOVED),
            ("GET b", ""),
        ],
    );
}

#[test]
fn a_redirect_names_the_endpoint_as_the_client_can_use_it() {
    let db = node();
    gate(&db, GateState::Elsewhere);
    let mut redirects = Redirects::default();
    redirects.serve(&Slot::all().collect(), &Endpoint::new("?:7000").with_tls(":7001"));
    db.set_redirects(redirects);
    let tls = PeerInfo { is_tls: true, ..PeerInfo::default() };
    assert_eq!(ask(&mut session(&db), "GET a"), "-MOVED 15495 ?:7000\r\n");
    assert_eq!(ask(&mut db.session(Waker::noop().clone(), tls), "GET a"), "-MOVED 15495 :7001\r\n");
    db.set_redirects(Redirects::default());
    assert_eq!(ask(&mut session(&db), "GET a"), UNSERVED, "nobody is known to serve it");
}

#[test]
fn nobody_listens_to_a_slot_that_left_however_they_meet() {
    let db = node();
    let kept: Vec<Session> = std::thread::scope(|scope| {
        let listener = || {
            let mut s = session(&db);
            for _ in 0..500 {
                let mut reply = ask(&mut s, "SSUBSCRIBE {a}c");
                // While somebody else holds the slot the request waits.
                while reply.is_empty() {
                    reply = ask(&mut s, "");
                }
                assert!(reply == MOVED || reply.contains("subscribe"), "{reply}");
                ask(&mut s, "");
            }
            s
        };
        let listeners = [scope.spawn(listener), scope.spawn(listener)];
        for _ in 0..500 {
            gate(&db, GateState::Open);
            gate(&db, GateState::Elsewhere);
        }
        listeners.map(|listener| listener.join().unwrap()).into()
    });
    assert_eq!(db.core.pubsub.active_count(crate::client::Kind::Shard), 0, "{} sessions are still there", kept.len());
}

#[test]
fn debug_looks_at_what_is_here() {
    let db = node();
    db.options().debug_commands.store(true, Ordering::Relaxed);
    let mut s = session(&db);
    ask(&mut s, "SET a v");
    gate(&db, GateState::Elsewhere);
    assert!(ask(&mut s, "DEBUG OBJECT a").starts_with("+Value at:"));
}
