//! FAILOVER: a primary gives its place to a replica, under load, to a node and to `redis-server`, and back.

use crate::node::{Client, request};
use crate::redis::{PROGRAM, has};
use crate::replication::{Peer, assert_follows, wait_until, write};

fn state(peer: &mut Peer) -> String {
    peer.field("replication", "master_failover_state")
}

fn wait_for_role(peer: &mut Peer, role: &str) {
    wait_until(role, || {
        Some(peer.ask(&["INFO", "replication"])).filter(|info| !info.contains(&format!("role:{role}")))
    });
}

/// Hands the place over and demands that nobody begins anew, and that the data is the same.
fn hand_over(primary: &mut Peer, replica: &mut Peer, words: &[&str]) {
    assert_follows(primary, replica);
    wait_until("being online", || {
        Some(primary.field("replication", "slave0")).filter(|told| !told.contains("state=online"))
    });
    let full = replica.field("stats", "sync_full");
    write(primary, 1);
    // It would go meanwhile.
    primary.ask(&["DEL", "due"]);
    let before = primary.ask(&["DEBUG", "DIGEST"]);
    assert_eq!(primary.ask(words), "+OK");
    wait_for_role(replica, "master");
    wait_for_role(primary, "slave");
    assert_follows(replica, primary);
    assert_eq!(replica.ask(&["DEBUG", "DIGEST"]), before);
    assert_eq!(state(primary), "no-failover");
    assert_eq!(replica.field("stats", "sync_full"), full, "the old primary goes on where it was");
    assert!(primary.ask(&["SET", "k", "v"]).starts_with("-READONLY"));
    assert_eq!(replica.ask(&["SET", "k", "v"]), "+OK");
    assert_follows(replica, primary);
}

fn there_and_back(mut primary: Peer, mut replica: Peer) {
    (0..5).for_each(|round| write(&mut primary, round));
    replica.follow(&primary);
    let port = replica.port.to_string();
    hand_over(&mut primary, &mut replica, &["FAILOVER", "TO", "127.0.0.1", &port, "TIMEOUT", "30000"]);
    hand_over(&mut replica, &mut primary, &["FAILOVER"]);
}

#[test]
fn the_place_goes_to_a_replica_and_back() {
    there_and_back(Peer::node(&[]), Peer::node(&[]));
    let log = &["--appendonly", "yes"];
    there_and_back(Peer::node(log), Peer::node(log));
}

#[test]
fn the_place_goes_to_redis_server_and_back() {
    if has(PROGRAM) {
        there_and_back(Peer::node(&[]), Peer::redis(&[]));
        there_and_back(Peer::redis(&[]), Peer::node(&[]));
    }
}

#[test]
fn what_cannot_be_handed_over_is_refused_as_by_redis() {
    let refused = |primary: &mut Peer, replica: &mut Peer| {
        assert_eq!(primary.ask(&["FAILOVER"]), "-ERR FAILOVER requires connected replicas.");
        assert_eq!(primary.ask(&["FAILOVER", "ABORT"]), "-ERR No failover in progress.");
        replica.follow(primary);
        assert_follows(primary, replica);
        let port = &replica.port.to_string();
        for (words, error) in [
            (
                &["TO", "127.0.0.1", port, "FORCE"][..],
                "FAILOVER with force option requires both a timeout and target HOST and IP.",
            ),
            (&["FORCE", "TIMEOUT", "5"], "FAILOVER with force option requires both a timeout and target HOST and IP."),
            (&["TO", "127.0.0.1", "1"], "FAILOVER target HOST and PORT is not a replica."),
            (&["TO", "127.0.0.1", "-7"], "FAILOVER target HOST and PORT is not a replica."),
            (&["TO", "127.0.0.1", "x"], "value is not an integer or out of range"),
            (&["TO", "127.0.0.1"], "syntax error"),
            (&["TIMEOUT", "0"], "FAILOVER timeout must be greater than 0"),
            (&["TIMEOUT", "x"], "value is not an integer or out of range"),
            (&["TIMEOUT", "5", "TIMEOUT", "5"], "syntax error"),
            (&["ABORT", "TIMEOUT", "5"], "syntax error"),
            (&["ABORT", "ABORT"], "syntax error"),
            (&["SOON"], "syntax error"),
        ] {
            assert_eq!(primary.ask(&[&["FAILOVER"], words].concat()), format!("-ERR {error}"), "{words:?}");
        }
        assert_eq!(replica.ask(&["FAILOVER"]), "-ERR FAILOVER is not valid when server is a replica.");
        let other = "0".repeat(40);
        let take_over = ["PSYNC", &other, "1", "FAILOVER"];
        assert_eq!(replica.ask(&take_over), "-ERR PSYNC FAILOVER replid must match my replid.");
        assert_eq!(primary.ask(&take_over), "-ERR PSYNC FAILOVER can't be sent to a master.");
    };
    refused(&mut Peer::node(&[]), &mut Peer::node(&[]));
    if has(PROGRAM) {
        refused(&mut Peer::redis(&[]), &mut Peer::redis(&[]));
    }
    let mut alone = Peer::node(&["--cluster-enabled", "yes"]);
    let error = "-ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.";
    assert_eq!(alone.ask(&["FAILOVER"]), error);
}

/// A replica that stands still, so that it has not everything.
fn stopped(primary: &mut Peer) -> Peer {
    let mut replica = Peer::node(&[]);
    replica.follow(primary);
    assert_follows(primary, &mut replica);
    replica.node.as_ref().unwrap().signal("STOP");
    assert_eq!(primary.ask(&["SET", "k", "v"]), "+OK");
    replica
}

fn waiting_client(peer: &mut Peer) -> Client {
    let mut client = peer.node.as_ref().unwrap().client();
    client.write(&request(&["SET", "held", "v"]));
    wait_until("waiting", || Some(peer.ask(&["CLIENT", "LIST"])).filter(|list| !list.contains("flags=b")));
    client
}

#[test]
fn a_replica_that_lacks_something_is_waited_for_and_given_up() {
    let mut primary = Peer::node(&[]);
    let mut replica = stopped(&mut primary);
    assert_eq!(primary.ask(&["FAILOVER"]), "+OK");
    assert_eq!(state(&mut primary), "waiting-for-sync");
    assert_eq!(primary.ask(&["FAILOVER"]), "-ERR FAILOVER already in progress.");
    assert_eq!(primary.ask(&["REPLICAOF", "127.0.0.1", "1"]), "-ERR REPLICAOF not allowed while failing over.");
    assert_eq!(primary.ask(&["PSYNC", "?", "-1"]), "-NOMASTERLINK Can't SYNC while failing over");
    let mut held = waiting_client(&mut primary);
    assert_eq!(primary.ask(&["CLIENT", "UNPAUSE"]), "+OK");
    assert_eq!(primary.ask(&["GET", "held"]), "(nil)");
    assert_eq!(primary.ask(&["FAILOVER", "ABORT"]), "+OK");
    assert_eq!(held.reply(), "+OK");
    assert_eq!(state(&mut primary), "no-failover");
    // By time.
    assert_eq!(primary.ask(&["FAILOVER", "TIMEOUT", "50"]), "+OK");
    let mut held = primary.node.as_ref().unwrap().client();
    assert_eq!(held.ask(&["SET", "held", "v"]), "+OK");
    assert_eq!(state(&mut primary), "no-failover");
    assert_eq!(primary.field("replication", "role"), "master");
    // It goes on as soon as it has everything.
    assert_eq!(primary.ask(&["FAILOVER"]), "+OK");
    let mut held = waiting_client(&mut primary);
    replica.node.as_ref().unwrap().signal("CONT");
    assert!(held.reply().starts_with("-READONLY"));
    assert_follows(&mut replica, &mut primary);
    assert_eq!(replica.ask(&["GET", "held"]), "v");
}

#[test]
fn a_forced_failover_goes_on_when_its_time_is_over() {
    let mut primary = Peer::node(&[]);
    let mut replica = stopped(&mut primary);
    let port = replica.port.to_string();
    let force = ["FAILOVER", "TO", "127.0.0.1", &port, "FORCE", "TIMEOUT", "50"];
    assert_eq!(primary.ask(&force), "+OK");
    wait_until("asking", || Some(state(&mut primary)).filter(|state| state != "failover-in-progress"));
    assert_eq!(primary.field("replication", "role"), "slave");
    // Called off, it leads again.
    assert_eq!(primary.ask(&["FAILOVER", "ABORT"]), "+OK");
    assert_eq!(primary.field("replication", "role"), "master");
    assert_eq!(primary.ask(&["SET", "k", "w"]), "+OK");
    replica.node.as_ref().unwrap().signal("CONT");
    // What the replica took for its place it may have taken before it was called off.
    if replica.field("replication", "role") == "slave" {
        assert_follows(&mut primary, &mut replica);
    }
}

#[test]
fn who_refuses_to_lead_leaves_the_place() {
    let mut primary = Peer::node(&[]);
    let mut replica = stopped(&mut primary);
    // A replica that leads by itself meanwhile: what was sent to it waits until it runs again.
    let port = replica.port.to_string();
    let mut boss = replica.node.as_ref().unwrap().client();
    boss.write(&request(&["REPLICAOF", "NO", "ONE"]));
    assert_eq!(primary.ask(&["FAILOVER", "TO", "127.0.0.1", &port, "FORCE", "TIMEOUT", "50"]), "+OK");
    wait_until("asking", || Some(state(&mut primary)).filter(|state| state != "failover-in-progress"));
    let mut held = waiting_client(&mut primary);
    replica.node.as_ref().unwrap().signal("CONT");
    assert_eq!(boss.reply(), "+OK");
    let answer = held.reply();
    // Which of the two came first nobody knows.
    match answer.as_str() {
        "+OK" => {
            assert_eq!(primary.field("replication", "role"), "master");
            assert!(primary.log().contains("PSYNC FAILOVER can't be sent to a master."));
        }
        // It follows by then, and may be taking over what the other one has.
        other => assert!(other.starts_with("-READONLY") || other.starts_with("-LOADING"), "{other}"),
    }
    assert_eq!(replica.field("replication", "role"), "master");
}
