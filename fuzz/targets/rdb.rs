//! Any bytes as an RDB. What it does stands with the ordinary tests, which run it over the corpus.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "tests use more of it")]
#[path = "../../persistence/tests/it/allowance.rs"]
mod allowance;
#[path = "../../persistence/tests/it/fuzzing/rdb.rs"]
mod rdb;

fuzz_target!(|data: &[u8]| rdb::run(data));
