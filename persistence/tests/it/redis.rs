//! Our files in the hands of real programs, and theirs in ours. Each test says why and passes if the programs are absent.

use crate::server::{Server, has};
use keyslot_persistence::recovery::{Repair, repair};
use keyslot_persistence::{Durability, LogNames, LogOptions, Preallocation, RealStorage, Store};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that keeps a log and no snapshots.
const AOF: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];

const KEYS: usize = 300;

fn value(i: usize) -> String {
    format!("{i}").repeat(i % 50)
}

/// Writes keys into a store with small log files, in single writes and in turns of two.
fn fill(db: &Store) {
    for i in 0..KEYS {
        if i % 3 == 0 {
            db.atomic(format!("{{{i}}}"), |turn| {
                turn.set(format!("{{{i}}}x"), value(i))?;
                turn.set(format!("{{{i}}}y"), value(i))
            })
            .unwrap();
        } else {
            db.set(format!("k{i}"), value(i)).unwrap();
        }
        if i % 50 == 0 {
            db.flush().unwrap();
        }
    }
}

fn same_keys(server: &mut Server) {
    assert_eq!(server.call(&["DBSIZE"]), format!(":{}", KEYS + KEYS.div_ceil(3)));
    for i in 0..KEYS {
        let keys = if i % 3 == 0 { vec![format!("{{{i}}}x"), format!("{{{i}}}y")] } else { vec![format!("k{i}")] };
        for key in keys {
            assert_eq!(server.call(&["GET", &key]), value(i), "{key}");
        }
    }
}

fn small_files() -> LogOptions {
    LogOptions { file_size_bytes_max: 8 << 10, preallocation: Preallocation::Reserve, preallocation_bytes_max: 4096 }
}

fn check_aof(dir: &Path) -> (bool, String) {
    let manifest = dir.join("appendonlydir/appendonly.aof.manifest");
    let output = Command::new("redis-check-aof").arg(manifest).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn redis_takes_the_directory_of_a_closed_store() {
    if !has("redis-check-aof") || !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = Store::builder().log(small_files()).open(dir.path()).unwrap();
    fill(&db);
    db.close().unwrap();
    let (valid, text) = check_aof(dir.path());
    assert!(valid && text.contains("All AOF files and manifest are valid"), "{text}");
    assert!(text.matches("is valid").count() > 3, "several files: {text}");
    let mut server = Server::start(dir.path(), AOF);
    same_keys(&mut server);
    assert_eq!(server.call(&["SET", "from", "redis"]), "+OK");
    drop(server);
    let db = Store::open(dir.path()).unwrap();
    assert_eq!(db.get("from").unwrap().as_deref(), Some(&b"redis"[..]));
    assert_eq!(db.get("k1").unwrap().as_deref(), Some(value(1).as_bytes()));
}

#[test]
fn redis_takes_the_directory_of_a_killed_store() {
    if !has("redis-check-aof") || !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    let db = Store::builder().durability(Durability::Always).open(&path).unwrap();
    fill(&db);
    let copy = copy_of(&path, dir.path());
    assert!(check_aof(&copy).0);
    same_keys(&mut Server::start(&copy, AOF));
}

/// What a killed process leaves is what the files hold now.
fn copy_of(path: &Path, dir: &Path) -> PathBuf {
    let copy = dir.join("copy");
    std::fs::create_dir_all(copy.join("appendonlydir")).unwrap();
    for entry in std::fs::read_dir(path.join("appendonlydir")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, copy.join("appendonlydir").join(from.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn redis_takes_the_directory_of_a_killed_store_with_zeros_after_a_repair() {
    if !has("redis-check-aof") || !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    let log = LogOptions { preallocation: Preallocation::Zeros, ..LogOptions::default() };
    let db = Store::builder().durability(Durability::Always).log(log).open(&path).unwrap();
    fill(&db);
    let copy = copy_of(&path, dir.path());
    assert!(!check_aof(&copy).0, "zeros written ahead are nothing that redis knows");
    let report = repair(&RealStorage, &copy, &LogNames::default(), Repair::TornTail).unwrap();
    assert!(report.zeros_size_bytes > 0 && report.cuts.is_empty(), "{report}");
    assert!(check_aof(&copy).0);
    same_keys(&mut Server::start(&copy, AOF));
}

#[test]
fn a_directory_of_redis_opens_with_the_same_keys() {
    if !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), AOF);
    for i in 0..KEYS {
        server.call(&["SET", &format!("k{i}"), &value(i)]);
    }
    server.call(&["SELECT", "3"]);
    server.call(&["MULTI"]);
    server.call(&["SET", "in", "three"]);
    server.call(&["SELECT", "0"]);
    server.call(&["SET", "in", "zero"]);
    server.call(&["EXEC"]);
    drop(server);
    let db = Store::open(dir.path()).unwrap();
    assert!(db.recovery().cuts.is_empty(), "{}", db.recovery());
    for i in 0..KEYS {
        assert_eq!(db.get(format!("k{i}")).unwrap().as_deref(), Some(value(i).as_bytes()));
    }
    assert_eq!(db.get("in").unwrap().as_deref(), Some(&b"zero"[..]));
    db.set("more", "ours").unwrap();
    db.close().unwrap();
    let mut server = Server::start(dir.path(), AOF);
    assert_eq!(server.call(&["GET", "more"]), "ours");
    assert_eq!(server.call(&["DBSIZE"]), format!(":{}", KEYS + 2));
    server.call(&["SELECT", "3"]);
    assert_eq!(server.call(&["GET", "in"]), "three");
}
