//! Clusters of nodes and of Debian's `redis-server`.

use super::{Kind, Nodes};
use crate::redis::{PROGRAM, has};

#[test]
fn mixed_clusters_elect_across_both_kinds() {
    if !has("redis-cli") || !has(PROGRAM) {
        return;
    }
    use Kind::{Keyslot, Redis};
    let mut nodes = Nodes::start(&[Redis, Keyslot, Redis, Keyslot, Redis, Keyslot]);
    nodes.create();
    nodes.write("one");
    // redis-cli chooses who follows whom: each is to follow the other kind.
    for (replica, primary) in [(3, 0), (4, 1), (5, 2)] {
        let name = nodes.0[primary].ask(&["CLUSTER", "MYID"]);
        assert_eq!(nodes.0[replica].ask(&["CLUSTER", "REPLICATE", &name]), "+OK");
    }
    nodes.settle();
    for node in 3..6 {
        nodes.wait_for_link(node);
    }
    nodes.write("two");
    // A Keyslot replica of a redis-server is elected, and a redis-server that replicates a Keyslot node.
    nodes.replace(0, 3);
    nodes.assert_all("two");
    nodes.replace(1, 4);
    nodes.assert_all("two");
    // Both come back, and follow the other kind.
    for (replica, primary) in [(0, 3), (1, 4)] {
        nodes.0[replica].restart();
        nodes.wait_for_role(replica, "slave");
        nodes.wait_for_link(replica);
        let port = nodes.0[primary].port.to_string();
        assert_eq!(nodes.0[replica].field("replication", "master_port"), port);
    }
    nodes.settle();
    nodes.assert_all("two");
    nodes.write("three");
    nodes.assert_all("three");
}
