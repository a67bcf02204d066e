//! A cluster's life: made by redis-cli, enlarged, mended, failed over, and started again at other addresses.

use super::{Kind, Nodes, cli, start};
use crate::redis::has;
use crate::replication::wait_until;
use std::collections::BTreeSet;

#[test]
fn redis_cli_makes_a_cluster_that_survives_its_primaries() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    nodes.write("one");
    let first = nodes.address(0);
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    let info = cli(&["--cluster", "info", &first]);
    assert!(info.contains("in 3 masters."), "{info}");
    assert_eq!(info.matches("1 slaves.").count(), 3, "{info}");
    // A slot that is left half moved is mended.
    let other = nodes.0[1].ask(&["CLUSTER", "MYID"]);
    assert_eq!(nodes.0[0].ask(&["CLUSTER", "SETSLOT", "0", "MIGRATING", &other]), "+OK");
    let check = cli(&["--cluster", "check", &first]);
    assert!(check.contains("in migrating state 0"), "{check}");
    cli(&["--cluster", "fix", &first]);
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    assert_eq!(cli(&["--cluster", "call", &first, "ping"]).matches("PONG").count(), 6);
    assert_eq!(cli(&["-c", "-p", &nodes.0[1].port.to_string(), "GET", "key:7"]).trim(), "one");
    // Another primary and a replica of it come, and go.
    let name = nodes.0[0].ask(&["CLUSTER", "MYID"]);
    for options in [&[][..], &["--cluster-slave", "--cluster-master-id", &name]] {
        nodes.0.push(start(Kind::Keyslot));
        let added = nodes.address(nodes.0.len() - 1);
        let told = cli(&[&["--cluster", "add-node", &added, &first][..], options].concat());
        assert!(told.contains("[OK] New node added correctly."), "{told}");
        nodes.settle();
    }
    while nodes.0.len() > 6 {
        let mut gone = nodes.0.pop().unwrap();
        let name = gone.ask(&["CLUSTER", "MYID"]);
        let told = cli(&["--cluster", "del-node", &first, &name]);
        assert!(!told.contains("ERR"), "{told}");
        nodes.settle();
    }
    wait_until("six nodes", || Some(nodes.0[3].ask(&["CLUSTER", "INFO"])).filter(|it| !it.contains("known_nodes:6")));
    // A primary dies, and comes back as a replica of who took its place.
    let heir = nodes.replica_of(0);
    nodes.replace(0, heir);
    nodes.assert_all("one");
    nodes.0[0].restart();
    nodes.wait_for_role(0, "slave");
    nodes.settle();
    nodes.wait_for_link(0);
    // In peace, by force, and without asking.
    for words in [&["CLUSTER", "FAILOVER"][..], &["CLUSTER", "FAILOVER", "FORCE"], &["CLUSTER", "FAILOVER", "TAKEOVER"]]
    {
        let replica = (0..6).find(|node| nodes.role(*node) == "slave").unwrap();
        assert_eq!(nodes.0[replica].ask(words), "+OK");
        nodes.wait_for_role(replica, "master");
        nodes.settle();
    }
    nodes.write("two");
    let epochs: Vec<String> = nodes.0[0]
        .ask(&["CLUSTER", "NODES"])
        .lines()
        .filter(|line| line.contains("master"))
        .map(|line| line.split(' ').nth(6).unwrap().to_owned())
        .collect();
    assert_eq!(epochs.iter().collect::<BTreeSet<_>>().len(), 3, "{epochs:?}");
    nodes.keep();
    // All of them, at once: what they knew of each other is in their files.
    (0..6).for_each(|node| nodes.kill(node));
    (0..6).for_each(|node| nodes.0[node].restart());
    nodes.settle();
    nodes.assert_all("two");
    assert_eq!(nodes.follow(&["SET", "after", "all"]), "+OK");
}

#[test]
fn nodes_that_come_back_at_other_addresses_are_found() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    nodes.write("one");
    nodes.keep();
    // Only one is where the others left it.
    (1..6).for_each(|node| nodes.kill(node));
    for node in 1..6 {
        nodes.0[node].restart_with(&["--bind", "127.0.0.2", "--cluster-announce-ip", "127.0.0.2"]);
    }
    for node in 0..6 {
        wait_until("finding all", || {
            let view = nodes.0[node].ask(&["CLUSTER", "NODES"]);
            (view.matches(" 127.0.0.2:").count() != 5).then_some(view)
        });
    }
    nodes.settle();
    for node in 0..6 {
        if nodes.role(node) == "slave" {
            nodes.wait_for_link(node);
        }
    }
    nodes.assert_all("one");
    nodes.write("two");
}

#[test]
fn nodes_that_all_moved_are_found_by_the_seed_name() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 6]);
    nodes.create();
    nodes.write("one");
    nodes.keep();
    let view = nodes.0[0].ask(&["CLUSTER", "NODES"]);
    let bus_ports = view.lines().filter_map(|line| line.split_once('@')?.1.split([',', ' ']).next());
    let seeds: Vec<String> = bus_ports.map(|port| format!("localhost:{port}")).collect();
    let mut options = vec!["--bind", "127.0.0.1", "--cluster-seed-name"];
    options.extend(seeds.iter().map(String::as_str));
    // They know each other at addresses where nobody is.
    (0..6).for_each(|node| nodes.kill(node));
    for node in 0..6 {
        let path = nodes.0[node].folder().join("nodes.conf");
        let moved = std::fs::read_to_string(&path).unwrap().replace(" 127.0.0.1:", " 127.0.0.77:");
        std::fs::write(&path, moved).unwrap();
        nodes.0[node].restart_with(&options);
    }
    for node in 0..6 {
        wait_until("finding all", || {
            let view = nodes.0[node].ask(&["CLUSTER", "NODES"]);
            (view.matches(" 127.0.0.1:").count() != 6).then_some(view)
        });
    }
    nodes.settle();
    for node in 0..6 {
        if nodes.role(node) == "slave" {
            nodes.wait_for_link(node);
        }
    }
    nodes.assert_all("one");
    nodes.write("two");
}
