//! What an engine holds, through a file and into another engine.

use super::error::{FormatError, Place, SnapshotError};
use super::header::SnapshotHeader;
use super::load::{LoadOptions, LoadReport};
use super::progress::SnapshotProgress;
use super::reader::Snapshot;
use super::write::{Compression, WriteOptions};
use super::{Tolerance, compose, write};
use crate::storage::{MemoryStorage, RealStorage, Storage};
use keyslot_engine::{Engine, ManualClock, Slot, UnixMillis};
use std::path::Path;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn engine() -> Engine {
    Engine::builder().clock(ManualClock::at(NOW)).in_memory()
}

fn ask(db: &Engine, request: &str) {
    let words: Vec<&str> = request.split(' ').collect();
    let reply = format!("{:?}", db.call(&words));
    assert!(!reply.contains("Error"), "{request}: {reply}");
}

fn digest(db: &Engine) -> String {
    format!("{:?}", db.call(&["DEBUG", "DIGEST"]))
}

/// Values of all types, small and large, in several databases.
fn filled() -> Engine {
    let db = engine();
    for n in 0..200_i64 {
        ask(&db, &format!("SET string:{n} value:{n}"));
        ask(&db, &format!("SET int:{n} {}", n * 7_777_777_i64));
        ask(&db, &format!("RPUSH list {n:0>60}"));
        ask(&db, &format!("SADD set member:{n}"));
        ask(&db, &format!("HSET hash field:{n} value:{n}"));
        ask(&db, &format!("ZADD sorted {n}.5 member:{n}"));
        ask(&db, &format!("XADD stream {n}-1 field value:{n}"));
        ask(&db, &format!("HSET small:{} f {n} g x", n % 50));
        ask(&db, &format!("ZADD scores:{} {n} a 2 b", n % 50));
        ask(&db, &format!("SADD numbers:{} {n} {}", n % 50, n * 2));
        ask(&db, &format!("RPUSH short:{} a {n}", n % 50));
    }
    for request in [
        "SET expiring x PX 5000",
        "SET due x PXAT 1700000000100",
        "HPEXPIRE hash 9000 FIELDS 2 field:1 field:2",
        "XGROUP CREATE stream group 5-1",
        "XREADGROUP GROUP group ada COUNT 3 STREAMS stream >",
        "PFADD sketch a b c",
        "SETRANGE long 100000 end",
        "APPEND raw 12",
        "COPY hash copied DB 3",
        "COPY string:1 string:1 DB 15",
    ] {
        ask(&db, request);
    }
    db
}

fn load(storage: &dyn Storage, path: &Path, options: &LoadOptions) -> (Engine, Result<LoadReport, SnapshotError>) {
    let db = engine();
    let snapshot = Snapshot::open(storage, path, options.tolerance).unwrap();
    let progress = SnapshotProgress::new();
    let report = snapshot.load(&db, options, &progress);
    assert!(report.is_err() || progress.slots_done() == keyslot_engine::SLOT_COUNT);
    (db, report)
}

#[test]
fn an_engine_comes_back_with_the_same_digest() {
    let (db, dir) = (filled(), tempfile::tempdir().unwrap());
    let path = dir.path().join("snapshot");
    let memory = MemoryStorage::new(1);
    memory.create_dir(dir.path()).unwrap();
    let storages: [&dyn Storage; 2] = [&RealStorage, &memory];
    let keys = db.call(&["DBSIZE"]);
    for (round, storage) in storages.into_iter().enumerate() {
        for (threads, compression) in [(0, Compression::None), (2, Compression::Lz4)] {
            let options = WriteOptions { threads, compression, keeps_access: round == 1, ..WriteOptions::default() };
            write(db.view(), storage, &path, &options, &SnapshotProgress::new()).unwrap();
            for threads in [0, 3] {
                let options = LoadOptions { threads, ..LoadOptions::default() };
                let (loaded, report) = load(storage, &path, &options);
                let report = report.unwrap();
                assert_eq!(digest(&loaded), digest(&db));
                assert_eq!(format!("{:?}", loaded.call(&["DBSIZE"])), format!("{keys:?}"));
                assert!(report.broken.is_empty() && report.due == 0, "{report:?}");
                assert_eq!(loaded.call(&["OBJECT", "ENCODING", "raw"]), loaded.call(&["OBJECT", "ENCODING", "int:1"]));
            }
        }
    }
}

#[test]
fn a_view_of_before_is_what_is_written_and_it_is_given_up_slot_by_slot() {
    let db = filled();
    let (before, view) = (digest(&db), db.view());
    ask(&db, "FLUSHALL");
    let disk = MemoryStorage::new(1);
    disk.create_dir(Path::new("/d")).unwrap();
    let path = Path::new("/d/s");
    let report = write(view, &disk, path, &WriteOptions::default(), &SnapshotProgress::new()).unwrap();
    assert_eq!(report.header.time, NOW);
    let (loaded, outcome) = load(&disk, path, &LoadOptions::default());
    assert_eq!((digest(&loaded), outcome.unwrap().keys), (before, report.entries));
}

#[test]
fn keys_that_are_due_are_left_out_if_that_is_wanted() {
    let (db, disk, path) = (filled(), MemoryStorage::new(1), Path::new("/d/s"));
    disk.create_dir(Path::new("/d")).unwrap();
    write(db.view(), &disk, path, &WriteOptions::default(), &SnapshotProgress::new()).unwrap();
    let due_at = Some(UnixMillis(NOW.0 + 100));
    let (loaded, report) = load(&disk, path, &LoadOptions { due_at, ..LoadOptions::default() });
    assert_eq!(report.unwrap().due, 1);
    assert!(loaded.get("due").unwrap().is_none() && loaded.get("expiring").unwrap().is_some());
}

#[test]
fn a_slot_loads_alone() {
    let (db, disk, path) = (filled(), MemoryStorage::new(1), Path::new("/d/s"));
    disk.create_dir(Path::new("/d")).unwrap();
    write(db.view(), &disk, path, &WriteOptions::default(), &SnapshotProgress::new()).unwrap();
    let snapshot = Snapshot::open(&disk, path, Tolerance::Strict).unwrap();
    let loaded = engine();
    let slot = Slot::of(b"string:7");
    let report = snapshot.load_slot(&loaded, slot, &LoadOptions::default()).unwrap();
    assert_eq!(report.keys, snapshot.entries_of(slot));
    assert!(loaded.get("string:7").unwrap().is_some() && loaded.get("string:8").unwrap().is_none());
    for slot in Slot::all().filter(|other| *other != slot) {
        snapshot.load_slot(&loaded, slot, &LoadOptions::default()).unwrap();
    }
    assert_eq!(digest(&loaded), digest(&db));
}

#[test]
fn a_damaged_slot_fails_the_load_or_is_left_out_and_told() {
    let (db, disk, path) = (filled(), MemoryStorage::new(1), Path::new("/d/s"));
    disk.create_dir(Path::new("/d")).unwrap();
    write(db.view(), &disk, path, &WriteOptions::default(), &SnapshotProgress::new()).unwrap();
    let mut file = disk.contents(path).unwrap();
    let at = file.windows(8).position(|bytes| bytes == b"value:77").unwrap();
    file[at] ^= 1;
    disk.put(path, &file);
    for threads in [0, 2] {
        let (_, strict) = load(&disk, path, &LoadOptions { threads, ..LoadOptions::default() });
        match strict.unwrap_err() {
            SnapshotError::Format { source: FormatError::Damaged(damage), .. } => {
                assert!(matches!(damage.place, Place::Slot(_)), "{damage}");
            }
            other => panic!("{other}"),
        }
        let tolerance = Tolerance::Salvage;
        let (loaded, report) = load(&disk, path, &LoadOptions { threads, tolerance, due_at: None });
        let report = report.unwrap();
        let [broken] = &report.broken[..] else { panic!("{report:?}") };
        let slot = Slot::all().find(|slot| broken.damage.place == Place::Slot(*slot)).unwrap();
        for n in 0..200 {
            let key = format!("string:{n}");
            assert_eq!(loaded.get(&key).unwrap().is_some(), Slot::of(key.as_bytes()) != slot, "{key}");
        }
    }
}

#[test]
fn what_the_checksums_do_not_know_is_refused_all_the_same() {
    let (disk, path, slot) = (MemoryStorage::new(1), Path::new("/d/s"), Slot::of(b"k"));
    let header = SnapshotHeader::default();
    let loaded = |payload: &[u8], entries| {
        disk.put(path, &compose(&header, &[(Some(slot), entries, payload)]));
        let (db, outcome) = load(&disk, path, &LoadOptions::default());
        (db.get("k").map(|value| value.is_some()), outcome.map_err(|error| error.to_string()))
    };
    assert!(loaded(b"\x20\x01k\x01v", 1).1.is_ok());
    for (payload, entries, reason) in [
        (&b"\x20\x01k\x01v"[..], 2, "expected 2 entries, found 1"),
        (b"\x20\x01j\x01v", 1, "expected a key of this slot, found \"j\" of slot"),
        (b"\x20\x01k\x01v\x20\x01k\x01w", 2, "is there twice"),
        (b"\x02\x01k\x05\x02\x01a\x01a", 1, "in the value of \"k\" in database 0"),
        (b"\x07\x01k\x01\x00", 1, "cannot be read"),
        (b"\x05\x01k\x0b\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f", 1, "a score that is a number"),
        (b"\x3f\x64\x20\x01k\x01v", 1, "there is no database 100"),
        (b"\x20\x01k\xfd\xff\xff\xff\xff\xff\xff\xff\xffv", 1, "a string as long as it says"),
    ] {
        let error = loaded(payload, entries).1.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
