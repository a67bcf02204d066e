//! Slots that go from node to node with their keys, while clients write to them.

use super::{Kind, Nodes, cli};
use crate::node::Client;
use crate::redis::{PROGRAM, has};
use crate::replication::wait_until;
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
    let names = create(&mut nodes);
    let addresses: Vec<String> = (0..3).map(|node| nodes.address(node)).collect();
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

/// Three primaries by redis-cli, and their names.
fn create(nodes: &mut Nodes) -> Vec<String> {
    let addresses: Vec<String> = (0..3).map(|node| nodes.address(node)).collect();
    let words: Vec<&str> = ["--cluster", "create"].into_iter().chain(addresses.iter().map(String::as_str)).collect();
    let told = cli(&[&words[..], &["--cluster-yes"]].concat());
    assert!(told.contains("[OK] All 16384 slots covered."), "{told}");
    nodes.settle();
    nodes.set_timeout(15_000);
    nodes.0.iter_mut().map(|node| node.ask(&["CLUSTER", "MYID"])).collect()
}

#[test]
fn slots_are_balanced_under_writes() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::start(&[Kind::Keyslot; 3]);
    let names = create(&mut nodes);
    for node in &mut nodes.0 {
        // One that is emptied is to stay a primary.
        assert_eq!(node.ask(&["CONFIG", "SET", "cluster-allow-replica-migration", "no"]), "+OK");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2).map(|name| Counter::run(nodes.0[0].port, name, Arc::clone(&stop))).collect();
    let address = nodes.address(0);
    let rebalance = ["--cluster", "rebalance", &address, "--cluster-threshold", "1", "--cluster-pipeline", "50"];
    let none = format!("{}=0", names[2]);
    // One is emptied, and gets its share again, and then half of that.
    let half = format!("{}=0.5", names[2]);
    for (words, counts) in [
        (&["--cluster-weight", &none][..], [8192, 8192, 0]),
        (&["--cluster-use-empty-masters"], [5461, 5462, 5461]),
        (&["--cluster-weight", &half], [6554, 6553, 3277]),
    ] {
        let told = cli(&[&rebalance[..], words].concat());
        assert!(!told.contains("ERR"), "{told}");
        nodes.settle();
        let check = cli(&["--cluster", "check", &address]);
        for count in counts {
            let near = (count - 2..=count + 2).any(|count| check.contains(&format!("| {count} slots |")));
            assert!(near, "{counts:?}: {check}");
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert_counts(&nodes, writers);
}

/// Ends writers, and compares what they did with what is there.
fn assert_counts(nodes: &Nodes, writers: Vec<JoinHandle<Vec<u64>>>) {
    let counts: Vec<Vec<u64>> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let mut reader = Counter { clients: HashMap::new(), port: nodes.0[0].port };
    for (name, counts) in counts.iter().enumerate() {
        for (number, count) in counts.iter().enumerate() {
            assert_eq!(reader.ask(&["GET", &format!("{name}:{number}")]), count.to_string());
        }
    }
}

/// Kills a node in the middle of a reshard, starts it again, and has redis-cli mend what was left.
fn mend_after_death(dying: usize) {
    let mut nodes = Nodes::start(&[Kind::Keyslot; 3]);
    let names = create(&mut nodes);
    for node in &mut nodes.0 {
        assert_eq!(node.ask(&["CONFIG", "SET", "appendfsync", "always"]), "+OK");
    }
    let mut writer = Counter { clients: HashMap::new(), port: nodes.0[0].port };
    for number in 0..MENDED_KEYS {
        assert_eq!(writer.ask(&["SET", &format!("key:{number}"), &number.to_string()]), "+OK");
    }
    let before: usize = nodes.0[1].ask(&["DBSIZE"])[1..].parse().unwrap();
    let (address, from, to) = (nodes.address(2), names[0].clone(), names[1].clone());
    let reshard = std::thread::spawn(move || {
        let words = ["--cluster", "reshard", &address, "--cluster-from", &from, "--cluster-to", &to];
        cli(&[&words[..], &["--cluster-slots", "4000", "--cluster-yes"]].concat())
    });
    wait_until("keys on their way", || {
        let count: usize = nodes.0[1].ask(&["DBSIZE"])[1..].parse().unwrap();
        (count < before + 50).then(|| count.to_string())
    });
    nodes.kill(dying);
    let told = reshard.join().unwrap();
    assert!(!told.contains("Moving slot 3999 from 127.0.0.1:"), "it was over before: {told}");
    nodes.0[dying].restart();
    let address = nodes.address(2);
    let links = |node: &mut crate::replication::Peer| node.ask(&["CLUSTER", "NODES"]).matches(" connected").count();
    wait_until("the bus", || {
        let counts: Vec<usize> = nodes.0.iter_mut().map(links).collect();
        (counts != [3, 3, 3]).then(|| format!("{counts:?}"))
    });
    wait_until("mended slots", || {
        cli(&["--cluster", "fix", &address]);
        let check = cli(&["--cluster", "check", &address]);
        (check.matches("[OK]").count() != 3).then_some(check)
    });
    nodes.settle();
    let mut reader = Counter { clients: HashMap::new(), port: nodes.0[0].port };
    for number in 0..MENDED_KEYS {
        assert_eq!(reader.ask(&["GET", &format!("key:{number}")]), number.to_string());
    }
    let check = cli(&["--cluster", "check", &address]);
    assert!(check.contains(&format!("[OK] {MENDED_KEYS} keys in 3 masters.")), "{check}");
}

const MENDED_KEYS: usize = 3000;

#[test]
fn nothing_is_lost_when_the_source_dies_in_the_middle() {
    if has("redis-cli") {
        mend_after_death(0);
    }
}

#[test]
fn nothing_is_lost_when_the_target_dies_in_the_middle() {
    if has("redis-cli") {
        mend_after_death(1);
    }
}
