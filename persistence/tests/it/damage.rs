//! Every bit flipped and every cut made in a small log: nothing panics, everything is named with its place, nothing durable is
//! silently lost, and every record but the damaged one is applied or told to be legible in what was cut.

use keyslot_persistence::recovery::{CheckReport, check};
use keyslot_persistence::storage::Loss;
use keyslot_persistence::{
    Durability, JournalOptions, LogNames, LogOptions, MemoryStorage, OpenError, Preallocation, Recovery,
    RecoveryReport, Store, StoreBuilder,
};
use std::path::{Path, PathBuf};

fn builder(disk: &MemoryStorage) -> StoreBuilder {
    let log = LogOptions { file_size_bytes_max: 700, preallocation: Preallocation::None, preallocation_bytes_max: 0 };
    let journal = JournalOptions { group_size_bytes: 60, ..JournalOptions::default() };
    Store::builder().storage(disk.clone()).durability(Durability::Always).log(log).journal(journal).without_thread()
}

const WRITES: usize = 8;

/// Three small files: written, closed, opened again, written, and then closed or killed.
fn sample(is_closed: bool) -> MemoryStorage {
    let disk = MemoryStorage::new(7);
    for life in 0..2 {
        let db = builder(&disk).open("/d").unwrap();
        db.options().set_ack(keyslot_engine::Ack::Memory);
        for write in 0..WRITES / 2 {
            db.set(format!("k{}", life * WRITES / 2 + write), "v").unwrap();
            db.step((life * 10 + write) as u64 * 1_000_000_000);
            db.step((life * 10 + write) as u64 * 1_000_000_000 + 20_000_000);
        }
        if life == 0 || is_closed {
            db.close().unwrap();
        } else {
            disk.crash(Loss::Nothing);
        }
    }
    disk
}

fn logs(disk: &MemoryStorage) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.to_str().unwrap().ends_with(".incr.aof")).collect()
}

/// How many of the writes are there; they must be the first ones.
fn prefix(db: &Store) -> usize {
    let present = |i: usize| db.get(format!("k{i}")).unwrap().is_some();
    let count = (0..WRITES).take_while(|i| present(*i)).count();
    assert!((count..WRITES).all(|i| !present(i)), "a hole in what was recovered");
    count
}

/// Looks at a copy that is damaged at this byte.
fn check_damaged(sample: &MemoryStorage, path: &Path, bytes: &[u8], at: usize, is_closed: bool, context: &str) {
    let disk = sample.fork(1);
    disk.put(path, bytes);
    let CheckReport { report, refusal } = check(&disk, "/d".as_ref(), &LogNames::default()).unwrap();
    let legible: u64 = report.cuts.iter().flat_map(|cut| &cut.legible).map(|group| group.commands).sum();
    // One group has one write.
    let told = report.commands + legible;
    assert!((WRITES as u64 - 1..=WRITES as u64).contains(&told), "{context}: {report}");
    match refusal {
        None => {
            assert!(report.cuts.iter().all(|cut| !cut.loses_durable), "{context}: {report}");
            let lost = WRITES as u64 - report.commands;
            // No line says yet that the last write of a log that was not closed is durable.
            assert!(lost <= u64::from(!is_closed), "{context}: {report}");
            assert!(lost == 0 || !report.cuts.is_empty(), "{context}: {report}");
        }
        Some(OpenError::Corrupt { path: named, offset, .. }) => {
            assert_eq!(named, path, "{context}");
            assert!(offset.abs_diff(at as u64) < 250, "{context}: {offset} is not near");
            assert!(report.cuts.iter().any(|cut| cut.loses_durable), "{context}: {report}");
        }
        Some(error) => panic!("{context}: {error}"),
    }
}

/// Opens a damaged copy in both ways.
fn open_damaged(sample: &MemoryStorage, path: &Path, bytes: &[u8], context: &str) {
    let disk = sample.fork(1);
    disk.put(path, bytes);
    let checked = check(&disk, "/d".as_ref(), &LogNames::default()).unwrap();
    let strict = builder(&disk).open("/d");
    assert_eq!(strict.is_ok(), checked.refusal.is_none(), "{context}");
    drop(strict);
    let disk = sample.fork(1);
    disk.put(path, bytes);
    let db = builder(&disk).recovery(Recovery::Salvage).open("/d").unwrap();
    assert_eq!(prefix(&db) as u64, checked.report.commands, "{context}");
    let report = RecoveryReport { elapsed_ms: 0, ..db.recovery().clone() };
    assert_eq!(report, checked.report, "{context}");
    assert!(db.recovery().cuts.iter().all(|cut| disk.contents(cut.kept_in.as_ref().unwrap()).is_some()), "{context}");
    drop(db);
    let db = builder(&disk).open("/d").unwrap();
    assert!(db.recovery().cuts.is_empty(), "{context}: salvaging once is enough");
    assert_eq!(prefix(&db) as u64, checked.report.commands, "{context}");
}

#[test]
fn every_flipped_bit_is_survived_or_named() {
    for is_closed in [true, false] {
        let sample = sample(is_closed);
        let logs = logs(&sample);
        assert!(logs.len() >= 3, "{logs:?}");
        for path in logs {
            let good = sample.contents(&path).unwrap();
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                let context = format!("{} closed={is_closed} bit {} of byte {}", path.display(), bit % 8, bit / 8);
                check_damaged(&sample, &path, &bad, bit / 8, is_closed, &context);
                if bit % 83 == 0 {
                    open_damaged(&sample, &path, &bad, &context);
                }
            }
        }
    }
}

#[test]
fn every_cut_is_survived_or_named() {
    for is_closed in [true, false] {
        let sample = sample(is_closed);
        let logs = logs(&sample);
        for path in &logs {
            let good = sample.contents(path).unwrap();
            for size in 0..good.len() {
                let context = format!("{} closed={is_closed} cut at {size}", path.display());
                let disk = sample.fork(1);
                disk.put(path, &good[..size]);
                let CheckReport { report, refusal } = check(&disk, "/d".as_ref(), &LogNames::default()).unwrap();
                match refusal {
                    // A cut is what a crash looks like, so the last file may lose its end; the report says so, unless
                    // the cut is between two groups, where nothing is left to see.
                    None => {
                        assert!(
                            path == logs.last().unwrap() || report.commands == WRITES as u64,
                            "{context}: {report}"
                        );
                        assert!(path != logs.last().unwrap() || !report.clean, "{context}: {report}");
                    }
                    // A file that is empty is missed by the next one.
                    Some(OpenError::Corrupt { path: named, offset, .. }) => {
                        assert!(named == *path && offset <= size as u64 || offset == 0, "{context}");
                    }
                    Some(error) => panic!("{context}: {error}"),
                }
                if size % 83 == 0 {
                    open_damaged(&sample, path, &good[..size], &context);
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_manifest_is_harmless_or_named() {
    let sample = sample(true);
    let path = Path::new("/d/appendonlydir/appendonly.aof.manifest");
    let good = sample.contents(path).unwrap();
    for bit in 0..good.len() * 8 {
        let disk = sample.fork(1);
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.put(path, &bad);
        match builder(&disk).open("/d") {
            Ok(db) => assert_eq!(prefix(&db), WRITES, "bit {bit}"),
            Err(OpenError::Manifest { .. }) => {}
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

#[test]
fn random_bytes_in_place_of_a_log_are_named() {
    let mut chance = 1u64;
    for _ in 0..500 {
        let disk = MemoryStorage::new(1);
        let mut bytes = Vec::new();
        let pieces: [&[u8]; 9] = [
            b"#keyslot:1 ",
            b"*1\r\n",
            b"$4\r\nEXEC\r\n",
            b"$5\r\nMULTI\r\n",
            b"#TS:1\r\n",
            b"\0\0",
            b"*999999\r\n",
            b"$-1\r\n",
            b"x",
        ];
        for _ in 0..6 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.extend_from_slice(pieces[(chance >> 33) as usize % pieces.len()]);
        }
        disk.put("/d/appendonlydir/appendonly.aof.manifest".as_ref(), b"file appendonly.aof.1.incr.aof seq 1 type i\n");
        disk.put("/d/appendonlydir/appendonly.aof.1.incr.aof".as_ref(), &bytes);
        match builder(&disk).open("/d") {
            Ok(_) | Err(OpenError::Corrupt { .. } | OpenError::Refused { .. }) => {}
            Err(error) => panic!("{}: {error}", bytes.escape_ascii()),
        }
    }
}
