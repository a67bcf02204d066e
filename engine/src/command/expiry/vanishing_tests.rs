//! How keys vanish: on access, by the engine's housekeeping, and not at all where others decide.

use crate::client::PauseMode;
use crate::command::testing::{Bench, START, ask, assert_totals, contents, session};
use crate::slot::{SLOT_COUNT, Slot};
use crate::{DueKeys, Engine, Origin, UnixMillis};
use proptest::prelude::*;
use std::sync::atomic::Ordering;

/// More than enough for one round over all slots.
const ONE_ROUND: usize = 10 * SLOT_COUNT;

fn tick(bench: &Bench, budget: usize) -> (usize, bool) {
    let report = bench.db.tick(bench.db.now(), budget);
    (report.expired, report.more)
}

fn next_expiry(db: &Engine, key: &str) -> i64 {
    db.core.slots.lock(Slot::of(key.as_bytes())).state.shard(0).map_or(i64::MAX, |shard| shard.next_expiry().0)
}

#[test]
fn a_key_is_there_at_its_time_and_gone_after_it() {
    let bench = Bench::new();
    bench.ask("SET k v PX 100");
    bench.advance_ms(100);
    assert_eq!(bench.ask("GET k"), "$1\r\nv\r\n");
    assert_eq!(tick(&bench, ONE_ROUND), (0, false));
    bench.effects();
    bench.advance_ms(1);
    assert_eq!(bench.ask("GET k"), "$-1\r\n");
    assert_eq!(bench.effects(), ["DEL k"]);
    assert_eq!(bench.db.db_size(), 0);
    assert_eq!(bench.db.core.stats.expired_keys.load(Ordering::Relaxed), 1);
    bench.assert_replays();
}

#[test]
fn every_command_that_names_a_due_key_deletes_it_once() {
    for request in [
        "GET k",
        "EXISTS k",
        "TYPE k",
        "TTL k",
        "PTTL k",
        "EXPIRETIME k",
        "TOUCH k",
        "OBJECT ENCODING k",
        "STRLEN k",
        "DEL k",
        "UNLINK k",
        "PERSIST k",
        "EXPIRE k 10",
        "RENAME k l",
        "COPY k l",
        "MOVE k 1",
        "GETDEL k",
        "MGET k",
    ] {
        let bench = Bench::new();
        bench.ask("SET k v PX 10");
        bench.advance_ms(11);
        bench.effects();
        let reply = bench.ask(request);
        assert!(!reply.starts_with("$1\r\nv") && !reply.starts_with(":1"), "{request}: {reply}");
        if !reply.starts_with("-ERR unknown") {
            assert_eq!(bench.effects(), ["DEL k"], "{request}: {reply}");
        }
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}

#[test]
fn a_write_over_a_due_key_starts_anew() {
    for (request, value) in [("SET k w", "w"), ("APPEND k w", "w"), ("INCR k", "1"), ("SET k w KEEPTTL", "w")] {
        let bench = Bench::new();
        bench.ask("SET k 41 PX 10");
        bench.advance_ms(11);
        bench.ask(request);
        assert_eq!(bench.ask("GET k"), format!("${}\r\n{value}\r\n", value.len()), "{request}");
        assert_eq!(bench.ask("TTL k"), ":-1\r\n", "{request}");
        bench.assert_replays();
    }
}

#[test]
fn housekeeping_deletes_what_nobody_asks_for() {
    let bench = Bench::new();
    for n in 0..500 {
        bench.ask(&format!("SET soon{n} v PX 10"));
        bench.ask(&format!("SET late{n} v PX 10000"));
        bench.ask(&format!("SET never{n} v"));
    }
    bench.batches();
    bench.advance_ms(11);
    assert_eq!(tick(&bench, ONE_ROUND), (500, false));
    assert_eq!(bench.db.db_size(), 1000);
    let batches = bench.batches();
    assert_eq!(batches.iter().map(|batch| batch.effects.len()).sum::<usize>(), 500);
    assert!(batches.iter().all(|batch| batch.slots.len() == 1));
    assert_eq!(tick(&bench, ONE_ROUND), (0, false));
    assert_eq!(bench.db.core.stats.expired_keys.load(Ordering::Relaxed), 500);
    assert_totals(&bench.db);
    bench.assert_replays();
}

#[test]
fn a_crowded_slot_is_walked_in_stretches_within_the_budget() {
    let bench = Bench::new();
    for n in 0..5000 {
        bench.ask(&format!("SET {{x}}soon{n} v PX 10"));
        bench.ask(&format!("SET {{x}}late{n} v PX 70000"));
    }
    bench.advance_ms(11);
    let (mut deleted, mut calls) = (0, 0);
    loop {
        let (expired, more) = tick(&bench, 1000);
        assert!(expired <= 1300, "a budget of 1000 deleted {expired}");
        deleted += expired;
        calls += 1;
        if !more {
            break;
        }
        assert!(calls < 100, "it ends");
    }
    assert_eq!(deleted, 5000);
    assert!(calls >= 8, "10000 entries at 1000 a call took {calls} calls");
    assert_eq!(next_expiry(&bench.db, "{x}"), START.0 + 70_000, "the hint tells of those that are left");
}

#[test]
fn a_slot_with_nothing_due_is_not_walked() {
    let bench = Bench::new();
    for n in 0..3000 {
        bench.ask(&format!("SET {{x}}{n} v PX 70000"));
    }
    bench.ask("SET {x}soon v PX 10");
    bench.advance_ms(11);
    assert_eq!(tick(&bench, ONE_ROUND), (1, false));
    // A budget far below the slot's keys suffices for a round now.
    assert_eq!(tick(&bench, 10), (0, false));
}

#[test]
fn what_comes_in_behind_a_walk_is_not_forgotten() {
    let bench = Bench::new();
    for n in 0..2000 {
        bench.ask(&format!("SET {{x}}{n} v PX 70000"));
    }
    bench.ask("SET {x}soon v PX 10");
    bench.advance_ms(11);
    assert!(tick(&bench, 500).1, "the walk is interrupted");
    for n in 0..50 {
        bench.ask(&format!("SET {{x}}{n} v PX 5"));
    }
    bench.advance_ms(6);
    while tick(&bench, 500).1 {}
    assert!(!tick(&bench, ONE_ROUND).1);
    assert_eq!(bench.db.db_size(), 1950);
}

#[test]
fn a_swap_of_databases_in_the_middle_of_a_walk_loses_nothing() {
    let bench = Bench::new();
    for n in 0..2000 {
        bench.ask(&format!("SET {{x}}{n} v PX {}", 10 + n % 2 * 10));
    }
    bench.advance_ms(11);
    assert!(tick(&bench, 500).1, "the walk is interrupted");
    bench.ask("SWAPDB 0 2");
    bench.advance_ms(10);
    while tick(&bench, 500).1 {}
    assert!(contents(&bench.db).is_empty());
    assert_totals(&bench.db);
    bench.assert_replays();
}

#[test]
fn every_database_is_kept() {
    let bench = Bench::new();
    for db in 1..16 {
        bench.ask("SET k v PX 10");
        bench.ask(&format!("MOVE k {db}"));
    }
    bench.batches();
    bench.advance_ms(11);
    assert_eq!(tick(&bench, ONE_ROUND), (15, false));
    let mut databases: Vec<u16> = bench.batches().iter().map(|batch| batch.db).collect();
    databases.sort_unstable();
    assert_eq!(databases, (1..16).collect::<Vec<_>>());
    bench.assert_replays();
}

#[test]
fn writes_do_a_share_of_the_housekeeping() {
    let bench = Bench::new();
    for n in 0..200 {
        bench.ask(&format!("SET due{n} v PX 10"));
    }
    bench.advance_ms(11);
    for _ in 0..64 * 2000 {
        bench.db.set("busy", "v").unwrap();
    }
    assert_eq!(bench.db.db_size(), 1, "nobody called tick");
}

#[test]
fn housekeeping_can_be_switched_off() {
    let bench = Bench::new();
    bench.ask("SET k v PX 10");
    bench.advance_ms(11);
    bench.db.options().active_expire.store(false, Ordering::Relaxed);
    assert_eq!(tick(&bench, ONE_ROUND), (0, false));
    assert_eq!(bench.db.db_size(), 1);
    assert_eq!(bench.ask("GET k"), "$-1\r\n", "access deletes it still");
    assert_eq!(bench.db.db_size(), 0);
}

#[test]
fn while_clients_are_paused_due_keys_are_hidden() {
    for mode in [PauseMode::Write, PauseMode::All] {
        let bench = Bench::new();
        bench.ask("SET k v PX 10");
        bench.advance_ms(11);
        bench.effects();
        bench.db.core.clients.pause(UnixMillis(START.0 + 1000), mode);
        assert_eq!(bench.db.get("k").unwrap(), None);
        assert!(!bench.db.exists("k").unwrap());
        assert_eq!(bench.db.keys("*").unwrap().len(), 0);
        assert_eq!(tick(&bench, ONE_ROUND), (0, false));
        assert!(bench.effects().is_empty());
        assert_eq!(bench.db.db_size(), 1, "hidden, not deleted");
        bench.advance_ms(1000);
        assert_eq!(tick(&bench, ONE_ROUND), (1, false));
        assert_eq!(bench.effects(), ["DEL k"]);
        bench.assert_replays();
    }
}

#[test]
fn a_hidden_key_makes_room_for_what_is_stored_in_its_place() {
    let bench = Bench::new();
    bench.ask("SET k old PX 10");
    bench.ask("SET other v");
    bench.advance_ms(11);
    bench.effects();
    bench.db.set_due_keys(DueKeys::Hide);
    assert_eq!(bench.ask("GET k"), "$-1\r\n");
    assert!(bench.effects().is_empty());
    assert_eq!(bench.ask("SET k new"), "+OK\r\n");
    assert_eq!(bench.effects(), ["DEL k", "SET k new"]);
    bench.ask("SET k old PX 10");
    bench.advance_ms(11);
    bench.effects();
    assert_eq!(bench.ask("RENAME other k"), "+OK\r\n");
    assert_eq!(bench.ask("GET k"), "$1\r\nv\r\n");
    assert_totals(&bench.db);
    bench.assert_replays();
}

#[test]
fn replay_and_a_primary_see_keys_that_are_due() {
    for origin in [Origin::Replay, Origin::Primary] {
        let bench = Bench::new();
        bench.ask("SET k 41 PX 10");
        bench.advance_ms(11);
        bench.db.apply(origin, 0, &[&[b"APPEND", b"k", b"0"], &[b"RENAME", b"k", b"l"]]).unwrap();
        let all = contents(&bench.db);
        assert_eq!(all[&(0, b"l".to_vec())], (b"410".to_vec(), Some(UnixMillis(START.0 + 10))), "{origin:?}");
        assert_eq!(bench.ask("GET l"), "$-1\r\n", "a client does not");
    }
}

#[test]
fn each_database_hides_and_deletes_for_itself() {
    let bench = Bench::new();
    bench.ask("SET k v PX 10");
    bench.ask("COPY k k DB 1");
    bench.ask("PERSIST k");
    bench.advance_ms(11);
    bench.effects();
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "GET k"), "$1\r\nv\r\n");
    assert_eq!(ask(&mut s, "SELECT 1"), "+OK\r\n");
    assert_eq!(ask(&mut s, "GET k"), "$-1\r\n");
    let batches = bench.batches();
    assert_eq!((batches.len(), batches[0].db), (1, 1));
    bench.assert_replays();
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: u8, ms: Option<u16> },
    Expire { key: u8, ms: i32 },
    Persist { key: u8 },
    Rename { key: u8, to: u8 },
    Read { key: u8 },
    Wait { ms: u16 },
    Tick { budget: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u8>(), prop::option::of(0u16..300)).prop_map(|(key, ms)| Step::Set { key, ms }),
        (any::<u8>(), -50i32..300).prop_map(|(key, ms)| Step::Expire { key, ms }),
        any::<u8>().prop_map(|key| Step::Persist { key }),
        (any::<u8>(), any::<u8>()).prop_map(|(key, to)| Step::Rename { key, to }),
        any::<u8>().prop_map(|key| Step::Read { key }),
        (0u16..100).prop_map(|ms| Step::Wait { ms }),
        (1u16..200).prop_map(|budget| Step::Tick { budget }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Against a plain map of expiries: what is due is never seen, what is not due is never lost, and once nothing is
    /// changed any more the housekeeping finds all that is due.
    #[test]
    fn keys_vanish_as_in_a_plain_model(steps in prop::collection::vec(step(), 1..300)) {
        let bench = Bench::new();
        let mut model: std::collections::BTreeMap<String, Option<i64>> = Default::default();
        let name = |n: u8| if n.is_multiple_of(3) { format!("k{n}") } else { format!("{{x}}{n}") };
        for step in steps {
            let now = bench.db.now().0;
            model.retain(|_, expiry| expiry.is_none_or(|at| at >= now));
            match step {
                Step::Set { key, ms } => {
                    match ms {
                        Some(ms) => bench.ask(&format!("SET {} v PX {}", name(key), ms + 1)),
                        None => bench.ask(&format!("SET {} v", name(key))),
                    };
                    model.insert(name(key), ms.map(|ms| now + i64::from(ms) + 1));
                }
                Step::Expire { key, ms } => {
                    let is_there = bench.db.pexpire(name(key), ms.into()).unwrap();
                    prop_assert_eq!(is_there, model.contains_key(&name(key)));
                    if is_there && ms <= 0 {
                        model.remove(&name(key));
                    } else if is_there {
                        model.insert(name(key), Some(now + i64::from(ms)));
                    }
                }
                Step::Persist { key } => {
                    let had_expiry = bench.db.persist(name(key)).unwrap();
                    prop_assert_eq!(had_expiry, matches!(model.get(&name(key)), Some(Some(_))));
                    model.entry(name(key)).and_modify(|expiry| *expiry = None);
                }
                Step::Rename { key, to } => {
                    let renamed = bench.db.rename(name(key), name(to)).is_ok();
                    prop_assert_eq!(renamed, model.contains_key(&name(key)));
                    if let Some(expiry) = model.remove(&name(key)) {
                        model.insert(name(to), expiry);
                    }
                }
                Step::Read { key } => prop_assert_eq!(bench.db.exists(name(key)).unwrap(), model.contains_key(&name(key))),
                Step::Wait { ms } => bench.advance_ms(ms.into()),
                Step::Tick { budget } => drop(bench.db.tick(bench.db.now(), budget.into())),
            }
        }
        let now = bench.db.now().0;
        model.retain(|_, expiry| expiry.is_none_or(|at| at >= now));
        while bench.db.tick(bench.db.now(), 100).more {}
        bench.db.tick(bench.db.now(), ONE_ROUND);
        let left: Vec<(String, Option<i64>)> = contents(&bench.db)
            .into_iter()
            .map(|((_, key), (_, expiry))| (String::from_utf8(key).unwrap(), expiry.map(|at| at.0)))
            .collect();
        prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
