use super::*;
use crate::log::{LogOptions, Preallocation};
use crate::recovery::Recovery;
use crate::storage::{Fault, Loss, MemoryStorage};
use crate::{JournalOptions, JournalReader};
use keyslot_engine::CommandError;

const LOG: &str = "/data/appendonlydir/appendonly.aof.1.incr.aof";

fn builder(disk: &MemoryStorage) -> StoreBuilder {
    let log = LogOptions { preallocation: Preallocation::Zeros, ..LogOptions::default() };
    Store::builder().storage(disk.clone()).durability(Durability::Always).log(log)
}

fn written(disk: &MemoryStorage) {
    let db = builder(disk).open("/data").unwrap();
    db.set("a", "1").unwrap();
    db.set("b", "2").unwrap();
    db.close().unwrap();
}

#[test]
fn a_closed_store_opens_with_its_data_and_goes_on_in_the_same_file() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let db = builder(&disk).open("/data").unwrap();
    let report = db.recovery().clone();
    assert!(report.clean && report.cuts.is_empty());
    assert_eq!((report.files, report.commands), (1, 2));
    assert_eq!(db.get("b").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(db.position(), report.end);
    db.set("c", "3").unwrap();
    assert!(db.position() > report.end);
    drop(db);
    let db = builder(&disk).open("/data").unwrap();
    assert!(db.recovery().clean, "dropping a store closes it: {}", db.recovery());
    assert_eq!((db.recovery().files, db.recovery().commands), (1, 3));
}

#[test]
fn a_store_that_was_not_closed_says_so() {
    let disk = MemoryStorage::new(1);
    let db = builder(&disk).open("/data").unwrap();
    db.set("a", "1").unwrap();
    disk.crash(Loss::Nothing);
    drop(db);
    let db = builder(&disk).open("/data").unwrap();
    assert!(!db.recovery().clean && db.recovery().zeros_size_bytes > 0, "{}", db.recovery());
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    drop(db);
    let db = builder(&disk).open("/data").unwrap();
    disk.crash(Loss::All);
    drop(db);
    let db = builder(&disk).open("/data").unwrap();
    assert!(!db.recovery().clean, "the mark of an earlier stop does not count");
}

#[test]
fn a_second_opener_is_refused() {
    let disk = MemoryStorage::new(1);
    let db = builder(&disk).open("/data").unwrap();
    let error = builder(&disk).open("/data").unwrap_err();
    assert!(matches!(&error, OpenError::Locked { path, .. } if path.to_str() == Some("/data")), "{error}");
    db.close().unwrap();
    builder(&disk).open("/data").unwrap();
}

#[test]
fn a_torn_tail_is_cut_kept_and_reported_to_the_byte() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let mut bytes = disk.contents(LOG.as_ref()).unwrap();
    let sound = bytes.len();
    bytes.extend_from_slice(b"#keyslot:1 slots id=");
    disk.put(LOG.as_ref(), &bytes);
    let db = builder(&disk).open("/data").unwrap();
    let cut = &db.recovery().cuts[0];
    assert_eq!((cut.at, cut.size_bytes, cut.loses_durable), (sound as u64, 20, false));
    assert_eq!(disk.contents(cut.kept_in.as_ref().unwrap()).unwrap(), b"#keyslot:1 slots id=");
    assert_eq!(db.recovery().commands, 2);
}

#[test]
fn damage_before_the_durable_end_is_refused_or_salvaged() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let mut bytes = disk.contents(LOG.as_ref()).unwrap();
    let at = bytes.windows(9).position(|w| w == b"$1\r\nb\r\n$1").unwrap();
    bytes[at + 4] = b'x';
    disk.put(LOG.as_ref(), &bytes);
    let error = builder(&disk).open("/data").unwrap_err();
    let OpenError::Corrupt { path, offset, expected, found, .. } = &error else { panic!("{error}") };
    let line = bytes[*offset as usize..].split(|b| *b == b'\n').next().unwrap();
    assert!(line.starts_with(b"#keyslot:1 slots") && *offset < at as u64);
    assert!(path.ends_with("appendonly.aof.1.incr.aof") && expected.contains("checksum") && found.contains("checksum"));
    assert_eq!(disk.contents(LOG.as_ref()).unwrap(), bytes, "a refusal changes nothing");

    let db = builder(&disk).recovery(Recovery::Salvage).open("/data").unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get("b").unwrap(), None);
    let cut = db.recovery().cuts[0].clone();
    assert!(cut.loses_durable && cut.at == *offset);
    assert_eq!(disk.contents(&cut.kept_in.unwrap()).unwrap(), bytes[*offset as usize..]);
    db.close().unwrap();
    assert_eq!(builder(&disk).open("/data").unwrap().recovery().cuts, []);
}

#[test]
fn a_failed_fsync_refuses_writes_until_the_store_is_opened_again() {
    let disk = MemoryStorage::new(1);
    let db = builder(&disk).open("/data").unwrap();
    db.set("a", "1").unwrap();
    disk.plan(Fault::SyncFails(0));
    assert!(matches!(db.set("a", "2"), Err(CommandError::OutcomeUnknown)));
    match db.set("a", "3") {
        Err(CommandError::NotWritable(reason)) => assert_eq!(reason, "Input/output error"),
        other => panic!("{other:?}"),
    }
    assert_eq!(db.get("b").unwrap(), None, "reads go on");
    assert!(matches!(db.get("a"), Err(CommandError::OutcomeUnknown)), "but show nothing that a crash could take back");
    assert!(!db.info().log.is_some_and(|log| log.last_write_ok));
    assert!(matches!(db.close(), Err(CloseError::Failed(_))));
    let db = builder(&disk).open("/data").unwrap();
    db.set("b", "1").unwrap();
}

#[test]
fn recovered_bytes_that_a_failed_fsync_forgot_are_durable_after_opening() {
    for seed in 0..20 {
        let disk = MemoryStorage::new(seed);
        let db = builder(&disk).open("/data").unwrap();
        disk.plan(Fault::SyncFails(0));
        db.set("a", "1").unwrap_err();
        drop(db);
        let db = builder(&disk).open("/data").unwrap();
        let seen = db.get("a").unwrap();
        disk.crash(Loss::All);
        drop(db);
        let db = builder(&disk).open("/data").unwrap();
        assert_eq!(db.get("a").unwrap(), seen, "what was shown once stays, seed {seed}");
    }
}

#[test]
fn an_rdb_base_that_is_damaged_is_named_with_its_place() {
    let disk = MemoryStorage::new(1);
    let manifest = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    disk.put("/data/appendonlydir/appendonly.aof.manifest".as_ref(), manifest);
    disk.put("/data/appendonlydir/appendonly.aof.1.base.rdb".as_ref(), b"REDIS0010...");
    assert!(matches!(builder(&disk).open("/data"), Err(OpenError::MissingFile { .. })));
    disk.put(LOG.as_ref(), b"");
    let error = builder(&disk).open("/data").unwrap_err();
    assert!(matches!(error, OpenError::Base { offset: 12, .. }), "{error}");
    let salvaged = builder(&disk).recovery(Recovery::Salvage).open("/data").unwrap();
    assert!(salvaged.recovery().cuts[0].at == 12 && salvaged.recovery().cuts[0].kept_in.is_some());
}

#[test]
fn a_log_that_lost_its_manifest_is_not_taken_for_an_empty_one() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let copy = MemoryStorage::new(2);
    copy.put(LOG.as_ref(), &disk.contents(LOG.as_ref()).unwrap());
    let error = builder(&copy).open("/data").unwrap_err();
    assert!(matches!(&error, OpenError::UnlistedFile { path, .. } if path.to_str() == Some(LOG)), "{error}");
}

#[test]
fn a_log_of_redis_is_read_and_continued_in_a_file_of_ours() {
    let disk = MemoryStorage::new(1);
    let manifest = b"file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    disk.put("/data/appendonlydir/appendonly.aof.manifest".as_ref(), manifest);
    disk.put(
        "/data/appendonlydir/appendonly.aof.1.base.aof".as_ref(),
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
    );
    let incremental = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#TS:1700000000\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n\
                        *1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n*1\r\n$4\r\nEXE";
    disk.put(LOG.as_ref(), incremental);
    let db = builder(&disk).open("/data").unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get("b").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(db.get("c").unwrap(), None, "half a transaction is not applied");
    let cut = &db.recovery().cuts[0];
    assert_eq!(incremental.len() as u64 - cut.at, cut.size_bytes);
    assert!(incremental[cut.at as usize..].starts_with(b"*1\r\n$5\r\nMULTI"));
    db.set("d", "4").unwrap();
    db.close().unwrap();
    let db = builder(&disk).open("/data").unwrap();
    assert!(db.recovery().clean);
    assert_eq!((db.recovery().files, db.recovery().commands), (3, 3));
}

#[test]
fn what_redis_appended_to_our_file_is_read() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let mut bytes = disk.contents(LOG.as_ref()).unwrap();
    bytes.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$1\r\n9\r\n");
    disk.put(LOG.as_ref(), &bytes);
    let db = builder(&disk).open("/data").unwrap();
    assert_eq!(db.get("z").unwrap().as_deref(), Some(&b"9"[..]));
    assert!(disk.files().iter().any(|f| f.ends_with("appendonly.aof.2.incr.aof")), "ours go into a file of their own");
}

#[test]
fn an_effect_that_cannot_be_applied_is_named() {
    let disk = MemoryStorage::new(1);
    disk.put("/data/appendonlydir/appendonly.aof.manifest".as_ref(), b"file appendonly.aof.1.incr.aof seq 1 type i\n");
    disk.put(LOG.as_ref(), b"*1\r\n$4\r\nNOPE\r\n");
    let error = builder(&disk).recovery(Recovery::Salvage).open("/data").unwrap_err();
    assert!(matches!(&error, OpenError::Refused { offset: 0, .. }), "{error}");
}

#[test]
fn progress_reaches_the_end() {
    let disk = MemoryStorage::new(1);
    written(&disk);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    builder(&disk).on_progress(move |p| sink.lock().push(*p)).open("/data").unwrap();
    let last = *seen.lock().last().unwrap();
    assert_eq!(last.done_bytes, last.total_bytes);
}

#[test]
fn a_stop_line_that_a_failed_fsync_forgot_is_written_again() {
    for seed in 0..20 {
        let disk = MemoryStorage::new(seed);
        let db = builder(&disk).without_thread().open("/data").unwrap();
        // Two syncs come before the one of the line that marks the stop.
        disk.plan(Fault::SyncFails(disk.calls() + 3));
        db.close().unwrap_err();
        disk.crash(Loss::Nothing);
        let db = builder(&disk).without_thread().open("/data").unwrap();
        disk.crash(Loss::All);
        drop(db);
        builder(&disk).open("/data").unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[test]
fn a_feed_reads_the_journal_and_goes_on_after_a_restart() {
    let disk = MemoryStorage::new(1);
    let db = builder(&disk).open("/data").unwrap();
    let mut feed = db.effects().open().unwrap();
    db.mset(&[("a", "1"), ("b", "2")]).unwrap();
    let batch = feed.next_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
    assert_eq!(batch.effects.len(), 2);
    assert_eq!(batch.position.offset, db.position());
    std::thread::scope(|scope| {
        scope.spawn(|| db.set("c", "3").unwrap());
        let batch = feed.next_timeout(std::time::Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(batch.effects[0].args, ["SET", "c", "3"]);
    });
    db.close().unwrap();
    let db = builder(&disk).open("/data").unwrap();
    let mut resumed = db.effects().from(feed.position()).open().unwrap();
    db.set("d", "4").unwrap();
    assert_eq!(resumed.try_next().unwrap().unwrap().effects[0].args, ["SET", "d", "4"]);
    let lagged = db.effects().from(batch.position).open().err();
    assert!(matches!(lagged, Some(keyslot_engine::FeedError::Lagged { .. })), "the log is not read back");
}

#[test]
fn the_journal_is_read_back_from_the_log() {
    let disk = MemoryStorage::new(1);
    let open = || {
        let log =
            LogOptions { file_size_bytes_max: 3000, preallocation: Preallocation::Zeros, preallocation_bytes_max: 512 };
        let journal = JournalOptions {
            chunk_size_bytes: 256,
            backlog_size_bytes_max: 512,
            group_size_bytes: 200,
            ..JournalOptions::default()
        };
        builder(&disk).log(log).journal(journal).without_thread().open("/data").unwrap()
    };
    let db = open();
    db.options().set_ack(Ack::Memory);
    let (mut expected, mut reader) = (Vec::new(), JournalReader::new(db.journal().clone(), Offset(0)).unwrap());
    for n in 0..400u64 {
        db.set(format!("key:{n}"), "x".repeat(n as usize % 70)).unwrap();
        reader.read(&mut expected, usize::MAX).unwrap();
        if n % 7 == 0 {
            db.step(n * 400_000_000);
            db.step(n * 400_000_000 + 50_000_000);
        }
    }
    assert_eq!(expected.len() as u64, db.position().0);
    let read_all = |db: &Store, from: u64, piece: usize| {
        let mut reader = JournalReader::new(db.journal().clone(), Offset(from))?;
        let mut bytes = Vec::new();
        while reader.position() < db.position() {
            reader.read(&mut bytes, piece)?;
        }
        Ok::<_, keyslot_engine::effect::Unreadable>(bytes)
    };
    assert!(db.journal().oldest() > Offset(20_000), "memory holds the end only");
    // A byte within a group, too: a peer may have been cut anywhere.
    for (from, piece) in
        [(0, 1000), (1, 77), (777, 100_000), (expected.len() as u64 - 900, 5), (expected.len() as u64, 5)]
    {
        assert!(read_all(&db, from, piece).unwrap() == expected[from as usize..], "from {from}");
    }
    db.close().unwrap();
    // After a restart all of it is in the log.
    let db = open();
    assert_eq!(db.journal().oldest(), Offset(expected.len() as u64));
    assert!(read_all(&db, 333, 4096).unwrap() == expected[333..]);
    db.options().set_ack(Ack::Memory);
    db.set("more", "x").unwrap();
    db.compact().unwrap();
    let oldest = db.journal().oldest_logged().unwrap();
    assert!(matches!(read_all(&db, 333, 4096), Err(keyslot_engine::effect::Unreadable::Lagged { .. })));
    assert!(oldest > Offset(333));
    // What is damaged is not given on.
    let db = {
        drop(db);
        open()
    };
    db.options().set_ack(Ack::Memory);
    db.set("again", "y").unwrap();
    db.step(1 << 50);
    db.step((1 << 50) + 50_000_000);
    let position = |bytes: &[u8]| bytes.windows(5).rposition(|window| window == b"again");
    let holds = |file: &std::path::PathBuf| disk.contents(file).is_some_and(|bytes| position(&bytes).is_some());
    let newest = disk.files().into_iter().find(holds).unwrap();
    let mut bytes = disk.contents(&newest).unwrap();
    let at = position(&bytes).unwrap();
    bytes[at] ^= 1;
    disk.put(&newest, &bytes);
    let start = db.recovery().end.0;
    for n in 0..40u64 {
        db.set(format!("key:{n}"), "x".repeat(50)).unwrap();
        db.step((1 << 50) + (n + 1) * 400_000_000);
    }
    assert!(read_all(&db, start, 4096).is_err());
}
