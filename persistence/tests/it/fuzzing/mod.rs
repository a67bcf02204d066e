//! The targets of `fuzz/` as ordinary tests, over the corpus that is published there.

pub(crate) mod aof;
mod bounds;
pub(crate) mod log;
pub(crate) mod manifest;
mod payload;
mod rdb;
pub(crate) mod snapshot;

use crate::allowance::peak_of;
use keyslot_engine::payload::check_payload;
use keyslot_persistence::rdb::check_rdb;
use keyslot_persistence::recovery::{check_log, check_manifest};
use keyslot_persistence::snapshot::check_snapshot;
use std::path::PathBuf;

fn seeds() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds")
}

/// The inputs of a target, those that found something among them.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(seeds().join(target)).unwrap().map(|file| file.unwrap().path());
    let mut inputs: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
}

#[test]
fn the_corpus_of_snapshots() {
    for (path, input) in corpus("snapshot") {
        println!("{}", path.display());
        snapshot::run(&input);
        // And bent here and there: what a fuzzer would try first.
        for at in (1..input.len()).step_by(input.len() / 3 + 1) {
            let mut bent = input.clone();
            bent[at] ^= 1 << (at % 8);
            snapshot::run(&bent);
        }
    }
}

#[test]
fn checking_a_snapshot_takes_memory_by_its_size() {
    for (path, input) in corpus("snapshot") {
        for at in 0..input.len() {
            let mut bent = input.clone();
            bent[at] ^= 0x80 >> (at % 8);
            // Neither LZ4 nor LZF, which may hold more than their size: their claims have limits of their own.
            let is_plain = !input.contains(&0xc3) && !path.ends_with("lz4");
            let factor = if is_plain { 8 } else { 256 };
            let peak = peak_of(|| drop(check_snapshot(&bent[1..])));
            assert!(peak <= bent.len() * factor + (1 << 20), "{}, byte {at}: {peak} bytes", path.display());
        }
    }
}

/// Runs a target over its corpus, and over each input bent here and there: what a fuzzer would try first.
fn run_bent(target: &str, run: fn(&[u8])) {
    for (path, input) in corpus(target) {
        println!("{}", path.display());
        run(&input);
        for at in (0..input.len()).step_by(input.len() / 40 + 1) {
            let mut bent = input.clone();
            bent[at] ^= 1 << (at % 8);
            run(&bent);
            run(&input[..at]);
        }
    }
}

#[test]
fn the_corpus_of_append_only_files() {
    run_bent("aof", aof::run);
}

#[test]
fn the_corpus_of_logs() {
    run_bent("log", log::run);
}

#[test]
fn the_corpus_of_manifests() {
    run_bent("manifest", manifest::run);
}

#[test]
fn checking_a_log_takes_memory_by_its_size() {
    for (path, input) in corpus("aof") {
        for at in (0..input.len()).step_by(5) {
            let mut bent = input.clone();
            bent[at] ^= 0x80 >> (at % 8);
            let peak = peak_of(|| drop(check_log(&bent)));
            assert!(peak <= bent.len() * 8 + (1 << 20), "{}, byte {at}: {peak} bytes", path.display());
        }
    }
}

#[test]
fn serialised_values_of_the_corpus() {
    let db = keyslot_engine::Engine::in_memory();
    for (path, input) in corpus("payload") {
        println!("{}", path.display());
        assert!(payload::read(&db, &input));
        payload::run(&input);
        // And bent here and there: what a fuzzer would try first.
        for bit in 0..input.len() * 8 {
            let mut bent = input.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            payload::run(&bent);
        }
        (0..input.len()).for_each(|len| payload::run(&input[..len]));
    }
}

#[test]
fn rdbs_of_the_corpus() {
    for (path, input) in corpus("rdb") {
        println!("{}", path.display());
        rdb::run(&input);
        for at in (1..input.len()).step_by(input.len() / 20 + 1) {
            let mut bent = input.clone();
            bent[at] ^= 1 << (at % 8);
            rdb::run(&bent);
        }
    }
}

#[test]
fn the_readme_shows_the_target_for_hosts_as_it_is_compiled() {
    let target = include_str!("../../../../fuzz/targets/host.rs");
    let (_, shown) = target.split_once("\n\n").unwrap();
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&format!("```rust,ignore\n{shown}```\n")), "{shown}");
}

#[test]
fn what_hosts_call_takes_every_file_of_the_corpus() {
    for folder in std::fs::read_dir(seeds()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let _ = (check_log(&bytes), check_manifest(&bytes), check_rdb(&bytes[1..]), check_rdb(&bytes));
            let _ = (check_snapshot(&bytes), check_payload(&bytes));
        }
    }
}
