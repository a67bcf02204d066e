//! Snapshots of every version that was ever written, and the seeds of the fuzz target.

use keyslot_engine::{Engine, ManualClock, UnixMillis};
use keyslot_persistence::snapshot::{
    Compression, LoadOptions, Snapshot, SnapshotProgress, Tolerance, WriteOptions, write,
};
use keyslot_persistence::{MemoryStorage, RealStorage, Storage};
use std::path::{Path, PathBuf};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// A few keys of every type.
fn filled() -> Engine {
    let db = Engine::builder().clock(ManualClock::at(NOW)).in_memory();
    let ask = |request: &str| {
        let reply = format!("{:?}", db.call(&request.split(' ').collect::<Vec<_>>()));
        assert!(!reply.contains("Error"), "{request}: {reply}");
    };
    for request in [
        "SET text value",
        "SET int -70000",
        "SET expiring x PXAT 1800000000000",
        "SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "RPUSH list a b 3",
        "SADD set a b",
        "SADD ints 1 2 70000",
        "ZADD sorted 1.5 a -inf b",
        "HSET hash f v g 7",
        "HSET timed f v g 7",
        "HPEXPIREAT timed 1800000000000 FIELDS 1 f",
        "XADD stream 1-1 f v",
        "XADD stream 2-1 f w",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group ada COUNT 1 STREAMS stream >",
        "PFADD sketch a b c",
        "COPY text text DB 9",
    ] {
        ask(request);
    }
    for n in 0..150 {
        ask(&format!("ZADD large {n} member:{n}"));
    }
    db
}

fn digest(db: &Engine) -> String {
    format!("{:?}", db.call(&["DEBUG", "DIGEST"]))
}

fn golden(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/golden/snapshot-{version}"))
}

#[test]
fn snapshots_of_every_version_load() {
    for version in 1..=1 {
        let path = golden(version);
        let snapshot = Snapshot::open(&RealStorage, &path, Tolerance::Strict).unwrap();
        assert!(snapshot.check().is_sound());
        let db = Engine::builder().clock(ManualClock::at(NOW)).in_memory();
        snapshot.load(&db, &LoadOptions::default(), &SnapshotProgress::new()).unwrap();
        assert_eq!(digest(&db), digest(&filled()), "version {version}");
    }
}

#[test]
fn a_version_to_come_is_refused_by_its_number() {
    let mut file = std::fs::read(golden(1)).unwrap();
    file[8] = 2;
    let checksum = crc32fast::hash(&file[..108]);
    file[108..112].copy_from_slice(&checksum.to_le_bytes());
    let disk = MemoryStorage::new(1);
    disk.put(Path::new("/d/s"), &file);
    for tolerance in [Tolerance::Strict, Tolerance::Salvage] {
        let error = Snapshot::open(&disk, Path::new("/d/s"), tolerance).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/d/s: snapshot version 2 is newer than 1, the newest that can be read; use a newer program"
        );
    }
}

#[test]
#[ignore = "writes the golden file of the newest version and the seeds of the fuzz target"]
fn write_golden_and_seeds() {
    let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/snapshot");
    std::fs::create_dir_all(&seeds).unwrap();
    std::fs::create_dir_all(golden(1).parent().unwrap()).unwrap();
    let disk = MemoryStorage::new(1);
    let path = Path::new("/d/s");
    disk.create_dir(Path::new("/d")).unwrap();
    for (name, compression) in [("file", Compression::None), ("lz4", Compression::Lz4)] {
        let options = WriteOptions { compression, ..WriteOptions::default() };
        write(filled().view(), &disk, path, &options, &SnapshotProgress::new()).unwrap();
        let file = disk.contents(path).unwrap();
        std::fs::write(seeds.join(name), [&[0], &file[..]].concat()).unwrap();
        if compression == Compression::None {
            std::fs::write(golden(1), &file).unwrap();
            std::fs::write(seeds.join("cut"), [&[0], &file[..file.len() - 60]].concat()).unwrap();
        }
    }
    // The payloads of sections, to be sealed.
    let payloads: [(&str, &[u8]); 6] = [
        ("string", b"\x20\x01k\x05value\x3f\x03\xa1\x00\x68\xe5\xcf\x8b\x01\x00\x00\x01k\x07"),
        ("list", b"\x12\x01k\x13\x02\x01\x01a\x02\x0d\x0d\x00\x00\x00\x02\x00\x81b\x02\x03\x01\xff\x00"),
        ("set", b"\x02\x01k\x05\x02\x01a\x01b\x0b\x03{k}\x0c\x0b\x02\x00\x00\x00\x01\x00\x00\x00\x05\x00"),
        ("sorted-set", b"\x05\x01k\x0b\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f"),
        ("hash", b"\x04\x01k\x05\x01\x01f\x01v\x60\x03{k}\x01\x05\x01v"),
        ("compressed", b"\x04\x01k\x0d\x01\x01f\xc3\x07\x20\x00a\xe0\x0b\x00\x01aa"),
    ];
    for (name, payload) in payloads {
        std::fs::write(seeds.join(name), [&[1], payload].concat()).unwrap();
    }
}
