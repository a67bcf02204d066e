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
