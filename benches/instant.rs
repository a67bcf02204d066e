//! Opening a store before it is loaded: how long until the first reply, and how fast it serves meanwhile.
//!
//! ```text
//! cargo bench --bench instant -- [--keys 5000000] [--value 64] [--log-mib 64] [--rounds 3] [--dir /somewhere/on/a/disk]
//! ```
//!
//! Makes a store of keys of 16 bytes whose base is a snapshot, with so much log of overwrites behind it. Each round, in a
//! process of its own, opens it instantly (with the files in the page cache), asks for a key at once, then reads and overwrites keys at random on one thread,
//! while the rest is loaded in the background by another, and again after that. `open` ends when the store can be asked, `first`
//! when the first reply is there, both counted from the call; `loaded` is when no slot is cold any more. A rate is that of the
//! wall clock; the ratios are of rates while loading to rates afterwards.

#[path = "flags.rs"]
mod flags;
#[path = "server/process.rs"]
mod process;

use keyslot_persistence::{CompactionPolicy, Durability, Store};
use process::scratch;
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Settings {
    keys: u64,
    value: usize,
    log_mib: u64,
    rounds: usize,
    dir: Option<PathBuf>,
    /// For the bench itself: which round to do, or `whole`.
    stage: Option<String>,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/instant.rs");
            std::process::exit(2);
        }
    };
    if let (Some(stage), Some(folder)) = (&settings.stage, std::env::var_os(FOLDER)) {
        return run_stage(&settings, stage, Path::new(&folder));
    }
    let folder = settings.dir.as_ref().map_or_else(scratch, |dir| dir.join("keyslot-instant-bench"));
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    make(&settings, &folder);
    for stage in (0..settings.rounds).map(|round| round.to_string()).chain(["whole".to_owned()]) {
        // A process of its own: its memory holds nothing yet.
        let program = std::env::current_exe().expect("the program has a name");
        let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        let status = Command::new(program).args(args).args(["--stage", &stage]).env(FOLDER, &folder).status();
        assert!(status.is_ok_and(|status| status.success()), "stage {stage} failed");
    }
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

/// Does one stage on the files that are there.
fn run_stage(settings: &Settings, stage: &str, folder: &Path) {
    match stage.parse() {
        Ok(round) => open(settings, folder, round),
        Err(_) => whole(folder),
    }
}

/// Where the stages find their files.
const FOLDER: &str = "KEYSLOT_BENCH_FOLDER";

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { keys: 5_000_000, value: 64, log_mib: 64, rounds: 3, dir: None, stage: None };
    flags::read(args, |flag, text| match flag {
        "--keys" => flags::set(&mut settings.keys, text),
        "--value" => flags::set(&mut settings.value, text),
        "--log-mib" => flags::set(&mut settings.log_mib, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--dir" => {
            settings.dir = Some(text.into());
            Some(())
        }
        "--stage" => {
            settings.stage = Some(text.to_owned());
            Some(())
        }
        _ => None,
    })?;
    if settings.keys == 0 { Err("nothing to do".to_owned()) } else { Ok(settings) }
}

fn key(number: u64) -> String {
    format!("key:{number:012}")
}

/// A value that tells which key it belongs to.
fn value(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut random = number;
    while bytes.len() < size {
        bytes.extend_from_slice(&next(&mut random).to_le_bytes());
    }
    bytes.truncate(size.max(8));
    bytes
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn make(settings: &Settings, folder: &Path) {
    // Nothing else compacts the log meanwhile.
    let never = CompactionPolicy { growth_percent: 0, ..CompactionPolicy::default() };
    let db = Store::builder().durability(Durability::Never).compaction(never).open(folder).expect("a new store");
    for number in 0..settings.keys {
        db.set(key(number), value(number, settings.value)).expect("the disk has room");
    }
    write_files(settings, db);
}

/// A base of everything, and the log behind it.
fn write_files(settings: &Settings, db: Store) {
    db.compact().expect("the disk has room");
    let (before, mut random) = (db.position(), 1);
    while db.position().0 - before.0 < settings.log_mib << 20 {
        let number = next(&mut random) % settings.keys;
        db.set(key(number), value(number, settings.value)).expect("the disk has room");
    }
    db.close().expect("the disk has room");
}

fn open(settings: &Settings, folder: &Path, round: usize) {
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let db = Store::builder().durability(Durability::EverySecond).instant(true).open(folder).expect("it was closed");
    let opened = begun.elapsed();
    let mut random = round as u64;
    let number = next(&mut random) % settings.keys;
    let found = db.get(key(number)).expect("it can be read");
    let (first, cpu) = (begun.elapsed(), cpu_seconds() - cpu);
    assert_eq!(found.as_deref(), Some(&value(number, settings.value)[..]));
    let cold = db.recovery().cold_slots;
    let loading = serve(settings, &db, &mut random, |_, db| db.cold_slots() == 0);
    let loaded = begun.elapsed();
    let wanted = (loading.operations * 2).max(1_000_000);
    let after = serve(settings, &db, &mut random, |operations, _| operations >= wanted);
    println!(
        "round {round}: {cold} cold slots, open {:.1} ms, first {:.1} ms ({:.1} of processors), loaded {:.2} s; get {:.2} of {:.0} k/s, slowest \
         {:.2} of {:.2} ms; set {:.2} of {:.0} k/s, slowest {:.2} of {:.2} ms",
        opened.as_secs_f64() * 1e3,
        first.as_secs_f64() * 1e3,
        cpu * 1e3,
        loaded.as_secs_f64(),
        loading.get.rate() / after.get.rate(),
        after.get.rate() / 1e3,
        loading.get.slowest.as_secs_f64() * 1e3,
        after.get.slowest.as_secs_f64() * 1e3,
        loading.set.rate() / after.set.rate(),
        after.set.rate() / 1e3,
        loading.set.slowest.as_secs_f64() * 1e3,
        after.set.slowest.as_secs_f64() * 1e3,
    );
    write_files(settings, db);
}

/// Opens it the other way, for comparison.
fn whole(folder: &Path) {
    let begun = Instant::now();
    let db = Store::builder().open(folder).expect("it was closed");
    println!("loaded whole: {:.2} s, {} keys; {}", begun.elapsed().as_secs_f64(), db.db_size(), db.recovery());
}

/// What this process had of the processors.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[derive(Default)]
struct Served {
    operations: u64,
    get: Kind,
    set: Kind,
}

#[derive(Default)]
struct Kind {
    count: u64,
    time: Duration,
    slowest: Duration,
}

impl Kind {
    fn rate(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64()
    }
}

/// Reads and overwrites in turns of a hundred until it is over.
fn serve(settings: &Settings, db: &Store, random: &mut u64, is_over: impl Fn(u64, &Store) -> bool) -> Served {
    let mut served = Served::default();
    while !is_over(served.operations, db) {
        let numbers: Vec<u64> = (0..100).map(|_| next(random) % settings.keys).collect();
        let keys: Vec<String> = numbers.iter().map(|number| key(*number)).collect();
        let values: Vec<Vec<u8>> = numbers.iter().map(|number| value(*number, settings.value)).collect();
        run(&mut served.get, |at| assert!(db.get(&keys[at]).expect("it can be read").is_some()));
        run(&mut served.set, |at| db.set(&keys[at], &values[at]).expect("the disk has room"));
        served.operations += 200;
    }
    served
}

fn run(kind: &mut Kind, mut one: impl FnMut(usize)) {
    let start = Instant::now();
    let mut last = start;
    for at in 0..100 {
        one(at);
        let now = Instant::now();
        kind.slowest = kind.slowest.max(now - last);
        last = now;
    }
    kind.count += 100;
    kind.time += last - start;
}
