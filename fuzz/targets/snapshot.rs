//! Any bytes as a snapshot file, or as what a section of one holds. What it does stands with the ordinary tests, which run it
//! over the corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../persistence/tests/it/fuzzing/snapshot.rs"]
mod snapshot;

fuzz_target!(|data: &[u8]| snapshot::run(data));
