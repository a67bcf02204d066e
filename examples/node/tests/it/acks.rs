//! What replies wait for: `write-ack`.

use crate::node::{Node, request};
use crate::redis::{PROGRAM, has};
use crate::replication::{Peer, wait_until};

/// Waits until a primary counts a replica that follows the stream.
fn wait_online(primary: &mut Peer) {
    wait_until("a replica", || {
        let replicas = primary.ask(&["INFO", "replication"]);
        (!replicas.contains("state=online")).then_some(replicas)
    });
}

/// Held until a replica has what they tell, in order; what tells of nothing is not held.
fn hold(primary: &mut Peer, replica: &mut Peer) {
    let node = primary.node.as_ref().map(Node::client).expect("a node");
    let (mut writer, mut reader) = (node, primary.node.as_ref().map(Node::client).expect("a node"));
    assert_eq!(writer.ask(&["CLIENT", "SETNAME", "writer"]), "+OK");
    assert_eq!(reader.ask(&["CLIENT", "SETNAME", "reader"]), "+OK");
    assert_eq!(writer.ask(&["GET", "never"]), "(nil)", "nothing was written");
    writer.write(&[request(&["SET", "k", "1"]), request(&["INCR", "k"]), request(&["PING"])].concat());
    wait_until("the write", || {
        let counts = primary.ask(&["INFO", "commandstats"]);
        (!counts.contains("cmdstat_incr:calls=1")).then_some(counts)
    });
    reader.write(&request(&["GET", "k"]));
    for (name, held_bytes) in [("writer", "+OK  :2  +PONG  ".len()), ("reader", "$1  2  ".len())] {
        wait_until("holding", || {
            let clients = primary.ask(&["CLIENT", "LIST"]);
            let line =
                clients.lines().find(|line| line.contains(&format!("name={name} "))).unwrap_or_default().to_owned();
            (!line.contains(&format!(" obl={held_bytes} "))).then_some(line)
        });
    }
    replica.follow(primary);
    assert_eq!(writer.reply(), "+OK");
    assert_eq!(writer.reply(), ":2");
    assert_eq!(writer.reply(), "+PONG");
    assert_eq!(reader.reply(), "2");
    assert_eq!(replica.ask(&["GET", "k"]), "2");
    wait_online(primary);
    for n in 3..300 {
        assert_eq!(writer.ask(&["INCR", "k"]), format!(":{n}"));
        assert_eq!(replica.ask(&["GET", "k"]), n.to_string(), "the reply came too early");
    }
}

#[test]
fn replies_wait_for_a_replica() {
    hold(&mut Peer::node(&["--write-ack", "replicas", "1"]), &mut Peer::node(&[]));
}

#[test]
fn replies_wait_for_a_replica_and_the_log() {
    let (mut primary, mut replica) = (Peer::node(LOG), Peer::node(&["--appendonly", "yes"]));
    assert_eq!(primary.ask(&["CONFIG", "SET", "write-ack", "replicas 1"]), "+OK");
    assert!(primary.ask(&["CONFIG", "GET", "write-ack"]).contains("replicas 1"));
    hold(&mut primary, &mut replica);
}

#[test]
fn replies_wait_for_redis_server() {
    if has(PROGRAM) {
        hold(&mut Peer::node(&["--write-ack", "replicas", "1"]), &mut Peer::redis(&[]));
    }
}

#[test]
fn a_node_that_becomes_a_replica_lets_nobody_wait() {
    let mut primary = Peer::node(&["--write-ack", "replicas", "1"]);
    let mut other = Peer::node(&[]);
    let mut writer = primary.node.as_ref().map(Node::client).expect("a node");
    writer.write(&request(&["SET", "k", "v"]));
    wait_until("the write", || {
        let counts = primary.ask(&["INFO", "commandstats"]);
        (!counts.contains("cmdstat_set:calls=1")).then_some(counts)
    });
    primary.follow(&other);
    assert!(writer.reply().starts_with("-UNBLOCKED "));
    wait_until("following", || {
        let up = primary.field("replication", "master_link_status");
        (up != "up").then_some(up)
    });
    assert_eq!(other.ask(&["SET", "k", "theirs"]), "+OK");
    wait_until("the other's write", || {
        let value = writer.ask(&["GET", "k"]);
        (value != "theirs").then_some(value)
    });
}

#[test]
fn a_log_that_ends_leaves_replicas_waited_for() {
    let (mut primary, mut replica) = (Peer::node(LOG), Peer::node(&[]));
    assert_eq!(primary.ask(&["CONFIG", "SET", "write-ack", "replicas 1"]), "+OK");
    replica.follow(&primary);
    wait_online(&mut primary);
    for setting in ["no", "yes", "no"] {
        assert_eq!(primary.ask(&["CONFIG", "SET", "appendonly", setting]), "+OK");
        let mut writer = primary.node.as_ref().map(Node::client).expect("a node");
        let reply = writer.ask(&["INCR", "k"]);
        assert!(reply.starts_with(':'), "{reply}");
        assert_eq!(replica.ask(&["GET", "k"]).lines().last(), reply.strip_prefix(':'));
    }
}

#[test]
fn a_level_nobody_knows_is_explained() {
    let mut node = Peer::node(&[]);
    for wrong in ["replicas", "replicas 0", "replicas 256", "all", "durable 1"] {
        let reply = node.ask(&["CONFIG", "SET", "write-ack", wrong]);
        assert!(reply.contains("argument(s) must be one of the following: auto"), "{wrong}: {reply}");
    }
}

const LOG: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
