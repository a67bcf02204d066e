//! A scripted workload with rotation and bases, on a disk that fails at every single call in every way it can.

use super::rebase::rebase;
use super::*;
use crate::log::{GoesOn, LogOptions, Preallocation};
use crate::recovery::Recovery;
use crate::storage::{Access, Fault, Loss, MemoryStorage};
use crate::{JournalOptions, StoreBuilder};
use keyslot_engine::effect::encode_effect;
use std::collections::BTreeMap;

type State = BTreeMap<String, Vec<u8>>;

const OPERATIONS: usize = 18;
const KEYS: [&str; 4] = ["a", "b", "{c}1", "{c}2"];
const MS: u64 = 1_000_000;

fn builder(disk: &MemoryStorage, durability: Durability) -> StoreBuilder {
    let log = LogOptions { file_size_bytes_max: 1200, preallocation: Preallocation::None, preallocation_bytes_max: 0 };
    let journal = JournalOptions { chunk_size_bytes: 512, group_size_bytes: 200, ..JournalOptions::default() };
    Store::builder().storage(disk.clone()).durability(durability).log(log).journal(journal).without_thread()
}

fn state_of(db: &Store) -> State {
    db.options().set_ack(Ack::Memory);
    KEYS.iter().filter_map(|key| Some((key.to_string(), db.get(key).unwrap()?.to_vec()))).collect()
}

/// A base as commands: what a view of the state at the journal's end holds.
fn replace_base(db: &Store) -> Result<GoesOn, SaveError> {
    let take_view = || Ok((state_of(db), GoesOn { offset: db.position().0, era: 0 }));
    rebase(
        db.compactor.files(),
        &db.journal,
        || db.catch_up(),
        "aof",
        take_view,
        |state, _, storage, path| {
            let mut bytes = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".to_vec();
            for (key, value) in &state {
                encode_effect(&mut bytes, &[b"SET", key.as_bytes(), value]);
            }
            let mut file = storage.open(path, Access::Create).map_err(|e| FileError::new("create", path, e))?;
            file.write_at(&[&bytes], 0).map_err(|e| FileError::new("write", path, e))?;
            file.sync_data().map_err(|e| FileError::new("sync", path, e))?;
            Ok(bytes.len() as u64)
        },
    )
}

/// What the workload did before the disk failed.
#[derive(Default)]
struct Run {
    /// The states after each operation with the journal's end then; the first is that at opening.
    states: Vec<(Offset, State)>,
    durable: Offset,
    bases: usize,
}

fn run(disk: &MemoryStorage, durability: Durability, from: usize) -> Run {
    let mut run = Run::default();
    let Ok(db) = builder(disk, durability).open("/data") else { return run };
    run.states.push((db.position(), state_of(&db)));
    for number in from..from + OPERATIONS {
        let value = format!("{number}{}", "x".repeat(number * 7 % 90));
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
        if number % 4 != 3 {
            db.step(number as u64 * 400 * MS);
            db.step(number as u64 * 400 * MS + 20 * MS);
        }
        if number % 5 == 4 {
            run.bases += usize::from(replace_base(&db).is_ok());
        }
        run.durable = db.journal().durable();
    }
    if db.close().is_ok() {
        run.durable = run.states.last().unwrap().0;
    }
    run
}

fn check(disk: &MemoryStorage, run: &Run, context: &str) -> Store {
    let db = builder(disk, Durability::Always).open("/data").unwrap_or_else(|error| panic!("{context}: {error}"));
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

fn calls_of_a_whole_run(durability: Durability) -> u64 {
    let disk = MemoryStorage::new(1);
    let whole = run(&disk, durability, 0);
    assert_eq!((whole.states.len(), whole.bases), (OPERATIONS + 1, 3));
    let db = check(&disk, &whole, "whole");
    assert!(db.recovery().commands < OPERATIONS as u64, "the base stands for what is gone: {}", db.recovery());
    let names: Vec<_> = disk.files().into_iter().filter(|file| file.to_str().unwrap().contains(".base.")).collect();
    assert_eq!(names, [Path::new("/data/appendonlydir/appendonly.aof.3.base.aof")], "old bases are removed");
    disk.calls()
}

fn strike_everywhere(fault: impl Fn(u64) -> Fault, durability: Durability) {
    for call in 0..calls_of_a_whole_run(durability) {
        for (index, loss) in [Loss::Nothing, Loss::All, Loss::Random, Loss::Tail].into_iter().enumerate() {
            let context = format!("{durability:?} {:?} {loss:?}", fault(call));
            let disk = MemoryStorage::new(call * 8 + index as u64);
            disk.plan(fault(call));
            let first = run(&disk, durability, 0);
            disk.crash(loss);
            let db = check(&disk, &first, &context);
            let shown = Run { durable: db.recovery().end, ..first };
            disk.crash(Loss::All);
            drop(db);
            check(&disk, &shown, &format!("{context}, then again")).close().unwrap();
            let second = run(&disk, durability, OPERATIONS);
            assert_eq!((second.states.len(), second.bases), (OPERATIONS + 1, 4), "{context}");
            check(&disk, &second, &format!("{context}, a second life"));
        }
    }
}

#[test]
fn power_may_fail_at_every_call_of_a_base_switch() {
    strike_everywhere(Fault::PowerFails, Durability::Always);
    strike_everywhere(Fault::PowerFails, Durability::Never);
}

#[test]
fn every_call_of_a_base_switch_may_return_an_error() {
    strike_everywhere(Fault::CallFails, Durability::EverySecond);
}

#[test]
fn the_disk_may_be_full_at_every_write_of_a_base_switch() {
    strike_everywhere(Fault::CallFindsDiskFull, Durability::EverySecond);
}

#[test]
fn every_fsync_of_a_base_switch_may_fail_and_forget() {
    strike_everywhere(Fault::SyncFails, Durability::Always);
}

#[test]
fn a_disk_that_lies_about_fsync_leaves_a_prefix_or_a_named_damage() {
    for call in 0..calls_of_a_whole_run(Durability::Always) {
        let disk = MemoryStorage::new(call);
        disk.plan(Fault::SyncsLie(call));
        let first = run(&disk, Durability::Always, 0);
        disk.crash(Loss::Random);
        for recovery in [Recovery::Strict, Recovery::Salvage] {
            let disk = disk.fork(call);
            // A base or names that are lost are named; what opens is some state that was.
            if let Ok(db) = builder(&disk, Durability::Always).recovery(recovery).open("/data") {
                let state = state_of(&db);
                // Of a base that is damaged what stands is opened, and the loss is named.
                let is_named = db.recovery().cuts.iter().any(|cut| cut.loses_durable);
                let known = is_named || first.states.iter().any(|(_, known)| *known == state);
                assert!(known, "lies from {call}, {recovery:?}: {}", db.recovery());
            }
        }
    }
}
