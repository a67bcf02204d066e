//! Client libraries of the Rust world, as an application uses them: against six nodes, of which a primary is killed.
//!
//! Each module makes one client and keeps it to its end: it reads and writes keys of all slots, uses what the library has for
//! clusters, and goes on writing while [`Outage`] takes a primary away, brings it back and makes it lead again.

mod fred;
mod redis_async;
mod redis_sync;

use crate::cluster::Nodes;
use crate::replication::wait_until;
use keyslot::engine::{SLOT_COUNT, Slot};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A key of every slot.
fn key_of_each_slot() -> Vec<String> {
    let mut keys = BTreeMap::new();
    for number in 0.. {
        if keys.len() == SLOT_COUNT {
            break;
        }
        let key = format!("key:{number}");
        keys.entry(Slot::of(key.as_bytes()).number()).or_insert(key);
    }
    keys.into_values().collect()
}

/// What happens to the primary that serves [`COUNTER`].
struct Outage {
    nodes: Nodes,
    primary: usize,
    replica: usize,
}

impl Outage {
    /// Kills it as a crash does.
    fn begin(mut nodes: Nodes) -> Self {
        let primary = nodes.primary_of(COUNTER);
        let replica = nodes.replica_of(primary);
        nodes.set_timeout(1500);
        nodes.kill(primary);
        Self { nodes, primary, replica }
    }

    /// After a client could write: demands that the replica leads, and waits until those who are left agree.
    fn pass(&mut self) {
        assert_eq!(self.nodes.role(self.replica), "master", "a client wrote, so somebody leads");
        self.nodes.set_timeout(15_000);
        self.nodes.settle();
    }

    /// Starts the old primary again, and waits until it follows.
    fn end(&mut self) {
        self.nodes.0[self.primary].restart_with(&["--cluster-node-timeout", "15000"]);
        self.nodes.wait_for_role(self.primary, "slave");
        self.nodes.wait_for_link(self.primary);
        self.nodes.settle();
    }

    /// Has the old primary take its place back, while all run.
    fn hand_back(&mut self) {
        wait_until("handing back", || {
            let reply = self.nodes.0[self.primary].ask(&["CLUSTER", "FAILOVER"]);
            Some(reply).filter(|reply| reply != "+OK")
        });
        self.nodes.wait_for_role(self.primary, "master");
        self.nodes.wait_for_role(self.replica, "slave");
    }
}

/// How long a client may take to find whoever serves a slot now.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(Instant::now() + Duration::from_secs(60))
    }

    fn bear(&self, error: &dyn std::fmt::Display) {
        assert!(Instant::now() < self.0, "the client does not recover: {error}");
        std::thread::yield_now();
    }
}

/// A slot without keys that goes from one primary to another.
struct Move {
    source: usize,
    target: usize,
}

impl Move {
    /// From now on its node answers ASK for keys that it does not have.
    fn begin(nodes: &mut Nodes) -> Self {
        let source = nodes.primary_of(MOVING);
        let this = Self { source, target: (source + 1) % 3 };
        let names = [source, this.target].map(|node| nodes.0[node].ask(&["CLUSTER", "MYID"]));
        this.set(nodes, this.target, "IMPORTING", &names[0]);
        this.set(nodes, source, "MIGRATING", &names[1]);
        this
    }

    /// From now on it answers MOVED.
    fn end(self, nodes: &mut Nodes) {
        let name = nodes.0[self.target].ask(&["CLUSTER", "MYID"]);
        for node in [self.target, self.source] {
            self.set(nodes, node, "NODE", &name);
        }
        nodes.settle();
        assert_eq!(nodes.primary_of(MOVING), self.target);
    }

    fn set(&self, nodes: &mut Nodes, node: usize, state: &str, name: &str) {
        let slot = Slot::of(MOVING.as_bytes()).number().to_string();
        assert_eq!(nodes.0[node].ask(&["CLUSTER", "SETSLOT", &slot, state, name]), "+OK");
    }
}

/// Waits until all nodes name the replicas to clients, which they do once something was replicated.
fn show_replicas(nodes: &mut Nodes) {
    nodes.write("something");
    for node in 0..6 {
        wait_until("naming replicas", || {
            let slots = nodes.0[node].ask(&["CLUSTER", "SLOTS"]);
            (slots.matches("127.0.0.1").count() != 6).then_some(slots)
        });
    }
}

/// How often a command was done at the replicas together.
fn calls_at_replicas(nodes: &mut Nodes, command: &str) -> usize {
    let calls = |nodes: &mut Nodes, node: usize| {
        let info = nodes.0[node].ask(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    (0..6)
        .filter(|node| nodes.role(*node) == "slave")
        .collect::<Vec<_>>()
        .into_iter()
        .map(|node| calls(nodes, node))
        .sum()
}

const COUNTER: &str = "counter";

/// What begins the keys of a slot that moves.
const MOVING: &str = "{moving}";

/// How often a client counts before and after.
const ROUNDS: i64 = 50;

/// Runs a client and its tasks in this thread.
fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
