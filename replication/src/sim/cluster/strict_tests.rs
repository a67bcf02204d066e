//! Strict failover: seeds, planted bugs, and what it costs.

use super::strict::{explore_single_failures_with, explore_strict_with};
use super::tests::variable;
use super::*;
use crate::cluster::member::Flaw;

type Explore = fn(&mut Simulation) -> Result<ClusterSummary, crate::sim::Violation>;

/// `KEYSLOT_SEEDS` many, from `KEYSLOT_SEED` on; `KEYSLOT_TRACE=1` shows what happened.
fn run(name: &str, explore: Explore) {
    let (first, count) = (variable("KEYSLOT_SEED").unwrap_or(0), variable("KEYSLOT_SEEDS").unwrap_or(20));
    let traces = variable("KEYSLOT_TRACE").is_some();
    let (mut elections, mut answered) = (0, 0);
    for seed in first..first + count {
        let mut sim = Simulation::new(seed);
        sim.set_tracing(traces);
        let outcome = explore(&mut sim);
        if traces {
            println!("{}", sim.trace());
        }
        let summary = outcome.unwrap_or_else(|violation| {
            panic!(
                "{violation}\nalone: KEYSLOT_SEED={seed} KEYSLOT_SEEDS=1 KEYSLOT_TRACE=1 cargo test -p keyslot-replication \
                 --features sim {name} -- --nocapture"
            )
        });
        elections += summary.elections;
        answered += summary.answered;
    }
    println!("{count} seeds from {first} on: {elections} elections, {answered} answers");
    assert!(count < 20 || (elections > 0 && answered > 0));
}

#[test]
fn strict_seeds_lose_nothing() {
    run("strict_seeds_lose_nothing", explore_strict_with);
}

#[test]
fn single_failures_without_disks_lose_nothing() {
    run("single_failures_without_disks_lose_nothing", explore_single_failures_with);
}

#[test]
fn planted_bugs_of_strict_failover_are_found() {
    let planted: [(Flaw, u64, Explore); 4] = [
        (Flaw::ForgetsPledge, 0, explore_strict_with),
        (Flaw::CountsTooFew, 0, explore_strict_with),
        (Flaw::AcknowledgesAll, 0, explore_strict_with),
        (Flaw::BereftServes, 0, explore_single_failures_with),
    ];
    for (flaw, first, explore) in planted {
        let found = (first..first + 1000).find(|seed| {
            let mut sim = Simulation::new(*seed);
            sim.set_tracing(false);
            sim.flaw = Some(flaw);
            explore(&mut sim).is_err()
        });
        println!("{flaw:?} is found by seed {found:?}");
        assert!(found.is_some(), "{flaw:?}");
    }
}
