//! Any bytes as an append-only file: never a panic, and what opens goes on and opens again to the same.
//!
//! The first byte says what the others are: even, the single file of an older Redis; odd, the incremental file of a
//! directory.

use crate::allowance::{of_reading, within};
use keyslot_engine::Ack;
use keyslot_persistence::recovery::check_log;
use keyslot_persistence::{MemoryStorage, Recovery, Store};
use std::path::Path;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, input)) = data.split_first() else { return };
    checks(input);
    if asks_for_much(input) {
        return;
    }
    let disk = MemoryStorage::new(1);
    if kind % 2 == 0 {
        disk.put(Path::new("/d/appendonly.aof"), input);
    } else {
        disk.put(
            Path::new("/d/appendonlydir/appendonly.aof.manifest"),
            b"file appendonly.aof.1.incr.aof seq 1 type i\n",
        );
        disk.put(Path::new("/d/appendonlydir/appendonly.aof.1.incr.aof"), input);
    }
    for recovery in [Recovery::Whole, Recovery::Strict, Recovery::Salvage] {
        goes_on(&disk.fork(2), recovery);
    }
}

/// Reads the bytes of one file.
pub(crate) fn checks(file: &[u8]) {
    let checked = within(of_reading(file.len()), || check_log(file));
    assert!(checked.sound_bytes <= file.len() as u64);
}

/// Opens, and if that works, writes, closes and opens again.
pub(crate) fn goes_on(disk: &MemoryStorage, recovery: Recovery) {
    let Ok(db) = open(disk, recovery) else { return };
    db.options().set_ack(Ack::Memory);
    db.call(&["SET", "after", "1"]);
    let before = digest(&db);
    db.close().expect("a sound disk");
    let again = open(disk, Recovery::Strict).expect("what was opened and closed opens again");
    assert_eq!(digest(&again), before, "{}", again.recovery());
}

fn open(disk: &MemoryStorage, recovery: Recovery) -> Result<Store, keyslot_persistence::OpenError> {
    Store::builder().storage(disk.clone()).recovery(recovery).without_thread().open("/d")
}

/// Whether commands make more of their arguments than they are long: half a gigabyte of zeros, for one.
pub(crate) fn asks_for_much(input: &[u8]) -> bool {
    let text = input.to_ascii_uppercase();
    [&b"SETRANGE"[..], b"SETBIT", b"BITFIELD", b"BITOP"].iter().any(|name| text.windows(name.len()).any(|w| w == *name))
}

fn digest(db: &Store) -> String {
    format!("{:?}", db.call(&["DEBUG", "DIGEST"]))
}
