//! Whole clusters in one process: how soon one is ready, how soon a lost primary is replaced, how fast clusters are simulated, and
//! what nodes say to each other.
//!
//! ```text
//! cargo bench --bench cluster -- [--rounds 10] [--only ready|killed|hour|wide|bus]
//! ```
//!
//! - `ready`: three primaries with a replica each start in this process, until every slot is served and a SET was answered. Wall
//!   clock, the median of the rounds.
//! - `killed`: the primary of a key is killed, until a SET of the key is answered again, with a node timeout of 1000 and of 5000 ms.
//! - `hour`: an hour of six simulated nodes with 50 operations a second. Wall clock, and operations that were answered.
//! - `wide`: a minute of 200 simulated nodes, half of them replicas, with a node timeout of 15 s, once they agree.
//! - `bus`: messages that each of 100 simulated nodes sends in a second, beside what Redis's rules give: a node asks one of five that it
//!   picks in each second, and everybody from whom it heard nothing for half the node timeout; each question has its answer.

#[path = "flags.rs"]
mod flags;

use keyslot_replication::host::Cluster;
use keyslot_replication::sim::cluster::{Simulation, Workload};
use std::time::{Duration, Instant};

struct Settings {
    rounds: usize,
    only: Option<String>,
}

fn main() {
    let mut settings = Settings { rounds: 10, only: None };
    let read = flags::read(std::env::args().skip(1), |flag, text| match flag {
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--only" => flags::put(&mut settings.only, Some(Some(text.to_owned()))),
        _ => None,
    });
    if let Err(wrong) = read {
        eprintln!("{wrong}; see the first lines of benches/cluster.rs");
        std::process::exit(2);
    }
    let parts: [(&str, fn(&Settings)); 5] =
        [("ready", ready), ("killed", killed), ("hour", hour), ("wide", wide), ("bus", bus)];
    for (name, part) in parts {
        if settings.only.as_ref().is_none_or(|only| only == name) {
            part(&settings);
        }
    }
}

fn ready(settings: &Settings) {
    let times = (0..settings.rounds).map(|_| {
        let begun = Instant::now();
        let cluster = Cluster::builder().primaries(3).replicas(1).start().expect("a cluster starts");
        cluster.settle().expect("all agree");
        cluster.client().call(&["SET", "k", "v"]).expect("it is served");
        begun.elapsed()
    });
    let (median, worst) = median_and_worst(times.collect());
    println!("ready      3 primaries and 3 replicas serve after {} (worst {})", ms(median), ms(worst));
}

fn killed(settings: &Settings) {
    for timeout_ms in [1000, 5000] {
        let times = (0..settings.rounds).map(|_| {
            let timeout = Duration::from_millis(timeout_ms);
            let cluster = Cluster::builder().primaries(3).replicas(1).node_timeout(timeout).start();
            let cluster = cluster.expect("a cluster starts");
            cluster.settle().expect("all agree");
            let primary = cluster.primary_of("k").expect("somebody serves it");
            let begun = Instant::now();
            cluster.kill(primary);
            let client = cluster.client();
            while client.call(&["SET", "k", "v"]).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            begun.elapsed()
        });
        let (median, worst) = median_and_worst(times.collect());
        println!("killed     node timeout {timeout_ms} ms: writable after {} (worst {})", ms(median), ms(worst));
    }
}

fn hour(_: &Settings) {
    let mut sim = Simulation::new(1);
    sim.set_tracing(false);
    sim.form(3, 1);
    sim.run_until_stable(20_000).expect("the cluster forms");
    // Each rests up to 40 ms behind an operation.
    sim.set_workload(Some(Workload { clients: 1, pause_ms: 40, ..Workload::default() }));
    let (before, begun) = (sim.operations_answered(), Instant::now());
    sim.run_for(3_600_000).expect("nothing is wrong");
    let (count, took) = (sim.operations_answered() - before, begun.elapsed());
    println!("hour       6 nodes, {:.0} operations a second: {}", count as f64 / 3600.0, ms(took));
}

fn wide(_: &Settings) {
    let mut sim = wide_cluster(100, 1);
    let begun = Instant::now();
    sim.run_for(60_000).expect("nothing is wrong");
    let took = begun.elapsed();
    println!("wide       200 nodes, a minute: {}, {:.1} times real time", ms(took), 60.0 / took.as_secs_f64());
}

fn bus(_: &Settings) {
    const NODES: f64 = 100.0;
    let mut sim = wide_cluster(50, 1);
    let (before, begun) = (sim.messages_sent(), Instant::now());
    sim.run_for(60_000).expect("nothing is wrong");
    let sent = (sim.messages_sent() - before) as f64 / NODES / 60.0;
    let (low, high) = ((NODES - 1.0) / 7.5 * 2.0, ((NODES - 1.0) / 7.5 + 1.0) * 2.0);
    let took = begun.elapsed();
    println!(
        "bus        100 nodes, node timeout 15 s: {sent:.1} messages a node and second (rules: {low:.1} to {high:.1}), \
         {:.2} ms of this thread for a node and minute",
        took.as_secs_f64() * 1000.0 / NODES
    );
}

/// So many primaries, each with so many replicas, with a node timeout of 15 s, once they agree.
fn wide_cluster(primaries: usize, replicas: usize) -> Simulation {
    let mut sim = Simulation::new(1);
    sim.set_tracing(false);
    sim.set_node_timeout(15_000);
    sim.form(primaries, replicas);
    sim.run_until_stable(120_000).expect("the cluster forms");
    sim
}

fn median_and_worst(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
