//! RDB: what is written is read back, by this library and by real servers, and theirs is read here.

use crate::dataset;
use crate::server::{Server, has};
use keyslot_engine::resp::Value;
use keyslot_engine::{Engine, ManualClock, UnixMillis};
use keyslot_persistence::rdb::{
    KeyUsage, RdbError, RdbLoadError, RdbLoaded, RdbLoader, RdbOptions, RdbWriter, RdbWritten, write_view,
};
use std::process::Command;

/// The most elements of a value.
const MOST: usize = 1500;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn engine() -> Engine {
    Engine::builder().clock(ManualClock::at(NOW)).seed(7).in_memory()
}

fn filled(seed: u64) -> Engine {
    let db = engine();
    let mut session = db.session(std::task::Waker::noop().clone(), keyslot_engine::PeerInfo::default());
    let mut out = Vec::new();
    for request in dataset::requests(seed, MOST) {
        let words: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        keyslot_engine::effect::encode_effect(&mut bytes, &words);
        session.feed(&bytes);
        out.clear();
        session.poll_output(&mut out);
        assert!(!out.starts_with(b"-"), "{}: {}", String::from_utf8_lossy(words[0]), String::from_utf8_lossy(&out));
    }
    db
}

fn digest(db: &Engine) -> String {
    match db.call(&["DEBUG", "DIGEST"]) {
        Value::Simple(text) | Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

fn written(db: &Engine, options: RdbOptions) -> (Vec<u8>, RdbWritten) {
    let mut bytes = Vec::new();
    let mut keep = |piece: &[u8], _: u64| {
        bytes.extend_from_slice(piece);
        Ok::<(), ()>(())
    };
    let report = write_view(&db.view(), options, &[("redis-ver", "7.2.4"), ("redis-bits", "64")], &mut keep).unwrap();
    (bytes, report)
}

fn load(db: &Engine, bytes: &[u8], piece: usize) -> Result<RdbLoaded, RdbLoadError> {
    let mut loader = RdbLoader::new(db, Some(NOW));
    for piece in bytes.chunks(piece) {
        loader.feed(piece)?;
    }
    loader.finish()
}

#[test]
fn what_is_written_is_read_back() {
    for (seed, compress, usage, piece) in
        [(1, true, KeyUsage::Untold, 1 << 20), (2, false, KeyUsage::Idle, 1000), (3, true, KeyUsage::Frequency, 4096)]
    {
        let db = filled(seed);
        let (bytes, report) = written(&db, RdbOptions { compress, usage, ..RdbOptions::default() });
        assert_eq!((report.version, report.bytes), (10, bytes.len() as u64));
        let copy = engine();
        let loaded = load(&copy, &bytes, piece).unwrap();
        assert_eq!((loaded.version, loaded.bytes), (10, bytes.len() as u64));
        assert_eq!((loaded.keys, loaded.expires, loaded.libraries), (report.keys, report.expires, 1));
        assert_eq!(loaded.notes[0], ("redis-ver".into(), "7.2.4".into()));
        assert_eq!(digest(&copy), digest(&db));
    }
}

#[test]
fn compression_makes_it_smaller_and_a_checksum_may_be_left_out() {
    let db = filled(1);
    let (plain, _) = written(&db, RdbOptions { compress: false, ..RdbOptions::default() });
    let (small, _) = written(&db, RdbOptions::default());
    assert!(small.len() < plain.len() * 9 / 10, "{} of {}", small.len(), plain.len());
    let (unsummed, _) = written(&db, RdbOptions { checksum: false, ..RdbOptions::default() });
    assert_eq!(unsummed[unsummed.len() - 8..], [0; 8]);
    assert!(load(&engine(), &unsummed, 1 << 20).is_ok());
}

#[test]
fn expiries_of_fields_raise_the_version() {
    let db = engine();
    db.hset("h", "f", "v").unwrap();
    let stays = db.call(&["HPEXPIREAT", "h", "1700000005000", "FIELDS", "1", "f"]);
    assert_eq!(stays.as_slice().map(<[Value]>::len), Some(1));
    let (bytes, report) = written(&db, RdbOptions::default());
    assert!(report.version == 12 && bytes.starts_with(b"REDIS0012"));
    let copy = engine();
    load(&copy, &bytes, 7).unwrap();
    assert_eq!(
        copy.call(&["HPEXPIRETIME", "h", "FIELDS", "1", "f"]),
        db.call(&["HPEXPIRETIME", "h", "FIELDS", "1", "f"])
    );
    let mut writer = RdbWriter::new(RdbOptions::default());
    let (view, mut out) = (db.view(), Vec::new());
    let slot = view.slot(keyslot_engine::Slot::of(b"h"));
    let refused = writer.entry(&mut out, &slot.iter().next().unwrap()).unwrap_err();
    assert!(refused.needed == 12 && out.is_empty(), "{refused}");
}

#[test]
fn keys_that_expired_are_dropped_only_by_whoever_decides_that() {
    let db = engine();
    db.set("stays", 1).unwrap();
    db.call(&["SET", "goes", "1", "PXAT", "1700000000500"]);
    db.call(&["SET", "later", "1", "PXAT", "1700000900000"]);
    let (bytes, _) = written(&db, RdbOptions::default());
    for (now, keys, expired) in
        [(Some(UnixMillis(NOW.0 + 501)), 2, 1), (None, 3, 0), (Some(UnixMillis(NOW.0 + 500)), 3, 0)]
    {
        let copy = engine();
        let mut loader = RdbLoader::new(&copy, now);
        loader.feed(&bytes).unwrap();
        let loaded = loader.finish().unwrap();
        assert_eq!((loaded.keys, loaded.expired), (keys, expired));
    }
}

#[test]
fn damage_is_named_and_never_panics() {
    let db = engine();
    for request in
        ["SET s text", "SET n 12 PX 100000", "RPUSH l a b 300", "SADD m 1 2", "SADD t a b", "ZADD z 1 a", "HSET h f v"]
    {
        db.call(&request.split(' ').collect::<Vec<_>>());
    }
    db.call(&["XADD", "x", "1-1", "f", "v"]);
    db.call(&["XGROUP", "CREATE", "x", "g", "0"]);
    let (bytes, _) = written(&db, RdbOptions::default());
    for len in 0..bytes.len() {
        let mut loader = RdbLoader::new(&engine(), None);
        assert_eq!(loader.feed(&bytes[..len]).map_err(|error| error.to_string()), Ok(len));
        assert!(matches!(loader.finish(), Err(RdbLoadError::Rdb(RdbError::Cut { .. }))));
    }
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 0x55;
        assert!(load(&engine(), &bent, 1 << 20).is_err(), "byte {at}");
    }
}

#[test]
fn a_key_that_comes_twice_and_a_database_too_many_are_refused() {
    let twice = b"REDIS0004\xfe\x00\x00\x01k\x01a\x00\x01k\x01b\xff";
    let error = load(&engine(), twice, 100).unwrap_err().to_string();
    assert!(error.contains("is there twice in database 0"), "{error}");
    let error = load(&engine(), b"REDIS0004\xfe\x10\x00\x01k\x01a\xff", 100).unwrap_err().to_string();
    assert!(error.contains("there is no database 16"), "{error}");
    let empty = load(&engine(), b"REDIS0004\xfe\x00\x02\x01k\x00\x00\x01l\x01b\xff", 100).unwrap();
    assert_eq!((empty.keys, empty.empty), (1, 1));
}

/// A file that redis-server 7.0.15 saved after the requests of seed 5, and the digest that it gave; the test below writes
/// both anew if `KEYSLOT_REGENERATE` is set.
#[test]
fn a_file_of_redis_loads_with_the_digest_that_it_had_there() {
    let golden = include_bytes!("golden/redis-7.0.15.rdb");
    let expected = include_str!("golden/redis-7.0.15.digest").trim();
    for piece in [1 << 20, 333] {
        let db = engine();
        let loaded = load(&db, golden, piece).unwrap();
        assert_eq!((loaded.version, loaded.libraries), (10, 1));
        assert_eq!(digest(&db), expected);
    }
}

#[test]
fn redis_takes_what_is_written_and_gives_it_back() {
    if !has("redis-server") || !has("redis-check-rdb") {
        return;
    }
    for compress in [true, false] {
        let db = filled(6);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        std::fs::write(&path, written(&db, RdbOptions { compress, ..RdbOptions::default() }).0).unwrap();
        let checked = Command::new("redis-check-rdb").arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success() && text.contains("RDB looks OK!"), "{text}");
        let mut server = Server::start(dir.path(), &["--sanitize-dump-payload", "yes"]);
        assert_eq!(server.call(&["DEBUG", "DIGEST"]), format!("+{}", digest(&db)));
        assert_eq!(server.call(&["SAVE"]), "+OK");
        let copy = engine();
        load(&copy, &std::fs::read(&path).unwrap(), 1 << 20).unwrap();
        assert_eq!(digest(&copy), digest(&db));
    }
}

#[test]
fn a_file_that_redis_saves_now_loads_with_its_digest() {
    if !has("redis-server") {
        return;
    }
    for (seed, most, compress) in [(5, 130, "yes"), (7, MOST, "yes"), (8, MOST, "no")] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(dir.path(), &["--rdbcompression", compress]);
        for request in dataset::requests(seed, most) {
            let reply = server.call(&request);
            assert!(!reply.starts_with('-'), "{reply}");
        }
        let expected = server.call(&["DEBUG", "DIGEST"]);
        assert_eq!(server.call(&["SAVE"]), "+OK");
        let file = std::fs::read(dir.path().join("dump.rdb")).unwrap();
        if seed == 5 && std::env::var_os("KEYSLOT_REGENERATE").is_some() {
            let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
            std::fs::write(golden.join("redis-7.0.15.rdb"), &file).unwrap();
            std::fs::write(golden.join("redis-7.0.15.digest"), &expected[1..]).unwrap();
        }
        let db = engine();
        load(&db, &file, 1 << 16).unwrap();
        assert_eq!(format!("+{}", digest(&db)), expected);
    }
}
