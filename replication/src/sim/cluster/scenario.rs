//! What a seed does to a cluster.

use super::super::machine::Disk;
use super::{NetworkOptions, Simulation, Workload};
use crate::sim::Violation;
use keyslot_persistence::Durability;
use keyslot_persistence::storage::Loss;

/// What came of a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ClusterSummary {
    /// Replicas that were elected.
    pub elections: usize,
    /// Operations of clients that were answered.
    pub answered: usize,
    /// Acknowledged writes that were lost, as asynchronous replication may.
    pub lost: usize,
    /// Nodes that did not start with a nodes.conf that was torn.
    pub torn: usize,
    /// Virtual time.
    pub elapsed_ms: i64,
}

/// What may happen in a scenario. Begin with a constant and change what is to be another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Scenario {
    /// How many primaries, and replicas for each; by chance if nothing is said.
    pub shape: Option<(usize, usize)>,
    /// What nodes keep of their data; by chance if nothing is said.
    pub disk: Option<Disk>,
    /// What clients do all the while.
    pub workload: Workload,
    /// How many things happen at least.
    pub events_min: u64,
    /// And how many more at most.
    pub events_more: u64,
    /// Whether an acknowledged write that is lost is a violation.
    pub forbids_loss: bool,
    /// Whether nodes may start without what their disks held.
    pub wipes_disks: bool,
}

impl Scenario {
    /// Everything that may happen to a cluster.
    pub const ANYTHING: Self = Self {
        shape: None,
        disk: None,
        workload: Workload { clients: 3, keys: 12, pause_ms: 150, read_once_in: 2 },
        events_min: 10,
        events_more: 30,
        forbids_loss: false,
        wipes_disks: true,
    };

    /// The same, a third as long: for many seeds.
    pub const SHORT: Self = Self { events_min: 3, events_more: 8, ..Self::ANYTHING };
}

/// Five to ten nodes, and everything that may happen to them, until they are a whole cluster again.
pub fn explore(seed: u64) -> Result<ClusterSummary, Violation> {
    let mut sim = Simulation::new(seed);
    sim.set_tracing(false);
    explore_with(&mut sim, &Scenario::ANYTHING)
}

/// A scenario in a simulation that is given, which may have been told how its members and its nodes are to be, and whose trace can be
/// read.
pub fn explore_with(sim: &mut Simulation, scenario: &Scenario) -> Result<ClusterSummary, Violation> {
    let by_chance = [(3, 1), (3, 1), (3, 2), (5, 1)][sim.chance.below(4) as usize];
    let (primaries, replicas) = scenario.shape.unwrap_or(by_chance);
    let is_fast = sim.chance.once_in(2);
    sim.set_fast_detection(is_fast);
    let by_chance = match sim.chance.below(6) {
        0 => Disk::Log(Durability::Always),
        1 => Disk::Log(Durability::EverySecond),
        _ => Disk::None,
    };
    sim.set_disk(scenario.disk.unwrap_or(by_chance));
    sim.form(primaries, replicas);
    sim.run_until_stable(10_000)?;
    sim.set_network(NetworkOptions::ROUGH);
    sim.set_workload(Some(scenario.workload));
    let events = scenario.events_min + sim.chance.below(scenario.events_more.max(1));
    for _ in 0..events {
        happen(sim, scenario);
        let pause_ms = if sim.chance.once_in(3) { 3000 } else { 300 };
        let ms = 1 + sim.chance.below(pause_ms) as i64;
        sim.run_for(ms)?;
    }
    sim.end_well()?;
    let lost = sim.lost_writes();
    if let (true, Some(first)) = (scenario.forbids_loss, lost.first()) {
        sim.fail(format!("{} acknowledged writes are lost, as {first}", lost.len()));
        sim.run_for(0)?;
    }
    Ok(ClusterSummary {
        elections: sim.checks.elections,
        answered: sim.operations_answered(),
        lost: lost.len(),
        torn: sim.checks.torn,
        elapsed_ms: sim.elapsed_ms(),
    })
}

/// Starts a node that is off; with its nodes.conf whole.
fn start_whole(sim: &mut Simulation, node: usize) {
    sim.mend_disk(node);
    sim.start(node);
}

/// Primaries die at once, and while their replicas ask for votes those who vote are started anew.
fn elect_under_restarts(sim: &mut Simulation) {
    let count = sim.node_count();
    let leads = |sim: &Simulation, node: &usize| sim.roster(*node).is_some_and(|roster| roster.me().owns_slots());
    let leaders: Vec<usize> = (0..count).filter(|node| leads(sim, node)).collect();
    if leaders.len() < 3 {
        return;
    }
    let first = sim.chance.below(leaders.len() as u64) as usize;
    let dies: Vec<usize> =
        (0..1 + sim.chance.below(2) as usize).map(|at| leaders[(first + at) % leaders.len()]).collect();
    let late = late_candidate(sim, &dies);
    dies.iter().for_each(|node| sim.kill(*node));
    let voters: Vec<usize> = leaders.iter().copied().filter(|node| !dies.contains(node)).collect();
    // A vote is to be on the disk before anybody hears of it.
    if sim.chance.once_in(3) {
        voters.iter().for_each(|node| sim.kill_at_save(*node));
    }
    let votes = sim.checks.votes_cast();
    let until_ms = sim.elapsed_ms() + 3000;
    // Up to the first vote, and a moment longer.
    while sim.checks.votes_cast() == votes && sim.elapsed_ms() < until_ms {
        if sim.run_for(5).is_err() {
            return;
        }
    }
    let restarts = if late.is_some() { 1 } else { 2 };
    for node in &voters {
        if sim.chance.once_in(restarts) {
            sim.kill(*node);
            sim.start(*node);
        }
    }
    if let Some(late) = late {
        // It does not hear that there was an election, but for those who voted.
        let others: Vec<usize> = (0..count).filter(|node| *node != late && !voters.contains(node)).collect();
        sim.part_one_way(&others);
    }
}

/// By chance, where two die: a replica of the second that asks for votes later than the others, as it is paused.
fn late_candidate(sim: &mut Simulation, dies: &[usize]) -> Option<usize> {
    let [_, second] = dies else { return None };
    let name = sim.roster(*second)?.me().name;
    let follows = |node: &usize| sim.roster(*node).is_some_and(|roster| roster.me().primary == Some(name));
    let late = (0..sim.node_count()).find(follows)?;
    let ms = 1000 + sim.chance.below(1500) as i64;
    if sim.chance.once_in(2) {
        sim.pause(late, ms);
        return Some(late);
    }
    None
}

fn happen(sim: &mut Simulation, scenario: &Scenario) {
    let count = sim.node_count() as u64;
    let node = sim.chance.below(count) as usize;
    match sim.chance.below(22) {
        // More than one of three may be away, and come back.
        0 | 1 => {
            let loss = [Loss::All, Loss::Nothing, Loss::Random, Loss::Tail][sim.chance.below(4) as usize];
            sim.kill_losing(node, loss);
        }
        2 => elect_under_restarts(sim),
        3..=6 => start_some(sim, scenario.wipes_disks),
        7 => {
            let ms = sim.chance.below(4000) as i64;
            sim.pause(node, ms);
        }
        8 | 9 => {
            let some: Vec<usize> = (0..count as usize).filter(|_| sim.chance.once_in(3)).collect();
            if sim.chance.once_in(3) { sim.part_one_way(&some) } else { sim.part(&some) }
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
        17 => sim.kill_at_save(node),
        18 => {
            // Its process dies and is there again at once.
            sim.kill_losing(node, Loss::Nothing);
            start_whole(sim, node);
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

/// Starts all that are off: some without the data that they had, some with a nodes.conf that is torn, which is restored once that was
/// seen.
fn start_some(sim: &mut Simulation, wipes_disks: bool) {
    for node in 0..sim.node_count() {
        if sim.is_on(node) {
            continue;
        }
        match sim.chance.below(6) {
            0 if wipes_disks => sim.wipe(node),
            1 => {
                sim.tear_nodes_conf(node);
                sim.start(node);
                sim.checks.torn += 1;
            }
            _ => {}
        }
        start_whole(sim, node);
    }
}
