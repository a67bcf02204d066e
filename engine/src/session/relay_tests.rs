//! What a session has other nodes do, and how their replies become its client's.

use crate::gate::testing::all_to;
use crate::resp::ReplyWriter;
use crate::{Asker, Engine, GateState, Host, InfoSection, PeerInfo, Relay, Session, SessionState, Slot};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// Keeps what is to be done elsewhere.
#[derive(Default)]
struct Others(Mutex<Vec<Relay>>);

impl Host for Others {
    fn control(&self, _: Asker<'_>, _: &[&[u8]], _: &mut ReplyWriter<'_>) -> bool {
        false
    }

    fn info(&self, _: InfoSection, _: &mut String) {}

    fn relay(&self, _: u64, relay: Relay) {
        self.0.lock().push(relay);
    }
}

impl Others {
    /// What is asked: slots, and requests by words.
    fn asked(&self) -> Vec<(Slot, String)> {
        let relays = self.0.lock();
        let words = |request: &Vec<Box<[u8]>>| {
            request.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
        };
        let text = |requests: &[Vec<Box<[u8]>>]| requests.iter().map(words).collect::<Vec<_>>().join("; ");
        relays.iter().flat_map(Relay::parts).map(|part| (part.slot, text(&part.requests))).collect()
    }

    fn give(&self, replies: &[&str]) {
        let relay = self.0.lock().remove(0);
        relay.give(&replies.iter().map(|reply| reply.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

/// A node that serves all slots but those of `a` and `b`.
fn node() -> (Engine, Arc<Others>) {
    let db = Engine::in_memory();
    let others = Arc::new(Others::default());
    db.attach_host(Arc::clone(&others) as Arc<dyn Host>);
    db.set_cluster(true);
    db.set_redirects(all_to("10.0.0.9:7000"));
    db.set_gate([Slot::of(b"a"), Slot::of(b"b")], GateState::Elsewhere);
    db.options().cluster_proxy.store(true, Ordering::Relaxed);
    (db, others)
}

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &str) -> String {
    if !request.is_empty() {
        session.feed(format!("{request}\r\n").as_bytes());
    }
    poll(session).0
}

fn poll(session: &mut Session) -> (String, SessionState) {
    let mut out = Vec::new();
    let state = session.poll_output(&mut out);
    (String::from_utf8_lossy(&out).into_owned(), state)
}

#[test]
fn a_request_waits_for_the_other_node_and_those_behind_it_wait_too() {
    let (db, others) = node();
    let mut s = session(&db);
    s.feed(b"SET {c}1 x\r\nGET {a}1\r\nGET {c}1\r\n");
    assert_eq!(poll(&mut s), ("+OK\r\n".into(), SessionState::Parked));
    assert_eq!(others.asked(), [(Slot::of(b"a"), "GET {a}1".into())]);
    assert_eq!(poll(&mut s).0, "");
    others.give(&["$3\r\nfar\r\n"]);
    assert_eq!(poll(&mut s), ("$3\r\nfar\r\n$1\r\nx\r\n".into(), SessionState::Open));
    let calls = ask(&mut s, "INFO commandstats");
    assert!(calls.contains("cmdstat_get:calls=2,"), "{calls}");
}

#[test]
fn whoever_knows_the_cluster_is_sent_elsewhere() {
    let (db, others) = node();
    for word in ["READONLY", "READWRITE", "ASKING"] {
        let mut s = session(&db);
        assert_eq!(ask(&mut s, word), "+OK\r\n");
        assert_eq!(ask(&mut s, "GET a"), "-MOVED 15495 10.0.0.9:7000\r\n");
    }
    db.options().cluster_proxy.store(false, Ordering::Relaxed);
    assert_eq!(ask(&mut session(&db), "GET a"), "-MOVED 15495 10.0.0.9:7000\r\n");
    assert!(format!("{:?}", db.call(&["GET", "a"])).contains("MOVED"));
    assert_eq!(others.asked(), []);
}

#[test]
fn keys_of_several_slots_are_asked_for_slot_by_slot() {
    let (db, others) = node();
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "MGET a {c}1 b {a}2 a"), "");
    let parts = [("a", "MGET a {a}2 a"), ("c", "MGET {c}1"), ("b", "MGET b")];
    assert_eq!(others.asked(), parts.map(|(key, words)| (Slot::of(key.as_bytes()), words.to_owned())));
    others.give(&["*3\r\n$2\r\na1\r\n$-1\r\n$2\r\na1\r\n", "*1\r\n$-1\r\n", "*1\r\n$1\r\nb\r\n"]);
    assert_eq!(poll(&mut s).0, "*5\r\n$2\r\na1\r\n$-1\r\n$1\r\nb\r\n$-1\r\n$2\r\na1\r\n");
    for word in ["DEL", "EXISTS", "TOUCH", "UNLINK"] {
        ask(&mut s, &format!("{word} a b c"));
        others.give(&[":1\r\n", ":0\r\n", ":1\r\n"]);
        assert_eq!(poll(&mut s).0, ":2\r\n", "{word}");
    }
    ask(&mut s, "DEL a b");
    others.give(&[":1\r\n", "-CLUSTERDOWN The cluster is down\r\n"]);
    assert_eq!(poll(&mut s).0, "-CLUSTERDOWN The cluster is down\r\n");
    ask(&mut s, "DEL a b");
    others.give(&[":1\r\n", "+odd\r\n"]);
    assert!(poll(&mut s).0.starts_with("-ERR "));
    // What promises to be done at once is not taken apart.
    let cross = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
    assert_eq!(ask(&mut s, "MSET a 1 b 2"), cross);
    assert_eq!(ask(&mut s, "SUNION a b"), cross);
}

#[test]
fn a_transaction_goes_to_the_node_of_its_keys_as_one() {
    let (db, others) = node();
    let mut s = session(&db);
    for (request, reply) in [("MULTI", "+OK\r\n"), ("SET a 1", "+QUEUED\r\n"), ("GET a", "+QUEUED\r\n"), ("EXEC", "")] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
    assert_eq!(others.asked(), [(Slot::of(b"a"), "MULTI; SET a 1; GET a; EXEC".into())]);
    others.give(&["*2\r\n+OK\r\n$1\r\n1\r\n"]);
    assert_eq!(poll(&mut s).0, "*2\r\n+OK\r\n$1\r\n1\r\n");
    // It is over, and the next one is here.
    assert_eq!(ask(&mut s, "EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(ask(&mut s, "MULTI\r\nSET c 1\r\nEXEC"), "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    // Keys of two slots are refused as always.
    let refused = ask(&mut s, "MULTI\r\nSET a 1\r\nSET b 1\r\nEXEC");
    assert!(refused.ends_with("-CROSSSLOT Keys in request don't hash to the same slot\r\n"), "{refused}");
    let broken = ask(&mut s, "MULTI\r\nSET a 1\r\nSET a\r\nEXEC");
    assert!(broken.ends_with("-EXECABORT Transaction discarded because of previous errors.\r\n"), "{broken}");
    assert_eq!(others.asked(), []);
}

#[test]
fn a_write_at_a_replica_goes_to_its_primary() {
    let (db, others) = node();
    db.set_gate([Slot::of(b"a")], GateState::Replicated);
    db.options().read_only.store(true, Ordering::Relaxed);
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "SET a 1"), "");
    others.give(&["+OK\r\n"]);
    assert_eq!(poll(&mut s).0, "+OK\r\n");
    assert_eq!(ask(&mut s, "MULTI\r\nSET a 2\r\nEXEC"), "+OK\r\n+QUEUED\r\n");
    assert_eq!(others.asked(), [(Slot::of(b"a"), "MULTI; SET a 2; EXEC".into())]);
    others.give(&["*1\r\n+OK\r\n"]);
    assert_eq!(poll(&mut s).0, "*1\r\n+OK\r\n");
}

#[test]
fn nothing_is_watched_at_another_node() {
    let (db, others) = node();
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "WATCH a"), "-MOVED 15495 10.0.0.9:7000\r\n");
    ask(&mut s, "WATCH c\r\nMULTI\r\nSET a 1");
    assert!(ask(&mut s, "EXEC").starts_with("-EXECABORT "));
    assert_eq!(ask(&mut s, "SET c 1"), "+OK\r\n");
    assert_eq!(others.asked(), []);
}

#[test]
fn a_transaction_about_the_connection_is_not_done_elsewhere_nor_by_half() {
    let (db, others) = node();
    for queued in ["CLIENT REPLY OFF", "HELLO 3", "SUBSCRIBE x", "CONFIG SET maxmemory 0"] {
        let mut s = session(&db);
        for request in ["MULTI", "SET c 1", queued, "SET a 1"] {
            ask(&mut s, request);
        }
        let said = ask(&mut s, "EXEC");
        assert!(said.starts_with("-EXECABORT "), "{queued}: {said}");
        assert_eq!(ask(&mut s, "EXISTS c"), ":0\r\n", "{queued}");
    }
    assert_eq!(others.asked(), []);
}

#[test]
fn a_session_of_the_host_is_nobody_s_client() {
    let (db, others) = node();
    let mut inner = db.inner_session(Waker::noop().clone());
    assert_eq!(ask(&mut inner, "SET c 1"), "+OK\r\n");
    assert_eq!(ask(&mut inner, "GET a"), "-MOVED 15495 10.0.0.9:7000\r\n");
    let listed = ask(&mut session(&db), "CLIENT LIST");
    assert_eq!(listed.matches(" cmd=").count(), 1, "{listed}");
    db.options().maxmemory.store(1, Ordering::Relaxed);
    assert!(ask(&mut inner, "SET c 2").starts_with("-OOM "));
    assert_eq!(ask(&mut inner, "MULTI\r\nDEL c\r\nEXEC"), "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
    assert_eq!(others.asked(), []);
}

#[test]
fn a_slot_on_its_way_is_asked_for_at_its_next_owner() {
    let (db, others) = node();
    db.set_gate([Slot::of(b"a")], GateState::Migrating);
    let mut s = session(&db);
    ask(&mut s, "GET a");
    assert!(others.0.lock()[0].parts()[0].asks);
    others.give(&["$-1\r\n"]);
    assert_eq!(poll(&mut s).0, "$-1\r\n");
}

#[test]
fn a_client_that_leaves_waits_for_nothing() {
    let (db, others) = node();
    let mut s = session(&db);
    ask(&mut s, "BLPOP a 0");
    drop(s);
    others.give(&["*-1\r\n"]);
    let listed = ask(&mut session(&db), "CLIENT LIST");
    assert_eq!(listed.matches(" cmd=").count(), 1, "{listed}");
}
