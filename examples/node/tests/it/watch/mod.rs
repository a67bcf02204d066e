//! What counts as a change of a watched key, command by command: the node and `redis-server` say the same.
//!
//! A case (`cases.txt`) is what was done before, and the command after the arrow:
//!
//! ```text
//! RPUSH k a b => LTRIM k 0 -1          a command that changes nothing, or something, or a key that is not there
//! SET k v PX 1 ; LATER => GET k        LATER: when the key is due
//! ```
//!
//! The keys `k`, `d` and `e` are watched, each by a connection of its own; then the command runs, and the connections say
//! whether what they would do next is called off. Redis 7.0.15 and 7.2.4 agree in every case.

use crate::node::Node;
use crate::redis::{PROGRAM, Redis, has};
use crate::wire::{Wire, readable, words};
use std::path::Path;

#[test]
fn the_same_commands_change_watched_keys() {
    if !has(PROGRAM) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ["--enable-debug-command", "yes"];
    let _node = Node::start(folder.path(), &options);
    let redis = Redis::start(folder.path(), &options);
    let (mut ours, mut theirs) = (Server::meet(&folder.path().join("node.sock")), Server::meet(&redis.socket()));
    let mut findings = Vec::new();
    let mut case_count = 0;
    for line in CASES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (before, command) = line.split_once("=> ").expect("a case has an arrow");
        let before: Vec<&str> = before.split(" ; ").map(str::trim).filter(|step| !step.is_empty()).collect();
        let (ours, theirs) = (ours.changed_keys(&before, command), theirs.changed_keys(&before, command));
        if ours != theirs {
            findings.push(format!("{line}: here {ours:?}, there {theirs:?}"));
        }
        case_count += 1;
    }
    assert!(case_count >= CASE_COUNT_MIN, "only {case_count} cases");
    assert!(findings.is_empty(), "{} of {case_count} cases:\n{}", findings.len(), findings.join("\n"));
}

/// Connections to a server: one that does things, and one for each key, that watches it.
struct Server {
    main: Wire,
    watchers: [Wire; 3],
}

impl Server {
    fn meet(socket: &Path) -> Self {
        let mut main = Wire::connect(socket);
        // A key that is due goes when it is met.
        main.ask(&words("DEBUG SET-ACTIVE-EXPIRE 0"));
        Self { main, watchers: KEYS.map(|_| Wire::connect(socket)) }
    }

    /// Which keys a command changes.
    fn changed_keys(&mut self, before: &[&str], command: &str) -> Vec<&'static str> {
        self.main.ask(&words("FLUSHALL"));
        for step in before {
            match *step {
                "LATER" => self.wait(),
                step => {
                    let reply = self.main.ask(&words(step));
                    assert!(!reply.starts_with(b"-"), "{step}: {}", readable(&reply));
                }
            }
        }
        for (key, watcher) in KEYS.iter().zip(&mut self.watchers) {
            assert_eq!(watcher.ask(&words(&format!("WATCH {key}"))), b"+OK\r\n");
        }
        self.main.ask(&words(command));
        let is_called_off = |watcher: &mut Wire| {
            watcher.ask(&words("MULTI"));
            watcher.ask(&words("EXEC")).starts_with(b"*-1")
        };
        let answers = KEYS.iter().zip(&mut self.watchers);
        answers.filter_map(|(key, watcher)| is_called_off(watcher).then_some(*key)).collect()
    }

    /// Waits until the server's clock has moved on by ten milliseconds.
    fn wait(&mut self) {
        // The last six bytes are the end of the line and what is less than that.
        let mut now = || self.main.ask(&words("TIME")).split_last_chunk::<6>().map(|(time, _)| time.to_vec());
        for _ in 0..2 {
            let start = now();
            while now() == start {}
        }
    }
}

const KEYS: [&str; 3] = ["k", "d", "e"];

const CASES: &str = include_str!("cases.txt");

const CASE_COUNT_MIN: usize = 340;
