//! Histories that clients record, and whether each key was one register all the time: on a node that lives, on one that is killed
//! and started again, and through a promotion.
//!
//! An operation takes place at one moment between its request and its reply. One without a reply took place at some moment behind
//! its request, or never. A history is good if there is an order of such moments in which every reply is right.

use crate::node::{Client, Node};
use crate::replication::{Peer, wait_until};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Set(u64),
    Get,
    GetSet(u64),
    Incr,
}

/// An operation on one key. A value is 0 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Op {
    ask: Ask,
    from: u64,
    /// When the reply came, and what it said; `None`: nobody knows.
    reply: Option<(u64, u64)>,
}

impl Op {
    /// The register behind it and what it replies.
    fn run(&self, value: u64) -> (u64, u64) {
        match self.ask {
            Ask::Set(new) => (new, 0),
            Ask::Get => (value, value),
            Ask::GetSet(new) => (new, value),
            Ask::Incr => (value + 1, value + 1),
        }
    }

    fn until(&self) -> u64 {
        self.reply.map_or(u64::MAX, |(until, _)| until)
    }
}

/// Whether there is an order of moments in which every reply is right: all orders are tried, each state once, the likely ones
/// first.
fn is_linearizable(history: &[Op]) -> bool {
    // No value is written twice, and sums of increments stay below what lies between two.
    let seen: HashSet<u64> = history.iter().filter_map(|op| op.reply).map(|(_, said)| said >> VALUE_SHIFT).collect();
    let matters = |op: &&Op| match op.ask {
        _ if op.reply.is_some() => true,
        Ask::Get => false,
        // What nobody saw need not have been.
        Ask::Set(value) | Ask::GetSet(value) => seen.contains(&(value >> VALUE_SHIFT)),
        Ask::Incr => true,
    };
    let mut ops: Vec<Op> = history.iter().filter(matters).copied().collect();
    ops.sort_by_key(|op| op.from);
    // What took place: all before `first`, and some behind it.
    let mut todo = vec![(0_usize, Vec::<usize>::new(), 0_u64)];
    let mut tried = HashSet::new();
    while let Some((first, done, value)) = todo.pop() {
        if ops[first..].iter().enumerate().all(|(at, op)| op.reply.is_none() || done.contains(&(first + at))) {
            return true;
        }
        let is_open = |at: &usize| !done.contains(at);
        let soonest = (first..ops.len()).filter(is_open).map(|at| ops[at].until()).min().unwrap_or(u64::MAX);
        let mut next: Vec<usize> =
            (first..ops.len()).take_while(|at| ops[*at].from <= soonest).filter(is_open).collect();
        // The last that is put in is tried first.
        next.sort_by_key(|at| std::cmp::Reverse(ops[*at].until()));
        for at in next {
            let (behind, said) = ops[at].run(value);
            if ops[at].reply.is_some_and(|(_, heard)| heard != said) {
                continue;
            }
            let (mut first, mut done) = (first, done.clone());
            done.push(at);
            done.sort_unstable();
            while done.first() == Some(&first) {
                done.remove(0);
                first += 1;
            }
            if tried.insert((first, done.clone(), behind)) {
                todo.push((first, done, behind));
            }
        }
    }
    false
}

#[test]
fn a_history_is_judged_by_what_was_told() {
    let (seven, eight, nine) = (7 << VALUE_SHIFT, 8 << VALUE_SHIFT, 9 << VALUE_SHIFT);
    let op = |ask, from, until, said| Op { ask, from, reply: Some((until, said)) };
    let lost = |ask, from| Op { ask, from, reply: None };
    let good = [
        op(Ask::Set(seven), 0, 10, 0),
        op(Ask::Get, 2, 4, seven),
        op(Ask::Get, 3, 5, seven),
        op(Ask::Incr, 11, 12, seven + 1),
    ];
    assert!(is_linearizable(&good));
    assert!(
        is_linearizable(&[lost(Ask::Set(seven), 0), op(Ask::Get, 5, 6, 0), op(Ask::Get, 7, 8, seven)]),
        "it came late"
    );
    assert!(
        is_linearizable(&[lost(Ask::Set(seven), 0), op(Ask::GetSet(nine), 5, 6, 0), op(Ask::Get, 7, 8, nine)]),
        "or never"
    );
    assert!(!is_linearizable(&[op(Ask::Set(seven), 0, 1, 0), op(Ask::Get, 2, 3, 0)]), "a write that was told is lost");
    let back = [op(Ask::Set(seven), 0, 10, 0), op(Ask::Get, 1, 2, seven), op(Ask::Get, 3, 4, 0)];
    assert!(!is_linearizable(&back), "what was seen is gone");
    assert!(!is_linearizable(&[op(Ask::Incr, 0, 9, 1), op(Ask::Incr, 1, 8, 1)]), "two take one number");
    assert!(
        !is_linearizable(&[op(Ask::Set(seven), 0, 1, 0), lost(Ask::Set(eight), 3), op(Ask::Get, 2, 2, eight)]),
        "too early"
    );
}

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
    fn work(&self, number: usize) -> Vec<Vec<Op>> {
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
            let ask = [Ask::Get, Ask::Get, Ask::Incr, Ask::Set(value), Ask::GetSet(value)][(random >> 33) as usize % 5];
            let (name, text) = (format!("register:{key}"), value.to_string());
            let words = match ask {
                Ask::Get => vec!["GET", &name],
                Ask::Incr => vec!["INCR", &name],
                Ask::Set(_) => vec!["SET", &name, &text],
                Ask::GetSet(_) => vec!["SET", &name, &text, "GET"],
            };
            let from = self.now();
            let reply = client.as_mut().and_then(|client| client.try_ask(&words));
            let until = self.now();
            let said = reply.as_deref().map(|reply| match reply {
                "+OK" | "(nil)" => Some(0),
                number => number.trim_start_matches(':').parse().ok(),
            });
            match said {
                Some(Some(said)) => history[key].push(Op { ask, from, reply: Some((until, said)) }),
                // An error: who leads no more, or not yet, changed nothing; of a held reply nobody knows.
                Some(None) if !reply.as_deref().is_some_and(|reply| reply.starts_with("-UNBLOCKED")) => client = None,
                _ => {
                    history[key].push(Op { ask, from, reply: None });
                    client = None;
                }
            }
        }
        history
    }

    /// Has clients work until `f` is done, and judges what they saw.
    fn judge(&self, f: impl FnOnce()) {
        let histories: Vec<Vec<Vec<Op>>> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENT_COUNT).map(|number| scope.spawn(move || self.work(number))).collect();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            self.is_over.store(true, SeqCst);
            let histories = clients.into_iter().map(|client| client.join().unwrap()).collect();
            outcome.unwrap();
            histories
        });
        let (mut count, mut lost) = (0, 0);
        for key in 0..KEY_COUNT {
            let history: Vec<Op> = histories.iter().flat_map(|client| client[key].clone()).collect();
            count += history.len();
            lost += history.iter().filter(|op| op.reply.is_none()).count();
            assert!(is_linearizable(&history), "key {key}: {history:?}");
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
