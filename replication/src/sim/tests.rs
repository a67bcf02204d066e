//! Seeds, and whether planted bugs are found.

use super::*;

/// Does to what a node sends what a planted bug would do.
pub(super) fn spoil(flaw: Option<Flaw>, bytes: &mut Vec<u8>) {
    match flaw {
        // With FACK behind it, or without.
        Some(Flaw::LostAck)
            if bytes.get(2..).is_some_and(|rest| rest.starts_with(b"\r\n$8\r\nREPLCONF\r\n$3\r\nACK")) =>
        {
            bytes.clear();
        }
        Some(Flaw::OffsetOffByOne) if bytes.starts_with(b"*3\r\n$5\r\nPSYNC\r\n") => {
            let words: Vec<String> = String::from_utf8_lossy(bytes).split("\r\n").map(str::to_owned).collect();
            let offset: i64 = words[6].parse().expect("a number");
            if offset > 1 {
                let offset = (offset + 1).to_string();
                let id = &words[4];
                *bytes = format!("*3\r\n$5\r\nPSYNC\r\n$40\r\n{id}\r\n${}\r\n{offset}\r\n", offset.len()).into_bytes();
            }
        }
        _ => {}
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// `KEYSLOT_SEEDS` many, from `KEYSLOT_SEED` on; `KEYSLOT_TRACE=1` shows what happened.
#[test]
fn seeds_run_clean() {
    let (first, count) = (variable("KEYSLOT_SEED").unwrap_or(0), variable("KEYSLOT_SEEDS").unwrap_or(100));
    let mut total = Summary::default();
    for seed in first..first + count {
        let mut sim = Simulation::new(seed);
        let outcome = explore_with(&mut sim);
        if variable("KEYSLOT_TRACE").is_some() {
            println!("{}", sim.trace());
        }
        let summary = outcome.unwrap_or_else(|violation| {
            panic!(
                "{violation}\nalone: KEYSLOT_SEED={seed} KEYSLOT_SEEDS=1 KEYSLOT_TRACE=1 cargo test -p keyslot-replication \
                 --features sim seeds_run_clean -- --nocapture"
            )
        });
        total.went_on += summary.went_on;
        total.anew += summary.anew;
        total.took_over += summary.took_over;
        total.confirmed += summary.confirmed;
        total.acknowledged += summary.acknowledged;
        total.elapsed_ms += summary.elapsed_ms;
    }
    println!("{count} seeds from {first} on: {total:?}");
    assert!(
        count < 20 || (total.went_on > 0 && total.anew > 0 && total.confirmed > 0 && total.took_over > 0),
        "{total:?}"
    );
}

/// Under load, with a network that is late: no write that was acknowledged is lost, and nobody begins anew.
#[test]
fn a_failover_under_load_loses_nothing() {
    for seed in 0..20 {
        let mut sim = Simulation::new(seed);
        let nodes = [0, 1, 2].map(|_| sim.add_node(MachineOptions::default()));
        sim.follow(1, 0);
        sim.follow(2, 0);
        sim.settle().unwrap();
        let begun = sim.trace().matches("goes on: false").count();
        let mut primary = 0;
        for round in 0..4 {
            let moved = (0..200).any(|step| {
                if step == 5 {
                    let to = (round % 2 == 0).then(|| (((primary + 1) % 3).to_string(), 6379));
                    let request = FailoverRequest { to, timeout_ms: None, is_forced: false };
                    assert!(sim.fail_over(primary, request), "{}", sim.trace());
                }
                sim.write_marked(primary, 1, 500);
                scenario::write(&mut sim, primary);
                sim.run_for(20).unwrap();
                sim.primary_of(primary).is_some()
            });
            assert!(moved, "seed {seed}: {}", sim.trace());
            let new = sim.primary_of(primary).unwrap();
            assert!(nodes.contains(&new) && sim.primary_of(new).is_none());
            sim.settle().unwrap();
            primary = new;
        }
        assert_eq!(sim.trace().matches("TookOver").count(), 4);
        assert_eq!(sim.trace().matches("goes on: false").count(), begun, "seed {seed}: {}", sim.trace());
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 44, 505] {
        let [a, b] = [0, 1].map(|_| {
            let mut sim = Simulation::new(seed);
            let _ = explore_with(&mut sim);
            sim.trace().to_owned()
        });
        let differs = a.lines().zip(b.lines()).find(|(a, b)| a != b);
        assert!(a == b, "seed {seed}: {differs:?}");
    }
}

#[test]
fn due_keys_that_nobody_asks_for_go_everywhere() {
    let mut sim = Simulation::new(6);
    let [primary, replica] = [0, 1].map(|_| sim.add_node(MachineOptions::default()));
    sim.follow(replica, primary);
    for n in 0..50 {
        sim.call(primary, &["SET", &format!("k:{n}"), "v", "PX", "500"]);
    }
    sim.settle().expect("nothing forbids it");
    sim.run_for(5000).expect("nothing forbids it");
    // The marked write of the settling is there.
    for node in [primary, replica] {
        assert_eq!(sim.call(node, &["DBSIZE"]), Value::Integer(1), "{node}");
    }
}

/// What is found of a planted bug, by the first seed that finds it.
fn find(flaw: Flaw) -> Violation {
    let found = (0..50).find_map(|seed| {
        let mut sim = Simulation::new(seed);
        sim.plant(flaw);
        explore_with(&mut sim).err()
    });
    found.unwrap_or_else(|| panic!("{flaw:?} is not found"))
}

#[test]
fn planted_bugs_are_found_for_what_they_are() {
    for (flaw, shown_by) in [
        (Flaw::LostAck, "replicas confirm a write when all is quiet"),
        (Flaw::OffsetOffByOne, "the primary's stream cannot be followed at offset"),
        (Flaw::SecondIdReset, "it goes on: false, history known: true, bytes there: true"),
    ] {
        let violation = find(flaw);
        assert!(violation.what.contains(shown_by), "{flaw:?}: {violation}");
    }
}
