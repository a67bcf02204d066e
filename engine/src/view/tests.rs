//! What a view promises: nothing of it changes, it is a prefix of the journal, and it gives its memory back.

use super::View;
use crate::command::testing::{Bench, Contents, add_content, assert_totals, contents};
use crate::{CommandError, Engine, Slot};
use std::sync::atomic::{AtomicBool, Ordering};

fn contents_of(view: &View) -> Contents {
    let mut all = Contents::new();
    for slot in Slot::all().map(|slot| view.slot(slot)) {
        assert_eq!(slot.iter().count(), slot.len());
        slot.iter().for_each(|entry| add_content(&mut all, entry.db(), entry.entry()));
    }
    all
}

/// A value of every type, small and large.
fn fill(bench: &Bench) {
    for n in 0..150 {
        bench.ask(&format!("RPUSH list {n:0>100}"));
        bench.ask(&format!("SADD set member:{n}"));
        bench.ask(&format!("HSET hash field:{n} value:{n}"));
        bench.ask(&format!("ZADD sorted {n} member:{n}"));
        bench.ask(&format!("XADD stream {n}-1 field value:{n}"));
        bench.ask(&format!("SET string:{n} {n} PX {}", 1000 + n));
    }
    for request in [
        "SADD numbers 1 2 3",
        "RPUSH short a b",
        "HSET few f v",
        "ZADD few:sorted 1 a",
        "PFADD sketch a b c",
        "SET k v",
    ] {
        bench.ask(request);
    }
    bench.ask("XGROUP CREATE stream group 5-1");
    bench.ask("XREADGROUP GROUP group ada COUNT 3 STREAMS stream >");
    bench.ask("SELECT 3");
    bench.db.call(&["COPY", "hash", "hash", "DB", "3"]);
    bench.db.call(&["FUNCTION", "LOAD", "#!lua name=one\nredis.register_function('f', function() end)"]);
}

const CHANGES: [&str; 27] = [
    "LSET list 90 changed",
    "LPOP list",
    "RPOP list 30",
    "SREM set member:7",
    "SADD set new",
    "SPOP set 50",
    "HSET hash field:1 changed",
    "HDEL hash field:2",
    "HPEXPIRE hash 5000 FIELDS 1 field:3",
    "ZADD sorted 1000 member:3",
    "ZREM sorted member:4",
    "ZPOPMIN sorted 50",
    "ZINCRBY sorted 5 member:100",
    "XADD stream 5000-1 f v",
    "XDEL stream 80-1",
    "XTRIM stream MAXLEN 100",
    "SADD numbers 4 x",
    "RPUSH short c",
    "HSET few f w",
    "ZADD few:sorted 2 a",
    "PFADD sketch d e",
    "APPEND k more",
    "SETRANGE string:1 3 x",
    "PERSIST string:2",
    "RENAME string:3 other",
    "SWAPDB 0 3",
    "FLUSHALL",
];

#[test]
fn nothing_that_happens_later_is_seen() {
    let bench = Bench::new();
    fill(&bench);
    let (before, view) = (contents(&bench.db), bench.db.view());
    assert!(contents_of(&view) == before, "it shows what is there");
    let mut now = before.clone();
    for change in CHANGES {
        bench.ask(change);
        let last = std::mem::replace(&mut now, contents(&bench.db));
        assert!(last != now, "{change} changes something");
        assert!(contents_of(&view) == before, "{change} is not seen");
    }
    bench.db.call(&["FUNCTION", "FLUSH"]);
    assert_eq!(view.libraries().count(), 1);
    assert_eq!(view.sizes(0).expires, 150);
    assert_eq!(view.sizes(3).keys, 1);
    fill(&bench);
    bench.advance_ms(1100);
    while bench.db.tick(bench.db.now(), 100_000).expired > 0 {}
    assert!(contents_of(&view) == before, "expiry is not seen");
    drop(view);
    assert_totals(&bench.db);
    bench.assert_replays();
}

#[test]
fn a_plain_overwrite_is_not_seen() {
    let db = Engine::in_memory();
    db.set("k", "before").expect("a fresh engine");
    let (first, _) = (db.view(), db.set("k", "after!"));
    let (second, _) = (db.view(), db.set("k", "later!"));
    for (view, value) in [(first, "before"), (second, "after!")] {
        let slot = view.take_slot(Slot::of(b"k"));
        let entry = slot.iter().next().expect("the key was there");
        assert_eq!(entry.as_string(), Some(crate::StrRef::Bytes(value.as_bytes())));
        assert!(view.slot(Slot::of(b"k")).is_empty(), "it was taken");
    }
}

#[test]
fn an_atomic_that_fails_leaves_a_view_as_it_was() {
    let db = Engine::in_memory();
    db.set("{a}1", "x").expect("a fresh engine");
    let view = db.view();
    let failed = db.atomic("{a}1", |tx| {
        tx.set("{a}1", "y")?;
        tx.set("{a}2", "z")?;
        Err::<(), _>(CommandError::WrongType)
    });
    assert!(failed.is_err());
    assert_eq!(contents_of(&view), contents(&db));
}

#[test]
fn what_only_a_view_held_is_freed_with_it() {
    let db = Engine::in_memory();
    let slot = Slot::of(b"k");
    db.set("k", "x".repeat(40)).expect("a fresh engine");
    let is_unique = |db: &Engine| {
        let guard = db.core.slots.lock(slot);
        guard.state.first().iter().all(|entry| entry.is_unique())
    };
    let view = db.view();
    db.append("k", "y").expect("a string");
    db.set("{k}2", "z").expect("a fresh engine");
    assert!(is_unique(&db), "the changed entry is the engine's own");
    let taken = view.take_slot(slot);
    db.expire("{k}2", 100).expect("a key");
    drop(taken);
    drop(view);
    assert!(is_unique(&db));
    assert_totals(&db);
}

/// Money moves between accounts in several slots while views are taken: none shows a move half made, each is the journal up to
/// its offset, and eras never go back.
#[test]
fn every_batch_is_wholly_in_or_out_under_load() {
    const ACCOUNTS: usize = 24;
    let bench = Bench::new();
    let name = |n: usize| format!("account:{n}");
    let start: Vec<String> = (0..ACCOUNTS).map(|n| format!("{} 100", name(n))).collect();
    bench.ask(&format!("MSET {}", start.join(" ")));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..3usize {
            let (db, stop) = (&bench.db, &stop);
            scope.spawn(move || {
                let mut state = worker as u64 + 1;
                let mut pick = |below: usize| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    ((state >> 33) % below as u64) as usize
                };
                for round in 0..600 {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let (from, to) = (name(pick(ACCOUNTS)), name(pick(ACCOUNTS)));
                    let moved = db.atomic_many(&[&from, &to], |tx| {
                        tx.decr(&from, 7)?;
                        tx.incr(&to, 7)
                    });
                    moved.expect("accounts are numbers");
                    db.rpush(format!("log:{}", pick(100)), format!("{round}")).expect("a list");
                    if worker == 0 && round % 100 == 99 {
                        // Everything at once, and back: a view shows all accounts or none.
                        let all: Vec<String> = (0..ACCOUNTS).map(name).collect();
                        let refilled = db.atomic_many(&all, |tx| {
                            for account in &all {
                                tx.set(account, "100")?;
                            }
                            Ok::<(), CommandError>(())
                        });
                        refilled.expect("strings");
                    }
                    if worker == 1 && round == 300 {
                        db.call(&["FLUSHDB"]);
                        db.call(&[&["MSET".to_owned()][..], &start_words(ACCOUNTS)].concat());
                    }
                }
            });
        }
        let mut views = Vec::new();
        for _ in 0..12 {
            views.push(bench.db.view());
        }
        stop.store(true, Ordering::Relaxed);
        for view in views {
            let sum: i64 = contents_of(&view)
                .iter()
                .filter(|((_, key), _)| key.starts_with(b"account:"))
                .map(|(_, (value, _))| String::from_utf8_lossy(value).parse::<i64>().expect("a number"))
                .sum();
            assert!(sum == 0 || sum == 100 * ACCOUNTS as i64, "{sum}");
            check_prefix(&bench, &view);
        }
    });
    bench.assert_replays();
    assert!(bench.kept().is_sorted_by_key(|batch| batch.era));
}

fn start_words(accounts: usize) -> Vec<String> {
    (0..accounts).flat_map(|n| [format!("account:{n}"), "100".to_owned()]).collect()
}

fn check_prefix(bench: &Bench, view: &View) {
    assert!(contents_of(view) == contents(&bench.replayed_to(view.offset())), "offset {}", view.offset());
    for (at, batch) in bench.kept().iter().enumerate() {
        assert_eq!(batch.era >= view.era(), at as u64 >= view.offset().0, "batch {at}");
    }
}

#[test]
fn a_flushed_engine_is_still_in_its_view() {
    let db = Engine::in_memory();
    for n in 0..2_000 {
        db.set(format!("{{a}}{n}"), n).expect("a fresh engine");
    }
    let view = db.view();
    db.flushall().expect("nothing is forbidden");
    while db.tick(db.now(), 1_000).more {}
    assert_eq!(view.slot(Slot::of(b"a")).len(), 2_000);
    assert_eq!(view.slot(Slot::of(b"a")).iter().count(), 2_000);
    drop(view);
    assert_totals(&db);
}

#[test]
fn effects_part_by_part_make_a_value_anew() {
    let (bench, copy) = (Bench::new(), Bench::new());
    for n in 0..5_000 {
        bench.run(&format!("HSET {{a}}hash f{n} v{n}"));
        bench.run(&format!("SADD {{a}}set m{n}"));
    }
    bench.run("HPEXPIREAT {a}hash 1700000009000 FIELDS 2 f1 f2");
    bench.run("EXPIRE {a}set 100");
    for request in
        ["SET {a}text v EX 10", "ZADD {a}zset 1 a", "RPUSH {a}list x", "HSET {a}small f v", "XADD {a}x 1-1 f v"]
    {
        bench.run(request);
    }
    copy.run("SET {a}hash in-the-way");
    let view = bench.db.view();
    // The picture stays.
    bench.run("HDEL {a}hash f7");
    bench.run("DEL {a}set");
    let mut parts = 0;
    for entry in view.slot(Slot::of(b"a")).iter() {
        let (mut effects, mut goes_on) = (entry.effects(), true);
        while goes_on {
            let mut bytes = Vec::new();
            goes_on = effects.append_part(&mut bytes);
            assert!(bytes.len() < 64 << 10, "{} bytes", bytes.len());
            parts += 1;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (words, len) = crate::resp::parse_reply(rest).unwrap().unwrap();
                let words: Vec<_> = words.as_slice().unwrap().iter().map(|word| word.as_bytes().unwrap()).collect();
                assert!(copy.db.call(&words).as_error().is_none());
                rest = &rest[len..];
            }
        }
    }
    assert!(parts > 10, "{parts}");
    assert_eq!(contents(&copy.db), contents_of(&view));
}
