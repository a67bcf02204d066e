//! In-process comparison: Keyslot beside the concurrent maps that embedders use today. Prints one table.
//!
//! ```text
//! cargo bench --bench compare -- [--keys 1m,10m] [--threads 1,2] [--rounds 7] [--maps keyslot,dashmap,papaya,scc,rwlock]
//!                                [--work load,get,zipf95,zipf50,gets16,sets16] [--memory 1m,1.5m,2m,3m,5m,10m] [--clock cpu]
//! ```
//!
//! Every map is filled with the same keys (16 bytes) and values (64 bytes) and stays in memory; then the maps take turns,
//! round after round, so that what the machine does to one it does to all. A figure is the median of its rounds in
//! million operations a second; a ratio is the median of the ratios within a round, so it means something where the
//! figures do not. All kinds of work have their turn in every round: so batches are also set against the single gets of the
//! others. `--clock cpu` counts the time that the threads ran instead of the time on the wall: for a machine that
//! has other work. All maps use jemalloc, as the node does, and the same hash function. `moka` is slow to fill and joins
//! only when it is named.

#[path = "../flags.rs"]
mod flags;
mod keys;
mod maps;
mod memory;

use keys::{Chance, VALUE_BYTES, Zipf, key, value};
use maps::{Map, NAMES, make};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Load,
    Get,
    Zipf95,
    Zipf50,
    GetBatch,
    SetBatch,
}

impl Work {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "load" => Self::Load,
            "get" => Self::Get,
            "zipf95" => Self::Zipf95,
            "zipf50" => Self::Zipf50,
            "gets16" => Self::GetBatch,
            "sets16" => Self::SetBatch,
            _ => return None,
        })
    }

    fn title(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Get => "get uniform",
            Self::Zipf95 => "zipf 95/5",
            Self::Zipf50 => "zipf 50/50",
            Self::GetBatch => "16 gets at once",
            Self::SetBatch => "16 sets at once",
        }
    }
}

struct Settings {
    keys: Vec<u32>,
    threads: Vec<usize>,
    rounds: usize,
    maps: Vec<String>,
    work: Vec<Work>,
    memory: Vec<u32>,
    clock: ClockId,
    fill: Option<String>,
}

fn main() {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; see the first lines of benches/compare/main.rs");
            std::process::exit(2);
        }
    };
    if let Some(map) = &settings.fill {
        return memory::fill(map, settings.keys[0]);
    }
    print!("{:<28}", "million operations/s");
    for map in &settings.maps {
        print!("{map:>16}");
    }
    println!();
    for &count in &settings.keys {
        compare_speed(&settings, count);
    }
    if !settings.memory.is_empty() {
        compare_memory(&settings);
    }
}

fn settings(args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings {
        keys: vec![1_000_000],
        threads: vec![1, std::thread::available_parallelism().map_or(2, usize::from)],
        rounds: 7,
        maps: NAMES.iter().filter(|name| **name != "moka").map(|name| (*name).to_owned()).collect(),
        work: vec![Work::Load, Work::Get, Work::Zipf95, Work::Zipf50, Work::GetBatch, Work::SetBatch],
        memory: Vec::new(),
        clock: ClockId::Monotonic,
        fill: None,
    };
    settings.threads.dedup();
    flags::read(args, |flag, text| match flag {
        "--keys" => flags::put(&mut settings.keys, flags::list(text, flags::count)),
        "--memory" => flags::put(&mut settings.memory, flags::list(text, flags::count)),
        "--threads" => flags::put(&mut settings.threads, flags::list(text, |n| n.parse().ok())),
        "--rounds" => flags::set(&mut settings.rounds, text),
        "--maps" => flags::put(&mut settings.maps, flags::list(text, |map| Some(map.to_owned()))),
        "--work" => flags::put(&mut settings.work, flags::list(text, Work::parse)),
        "--clock" if text == "cpu" => flags::put(&mut settings.clock, Some(ClockId::ThreadCPUTime)),
        "--clock" if text == "wall" => flags::put(&mut settings.clock, Some(ClockId::Monotonic)),
        "--fill" => flags::put(&mut settings.fill, Some(Some(text.to_owned()))),
        _ => None,
    })?;
    match settings.maps.iter().find(|map| !NAMES.contains(&map.as_str())) {
        Some(map) => Err(format!("{map} is none of {NAMES:?}")),
        None => Ok(settings),
    }
}

fn compare_speed(settings: &Settings, count: u32) {
    let zipf = Zipf::new(count, 0.99);
    let mut maps: Vec<Box<dyn Map>> = Vec::new();
    for &threads in &settings.threads {
        // Filling a map is measured once for each number of threads; the last ones filled are kept for the rest.
        maps.clear();
        let mut figures = Vec::new();
        for name in &settings.maps {
            let map = make(name).expect("checked with the settings");
            let rate = run(&*map, Work::Load, threads, count, &zipf, 0, settings.clock);
            figures.push(vec![rate]);
            maps.push(map);
        }
        if settings.work.contains(&Work::Load) {
            print_row(&row_title(Work::Load, count, threads), &figures);
        }
    }
    let works: Vec<Work> = settings.work.iter().copied().filter(|work| *work != Work::Load).collect();
    for &threads in &settings.threads {
        // By work, map and round.
        let mut figures = vec![vec![Vec::new(); maps.len()]; works.len()];
        for round in 0..=settings.rounds {
            for (&work, figures) in works.iter().zip(&mut figures) {
                for (map, figures) in maps.iter().zip(figures) {
                    let rate = run(&**map, work, threads, count, &zipf, round, settings.clock);
                    // The first round only warms up.
                    if round > 0 {
                        figures.push(rate);
                    }
                }
            }
        }
        for (&work, row) in works.iter().zip(&figures) {
            print_row(&row_title(work, count, threads), row);
            if let (Work::GetBatch, Some(single)) = (work, works.iter().position(|work| *work == Work::Get)) {
                let against_single: Vec<_> = row[..1].iter().chain(&figures[single][1..]).cloned().collect();
                print_row("  .. and their single gets", &against_single);
            }
        }
    }
}

fn row_title(work: Work, count: u32, threads: usize) -> String {
    format!("{}, {}M, {threads} thr", work.title(), f64::from(count) / 1e6)
}

/// One row: the figure of each map and, behind the others', how many times it the first map's is.
fn print_row(title: &str, figures: &[Vec<f64>]) {
    print!("{title:<28}");
    for (i, map) in figures.iter().enumerate() {
        let figure = median(map.clone());
        if i == 0 {
            print!("{figure:>16.2}");
        } else {
            let ratio = median(figures[0].iter().zip(map).map(|(first, other)| first / other).collect());
            print!("{:>16}", format!("{figure:.2} ({ratio:.2}x)"));
        }
    }
    println!();
}

fn compare_memory(settings: &Settings) {
    println!("\n{:<28}(ratio: of the first map's bytes)", "resident bytes per key");
    let mut sums = vec![Vec::new(); settings.maps.len()];
    for &count in &settings.memory {
        let figures: Vec<Vec<f64>> =
            settings.maps.iter().map(|map| vec![memory::bytes_per_key(map, count).unwrap_or(f64::NAN)]).collect();
        print_row(&format!("{}M", f64::from(count) / 1e6), &figures);
        for (sum, figure) in sums.iter_mut().zip(&figures) {
            sum.push(figure[0]);
        }
    }
    let means: Vec<Vec<f64>> = sums.iter().map(|all| vec![all.iter().sum::<f64>() / all.len() as f64]).collect();
    print_row("mean", &means);
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Runs one piece of work and returns million operations a second, all threads together.
fn run(map: &dyn Map, work: Work, threads: usize, count: u32, zipf: &Zipf, round: usize, clock: ClockId) -> f64 {
    let barrier = Barrier::new(threads);
    let times: Vec<(Duration, u32)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = time(clock);
                    let done = match work {
                        Work::Load => load(map, thread, threads, count),
                        Work::Get => get(map, count, chance(round, thread)),
                        Work::GetBatch => get_batches(map, count, chance(round, thread)),
                        Work::SetBatch => set_batches(map, count, chance(round, thread)),
                        Work::Zipf95 => mixed(map, zipf, 5, chance(round, thread)),
                        Work::Zipf50 => mixed(map, zipf, 50, chance(round, thread)),
                    };
                    (time(clock) - start, done)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("workers do not panic")).collect()
    });
    times.iter().map(|(time, done)| f64::from(*done) / time.as_secs_f64() / 1e6).sum()
}

fn time(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

fn chance(round: usize, thread: usize) -> Chance {
    Chance::new((round * 64 + thread) as u64)
}

fn load(map: &dyn Map, thread: usize, threads: usize, count: u32) -> u32 {
    let numbers = (thread as u32..count).step_by(threads);
    numbers.map(|number| map.set(&key(number), &value(number))).count() as u32
}

fn get(map: &dyn Map, count: u32, mut chance: Chance) -> u32 {
    let (mut out, mut found) = ([0; VALUE_BYTES], 0);
    for _ in 0..SLICE_OPERATIONS {
        found += u32::from(map.get(&key(chance.below(count)), &mut out));
        black_box(&out);
    }
    assert_eq!(found, SLICE_OPERATIONS, "every key is there");
    SLICE_OPERATIONS
}

fn get_batches(map: &dyn Map, count: u32, mut chance: Chance) -> u32 {
    let (mut keys, mut out) = ([[0; 16]; BATCH_KEYS], [[0; VALUE_BYTES]; BATCH_KEYS]);
    for _ in 0..SLICE_OPERATIONS as usize / BATCH_KEYS {
        for slot in &mut keys {
            *slot = key(chance.below(count));
        }
        assert_eq!(map.get_many(&keys, &mut out), BATCH_KEYS, "every key is there");
        black_box(&out);
    }
    SLICE_OPERATIONS
}

fn set_batches(map: &dyn Map, count: u32, mut chance: Chance) -> u32 {
    let mut pairs = [([0; 16], [b'x'; VALUE_BYTES]); BATCH_KEYS];
    for _ in 0..SLICE_OPERATIONS as usize / BATCH_KEYS {
        for (slot, _) in &mut pairs {
            *slot = key(chance.below(count));
        }
        map.set_many(&pairs);
    }
    SLICE_OPERATIONS
}

fn mixed(map: &dyn Map, zipf: &Zipf, percent_sets: u32, mut chance: Chance) -> u32 {
    let mut out = [b'w'; VALUE_BYTES];
    let mut step = chance.next() as usize;
    for _ in 0..SLICE_OPERATIONS {
        let key = key(zipf.at(step));
        step += 1;
        if chance.below(100) < percent_sets {
            map.set(&key, &out);
        } else {
            map.get(&key, &mut out);
        }
        black_box(&out);
    }
    SLICE_OPERATIONS
}

/// Operations of one thread in one round: about a tenth of a second for a lone lookup.
const SLICE_OPERATIONS: u32 = 400_000;

const BATCH_KEYS: usize = 16;

const _: () = assert!(SLICE_OPERATIONS as usize % BATCH_KEYS == 0);
