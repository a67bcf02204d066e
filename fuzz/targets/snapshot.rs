//! Any bytes as a snapshot, or as what one section of it holds. What it does stands with the ordinary tests, which run it
//! over the corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../persistence/tests/it/allowance.rs"]
mod allowance;
#[path = "../../persistence/tests/it/fuzzing/snapshot.rs"]
mod snapshot;

fuzz_target!(|data: &[u8]| snapshot::run(data));
