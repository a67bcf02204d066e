//! Append-only files of others, as real servers wrote them (see `golden/README.md`), are read and gone on with.

use keyslot_engine::Ack;
use keyslot_engine::resp::Value;
use keyslot_persistence::recovery::BaseKind;
use keyslot_persistence::{MemoryStorage, OpenError, Recovery, Store};
use std::path::{Path, PathBuf};

const RDB_DIGEST: &str = "1c0dc8d5c0f2abc47930774ed1dbc1645b79a239";
const AOF_DIGEST: &str = "6c33e7b14f1d9c485881883789a105a89c63654f";

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/redis-7.0.15").join(folder)
}

fn read(folder: &str, name: &str) -> Vec<u8> {
    std::fs::read(golden(folder).join(name)).unwrap()
}

/// A disk with a server's directory.
fn disk(folder: &str) -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    for entry in std::fs::read_dir(golden(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        disk.put(&Path::new("/d/appendonlydir").join(&name), &read(folder, &name));
    }
    disk
}

fn open(disk: &MemoryStorage, recovery: Recovery) -> Result<Store, OpenError> {
    let db = Store::builder().storage(disk.clone()).recovery(recovery).without_thread().open("/d")?;
    db.options().set_ack(Ack::Memory);
    Ok(db)
}

fn digest(db: &Store) -> String {
    match db.call(&["DEBUG", "DIGEST"]) {
        Value::Simple(text) | Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn directories_of_redis_have_the_digest_that_redis_gives() {
    for (folder, expected, keys) in [("rdb-base", RDB_DIGEST, 9), ("aof-base", AOF_DIGEST, 0)] {
        let disk = disk(folder);
        let db = open(&disk, Recovery::Whole).unwrap();
        assert_eq!(digest(&db), expected, "{folder}: {}", db.recovery());
        let base = db.recovery().base.clone().unwrap();
        let kind = if keys > 0 { BaseKind::Rdb { version: 10 } } else { BaseKind::Commands };
        assert_eq!((base.kind, base.keys, base.libraries), (kind, keys, u64::from(keys > 0)));
        db.set("ours", "1").unwrap();
        let changed = digest(&db);
        db.close().unwrap();
        let db = open(&disk, Recovery::Strict).unwrap();
        assert_eq!(digest(&db), changed, "{folder}: {}", db.recovery());
        assert!(db.recovery().clean);
    }
}

#[test]
fn single_files_with_and_without_preamble_are_read() {
    let rdb = [read("rdb-base", "appendonly.aof.2.base.rdb"), read("rdb-base", "appendonly.aof.2.incr.aof")].concat();
    let aof = [read("aof-base", "appendonly.aof.3.base.aof"), read("aof-base", "appendonly.aof.3.incr.aof")].concat();
    for (bytes, expected) in [(&rdb, RDB_DIGEST), (&aof, AOF_DIGEST)] {
        let disk = MemoryStorage::new(1);
        disk.put("/d/appendonly.aof".as_ref(), bytes);
        let db = open(&disk, Recovery::Whole).unwrap();
        assert_eq!(digest(&db), expected, "{}", db.recovery());
        db.close().unwrap();
        let db = open(&disk, Recovery::Strict).unwrap();
        assert_eq!(digest(&db), expected, "{}", db.recovery());
        assert_eq!(disk.contents("/d/appendonlydir/appendonly.aof".as_ref()).as_ref(), Some(bytes));
    }
}

#[test]
fn every_cut_of_the_newest_file_loads_as_a_prefix_and_none_in_the_base_does() {
    let rdb = read("rdb-base", "appendonly.aof.2.base.rdb");
    let incremental = read("rdb-base", "appendonly.aof.2.incr.aof");
    for size in 0..incremental.len() {
        let disk = disk("rdb-base");
        disk.put("/d/appendonlydir/appendonly.aof.2.incr.aof".as_ref(), &incremental[..size]);
        let db = open(&disk, Recovery::Strict).unwrap_or_else(|error| panic!("cut at {size}: {error}"));
        let there = |key: &str| db.get(key).unwrap().is_some();
        assert_eq!(there("tx1"), there("tx2"), "cut at {size}: half a transaction");
        assert!(there("int") && there("exp"));
    }
    for size in (0..rdb.len()).step_by(7) {
        let disk = MemoryStorage::new(1);
        disk.put("/d/appendonly.aof".as_ref(), &rdb[..size]);
        let whole_magic = size >= 6;
        let refused = open(&disk, Recovery::Strict).err();
        let is_named = matches!(refused, Some(OpenError::Base { .. }));
        assert_eq!(is_named, whole_magic, "cut at {size}: {refused:?}");
        if whole_magic {
            let db = open(&disk, Recovery::Salvage).unwrap_or_else(|error| panic!("cut at {size}: {error}"));
            let is_told = db.recovery().cuts.iter().any(|cut| cut.loses_durable && cut.at <= size as u64);
            assert!(is_told, "cut at {size}: {}", db.recovery());
        }
    }
}

#[test]
fn no_flipped_bit_of_an_rdb_base_passes() {
    let rdb = read("rdb-base", "appendonly.aof.2.base.rdb");
    for bit in (0..rdb.len() * 8).step_by(5) {
        let mut bad = rdb.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let disk = disk("rdb-base");
        disk.put("/d/appendonlydir/appendonly.aof.2.base.rdb".as_ref(), &bad);
        let refused = open(&disk, Recovery::Strict).err();
        assert!(refused.is_some(), "bit {bit}");
    }
}

#[test]
fn a_key_that_was_due_in_the_base_lives_if_the_log_prolonged_it() {
    let disk = MemoryStorage::new(1);
    // "EXPI" is due since 1970 by the RDB, and then gets another expiry.
    let rdb = b"REDIS0003\xfe\x00\xfc\x01\0\0\0\0\0\0\0\x00\x04EXPI\x01v\xff".to_vec();
    let log = b"*3\r\n$9\r\nPEXPIREAT\r\n$4\r\nEXPI\r\n$13\r\n9000000000000\r\n";
    disk.put("/d/appendonly.aof".as_ref(), &[&rdb[..], log].concat());
    let db = open(&disk, Recovery::Strict).unwrap();
    assert_eq!(db.get("EXPI").unwrap().as_deref(), Some(&b"v"[..]));
}
