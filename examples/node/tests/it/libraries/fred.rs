//! fred, `Config` with `ServerConfig::Clustered`, which speaks RESP3 here.

use super::{
    COUNTER, MOVING, Move, Outage, Patience, ROUNDS, calls_at_replicas, key_of_each_slot, on_a_runtime, show_replicas,
};
use crate::cluster::Nodes;
use fred::clients::SubscriberClient;
use fred::prelude::*;
use fred::types::config::ReplicaConfig;
use fred::types::{ClusterHash, RespVersion};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

fn builder(nodes: &Nodes) -> Builder {
    let addresses = [0, 1].map(|node| ("127.0.0.1".to_owned(), nodes.0[node].port));
    let server = ServerConfig::new_clustered(addresses.to_vec());
    let mut builder = Builder::from_config(Config { server, version: RespVersion::RESP3, ..Config::default() });
    builder.set_policy(ReconnectPolicy::new_constant(0, 50));
    builder.with_performance_config(|config| config.default_command_timeout = Duration::from_secs(5));
    builder
}

async fn count(client: &Client, least: i64) -> i64 {
    let patience = Patience::new();
    loop {
        match client.incr::<i64, _>(COUNTER).await {
            Ok(count) => {
                assert!(count > least, "{count} after {least}");
                return count;
            }
            Err(error) => patience.bear(&error),
        }
    }
}

async fn count_on(client: &Client, mut counted: i64) -> i64 {
    for _ in 0..ROUNDS {
        counted = count(client, counted).await;
    }
    counted
}

/// Many requests at once, over one connection to each node.
async fn write_all(client: &Client) {
    for chunk in key_of_each_slot().chunks(2048) {
        let writes = chunk.iter().map(|key| client.set::<(), _, _>(key, format!("of {key}"), None, None, false));
        try_join_all(writes).await.unwrap();
    }
}

async fn assert_all(client: &Client) {
    for chunk in key_of_each_slot().chunks(2048) {
        let values = try_join_all(chunk.iter().map(|key| client.get::<String, _>(key))).await.unwrap();
        assert!(values.iter().zip(chunk).all(|(value, key)| *value == format!("of {key}")));
    }
}

async fn use_keys(client: &Client) {
    client.mset(vec![("{t}a", 1), ("{t}b", 2)]).await.unwrap();
    assert_eq!(client.mget::<Vec<i64>, _>(vec!["{t}b", "{t}a"]).await.unwrap(), [2, 1]);
    let error = client.rename::<(), _, _>("{t}a", "{u}a").await.unwrap_err();
    assert!(error.to_string().to_uppercase().contains("CROSSSLOT"), "{error}");
    // A pipeline may touch all slots, a transaction is of one.
    let pipeline = client.pipeline();
    let keys: Vec<String> = (0..ROUNDS).map(|number| format!("piped:{number}")).collect();
    for key in &keys {
        pipeline.incr_by::<(), _>(key, 3).await.unwrap();
    }
    assert_eq!(pipeline.all::<Vec<i64>>().await.unwrap(), vec![3; keys.len()]);
    let transaction = client.multi();
    transaction.incr_by::<(), _>("{t}a", 5).await.unwrap();
    transaction.get::<(), _>("{t}b").await.unwrap();
    assert_eq!(transaction.exec::<(i64, i64)>(true).await.unwrap(), (6, 2));
    let transaction = client.multi();
    transaction.set::<(), _, _>("{t}c", "of no number", None, None, false).await.unwrap();
    transaction.incr::<(), _>("{t}c").await.unwrap();
    let error = transaction.exec::<(Value, i64)>(true).await.unwrap_err();
    assert!(error.to_string().contains("not an integer"), "{error}");
}

/// Of the two answers for a slot that moves, MOVED is followed. On ASK the library asks the same node again, redis-servers' too.
async fn follow_a_move(client: &Client, nodes: &mut Nodes) {
    let keys = ["a", "b"].map(|name| format!("{MOVING}{name}"));
    Move::begin(nodes).end(nodes);
    client.set::<(), _, _>(&keys[0], "moved", None, None, false).await.unwrap();
    client.set::<(), _, _>(&keys[1], "on", None, None, false).await.unwrap();
    assert_eq!(client.mget::<Vec<String>, _>(keys.to_vec()).await.unwrap(), ["moved", "on"]);
}

async fn scan(client: &Client) {
    let keys: Vec<Key> = client.scan_cluster_buffered("key:*", Some(1000), None).try_collect().await.unwrap();
    let seen: BTreeSet<String> = keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, key_of_each_slot().into_iter().collect());
}

/// Asks the primary of a key for what was written over this client.
async fn confirm(client: &Client, key: &str) {
    let place = Options { cluster_hash: Some(ClusterHash::from(key)), timeout: None, ..Options::default() };
    assert!(client.with_options(&place).wait::<i64>(1, 4_000).await.unwrap() >= 1);
}

/// Publishes until it is heard, for what crosses the bus may get lost there.
async fn publish(client: &Client, subscriber: &SubscriberClient, channel: &str, is_of_slot: bool) {
    let patience = Patience::new();
    let mut messages = subscriber.message_rx();
    loop {
        let done = match is_of_slot {
            true => client.spublish::<i64, _, _>(channel, "hello").await,
            false => client.publish::<i64, _, _>(channel, "hello").await,
        };
        if let Err(error) = done {
            patience.bear(&error);
        }
        if let Ok(message) = timeout(Duration::from_millis(200), messages.recv()).await {
            let message = message.unwrap();
            if *message.channel == *channel {
                assert_eq!(message.value.as_string().unwrap(), "hello");
                return;
            }
        }
        patience.bear(&"no message");
    }
}

#[test]
fn a_client_survives_a_failover() {
    let mut nodes = Nodes::form();
    on_a_runtime(async {
        let client = builder(&nodes).build().unwrap();
        let subscriber = builder(&nodes).build_subscriber_client().unwrap();
        client.init().await.unwrap();
        subscriber.init().await.unwrap();
        let _subscribing = subscriber.manage_subscriptions();
        follow_a_move(&client, &mut nodes).await;
        write_all(&client).await;
        assert_all(&client).await;
        use_keys(&client).await;
        scan(&client).await;
        // The second is of the slot that is to change its primary.
        let shard_channel = format!("{{{COUNTER}}}news");
        subscriber.subscribe("news").await.unwrap();
        subscriber.ssubscribe(shard_channel.as_str()).await.unwrap();
        publish(&client, &subscriber, "news", false).await;
        publish(&client, &subscriber, &shard_channel, true).await;
        let mut counted = count_on(&client, 0).await;
        for key in ["key:0", "key:1", "key:2", "key:3", COUNTER] {
            confirm(&client, key).await;
        }
        let mut outage = Outage::begin(nodes);
        counted = count_on(&client, counted).await;
        outage.pass();
        assert_all(&client).await;
        publish(&client, &subscriber, "news", false).await;
        publish(&client, &subscriber, &shard_channel, true).await;
        outage.end();
        counted = count_on(&client, counted).await;
        outage.hand_back();
        counted = count_on(&client, counted).await;
        assert_eq!(client.get::<i64, _>(COUNTER).await.unwrap(), counted);
        client.quit().await.unwrap();
        subscriber.quit().await.unwrap();
    });
}

#[test]
fn reads_go_to_replicas() {
    let mut nodes = Nodes::form();
    show_replicas(&mut nodes);
    on_a_runtime(async {
        let mut builder = builder(&nodes);
        builder.with_connection_config(|config| {
            config.replica = ReplicaConfig { primary_fallback: false, ..ReplicaConfig::default() };
        });
        let client = builder.build().unwrap();
        client.init().await.unwrap();
        for number in 0..ROUNDS {
            let key = format!("key:{number}");
            client.set::<(), _, _>(&key, number, None, None, false).await.unwrap();
            confirm(&client, &key).await;
            assert_eq!(client.replicas().get::<i64, _>(&key).await.unwrap(), number);
        }
        client.quit().await.unwrap();
    });
    assert_eq!(calls_at_replicas(&mut nodes, "get"), ROUNDS as usize);
}
