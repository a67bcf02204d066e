//! The cluster through redis-rs: its own cluster clients over sockets, and its commands without.

use crate::wire::owner;
use keyslot_replication::host::{Cluster, Refusal};
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::{AsyncCommands, Commands, RedisResult};
use std::time::{Duration, Instant};

fn six() -> Cluster {
    Cluster::builder().primaries(3).replicas(1).listen().start().unwrap()
}

#[test]
fn its_cluster_client_survives_failovers() {
    let cluster = six();
    let mut connection = cluster.redis_client_builder().unwrap().retries(64).build().unwrap().get_connection().unwrap();
    for number in 0..100 {
        let () = connection.set(format!("key:{number}"), number).unwrap();
    }
    let (sum, product): (i64, i64) =
        redis::cluster::cluster_pipe().incr("key:1", 10).incr("key:2", 20).query(&mut connection).unwrap();
    assert_eq!((sum, product), (11, 22));
    cluster.settle().unwrap();
    // One in good order, one by a crash.
    let node = owner(&cluster, "key:1");
    cluster.failover(cluster.replicas_of(node)[0]).unwrap();
    assert_eq!(connection.get::<_, i64>("key:1").unwrap(), 11);
    cluster.settle().unwrap();
    let lost = owner(&cluster, "key:1");
    cluster.kill(lost);
    // Its connection may go on trying where nobody listens; one that is made anew asks those who are there.
    let begun = Instant::now();
    let get = |key: &str| loop {
        match cluster.redis_connection().and_then(|mut connection| connection.get::<_, i64>(key)) {
            Ok(value) => return value,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{key}: {error}"),
        }
    };
    assert_eq!(get("key:1"), 11);
    assert_ne!(owner(&cluster, "key:1"), lost);
    assert_eq!((3..100).map(|number| get(&format!("key:{number}"))).sum::<i64>(), (3..100).sum());
}

#[test]
fn its_async_cluster_client_survives_a_crash_and_reads_from_replicas() {
    let cluster = six();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = cluster.redis_client().unwrap().get_async_connection().await.unwrap();
        for number in 0..30 {
            let () = connection.set(format!("key:{number}"), number).await.unwrap();
            assert_eq!(connection.get::<_, i32>(format!("key:{number}")).await.unwrap(), number);
        }
        cluster.settle().unwrap();
        let builder = cluster.redis_client_builder().unwrap().read_routing_strategy(RandomReplicaStrategy);
        let mut reader = builder.build().unwrap().get_async_connection().await.unwrap();
        for number in 0..30 {
            assert_eq!(reader.get::<_, i32>(format!("key:{number}")).await.unwrap(), number);
        }
        let lost = owner(&cluster, "key:1");
        cluster.kill(lost);
        let begun = Instant::now();
        loop {
            match connection.incr::<_, _, i32>("key:1", 1).await {
                Ok(value) => break assert!(value > 1),
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
            }
        }
        assert_ne!(owner(&cluster, "key:1"), lost);
    });
}

#[test]
fn its_resp3_is_spoken() {
    let cluster = Cluster::builder().primaries(3).listen().start().unwrap();
    let builder = cluster.redis_client_builder().unwrap().use_protocol(redis::ProtocolVersion::RESP3);
    let mut connection = builder.build().unwrap().get_connection().unwrap();
    let () = connection.hset("h", "field", "value").unwrap();
    let all: redis::Value = redis::cmd("HGETALL").arg("h").query(&mut connection).unwrap();
    assert!(matches!(all, redis::Value::Map(_)), "{all:?}");
}

#[test]
fn its_commands_go_without_sockets() {
    let cluster = Cluster::builder().primaries(3).replicas(1).start().unwrap();
    assert!(cluster.redis_client().is_err(), "nobody listens");
    let mut client = cluster.client();
    let () = client.set("a", 1).unwrap();
    let () = client.set("b", 2).unwrap();
    assert_eq!(client.incr::<_, _, i64>("a", 5).unwrap(), 6);
    // Commands of a pipeline go to whoever serves them; those of a transaction have one owner.
    assert_eq!(redis::pipe().get("a").get("b").query::<(i64, i64)>(&mut client).unwrap(), (6, 2));
    let both: (i64, i64) = redis::pipe().atomic().incr("{t}a", 1).incr("{t}b", 2).query(&mut client).unwrap();
    assert_eq!(both, (1, 2));
    let crossed: RedisResult<(i64, i64)> = redis::pipe().atomic().incr("a", 1).incr("b", 1).query(&mut client);
    assert_eq!(crossed.unwrap_err().code(), Some("CROSSSLOT"));
    assert_eq!(client.get::<_, i64>("a").unwrap(), 6, "nothing of it was done");
    let wrong: RedisResult<i64> = client.lpush("a", "x");
    assert_eq!(wrong.unwrap_err().code(), Some("WRONGTYPE"));
    let () = client.hset("h", "field", "value").unwrap();
    let all: std::collections::HashMap<String, String> = client.hgetall("h").unwrap();
    assert_eq!(all["field"], "value");
    let big = "x".repeat(1 << 20);
    let () = client.set("big", &big).unwrap();
    assert_eq!(client.get::<_, String>("big").unwrap(), big);
}

#[test]
fn a_transaction_without_sockets_is_done_whole_or_not_at_all() {
    let cluster = Cluster::builder().primaries(3).start().unwrap();
    let mut client = cluster.client();
    // From here on it knows whom to ask.
    let () = client.set("{t}a", 0).unwrap();
    let fault = cluster.faults().everywhere().requests().named("INCRBY").times(1).refuse(Refusal::ClusterDown);
    let both: (i64, i64) = redis::pipe().atomic().incr("{t}a", 1).incr("{t}b", 2).query(&mut client).unwrap();
    assert_eq!(both, (1, 2), "refused once, and then asked for again");
    assert_eq!(fault.count(), 1);
    let _cut = cluster.faults().everywhere().requests().named("EXEC").times(1).cut_reply(1);
    let lost: RedisResult<i64> = redis::pipe().atomic().incr("{t}a", 1).query(&mut client);
    assert!(lost.unwrap_err().is_connection_dropped(), "it was done, and must not be again");
    assert_eq!(client.get::<_, i64>("{t}a").unwrap(), 2);
}

#[test]
fn keys_of_a_slot_on_its_way_are_asked_for_without_sockets() {
    let cluster = Cluster::builder().primaries(3).start().unwrap();
    let mut client = cluster.client();
    let node = owner(&cluster, "{t}");
    let fault = cluster.faults().moving_slot("{t}", (node + 1) % 3).unwrap();
    let () = client.set("{t}one", 1).unwrap();
    assert_eq!(client.get::<_, i64>("{t}one").unwrap(), 1);
    let target = cluster.engine((node + 1) % 3).unwrap();
    assert_eq!(target.db_size(), 1);
    drop(fault);
    assert!(client.get::<_, Option<i64>>("{t}one").unwrap().is_none());
}
