//! Everything that a store writes, in one script: the log with rotation, bases of each kind and the manifest switches that name
//! them, an RDB and a snapshot beside it; on a disk that fails at every single call, in every way it can.
//!
//! Checked each time: the store opens; what had been reported durable is there; the state is one that was; a file that has its
//! name is whole; and the store goes on.

use keyslot_engine::{Ack, Offset};
use keyslot_persistence::rdb::{RdbOptions, check_rdb};
use keyslot_persistence::snapshot::{SnapshotProgress, WriteOptions, check_snapshot, write};
use keyslot_persistence::storage::{Fault, Loss};
use keyslot_persistence::{
    Durability, JournalOptions, LogBase, LogOptions, MemoryStorage, OpenError, Preallocation, Recovery, Store,
};
use std::collections::BTreeMap;
use std::path::Path;

type State = BTreeMap<String, Vec<u8>>;

const PATH: &str = "/data";
const RDB: &str = "/data/dump.rdb";
const SNAPSHOT: &str = "/data/copy.keyslot";
const KEYS: [&str; 4] = ["a", "b", "{c}1", "{c}2"];
const OPERATIONS: usize = 12;
const MS: u64 = 1_000_000;

fn open(disk: &MemoryStorage, recovery: Recovery) -> Result<Store, OpenError> {
    let log = LogOptions { file_size_bytes_max: 900, preallocation: Preallocation::None, preallocation_bytes_max: 0 };
    let journal = JournalOptions { chunk_size_bytes: 512, group_size_bytes: 200, ..JournalOptions::default() };
    let builder = Store::builder().storage(disk.clone()).durability(Durability::Always).log(log).journal(journal);
    let db = builder.recovery(recovery).without_thread().open(PATH)?;
    // Nobody waits here for the disk: the driver is stepped between operations.
    db.options().set_ack(Ack::Memory);
    Ok(db)
}

fn state_of(db: &Store) -> State {
    KEYS.iter().filter_map(|key| Some((key.to_string(), db.get(key).unwrap()?.to_vec()))).collect()
}

/// What the script did before the disk failed.
#[derive(Default)]
struct Run {
    /// The states after each operation with the journal's end then.
    states: Vec<(Offset, State)>,
    durable: Offset,
    saves: usize,
}

fn run(disk: &MemoryStorage) -> Run {
    let mut run = Run::default();
    let Ok(db) = open(disk, Recovery::Strict) else { return run };
    run.states.push((db.position(), state_of(&db)));
    for number in 0..OPERATIONS {
        let value = format!("{number}{}", "x".repeat(number * 37 % 190));
        // Refused writes change nothing; the model sees that by the journal's position.
        let _ = match number % 3 {
            0 => db.set("a", &value),
            1 => db.append("b", "y").map(drop),
            _ => db.atomic("{c}", |turn| {
                turn.set("{c}1", &value)?;
                turn.set("{c}2", &value)
            }),
        };
        run.states.push((db.position(), state_of(&db)));
        db.step(number as u64 * 400 * MS);
        db.step(number as u64 * 400 * MS + 20 * MS);
        run.durable = db.journal().durable();
        let options = WriteOptions { threads: 0, ..WriteOptions::default() };
        let is_saved = match number {
            2 => compact(&db, LogBase::Commands),
            4 => db.saver().save_rdb(Path::new(RDB), RdbOptions::default()).is_ok(),
            5 => compact(&db, LogBase::Rdb(RdbOptions::default())),
            7 => write(db.view(), disk, Path::new(SNAPSHOT), &options, &SnapshotProgress::new()).is_ok(),
            9 => compact(&db, LogBase::Snapshot(options)),
            _ => false,
        };
        run.saves += usize::from(is_saved);
        run.durable = db.journal().durable();
    }
    if db.close().is_ok() {
        run.durable = run.states.last().unwrap().0;
    }
    run
}

fn compact(db: &Store, base: LogBase) -> bool {
    db.set_log_base(base);
    db.compact().is_ok()
}

/// Opens the store after a crash and compares with what the script promised.
fn check(disk: &MemoryStorage, run: &Run, context: &str) -> Store {
    if let Some(file) = disk.contents(Path::new(RDB)) {
        check_rdb(&file).unwrap_or_else(|error| panic!("{context}: half an RDB: {error}"));
    }
    if let Some(file) = disk.contents(Path::new(SNAPSHOT)) {
        assert!(check_snapshot(&file).is_ok_and(|check| check.is_sound()), "{context}: half a snapshot");
    }
    let db = open(disk, Recovery::Strict).unwrap_or_else(|error| panic!("{context}: {error}"));
    let end = db.recovery().end;
    assert!(end >= run.durable, "{context}: recovered to {end}, {} was durable; {}", run.durable, db.recovery());
    if run.states.is_empty() {
        assert_eq!(db.recovery().commands, 0, "{context}");
        return db;
    }
    let (_, expected) = run.states.iter().find(|(offset, _)| *offset == end).unwrap_or_else(|| {
        panic!("{context}: {end} is within a batch");
    });
    assert_eq!(&state_of(&db), expected, "{context}: {}", db.recovery());
    db
}

fn calls_of_a_whole_run() -> u64 {
    let disk = MemoryStorage::new(1);
    let whole = run(&disk);
    assert_eq!((whole.states.len(), whole.saves), (OPERATIONS + 1, 5));
    check(&disk, &whole, "whole");
    disk.calls()
}

/// Every call is struck, by one loss after another.
fn strike_everywhere(fault: impl Fn(u64) -> Fault) {
    const LOSSES: [Loss; 4] = [Loss::Random, Loss::All, Loss::Tail, Loss::Nothing];
    for call in 0..calls_of_a_whole_run() {
        let loss = LOSSES[call as usize % LOSSES.len()];
        let context = format!("{:?} {loss:?}", fault(call));
        let disk = MemoryStorage::new(call);
        disk.plan(fault(call));
        let first = run(&disk);
        disk.crash(loss);
        let db = check(&disk, &first, &context);
        if call % 4 != 0 {
            continue;
        }
        // The store goes on.
        db.set("a", "after").unwrap();
        assert!(compact(&db, LogBase::Commands), "{context}");
        db.close().unwrap();
        assert_eq!(
            open(&disk, Recovery::Whole).unwrap().get("a").unwrap().as_deref(),
            Some(&b"after"[..]),
            "{context}"
        );
    }
}

#[test]
fn power_may_fail_at_every_call_of_every_writer() {
    strike_everywhere(Fault::PowerFails);
}

#[test]
fn every_call_of_every_writer_may_return_an_error() {
    strike_everywhere(Fault::CallFails);
}

#[test]
fn the_disk_may_be_full_at_every_write_of_every_writer() {
    strike_everywhere(Fault::CallFindsDiskFull);
}

#[test]
fn every_fsync_of_every_writer_may_fail_and_forget() {
    strike_everywhere(Fault::SyncFails);
}

#[test]
fn a_disk_that_lies_about_fsync_leaves_a_state_that_was_or_a_named_damage() {
    for call in 0..calls_of_a_whole_run() {
        let disk = MemoryStorage::new(call);
        disk.plan(Fault::SyncsLie(call));
        let first = run(&disk);
        disk.crash(Loss::Random);
        if let Ok(db) = open(&disk, Recovery::Strict) {
            let state = state_of(&db);
            let was = first.states.iter().any(|(_, known)| *known == state);
            assert!(was, "lies from {call}: {}", db.recovery());
        }
    }
}
