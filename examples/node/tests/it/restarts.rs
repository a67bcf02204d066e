//! Primaries and replicas that stop and start again: who goes on where it was, and who begins anew.

use crate::redis::{PROGRAM, has};
use crate::replication::{Peer, assert_follows, wait_until, write};

const LOG: &[&str] = &["--appendonly", "yes"];
const RDB: &[&str] = &["--save", "3600 1000000"];

fn zeros() -> String {
    "0".repeat(40)
}

fn primary_restarts(options: &[&str], how: &str, mut replicas: Vec<Peer>) {
    let mut primary = Peer::node(options);
    (0..10).for_each(|round| write(&mut primary, round));
    for replica in &mut replicas {
        replica.follow(&primary);
        (0..3).for_each(|round| write(&mut primary, round));
        assert_follows(&mut primary, replica);
    }
    let id = primary.field("replication", "master_replid");
    if how == "KILL" {
        // The log is written every ten milliseconds; a node that starts without anything would guard its replicas.
        primary.ask(&["WAITAOF", "1", "0", "10000"]);
    }
    (0..3).for_each(|round| write(&mut primary, round));
    primary.stop(how);
    primary.restart();
    for replica in &mut replicas {
        assert_follows(&mut primary, replica);
    }
    (0..3).for_each(|round| write(&mut primary, round));
    for replica in &mut replicas {
        assert_follows(&mut primary, replica);
    }
    let [full, old] = [("stats", "sync_full"), ("replication", "master_replid2")].map(|(a, b)| primary.field(a, b));
    match how {
        "KILL" => assert!(full != "0" && old == zeros(), "{full} {old}"),
        _ => assert_eq!((full.as_str(), old), ("0", id), "{how} {options:?}: {}", primary.log()),
    }
}

#[test]
fn the_replicas_of_a_primary_that_stopped_in_good_order_go_on() {
    let replicas = || {
        let mut replicas = vec![Peer::node(&[])];
        if has(PROGRAM) {
            replicas.push(Peer::redis(&[]));
        }
        replicas
    };
    primary_restarts(LOG, "TERM", replicas());
    primary_restarts(LOG, "SHUTDOWN", replicas());
    primary_restarts(RDB, "TERM", replicas());
    primary_restarts(RDB, "SHUTDOWN", replicas());
}

#[test]
fn the_replicas_of_a_primary_that_was_killed_begin_anew() {
    primary_restarts(LOG, "KILL", vec![Peer::node(&[])]);
}

fn replica_restarts(primary: &mut Peer, options: &[&str], how: &str) {
    let port = primary.port.to_string();
    let mut replica = Peer::node(&[options, &["--replicaof", "127.0.0.1", &port]].concat());
    (0..10).for_each(|round| write(primary, round));
    assert_follows(primary, &mut replica);
    wait_until("the log has its base", || {
        let info = replica.ask(&["INFO", "persistence"]);
        (!info.contains("aof_rewrite_in_progress:0")).then_some(info)
    });
    let full: u32 = primary.field("stats", "sync_full").parse().unwrap();
    (0..3).for_each(|round| write(primary, round));
    replica.stop(how);
    (0..3).for_each(|round| write(primary, round));
    replica.restart();
    assert_follows(primary, &mut replica);
    (0..3).for_each(|round| write(primary, round));
    assert_follows(primary, &mut replica);
    let after: u32 = primary.field("stats", "sync_full").parse().unwrap();
    assert_eq!(after, full + u32::from(how == "KILL"), "{how} {options:?}: {}", replica.log());
}

#[test]
fn a_replica_that_stopped_in_good_order_goes_on() {
    let mut primaries = vec![Peer::node(&[])];
    if has(PROGRAM) {
        primaries.push(Peer::redis(&[]));
    }
    for primary in &mut primaries {
        replica_restarts(primary, LOG, "TERM");
        replica_restarts(primary, LOG, "SHUTDOWN");
        replica_restarts(primary, RDB, "TERM");
        replica_restarts(primary, RDB, "SHUTDOWN");
    }
}

#[test]
fn a_replica_that_was_killed_begins_anew() {
    replica_restarts(&mut Peer::node(&[]), LOG, "KILL");
    replica_restarts(&mut Peer::node(&[]), RDB, "KILL");
}

/// A primary that keeps nothing, and starts again.
fn bereft(options: &[&str], replica: &mut Peer) -> Peer {
    let mut primary = Peer::node(options);
    replica.follow(&primary);
    write(&mut primary, 1);
    assert_follows(&mut primary, replica);
    // Behind the snapshot: a stream that never moved tells nobody that there is data.
    primary.ask(&["SET", "precious", "v"]);
    assert_follows(&mut primary, replica);
    primary.stop("KILL");
    primary.restart();
    primary
}

fn guards_the_last_copy(mut replica: Peer) {
    let mut primary = bereft(&[], &mut replica);
    let refusing = "empty_primary_guard:refusing";
    wait_until("refusing", || Some(primary.log()).filter(|log| !log.contains("A replica that has data is refused")));
    // What clients write meanwhile changes nothing.
    primary.ask(&["SET", "new", "v"]);
    assert!(primary.ask(&["INFO", "replication"]).contains(refusing));
    let refused = primary.log().matches("is refused").count();
    wait_until("trying again", || Some(primary.log()).filter(|log| log.matches("is refused").count() < refused + 2));
    assert_eq!(replica.ask(&["GET", "precious"]), "v");
    assert_eq!(primary.field("stats", "sync_full"), "0");
    // A replica without data is served.
    let mut other = Peer::node(&[]);
    other.follow(&primary);
    assert_follows(&mut primary, &mut other);
    // Told.
    assert_eq!(primary.ask(&["CONFIG", "SET", "empty-primary-guard", "no"]), "+OK");
    assert_follows(&mut primary, &mut replica);
    assert_eq!(replica.ask(&["GET", "precious"]), "(nil)");
    assert!(!primary.ask(&["INFO", "replication"]).contains(refusing));
}

#[test]
fn a_primary_that_lost_its_data_does_not_empty_its_replicas() {
    guards_the_last_copy(Peer::node(&[]));
    if has(PROGRAM) {
        guards_the_last_copy(Peer::redis(&[]));
    }
}

#[test]
fn a_primary_that_lost_its_data_yields_to_its_replica() {
    let mut replica = Peer::node(&[]);
    let mut primary = bereft(&[], &mut replica);
    assert_eq!(replica.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    primary.follow(&replica);
    assert_follows(&mut replica, &mut primary);
    assert_eq!(primary.ask(&["GET", "precious"]), "v");
}

#[test]
fn who_is_told_to_follow_an_empty_primary_does() {
    let (mut primary, mut old, mut replica) = (Peer::node(&[]), Peer::node(&[]), Peer::node(&[]));
    write(&mut old, 1);
    replica.follow(&old);
    assert_follows(&mut old, &mut replica);
    // Behind the snapshot, so that both are somewhere in the stream.
    write(&mut old, 2);
    assert_follows(&mut old, &mut replica);
    replica.follow(&primary);
    assert_follows(&mut primary, &mut replica);
    // Unless the primary is told to refuse.
    let mut strict = Peer::node(&["--empty-primary-guard", "yes"]);
    old.follow(&strict);
    wait_until("refusing", || Some(strict.log()).filter(|log| !log.contains("A replica that has data is refused")));
    assert_eq!(old.ask(&["GET", "m1"]), "2");
    assert_eq!(strict.ask(&["CONFIG", "SET", "empty-primary-guard", "auto"]), "+OK");
    assert_follows(&mut strict, &mut old);
}
