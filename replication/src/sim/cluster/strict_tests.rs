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
        let found = (first..first + 300).find(|seed| {
            let mut sim = Simulation::new(*seed);
            sim.set_tracing(false);
            sim.flaw = Some(flaw);
            explore(&mut sim).is_err()
        });
        println!("{flaw:?} is found by seed {found:?}");
        assert!(found.is_some(), "{flaw:?}");
    }
}

/// The nodes that follow one.
fn replicas_of(sim: &Simulation, primary: usize) -> Vec<usize> {
    let name = sim.roster(primary).map(|roster| roster.me().name);
    (0..sim.node_count()).filter(|node| sim.roster(*node).is_some_and(|roster| roster.me().primary == name)).collect()
}

#[test]
fn a_replica_whose_connections_come_twice_is_one_replica() {
    let mut sim = Simulation::new(1);
    sim.set_strict(Some(2));
    sim.set_network(NetworkOptions { double_once_in: 1, ..NetworkOptions::CALM });
    sim.form(3, 3);
    sim.run_until_stable(10_000).unwrap();
    sim.run_for(3000).unwrap();
    sim.set_workload(Some(Workload { read_once_in: 0, ..Workload::default() }));
    sim.run_for(1000).unwrap();
    // With one of three, while two have to have a write, a primary acknowledges nothing. The others elect another.
    let primary = sim.owner_of("a").unwrap();
    let replica = replicas_of(&sim, primary)[0];
    sim.part(&[primary, replica]);
    sim.run_for(5000).unwrap();
    sim.heal();
    sim.run_until_stable(20_000).unwrap();
    assert_ne!(sim.owner_of("a"), Some(primary), "{}", sim.trace());
    assert_eq!(sim.lost_writes(), Vec::<String>::new(), "{}", sim.trace());
}

/// How long it takes until somebody serves the slots of a primary that died, and until a write is acknowledged: medians of the seeds.
fn failover_ms(count: Option<u8>) -> (i64, i64) {
    let (mut served, mut written): (Vec<i64>, Vec<i64>) = (0..11)
        .map(|seed| {
            let mut sim = Simulation::new(seed);
            sim.set_tracing(false);
            sim.set_strict(count);
            sim.form(3, 2);
            sim.run_until_stable(10_000).unwrap();
            sim.run_for(3000).unwrap();
            let primary = sim.owner_of("a").unwrap();
            sim.kill(primary);
            let begun = sim.elapsed_ms();
            while sim.owner_of("a").is_none() {
                sim.run_for(1).unwrap();
                assert!(sim.elapsed_ms() - begun < 10_000, "{}", sim.trace());
            }
            let served = sim.elapsed_ms() - begun;
            let write = sim.begin(0, &["SET", "a", "1"]);
            let outcome = sim.run_until_done(write).unwrap();
            assert_eq!(outcome, OperationOutcome::Reply(Value::Ok), "{}", sim.trace());
            (served, sim.elapsed_ms() - begun)
        })
        .unzip();
    served.sort_unstable();
    written.sort_unstable();
    (served[served.len() / 2], written[written.len() / 2])
}

#[test]
fn promises_cost_a_failover_two_messages() {
    let (plain, strict) = (failover_ms(None), failover_ms(Some(1)));
    println!(
        "until it serves, and until it acknowledges, with a node timeout of 1000 ms: {plain:?} ms, strict {strict:?} ms"
    );
    assert!(strict.0 <= plain.0 + 100 && strict.1 <= plain.1 + 300, "{plain:?} ms, strict {strict:?} ms");
    assert!(strict.0 < 1500);
}

#[test]
fn without_enough_replicas_nobody_is_elected_and_nothing_is_lost() {
    let mut sim = Simulation::new(5);
    sim.set_strict(Some(1));
    sim.form(3, 2);
    sim.run_until_stable(10_000).unwrap();
    sim.run_for(3000).unwrap();
    let primary = sim.owner_of("a").unwrap();
    let replicas = replicas_of(&sim, primary);
    // One of two has to have a write: only both together are sure to have all.
    sim.kill(replicas[0]);
    sim.kill(primary);
    sim.run_for(10_000).unwrap();
    assert_eq!(sim.owner_of("a"), None);
    sim.start(replicas[0]);
    sim.run_for(10_000).unwrap();
    assert_eq!(sim.owner_of("a"), None, "what that one had is gone");
    // An operator may give up what nobody can tell.
    sim.command(replicas[1], |member, now| member.fail_over_by_takeover(now).unwrap());
    sim.run_for(5000).unwrap();
    assert_eq!(sim.owner_of("a"), Some(replicas[1]), "{}", sim.trace());
}
