//! Histories that clients record, and whether each key was one register all the time: on a node that lives, on one that is killed
//! and started again, and through a promotion.

use crate::node::{Client, Node};
use crate::replication::{Peer, wait_until};
use keyslot::replication::sim::history::{Ask, Operation, is_linearizable};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Whom clients ask, and what they record.
struct Record {
    started: Instant,
    /// The port of the node that leads; 0: wait.
    port: AtomicUsize,
    is_over: AtomicBool,
    next_value: AtomicU64,
}

impl Record {
    fn new(port: u16) -> Self {
        let (is_over, next_value) = (AtomicBool::new(false), AtomicU64::new(1));
        Self { started: Instant::now(), port: AtomicUsize::new(port.into()), is_over, next_value }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// One client's operations, by key.
    fn work(&self, number: usize) -> Vec<Vec<Operation>> {
        let mut history = vec![Vec::new(); KEY_COUNT];
        let (mut client, mut at, mut random) = (None, 0, number as u64);
        while !self.is_over.load(SeqCst) {
            let port = self.port.load(SeqCst);
            if at != port || client.is_none() {
                (at, client) = (port, Client::reach(port as u16));
                std::thread::yield_now();
                continue;
            }
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            // Larger than any sum of increments, so that no value comes twice.
            let value = self.next_value.fetch_add(1, SeqCst) << VALUE_SHIFT;
            let key = (random >> 40) as usize % KEY_COUNT;
            let asks = [Ask::Get, Ask::Get, Ask::Increment, Ask::Set(value), Ask::GetSet(value)];
            let ask = asks[(random >> 33) as usize % 5];
            let (name, text) = (format!("register:{key}"), value.to_string());
            let words = match ask {
                Ask::Get => vec!["GET", &name],
                Ask::Increment => vec!["INCR", &name],
                Ask::Set(_) => vec!["SET", &name, &text],
                Ask::GetSet(_) => vec!["SET", &name, &text, "GET"],
            };
            let from = self.now();
            let reply = client.as_mut().and_then(|client| client.try_ask(&words));
            let until = self.now();
            let said: Option<Option<Option<u64>>> = reply.as_deref().map(|reply| match reply {
                "+OK" | "(nil)" => Some(None),
                number => number.trim_start_matches(':').parse().ok().map(Some),
            });
            match said {
                Some(Some(said)) => history[key].push(Operation { ask, from, reply: Some((until, said)) }),
                // An error: who leads no more, or not yet, changed nothing; of a held reply nobody knows.
                Some(None) if !reply.as_deref().is_some_and(|reply| reply.starts_with("-UNBLOCKED")) => client = None,
                _ => {
                    history[key].push(Operation { ask, from, reply: None });
                    client = None;
                }
            }
        }
        history
    }

    /// Has clients work until `f` is done, and judges what they saw.
    fn judge(&self, f: impl FnOnce()) {
        let histories: Vec<Vec<Vec<Operation>>> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENT_COUNT).map(|number| scope.spawn(move || self.work(number))).collect();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            self.is_over.store(true, SeqCst);
            let histories = clients.into_iter().map(|client| client.join().unwrap()).collect();
            outcome.unwrap();
            histories
        });
        let (mut count, mut lost) = (0, 0);
        for key in 0..KEY_COUNT {
            let history: Vec<Operation> = histories.iter().flat_map(|client| client[key].clone()).collect();
            count += history.len();
            lost += history.iter().filter(|op| op.reply.is_none()).count();
            assert!(is_linearizable(&history, None), "key {key}: {history:?}");
        }
        println!(
            "{count} operations on {KEY_COUNT} keys by {CLIENT_COUNT} clients, {lost} without a reply: linearizable"
        );
        assert!(count > 100, "hardly anything was recorded");
    }

    /// Waits until so many more operations were begun.
    fn wait_for(&self, more: u64) {
        let until = self.next_value.load(SeqCst) + more;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.next_value.load(SeqCst) < until {
            assert!(Instant::now() < deadline, "nothing goes on");
            std::thread::yield_now();
        }
    }
}

#[test]
fn keys_of_a_node_are_linearizable() {
    let node = Peer::node(&[]);
    let record = Record::new(node.port);
    record.judge(|| record.wait_for(4000));
}

#[test]
fn keys_are_linearizable_though_the_node_is_killed() {
    let log = &["--appendonly", "yes", "--appendfsync", "always"][..];
    let (port, folder) = (crate::node::free_port(), tempfile::tempdir().unwrap());
    let text = port.to_string();
    let start = || Node::start(folder.path(), &[&["--port", &text, "--save", ""], log].concat());
    let mut node = start();
    let record = Record::new(port);
    record.judge(|| {
        for _ in 0..3 {
            record.wait_for(600);
            node.signal("KILL");
            node.wait();
            node = start();
        }
        record.wait_for(600);
    });
}

#[test]
fn keys_are_linearizable_through_a_promotion() {
    let mut primary = Peer::node(&["--write-ack", "replicas", "1"]);
    let record = Record::new(primary.port);
    let mut kept = Vec::new();
    record.judge(|| {
        for _ in 0..3 {
            let mut replica = Peer::node(&[]);
            replica.follow(&primary);
            wait_until("a replica", || {
                let replicas = primary.ask(&["INFO", "replication"]);
                (!replicas.contains("state=online")).then_some(replicas)
            });
            record.wait_for(600);
            let node = primary.node.as_mut().expect("a node");
            node.signal("KILL");
            node.wait();
            // What it shows waits for the next replica.
            assert_eq!(replica.ask(&["CONFIG", "SET", "write-ack", "replicas 1"]), "+OK");
            assert_eq!(replica.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
            record.port.store(replica.port.into(), SeqCst);
            kept.push(std::mem::replace(&mut primary, replica));
        }
        assert_eq!(primary.ask(&["CONFIG", "SET", "write-ack", "memory"]), "+OK");
        record.wait_for(600);
    });
}

const CLIENT_COUNT: usize = 6;
const KEY_COUNT: usize = 3;
const VALUE_SHIFT: u32 = 32;
