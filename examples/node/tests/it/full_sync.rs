//! Full syncs: their form, and what goes wrong during one.

use crate::full_disk::Disk;
use crate::node::{Client, Node, request};
use crate::replication::{Peer, assert_follows, wait_until};

#[test]
fn nodes_use_their_own_form_unless_one_does_not_want_it() {
    let mut primary = Peer::node(&[]);
    primary.ask(&["DEBUG", "POPULATE", "20000", "key", "50"]);
    primary.ask(&["RPUSH", "list", "a", "b"]);
    primary.ask(&["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]);
    let [mut native, mut plain] = [&[][..], &["--repl-native-sync", "no"]].map(Peer::node);
    for (replica, form, count) in [(&mut native, "native snapshot", "1"), (&mut plain, "RDB", "1")] {
        replica.follow(&primary);
        assert_follows(&mut primary, replica);
        assert_eq!(primary.field("stats", "sync_full_native"), count);
        assert_eq!(replica.ask(&["FUNCTION", "DUMP"]), primary.ask(&["FUNCTION", "DUMP"]));
        let log = replica.node.as_ref().unwrap().log();
        assert!(log.contains(&format!("Finished with success, {form} at offset")), "{log}");
    }
    assert_eq!(primary.field("stats", "sync_full"), "2");
}

#[test]
fn a_replica_that_is_stuck_in_a_snapshot_is_let_go() {
    let mut primary = Peer::node(&["--repl-timeout", "1"]);
    primary.ask(&["DEBUG", "POPULATE", "200000", "key", "100"]);
    let mut stuck = Client::reach(primary.port).unwrap();
    stuck.write(&request(&["PSYNC", "?", "-1"]));
    wait_until("sending", || {
        let state = primary.ask(&["INFO", "replication"]);
        (!state.contains("state=send_bulk")).then_some(state)
    });
    wait_until("letting it go", || Some(primary.field("replication", "connected_slaves")).filter(|count| count != "0"));
    let mut replica = Peer::node(&[]);
    replica.follow(&primary);
    assert_follows(&mut primary, &mut replica);
}

#[test]
fn a_replica_that_is_killed_while_it_loads_begins_again() {
    let mut primary = Peer::node(&[]);
    primary.ask(&["DEBUG", "POPULATE", "100000", "key", "100"]);
    let folder = tempfile::tempdir().unwrap();
    let port = primary.port.to_string();
    let options =
        &["--replicaof", &format!("127.0.0.1 {port}"), "--appendonly", "yes", "--enable-debug-command", "yes"];
    for _ in 0..3 {
        let mut killed = Node::start_loading(folder.path(), options);
        wait_until("beginning", || {
            let state = primary.ask(&["INFO", "replication"]);
            (!state.contains("slave0:")).then_some(state)
        });
        killed.signal("KILL");
        killed.wait();
        wait_until("noticing", || Some(primary.field("replication", "connected_slaves")).filter(|count| count != "0"));
    }
    let node = Node::start_loading(folder.path(), options);
    let mut client = node.client();
    wait_until("following", || Some(client.ask(&["INFO", "replication"])).filter(|it| !it.contains("link_status:up")));
    assert_eq!(client.ask(&["DEBUG", "DIGEST"]), primary.ask(&["DEBUG", "DIGEST"]));
}

#[test]
fn a_replica_whose_disk_is_full_follows_without_a_log() {
    let mut primary = Peer::node(&[]);
    primary.ask(&["DEBUG", "POPULATE", "1000", "key", "100"]);
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(folder.path()) else { return };
    let node = Node::start(folder.path(), &["--appendonly", "yes", "--save", "", "--enable-debug-command", "yes"]);
    let mut client = node.client();
    let ballast = disk.fill();
    assert_eq!(client.ask(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]), "+OK");
    wait_until("following", || Some(client.ask(&["INFO", "replication"])).filter(|it| !it.contains("link_status:up")));
    primary.ask(&["SET", "later", "v"]);
    wait_until("the stream", || Some(client.ask(&["GET", "later"])).filter(|value| value != "v"));
    assert_eq!(client.ask(&["DEBUG", "DIGEST"]), primary.ask(&["DEBUG", "DIGEST"]));
    std::fs::remove_file(ballast).unwrap();
}
