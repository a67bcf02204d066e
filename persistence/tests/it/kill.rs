//! A process that is killed while it writes, again and again on the same directory: what it was told to be durable is
//! there afterwards.
//!
//! The writer is this test program itself, started with one ignored test and a directory in its environment.

use keyslot_persistence::{Durability, JournalOptions, LogOptions, Preallocation, Store};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const DIRECTORY: &str = "KEYSLOT_TEST_DIRECTORY";
const ROUNDS: u64 = 8;
const WRITERS: u64 = 3;

fn open(path: &std::ffi::OsStr) -> Store {
    let log = LogOptions {
        file_size_bytes_max: 64 << 10,
        preallocation: Preallocation::Zeros,
        preallocation_bytes_max: 16 << 10,
    };
    let journal = JournalOptions { group_size_bytes: 512, ..JournalOptions::default() };
    Store::builder().durability(Durability::Always).log(log).journal(journal).open(path).unwrap()
}

/// The highest number that each writer stored, all lower ones being there too.
fn stored(db: &Store) -> Vec<u64> {
    let of = |writer| (1..).take_while(|i| db.get(format!("w{writer}:{i}")).unwrap().is_some()).count() as u64;
    (0..WRITERS).map(of).collect()
}

#[test]
#[ignore = "the program that the next test starts and kills"]
fn writer() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let db = open(&path);
    let starts = stored(&db);
    std::thread::scope(|scope| {
        for (writer, start) in starts.into_iter().enumerate() {
            let db = &db;
            scope.spawn(move || {
                for i in start + 1.. {
                    db.set(format!("w{writer}:{i}"), "x".repeat((i * 37 % 900) as usize)).unwrap();
                    // Libtest holds back what tests print; the pipe itself is told what is durable.
                    writeln!(std::io::stderr().lock(), "durable {writer} {i}").unwrap();
                }
            });
        }
    });
}

#[test]
fn what_a_killed_process_called_durable_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = vec![0; WRITERS as usize];
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::writer", "--nocapture"])
            .env(DIRECTORY, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.by_ref().take(5 + (round * 61 % 200) as usize) {
            note(&line.unwrap(), &mut confirmed);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was confirmed between the last look and the kill counts as well; the last line may be half a line.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.len().saturating_sub(1);
        rest[..whole].iter().for_each(|line| note(line, &mut confirmed));

        let db = open(dir.path().as_os_str());
        let found = stored(&db);
        let none_lost = found.iter().zip(&confirmed).all(|(found, confirmed)| found >= confirmed);
        assert!(none_lost, "round {round}: found {found:?}, confirmed {confirmed:?}; {}", db.recovery());
        assert!(!db.recovery().clean, "round {round}: {}", db.recovery());
        confirmed = found;
    }
    assert!(confirmed.iter().sum::<u64>() > ROUNDS * 5, "{confirmed:?}");
}

fn note(line: &str, confirmed: &mut [u64]) {
    let mut words = line.split(' ');
    if words.next() == Some("durable") {
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap();
        let (writer, i) = (number(), number());
        confirmed[writer as usize] = confirmed[writer as usize].max(i);
    } else {
        panic!("the writer failed: {line}");
    }
}
