//! How a client behaves when something is amiss, in a test's time: `cargo run --example faulty_cluster --features redis-rs`.
//!
//! The client is redis-rs. Put yours in its place.

use keyslot::Cluster;
use redis::Commands;
use std::error::Error;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let cluster = Cluster::builder().primaries(3).replicas(1).listen().start()?;
    println!("six nodes are ready after {:?}", begun.elapsed());

    let hasty = cluster.redis_client_builder()?.response_timeout(Duration::from_millis(50)).retries(0).build()?;
    let mut connection = hasty.get_connection()?;
    let () = connection.set("hits", 1)?;
    let owner = cluster.primary_of("hits").ok_or("nobody serves it")?;

    // The increment is done, and its reply is lost: who does it again counts twice.
    let cut = cluster.faults().at(owner).requests().named("INCRBY").times(1).cut_reply(1);
    println!("half a reply:     {:?}", connection.incr::<_, _, i64>("hits", 1));
    drop(cut);

    // The node's process is stopped, and its connections stand.
    let paused = cluster.faults().at(owner).pause();
    let mut connection = cluster.client();
    let asked = Instant::now();
    println!("paused, no socket: {:?} after {:?}", connection.get::<_, i64>("hits"), asked.elapsed());
    paused.heal()?;
    cluster.settle()?;

    // All nodes show what was before the failover.
    let owner = cluster.primary_of("hits").ok_or("nobody serves it")?;
    let stale = cluster.faults().everywhere().hold_topology();
    cluster.failover(cluster.replicas_of(owner)[0])?;
    let mut connection = cluster.redis_connection()?;
    println!("stale topology:   {:?}, shown {} times", connection.get::<_, i64>("hits"), stale.count());
    Ok(())
}
