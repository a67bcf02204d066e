//! Any bytes as a manifest, beside the files that it may name: never a panic, and what opens goes on and opens again.
//!
//! The first byte says what the others are: even, a whole manifest; odd, the lines of one, which get a checksum line of ours.

use super::aof::goes_on;
use crate::allowance::{of_reading, within};
use keyslot_persistence::recovery::check_manifest;
use keyslot_persistence::{MemoryStorage, Recovery};
use std::path::Path;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, input)) = data.split_first() else { return };
    let mut manifest = Vec::new();
    if kind % 2 == 1 {
        manifest = format!("#keyslot:1 manifest sum={:08x}\n", crc32fast::hash(input)).into_bytes();
    }
    manifest.extend_from_slice(input);
    let _ = within(of_reading(manifest.len()), || check_manifest(&manifest));
    let disk = MemoryStorage::new(1);
    let dir = Path::new("/d/appendonlydir");
    disk.put(&dir.join("appendonly.aof.manifest"), &manifest);
    for (name, key) in [("1.base.aof", "a"), ("1.incr.aof", "b"), ("2.incr.aof", "c")] {
        let command = format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$1\r\n1\r\n");
        disk.put(&dir.join(format!("appendonly.aof.{name}")), command.as_bytes());
    }
    for recovery in [Recovery::Whole, Recovery::Strict, Recovery::Salvage] {
        goes_on(&disk.fork(2), recovery);
    }
}
