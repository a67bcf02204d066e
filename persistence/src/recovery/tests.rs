use super::*;
use crate::log::{LogNames, LogOptions, Preallocation};
use crate::rdb::RdbOptions;
use crate::saving::LogBase;
use crate::snapshot::{FormatError, SnapshotError, WriteOptions};
use crate::storage::{Fault, Loss, MemoryStorage};
use crate::store::{Durability, Store};

const SINGLE: &str = "/data/appendonly.aof";
const MOVED: &str = "/data/appendonlydir/appendonly.aof";
const LOG: &str = "/data/appendonlydir/appendonly.aof.1.incr.aof";

fn killed() -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    let log = LogOptions { preallocation: Preallocation::Zeros, ..LogOptions::default() };
    let builder = Store::builder().storage(disk.clone()).durability(Durability::Always).log(log);
    let db = builder.open("/data").unwrap();
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

/// What Redis before 7 wrote: `SET a 1`, `SET b 2`, and a third command that is cut off.
fn single_file(tail: &[u8]) -> Vec<u8> {
    let mut bytes = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".to_vec();
    for (key, value) in [("a", "1"), ("b", "2")] {
        keyslot_engine::effect::encode_effect(&mut bytes, &[b"SET", key.as_bytes(), value.as_bytes()]);
    }
    bytes.extend_from_slice(tail);
    bytes
}

fn open(disk: &MemoryStorage, recovery: Recovery) -> Result<Store, OpenError> {
    Store::builder()
        .storage(disk.clone())
        .durability(Durability::Always)
        .recovery(recovery)
        .without_thread()
        .open("/data")
}

fn pairs(db: &Store) -> [Option<Vec<u8>>; 2] {
    db.options().set_ack(keyslot_engine::Ack::Memory);
    ["a", "b"].map(|key| db.get(key).unwrap().map(|value| value.to_vec()))
}

const BOTH: [Option<&[u8]>; 2] = [Some(b"1"), Some(b"2")];

#[test]
fn a_single_file_is_taken_over_and_gone_on_with() {
    let disk = MemoryStorage::new(1);
    let bytes = single_file(b"");
    disk.put(SINGLE.as_ref(), &bytes);
    let db = open(&disk, Recovery::Whole).unwrap();
    assert_eq!(pairs(&db).each_ref().map(Option::as_deref), BOTH);
    assert_eq!(db.recovery().end.0, bytes.len() as u64);
    db.set("c", "3").unwrap();
    db.close().unwrap();
    assert_eq!(disk.contents(MOVED.as_ref()).unwrap(), bytes, "moved as it is");
    assert!(disk.contents(SINGLE.as_ref()).is_none());
    let db = open(&disk, Recovery::Strict).unwrap();
    assert!(db.recovery().clean && db.recovery().files == 2);
    assert_eq!(db.get("c").unwrap().as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_file_of_ours_is_taken_over_as_a_single_file_too() {
    let (other, disk) = (killed(), MemoryStorage::new(1));
    repair(&other, "/data".as_ref(), &LogNames::default(), Repair::TornTail).unwrap();
    let bytes = other.contents(LOG.as_ref()).unwrap();
    disk.put(SINGLE.as_ref(), &bytes);
    let db = open(&disk, Recovery::Strict).unwrap();
    db.options().set_ack(keyslot_engine::Ack::Memory);
    db.set("b", "2").unwrap();
    db.close().unwrap();
    assert_eq!(disk.contents(MOVED.as_ref()).unwrap(), bytes, "it is a base, and bases stay as they are");
    assert_eq!(pairs(&open(&disk, Recovery::Strict).unwrap()).each_ref().map(Option::as_deref), BOTH);
}

#[test]
fn a_torn_single_file_is_cut_or_refused_as_asked() {
    let tail = b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$10\r\nnot whole";
    let disk = MemoryStorage::new(1);
    disk.put(SINGLE.as_ref(), &single_file(tail));
    let refused = open(&disk, Recovery::Whole).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Torn { offset, .. } if *offset == single_file(b"").len() as u64),
        "{refused}"
    );
    assert_eq!(disk.contents(SINGLE.as_ref()).unwrap(), single_file(tail), "a refusal changes nothing");
    let db = open(&disk, Recovery::Strict).unwrap();
    assert_eq!(pairs(&db).each_ref().map(Option::as_deref), BOTH);
    let cut = &db.recovery().cuts[0];
    assert_eq!(disk.contents(cut.kept_in.as_ref().unwrap()).unwrap(), tail);
    assert_eq!(disk.contents(MOVED.as_ref()).unwrap(), single_file(b""));
}

#[test]
fn a_takeover_may_be_cut_off_at_every_call() {
    let tail = b"*1\r\n$8\r\nFLUSH";
    for loss in [Loss::All, Loss::Random, Loss::Tail, Loss::Nothing] {
        for call in 0.. {
            let disk = MemoryStorage::new(call);
            disk.put(SINGLE.as_ref(), &single_file(tail));
            disk.plan(Fault::PowerFails(call));
            let first = open(&disk, Recovery::Strict);
            let went_through = first.is_ok();
            disk.crash(loss);
            drop(first);
            let db = open(&disk, Recovery::Strict).unwrap_or_else(|error| panic!("{loss:?} at {call}: {error}"));
            assert_eq!(pairs(&db).each_ref().map(Option::as_deref), BOTH, "{loss:?} at {call}");
            db.close().unwrap();
            let db = open(&disk, Recovery::Whole).unwrap_or_else(|error| panic!("{loss:?} at {call}: {error}"));
            assert_eq!(pairs(&db).each_ref().map(Option::as_deref), BOTH, "{loss:?} at {call}");
            if went_through {
                break;
            }
        }
    }
}

const MANIFEST: &str = "/data/appendonlydir/appendonly.aof.manifest";

/// A log of three writes, each in a file of its own, and where the second begins.
fn three_files() -> (MemoryStorage, u64) {
    let disk = MemoryStorage::new(3);
    let options = crate::LogOptions { file_size_bytes_max: 1, ..crate::LogOptions::default() };
    let mut second = 0;
    for (number, key) in ["a", "b", "c"].into_iter().enumerate() {
        let db = Store::builder().storage(disk.clone()).log(options).without_thread().open("/data").unwrap();
        if number == 1 {
            second = db.position().0;
        }
        db.set(key, (number + 1).to_string()).unwrap();
        db.close().unwrap();
    }
    (disk, second)
}

/// Writes a manifest whose base is the first file's commands, ending at `offset`, and that lists the files from `first` on.
fn put_base(disk: &MemoryStorage, offset: u64, first: u64) {
    let listed = crate::log::manifest::Manifest::decode(&disk.contents(MANIFEST.as_ref()).unwrap()).unwrap();
    let incremental = listed.incremental.iter().map(|file| file.seq).filter(|seq| *seq >= first);
    let mut text = format!("file appendonly.aof.1.base.aof seq 1 type b keyslot-offset {offset} keyslot-era 0\n");
    for seq in incremental {
        text += &format!("file appendonly.aof.{seq}.incr.aof seq {seq} type i\n");
    }
    disk.put(MANIFEST.as_ref(), text.as_bytes());
    disk.put("/data/appendonlydir/appendonly.aof.1.base.aof".as_ref(), &single_file(b"")[..23 + 27]);
}

#[test]
fn the_log_goes_on_where_the_base_says() {
    let (disk, second) = three_files();
    let end = open(&disk.fork(1), Recovery::Strict).unwrap().position();
    for first in [1, 2] {
        let disk = disk.fork(1);
        put_base(&disk, second, first);
        let db = open(&disk, Recovery::Strict).unwrap();
        // What the base holds is not applied twice.
        assert_eq!((db.recovery().commands, db.recovery().end), (3, end), "from {first}");
        assert_eq!(pairs(&db).each_ref().map(Option::as_deref), BOTH);
    }
}

#[test]
fn a_log_that_does_not_reach_its_base_or_begins_after_it_is_damage() {
    let (disk, second) = three_files();
    let early = disk.fork(1);
    put_base(&early, 100_000, 1);
    let late = disk.fork(1);
    put_base(&late, second - 1, 2);
    for disk in [early, late] {
        let refused = open(&disk, Recovery::Strict).unwrap_err();
        assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
        let db = open(&disk, Recovery::Salvage).unwrap();
        assert_eq!(pairs(&db), [Some(b"1".to_vec()), None], "{}", db.recovery());
        assert!(db.recovery().cuts.iter().all(|cut| disk.contents(cut.kept_in.as_ref().unwrap()).is_some()));
        db.set("z", "9").unwrap();
        db.close().unwrap();
        let db = open(&disk, Recovery::Strict).unwrap();
        assert!(db.recovery().cuts.is_empty() && db.get("z").unwrap().is_some(), "{}", db.recovery());
    }
}

#[test]
fn a_damaged_base_of_commands_is_salvaged_up_to_the_damage_at_whatever_call_that_is_cut_off() {
    let (sound, second) = three_files();
    put_base(&sound, second, 2);
    let base: &std::path::Path = "/data/appendonlydir/appendonly.aof.1.base.aof".as_ref();
    let mut bytes = single_file(b"");
    bytes[23 + 27] = b'!';
    let text = String::from_utf8(sound.contents(MANIFEST.as_ref()).unwrap()).unwrap();
    let sized = text.replacen("keyslot-era 0", &format!("keyslot-era 0 keyslot-size {}", bytes.len()), 1);
    for call in 0.. {
        let disk = sound.fork(call);
        disk.put(base, &bytes);
        disk.put(MANIFEST.as_ref(), sized.as_bytes());
        assert!(matches!(open(&disk, Recovery::Strict), Err(OpenError::Corrupt { .. })));
        let calls = disk.calls();
        disk.plan(Fault::PowerFails(calls + call));
        let first = open(&disk, Recovery::Salvage);
        let went_through = first.is_ok();
        disk.crash(Loss::Random);
        drop(first);
        let db = open(&disk, Recovery::Salvage).unwrap_or_else(|error| panic!("at {call}: {error}"));
        assert_eq!(pairs(&db), [Some(b"1".to_vec()), None], "at {call}: {}", db.recovery());
        db.set("z", "9").unwrap();
        db.close().unwrap();
        let db = open(&disk, Recovery::Strict).unwrap_or_else(|error| panic!("at {call}: {error}"));
        assert!(db.get("z").unwrap().is_some(), "at {call}: {}", db.recovery());
        if went_through {
            break;
        }
    }
}

/// A store with a base of this kind, that holds `base:*`, and a log behind it, that changes some and adds `log:*`.
fn based(base: LogBase) -> (MemoryStorage, PathBuf) {
    let disk = MemoryStorage::new(5);
    let builder = Store::builder().storage(disk.clone()).durability(Durability::Always).log_base(base);
    let db = builder.without_thread().open("/data").unwrap();
    db.options().set_ack(keyslot_engine::Ack::Memory);
    (0..BASE_KEYS).for_each(|n| db.set(format!("base:{n}"), format!("value {n}")).unwrap());
    db.call(&["XGROUP", "CREATE", "base:stream", "group", "$", "MKSTREAM"]);
    db.compact().unwrap();
    (0..5).for_each(|n| db.set(format!("log:{n}"), "1").unwrap());
    // Without the base there is no such group.
    db.call(&["XGROUP", "CREATECONSUMER", "base:stream", "group", "ada"]);
    db.set("log:5", "1").unwrap();
    db.close().unwrap();
    let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains(".base.")).unwrap();
    (disk, path)
}

fn snapshot_base() -> LogBase {
    LogBase::Snapshot(WriteOptions { threads: 0, ..WriteOptions::default() })
}

const BASE_KEYS: usize = 12;

/// Which keys of the base are there, each as it was; all of the log must be.
fn salvaged(db: &Store, context: &str) -> usize {
    db.options().set_ack(keyslot_engine::Ack::Memory);
    (0..6).for_each(|n| assert!(db.get(format!("log:{n}")).unwrap().is_some(), "{context}: {}", db.recovery()));
    let of_base = (0..BASE_KEYS).filter_map(|n| Some((n, db.get(format!("base:{n}")).unwrap()?)));
    of_base.inspect(|(n, value)| assert_eq!(**value, *format!("value {n}").as_bytes(), "{context}")).count()
}

#[test]
fn a_damaged_snapshot_base_is_refused_with_its_place_or_salvaged_section_by_section() {
    let (sound, base) = based(snapshot_base());
    let good = sound.contents(&base).unwrap();
    let mut least = BASE_KEYS;
    for at in (112..good.len()).step_by(29) {
        let (disk, context) = (sound.fork(1), format!("byte {at}"));
        let mut bent = good.clone();
        bent[at] ^= 1 << (at % 8);
        disk.put(&base, &bent);
        let before = disk.files();
        let refused = open(&disk, Recovery::Strict).unwrap_err();
        let named = matches!(&refused, OpenError::Snapshot(SnapshotError::Format { path, source: FormatError::Damaged(damage) })
            if *path == base && damage.at.abs_diff(at as u64) < 700);
        assert!(named, "{context}: {refused}");
        assert_eq!((disk.files(), disk.contents(&base).unwrap()), (before, bent.clone()), "a refusal changes nothing");
        let db = open(&disk, Recovery::Salvage).unwrap_or_else(|error| panic!("{context}: {error}"));
        let kept = salvaged(&db, &context);
        least = least.min(kept);
        assert!(kept + 1 >= BASE_KEYS, "{context}: {kept} keys; {}", db.recovery());
        is_kept_and_replaced(&disk, db, &bent, kept, &context);
    }
    assert_eq!(least, BASE_KEYS - 1, "some damage hits a section");
}

#[test]
fn a_damaged_rdb_base_is_refused_with_its_place_or_salvaged_up_to_there() {
    let (sound, base) = based(LogBase::Rdb(RdbOptions::default()));
    let good = sound.contents(&base).unwrap();
    let first_key = good.windows(5).position(|bytes| bytes == b"base:").unwrap();
    let mut kept_keys = Vec::new();
    for at in (first_key - 2..good.len()).step_by(17) {
        let (disk, context) = (sound.fork(1), format!("cut at {at}"));
        disk.put(&base, &good[..at]);
        assert!(matches!(open(&disk, Recovery::Strict), Err(OpenError::BaseSize { path, .. }) if path == base));
        let db = open(&disk, Recovery::Salvage).unwrap_or_else(|error| panic!("{context}: {error}"));
        let kept = salvaged(&db, &context);
        kept_keys.push(kept);
        is_kept_and_replaced(&disk, db, &good[..at], kept, &context);
    }
    assert!(kept_keys.is_sorted() && kept_keys[0] == 0 && *kept_keys.last().unwrap() == BASE_KEYS, "{kept_keys:?}");
    // A value that cannot be read is named; what stands before it is kept.
    let disk = sound.fork(1);
    let mut bent = good.clone();
    bent[first_key - 2] = 250;
    disk.put(&base, &bent);
    let refused = open(&disk, Recovery::Strict).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Base { path, offset, .. } if *path == base && offset.abs_diff(first_key as u64) < 300),
        "{refused}"
    );
    let db = open(&disk, Recovery::Salvage).unwrap();
    let kept = salvaged(&db, "a type that is none");
    is_kept_and_replaced(&disk, db, &bent, kept, "a type that is none");
}

/// The report names what is lost and where the base is kept, and the store goes on with a new base.
fn is_kept_and_replaced(disk: &MemoryStorage, db: Store, bent: &[u8], kept: usize, context: &str) {
    let cut = db.recovery().cuts.first().unwrap_or_else(|| panic!("{context}: {}", db.recovery())).clone();
    assert!(cut.loses_durable && disk.contents(cut.kept_in.as_ref().unwrap()).unwrap() == bent, "{context}: {cut}");
    db.set("after", "1").unwrap();
    db.close().unwrap();
    let db = open(disk, Recovery::Whole).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(db.recovery().cuts.is_empty() && db.get("after").unwrap().is_some());
    assert_eq!(salvaged(&db, context), kept);
}

#[test]
fn salvaging_a_base_may_be_cut_off_at_every_call() {
    for kind in [LogBase::Rdb(RdbOptions::default()), snapshot_base()] {
        let (sound, base) = based(kind);
        let good = sound.contents(&base).unwrap();
        for call in 0.. {
            let (disk, context) = (sound.fork(call), format!("call {call}"));
            let mut bent = good.clone();
            let at = good.windows(7).position(|bytes| bytes == b"value 7").unwrap();
            bent[at] ^= 1;
            disk.put(&base, &bent);
            disk.plan(Fault::PowerFails(disk.calls() + call));
            let first = open(&disk, Recovery::Salvage);
            let went_through = first.is_ok() && open(&disk.fork(9), Recovery::Strict).is_ok();
            disk.crash(Loss::Random);
            drop(first);
            let db = open(&disk, Recovery::Salvage).unwrap_or_else(|error| panic!("{context}: {error}"));
            db.options().set_ack(keyslot_engine::Ack::Memory);
            assert!(db.get("log:5").unwrap().is_some() && db.get("base:3").unwrap().is_some(), "{context}");
            db.close().unwrap();
            drop(open(&disk, Recovery::Strict).unwrap_or_else(|error| panic!("{context}: {error}")));
            if went_through {
                break;
            }
        }
    }
}
