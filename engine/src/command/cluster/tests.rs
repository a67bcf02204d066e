//! The cluster family through sessions.

use crate::{Engine, GateState, PeerInfo, Session, Slot};
use std::task::Waker;

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &str) -> String {
    session.feed(format!("{request}\r\n").as_bytes());
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn outside_of_a_cluster_the_family_is_refused() {
    let mut s = session(&Engine::in_memory());
    for request in [
        "CLUSTER KEYSLOT k",
        "CLUSTER COUNTKEYSINSLOT 1",
        "CLUSTER GETKEYSINSLOT 1 1",
        "CLUSTER HELP",
        "ASKING",
        "READONLY",
        "READWRITE",
    ] {
        assert_eq!(ask(&mut s, request), "-ERR This instance has cluster support disabled\r\n", "{request}");
    }
    assert_eq!(ask(&mut s, "CLUSTER NOPE"), "-ERR unknown subcommand 'NOPE'. Try CLUSTER HELP.\r\n");
}

#[test]
fn slots_tell_their_keys() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    let mut s = session(&db);
    ask(&mut s, "SET {a}1 x\r\nSET {a}2 x\r\nSET {a}3 x");
    for (request, reply) in [
        ("CLUSTER KEYSLOT {a}anything", ":15495\r\n"),
        ("CLUSTER COUNTKEYSINSLOT 15495", ":3\r\n"),
        ("CLUSTER COUNTKEYSINSLOT 0", ":0\r\n"),
        ("CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot\r\n"),
        ("CLUSTER COUNTKEYSINSLOT -1", "-ERR Invalid slot\r\n"),
        ("CLUSTER COUNTKEYSINSLOT x", "-ERR value is not an integer or out of range\r\n"),
        ("CLUSTER GETKEYSINSLOT 0 5", "*0\r\n"),
        ("CLUSTER GETKEYSINSLOT 15495 0", "*0\r\n"),
        ("CLUSTER GETKEYSINSLOT 15495 -1", "-ERR Invalid slot or number of keys\r\n"),
        ("CLUSTER GETKEYSINSLOT 99999 1", "-ERR Invalid slot or number of keys\r\n"),
    ] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
    assert!(ask(&mut s, "CLUSTER GETKEYSINSLOT 15495 2").starts_with("*2\r\n$4\r\n{a}"));
    assert!(ask(&mut s, "CLUSTER GETKEYSINSLOT 15495 9223372036854775807").starts_with("*3\r\n"));
}

#[test]
fn readonly_shows_in_client_info_until_readwrite() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "ASKING\r\nREADONLY"), "+OK\r\n+OK\r\n");
    assert!(ask(&mut s, "CLIENT INFO").contains(" flags=r "));
    assert_eq!(ask(&mut s, "READWRITE"), "+OK\r\n");
    assert!(ask(&mut s, "CLIENT INFO").contains(" flags=N "));
}

#[test]
fn a_cluster_that_is_down_refuses_its_own_slots_and_names_what_is_not_served() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    db.set_gate(Slot::all(), GateState::Unassigned);
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "GET a\r\nEXISTS a b"), "-CLUSTERDOWN Hash slot not served\r\n".repeat(2));
    db.set_cluster_down(true);
    db.set_gate([Slot::of(b"a")], GateState::Open);
    assert_eq!(ask(&mut s, "GET a"), "-CLUSTERDOWN The cluster is down\r\n");
    assert_eq!(ask(&mut s, "GET b"), "-CLUSTERDOWN Hash slot not served\r\n");
    assert_eq!(ask(&mut s, "EXISTS a b"), "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    assert!(db.set("a", "v").is_err(), "typed verbs meet the gate too");
    assert_eq!(ask(&mut s, "PING"), "+PONG\r\n");
    db.set_cluster_down(false);
    assert_eq!(ask(&mut s, "SET a v\r\nGET a"), "+OK\r\n$1\r\nv\r\n");
    assert_eq!(ask(&mut s, "GET b"), "-CLUSTERDOWN Hash slot not served\r\n");
}

#[test]
fn a_slot_elsewhere_is_moved_unless_the_cluster_is_down() {
    let db = Engine::in_memory();
    db.set_cluster(true);
    db.set_redirects(crate::gate::testing::all_to("10.0.0.9:7000"));
    db.set_gate([Slot::of(b"a")], GateState::Elsewhere);
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "GET a"), "-MOVED 15495 10.0.0.9:7000\r\n");
    db.set_cluster_down(true);
    assert_eq!(ask(&mut s, "GET a"), "-CLUSTERDOWN The cluster is down\r\n");
}
