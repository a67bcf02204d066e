//! A scripted workload on a disk that fails at every single call, in every way it can; then the store is opened again.
//!
//! Checked each time: the store opens; what had been reported durable is there; the state is that after some prefix of
//! the workload, whole batches only; and it still is after another crash.

use keyslot_engine::{Ack, EffectSink, Offset};
use keyslot_persistence::storage::{Fault, Loss};
use keyslot_persistence::{
    Durability, JournalOptions, LogOptions, MemoryStorage, OpenError, Preallocation, Recovery, Store, StoreBuilder,
};
use std::collections::BTreeMap;

type State = BTreeMap<String, Vec<u8>>;

const PATH: &str = "/data";
const OPERATIONS: usize = 14;
const KEYS: [&str; 4] = ["a", "b", "{c}1", "{c}2"];

fn builder(disk: &MemoryStorage, durability: Durability, preallocation: Preallocation) -> StoreBuilder {
    let log = LogOptions { file_size_bytes_max: 1000, preallocation, preallocation_bytes_max: 2048 };
    let journal = JournalOptions { chunk_size_bytes: 512, group_size_bytes: 200, ..JournalOptions::default() };
    Store::builder().storage(disk.clone()).durability(durability).log(log).journal(journal).without_thread()
}

/// Changes the store by the operation with this number; the third kind changes two keys at once.
fn operate(db: &Store, number: usize) {
    // Nobody waits here for the disk: the driver is stepped between operations.
    db.options().set_ack(Ack::Memory);
    let value = format!("{number}{}", "x".repeat(number * 7 % 90));
    let outcome = match number % 3 {
        0 => db.set("a", &value),
        1 => db.set("b", &value),
        _ => db.atomic("{c}", |turn| {
            turn.set("{c}1", &value)?;
            turn.set("{c}2", &value)
        }),
    };
    // Refused writes change nothing; the model sees that by the journal's position.
    let _ = outcome;
}

fn state_of(db: &Store) -> State {
    db.options().set_ack(Ack::Memory);
    let present = KEYS.iter().filter_map(|key| Some((key.to_string(), db.get(key).unwrap()?.to_vec())));
    present.collect()
}

/// What the workload did before the disk failed.
#[derive(Default)]
struct Run {
    /// The states after each operation with the journal's end then; the first is the empty one.
    states: Vec<(Offset, State)>,
    /// Up to where the journal was reported durable.
    durable: Offset,
}

/// Runs the workload as far as the disk allows.
fn run(open: impl FnOnce() -> Result<Store, OpenError>, from: usize) -> Run {
    let mut run = Run::default();
    let Ok(db) = open() else { return run };
    run.states.push((db.position(), state_of(&db)));
    for number in from..from + OPERATIONS {
        operate(&db, number);
        run.states.push((db.position(), state_of(&db)));
        if number % 4 != 3 {
            db.step(number as u64 * 400_000_000);
            db.step(number as u64 * 400_000_000 + 20_000_000);
        }
        run.durable = db.journal().durable();
    }
    if db.close().is_ok() {
        run.durable = run.states.last().unwrap().0;
    }
    run
}

/// Opens the store after a crash and compares with what `run` promised.
fn check(disk: &MemoryStorage, run: &Run, context: &str) -> Store {
    let db = builder(disk, Durability::Always, Preallocation::None)
        .recovery(Recovery::Strict)
        .open(PATH)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let end = db.recovery().end;
    assert!(end >= run.durable, "{context}: recovered to {end}, {} was durable; {}", run.durable, db.recovery());
    if run.states.is_empty() {
        assert_eq!(db.recovery().commands, 0, "{context}");
        return db;
    }
    let prefix = run.states.iter().find(|(offset, _)| *offset == end);
    let (_, expected) = prefix.unwrap_or_else(|| panic!("{context}: {end} is within a batch"));
    assert_eq!(&state_of(&db), expected, "{context}: {}", db.recovery());
    db
}

const LOSSES: [Loss; 6] = [Loss::Nothing, Loss::All, Loss::Random, Loss::Tail, Loss::Nothing, Loss::Nothing];

fn calls_of_a_whole_run(durability: Durability, preallocation: Preallocation) -> u64 {
    let disk = MemoryStorage::new(1);
    let whole = run(|| builder(&disk, durability, preallocation).open(PATH), 0);
    assert_eq!(whole.states.len(), OPERATIONS + 1);
    let files = disk.files().len();
    assert!(files > 3, "the workload rotates: {files} files");
    disk.calls()
}

fn strike_everywhere(fault: impl Fn(u64) -> Fault, durability: Durability, preallocation: Preallocation) {
    for call in 0..calls_of_a_whole_run(durability, preallocation) {
        for (index, loss) in LOSSES.into_iter().enumerate() {
            let context = format!("{durability:?} {preallocation:?} {:?} {loss:?}", fault(call));
            let disk = MemoryStorage::new(call * 8 + index as u64);
            disk.plan(fault(call));
            let first = run(|| builder(&disk, durability, preallocation).open(PATH), 0);
            disk.crash(loss);
            let db = check(&disk, &first, &context);
            // Opening made durable what it shows: a crash right after takes nothing back.
            let shown = Run { durable: db.recovery().end, ..first };
            disk.crash(Loss::All);
            drop(db);
            let db = check(&disk, &shown, &format!("{context}, then again"));
            let end = shown.durable;
            assert_eq!(db.recovery().end, end, "{context}");
            db.close().unwrap();
            // And the store goes on.
            let second = run(|| builder(&disk, durability, preallocation).open(PATH), OPERATIONS);
            assert_eq!(second.states.len(), OPERATIONS + 1, "{context}");
            check(&disk, &second, &format!("{context}, a second life"));
        }
    }
}

#[test]
fn power_may_fail_at_every_call() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Never] {
        strike_everywhere(Fault::PowerFails, durability, Preallocation::None);
    }
    strike_everywhere(Fault::PowerFails, Durability::Always, Preallocation::Zeros);
}

#[test]
fn every_call_may_return_an_error() {
    for durability in [Durability::Always, Durability::EverySecond] {
        strike_everywhere(Fault::CallFails, durability, Preallocation::Reserve);
    }
}

#[test]
fn the_disk_may_be_full_at_every_write() {
    strike_everywhere(Fault::CallFindsDiskFull, Durability::Always, Preallocation::Zeros);
    strike_everywhere(Fault::CallFindsDiskFull, Durability::EverySecond, Preallocation::None);
}

#[test]
fn every_fsync_may_fail_and_forget() {
    for durability in [Durability::Always, Durability::EverySecond] {
        strike_everywhere(Fault::SyncFails, durability, Preallocation::None);
    }
}

#[test]
fn a_disk_of_any_size_may_be_full() {
    for size in (0..9000).step_by(61) {
        let context = format!("a disk of {size} bytes");
        let disk = MemoryStorage::new(size);
        disk.plan(Fault::DiskHolds(size));
        let first = run(|| builder(&disk, Durability::Always, Preallocation::Zeros).open(PATH), 0);
        disk.crash(Loss::Tail);
        check(&disk, &first, &context);
    }
}

#[test]
fn power_may_fail_at_every_call_of_recovery_too() {
    for call in (5..calls_of_a_whole_run(Durability::Always, Preallocation::None)).step_by(7) {
        let disk = MemoryStorage::new(call);
        disk.plan(Fault::PowerFails(call));
        let first = run(|| builder(&disk, Durability::Always, Preallocation::None).open(PATH), 0);
        disk.crash(Loss::Random);
        let mut calls = None;
        for second_call in 0.. {
            let again = disk.fork(call + second_call);
            if calls.is_some_and(|calls| second_call >= calls) {
                break;
            }
            again.plan(Fault::PowerFails(second_call));
            let opened = builder(&again, Durability::Always, Preallocation::None).open(PATH);
            if opened.is_ok() {
                calls.get_or_insert(again.calls());
            }
            again.crash(Loss::Random);
            drop(opened);
            check(&again, &first, &format!("power fails at {call}, then at {second_call} of recovery"));
        }
    }
}

#[test]
fn a_disk_that_lies_about_fsync_leaves_a_prefix() {
    let calls = calls_of_a_whole_run(Durability::Always, Preallocation::None);
    for call in 0..calls {
        let disk = MemoryStorage::new(call);
        disk.plan(Fault::SyncsLie(call));
        let first = run(|| builder(&disk, Durability::Always, Preallocation::None).open(PATH), 0);
        disk.crash(Loss::Random);
        let open = |recovery| builder(&disk, Durability::Always, Preallocation::None).recovery(recovery).open(PATH);
        let db = match open(Recovery::Strict) {
            Ok(db) => db,
            Err(OpenError::Corrupt { .. }) => open(Recovery::Salvage).unwrap(),
            // The names were lost as well, and their absence is named.
            Err(OpenError::UnlistedFile { .. } | OpenError::MissingFile { .. } | OpenError::Manifest { .. }) => {
                continue;
            }
            Err(error) => panic!("lies from {call}: {error}"),
        };
        let end = db.recovery().end;
        let expected = first.states.iter().find(|(offset, _)| *offset == end);
        match expected {
            Some((_, expected)) => assert_eq!(&state_of(&db), expected, "lies from {call}"),
            None => panic!("lies from {call}: {end} is within a batch"),
        }
    }
}

#[test]
fn the_journal_ends_where_the_log_was_read_to() {
    let disk = MemoryStorage::new(9);
    let first = run(|| builder(&disk, Durability::EverySecond, Preallocation::None).open(PATH), 0);
    let db = check(&disk, &first, "closed");
    assert!(db.recovery().clean);
    assert_eq!(db.journal().end(), first.durable);
}
