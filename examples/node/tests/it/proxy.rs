//! A client that knows nothing of the cluster, served by one node of it.

use crate::node::{Client, request};
use crate::replication::{Peer, wait_until};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Three primaries and a replica of the first, all of which ask each other for their clients.
fn cluster() -> Vec<Peer> {
    let buses: Vec<String> = (0..4).map(|_| bus_port().to_string()).collect();
    let start = |bus: &String| {
        Peer::node(&[
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "2000",
            "--cluster-port",
            bus,
            "--cluster-proxy",
            "yes",
        ])
    };
    let mut nodes: Vec<Peer> = buses.iter().map(start).collect();
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in slots.iter().enumerate() {
        assert_eq!(nodes[node].ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(node + 1).to_string()]), "+OK");
        assert_eq!(nodes[node].ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "+OK");
    }
    for node in 1..4 {
        let port = nodes[node].port.to_string();
        assert_eq!(nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &buses[node]]), "+OK");
    }
    let settled = |nodes: &mut [Peer]| {
        for node in nodes {
            wait_until("the cluster", || {
                let info = node.ask(&["CLUSTER", "INFO"]);
                let is_up = info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4");
                (!is_up).then_some(info)
            });
        }
    };
    settled(&mut nodes);
    let first = nodes[0].ask(&["CLUSTER", "MYID"]);
    assert_eq!(nodes[3].ask(&["CLUSTER", "REPLICATE", &first]), "+OK");
    wait_until("the link", || {
        Some(nodes[3].field("replication", "master_link_status")).filter(|status| status != "up")
    });
    nodes
}

/// A port that is free, below those from which the system gives connections theirs.
fn bus_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 23_000 + (std::process::id() as u16 % 83) * 100 + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn a_client_that_knows_nothing_of_the_cluster_is_served_by_any_node() {
    let nodes = cluster();
    for (door, node) in nodes.iter().enumerate() {
        let mut client = Client::reach(node.port).unwrap();
        for number in 0..20 {
            let (key, value) = (format!("key:{number}"), format!("{door}"));
            assert_eq!(client.ask(&["SET", &key, &value]), "+OK");
            assert_eq!(client.ask(&["GET", &key]), value);
        }
        let keys: Vec<String> = (0..20).map(|number| format!("key:{number}")).collect();
        let keyed = |word: &'static str| [&[word][..], &keys.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        assert_eq!(client.ask(&keyed("MGET")), vec![door.to_string(); 20].join(" "));
        assert_eq!(client.ask(&keyed("EXISTS")), ":20");
        assert!(client.ask(&["MSET", "a", "1", "b", "2"]).starts_with("-CROSSSLOT "));
        // A pipeline is answered in its order.
        for key in &keys {
            client.write(&request(&["INCR", key]));
        }
        keys.iter().for_each(|_| assert_eq!(client.reply(), format!(":{}", door + 1)));
        // Transactions, wherever their slot is.
        for key in ["a", "b", "c"] {
            assert_eq!(client.ask(&["MULTI"]), "+OK");
            assert_eq!(client.ask(&["SET", key, "1"]), "+QUEUED");
            assert_eq!(client.ask(&["INCR", key]), "+QUEUED");
            assert_eq!(client.ask(&["EXEC"]), "+OK :2");
            assert_eq!(client.ask(&["DEL", key]), ":1");
        }
        assert_eq!(client.ask(&["HELLO", "3"]), "%7");
        (0..14).for_each(|_| drop(client.reply()));
        assert_eq!(client.ask(&["SET", "door", "x"]), "+OK");
        assert_eq!(client.ask(&["GET", "nowhere:{a}"]), "_");
        assert_eq!(client.ask(&["GET", "nowhere:{b}"]), "_");
        assert_eq!(client.ask(&["GET", "nowhere:{c}"]), "_");
    }
    // Who speaks as clients of a cluster do is sent to where the slot is.
    let mut client = Client::reach(nodes[1].port).unwrap();
    assert_eq!(client.ask(&["READWRITE"]), "+OK");
    assert!(client.ask(&["GET", "b"]).starts_with("-MOVED 3300 "));
}

#[test]
fn clients_that_block_and_those_that_leave_do_not_hold_up_others() {
    let mut nodes = cluster();
    // `b` is in slot 3300, of the first node.
    let mut waiting = Client::reach(nodes[1].port).unwrap();
    let mut gone = Client::reach(nodes[1].port).unwrap();
    waiting.write(&request(&["BLPOP", "b", "0"]));
    wait_until("the first to wait", || Some(nodes[0].field("clients", "blocked_clients")).filter(|count| count != "1"));
    gone.write(&request(&["BLPOP", "b", "0"]));
    wait_until("both to wait", || Some(nodes[0].field("clients", "blocked_clients")).filter(|count| count != "2"));
    drop(gone);
    wait_until("one to be gone", || Some(nodes[0].field("clients", "blocked_clients")).filter(|count| count != "1"));
    let mut other = Client::reach(nodes[1].port).unwrap();
    assert_eq!(other.ask(&["RPUSH", "b", "x"]), ":1");
    assert_eq!(waiting.reply(), "b x");
}

#[test]
fn a_failover_is_waited_for() {
    let mut nodes = cluster();
    let mut client = Client::reach(nodes[1].port).unwrap();
    assert_eq!(client.ask(&["SET", "b", "1"]), "+OK");
    assert_eq!(nodes[0].ask(&["WAIT", "1", "10000"]), ":1");
    nodes[0].kill();
    // The request that was on its way to the dead node is told so, or comes to whoever took its slots over.
    wait_until("an answer", || {
        let reply = client.ask(&["INCR", "b"]);
        (!reply.starts_with(':')).then_some(reply)
    });
    assert_eq!(nodes[3].field("replication", "role"), "master");
    assert_eq!(nodes[2].ask(&["GET", "b"]), nodes[3].ask(&["GET", "b"]));
}

#[test]
fn who_waits_for_a_key_goes_on_waiting_where_its_slot_goes() {
    let mut nodes = cluster();
    let slot_of =
        |nodes: &mut [Peer], key: &str| nodes[0].ask(&["CLUSTER", "KEYSLOT", key])[1..].parse::<u32>().unwrap();
    let key = (0..).map(|number| format!("key:{number}")).find(|key| slot_of(&mut nodes, key) <= 5460).unwrap();
    let mut client = Client::reach(nodes[0].port).unwrap();
    client.write(&request(&["BLPOP", &key, "60"]));
    wait_until("waiting", || Some(nodes[0].field("clients", "blocked_clients")).filter(|count| count != "1"));
    let (slot, owner) = (slot_of(&mut nodes, &key).to_string(), nodes[1].ask(&["CLUSTER", "MYID"]));
    for node in [1, 0, 2] {
        assert_eq!(nodes[node].ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner]), "+OK");
    }
    assert_eq!(nodes[1].ask(&["RPUSH", &key, "x"]), ":1");
    assert_eq!(client.reply(), format!("{key} x"));
}

#[test]
fn a_node_that_let_nobody_in_is_asked_again_with_the_password_of_today() {
    let mut nodes = cluster();
    assert_eq!(nodes[1].ask(&["CONFIG", "SET", "requirepass", "secret"]), "+OK");
    let slot_of =
        |nodes: &mut [Peer], key: &str| nodes[0].ask(&["CLUSTER", "KEYSLOT", key])[1..].parse::<u32>().unwrap();
    let is_there = |slot: u32| (5461..10923).contains(&slot);
    let key = (0..).map(|number| format!("key:{number}")).find(|key| is_there(slot_of(&mut nodes, key))).unwrap();
    let mut client = Client::reach(nodes[0].port).unwrap();
    assert_eq!(nodes[0].ask(&["CONFIG", "SET", "masterauth", "wrong"]), "+OK");
    let refused = client.ask(&["SET", &key, "v"]);
    assert!(refused.starts_with("-CLUSTERDOWN ") && refused.contains("WRONGPASS"), "{refused}");
    assert_eq!(nodes[0].ask(&["CONFIG", "SET", "masterauth", "secret"]), "+OK");
    assert_eq!(client.ask(&["SET", &key, "v"]), "+OK");
}
