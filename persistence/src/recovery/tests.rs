use super::*;
use crate::log::LogNames;
use crate::storage::{Loss, MemoryStorage};
use crate::store::{Durability, Store};

const LOG: &str = "/data/appendonlydir/appendonly.aof.1.incr.aof";

fn killed() -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    let db = Store::builder().storage(disk.clone()).durability(Durability::Always).open("/data").unwrap();
    db.set("a", "1").unwrap();
    disk.crash(Loss::Nothing);
    drop(db);
    disk
}

#[test]
fn a_check_changes_nothing_and_says_what_a_repair_would_do() {
    let disk = killed();
    let before = disk.contents(LOG.as_ref()).unwrap();
    let checked = check(&disk, "/data".as_ref(), &LogNames::default()).unwrap();
    assert!(checked.refusal.is_none() && checked.report.zeros_size_bytes > 0);
    assert_eq!(repair(&disk, "/data".as_ref(), &LogNames::default(), Repair::DryRun).unwrap(), checked.report);
    assert_eq!(disk.contents(LOG.as_ref()).unwrap(), before);
}

#[test]
fn a_repair_leaves_no_zeros_behind() {
    let disk = killed();
    let report = repair(&disk, "/data".as_ref(), &LogNames::default(), Repair::TornTail).unwrap();
    let after = disk.contents(LOG.as_ref()).unwrap();
    assert_eq!(after.len() as u64, report.log_size_bytes);
    assert!(after.ends_with(b"$1\r\n1\r\n"));
}

#[test]
fn a_repair_of_damage_is_asked_for_by_name() {
    let disk = killed();
    let mut bytes = disk.contents(LOG.as_ref()).unwrap();
    bytes[20] ^= 1;
    disk.put(LOG.as_ref(), &bytes);
    let refused = repair(&disk, "/data".as_ref(), &LogNames::default(), Repair::TornTail);
    assert!(matches!(refused, Err(OpenError::Corrupt { offset: 0, .. })));
    let report = repair(&disk, "/data".as_ref(), &LogNames::default(), Repair::Salvage).unwrap();
    assert!(report.cuts[0].loses_durable);
    let kept = disk.contents(&report.cuts[0].kept_in.clone().unwrap()).unwrap();
    assert!(bytes.starts_with(&kept) && bytes[kept.len()..].iter().all(|b| *b == 0));
}
