//! Slots that go from node to node with their keys, while clients write to them.

use super::{Kind, Nodes, cli};
use crate::node::Client;
use crate::redis::{PROGRAM, has};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A client that goes where it is sent, and counts what it did.
pub(super) struct Counter {
    clients: HashMap<u16, Client>,
    port: u16,
}

impl Counter {
    pub(super) fn at(port: u16) -> Self {
        Self { clients: HashMap::new(), port }
    }

    pub(super) fn ask(&mut self, words: &[&str]) -> String {
        let (mut port, mut asks) = (self.port, false);
        for _ in 0..1000 {
            let client = self.clients.entry(port).or_insert_with(|| Client::reach(port).unwrap());
            if asks {
                assert_eq!(client.ask(&["ASKING"]), "+OK");
            }
            let reply = client.ask(words);
            let place = |reply: &str| reply.rsplit(':').next().unwrap().parse().unwrap();
            match reply.split(' ').next() {
                Some("-MOVED") => (port, asks) = (place(&reply), false),
                Some("-ASK") => (port, asks) = (place(&reply), true),
                Some("-TRYAGAIN") => {}
                _ => return reply,
            }
        }
        panic!("{words:?} is sent around");
    }

    /// Adds to keys, one after another, until it is told to stop; says how often.
    pub(super) fn run(port: u16, name: usize, stop: Arc<AtomicBool>) -> JoinHandle<Vec<u64>> {
        std::thread::spawn(move || {
            let mut counter = Self::at(port);
            let mut counts = vec![0; KEYS];
            while !stop.load(Ordering::Relaxed) {
                for (number, count) in counts.iter_mut().enumerate() {
                    *count += 1;
                    assert_eq!(counter.ask(&["INCR", &format!("{name}:{number}")]), format!(":{count}"));
                }
            }
            counts
        })
    }
}

/// Moves slots between primaries of these kinds and back, by redis-cli, under writes.
fn move_slots(kinds: &[Kind; 3]) {
    let mut nodes = Nodes::start(kinds);
    let addresses: Vec<String> = (0..3).map(|node| nodes.address(node)).collect();
    let words: Vec<&str> = ["--cluster", "create"].into_iter().chain(addresses.iter().map(String::as_str)).collect();
    let told = cli(&[&words[..], &["--cluster-yes"]].concat());
    assert!(told.contains("[OK] All 16384 slots covered."), "{told}");
    nodes.settle();
    nodes.set_timeout(15_000);
    let names: Vec<String> = nodes.0.iter_mut().map(|node| node.ask(&["CLUSTER", "MYID"])).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2).map(|name| Counter::run(nodes.0[2].port, name, Arc::clone(&stop))).collect();
    for (from, to) in [(0, 1), (1, 0)] {
        let (from, to) = (&names[from], &names[to]);
        let reshard = ["--cluster", "reshard", &addresses[2], "--cluster-from", from, "--cluster-to", to];
        let told = cli(&[&reshard[..], &["--cluster-slots", "400", "--cluster-yes"]].concat());
        assert!(!told.contains("ERR"), "{told}");
        nodes.settle();
    }
    stop.store(true, Ordering::Relaxed);
    let counts: Vec<Vec<u64>> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let mut reader = Counter::at(nodes.0[0].port);
    for (name, counts) in counts.iter().enumerate() {
        for (number, count) in counts.iter().enumerate() {
            assert_eq!(reader.ask(&["GET", &format!("{name}:{number}")]), count.to_string());
        }
    }
    let check = cli(&["--cluster", "check", &addresses[0]]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    assert!(check.contains(&format!("[OK] {} keys in 3 masters.", 2 * KEYS)), "{check}");
}

/// Keys of one writer.
const KEYS: usize = 300;

#[test]
fn slots_go_between_nodes_under_writes() {
    if has("redis-cli") {
        move_slots(&[Kind::Keyslot; 3]);
    }
}

#[test]
fn slots_go_to_redis_server_and_come_back_under_writes() {
    if has("redis-cli") && has(PROGRAM) {
        move_slots(&[Kind::Keyslot, Kind::Redis, Kind::Keyslot]);
    }
}
