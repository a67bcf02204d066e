//! Any bytes as an append-only file. What it does stands with the ordinary tests, which run it over the corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../persistence/tests/it/allowance.rs"]
mod allowance;
#[path = "../../persistence/tests/it/fuzzing/aof.rs"]
mod aof;

fuzz_target!(|data: &[u8]| aof::run(data));
