//! Clusters with [strict failover](crate::cluster::strict), in which no acknowledged write is lost.

use super::scenario::{ClusterSummary, Scenario, explore_with};
use super::{Disk, NetworkOptions, Simulation, Workload};
use crate::cluster::member::StrictFailover;
use crate::sim::Violation;
use keyslot_engine::Ack;
use keyslot_persistence::Durability;

impl Simulation {
    /// Has nodes that are started from here on fail over strictly, and replies wait until so many replicas have what they tell
    /// (`cluster-strict-failover yes`, `write-ack replicas <count>`). `None`: not, and replies wait for nothing.
    ///
    /// A node that starts has what it acknowledged if it has a log that is fsynced before every reply, and was not wiped; else it gives
    /// its place to a replica.
    pub fn set_strict(&mut self, count: Option<u8>) {
        self.set_ack(count.map_or(Ack::Memory, Ack::Replicas));
        self.configure_members(|options| {
            options.strict = count.map(|count| StrictFailover { count, is_whole: true });
        });
    }
}

/// So many primaries, each with so many replicas, of which so many have to have a write.
struct Shape {
    primaries: usize,
    replicas: usize,
    count: u8,
}

/// One of few replicas and many, in elections that need all of them or some. In clusters of one or two primaries all nodes vote.
fn choose_shape(sim: &mut Simulation) -> Shape {
    const SHAPES: [(usize, usize, u8); 8] =
        [(3, 1, 1), (3, 2, 1), (3, 2, 2), (3, 3, 2), (3, 4, 3), (1, 2, 1), (1, 3, 2), (2, 2, 1)];
    let (primaries, replicas, count) = SHAPES[sim.chance.below(SHAPES.len() as u64) as usize];
    sim.set_strict(Some(count));
    sim.configure_members(|options| options.votes_always = primaries < 3);
    Shape { primaries, replicas, count }
}

/// A cluster with strict failover whose nodes keep what they acknowledge on their disks, and everything that may happen to it at once.
/// An acknowledged write that is lost is a violation.
pub fn explore_strict(seed: u64) -> Result<ClusterSummary, Violation> {
    let mut sim = Simulation::new(seed);
    sim.set_tracing(false);
    explore_strict_with(&mut sim)
}

pub(super) fn explore_strict_with(sim: &mut Simulation) -> Result<ClusterSummary, Violation> {
    let Shape { primaries, replicas, count } = choose_shape(sim);
    let shape = (primaries, replicas);
    if primaries > 2 && sim.chance.once_in(4) {
        return explore_promises(sim, count);
    }
    // Many that are short find more than few that are long.
    let length = if sim.chance.once_in(4) { Scenario::ANYTHING } else { Scenario::SHORT };
    let disk = Some(Disk::Log(Durability::Always));
    explore_with(sim, &Scenario { shape: Some(shape), disk, forbids_loss: true, wipes_disks: false, ..length })
}

/// Primaries are cut off with what clients wait for, and those that promised themselves to others are started anew and cut off with
/// them: whoever forgot what it promised acknowledges what is lost.
fn explore_promises(sim: &mut Simulation, count: u8) -> Result<ClusterSummary, Violation> {
    sim.set_disk(Disk::Log(Durability::Always));
    sim.form(3, usize::from(count) + 1);
    sim.run_until_stable(10_000)?;
    sim.run_for(3000)?;
    sim.set_workload(Some(Workload { clients: 6, keys: 30, pause_ms: 20, read_once_in: 0 }));
    for _ in 0..2 {
        let leads = |node: &usize| sim.roster(*node).is_some_and(|roster| roster.me().votes());
        let leaders: Vec<usize> = (0..sim.node_count()).filter(leads).collect();
        let primary = leaders[sim.chance.below(leaders.len() as u64) as usize];
        sim.part(&[primary]);
        let promised = |sim: &Simulation, node: usize| {
            let roster = sim.roster(node)?;
            let pledge = roster.pledge.filter(|pledge| pledge.to != roster.me().name)?;
            let epoch = roster.node(&sim.roster(primary)?.me().name)?.config_epoch;
            (pledge.epoch > epoch && sim.roster(primary)?.me().shard == roster.me().shard).then_some(node)
        };
        let until_ms = sim.elapsed_ms() + 4000;
        let mut away = Vec::new();
        while away.is_empty() && sim.elapsed_ms() < until_ms {
            sim.run_for(1)?;
            away = (0..sim.node_count()).filter_map(|node| promised(sim, node)).collect();
        }
        // The promise gets where it is to, and what comes of it does not come back.
        sim.run_for(1)?;
        sim.heal();
        let promised = away.clone();
        away.push(primary);
        sim.part(&away);
        for node in promised {
            sim.kill(node);
            sim.start(node);
        }
        sim.run_for(3000)?;
        sim.heal();
        sim.run_until_stable(60_000)?;
        check_loss(sim)?;
        sim.run_for(3000)?;
    }
    finish(sim)
}

/// A cluster with strict failover whose nodes have no disks: one failure after the other, each over before the next. An acknowledged
/// write that is lost is a violation, and so is a shard that does not come to serve again.
pub fn explore_single_failures(seed: u64) -> Result<ClusterSummary, Violation> {
    let mut sim = Simulation::new(seed);
    sim.set_tracing(false);
    explore_single_failures_with(&mut sim)
}

pub(super) fn explore_single_failures_with(sim: &mut Simulation) -> Result<ClusterSummary, Violation> {
    let Shape { primaries, replicas, .. } = choose_shape(sim);
    let is_fast = sim.chance.once_in(2);
    sim.set_fast_detection(is_fast);
    sim.form(primaries, replicas);
    sim.run_until_stable(10_000)?;
    // The first group of each shard.
    sim.run_for(3000)?;
    sim.set_network(NetworkOptions::ROUGH);
    sim.set_workload(Some(Workload { clients: 3, keys: 12, pause_ms: 150, read_once_in: 2 }));
    for _ in 0..1 + sim.chance.below(4) {
        let ms = sim.chance.below(1500) as i64;
        sim.run_for(ms)?;
        fail_once(sim)?;
        sim.run_until_stable(60_000)?;
        check_loss(sim)?;
        // Groups follow who leads and who is there.
        sim.run_for(3000)?;
    }
    finish(sim)
}

fn finish(sim: &mut Simulation) -> Result<ClusterSummary, Violation> {
    sim.set_network(NetworkOptions::CALM);
    sim.set_workload(None);
    sim.finish_operations()?;
    sim.run_until_stable(60_000)?;
    check_loss(sim)?;
    Ok(ClusterSummary {
        elections: sim.checks.elections,
        answered: sim.operations_answered(),
        lost: 0,
        torn: sim.checks.torn,
        elapsed_ms: sim.elapsed_ms(),
    })
}

/// One node dies, for a while or a moment, is paused or cut off, or gives its place away.
fn fail_once(sim: &mut Simulation) -> Result<(), Violation> {
    let node = sim.chance.below(sim.node_count() as u64) as usize;
    let lasts_ms = if sim.chance.once_in(3) { 4000 } else { 400 };
    let ms = sim.chance.below(lasts_ms) as i64;
    match sim.chance.below(8) {
        0..=2 => {
            sim.kill(node);
            sim.run_for(ms)?;
            sim.start(node);
        }
        3 => {
            sim.pause(node, ms);
            sim.run_for(ms)?;
        }
        4 => {
            sim.part(&[node]);
            sim.run_for(ms)?;
            sim.heal();
        }
        5 => {
            let some: Vec<usize> = (0..sim.node_count()).filter(|_| sim.chance.once_in(3)).collect();
            if sim.chance.once_in(3) {
                sim.part_one_way(&some)
            } else {
                sim.part(&some)
            }
            sim.run_for(ms)?;
            sim.heal();
        }
        6 => {
            let to = sim.chance.below(sim.node_count() as u64) as usize;
            sim.block(node, to);
            sim.run_for(ms)?;
            sim.heal();
        }
        _ => {
            let is_forced = sim.chance.once_in(2);
            sim.command(node, |member, now| {
                let _ = if is_forced { member.fail_over_by_force(now) } else { member.fail_over(now) };
            });
        }
    }
    Ok(())
}

fn check_loss(sim: &mut Simulation) -> Result<(), Violation> {
    let lost = sim.lost_writes();
    if let Some(first) = lost.first() {
        sim.fail(format!("{} acknowledged writes are lost, as {first}", lost.len()));
    }
    sim.run_for(0)
}
