//! The snapshot file and the RDB beside the RDB of redis-server: written and loaded, in the same run. Prints one table.
//!
//! ```text
//! cargo bench --bench snapshot -- [--keys 5000000] [--rounds 3] [--threads 2] [--peer redis-server] [--port 21790]
//!     [--dir /somewhere/on/a/disk]
//! ```
//!
//! Both hold the same keys of 16 bytes and values of 64 that do not compress. A round is: a view and its files here, SAVE there,
//! then for all a load with the file in the page cache and one without it. The RDB is loaded here twice: the one written here,
//! whose keys come slot by slot, and the peer's, whose keys come in any order. The peer says itself how long it took to load.
//! A figure is the median of the rounds, a ratio the median of the ratios within a round. Beside the seconds stand those of
//! the processors, which hardly depend on what else the machine does. With `--peer none` there is nothing beside.

#[path = "flags.rs"]
mod flags;
#[path = "server/process.rs"]
mod process;

use keyslot_engine::Engine;
use keyslot_persistence::rdb::RdbOptions;
use keyslot_persistence::saving::load_rdb;
use keyslot_persistence::snapshot::{self, LoadOptions, Snapshot, SnapshotProgress, Tolerance, WriteOptions};
use keyslot_persistence::{RealStorage, Saver};
use process::{Server, scratch};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Settings {
    keys: u64,
    rounds: usize,
    threads: usize,
    peer: String,
    port: u16,
    dir: Option<PathBuf>,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/snapshot.rs");
            std::process::exit(2);
        }
    };
    let folder = settings.dir.as_ref().map_or_else(scratch, |dir| dir.join("keyslot-snapshot-bench"));
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    compare(&settings, &folder);
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings =
        Settings { keys: 5_000_000, rounds: 3, threads: 2, peer: "redis-server".to_owned(), port: 21790, dir: None };
    flags::read(args, |flag, text| match flag {
        "--keys" => flags::set(&mut settings.keys, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--threads" => flags::set(&mut settings.threads, text),
        "--port" => flags::set(&mut settings.port, text),
        "--peer" => flags::set(&mut settings.peer, text),
        "--dir" => {
            settings.dir = Some(text.into());
            Some(())
        }
        _ => None,
    })?;
    if settings.rounds == 0 || settings.keys == 0 { Err("nothing to do".to_owned()) } else { Ok(settings) }
}

impl Settings {
    fn has_peer(&self) -> bool {
        self.peer != "none"
    }
}

/// Seconds, and seconds of processors.
#[derive(Clone, Copy)]
struct Figures {
    wall: f64,
    cpu: f64,
}

const NOTHING: Figures = Figures { wall: f64::NAN, cpu: f64::NAN };

/// Figures of a round, here and there.
#[derive(Clone, Copy)]
struct Round {
    view: f64,
    write: Trio,
    warm: Loads,
    cold: Loads,
}

/// The snapshot here, the RDB here, the RDB there.
#[derive(Clone, Copy)]
struct Trio {
    snapshot: Figures,
    rdb: Figures,
    peer: Figures,
}

#[derive(Clone, Copy)]
struct Loads {
    of: Trio,
    /// The peer's RDB, loaded here.
    foreign: Figures,
}

/// Measures what this process does.
struct Watch {
    start: Instant,
    cpu: f64,
}

impl Watch {
    fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_seconds() }
    }

    fn stop(&self) -> Figures {
        Figures { wall: self.start.elapsed().as_secs_f64(), cpu: cpu_seconds() - self.cpu }
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn compare(settings: &Settings, folder: &Path) {
    let db = Engine::in_memory();
    for number in 0..settings.keys {
        db.set(key(number), value(number)).expect("a fresh engine");
    }
    let peer_folder = folder.join("peer");
    let peer = settings.has_peer().then(|| {
        let peer = Server::start(&settings.peer, settings.port, &peer_folder, &["--appendonly", "no"]);
        fill(settings);
        peer
    });
    let files = Files {
        snapshot: folder.join("snapshot"),
        rdb: folder.join("ours.rdb"),
        peer: peer.is_some().then(|| peer_folder.join("dump.rdb")),
    };
    let saver = Saver::new(db.clone(), RealStorage);
    let written: Vec<_> = (0..settings.rounds)
        .map(|_| {
            let (view, snapshot) = save_here(&db, &files.snapshot, settings.threads);
            let watch = Watch::start();
            let options = RdbOptions { threads: settings.threads, ..RdbOptions::default() };
            saver.save_rdb(&files.rdb, options).expect("the disk takes it");
            (view, Trio { snapshot, rdb: watch.stop(), peer: peer.as_ref().map_or(NOTHING, save_there) })
        })
        .collect();
    drop((saver, db, peer));
    let rounds = written.into_iter().map(|(view, write)| {
        let warm = load_all(settings, &files, warm_up);
        let cold = load_all(settings, &files, cool_down);
        Round { view, write, warm, cold }
    });
    print(settings, &rounds.collect::<Vec<_>>(), &files);
}

struct Files {
    snapshot: PathBuf,
    rdb: PathBuf,
    peer: Option<PathBuf>,
}

/// What is taken of a round: the figures here, and those there.
type Part = fn(&Round) -> [Figures; 2];

const PARTS: [(&str, Part); 8] = [
    ("snapshot: write", |r| [r.write.snapshot, r.write.peer]),
    ("  load, cached", |r| [r.warm.of.snapshot, r.warm.of.peer]),
    ("  load, not cached", |r| [r.cold.of.snapshot, r.cold.of.peer]),
    ("RDB: write", |r| [r.write.rdb, r.write.peer]),
    ("  load, cached", |r| [r.warm.of.rdb, r.warm.of.peer]),
    ("  load, not cached", |r| [r.cold.of.rdb, r.cold.of.peer]),
    ("  the peer's, cached", |r| [r.warm.foreign, r.warm.of.peer]),
    ("  not cached", |r| [r.cold.foreign, r.cold.of.peer]),
];

fn print(settings: &Settings, rounds: &[Round], files: &Files) {
    let keys = settings.keys as f64;
    println!("\n{} keys of 16 + 64 bytes, {} threads here: seconds (million keys/s)", settings.keys, settings.threads);
    println!("{:<22}{:>20}{:>20}{:>10}{:>20}", "", "keyslot", "redis", "ratio", "CPU seconds");
    for (title, part) in PARTS {
        let of =
            |figure: &dyn Fn([Figures; 2]) -> f64| median(rounds.iter().map(|round| figure(part(round))).collect());
        let [here, there] = [0, 1].map(|side| of(&|both| both[side].wall));
        let cpu = [0, 1].map(|side| of(&|both| both[side].cpu));
        let ratio = of(&|both| both[0].wall / both[1].wall);
        let text = |seconds: f64| format!("{seconds:.3} ({:.2})", keys / seconds / 1e6);
        let cpu = format!("{:.2} / {:.2}", cpu[0], cpu[1]);
        println!("{title:<22}{:>20}{:>20}{ratio:>10.3}{cpu:>20}", text(here), text(there));
    }
    let view_ms = 1e3 * median(rounds.iter().map(|round| round.view).collect());
    println!("{:<22}{:>20}", "a view", format!("{view_ms:.2} ms"));
    let peer = files.peer.as_deref().map_or(f64::NAN, size);
    let text = |bytes: f64| format!("{:.1}", bytes / keys);
    for (title, path) in [("snapshot: bytes/key", &files.snapshot), ("RDB: bytes/key", &files.rdb)] {
        println!("{title:<22}{:>20}{:>20}{:>10.3}", text(size(path)), text(peer), size(path) / peer);
    }
}

/// Seconds for the view, and figures for view and file.
fn save_here(db: &Engine, path: &Path, threads: usize) -> (f64, Figures) {
    let watch = Watch::start();
    let view = db.view();
    let view_seconds = watch.stop().wall;
    let options = WriteOptions { threads, ..WriteOptions::default() };
    snapshot::write(view, &RealStorage, path, &options, &SnapshotProgress::new()).expect("the disk takes it");
    (view_seconds, watch.stop())
}

fn save_there(peer: &Server) -> Figures {
    let mut stream = TcpStream::connect(("127.0.0.1", peer.port)).expect("the peer listens");
    let (start, cpu) = (Instant::now(), peer.cpu_seconds());
    stream.write_all(b"*1\r\n$4\r\nSAVE\r\n").expect("the peer reads");
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).expect("the peer answers");
    assert_eq!(&reply, b"+OK\r\n");
    Figures { wall: start.elapsed().as_secs_f64(), cpu: peer.cpu_seconds() - cpu }
}

fn load_all(settings: &Settings, files: &Files, prepare: fn(&Path)) -> Loads {
    let snapshot = load_snapshot(settings, &files.snapshot, prepare);
    let rdb = load_rdb_file(settings, &files.rdb, prepare);
    let Some(theirs) = &files.peer else {
        return Loads { of: Trio { snapshot, rdb, peer: NOTHING }, foreign: NOTHING };
    };
    let foreign = load_rdb_file(settings, theirs, prepare);
    Loads { of: Trio { snapshot, rdb, peer: load_there(settings, theirs, prepare) }, foreign }
}

fn load_snapshot(settings: &Settings, path: &Path, prepare: fn(&Path)) -> Figures {
    prepare(path);
    let watch = Watch::start();
    let db = Engine::in_memory();
    let snapshot = Snapshot::open(&RealStorage, path, Tolerance::Strict).expect("it was written above");
    let options = LoadOptions { threads: settings.threads, ..LoadOptions::default() };
    let report = snapshot.load(&db, &options, &SnapshotProgress::new()).expect("it is sound");
    let figures = watch.stop();
    assert_eq!(report.keys, settings.keys);
    figures
}

fn load_rdb_file(settings: &Settings, path: &Path, prepare: fn(&Path)) -> Figures {
    prepare(path);
    let watch = Watch::start();
    let db = Engine::in_memory();
    let loaded = load_rdb(&db, &RealStorage, path, settings.threads, &mut |_| {}).expect("it is sound");
    let figures = watch.stop();
    assert_eq!(loaded.map(|loaded| loaded.keys), Some(settings.keys));
    figures
}

fn load_there(settings: &Settings, theirs: &Path, prepare: fn(&Path)) -> Figures {
    prepare(theirs);
    let log = theirs.with_file_name("log");
    std::fs::remove_file(&log).unwrap_or_default();
    let options = ["--appendonly", "no", "--logfile", "log"];
    let folder = theirs.parent().expect("the file lies in a folder");
    let peer = Server::start(&settings.peer, settings.port, folder, &options);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < LOAD_TIME_MAX, "the peer does not load its file: see {}", log.display());
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        // "... * DB loaded from disk: 3.812 seconds"
        if let Some((_, rest)) = text.split_once("DB loaded from disk: ") {
            let wall = rest.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("a time");
            // Since it began, which is hardly more than the load.
            return Figures { wall, cpu: peer.cpu_seconds() };
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

const LOAD_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(600);

fn warm_up(path: &Path) {
    std::fs::read(path).expect("the file is there");
}

/// Has the system forget the file's pages, which were synced.
fn cool_down(path: &Path) {
    let file = File::open(path).expect("the file is there");
    fadvise(&file, 0, None, Advice::DontNeed).expect("the system has that");
}

fn fill(settings: &Settings) {
    let mut stream = TcpStream::connect(("127.0.0.1", settings.port)).expect("the peer listens");
    let mut requests = Vec::new();
    let mut replies = vec![0; PIPELINE_REQUESTS as usize * 5];
    for first in (0..settings.keys).step_by(PIPELINE_REQUESTS as usize) {
        requests.clear();
        let end = settings.keys.min(first + PIPELINE_REQUESTS);
        for number in first..end {
            requests.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
            requests.extend_from_slice(key(number).as_bytes());
            requests.extend_from_slice(b"\r\n$64\r\n");
            requests.extend_from_slice(value(number).as_bytes());
            requests.extend_from_slice(b"\r\n");
        }
        stream.write_all(&requests).expect("the peer reads");
        let replies = &mut replies[..(end - first) as usize * 5];
        stream.read_exact(replies).expect("the peer answers");
        assert!(replies.chunks(5).all(|reply| reply == b"+OK\r\n"));
    }
}

fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// 64 characters that do not compress.
fn value(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letters = (0..64).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'A' + (state >> 32) as u8 % 57)
    });
    letters.collect()
}

fn size(path: &Path) -> f64 {
    std::fs::metadata(path).map_or(f64::NAN, |metadata| metadata.len() as f64)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const PIPELINE_REQUESTS: u64 = 1000;
