//! The fuzz targets for serialised values and for RDB as ordinary tests, over the corpus that is published in `fuzz/`.

#[path = "fuzzing/payload.rs"]
mod payload;
#[path = "fuzzing/rdb.rs"]
mod rdb;

use std::path::PathBuf;

/// The inputs of a target.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut inputs: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
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
