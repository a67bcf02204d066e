//! What a saver promises: whole files or the old ones, one at a time, and the truth about how it went.

use super::*;
use crate::rdb::{RdbEvent, RdbReader};
use crate::storage::{Access, Fault, Loss, MemoryStorage, Storage};
use keyslot_engine::UnixMillis;
use keyslot_engine::payload::Part;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

const PATH: &str = "/data/dump.rdb";

fn disk() -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    disk.create_dir(Path::new("/data")).expect("a fresh disk");
    disk.sync_dir(Path::new("/data")).expect("a fresh disk");
    disk
}

/// The keys of the file, sorted; `None` if there is no file.
fn keys_of(disk: &MemoryStorage) -> Option<Vec<String>> {
    let file = disk.open(Path::new(PATH), Access::Read).ok()?;
    let mut bytes = vec![0; file.size_bytes().expect("an open file") as usize];
    let count = file.read_at(&mut bytes, 0).expect("an open file");
    assert_eq!(count, bytes.len());
    let (mut keys, mut reader) = (Vec::new(), RdbReader::new());
    let used = reader.feed::<crate::rdb::RdbError>(&bytes, &mut |event| {
        if let RdbEvent::Key { key, .. } = event {
            keys.push(String::from_utf8_lossy(key).into_owned());
        }
        Ok(())
    });
    assert_eq!(used, Ok(bytes.len()));
    reader.finish().expect("a whole file");
    keys.sort();
    Some(keys)
}

fn filled() -> Engine {
    let db = Engine::in_memory();
    for n in 0..3 {
        db.set(format!("key:{n}"), n).expect("a fresh engine");
    }
    db.rpush("list", "element").expect("a fresh engine");
    db
}

#[test]
fn a_file_holds_everything_and_says_so() {
    let (db, disk) = (filled(), disk());
    let saver = Saver::new(db.clone(), disk.clone());
    db.set("key:0", "changed").expect("a string");
    assert_eq!((saver.status().unsaved_changes, saver.status().snapshots.count), (1, 0));
    saver.save_rdb(Path::new(PATH), RdbOptions::default()).expect("a working disk");
    assert_eq!(keys_of(&disk).expect("it was written"), ["key:0", "key:1", "key:2", "list"]);
    let status = saver.status();
    assert_eq!((status.unsaved_changes, status.snapshots.count, status.running), (0, 1, None));
    db.set("key:9", "").expect("a string");
    saver.start_rdb(PATH.into(), RdbOptions::default()).expect("nothing runs");
    saver.wait();
    assert_eq!(saver.status().snapshots.count, 2);
    assert_eq!(keys_of(&disk).expect("it was written").len(), 5);
}

#[test]
fn databases_follow_each_other_with_expiries_and_libraries() {
    let (db, disk) = (filled(), disk());
    db.call(&["FUNCTION", "LOAD", "#!lua name=one\nredis.register_function('f', function() end)"]);
    db.call(&["COPY", "list", "other", "DB", "5"]);
    db.call(&["PEXPIREAT", "key:1", "99999999999999"]);
    Saver::new(db, disk.clone()).save_rdb(Path::new(PATH), RdbOptions::default()).expect("a working disk");
    let bytes = crate::storage::read_small(&disk, Path::new(PATH), 10_000).expect("it was written");
    let mut told = Vec::new();
    RdbReader::new()
        .feed::<crate::rdb::RdbError>(&bytes, &mut |event| {
            told.push(match event {
                RdbEvent::Database(db) => format!("database {db}"),
                RdbEvent::Sizes { keys, expires } => format!("{keys} keys, {expires} expire"),
                RdbEvent::Function(text) => format!("library of {} bytes", text.len()),
                RdbEvent::Key { key, expiry: Some(at), .. } => format!("{} until {}", key.escape_ascii(), at.0),
                RdbEvent::Part(Part::Element(element)) => format!("element {element:?}"),
                _ => return Ok(()),
            });
            Ok(())
        })
        .expect("a whole file");
    assert_eq!(told[..3], ["library of 59 bytes", "database 0", "4 keys, 1 expire"]);
    assert!(told.contains(&"key:1 until 99999999999999".to_owned()), "{told:?}");
    let other = told.iter().position(|line| line == "database 5").expect("its key is there");
    assert_eq!(told[other + 1], "1 keys, 0 expire");
}

/// Whatever call of the disk fails, there is the old file or the new one, and a save that says it succeeded is there.
#[test]
fn every_call_may_fail_and_the_power_too() {
    let calls = {
        let disk = disk();
        let before = disk.calls();
        Saver::new(filled(), disk.clone()).save_rdb(Path::new(PATH), RdbOptions::default()).expect("a working disk");
        disk.calls() - before
    };
    assert!(calls >= 5, "create, write, sync, rename, sync of the directory");
    for call in 0..calls {
        for fault in [Fault::PowerFails(0), Fault::CallFails(0), Fault::CallFindsDiskFull(0), Fault::SyncFails(0)] {
            let (db, disk) = (filled(), disk());
            let saver = Saver::new(db.clone(), disk.clone());
            saver.save_rdb(Path::new(PATH), RdbOptions::default()).expect("a working disk");
            db.set("new", 1).expect("a string");
            let at = disk.calls() + call;
            disk.plan(match fault {
                Fault::PowerFails(_) => Fault::PowerFails(at),
                Fault::CallFails(_) => Fault::CallFails(at),
                Fault::CallFindsDiskFull(_) => Fault::CallFindsDiskFull(at),
                _ => Fault::SyncFails(at),
            });
            let saved = saver.save_rdb(Path::new(PATH), RdbOptions::default());
            let status = saver.status();
            assert_eq!(status.snapshots.last_error.is_some(), saved.is_err());
            for loss in [Loss::Nothing, Loss::All, Loss::Random] {
                let disk = disk.fork(call);
                disk.crash(loss);
                let keys = keys_of(&disk).expect("a file was there before").len();
                match &saved {
                    Ok(()) => assert_eq!(keys, 5, "{fault:?} at {call}, {loss:?}"),
                    Err(_) => assert!(keys == 4 || keys == 5, "{fault:?} at {call}, {loss:?}"),
                }
            }
            if saved.is_err() {
                assert_eq!(status.unsaved_changes, 1, "{fault:?} at {call}");
            }
        }
    }
}

#[test]
fn one_save_runs_at_a_time_and_can_be_cancelled() {
    let (db, disk) = (filled(), disk());
    let saver = Saver::new(db, disk.clone());
    let (inside, entered) = std::sync::mpsc::channel();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    saver
        .start(SaveKind::Rewrite, move |progress| {
            inside.send(()).expect("somebody waits");
            gate.recv().expect("somebody lets it go on");
            progress.reach(1)
        })
        .expect("nothing runs");
    entered.recv().expect("it began");
    let refused = saver.save_rdb(Path::new(PATH), RdbOptions::default()).expect_err("something runs");
    assert_eq!(refused.to_string(), "a new base of the log is being written; wait for it or cancel it");
    assert_eq!(saver.status().running.map(|running| running.kind), Some(SaveKind::Rewrite));
    saver.cancel();
    go_on.send(()).expect("it waits");
    saver.wait();
    let status = saver.status();
    assert_eq!((status.running, status.rewrites.last_error, status.rewrites.count), (None, None, 0));
    assert_eq!(keys_of(&disk), None);
}

#[test]
fn a_save_that_panics_is_over() {
    let saver = Saver::new(filled(), disk());
    saver.start(SaveKind::Snapshot, |_| panic!("as a test wants")).expect("nothing runs");
    saver.wait();
    let past = saver.status().snapshots;
    assert_eq!((past.count, past.failures_in_a_row), (0, 1));
    saver.save_rdb(Path::new(PATH), RdbOptions::default()).expect("nothing runs any more");
}

/// Many keys of several kinds in three databases, of which some expire.
fn large() -> Engine {
    let db = Engine::builder().clock(keyslot_engine::ManualClock::at(UnixMillis(1_000_000))).in_memory();
    for n in 0..24_000i64 {
        let key = format!("key:{n}");
        match n % 8 {
            0 => db.set(&key, n).expect("a fresh engine"),
            1 => drop(db.rpush(&key, "element").expect("a fresh engine")),
            2 => drop(db.call(&["SET", &key, "v", "PXAT", &(2_000_000 + n).to_string()])),
            _ => db.set(&key, format!("{n}").repeat(20)).expect("a fresh engine"),
        }
        if n % 50 == 0 {
            db.call(&["COPY", &key, &key, "DB", if n % 100 == 0 { "3" } else { "9" }]);
        }
    }
    db
}

#[test]
fn any_number_of_threads_writes_and_loads_the_same_data() {
    let disk = disk();
    let db = large();
    let (saver, now) = (Saver::new(db.clone(), disk.clone()), db.now());
    let digest = |db: &Engine| db.call(&["DEBUG", "DIGEST"]);
    for written_by in [0, 1, 3] {
        let options = RdbOptions { threads: written_by, compress: false, ..RdbOptions::default() };
        saver.save_rdb(Path::new(PATH), options).expect("a working disk");
        for loaded_by in [0, 1, 2, 5] {
            let clock = keyslot_engine::ManualClock::at(now);
            let loaded = Engine::builder().clock(clock).in_memory();
            let mut told = Vec::new();
            let mut on_progress = |progress: &crate::Progress| told.push(*progress);
            let report = load_rdb(&loaded, &disk, Path::new(PATH), loaded_by, &mut on_progress);
            let report = report.expect("a whole file").expect("it is there");
            let context = format!("written by {written_by}, loaded by {loaded_by}");
            assert_eq!(digest(&loaded), digest(&db), "{context}");
            let sizes = |db: &Engine, number| db.view().sizes(number);
            for number in [0, 3, 9] {
                assert_eq!(sizes(&loaded, number), sizes(&db, number), "{context}");
            }
            let all: u64 = [0, 3, 9].iter().map(|number| sizes(&db, *number).keys).sum();
            assert_eq!((report.keys, report.expired), (all, 0), "{context}");
            assert!(told.len() > 1 && told.last().is_some_and(|last| last.done_bytes == last.total_bytes));
        }
    }
}

#[test]
fn a_key_that_comes_twice_is_named_by_any_number_of_threads() {
    let disk = disk();
    let mut bytes = Vec::new();
    let mut writer = crate::rdb::RdbWriter::new(RdbOptions { compress: false, ..RdbOptions::default() });
    writer.begin(&mut bytes, &[]);
    let db = Engine::in_memory();
    db.set("twice", "x".repeat(700_000)).expect("a fresh engine");
    let view = db.view();
    for slot in keyslot_engine::Slot::all() {
        for entry in view.slot(slot).iter() {
            (0..2).for_each(|_| writer.entry(&mut bytes, &entry).expect("a string"));
        }
    }
    writer.end(&mut bytes);
    disk.put(Path::new(PATH), &bytes);
    for threads in [0, 1, 3] {
        let error = load_rdb(&Engine::in_memory(), &disk, Path::new(PATH), threads, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("key \"twice\" is there twice in database 0"), "{error}");
        disk.put(Path::new(PATH), &bytes[..bytes.len() - 20]);
        assert!(load_rdb(&Engine::in_memory(), &disk, Path::new(PATH), threads, &mut |_| {}).is_err());
        disk.put(Path::new(PATH), &bytes);
    }
}

#[test]
fn a_save_that_comes_first_does_not_wait_for_others_to_stop_asking() {
    let (disk, db) = (disk(), large());
    let saver = Saver::new(db, disk.clone());
    let (is_over, begun) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                begun.fetch_add(
                    u32::from(saver.start_rdb("/data/other.rdb".into(), RdbOptions::default()).is_ok()),
                    Relaxed,
                );
                std::thread::yield_now();
            }
        });
        for round in 0..5 {
            while begun.load(Relaxed) <= round {
                std::thread::yield_now();
            }
            let saved = saver.save_rdb_first(Path::new(PATH), RdbOptions::default());
            assert!(saved.is_ok(), "{saved:?}");
        }
        is_over.store(true, Relaxed);
    });
    saver.wait();
    assert!(keys_of(&disk).is_some_and(|keys| !keys.is_empty()));
}
