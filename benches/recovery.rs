//! Opening a log: how many commands a second are replayed, by a store and by `redis-server` from the same directory. Prints
//! one table.
//!
//! ```text
//! cargo bench --bench recovery -- [--keys 2000000] [--rounds 3] [--threads 2] [--dir /somewhere/on/a/disk]
//! ```
//!
//! The log holds one SET each of a key of 16 and a value of 64 bytes. The server's figure is the time that it logs itself; it
//! is left out where there is no server. A figure is the median of rounds that take turns. The log is never compacted: what is
//! measured are commands, not a base.

#[path = "flags.rs"]
mod flags;

use keyslot_persistence::{CompactionPolicy, Durability, Store, StoreBuilder};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Settings {
    keys: u64,
    rounds: usize,
    threads: usize,
    dir: PathBuf,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/recovery.rs");
            std::process::exit(2);
        }
    };
    let dir = settings.dir.join(format!("keyslot-recovery-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the folder can be written");
    fill(&dir, settings.keys);
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let alone = replay(&dir, 1, settings.keys);
        let together = replay(&dir, settings.threads, settings.keys);
        rounds.push((server(&dir, settings.keys), alone, together));
    }
    let of = |f: fn(&(Option<f64>, f64, f64)) -> Option<f64>| median(rounds.iter().filter_map(f).collect());
    println!("{} commands SET, key 16 bytes, value 64 bytes: million commands/s", settings.keys);
    let server = of(|r| r.0);
    let line = |name: &str, rate: Option<f64>| {
        let ratio = rate.zip(server).map_or(String::new(), |(rate, server)| format!("{:>9.2} x", rate / server));
        println!("{name:<28}{:>9.2}{ratio}", rate.unwrap_or(f64::NAN) / 1e6);
    };
    line("redis-server", server);
    line("keyslot, 1 thread", of(|r| Some(r.1)));
    line(&format!("keyslot, {} threads", settings.threads), of(|r| Some(r.2)));
    // Left behind at worst: the folder is below the one that was named.
    std::fs::remove_dir_all(&dir).unwrap_or_default();
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { keys: 2_000_000, rounds: 3, threads: 2, dir: PathBuf::from("target") };
    flags::read(args, |flag, text| match flag {
        "--keys" => flags::set(&mut settings.keys, text),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--threads" => flags::set(&mut settings.threads, text),
        "--dir" => flags::set(&mut settings.dir, text),
        _ => None,
    })?;
    Ok(settings)
}

fn builder() -> StoreBuilder {
    let never = CompactionPolicy { growth_percent: 0, ..CompactionPolicy::default() };
    Store::builder().durability(Durability::Never).compaction(never)
}

fn fill(dir: &Path, keys: u64) {
    let store = builder().open(dir).expect("an empty folder opens");
    let value = "a value of sixty-four bytes, as everywhere in these measurements";
    for number in 0..keys {
        store.set(format!("key:{number:012}"), value).expect("the disk takes writes");
    }
    store.close().expect("the disk takes writes");
}

fn replay(dir: &Path, threads: usize, keys: u64) -> f64 {
    let start = Instant::now();
    let store = builder().recovery_threads(threads).open(dir).expect("it was closed in good order");
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(store.db_size(), keys);
    keys as f64 / seconds
}

/// The rate by the server's own account.
fn server(dir: &Path, keys: u64) -> Option<f64> {
    let mut child = Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "yes", "--dir"])
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let log = BufReader::new(child.stdout.take()?);
    let mut seconds = None;
    for line in log.lines().map_while(Result::ok) {
        if let Some((_, text)) = line.split_once("DB loaded from append only file: ") {
            seconds = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
        }
        if line.contains("eady to accept connections") {
            break;
        }
    }
    // It holds nothing that is not in the folder.
    child.kill().ok()?;
    child.wait().ok()?;
    seconds.map(|seconds| keys as f64 / seconds)
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
