//! redis-rs, `redis::cluster_async::ClusterConnection`, which speaks RESP3 here.

use super::{
    COUNTER, MOVING, Move, Outage, Patience, ROUNDS, calls_at_replicas, key_of_each_slot, on_a_runtime, show_replicas,
};
use crate::cluster::Nodes;
use futures_util::future::try_join_all;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{AsyncCommands, ProtocolVersion, PushInfo, PushKind, RedisError, Value, cmd};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

fn client(nodes: &Nodes) -> ClusterClientBuilder {
    let addresses = [0, 1].map(|node| format!("redis://{}", nodes.address(node)));
    ClusterClient::builder(addresses).use_protocol(ProtocolVersion::RESP3)
}

async fn count(connection: &mut ClusterConnection, least: i64) -> i64 {
    let patience = Patience::new();
    loop {
        match connection.incr::<_, _, i64>(COUNTER, 1).await {
            Ok(count) => {
                assert!(count > least, "{count} after {least}");
                return count;
            }
            Err(error) => patience.bear(&error),
        }
    }
}

async fn count_on(connection: &mut ClusterConnection, mut counted: i64) -> i64 {
    for _ in 0..ROUNDS {
        counted = count(connection, counted).await;
    }
    counted
}

/// Many requests at once, over one connection to each node.
async fn write_all(connection: &ClusterConnection) -> Result<(), RedisError> {
    for chunk in key_of_each_slot().chunks(2048) {
        let writes = chunk.iter().map(|key| {
            let mut connection = connection.clone();
            async move { connection.set::<_, _, ()>(key, format!("of {key}")).await }
        });
        try_join_all(writes).await?;
    }
    Ok(())
}

async fn assert_all(connection: &ClusterConnection) {
    for chunk in key_of_each_slot().chunks(2048) {
        let reads = chunk.iter().map(|key| {
            let mut connection = connection.clone();
            async move { connection.get::<_, String>(key).await }
        });
        let values = try_join_all(reads).await.unwrap();
        assert!(values.iter().zip(chunk).all(|(value, key)| *value == format!("of {key}")));
    }
}

async fn use_keys(connection: &mut ClusterConnection) {
    // Commands of many slots are split up by the library.
    let keys = key_of_each_slot();
    let some: Vec<&String> = keys.iter().step_by(1000).collect();
    let expected: Vec<String> = some.iter().map(|key| format!("of {key}")).collect();
    assert_eq!(connection.mget::<_, Vec<String>>(&some).await.unwrap(), expected);
    let pairs = [("{t}a", 1), ("{u}a", 2), ("{v}a", 3)];
    connection.mset::<_, _, ()>(&pairs).await.unwrap();
    assert_eq!(connection.mget::<_, Vec<i64>>(&["{v}a", "{u}a", "{t}a"]).await.unwrap(), [3, 2, 1]);
    assert_eq!(connection.del::<_, i64>(&["{u}a", "{v}a", "{w}a"]).await.unwrap(), 2);
    // Pipelines and transactions are of one slot.
    let mut pipe = redis::pipe();
    pipe.set("{t}b", 5).ignore().incr("{t}b", 2).get("{t}a");
    assert_eq!(pipe.query_async::<(i64, i64)>(connection).await.unwrap(), (7, 1));
    let mut pipe = redis::pipe();
    pipe.atomic().rpush("{t}list", &["a", "b"]).ignore().incr("{t}b", 1).lrange("{t}list", 0, -1);
    let done = pipe.query_async::<(i64, Vec<String>)>(connection).await.unwrap();
    assert_eq!(done, (8, vec!["a".to_owned(), "b".to_owned()]));
    let mut pipe = redis::pipe();
    pipe.atomic().set("{t}b", "of no number").ignore().incr("{t}b", 1).set("{t}c", "is set");
    assert!(pipe.query_async::<Value>(connection).await.unwrap_err().to_string().contains("not an integer"));
    assert_eq!(connection.get::<_, String>("{t}c").await.unwrap(), "is set");
    let error = cmd("RENAME").arg("{t}a").arg("{u}a").query_async::<()>(connection).await.unwrap_err();
    assert!(error.to_string().to_uppercase().contains("CROSSSLOT"), "{error}");
}

async fn follow_a_move(connection: &mut ClusterConnection, nodes: &mut Nodes) {
    let keys = ["a", "b"].map(|name| format!("{MOVING}{name}"));
    let moving = Move::begin(nodes);
    connection.set::<_, _, ()>(&keys[0], "asked").await.unwrap();
    assert_eq!(connection.get::<_, String>(&keys[0]).await.unwrap(), "asked");
    moving.end(nodes);
    connection.set::<_, _, ()>(&keys[1], "moved").await.unwrap();
    assert_eq!(connection.mget::<_, Vec<String>>(&keys).await.unwrap(), ["asked", "moved"]);
}

async fn scan(connection: &mut ClusterConnection, nodes: &Nodes) {
    let mut seen = BTreeSet::new();
    for node in 0..3 {
        let mut cursor = 0;
        loop {
            let place = SingleNodeRoutingInfo::ByAddress { host: "127.0.0.1".into(), port: nodes.0[node].port };
            let page = cmd("SCAN").arg(cursor).arg("MATCH").arg("key:*").arg("COUNT").arg(1000).take();
            let page = connection.route_command(page, RoutingInfo::SingleNode(place)).await.unwrap();
            let (next, keys): (u64, Vec<String>) = redis::from_redis_value(page).unwrap();
            seen.extend(keys);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    assert_eq!(seen, key_of_each_slot().into_iter().collect());
    assert_eq!(cmd("KEYS").arg("key:*").query_async::<BTreeSet<String>>(connection).await.unwrap(), seen);
}

/// Publishes until it is heard, for what crosses the bus may get lost there.
async fn publish(
    connection: &mut ClusterConnection,
    pushes: &mut UnboundedReceiver<PushInfo>,
    verb: &str,
    channel: &str,
    kind: PushKind,
) {
    let patience = Patience::new();
    while pushes.try_recv().is_ok() {}
    loop {
        if let Err(error) = cmd(verb).arg(channel).arg("hello").query_async::<i64>(connection).await {
            patience.bear(&error);
        }
        let next = async {
            loop {
                let push = pushes.recv().await.unwrap();
                if push.kind == kind {
                    return push.data;
                }
            }
        };
        if let Ok(data) = timeout(Duration::from_millis(200), next).await {
            let words: Vec<String> = data.into_iter().map(|word| redis::from_redis_value(word).unwrap()).collect();
            assert_eq!(words, [channel, "hello"]);
            return;
        }
        patience.bear(&"no message");
    }
}

#[test]
fn a_connection_survives_a_failover() {
    let mut nodes = Nodes::form();
    on_a_runtime(async {
        let (sender, mut pushes) = unbounded_channel();
        let client = client(&nodes).push_sender(sender).build().unwrap();
        let mut connection = client.get_async_connection().await.unwrap();
        follow_a_move(&mut connection, &mut nodes).await;
        write_all(&connection).await.unwrap();
        assert_all(&connection).await;
        use_keys(&mut connection).await;
        scan(&mut connection, &nodes).await;
        // The second is of the slot that is to change its primary.
        let shard_channel = format!("{{{COUNTER}}}news");
        connection.subscribe("news").await.unwrap();
        connection.ssubscribe(&shard_channel).await.unwrap();
        publish(&mut connection, &mut pushes, "PUBLISH", "news", PushKind::Message).await;
        publish(&mut connection, &mut pushes, "SPUBLISH", &shard_channel, PushKind::SMessage).await;
        let mut counted = count_on(&mut connection, 0).await;
        let confirmed: i64 = cmd("WAIT").arg(1).arg(60_000).query_async(&mut connection).await.unwrap();
        assert!(confirmed >= 1);
        let mut outage = Outage::begin(nodes);
        counted = count_on(&mut connection, counted).await;
        outage.pass();
        assert_all(&connection).await;
        // It subscribes again by itself.
        publish(&mut connection, &mut pushes, "PUBLISH", "news", PushKind::Message).await;
        publish(&mut connection, &mut pushes, "SPUBLISH", &shard_channel, PushKind::SMessage).await;
        outage.end();
        counted = count_on(&mut connection, counted).await;
        outage.hand_back();
        counted = count_on(&mut connection, counted).await;
        assert_eq!(connection.get::<_, i64>(COUNTER).await.unwrap(), counted);
    });
}

#[test]
fn reads_go_to_replicas() {
    let mut nodes = Nodes::form();
    show_replicas(&mut nodes);
    on_a_runtime(async {
        let client = client(&nodes).read_routing_strategy(RandomReplicaStrategy).build().unwrap();
        let mut connection = client.get_async_connection().await.unwrap();
        for number in 0..ROUNDS {
            connection.set::<_, _, ()>(format!("key:{number}"), number).await.unwrap();
        }
        let confirmed: i64 = cmd("WAIT").arg(1).arg(60_000).query_async(&mut connection).await.unwrap();
        assert!(confirmed >= 1);
        for number in 0..ROUNDS {
            assert_eq!(connection.get::<_, i64>(format!("key:{number}")).await.unwrap(), number);
        }
    });
    assert_eq!(calls_at_replicas(&mut nodes, "get"), ROUNDS as usize);
}
