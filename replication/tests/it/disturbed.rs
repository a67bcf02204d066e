//! Faults in the middle of something: transactions, pipelines, requests in pieces, nodes that are killed.

use crate::wire::{Wire, owner, text};
use keyslot_engine::resp::Value;
use keyslot_replication::host::{Cluster, Refusal};
use std::time::Duration;

fn alone() -> Cluster {
    Cluster::builder().primaries(1).listen().start().unwrap()
}

#[test]
fn a_transaction_with_a_refused_command_fails() {
    let cluster = alone();
    let mut wire = Wire::to(&cluster, 0);
    let fault = cluster.faults().at(0).requests().named("INCR").times(1).refuse(Refusal::ClusterDown);
    assert_eq!(wire.ask("MULTI"), Value::Ok);
    assert_eq!(text(&wire.ask("SET a 1")), "QUEUED");
    assert_eq!(wire.refused("INCR a"), "CLUSTERDOWN The cluster is down");
    assert!(wire.refused("EXEC").starts_with("EXECABORT"));
    assert!(wire.ask("GET a").is_nil());
    assert_eq!(fault.count(), 1);
    assert_eq!(wire.ask("MULTI"), Value::Ok);
    assert_eq!(text(&wire.ask("INCR a")), "QUEUED");
    assert_eq!(wire.ask("EXEC"), Value::Array(vec![Value::Integer(1)]));
}

#[test]
fn replies_keep_the_order_of_requests() {
    let cluster = alone();
    let mut wire = Wire::to(&cluster, 0);
    let fault = cluster.faults().at(0).requests().named("GET").times(2).refuse(Refusal::Text("ERR no".to_owned()));
    // The client waits for an element: what is behind it waits, refused or not.
    wire.send("SET a 1\r\nGET a\r\nBLPOP list 0\r\nGET a\r\nGET a");
    assert_eq!(wire.reply(), Value::Ok);
    assert_eq!(wire.reply(), Value::Error(b"ERR no"[..].into()));
    assert_eq!(Wire::to(&cluster, 0).ask("RPUSH list x"), Value::Integer(1));
    assert_eq!(wire.reply(), Value::Array(vec![Value::bulk("list"), Value::bulk("x")]));
    assert_eq!(wire.reply(), Value::Error(b"ERR no"[..].into()));
    assert_eq!(wire.reply(), Value::bulk("1"));
    assert_eq!(fault.count(), 2);
}

#[test]
fn a_request_that_began_before_the_fault_is_done_without_it() {
    let cluster = alone();
    let mut wire = Wire::to(&cluster, 0);
    wire.send("PING");
    wire.send_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhel");
    assert_eq!(wire.reply(), Value::Simple("PONG".into()));
    // The session has the beginning.
    let engine = cluster.engine(0).unwrap();
    let lies = || {
        let list = engine.call(&["CLIENT", "LIST"]);
        text(&list).contains(" qbuf=27 ")
    };
    wait_until(lies);
    let fault = cluster.faults().at(0).requests().refuse(Refusal::Text("ERR no".to_owned()));
    wire.send_bytes(b"lo\r\n*1\r\n$4\r\nPI");
    assert_eq!(wire.reply(), Value::Ok);
    wire.send_bytes(b"NG\r\n");
    assert_eq!(wire.reply(), Value::Error(b"ERR no"[..].into()));
    // And what lies here when it is healed is done.
    wire.send_bytes(b"*2\r\n$3\r\nGET\r\n");
    drop(fault);
    wire.send_bytes(b"$1\r\na\r\nPING\r\n");
    assert_eq!(wire.reply(), Value::bulk("hello"));
    assert_eq!(wire.reply(), Value::Simple("PONG".into()));
}

#[test]
fn the_newest_of_several_faults_decides() {
    let cluster = alone();
    let mut wire = Wire::to(&cluster, 0);
    let refuse = |text: &str| cluster.faults().at(0).requests().named("GET").refuse(Refusal::Text(text.to_owned()));
    let older = refuse("ERR older");
    let newer = refuse("ERR newer");
    assert_eq!(wire.refused("GET a"), "ERR newer");
    drop(newer);
    assert_eq!(wire.refused("GET a"), "ERR older");
    assert_eq!(wire.ask("SET a 1"), Value::Ok);
    drop(older);
    assert_eq!(wire.ask("GET a"), Value::bulk("1"));
}

#[test]
fn a_kill_ends_a_pause() {
    let cluster = alone();
    let fault = cluster.faults().at(0).pause();
    let mut wire = Wire::to(&cluster, 0);
    wire.send("PING");
    fault.await_count(1).unwrap();
    cluster.kill(0);
    assert_eq!(wire.until_end(), b"");
    cluster.restart(0).unwrap();
    assert_eq!(Wire::to(&cluster, 0).ask("PING"), Value::Simple("PONG".into()));
    drop(fault);
    cluster.settle().unwrap();
}

#[test]
fn a_cluster_ends_under_its_faults() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let node = owner(&cluster, "k");
    let (paused, refused) =
        (cluster.faults().at(node).pause(), cluster.faults().at((node + 1) % 3).refuse_connections());
    let stalled = cluster.faults().at((node + 2) % 3).requests().stall_reply(1);
    let (mut held, mut half) = (Wire::to(&cluster, node), Wire::to(&cluster, (node + 2) % 3));
    held.send("PING");
    half.send("PING");
    paused.await_count(1).unwrap();
    stalled.await_count(1).unwrap();
    drop(cluster);
    assert_eq!(held.until_end(), b"");
    assert_eq!(half.until_end(), b"+");
    // They outlive it, and heal nothing.
    refused.heal().unwrap();
    drop((paused, stalled));
}

#[test]
fn a_pause_under_a_mute_ends_for_itself() {
    let cluster = Cluster::builder().primaries(3).node_timeout(Duration::from_millis(150)).listen().start().unwrap();
    let mute = cluster.faults().at(0).mute();
    drop(cluster.faults().at(0).pause());
    // The bus of the node goes on: another hears of it, again and again.
    let engine = cluster.engine(1).unwrap();
    let port = format!(":{}@", cluster.addresses()[0].port());
    let heard = || {
        let nodes = text(&engine.call(&["CLUSTER", "NODES"]));
        let line = nodes.lines().find(|line| line.contains(&port)).unwrap().to_owned();
        line.split(' ').nth(5).unwrap().parse::<u64>().unwrap()
    };
    for _ in 0..3 {
        let before = heard();
        wait_until(|| heard() > before);
    }
    drop(mute);
}

fn wait_until(holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to that");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
