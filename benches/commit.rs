//! Group commit: sixteen threads that each wait for their own write to be durable, through a store and through the bare loop
//! that any log comes down to. Prints one table.
//!
//! ```text
//! cargo bench --bench commit -- [--threads 16] [--writes 2000] [--rounds 5] [--dir /somewhere/on/a/disk]
//! ```
//!
//! The bare loop keeps a preallocated file: writers append their record to a shared buffer; whoever finds no fsync under way
//! writes the buffer out, calls `fdatasync` and wakes those it covered. The store does the same with a keyspace above it and
//! a log format in between. A figure is the median of rounds that take turns; the ratio is the median of ratios within a
//! round.

#[path = "flags.rs"]
mod flags;

use keyslot_persistence::{Durability, Store};
use parking_lot::{Condvar, Mutex};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Settings {
    threads: usize,
    writes: usize,
    rounds: usize,
    dir: PathBuf,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/commit.rs");
            std::process::exit(2);
        }
    };
    let dir = settings.dir.join(format!("keyslot-commit-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the folder can be written");
    let store = Store::builder().durability(Durability::Always).open(dir.join("store")).expect("an empty folder opens");
    let bare = Bare::create(&dir.join("bare.log"));
    let mut rounds = Vec::new();
    for round in 0..=settings.rounds {
        let by_store = rate(&settings, |number| {
            store.set(format!("key:{number:012}"), RECORD).expect("the disk takes writes");
        });
        let by_bare = rate(&settings, |_| bare.commit(RECORD));
        if round > 0 {
            rounds.push((by_store, by_bare));
        }
    }
    let of = |f: fn(&(f64, f64)) -> f64| median(rounds.iter().map(f).collect());
    println!("{} threads, each waiting for its fsync: commits/s", settings.threads);
    println!("{:<24}{:>12.0}", "bare append, fdatasync", of(|r| r.1));
    println!("{:<24}{:>12.0}", "keyslot, always", of(|r| r.0));
    println!("{:<24}{:>12.2}", "ratio", of(|r| r.0 / r.1));
    drop(store);
    // Left behind at worst: the folder is below the one that was named.
    std::fs::remove_dir_all(&dir).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { threads: 16, writes: 2000, rounds: 5, dir: PathBuf::from("target") };
    flags::read(args, |flag, text| match flag {
        "--threads" => flags::set(&mut settings.threads, text),
        "--writes" => flags::set(&mut settings.writes, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--dir" => flags::set(&mut settings.dir, text),
        _ => None,
    })?;
    Ok(settings)
}

fn rate(settings: &Settings, commit: impl Fn(usize) + Sync) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..settings.threads {
            let commit = &commit;
            scope.spawn(move || (0..settings.writes).for_each(|n| commit(n * settings.threads + thread)));
        }
    });
    (settings.threads * settings.writes) as f64 / start.elapsed().as_secs_f64()
}

/// A log with nothing around it.
struct Bare {
    file: File,
    state: Mutex<BareState>,
    synced: Condvar,
}

#[derive(Default)]
struct BareState {
    buffer: Vec<u8>,
    /// Bytes handed in, written out, and known to be on the disk.
    appended: u64,
    durable: u64,
    is_syncing: bool,
}

impl Bare {
    fn create(path: &Path) -> Self {
        let file = File::create(path).expect("the folder can be written");
        file.write_all_at(&vec![0; PREALLOCATED_BYTES], 0).expect("the disk has room");
        file.sync_all().expect("the disk syncs");
        Self { file, state: Mutex::default(), synced: Condvar::new() }
    }

    fn commit(&self, record: &str) {
        let mut state = self.state.lock();
        state.buffer.extend_from_slice(record.as_bytes());
        state.appended += record.len() as u64;
        let mine = state.appended;
        while state.durable < mine {
            if state.is_syncing {
                self.synced.wait(&mut state);
                continue;
            }
            state.is_syncing = true;
            let (bytes, end) = (std::mem::take(&mut state.buffer), state.appended);
            drop(state);
            // The file is written around again when it is full: what counts is the disk's work, not the bytes.
            let at = (end - bytes.len() as u64) % (PREALLOCATED_BYTES - BUFFER_BYTES_MAX) as u64;
            self.file.write_all_at(&bytes, at).expect("the file is preallocated");
            self.file.sync_data().expect("the disk syncs");
            state = self.state.lock();
            (state.durable, state.is_syncing) = (end, false);
            self.synced.notify_all();
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What is written each time: about what the effect of a small SET takes.
const RECORD: &str = "a value of sixty-four bytes, as everywhere in these measurements";

const PREALLOCATED_BYTES: usize = 64 << 20;

/// Every waiting thread has at most one record in the buffer.
const BUFFER_BYTES_MAX: usize = 1 << 20;
