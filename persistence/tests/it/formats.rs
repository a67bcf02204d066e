//! The examples on the pages are the bytes that are written, and files of each version are read.

use keyslot_engine::resp::Value;
use keyslot_engine::{Ack, Engine, ManualClock, Slot, UnixMillis};
use keyslot_persistence::snapshot::{SnapshotHeader, check_snapshot, compose};
use keyslot_persistence::{Durability, MemoryStorage, OpenError, Recovery, Storage, Store, StoreBuilder};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
/// The newest version of the log.
const NEWEST: u32 = 1;
const MANIFEST: &str = "/d/appendonlydir/appendonly.aof.manifest";
const LOG: &str = "/d/appendonlydir/appendonly.aof.1.incr.aof";

fn builder(disk: impl Storage) -> StoreBuilder {
    let engine = Engine::builder().clock(ManualClock::at(NOW));
    Store::builder().storage(disk).engine(engine).durability(Durability::EverySecond).without_thread()
}

/// The store of the example.
fn example() -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    let db = builder(disk.clone()).open("/d").unwrap();
    db.options().set_ack(Ack::Memory);
    db.set("k", "1").unwrap();
    db.step(0);
    db.step(2_000_000_000);
    let both = |turn: &mut keyslot_engine::Turn<'_>| {
        turn.set("{c}1", "x")?;
        turn.set("{c}2", "y")
    };
    db.atomic("{c}", both).unwrap();
    db.close().unwrap();
    disk
}

fn shown(page: &str, rendered: &str) {
    assert!(page.contains(&format!("```text\n{rendered}```\n")), "the page should show\n{rendered}");
}

/// Each line of the file, and each command, with its place.
fn text_with_places(bytes: &[u8]) -> String {
    let mut starts: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(b"#keyslot") || (bytes[*at] == b'*' && *at > 0 && bytes[at - 1] == b'\n'))
        .collect();
    starts.push(bytes.len());
    let lines = starts.windows(2).map(|ends| format!("{:>5}  {}\n", ends[0], bytes[ends[0]..ends[1]].escape_ascii()));
    lines.collect()
}

#[test]
fn the_page_of_the_log_shows_what_is_written() {
    let disk = example();
    let page = include_str!("../../src/formats/log.md");
    shown(page, &String::from_utf8(disk.contents(MANIFEST.as_ref()).unwrap()).unwrap());
    shown(page, &text_with_places(&disk.contents(LOG.as_ref()).unwrap()));
}

#[test]
fn the_page_of_the_snapshot_shows_every_byte() {
    let header = SnapshotHeader { id: 1, era: 1, ..SnapshotHeader::default() };
    let n = b"\xa1\x00\x68\xe5\xcf\x8b\x01\x00\x00\x01n\x07";
    let foo = b"\x20\x03foo\x03bar";
    let sections = [(Some(Slot::of(b"n")), 1, &n[..]), (Some(Slot::of(b"foo")), 1, &foo[..])];
    let file = compose(&header, &sections);
    assert!(check_snapshot(&file).is_ok_and(|check| check.is_sound() && check.keys.all == 2));
    let section = [
        (2, "\"SL\""),
        (2, "slot"),
        (1, "form: plain"),
        (3, "0"),
        (8, "entries"),
        (8, "size of the payload"),
        (4, "checksum of the payload"),
        (4, "checksum of the head"),
    ];
    let index = [
        (8, "index: where the section begins"),
        (8, "size of its payload"),
        (8, "its entries"),
        (2, "its slot"),
        (1, "its form"),
        (1, "0"),
        (4, "checksum of its head"),
    ];
    let mut parts = vec![
        (8, "\"KSLOTSNP\""),
        (4, "version"),
        (4, "size of the header"),
        (8, "id"),
        (8, "era"),
        (8, "journal offset"),
        (8, "time"),
        (4, "features: none"),
        (4, "0"),
        (40, "replication id: none"),
        (12, "version of the writer: not told"),
        (4, "checksum of the header"),
    ];
    parts.extend(section);
    parts.extend([(1, "kind 33, with an expiry"), (8, "expiry"), (2, "key \"n\""), (1, "value 7")]);
    parts.extend(section);
    parts.extend([(1, "kind 32"), (4, "key \"foo\""), (4, "value \"bar\"")]);
    parts.extend(index);
    parts.extend(index);
    parts.extend([
        (8, "end: where the index begins"),
        (8, "sections"),
        (8, "entries"),
        (8, "id"),
        (4, "checksum of the index"),
        (4, "checksum of the end"),
        (8, "\"KSLOTEND\""),
    ]);
    let (mut rendered, mut at) = (String::new(), 0);
    for (size, note) in parts {
        for (line, bytes) in file[at..at + size].chunks(12).enumerate() {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let note = if line == 0 { note } else { "" };
            let line = format!("{:>4}  {:<36}{note}", at + line * 12, hex.join(" "));
            writeln!(rendered, "{}", line.trim_end()).unwrap();
        }
        at += size;
    }
    assert_eq!(at, file.len(), "no byte is left out");
    shown(include_str!("../../src/formats/snapshot.md"), &rendered);
}

fn golden(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/log-{version}"))
}

/// The files of a directory, put on a disk in memory.
fn put_golden(version: u32) -> MemoryStorage {
    let disk = MemoryStorage::new(1);
    for file in std::fs::read_dir(golden(version)).unwrap() {
        let path = file.unwrap().path();
        disk.put(&Path::new("/d/appendonlydir").join(path.file_name().unwrap()), &std::fs::read(&path).unwrap());
    }
    disk
}

fn digest(db: &Engine) -> Value {
    db.call(&["DEBUG", "DIGEST"])
}

/// What the golden log holds: a base, and writes after it.
fn written() -> (MemoryStorage, Value) {
    let disk = MemoryStorage::new(1);
    let db = builder(disk.clone()).open("/d").unwrap();
    db.options().set_ack(Ack::Memory);
    let ask = |request: &str| {
        let reply = db.call(&request.split(' ').collect::<Vec<_>>());
        assert!(!matches!(reply, Value::Error(_)), "{request}: {reply:?}");
    };
    for request in ["SET text value", "RPUSH list a b 3", "HSET hash f v", "ZADD sorted 1.5 a", "XADD stream 1-1 f v"] {
        ask(request);
    }
    db.compact().unwrap();
    for request in ["SADD set a b", "SET expiring x PXAT 1800000000000", "INCR n", "LPOP list"] {
        ask(request);
    }
    let expected = digest(&db);
    db.close().unwrap();
    (disk, expected)
}

#[test]
fn logs_of_every_version_are_read_and_gone_on_with() {
    let (_, expected) = written();
    for version in 1..=NEWEST {
        let disk = put_golden(version);
        let db = builder(disk.clone()).recovery(Recovery::Whole).open("/d").unwrap();
        assert_eq!(digest(&db), expected, "version {version}: {}", db.recovery());
        db.options().set_ack(Ack::Memory);
        db.set("after", "1").unwrap();
        db.close().unwrap();
        let again = builder(disk).recovery(Recovery::Whole).open("/d").unwrap();
        assert!(again.get("after").unwrap().is_some());
    }
}

#[test]
fn a_version_to_come_is_refused_by_its_number_and_nothing_is_changed() {
    let tomorrow = |covered: &str| {
        let covered = covered.replacen("#keyslot:1", "#keyslot:2", 1);
        format!("{covered} sum={:08x}", crc32fast::hash(covered.as_bytes()))
    };
    let disk = put_golden(1);
    let names = disk.files();
    let log = names.iter().rfind(|path| path.to_string_lossy().ends_with(".incr.aof")).unwrap();
    let text = String::from_utf8(disk.contents(log).unwrap()).unwrap();
    let (line, rest) = text.split_once("\r\n").unwrap();
    let newer = format!("{}\r\n{rest}", tomorrow(line.rsplit_once(" sum=").unwrap().0));
    disk.put(log, newer.as_bytes());
    for recovery in [Recovery::Strict, Recovery::Salvage, Recovery::Whole] {
        let refused = builder(disk.clone()).recovery(recovery).open("/d").unwrap_err();
        assert!(matches!(&refused, OpenError::UnsupportedVersion { found: 2, path, .. } if path == log), "{refused}");
        assert!(refused.to_string().contains("format version 2"), "{refused}");
    }
    assert_eq!(disk.contents(log).unwrap(), newer.as_bytes());

    let disk = put_golden(1);
    let text = String::from_utf8(disk.contents(MANIFEST.as_ref()).unwrap()).unwrap();
    let newer = text.replacen("#keyslot:1", "#keyslot:2", 1);
    disk.put(MANIFEST.as_ref(), newer.as_bytes());
    for recovery in [Recovery::Strict, Recovery::Salvage, Recovery::Whole] {
        let refused = builder(disk.clone()).recovery(recovery).open("/d").unwrap_err();
        assert!(matches!(refused, OpenError::Manifest { line: 1, .. }), "{refused}");
        assert!(refused.to_string().contains("format version 2, of a newer program"), "{refused}");
    }
    assert_eq!(disk.contents(MANIFEST.as_ref()).unwrap(), newer.as_bytes());
}

#[test]
#[ignore = "writes the golden log of the newest version"]
fn write_golden() {
    let (disk, _) = written();
    let dir = golden(NEWEST);
    std::fs::create_dir_all(&dir).unwrap();
    for path in disk.files().into_iter().filter(|path| path.starts_with("/d/appendonlydir")) {
        std::fs::write(dir.join(path.file_name().unwrap()), disk.contents(&path).unwrap()).unwrap();
    }
}
