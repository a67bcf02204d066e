//! Cluster time, from one seed: `cargo run --release --example simulate_cluster --features sim [primaries] [replicas] [seconds] [seed]`.

use keyslot::sim::Violation;
use keyslot::sim::cluster::Simulation;
use std::time::Instant;

fn main() -> Result<(), Violation> {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>().unwrap_or(0));
    let mut next = |otherwise| words.next().filter(|number| *number > 0).unwrap_or(otherwise);
    let (primaries, replicas, seconds, seed) = (next(3), next(1), next(600), next(1));
    let begun = Instant::now();
    let mut sim = Simulation::new(seed);
    sim.set_tracing(false);
    sim.set_node_timeout(15_000);
    sim.form(primaries as usize, replicas as usize);
    sim.run_until_stable(30_000)?;
    let mut served = 0;
    for tick in 0..seconds * 50 {
        served += u64::from(sim.write(&format!("key:{}", tick % 1000)));
        sim.run_for(20)?;
    }
    let wall = begun.elapsed();
    println!(
        "{} nodes, {seconds} s of cluster time, {served} writes, in {:.1} s: {:.0} times as fast as real time",
        sim.node_count(),
        wall.as_secs_f64(),
        seconds as f64 / wall.as_secs_f64()
    );
    println!(
        "{} messages of the bus for each node and second",
        sim.messages_sent() / seconds.max(1) / sim.node_count() as u64
    );
    Ok(())
}
