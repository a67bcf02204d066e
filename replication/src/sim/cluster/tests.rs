//! Seeds, and whether planted bugs are found.

use super::*;
use crate::cluster::member::Flaw;
use keyslot_persistence::Durability;

/// A bug that is planted in what clients meet, to see whether it is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plant {
    /// One write in many is acknowledged and not done.
    DroppedWrite,
    /// One read in many is answered as if nothing had been written.
    EmptyRead,
    /// Who is elected deletes a key.
    ForgetfulSuccessor,
}

/// What a planted bug answers in the place of a node, if it does.
pub(super) fn spoil(plant: Option<Plant>, request: &mut Vec<u8>, chance: &mut Chance) -> Option<Value> {
    let (begins, answer) = match plant? {
        Plant::DroppedWrite => (&b"*3\r\n$3\r\nSET"[..], Value::Ok),
        Plant::EmptyRead => (&b"*2\r\n$3\r\nGET"[..], Value::Nil),
        Plant::ForgetfulSuccessor => return None,
    };
    if !request.starts_with(begins) || !chance.once_in(10) {
        return None;
    }
    request.clear();
    Some(answer)
}

/// What a planted bug does to who was elected.
pub(super) fn spoil_elected(plant: Option<Plant>, engine: &Engine) {
    if plant == Some(Plant::ForgetfulSuccessor) {
        for key in 0..12 {
            engine.call(&["DEL", &format!("key:{key}")]);
        }
    }
}

pub(super) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// `KEYSLOT_SEEDS` many, from `KEYSLOT_SEED` on; `KEYSLOT_TRACE=1` shows what happened.
fn run_clean(name: &str, scenario: &Scenario) -> ClusterSummary {
    let (first, count) = (variable("KEYSLOT_SEED").unwrap_or(0), variable("KEYSLOT_SEEDS").unwrap_or(30));
    let traces = variable("KEYSLOT_TRACE").is_some();
    let mut total = ClusterSummary::default();
    for seed in first..first + count {
        let mut sim = Simulation::new(seed);
        sim.set_tracing(traces);
        let outcome = explore_with(&mut sim, scenario);
        if traces {
            println!("{}", sim.trace());
        }
        let summary = outcome.unwrap_or_else(|violation| {
            panic!(
                "{violation}\nalone: KEYSLOT_SEED={seed} KEYSLOT_SEEDS=1 KEYSLOT_TRACE=1 cargo test -p keyslot-replication \
                 --features sim {name} -- --nocapture"
            )
        });
        total.elections += summary.elections;
        total.answered += summary.answered;
        total.lost += summary.lost;
        total.torn += summary.torn;
        total.elapsed_ms += summary.elapsed_ms;
    }
    println!("{count} seeds from {first} on: {total:?}");
    assert!(count < 20 || (total.elections > 0 && total.answered > 0), "{total:?}");
    total
}

#[test]
fn cluster_seeds_run_clean() {
    let total = run_clean("cluster_seeds_run_clean", &Scenario::ANYTHING);
    let is_some = variable("KEYSLOT_SEEDS").is_some_and(|count| count < 20);
    assert!(is_some || (total.lost > 0 && total.torn > 0), "{total:?}");
}

#[test]
fn short_seeds_run_clean() {
    run_clean("short_seeds_run_clean", &Scenario::SHORT);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut sim = Simulation::new(seed);
        let _ = explore_with(&mut sim, &Scenario::ANYTHING);
        sim.trace().to_owned()
    };
    for seed in 0..3 {
        assert_eq!(trace(seed), trace(seed));
    }
}

#[test]
fn nodes_that_meet_become_a_cluster() {
    let mut sim = Simulation::new(7);
    let nodes = [0; 6].map(|_| sim.add_node());
    let owned = [0..5461_usize, 5461..10923, 10923..16384];
    for (node, range) in nodes.iter().zip(owned) {
        let slots = Slot::all().skip(range.start).take(range.len()).fold(
            Default::default(),
            |mut slots: keyslot_engine::slot::SlotSet, slot| {
                slots.insert(slot);
                slots
            },
        );
        sim.command(*node, |member, now| member.add_slots(&slots, now).unwrap());
    }
    for (at, node) in nodes.iter().enumerate().skip(1) {
        let ip = sim.nodes[nodes[0]].address.ip.clone();
        sim.command(*node, |member, now| {
            let _ = member.set_config_epoch(at as u64 + 1);
            member.meet(&ip, 6379, 16379, now).unwrap();
        });
    }
    sim.run_for(5000).unwrap();
    let primaries: Vec<NodeName> = nodes[..3].iter().map(|node| sim.roster(*node).unwrap().me().name).collect();
    for (node, primary) in nodes[3..].iter().zip(primaries) {
        let empty = Nothing;
        sim.command(*node, |member, now| member.replicate(primary, &empty, now).unwrap());
    }
    sim.run_until_stable(20_000).unwrap();
    assert!(sim.write("a"), "{:?} {}", sim.owner_of("a"), sim.trace());
}

struct Nothing;

impl crate::cluster::member::Contents for Nothing {
    fn is_empty(&self) -> bool {
        true
    }

    fn has_keys(&self, _: Slot) -> bool {
        false
    }
}

use crate::cluster::NodeName;

#[test]
fn a_replica_takes_over_soon() {
    for seed in 0..10 {
        let mut sim = Simulation::new(seed);
        sim.form(3, 1);
        sim.run_until_stable(10_000).unwrap();
        let primary = sim.owner_of("a").unwrap();
        sim.write("a");
        sim.run_for(100).unwrap();
        sim.kill(primary);
        let begun = sim.elapsed_ms();
        while sim.owner_of("a").is_none() {
            sim.run_for(10).unwrap();
            assert!(sim.elapsed_ms() - begun < 1500, "{}", sim.trace());
        }
        let after = sim.owner_of("a").unwrap();
        assert_eq!(sim.call(after, &["GET", "a"]), Value::Bulk(b"1"[..].into()));
        sim.start(primary);
        sim.run_until_stable(20_000).unwrap();
        assert_eq!(sim.owner_of("a"), Some(after));
    }
}

#[test]
fn who_heard_that_a_node_is_forgotten_may_still_be_told() {
    let mut sim = Simulation::new(3);
    sim.form(3, 0);
    sim.run_until_stable(10_000).unwrap();
    let name = sim.roster(2).unwrap().me().name;
    sim.command(0, |member, now| member.forget(name, now).unwrap());
    while sim.roster(1).unwrap().node(&name).is_some() {
        sim.run_for(10).unwrap();
        assert!(sim.elapsed_ms() < 20_000, "{}", sim.trace());
    }
    sim.command(1, |member, now| member.forget(name, now).unwrap());
}

#[test]
fn a_process_that_died_is_replaced_at_once_where_refusals_count() {
    for seed in 0..10 {
        let mut sim = Simulation::new(seed);
        sim.set_fast_detection(true);
        sim.set_node_timeout(15_000);
        sim.form(3, 1);
        sim.run_until_stable(10_000).unwrap();
        let primary = sim.owner_of("a").unwrap();
        sim.kill(primary);
        let begun = sim.elapsed_ms();
        while sim.owner_of("a").is_none() {
            sim.run_for(5).unwrap();
            assert!(sim.elapsed_ms() - begun < 300, "{}", sim.trace());
        }
    }
}

#[test]
fn a_manual_failover_loses_nothing() {
    for seed in 0..10 {
        let mut sim = Simulation::new(seed);
        sim.form(3, 1);
        sim.run_until_stable(10_000).unwrap();
        let primary = sim.owner_of("a").unwrap();
        for _ in 0..100 {
            sim.write("a");
        }
        let replica =
            (0..6).find(|node| sim.roster(*node).unwrap().me().primary == Some(sim.roster(primary).unwrap().me().name));
        let replica = replica.unwrap();
        sim.command(replica, |member, now| member.fail_over(now).unwrap());
        sim.run_until_stable(20_000).unwrap();
        assert_eq!(sim.owner_of("a"), Some(replica), "{}", sim.trace());
        assert_eq!(sim.call(replica, &["GET", "a"]), Value::Bulk(b"100"[..].into()));
    }
}

#[test]
fn a_cluster_that_starts_on_other_addresses_finds_itself_where_one_is_known() {
    let mut sim = Simulation::new(3);
    sim.form(3, 1);
    sim.run_until_stable(10_000).unwrap();
    // All but one are elsewhere.
    for node in 1..6 {
        sim.kill(node);
        sim.move_node(node, 1);
    }
    (1..6).for_each(|node| sim.start(node));
    sim.run_until_stable(60_000).unwrap();
}

#[test]
fn a_cluster_whose_nodes_have_names_finds_itself_at_six_other_addresses() {
    for seed in 0..5 {
        let mut sim = Simulation::new(seed);
        let named = |node: usize| NodeAddress { hostname: format!("node-{node}"), ..address_of(node, 0) };
        sim.form_shards((0..3).map(|shard| vec![named(shard * 2), named(shard * 2 + 1)]).collect());
        sim.run_until_stable(10_000).unwrap();
        for node in 0..6 {
            sim.kill(node);
            sim.move_node(node, 1);
        }
        (0..6).for_each(|node| sim.start(node));
        sim.run_until_stable(60_000).unwrap();
        for node in 0..6 {
            let roster = sim.roster(node).unwrap();
            assert!(roster.nodes().all(|it| it.address.ip.starts_with("10.1.")), "{roster:?}");
        }
    }
}

#[test]
fn planted_bugs_are_found() {
    // Some show seldom: where two ask for votes at once, or a voter is started anew between two elections of one epoch.
    for (flaw, first) in [(Flaw::TwoOwners, 100), (Flaw::LostEpoch, 230), (Flaw::VotesTwice, 0), (Flaw::StaleUpdate, 0)]
    {
        let found = (first..first + 1000).find(|seed| {
            let mut sim = Simulation::new(*seed);
            sim.set_tracing(false);
            sim.flaw = Some(flaw);
            explore_with(&mut sim, &Scenario::ANYTHING).is_err()
        });
        println!("{flaw:?} is found by seed {found:?}");
        assert!(found.is_some(), "{flaw:?}");
    }
}

#[test]
fn planted_lies_to_clients_are_found() {
    for (plant, shown_by) in [
        (Plant::DroppedWrite, ["holds", "and the answer to"]),
        (Plant::EmptyRead, ["and the answer to Get", "is nothing"]),
        (Plant::ForgetfulSuccessor, ["holds nothing as key:", "was written"]),
    ] {
        let found = (0..50).find_map(|seed| {
            let mut sim = Simulation::new(seed);
            sim.set_tracing(false);
            sim.plant = Some(plant);
            Some((seed, explore_with(&mut sim, &Scenario::ANYTHING).err()?))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{plant:?} is not found"));
        println!("{plant:?} is found by seed {seed}: {violation}");
        assert!(shown_by.iter().all(|text| violation.what.contains(text)), "{plant:?}: {violation}");
    }
}

/// A cluster of three primaries with a replica each, and who serves `key`.
fn settled(seed: u64, disk: Disk, key: &str) -> (Simulation, usize) {
    let mut sim = Simulation::new(seed);
    sim.set_disk(disk);
    sim.form(3, 1);
    sim.run_until_stable(10_000).unwrap();
    let owner = sim.owner_of(key).unwrap();
    (sim, owner)
}

#[test]
fn what_a_parted_primary_acknowledges_is_lost_and_nothing_else() {
    for seed in 0..5 {
        let (mut sim, owner) = settled(seed, Disk::None, "a");
        assert!(sim.write_at(owner, "a"));
        sim.run_for(100).unwrap();
        sim.part(&[owner]);
        assert!(sim.write_at(owner, "a"), "it does not know yet");
        while sim.owner_of("a").is_none_or(|node| node == owner) {
            sim.run_for(50).unwrap();
        }
        assert_eq!(sim.lost_writes(), ["a = 2"]);
        sim.heal();
        sim.run_until_stable(20_000).unwrap();
        assert_eq!(sim.lost_writes(), ["a = 2"]);
        let now = sim.owner_of("a").unwrap();
        assert_eq!(sim.call(now, &["GET", "a"]), Value::bulk("1"));
    }
}

#[test]
fn a_log_brings_back_what_was_durable() {
    for (durability, is_kept) in [(Durability::Always, true), (Durability::Never, false)] {
        let (mut sim, owner) = settled(1, Disk::Log(durability), "a");
        assert!(sim.write_at(owner, "a"));
        sim.run_for(100).unwrap();
        (0..6).for_each(|node| sim.kill(node));
        (0..6).for_each(|node| sim.start(node));
        sim.run_until_stable(20_000).unwrap();
        let held = sim.call(owner, &["GET", "a"]);
        assert_eq!(held, if is_kept { Value::bulk("1") } else { Value::Nil }, "{durability:?}");
        assert_eq!(sim.lost_writes().is_empty(), is_kept);
    }
}

#[test]
fn who_loses_its_disk_begins_with_nothing() {
    let (mut sim, owner) = settled(1, Disk::Log(Durability::Always), "a");
    sim.write_at(owner, "a");
    sim.run_for(100).unwrap();
    for node in 0..6 {
        sim.kill(node);
        sim.wipe(node);
        sim.start(node);
    }
    sim.run_until_stable(20_000).unwrap();
    assert_eq!(sim.call(owner, &["GET", "a"]), Value::Nil);
    assert_eq!(sim.lost_writes(), ["a = 1"]);
}

#[test]
fn a_node_does_not_start_with_a_torn_file() {
    let (mut sim, owner) = settled(1, Disk::None, "a");
    sim.kill(owner);
    for _ in 0..20 {
        sim.tear_nodes_conf(owner);
        sim.start(owner);
        assert!(!sim.is_on(owner));
    }
    sim.mend_disk(owner);
    sim.start(owner);
    sim.run_until_stable(20_000).unwrap();
}

#[test]
fn a_node_whose_power_fails_at_a_save_says_nothing_of_it() {
    let (mut sim, owner) = settled(1, Disk::None, "a");
    let voters: Vec<usize> = (0..6).filter(|node| *node != owner && sim.roster(*node).unwrap().me().votes()).collect();
    voters.iter().for_each(|node| sim.kill_at_save(*node));
    sim.kill(owner);
    sim.run_for(5000).unwrap();
    assert!(voters.iter().any(|node| !sim.is_on(*node)), "{}", sim.trace());
    assert_eq!(sim.owner_of("a"), None, "nobody was elected");
    (0..6).for_each(|node| sim.start(node));
    sim.run_until_stable(20_000).unwrap();
}

#[test]
fn clients_follow_redirects_and_know_what_became_of_their_operations() {
    let (mut sim, owner) = settled(1, Disk::None, "a");
    let begin = |sim: &mut Simulation, words: &[&str]| {
        let operation = sim.begin(0, words);
        while sim.elapsed_ms() < 60_000 {
            sim.run_for(10).unwrap();
            if let Some(outcome) = sim.outcome(operation) {
                return outcome;
            }
        }
        panic!("{words:?} never ends: {}", sim.trace());
    };
    let reply = |value: Value| OperationOutcome::Reply(value);
    assert_eq!(begin(&mut sim, &["SET", "a", "x"]), reply(Value::Ok));
    assert_eq!(begin(&mut sim, &["GET", "a"]), reply(Value::bulk("x")));
    sim.run_for(100).unwrap();
    sim.kill(owner);
    assert_eq!(begin(&mut sim, &["GET", "a"]), reply(Value::bulk("x")), "its replica leads by then");
    assert_eq!(begin(&mut sim, &["LPUSH", "b", "1"]), reply(Value::Integer(1)));
    (0..6).for_each(|node| sim.kill(node));
    let outcome = begin(&mut sim, &["SET", "a", "y"]);
    assert!(matches!(&outcome, OperationOutcome::NotDone(last) if last.contains("refuses")), "{outcome:?}");
}

#[test]
fn a_node_answers_cluster_commands() {
    let (mut sim, owner) = settled(1, Disk::None, "a");
    let info = sim.call(owner, &["CLUSTER", "INFO"]);
    assert!(String::from_utf8_lossy(info.as_bytes().unwrap()).contains("cluster_state:ok"), "{info:?}");
    let refused = sim.call(owner, &["CLUSTER", "FAILOVER"]);
    assert!(matches!(&refused, Value::Error(text) if text.starts_with(b"ERR")), "{refused:?}");
    assert!(matches!(sim.call(owner, &["CLUSTER", "NONSENSE"]), Value::Error(_)));
    sim.kill(owner);
    assert_eq!(sim.call(owner, &["CLUSTER", "INFO"]), Value::Error(b"ERR it is off"[..].into()));
}

fn folder() -> std::path::PathBuf {
    std::env::temp_dir()
}

#[test]
fn a_test_that_fails_leaves_a_line_and_a_picture() {
    let failure = Seeds::from(7..9)
        .run(|cluster| {
            let client = cluster.client();
            client.set("a", "<b>")?;
            cluster.kill(cluster.primary_of("a"));
            assert_eq!(client.get("a")?, None, "it is there");
            Ok(())
        })
        .unwrap_err();
    assert_eq!(failure.seed, 7);
    assert!(failure.what.contains("it is there"), "{failure}");
    assert!(failure.replay.starts_with("KEYSLOT_SEED=7 cargo test "), "{failure}");
    assert!(failure.replay.ends_with("a_test_that_fails_leaves_a_line_and_a_picture"), "{failure}");
    let path = failure.timeline.as_ref().unwrap();
    assert!(path.starts_with(folder()));
    let page = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    for shown in ["it is there", "is killed", "replica of", "leads its shard", "SET a &lt;b&gt;: OK", "class=\"off\""] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(failure.trace.contains("SET a <b>"));
    assert_eq!(failure.to_string().lines().count(), failure.what.lines().count() + 2, "{failure}");
}

#[test]
fn what_does_not_hold_fails_a_test_that_does_not_look() {
    let failure = Seeds::from(3..4)
        .run(|cluster| {
            cluster.with(|sim| sim.fail("planted".to_owned()));
            Ok(())
        })
        .unwrap_err();
    assert!(failure.what.contains("planted"), "{failure}");
    let failure = Seeds::new(1).timelines_in("/nowhere/at all").run(|_| Err("mine".into())).unwrap_err();
    assert!(failure.what == "mine" && failure.timeline.is_err(), "{failure}");
}

#[test]
fn a_test_drives_its_cluster() {
    let second = Duration::from_secs(1);
    let seeds =
        Seeds::new(3).primaries(3).replicas(2).disk(Disk::Log(Durability::Always)).network(NetworkOptions::ROUGH);
    let run = seeds.clone().run(|cluster| {
        assert_eq!((cluster.node_count(), cluster.primaries().len()), (9, 3));
        cluster.set_workload(Some(Workload::default()));
        cluster.run_for(3 * second)?;
        let [first, second_client] = [cluster.client(), cluster.client()];
        let owner = cluster.primary_of("mine");
        cluster.set_network(NetworkOptions::CALM);
        cluster.settle()?;
        first.set("mine", "x")?;
        cluster.run_for(second)?;
        assert_eq!(cluster.replicas_of(owner).len(), 2);
        cluster.partition([owner], cluster.others([owner]));
        cluster.run_until(|it| it.owner_of("mine").is_some_and(|node| node != owner), 30 * second)?;
        assert!(second_client.get("mine")?.is_some());
        cluster.heal();
        cluster.pause(owner, 2 * second);
        cluster.skew_clock(owner, second);
        cluster.run_for(second)?;
        cluster.resume(owner);
        cluster.kill(owner);
        cluster.restart_empty(owner);
        cluster.settle()?;
        assert!(cluster.state_ok() && cluster.replicas_of(cluster.primary_of("mine")).contains(&owner));
        assert!(matches!(first.call(&["LPOP", "mine"]), Err(SimulationError::Refused(text)) if text.starts_with("WRONGTYPE")));
        assert!(matches!(cluster.run_until(|_| false, second), Err(SimulationError::NotInTime { waited_ms: 1000 })));
        first.set("n", 1)?;
        assert_eq!(second_client.incr("n")?, 2);
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}\n{}", failure.trace));
}

#[test]
fn the_same_seed_gives_the_same_page() {
    let page = |seed: u64| {
        let page = std::cell::RefCell::new(String::new());
        let seeds = Seeds::from(seed..seed + 1).network(NetworkOptions::ROUGH);
        let run = seeds.run(|cluster| {
            cluster.set_workload(Some(Workload::default()));
            cluster.kill(cluster.primary_of("a"));
            cluster.run_for(Duration::from_secs(5))?;
            *page.borrow_mut() = cluster.timeline() + &cluster.trace();
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{failure}"));
        page.into_inner()
    };
    assert!(page(1) == page(1) && page(1) != page(2));
}

#[test]
fn a_cluster_of_nobody_serves_nobody() {
    let mut sim = Simulation::new(1);
    let operation = sim.begin(0, &["GET", "a"]);
    sim.run_for(20_000).unwrap();
    assert!(matches!(sim.outcome(operation), Some(OperationOutcome::NotDone(_))));
    let none: [&str; 0] = [];
    let nothing = sim.begin(0, &none);
    sim.set_workload(Some(Workload::default()));
    sim.set_workload(Some(Workload { clients: 1, keys: 0, pause_ms: -5, read_once_in: 0 }));
    sim.form(3, 0);
    sim.run_for(20_000).unwrap();
    assert!(sim.operations_answered() > 100 && sim.outcome(nothing).is_some());
    assert_eq!(sim.outcome(nothing), None, "it was told");
    sim.set_workload(None);
    sim.run_for(PATIENCE_MS).unwrap();
    let before = sim.operations_answered();
    sim.run_for(PATIENCE_MS).unwrap();
    assert_eq!(sim.operations_answered(), before);
}
