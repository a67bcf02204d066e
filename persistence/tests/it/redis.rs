//! Our files in the hands of real programs, and theirs in ours. Each test says why and passes if the programs are absent.

use keyslot_persistence::recovery::{Repair, repair};
use keyslot_persistence::{Durability, LogNames, LogOptions, Preallocation, RealStorage, Store};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whether a program can be run; prints a reason if not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match found {
        Ok(mut child) => child.wait().is_ok(),
        Err(error) => {
            eprintln!("skipped: {program} cannot be run: {error}");
            false
        }
    }
}

/// A `redis-server` on a directory, reached by a socket file in it.
struct Server {
    child: Child,
    stream: BufReader<UnixStream>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("redis.sock");
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("ready to accept connections") && !seen.contains("Ready to accept connections") {
            assert!(log.read_line(&mut seen).unwrap() > 0, "redis-server did not start:\n{seen}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, stream: BufReader::new(UnixStream::connect(socket).unwrap()) }
    }

    /// The reply's text: a bulk's bytes, or the line.
    fn call(&mut self, args: &[&str]) -> String {
        let mut request = Vec::new();
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        keyslot_engine::effect::encode_effect(&mut request, &args);
        self.stream.get_mut().write_all(&request).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        match line.trim_end().strip_prefix('$') {
            Some(size) if size != "-1" => {
                let mut bulk = vec![0; size.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut bulk).unwrap();
                bulk.truncate(bulk.len() - 2);
                String::from_utf8(bulk).unwrap()
            }
            _ => line.trim_end().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stream.get_mut().write_all(b"*1\r\n$8\r\nSHUTDOWN\r\n");
        self.child.wait().unwrap();
    }
}

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
    let mut server = Server::start(dir.path());
    same_keys(&mut server);
    assert_eq!(server.call(&["SET", "from", "redis"]), "+OK");
    drop(server);
    let db = Store::open(dir.path()).unwrap();
    assert_eq!(db.get("from").unwrap().as_deref(), Some(&b"redis"[..]));
    assert_eq!(db.get("k1").unwrap().as_deref(), Some(value(1).as_bytes()));
}

#[test]
fn redis_takes_the_directory_of_a_killed_store_after_a_repair() {
    if !has("redis-check-aof") || !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    let db = Store::builder().durability(Durability::Always).open(&path).unwrap();
    fill(&db);
    // What a killed process leaves is what the files hold now.
    let copy = dir.path().join("copy");
    std::fs::create_dir_all(copy.join("appendonlydir")).unwrap();
    for entry in std::fs::read_dir(path.join("appendonlydir")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, copy.join("appendonlydir").join(from.file_name().unwrap())).unwrap();
    }
    assert!(!check_aof(&copy).0, "zeros written ahead are nothing that redis knows");
    let report = repair(&RealStorage, &copy, &LogNames::default(), Repair::TornTail).unwrap();
    assert!(report.zeros_size_bytes > 0 && report.cuts.is_empty(), "{report}");
    assert!(check_aof(&copy).0);
    same_keys(&mut Server::start(&copy));
}

#[test]
fn a_directory_of_redis_opens_with_the_same_keys() {
    if !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
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
    let mut server = Server::start(dir.path());
    assert_eq!(server.call(&["GET", "more"]), "ours");
    assert_eq!(server.call(&["DBSIZE"]), format!(":{}", KEYS + 2));
    server.call(&["SELECT", "3"]);
    assert_eq!(server.call(&["GET", "in"]), "three");
}
