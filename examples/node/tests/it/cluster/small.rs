//! A cluster of one primary, whose replicas vote.

use super::{Kind, Nodes};
use crate::replication::wait_until;

#[test]
fn one_primary_is_replaced_by_its_replicas_that_vote() {
    let mut nodes = Nodes::start(&[Kind::Keyslot; 3]);
    for node in 0..3 {
        assert_eq!(nodes.0[node].ask(&["CONFIG", "SET", "cluster-voter", "yes"]), "+OK");
    }
    assert_eq!(nodes.0[0].ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "+OK");
    let first = nodes.0[0].ask(&["CLUSTER", "MYID"]);
    let (port, bus_port) = (nodes.0[0].port.to_string(), nodes.bus_port(0));
    for node in 1..3 {
        assert_eq!(nodes.0[node].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]), "+OK");
        wait_until("the primary to be known", || {
            let reply = nodes.0[node].ask(&["CLUSTER", "REPLICATE", &first]);
            (reply != "+OK").then_some(reply)
        });
    }
    nodes.settle();
    (1..3).for_each(|node| nodes.wait_for_link(node));
    assert_eq!(nodes.0[0].ask(&["SET", "k", "v"]), "+OK");
    assert_eq!(nodes.0[0].ask(&["WAIT", "2", "60000"]), ":2");
    for node in 0..3 {
        wait_until("all who vote to be kept", || {
            let kept = std::fs::read_to_string(nodes.0[node].folder().join("nodes.conf")).unwrap();
            (kept.rsplit("keyslot-voters ").next().unwrap().matches('+').count() != 2).then_some(kept)
        });
    }
    nodes.kill(0);
    wait_until("another primary", || {
        let roles: Vec<String> = (1..3).map(|node| nodes.role(node)).collect();
        (roles.iter().filter(|role| *role == "master").count() != 1).then(|| roles.join(" "))
    });
    nodes.settle();
    assert_eq!(nodes.follow(&["GET", "k"]), "v");
    nodes.0[0].restart();
    nodes.wait_for_role(0, "slave");
    nodes.wait_for_link(0);
    assert_eq!(nodes.follow(&["SET", "k", "w"]), "+OK");
}
