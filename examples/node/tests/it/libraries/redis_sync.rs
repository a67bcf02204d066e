//! redis-rs, `redis::cluster::ClusterConnection`.

use super::{COUNTER, MOVING, Move, Outage, Patience, ROUNDS, calls_at_replicas, key_of_each_slot, show_replicas};
use crate::cluster::Nodes;
use crate::replication::wait_until;
use redis::cluster::{ClusterClient, ClusterConnection, cluster_pipe};
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Commands, Value, cmd};
use std::collections::BTreeSet;
use std::time::Duration;

fn client(nodes: &Nodes) -> redis::cluster::ClusterClientBuilder {
    ClusterClient::builder([0, 1].map(|node| format!("redis://{}", nodes.address(node))))
}

/// The n-th write of a counter that only grows.
fn count(connection: &mut ClusterConnection, least: i64) -> i64 {
    let patience = Patience::new();
    loop {
        match connection.incr::<_, _, i64>(COUNTER, 1) {
            Ok(count) => {
                assert!(count > least, "{count} after {least}");
                return count;
            }
            Err(error) => {
                patience.bear(&error);
                // The library keeps to an address that refuses it until some node sends it elsewhere, with redis-server too.
                let anywhere = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                let _ = connection.route_command(cmd("GET").arg(COUNTER), anywhere);
            }
        }
    }
}

fn use_keys(connection: &mut ClusterConnection) {
    let keys = key_of_each_slot();
    for chunk in keys.chunks(4096) {
        let mut pipe = cluster_pipe();
        for key in chunk {
            pipe.set(key, format!("of {key}")).ignore();
        }
        pipe.exec(connection).unwrap();
        let mut pipe = cluster_pipe();
        for key in chunk {
            pipe.get(key);
        }
        let values: Vec<String> = pipe.query(connection).unwrap();
        let expected: Vec<String> = chunk.iter().map(|key| format!("of {key}")).collect();
        assert_eq!(values, expected);
    }
    // One command of many slots is split up by the library; one of one slot is not.
    let some: Vec<&String> = keys.iter().step_by(1000).collect();
    let values: Vec<String> = connection.mget(&some).unwrap();
    assert_eq!(values, some.iter().map(|key| format!("of {key}")).collect::<Vec<_>>());
    let _: () = connection.mset(&[("{t}a", 1), ("{t}b", 2)]).unwrap();
    assert_eq!(connection.mget::<_, Vec<i64>>(&["{t}b", "{t}a"]).unwrap(), [2, 1]);
    let error = cmd("RENAME").arg("{t}a").arg("{u}a").query::<()>(connection).unwrap_err();
    assert!(error.to_string().to_uppercase().contains("CROSSSLOT"), "{error}");
    // The library has no transactions for clusters, but sends what it is told to the node of a slot.
    let words: [&[&str]; 4] = [&["MULTI"], &["SET", "{t}a", "5"], &["INCRBY", "{t}a", "2"], &["EXEC"]];
    let place = SingleNodeRoutingInfo::SpecificNode(Route::with_key("{t}a", SlotAddr::Master));
    let replies = words.map(|words| {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        connection.route_command(&command, RoutingInfo::SingleNode(place.clone())).unwrap()
    });
    assert_eq!(replies[3], Value::Array(vec![Value::Okay, Value::Int(7)]));
}

fn follow_a_move(connection: &mut ClusterConnection, nodes: &mut Nodes) {
    let keys = ["a", "b"].map(|name| format!("{MOVING}{name}"));
    let moving = Move::begin(nodes);
    let _: () = connection.set(&keys[0], "asked").unwrap();
    assert_eq!(connection.get::<_, String>(&keys[0]).unwrap(), "asked");
    moving.end(nodes);
    let _: () = connection.set(&keys[1], "moved").unwrap();
    assert_eq!(connection.mget::<_, Vec<String>>(&keys).unwrap(), ["asked", "moved"]);
}

fn scan(connection: &mut ClusterConnection, nodes: &mut Nodes) {
    let mut seen = BTreeSet::new();
    for node in 0..3 {
        let mut cursor = 0;
        loop {
            let place = SingleNodeRoutingInfo::ByAddress { host: "127.0.0.1".into(), port: nodes.0[node].port };
            let page = cmd("SCAN").arg(cursor).arg("MATCH").arg("key:*").arg("COUNT").arg(1000).take();
            let page = connection.route_command(&page, RoutingInfo::SingleNode(place)).unwrap();
            let (next, keys): (u64, Vec<String>) = redis::from_redis_value(page).unwrap();
            seen.extend(keys);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    assert_eq!(seen, key_of_each_slot().into_iter().collect());
    // Sent to all primaries and put together by the library.
    assert_eq!(cmd("KEYS").arg("key:*").query::<BTreeSet<String>>(connection).unwrap(), seen);
    assert!(cmd("DBSIZE").query::<usize>(connection).unwrap() >= seen.len());
}

fn publish(connection: &mut ClusterConnection, nodes: &Nodes) {
    let listener = redis::Client::open(format!("redis://{}", nodes.address(5))).unwrap();
    let mut listener = listener.get_connection().unwrap();
    let mut subscription = listener.as_pubsub();
    subscription.subscribe("news").unwrap();
    subscription.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    wait_until("hearing", || {
        let _: i64 = connection.publish("news", "hello").unwrap();
        let message = subscription.get_message();
        if let Ok(message) = &message {
            assert_eq!(
                (message.get_channel_name(), message.get_payload::<String>().unwrap()),
                ("news", "hello".into())
            );
        }
        message.err().map(|error| error.to_string())
    });
}

#[test]
fn a_connection_survives_a_failover() {
    let mut nodes = Nodes::form();
    let mut connection = client(&nodes).build().unwrap().get_connection().unwrap();
    follow_a_move(&mut connection, &mut nodes);
    use_keys(&mut connection);
    scan(&mut connection, &mut nodes);
    publish(&mut connection, &nodes);
    let mut counted = 0;
    (0..ROUNDS).for_each(|_| counted = count(&mut connection, counted));
    let confirmed: i64 = cmd("WAIT").arg(1).arg(60_000).query(&mut connection).unwrap();
    assert!(confirmed >= 1);
    let mut outage = Outage::begin(nodes);
    (0..ROUNDS).for_each(|_| counted = count(&mut connection, counted));
    outage.pass();
    for chunk in key_of_each_slot().chunks(4096) {
        let mut pipe = cluster_pipe();
        for key in chunk {
            pipe.get(key);
        }
        let values: Vec<String> = pipe.query(&mut connection).unwrap();
        assert!(values.iter().zip(chunk).all(|(value, key)| *value == format!("of {key}")));
    }
    outage.end();
    (0..ROUNDS).for_each(|_| counted = count(&mut connection, counted));
    outage.hand_back();
    (0..ROUNDS).for_each(|_| counted = count(&mut connection, counted));
    assert_eq!(connection.get::<_, i64>(COUNTER).unwrap(), counted);
}

#[test]
fn reads_go_to_replicas() {
    let mut nodes = Nodes::form();
    show_replicas(&mut nodes);
    let mut connection =
        client(&nodes).read_routing_strategy(RandomReplicaStrategy).build().unwrap().get_connection().unwrap();
    for number in 0..ROUNDS {
        let _: () = connection.set(format!("key:{number}"), number).unwrap();
    }
    let confirmed: i64 = cmd("WAIT").arg(1).arg(60_000).query(&mut connection).unwrap();
    assert!(confirmed >= 1);
    for number in 0..ROUNDS {
        assert_eq!(connection.get::<_, i64>(format!("key:{number}")).unwrap(), number);
    }
    assert_eq!(calls_at_replicas(&mut nodes, "get"), ROUNDS as usize);
}
