//! Stores that serve before they are loaded hold what they would hold if they had loaded everything first.

use super::*;
use crate::recovery::Recovery;
use crate::saving::LogBase;
use crate::storage::{Fault, Loss, MemoryStorage};
use crate::{JournalOptions, LogOptions, Preallocation, StoreBuilder};
use keyslot_engine::{CommandError, Slot};
use std::collections::BTreeMap;

fn builder(disk: &MemoryStorage) -> StoreBuilder {
    let log = LogOptions { preallocation: Preallocation::None, ..LogOptions::default() };
    Store::builder().storage(disk.clone()).durability(Durability::Always).log(log).without_thread()
}

fn ask(db: &Store, request: &str) -> String {
    format!("{:?}", db.call(&request.split(' ').collect::<Vec<_>>()))
}

/// What is due is done at once: nobody has to wait for a thread that is not there.
fn write(db: &Store, request: &str) {
    db.options().set_ack(Ack::Memory);
    let reply = ask(db, request);
    assert!(!reply.contains("Error"), "{request}: {reply}");
}

fn digest(db: &Store) -> String {
    ask(db, "DEBUG DIGEST")
}

/// Values of all types: some in the base, some changed behind it, some new.
fn written(disk: &MemoryStorage, base: LogBase) -> String {
    let db = builder(disk).log_base(base).open("/data").unwrap();
    for n in 0..300 {
        write(&db, &format!("SET string:{n} {n}"));
        write(&db, &format!("HSET hash:{} f{n} v", n % 40));
        write(&db, &format!("RPUSH list:{} {n}", n % 30));
        write(&db, &format!("ZADD zset:{} {n} m{n}", n % 20));
        write(&db, &format!("XADD stream:{} {}-1 f v", n % 10, n + 1));
    }
    write(&db, "COPY string:7 moved DB 5");
    db.compact().unwrap();
    for n in 0..300 {
        write(&db, &format!("APPEND string:{} +", n * 7 % 400));
        write(&db, &format!("LPOP list:{}", n % 30));
        write(&db, &format!("SADD set:{} {n}", n % 25));
    }
    db.atomic("{t}", |turn| {
        turn.set("{t}1", "both")?;
        turn.set("{t}2", "both")
    })
    .unwrap();
    write(&db, "DEL string:9 zset:3");
    let digest = digest(&db);
    db.close().unwrap();
    digest
}

#[test]
fn a_store_answers_before_it_is_loaded() {
    for base in [LogBase::default(), LogBase::Commands] {
        let disk = MemoryStorage::new(3);
        let expected = written(&disk, base.clone());
        let db = builder(&disk).instant(true).open("/data").unwrap();
        let cold = db.cold_slots();
        assert!(cold > 400 && cold == db.recovery().cold_slots, "{}", db.recovery());
        assert_eq!(db.get("string:14").unwrap().as_deref(), Some(&b"14+"[..]), "{base:?}");
        assert_eq!(db.cold_slots(), cold - 1, "one slot was touched");
        // What is written before a slot is loaded comes on top of what it held.
        write(&db, "APPEND string:21 !");
        assert_eq!(db.get("string:21").unwrap().as_deref(), Some(&b"21+!"[..]));
        write(&db, "SETRANGE string:21 3 ");
        write(&db, "SET string:21 21+");
        assert_eq!(digest(&db), expected, "{base:?}");
        assert_eq!(db.cold_slots(), 0);
        db.close().unwrap();
        let db = builder(&disk).open("/data").unwrap();
        assert_eq!(digest(&db), expected);
    }
}

#[test]
fn steps_load_what_nobody_touches() {
    let disk = MemoryStorage::new(3);
    let expected = written(&disk, LogBase::default());
    let db = builder(&disk).instant(true).open("/data").unwrap();
    let mut steps = 0;
    while db.cold_slots() > 0 {
        assert!(db.step(steps).is_some(), "there is more to do");
        steps += 1;
    }
    assert!(steps > 100, "{steps} steps");
    assert_eq!(digest(&db), expected);
}

#[test]
fn threads_load_what_nobody_touches() {
    let disk = MemoryStorage::new(3);
    let expected = written(&disk, LogBase::default());
    let log = LogOptions { preallocation: Preallocation::None, ..LogOptions::default() };
    let db = Store::builder().storage(disk.clone()).log(log).instant(true).open("/data").unwrap();
    while db.cold_slots() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(digest(&db), expected);
    db.compact().unwrap();
    drop(db);
    // A store that is dropped while it loads is closed in good order.
    drop(Store::builder().storage(disk.clone()).log(log).instant(true).open("/data").unwrap());
    let db = builder(&disk).open("/data").unwrap();
    assert!(db.recovery().clean);
    assert_eq!(digest(&db), expected);
}

#[test]
fn a_log_that_cannot_be_sorted_is_loaded_at_once() {
    for barrier in ["FLUSHALL", "SWAPDB 0 5", "MSET a 1 b 2"] {
        let disk = MemoryStorage::new(3);
        written(&disk, LogBase::default());
        let db = builder(&disk).open("/data").unwrap();
        write(&db, barrier);
        write(&db, "SET after x");
        let expected = digest(&db);
        db.close().unwrap();
        let db = builder(&disk).instant(true).open("/data").unwrap();
        let is_sorted = db.recovery().cold_slots > 0;
        // An effect touches one slot: those of MSET are one for each key.
        assert_eq!(is_sorted, barrier.starts_with("MSET"), "{barrier}");
        assert_eq!(digest(&db), expected, "{barrier}");
    }
    let disk = MemoryStorage::new(3);
    let expected = written(&disk, LogBase::Rdb(crate::rdb::RdbOptions::default()));
    let db = builder(&disk).instant(true).open("/data").unwrap();
    assert_eq!((db.cold_slots(), digest(&db)), (0, expected), "an RDB is loaded whole");
}

#[test]
fn a_compaction_of_a_cold_store_holds_everything() {
    let disk = MemoryStorage::new(3);
    let expected = written(&disk, LogBase::default());
    let db = builder(&disk).instant(true).open("/data").unwrap();
    db.compact().unwrap();
    assert_eq!(db.cold_slots(), 0);
    db.close().unwrap();
    let db = builder(&disk).open("/data").unwrap();
    assert_eq!((digest(&db), db.recovery().commands), (expected, 0));
}

#[test]
fn a_damaged_slot_answers_an_error_and_is_never_written_over() {
    let disk = MemoryStorage::new(3);
    written(&disk, LogBase::default());
    let base = disk.files().into_iter().find(|file| file.to_str().unwrap().ends_with(".keyslot")).unwrap();
    let mut bytes = disk.contents(&base).unwrap();
    let at = bytes.windows(9).position(|window| window == b"string:50").unwrap();
    bytes[at] ^= 1;
    disk.put(&base, &bytes);
    let error = builder(&disk).open("/data").unwrap_err().to_string();
    assert!(error.contains("slot "), "{error}");
    let db = builder(&disk).instant(true).open("/data").unwrap();
    let refused = db.get("string:50").unwrap_err();
    assert!(
        matches!(&refused, CommandError::SlotUnreadable { slot, .. } if *slot == Slot::of(b"string:50")),
        "{refused}"
    );
    assert_eq!(db.get("string:51").unwrap().as_deref(), Some(&b"51+"[..]));
    let error = db.compact().unwrap_err();
    assert!(matches!(error, SaveError::SlotUnreadable { .. }), "{error}");
    let error = db.saver().save_rdb(Path::new("/data/dump.rdb"), crate::rdb::RdbOptions::default()).unwrap_err();
    assert!(matches!(error, SaveError::SlotUnreadable { .. }), "{error}");
    assert_eq!(disk.contents(&base).unwrap(), bytes);
    db.close().unwrap();
    let db = builder(&disk).recovery(Recovery::Salvage).instant(true).open("/data").unwrap();
    assert_eq!(db.get("string:50"), Ok(None), "it stood behind the damage");
    db.compact().unwrap();
}

type State = BTreeMap<String, Vec<u8>>;

const KEYS: [&str; 4] = ["a", "b", "{c}1", "{c}2"];

fn crashing(disk: &MemoryStorage) -> StoreBuilder {
    let log = LogOptions { file_size_bytes_max: 900, preallocation: Preallocation::None, preallocation_bytes_max: 0 };
    let journal = JournalOptions { chunk_size_bytes: 512, group_size_bytes: 200, ..JournalOptions::default() };
    Store::builder().storage(disk.clone()).log(log).journal(journal).without_thread().instant(true)
}

fn state_of(db: &Store) -> State {
    db.options().set_ack(Ack::Memory);
    KEYS.iter().filter_map(|key| Some((key.to_string(), db.get(key).unwrap()?.to_vec()))).collect()
}

/// Opens, changes, compacts, closes; returns the states with their offsets, and what was durable.
fn run(disk: &MemoryStorage, from: usize) -> (Vec<(Offset, State)>, Offset) {
    let (mut states, mut durable) = (Vec::new(), Offset(0));
    let Ok(db) = crashing(disk).open("/data") else { return (states, durable) };
    states.push((db.position(), state_of(&db)));
    for number in from..from + 9 {
        let value = format!("{number}{}", "x".repeat(number * 7 % 90));
        // Refused writes change nothing.
        let _ = match number % 3 {
            0 => db.set("a", &value),
            1 => db.append("b", "y").map(drop),
            _ => db.atomic("{c}", |turn| {
                turn.set("{c}1", &value)?;
                turn.set("{c}2", &value)
            }),
        };
        states.push((db.position(), state_of(&db)));
        db.step(number as u64 * 2_000_000_000);
        if number % 4 == 3 {
            // It fails where the disk does.
            let _ = db.compact();
        }
        durable = db.journal().durable();
    }
    if db.close().is_ok() {
        durable = states.last().map_or(durable, |(end, _)| *end);
    }
    (states, durable)
}

fn check(disk: &MemoryStorage, (states, durable): &(Vec<(Offset, State)>, Offset), context: &str) {
    let db = crashing(disk).open("/data").unwrap_or_else(|error| panic!("{context}: {error}"));
    let end = db.recovery().end;
    assert!(end >= *durable, "{context}: recovered to {end}, {durable} was durable");
    if let Some((_, expected)) = states.iter().find(|(offset, _)| *offset == end) {
        assert_eq!(&state_of(&db), expected, "{context}");
    } else {
        assert!(states.is_empty(), "{context}: {end} is within a batch");
    }
}

#[test]
fn the_disk_may_fail_at_every_call() {
    let calls = {
        let disk = MemoryStorage::new(1);
        let whole = run(&disk, 0);
        check(&disk, &whole, "whole");
        assert!(disk.files().iter().any(|file| file.to_str().unwrap().ends_with(".base.keyslot")));
        disk.calls()
    };
    for call in 0..calls {
        for (fault, loss) in [
            (Fault::PowerFails(call), Loss::All),
            (Fault::PowerFails(call), Loss::Random),
            (Fault::CallFails(call), Loss::Nothing),
            (Fault::CallFindsDiskFull(call), Loss::Random),
            (Fault::SyncFails(call), Loss::All),
        ] {
            let context = format!("{fault:?} {loss:?}");
            let disk = MemoryStorage::new(call);
            disk.plan(fault);
            let first = run(&disk, 0);
            disk.crash(loss);
            check(&disk, &first, &context);
            if call % 10 == 0 {
                let second = run(&disk, 9);
                assert_eq!(second.0.len(), 10, "{context}");
                check(&disk, &second, &format!("{context}, a second life"));
            }
        }
    }
}
