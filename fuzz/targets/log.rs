//! Any bytes as a log of ours. What it does stands with the ordinary tests, which run it over the corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../persistence/tests/it/allowance.rs"]
mod allowance;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../../persistence/tests/it/fuzzing/aof.rs"]
mod aof;
#[path = "../../persistence/tests/it/fuzzing/log.rs"]
mod log;

fuzz_target!(|data: &[u8]| log::run(data));
