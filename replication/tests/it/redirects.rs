//! Clients that are sent elsewhere: by stale topologies, loops, slots that move, endpoints that are none.

use crate::wire::{Wire, owner, text};
use keyslot_engine::Slot;
use keyslot_engine::resp::Value;
use keyslot_replication::host::{ClientError, Cluster, Endpoints};
use redis::Commands;
use std::net::TcpStream;
use std::time::Duration;

/// The port of the primary in the row of CLUSTER SLOTS that has a slot.
fn shown_port(wire: &mut Wire, slot: Slot) -> u16 {
    let rows = wire.ask("CLUSTER SLOTS");
    let covers = |row: &&Value| {
        let row = row.as_slice().unwrap();
        let (first, last) = (row[0].as_i64().unwrap(), row[1].as_i64().unwrap());
        (first..=last).contains(&i64::from(slot.number()))
    };
    let row = rows.as_slice().unwrap().iter().find(covers).expect("a row has it");
    row.as_slice().unwrap()[2].as_slice().unwrap()[1].as_i64().unwrap() as u16
}

#[test]
fn a_topology_of_before_a_failover_sends_clients_to_a_node_that_is_gone() {
    let cluster = Cluster::builder().primaries(3).replicas(1).listen().start().unwrap();
    let client = cluster.client();
    client.call(&["SET", "k", "v"]).unwrap();
    cluster.settle().unwrap();
    let (slot, old) = (Slot::of(b"k"), owner(&cluster, "k"));
    let heir = cluster.replicas_of(old)[0];
    let (old_port, heir_port) = (cluster.addresses()[old].port(), cluster.addresses()[heir].port());

    let fault = cluster.faults().everywhere().hold_topology();
    cluster.failover(heir).unwrap();
    cluster.settle().unwrap();
    let others: Vec<usize> = (0..6).filter(|node| *node != old && *node != heir).collect();
    for node in &others {
        let mut wire = Wire::to(&cluster, *node);
        assert_eq!(shown_port(&mut wire, slot), old_port, "what it showed before");
        let line = text(&wire.ask("CLUSTER NODES"));
        assert!(line.lines().any(|line| line.contains(&format!(":{old_port}@")) && line.contains("master")), "{line}");
    }
    // Whoever believes it is sent on by MOVED, request by request.
    let mut at_old = Wire::to(&cluster, old);
    for _ in 0..20 {
        assert_eq!(at_old.refused("SET k w"), format!("MOVED {} 127.0.0.1:{heir_port}", slot.number()));
    }
    assert_eq!(shown_port(&mut at_old, slot), old_port);
    cluster.kill(old);
    assert!(TcpStream::connect(cluster.addresses()[old]).is_err());
    assert_eq!(shown_port(&mut Wire::to(&cluster, others[0]), slot), old_port, "a dead node");
    assert_eq!(client.call(&["GET", "k"]), Ok(Value::bulk("v")));
    assert!(fault.count() >= 6, "{}", fault.count());
    drop(fault);
    assert_eq!(shown_port(&mut Wire::to(&cluster, others[0]), slot), heir_port);
    let mut connection = cluster.redis_connection().unwrap();
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
}

#[test]
fn two_nodes_send_clients_back_and_forth() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let node = owner(&cluster, "k");
    let other = (node + 1) % 3;
    let number = Slot::of(b"k").number();
    let hasty = cluster.client().patience(Duration::from_millis(20));
    hasty.call(&["SET", "k", "v"]).unwrap();
    let fault = cluster.faults().redirect_loop("k", node, other);
    let (mut here, mut there) = (Wire::to(&cluster, node), Wire::to(&cluster, other));
    for _ in 0..3 {
        assert_eq!(here.refused("GET k"), format!("MOVED {number} {}", cluster.addresses()[other]));
        assert_eq!(there.refused("GET k"), format!("MOVED {number} {}", cluster.addresses()[node]));
    }
    assert_eq!(fault.count(), 6);
    // CLUSTER SLOTS says nothing of it, and other slots are served.
    assert_eq!(shown_port(&mut there, Slot::of(b"k")), cluster.addresses()[node].port());
    assert_eq!(here.ask("PING"), Value::Simple("PONG".into()));
    let error = hasty.call(&["GET", "k"]).unwrap_err();
    assert!(matches!(&error, ClientError::NobodyServes { last, .. } if last.starts_with("MOVED")), "{error}");
    drop(fault);
    assert_eq!(here.ask("GET k"), Value::bulk("v"));
    let mut connection = cluster.redis_connection().unwrap();
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
}

#[test]
fn a_storm_of_moved_ends() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let node = owner(&cluster, "k");
    // A node that sends to itself, as one does that learns of its slots late.
    let storm = cluster.faults().at(node).requests().times(40).moved_to(node);
    let mut wire = Wire::to(&cluster, node);
    assert!(wire.refused("SET k v").ends_with(&cluster.addresses()[node].to_string()));
    assert_eq!(cluster.client().call(&["SET", "k", "v"]), Ok(Value::Ok));
    assert_eq!(storm.count(), 40);
    assert_eq!(wire.ask("GET k"), Value::bulk("v"));
    let asked = cluster.faults().at(node).requests().times(1).ask_at((node + 1) % 3);
    let number = Slot::of(b"k").number();
    assert_eq!(wire.refused("GET k"), format!("ASK {number} {}", cluster.addresses()[(node + 1) % 3]));
    assert_eq!(asked.count(), 1);
    assert_eq!(wire.ask("GET k"), Value::bulk("v"));
}

#[test]
fn a_slot_on_its_way_asks_and_has_clients_try_again() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let (node, client) = (owner(&cluster, "{t}"), cluster.client());
    let to = (node + 1) % 3;
    let number = Slot::of(b"{t}").number();
    let target = cluster.addresses()[to];
    client.call(&["SET", "{t}here", "1"]).unwrap();
    let fault = cluster.faults().moving_slot("{t}", to).unwrap();
    let (mut source, mut arrives) = (Wire::to(&cluster, node), Wire::to(&cluster, to));
    assert_eq!(source.ask("GET {t}here"), Value::bulk("1"));
    assert_eq!(source.refused("GET {t}gone"), format!("ASK {number} {target}"));
    let again = "TRYAGAIN Multiple keys request during rehashing of slot";
    assert_eq!(source.refused("MGET {t}here {t}gone"), again);
    // ASKING holds for one command, and without it the target serves nothing of it.
    assert_eq!(arrives.refused("SET {t}gone 2"), format!("MOVED {number} {}", cluster.addresses()[node]));
    assert_eq!(arrives.ask("ASKING"), Value::Ok);
    assert_eq!(arrives.ask("SET {t}gone 2"), Value::Ok);
    assert!(arrives.refused("GET {t}gone").starts_with("MOVED"));
    assert_eq!(client.call(&["GET", "{t}gone"]), Ok(Value::bulk("2")));
    assert_eq!(client.call(&["GET", "{t}here"]), Ok(Value::bulk("1")));
    assert!(text(&source.ask("CLUSTER NODES")).contains(&format!("[{number}->-")));
    drop(fault);
    assert!(!text(&source.ask("CLUSTER NODES")).contains('['));
    assert!(!text(&arrives.ask("CLUSTER NODES")).contains('['));
    assert!(source.ask("GET {t}gone").is_nil());
    let mut connection = cluster.redis_connection().unwrap();
    assert_eq!(connection.get::<_, i32>("{t}here").unwrap(), 1);
}

#[test]
fn a_slot_moves_only_to_a_primary_that_is_there() {
    let cluster = Cluster::builder().primaries(3).replicas(1).start().unwrap();
    let node = owner(&cluster, "k");
    assert!(cluster.faults().moving_slot("k", node).is_err());
    let off = (0..6).find(|other| *other != node && cluster.replicas_of(*other).len() == 1).unwrap();
    cluster.kill(off);
    assert!(cluster.faults().moving_slot("k", off).is_err());
    let nodes = cluster.engine(node).unwrap().call(&["CLUSTER", "NODES"]);
    assert!(!text(&nodes).contains('['), "nothing is half done: {nodes:?}");
}

#[test]
fn endpoints_that_are_no_addresses() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let node = owner(&cluster, "k");
    let (number, port) = (Slot::of(b"k").number(), cluster.addresses()[node].port());
    let mut other = Wire::to(&cluster, (node + 1) % 3);
    let endpoint = |wire: &mut Wire| {
        let rows = wire.ask("CLUSTER SLOTS");
        rows.as_slice().unwrap()[0].as_slice().unwrap()[2].as_slice().unwrap()[0].clone()
    };
    assert_eq!(endpoint(&mut other), Value::bulk("127.0.0.1"));
    for (endpoints, shown, host) in [
        (Endpoints::Unknown, None, ""),
        (Endpoints::Missing, Some("?"), "?"),
        (Endpoints::Hostname("localhost".to_owned()), Some("localhost"), "localhost"),
    ] {
        let fault = cluster.faults().everywhere().endpoints(endpoints);
        let got = endpoint(&mut other);
        assert!(shown.map_or(got.is_nil(), |name| got == Value::bulk(name)), "{got:?}");
        assert_eq!(other.refused("GET k"), format!("MOVED {number} {host}:{port}"));
        // By the port this client finds it.
        assert_eq!(cluster.client().call(&["SET", "k", "v"]), Ok(Value::Ok));
        drop(fault);
        assert_eq!(other.refused("GET k"), format!("MOVED {number} 127.0.0.1:{port}"));
    }
    let named = cluster.faults().at(0).endpoints(Endpoints::Hostname("localhost".to_owned()));
    let mut wire = Wire::to(&cluster, 0);
    assert!(text(&wire.ask("CLUSTER NODES")).lines().all(|line| line.contains(",localhost ")));
    let shards = format!("{:?}", wire.ask("CLUSTER SHARDS"));
    assert!(shards.contains("localhost"), "{shards}");
    drop(named);
    let mut connection = cluster.redis_connection().unwrap();
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
}

#[test]
fn a_cluster_grows_under_its_clients() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let (client, slot) = (cluster.client(), Slot::of(b"k").number());
    client.call(&["GET", "k"]).unwrap();
    let mut connection = cluster.redis_connection().unwrap();
    let old = owner(&cluster, "k");
    let stale = cluster.faults().everywhere().hold_topology();
    let node = cluster.add_node().unwrap();
    assert_eq!((node, cluster.node_count(), cluster.addresses().len()), (3, 4, 4));
    let mut wire = Wire::to(&cluster, node);
    assert_eq!(text(&wire.ask("CLUSTER NODES")).lines().count(), 4);
    assert_eq!(text(&Wire::to(&cluster, 0).ask("CLUSTER NODES")).lines().count(), 3, "it shows what it knew");
    // The slot becomes its own: first there, then where it was.
    let name = text(&wire.ask("CLUSTER MYID"));
    let source = text(&Wire::to(&cluster, old).ask("CLUSTER MYID"));
    assert_eq!(wire.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {source}")), Value::Ok);
    for at in [node, old] {
        assert_eq!(Wire::to(&cluster, at).ask(&format!("CLUSTER SETSLOT {slot} NODE {name}")), Value::Ok);
    }
    cluster.settle().unwrap();
    assert_eq!(owner(&cluster, "k"), node);
    assert_eq!(Wire::to(&cluster, old).refused("GET k"), format!("MOVED {slot} {}", cluster.addresses()[node]));
    assert_eq!(client.call(&["SET", "k", "v"]), Ok(Value::Ok));
    assert_eq!(connection.get::<_, String>("k").unwrap(), "v");
    drop(stale);
    // As a replica of another it has what that has.
    let replica = cluster.add_node().unwrap();
    let engine = cluster.engine(replica).unwrap();
    assert_eq!(engine.call(&["CLUSTER", "REPLICATE", &name]), Value::Ok);
    cluster.settle().unwrap();
    assert_eq!((cluster.replicas_of(node), engine.db_size()), (vec![replica], 1));
}
