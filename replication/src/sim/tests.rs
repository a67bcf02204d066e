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
        total.confirmed += summary.confirmed;
        total.acknowledged += summary.acknowledged;
        total.elapsed_ms += summary.elapsed_ms;
    }
    println!("{count} seeds from {first} on: {total:?}");
    assert!(count < 20 || (total.went_on > 0 && total.anew > 0 && total.confirmed > 0), "{total:?}");
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
