//! Clusters of one or two primaries, whose replicas and witnesses vote.

use super::tests::variable;
use super::*;
use crate::cluster::member::Flaw;

/// Primaries with replicas of their own, and witnesses without slots; whether all of them vote.
fn small(sim: &mut Simulation, (primaries, replicas, witnesses): (usize, usize, usize), vote: bool) {
    sim.set_tracing(false);
    sim.configure_members(|options| options.votes_always = vote);
    sim.form(primaries, replicas);
    for _ in 0..witnesses {
        let witness = sim.add_node();
        let NodeAddress { ip, port, bus_port, .. } = sim.address(0).clone();
        sim.command(witness, |member, now| member.meet(&ip, port, bus_port, now).unwrap());
    }
    sim.run_until_stable(20_000).unwrap();
    sim.run_for(5000).unwrap();
}

/// What lives through the loss of any one: who votes is 3 or 4.
const SHAPES: [(usize, usize, usize); 4] = [(1, 2, 0), (1, 1, 2), (2, 1, 1), (2, 1, 0)];

#[test]
fn a_primary_that_dies_is_replaced_by_those_who_vote_without_slots() {
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let mut sim = Simulation::new(seed as u64);
        small(&mut sim, shape, true);
        let primary = sim.owner_of("a").unwrap();
        sim.kill(primary);
        sim.run_for(5000).unwrap();
        let next = sim.owner_of("a");
        assert!(next.is_some_and(|next| next != primary), "{shape:?}\n{}", sim.trace());
        sim.start(primary);
        sim.run_until_stable(20_000).unwrap();
        assert_eq!(sim.owner_of("a"), next);
    }
}

#[test]
fn nobody_is_elected_where_only_primaries_vote() {
    let mut sim = Simulation::new(1);
    small(&mut sim, (1, 2, 0), false);
    let primary = sim.owner_of("a").unwrap();
    sim.kill(primary);
    sim.run_for(20_000).unwrap();
    assert_eq!(sim.owner_of("a"), None);
}

#[test]
fn a_primary_that_is_cut_off_serves_no_more_and_its_place_is_taken() {
    let mut sim = Simulation::new(2);
    small(&mut sim, (1, 2, 0), true);
    let primary = sim.owner_of("a").unwrap();
    sim.part(&[primary]);
    sim.run_for(5000).unwrap();
    assert!(!sim.member(primary).unwrap().is_up());
    assert!(sim.owner_of("a").is_some_and(|next| next != primary));
    sim.heal();
    sim.run_until_stable(20_000).unwrap();
}

#[test]
fn one_of_two_that_vote_alone_takes_nothing_over() {
    let mut sim = Simulation::new(3);
    small(&mut sim, (1, 1, 0), true);
    let primary = sim.owner_of("a").unwrap();
    sim.part(&[primary]);
    sim.run_for(20_000).unwrap();
    assert_eq!(sim.owner_of("a"), None, "neither is a majority");
    sim.heal();
    sim.run_until_stable(20_000).unwrap();
    assert_eq!(sim.owner_of("a"), Some(primary));
}

/// A cluster of one or two primaries under everything that may happen.
fn explore_small(sim: &mut Simulation) -> Result<ClusterSummary, crate::sim::Violation> {
    let shape = [(1, 2), (1, 3), (2, 1), (2, 2)][sim.chance.below(4) as usize];
    sim.configure_members(|options| options.votes_always = true);
    explore_with(sim, &Scenario { shape: Some(shape), ..Scenario::ANYTHING })
}

/// `KEYSLOT_SEEDS` many, from `KEYSLOT_SEED` on.
#[test]
fn small_seeds_run_clean() {
    let (first, count) = (variable("KEYSLOT_SEED").unwrap_or(0), variable("KEYSLOT_SEEDS").unwrap_or(20));
    let traces = variable("KEYSLOT_TRACE").is_some();
    let mut elections = 0;
    for seed in first..first + count {
        let mut sim = Simulation::new(seed);
        sim.set_tracing(traces);
        let outcome = explore_small(&mut sim);
        if traces {
            println!("{}", sim.trace());
        }
        elections += outcome.unwrap_or_else(|violation| panic!("{violation}")).elections;
    }
    println!("{count} seeds from {first} on: {elections} elections");
    assert!(count < 20 || elections > 0);
}

#[test]
fn planted_bugs_are_found_in_small_clusters() {
    for flaw in [Flaw::TwoOwners, Flaw::VotesTwice] {
        let found = (0..1000).find(|seed| {
            let mut sim = Simulation::new(*seed);
            sim.set_tracing(false);
            sim.flaw = Some(flaw);
            explore_small(&mut sim).is_err()
        });
        println!("{flaw:?} is found by seed {found:?}");
        assert!(found.is_some(), "{flaw:?}");
    }
}
