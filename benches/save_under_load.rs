//! What a save costs those who are served meanwhile: memory, and the longest pause of a client. Prints one table.
//!
//! ```text
//! cargo bench --bench save_under_load -- [--keys 5000000] [--rounds 3] [--threads 2] [--dir /somewhere/on/a/disk]
//! ```
//!
//! One client overwrites keys one after the other, each set after the reply to the one before, a fifth of all keys in each
//! round, spread over all slots: once while nothing is saved, once while a snapshot is written, once while an RDB is. A save
//! that ends first is begun again, so that all of the load meets one. Extra memory is the most that the process holds above what
//! it held before, files of the data not counted: they are written past its memory. A figure is the median of the rounds; the
//! longest gap of a client depends on whatever else the machine does, so compare it with the first row.

#[path = "flags.rs"]
mod flags;

use keyslot_engine::Engine;
use keyslot_persistence::rdb::RdbOptions;
use keyslot_persistence::snapshot::{self, SnapshotProgress, WriteOptions};
use keyslot_persistence::{RealStorage, Saver};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Settings {
    keys: u64,
    rounds: usize,
    threads: usize,
    dir: PathBuf,
}

/// What a round of the load met.
#[derive(Clone, Copy)]
struct Figures {
    extra_bytes: f64,
    longest_ms: f64,
    /// How many operations took more than a millisecond.
    long: f64,
    seconds: f64,
    saves: f64,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/save_under_load.rs");
            std::process::exit(2);
        }
    };
    let folder = settings.dir.join(format!("keyslot-save-under-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    let db = Engine::in_memory();
    let before = resident_bytes();
    (0..settings.keys).for_each(|number| db.set(key(number), value(number, 0)).expect("a fresh engine"));
    let dataset = resident_bytes() - before;
    println!("{} keys of 16 + 64 bytes, {:.0} MiB; a fifth overwritten in each round", settings.keys, mib(dataset));
    println!(
        "{:<14}{:>14}{:>12}{:>16}{:>12}{:>10}{:>8}",
        "", "extra MiB", "of data", "longest gap ms", "over 1 ms", "seconds", "saves"
    );
    let saver = Saver::new(db.clone(), RealStorage);
    let options = WriteOptions { threads: settings.threads, ..WriteOptions::default() };
    let rdb_options = RdbOptions { threads: settings.threads, ..RdbOptions::default() };
    let save_snapshot = |path: &Path| {
        snapshot::write(db.view(), &RealStorage, path, &options, &SnapshotProgress::new()).expect("the disk takes it");
    };
    let save_rdb = |path: &Path| saver.save_rdb(path, rdb_options).expect("the disk takes it");
    let mut rounds = [const { Vec::new() }; 3];
    for round in 0..settings.rounds as u64 {
        let load = |number| Load { db: &db, keys: settings.keys, stamp: round * 3 + number };
        rounds[0].push(measure(load(0), None));
        rounds[1].push(measure(load(1), Some((&save_snapshot, &folder.join("snapshot")))));
        rounds[2].push(measure(load(2), Some((&save_rdb, &folder.join("rdb")))));
    }
    for (title, rounds) in ["no save", "snapshot", "RDB"].iter().zip(&rounds) {
        let of = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        println!(
            "{title:<14}{:>14.1}{:>11.1}%{:>16.2}{:>12}{:>10.2}{:>8}",
            mib(of(|f| f.extra_bytes)),
            of(|f| f.extra_bytes) / dataset * 100.0,
            of(|f| f.longest_ms),
            of(|f| f.long),
            of(|f| f.seconds),
            of(|f| f.saves),
        );
    }
    std::fs::remove_dir_all(&folder).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { keys: 5_000_000, rounds: 3, threads: 2, dir: PathBuf::from("target") };
    flags::read(args, |flag, text| match flag {
        "--keys" => flags::set(&mut settings.keys, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--threads" => flags::set(&mut settings.threads, text),
        "--dir" => flags::set(&mut settings.dir, text),
        _ => None,
    })?;
    if settings.rounds == 0 || settings.keys == 0 { Err("nothing to do".to_owned()) } else { Ok(settings) }
}

/// A fifth of the keys, each to be overwritten once.
struct Load<'e> {
    db: &'e Engine,
    keys: u64,
    stamp: u64,
}

/// How often memory is looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(2);

type Save<'s> = (&'s (dyn Fn(&Path) + Sync), &'s Path);

/// Runs the load, and saves over and over meanwhile.
fn measure(load: Load<'_>, save: Option<Save<'_>>) -> Figures {
    let (is_over, saves, peak) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let has_begun = AtomicBool::new(save.is_none());
    let start_bytes = resident_bytes();
    let (longest, long, seconds) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                peak.fetch_max(resident_bytes() as u64, Relaxed);
                std::thread::park_timeout(SAMPLE_INTERVAL);
            }
        });
        if let Some((save, path)) = save {
            let (is_over, saves, has_begun) = (&is_over, &saves, &has_begun);
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    has_begun.store(true, Relaxed);
                    save(path);
                    saves.fetch_add(1, Relaxed);
                }
            });
            while !has_begun.load(Relaxed) {
                std::thread::yield_now();
            }
        }
        let outcome = load.run();
        is_over.store(true, Relaxed);
        outcome
    });
    Figures {
        extra_bytes: (peak.load(Relaxed) as f64 - start_bytes).max(0.0),
        longest_ms: longest.as_secs_f64() * 1e3,
        long: long as f64,
        seconds: seconds.as_secs_f64(),
        saves: saves.load(Relaxed) as f64,
    }
}

impl Load<'_> {
    /// The longest operation, how many took more than a millisecond, and how long all took.
    fn run(&self) -> (Duration, u64, Duration) {
        let (start, mut longest, mut long) = (Instant::now(), Duration::ZERO, 0);
        let mut last = start;
        for number in 0..self.keys / 5 {
            // A prime that divides no count of keys worth measuring: each key once, in no order.
            let number = (number * 5 + self.stamp % 5).wrapping_mul(LEAP) % self.keys;
            self.db.set(key(number), value(number, self.stamp + 1)).expect("the engine takes writes");
            let now = Instant::now();
            let gap = now - last;
            longest = longest.max(gap);
            long += u64::from(gap > Duration::from_millis(1));
            last = now;
        }
        (longest, long, start.elapsed())
    }
}

const LEAP: u64 = 1_000_003;

fn key(number: u64) -> String {
    format!("key:{number:012}")
}

fn value(number: u64, stamp: u64) -> String {
    format!("{number:032}{stamp:032}")
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.map_or(f64::NAN, |pages| pages * rustix::param::page_size() as f64)
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
