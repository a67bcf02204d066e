//! What a seed does to a cluster.

use super::{NetworkOptions, Simulation};
use crate::sim::Violation;

/// What came of a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClusterSummary {
    /// Replicas that were elected.
    pub elections: usize,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Virtual time.
    pub elapsed_ms: i64,
}

/// Five to ten nodes, and everything that may happen to them, until they are a whole cluster again.
pub fn explore(seed: u64) -> Result<ClusterSummary, Violation> {
    let mut sim = Simulation::new(seed);
    sim.set_tracing(false);
    explore_with(&mut sim)
}

/// As [`explore`], in a simulation that is given, so that its trace can be read.
pub(super) fn explore_with(sim: &mut Simulation) -> Result<ClusterSummary, Violation> {
    let (primaries, replicas) = [(3, 1), (3, 1), (3, 2), (5, 1)][sim.chance.below(4) as usize];
    let is_fast = sim.chance.once_in(2);
    sim.set_fast_detection(is_fast);
    sim.form(primaries, replicas);
    sim.run_until_stable(10_000)?;
    sim.set_network(NetworkOptions::ROUGH);
    let events = 10 + sim.chance.below(30);
    for _ in 0..events {
        happen(sim);
        let pause_ms = if sim.chance.once_in(3) { 3000 } else { 300 };
        let ms = 1 + sim.chance.below(pause_ms) as i64;
        sim.run_for(ms)?;
    }
    sim.heal();
    sim.set_network(NetworkOptions::CALM);
    (0..sim.node_count()).for_each(|node| sim.start(node));
    sim.run_until_stable(120_000)?;
    Ok(ClusterSummary { elections: sim.checks.elections, writes: sim.checks.writes, elapsed_ms: sim.elapsed_ms() })
}

/// Two primaries die at once, and while their replicas ask for votes those who vote are started anew.
fn elect_under_restarts(sim: &mut Simulation) {
    let count = sim.node_count() as u64;
    let leads = |sim: &Simulation, node: &usize| sim.roster(*node).is_some_and(|roster| roster.me().votes());
    let leaders: Vec<usize> = (0..count as usize).filter(|node| leads(sim, node)).collect();
    if leaders.len() < 3 {
        return;
    }
    let first = sim.chance.below(leaders.len() as u64) as usize;
    let dies: Vec<usize> =
        (0..1 + sim.chance.below(2) as usize).map(|at| leaders[(first + at) % leaders.len()]).collect();
    dies.iter().for_each(|node| sim.kill(*node));
    let elections = sim.checks.votes_cast();
    let until_ms = sim.elapsed_ms() + 3000;
    // Up to the first vote, and a moment longer.
    while sim.checks.votes_cast() == elections && sim.elapsed_ms() < until_ms {
        if sim.run_for(5).is_err() {
            return;
        }
    }
    for node in leaders.iter().filter(|node| !dies.contains(node)) {
        if sim.chance.once_in(2) {
            sim.kill(*node);
            sim.start(*node);
        }
    }
}

fn happen(sim: &mut Simulation) {
    let count = sim.node_count() as u64;
    let node = sim.chance.below(count) as usize;
    match sim.chance.below(20) {
        // More than one of three may be away, and come back.
        0 | 1 => sim.kill(node),
        2 => elect_under_restarts(sim),
        3..=6 => {
            for node in 0..count as usize {
                sim.start(node);
            }
        }
        7 => {
            let ms = sim.chance.below(4000) as i64;
            sim.pause(node, ms);
        }
        8 | 9 => {
            let some: Vec<usize> = (0..count as usize).filter(|_| sim.chance.once_in(3)).collect();
            sim.part(&some);
        }
        10 => {
            let to = sim.chance.below(count) as usize;
            sim.block(node, to);
        }
        11..=13 => sim.heal(),
        14 => {
            let ms = sim.chance.below(2000) as i64;
            sim.skew_clock(node, ms);
        }
        15 => {
            sim.command(node, |member, now| {
                let _ = member.fail_over(now);
            });
        }
        16 => {
            sim.command(node, |member, now| {
                let _ = member.fail_over_by_force(now);
            });
        }
        _ => {
            for _ in 0..10 {
                let key = format!("key:{}", sim.chance.below(50));
                // Whoever says that it serves takes it, as a client with an old map finds.
                let at = sim.chance.below(count) as usize;
                if sim.serves(at, keyslot_engine::Slot::of(key.as_bytes())) {
                    sim.write_at(at, &key);
                } else {
                    sim.write(&key);
                }
            }
        }
    }
}
