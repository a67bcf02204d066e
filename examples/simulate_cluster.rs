//! Clusters in virtual time.
//!
//! ```sh
//! cargo run --release --example simulate_cluster --features sim                     # fifty writes a second to a cluster of 3 + 3
//! cargo run --release --example simulate_cluster --features sim time 100 1 60      # 100 primaries, a replica each, a minute
//! cargo run --release --example simulate_cluster --features sim seeds 0 1000       # whatever a thousand seeds think of
//! cargo run --release --example simulate_cluster --features sim picture 7 7.html   # what seed 7 does, drawn
//! ```

use keyslot::sim::Violation;
use keyslot::sim::cluster::{Scenario, Simulation, explore, explore_with};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(otherwise);
    match words.first().map_or("time", String::as_str) {
        "time" => Ok(time(number(1, 3), number(2, 1), number(3, 600), number(4, 1))?),
        "seeds" => Ok(seeds(number(1, 0), number(2, 100))?),
        "picture" => picture(number(1, 0), words.get(2).map_or("timeline.html", String::as_str)),
        other => Err(format!("{other:?} is none of time, seeds and picture").into()),
    }
}

/// How much faster than time a cluster is simulated.
fn time(primaries: u64, replicas: u64, seconds: u64, seed: u64) -> Result<(), Violation> {
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

/// Everything that may happen to a cluster, as often as there are seeds.
fn seeds(first: u64, count: u64) -> Result<(), Violation> {
    let begun = Instant::now();
    let (mut elections, mut answered, mut lost, mut elapsed_ms) = (0, 0, 0, 0);
    for seed in first..first + count {
        let summary = explore(seed)?;
        elections += summary.elections;
        answered += summary.answered;
        lost += summary.lost;
        elapsed_ms += summary.elapsed_ms;
    }
    println!(
        "{count} seeds from {first} on, {} s of cluster time in {:.1} s: {elections} elections, {answered} operations were answered, \
         {lost} acknowledged writes are lost as asynchronous replication may lose them; nothing that must hold does not",
        elapsed_ms / 1000,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// What a seed does, as a page to look at.
fn picture(seed: u64, path: &str) -> Result<(), Box<dyn Error>> {
    let mut sim = Simulation::new(seed);
    let outcome = explore_with(&mut sim, &Scenario::ANYTHING);
    let what = outcome.as_ref().map_or_else(Violation::to_string, |summary| format!("{summary:?}"));
    std::fs::write(path, sim.timeline(&what))?;
    println!("{path}: {what}");
    Ok(())
}
