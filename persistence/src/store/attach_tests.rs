//! Logs that begin and end while their engine goes on.

use super::*;
use crate::storage::{Fault, Loss, MemoryStorage, Storage};
use keyslot_engine::Engine;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn builder() -> StoreBuilder {
    Store::builder().durability(Durability::Always)
}

/// An engine with some keys, and its saver.
fn full(disk: &MemoryStorage) -> (Engine, Saver) {
    let db = Engine::in_memory();
    for n in 0..20 {
        db.set(format!("k{n}"), n).unwrap();
    }
    (db.clone(), Saver::new(db, disk.clone()))
}

fn wait_for_base(store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !store.info().log.unwrap().has_base {
        assert!(Instant::now() < deadline, "{:?}", store.info());
        std::thread::yield_now();
    }
}

fn reopened(disk: &MemoryStorage) -> Result<(u64, Option<i64>), OpenError> {
    let db = Store::builder().storage(disk.clone()).open("/data")?;
    Ok((db.db_size(), db.get_int("n").unwrap()))
}

#[test]
fn a_log_begins_under_load_and_ends_and_begins_again() {
    let disk = MemoryStorage::new(1);
    let (db, saver) = full(&disk);
    let mut journal = None;
    for round in 0..3 {
        let stop = AtomicBool::new(false);
        let counted = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n = db.incr("n", 1).unwrap();
                }
                n
            });
            let store = builder().attach(&saver, journal.take(), "/data").unwrap();
            wait_for_base(&store);
            assert!(matches!(builder().attach(&saver, None, "/data").unwrap_err(), OpenError::Locked { .. }));
            stop.store(true, Ordering::Relaxed);
            let counted = writer.join().unwrap();
            journal = Some(store.journal().clone());
            store.detach().unwrap();
            counted
        });
        assert_eq!(reopened(&disk).unwrap(), (21, Some(counted)), "round {round}");
        db.set("without", "a log").unwrap();
        db.del("without").unwrap();
    }
}

#[test]
fn until_it_has_a_base_the_log_before_it_is_what_counts() {
    let disk = MemoryStorage::new(1);
    let old = builder().storage(disk.clone()).open("/data").unwrap();
    old.set("n", 7).unwrap();
    old.close().unwrap();
    let (db, saver) = full(&disk);
    // Without a thread nobody writes the base.
    let store = builder().without_thread().durability(Durability::Never).attach(&saver, None, "/data").unwrap();
    db.incr("n", 1).unwrap();
    store.step(1 << 40);
    assert!(!store.info().log.unwrap().has_base);
    assert!(matches!(store.reload(), Err(ReloadError::NoBase)));
    disk.crash(Loss::Nothing);
    drop(store);
    assert_eq!(reopened(&disk).unwrap(), (1, Some(7)));
    let (db, saver) = full(&disk);
    let store = builder().without_thread().durability(Durability::Never).attach(&saver, None, "/data").unwrap();
    db.incr("n", 1).unwrap();
    store.compact().unwrap();
    assert!(store.info().log.unwrap().has_base);
    store.detach().unwrap();
    assert_eq!(reopened(&disk).unwrap(), (21, Some(1)));
    let names: Vec<String> = disk.list("/data/appendonlydir".as_ref()).unwrap().into_iter().map(|f| f.name).collect();
    assert_eq!(names.len(), 3, "manifest, base, one file: {names:?}");
}

/// Attaches a log in the place of an older one, while the disk fails. Whether all went well.
fn replace_log(disk: &MemoryStorage, fault: impl FnOnce(u64) -> Fault) -> bool {
    let old = builder().storage(disk.clone()).open("/data").unwrap();
    old.set("n", 7).unwrap();
    old.close().unwrap();
    let (db, saver) = full(disk);
    disk.plan(fault(disk.calls()));
    let attached = builder().without_thread().durability(Durability::Never).attach(&saver, None, "/data");
    attached.is_ok_and(|store| {
        let is_saved = db.set("n", 9).is_ok() && store.compact().is_ok();
        store.detach().is_ok() && is_saved
    })
}

/// Strikes at every call until one is too late.
fn strike_everywhere(fault: impl Fn(u64) -> Fault) {
    for call in 0.. {
        let loss = [Loss::All, Loss::Random, Loss::Nothing][call as usize % 3];
        let disk = MemoryStorage::new(call);
        let is_whole = replace_log(&disk, |from| fault(from + call));
        disk.crash(loss);
        let context = format!("fault at {call}, {loss:?}");
        let found = reopened(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(found == (21, Some(9)) || !is_whole && found == (1, Some(7)), "{context}: {found:?}");
        if is_whole {
            assert!(call > 5, "the workload has calls");
            return;
        }
    }
}

#[test]
fn power_may_fail_while_a_log_takes_the_place_of_another() {
    strike_everywhere(Fault::PowerFails);
}

#[test]
fn every_call_may_return_an_error_while_a_log_takes_the_place_of_another() {
    strike_everywhere(Fault::CallFails);
}

#[test]
fn a_log_is_read_again_into_its_engine() {
    let disk = MemoryStorage::new(1);
    let store = builder().storage(disk.clone()).open("/data").unwrap();
    for n in 0..50 {
        store.set(format!("k{n}"), n).unwrap();
    }
    store.compact().unwrap();
    store.del("k1").unwrap();
    store.del("k2").unwrap();
    let end = store.position();
    store.reload().unwrap();
    assert_eq!((store.db_size(), store.get_int("k3").unwrap(), store.position()), (48, Some(3), end));
    assert_eq!(store.saver().status().unsaved_changes, 0);
    store.set("after", "it").unwrap();
    store.close().unwrap();
    assert_eq!(reopened(&disk).unwrap().0, 49);
}

#[test]
fn an_engine_that_is_there_is_filled() {
    let disk = MemoryStorage::new(1);
    let old = builder().storage(disk.clone()).open("/data").unwrap();
    old.set("n", 7).unwrap();
    old.close().unwrap();
    let db = Engine::in_memory();
    let saver = Saver::new(db.clone(), disk.clone());
    let store = builder().saver(saver.clone()).open("/data").unwrap();
    assert_eq!((db.get_int("n").unwrap(), saver.status().unsaved_changes), (Some(7), 0));
    db.set("m", 1).unwrap();
    store.close().unwrap();
    assert_eq!(reopened(&disk).unwrap().0, 2);
}
