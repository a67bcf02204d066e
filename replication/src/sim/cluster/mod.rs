//! A whole cluster in one thread, from one seed: virtual time, a network that is late, cut and parted, nodes that are killed, paused
//! and started again, clocks that are not the same.
//!
//! ```
//! use keyslot_replication::sim::cluster::Simulation;
//!
//! let mut sim = Simulation::new(42);
//! sim.form(3, 1);
//! sim.run_until_stable(10_000)?;
//! let primary = sim.owner_of("greeting").unwrap();
//! sim.write("greeting");
//! sim.run_for(1000)?;
//! sim.kill(primary);
//! sim.run_until_stable(20_000)?;
//! assert_ne!(sim.owner_of("greeting"), Some(primary));
//! # Ok::<(), keyslot_replication::sim::Violation>(())
//! ```
//!
//! The same seed gives the same [trace](Simulation::trace), to the byte.
//!
//! Checked after every step
//! - No epoch is won by two nodes for one slot, and no node votes twice in one, not even after a restart.
//! - No two nodes serve one slot in one epoch.
//! - A node has what it acknowledged as long as it leads and is not killed.
//!
//! Checked when it is [stable](Simulation::run_until_stable)
//! - All nodes have the same view: owners, epochs, who follows whom. Every slot is served.
//! - Replicas have their primary's data.

mod checks;
mod driver;
mod network;
mod scenario;
#[cfg(test)]
mod tests;

pub use network::NetworkOptions;
pub use scenario::{ClusterSummary, explore};

use super::Violation;
use super::machine::{Machine, MachineOptions, NodeClock, START_MS};
use super::network::Way;
use crate::chance::Chance;
use crate::cluster::member::{Member, MemberOptions};
use crate::cluster::{NodeAddress, Roster, agreed_rosters};
use crate::node::ConnectionId;
use checks::Checks;
use keyslot_engine::resp::Value;
use keyslot_engine::{Engine, ManualClock, PeerInfo, SessionState, Slot, SystemClock, UnixMillis};
use keyslot_persistence::storage::Loss;
use network::Network;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A cluster, what connects it, and the time. See the module.
pub struct Simulation {
    seed: u64,
    now: UnixMillis,
    chance: Chance,
    nodes: Vec<SimulatedNode>,
    /// Connections on which host names led elsewhere, and where.
    named: BTreeMap<(usize, ConnectionId), String>,
    /// Who is reached where.
    places: BTreeMap<(String, u16), usize>,
    network: Network,
    node_timeout_ms: i64,
    detects_refusals: bool,
    /// The system's, for a cluster that runs in real time.
    system: Option<Arc<SystemClock>>,
    /// Told of every engine that is started.
    on_start: Option<OnStart>,
    checks: Checks,
    trace: String,
    traces: bool,
    violation: Option<Violation>,
    #[cfg(test)]
    flaw: Option<crate::cluster::member::Flaw>,
}

/// Takes the number of a node, and the engine that it was started with.
pub(crate) type OnStart = Box<dyn Fn(usize, &Engine) + Send>;

struct SimulatedNode {
    machine: Machine,
    /// What its nodes.conf says.
    kept: Roster,
    address: NodeAddress,
    clock: NodeClock,
    /// How far its clock is ahead.
    skew_ms: i64,
    /// Until when it does nothing, and hears nothing.
    paused_until: UnixMillis,
    next_tick: UnixMillis,
    /// Connections of this run: on which wire, and which way its bytes go.
    wires: BTreeMap<ConnectionId, (u64, Way)>,
    /// Those of them that are links of replication.
    links: BTreeSet<ConnectionId>,
    /// When it has something to do next.
    due_ms: Option<i64>,
}

impl Simulation {
    /// Nobody yet. The seed decides everything that chance decides.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: UnixMillis(START_MS),
            chance: Chance::new(seed),
            nodes: Vec::new(),
            named: BTreeMap::new(),
            places: BTreeMap::new(),
            network: Network::new(NetworkOptions::CALM),
            node_timeout_ms: 1000,
            detects_refusals: false,
            system: None,
            on_start: None,
            checks: Checks::default(),
            trace: String::new(),
            traces: true,
            violation: None,
            #[cfg(test)]
            flaw: None,
        }
    }

    /// One that runs in real time, whenever it is [run](Self::run_to) on.
    #[cfg(feature = "host")]
    pub(crate) fn in_real_time(seed: u64, system: Arc<SystemClock>, on_start: OnStart) -> Self {
        let mut sim = Self::new(seed);
        sim.now = keyslot_engine::Clock::now(&*system);
        (sim.system, sim.on_start, sim.traces) = (Some(system), Some(on_start), true);
        sim
    }

    /// Does all that is due by now, and what clients have left to do; returns when something is due next.
    #[cfg(feature = "host")]
    pub(crate) fn run_to(&mut self, now: UnixMillis) -> UnixMillis {
        self.now = self.now.min(now);
        (0..self.nodes.len()).for_each(|node| self.tend(node));
        while self.step(now.0) {}
        let timers = self.nodes.iter().filter_map(|it| it.due_ms);
        UnixMillis(timers.chain(self.network.next_arrival_ms()).min().unwrap_or(now.0 + 100))
    }

    /// A cluster at these addresses: primaries, each followed by its replicas.
    #[cfg(feature = "host")]
    pub(crate) fn form_at(&mut self, shards: Vec<Vec<NodeAddress>>) {
        self.form_shards(shards);
    }

    /// Where a node is.
    pub fn address(&self, node: usize) -> &NodeAddress {
        &self.nodes[node].address
    }

    /// How long a node may be silent (`cluster-node-timeout`), for nodes that are started from here on. 1000 ms if nothing is said.
    pub fn set_node_timeout(&mut self, ms: i64) {
        self.node_timeout_ms = ms;
    }

    /// Whether nodes that refuse connections are suspected at once (`cluster-fast-detection`), by nodes that are started from here on.
    pub fn set_fast_detection(&mut self, on: bool) {
        self.detects_refusals = on;
    }

    /// How the network behaves from here on.
    pub fn set_network(&mut self, options: NetworkOptions) {
        self.network.options = options;
    }

    /// Whether what happens is written down. It is, if nothing is said.
    pub fn set_tracing(&mut self, on: bool) {
        self.traces = on;
    }

    /// A cluster of so many primaries, each with so many replicas, whose nodes know each other from the start.
    pub fn form(&mut self, primaries: usize, replicas: usize) {
        let shards: Vec<Vec<NodeAddress>> = (0..primaries)
            .map(|shard| {
                (0..=replicas).map(|at| address_of(self.nodes.len() + shard * (replicas + 1) + at, 0)).collect()
            })
            .collect();
        self.form_shards(shards);
    }

    fn form_shards(&mut self, shards: Vec<Vec<NodeAddress>>) {
        let seed = self.chance.next();
        for (roster, address) in agreed_rosters(&shards, seed).into_iter().zip(shards.into_iter().flatten()) {
            self.add(roster, address);
        }
    }

    /// Another node, which knows nobody.
    pub fn add_node(&mut self) -> usize {
        let roster = Member::fresh_roster(self.chance.next());
        let address = address_of(self.nodes.len(), 0);
        self.add(roster, address)
    }

    fn add(&mut self, roster: Roster, address: NodeAddress) -> usize {
        let number = self.nodes.len();
        let seed = self.chance.next();
        self.nodes.push(SimulatedNode {
            machine: Machine::new(MachineOptions::default(), seed),
            kept: roster,
            address,
            clock: match &self.system {
                Some(system) => NodeClock::System(system.clone()),
                None => NodeClock::Virtual(ManualClock::at(self.now)),
            },
            skew_ms: 0,
            paused_until: self.now,
            next_tick: self.now,
            wires: BTreeMap::new(),
            links: BTreeSet::new(),
            due_ms: None,
        });
        self.network.add_node();
        self.checks.add_node();
        self.start(number);
        number
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many messages nodes that are on have sent over the bus.
    pub fn messages_sent(&self) -> u64 {
        let members = (0..self.nodes.len()).filter_map(|node| self.member(node));
        members.map(|member| member.counts().sent.iter().sum::<u64>()).sum()
    }

    /// How long it runs, in virtual time.
    pub fn elapsed_ms(&self) -> i64 {
        self.now.0 - START_MS
    }

    /// What happened, a line each.
    pub fn trace(&self) -> &str {
        &self.trace
    }

    /// Whether a node is on.
    pub fn is_on(&self, node: usize) -> bool {
        self.nodes[node].machine.process.is_some()
    }

    /// What a node knows of the cluster, if it is on.
    pub fn roster(&self, node: usize) -> Option<&Roster> {
        Some(self.member(node)?.roster())
    }

    /// A node as a member of its cluster, if it is on.
    pub fn member(&self, node: usize) -> Option<&Member> {
        self.nodes[node].machine.process.as_ref()?.node.member()
    }

    /// Has a member do something; `None` if it is off.
    pub fn command<R>(&mut self, node: usize, work: impl FnOnce(&mut Member, UnixMillis) -> R) -> Option<R> {
        let now = self.tell_time(node);
        let process = self.nodes[node].machine.process.as_mut()?;
        let done = process.node.with_member(now, |member| work(member, now));
        self.tend(node);
        done
    }

    /// Has a node do a command of a client; an error if it is off.
    pub fn call(&mut self, node: usize, args: &[&str]) -> Value {
        self.tell_time(node);
        let Some(process) = &self.nodes[node].machine.process else { return Value::Error(b"ERR it is off"[..].into()) };
        let reply = process.engine.call(args);
        self.tend(node);
        reply
    }

    /// Ends a node at once. Its data is gone; its nodes.conf stays.
    pub fn kill(&mut self, node: usize) {
        if !self.is_on(node) {
            return;
        }
        self.note(format_args!("{node} is killed"));
        let run = self.nodes[node].machine.run;
        self.nodes[node].machine.kill(Loss::All);
        self.checks.killed(node);
        let wires: Vec<u64> = self.network.wires_of(node).collect();
        for number in wires {
            let Some(wire) = self.network.wire(number) else { continue };
            for way in [Way::Up, Way::Down] {
                let end = wire.end(way);
                if end.node == node && end.run == run {
                    end.is_open = false;
                }
            }
            self.network.reset(number, self.now.0, &mut self.chance);
        }
        self.nodes[node].due_ms = None;
    }

    /// Starts a node that is off, with the cluster that it knew.
    pub fn start(&mut self, node: usize) {
        if self.is_on(node) {
            return;
        }
        let now = self.tell_time(node);
        let seed = self.chance.next();
        let it = &mut self.nodes[node];
        for port in [it.address.port, it.address.bus_port] {
            self.places.insert((it.address.ip.clone(), port), node);
        }
        let options = MemberOptions {
            announced: NodeAddress { ip: it.address.ip.clone(), ..it.address.clone() },
            node_timeout_ms: self.node_timeout_ms,
            replication_ping_ms: 1000,
            detects_refusals: self.detects_refusals,
            writable_delay_ms: if it.machine.run == 0 { 0 } else { 2000 },
            ..MemberOptions::default()
        };
        it.paused_until = now;
        it.wires.clear();
        it.links.clear();
        if let Err(error) = it.machine.start(&it.address.ip, &it.clock, seed) {
            return self.fail(format!("{node} does not start: {error}"));
        }
        let member = Member::new(it.kept.clone(), options, seed, now);
        #[cfg(test)]
        let member = member.with_flaw(self.flaw);
        if let Some(process) = &mut it.machine.process {
            process.node.join(member, now);
            if let Some(on_start) = &self.on_start {
                on_start(node, &process.engine);
            }
        }
        let name = it.kept.me().name;
        self.note(format_args!("{node} starts as {name}"));
        self.tend(node);
    }

    /// Gives a node that is off another address.
    pub fn move_node(&mut self, node: usize, generation: usize) {
        if !self.is_on(node) {
            let hostname = self.nodes[node].address.hostname.clone();
            let address = NodeAddress { hostname, ..address_of(node, generation) };
            let left = &self.nodes[node].address;
            for port in [left.port, left.bus_port] {
                self.places.remove(&(left.ip.clone(), port));
            }
            self.nodes[node].address = address;
        }
    }

    /// A node does nothing for so long, and then goes on as if nothing had been.
    pub fn pause(&mut self, node: usize, ms: i64) {
        self.note(format_args!("{node} is paused for {ms} ms"));
        self.nodes[node].paused_until = UnixMillis(self.now.0.saturating_add(ms));
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    /// A pause is over.
    #[cfg(feature = "host")]
    pub(crate) fn resume(&mut self, node: usize) {
        self.note(format_args!("{node} goes on"));
        self.nodes[node].paused_until = self.now;
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    /// A node's clock is so far ahead of the others from here on.
    pub fn skew_clock(&mut self, node: usize, ms: i64) {
        self.nodes[node].skew_ms = self.nodes[node].skew_ms.max(ms);
    }

    /// Nothing gets from one node to another from here on.
    pub fn block(&mut self, from: usize, to: usize) {
        self.note(format_args!("nothing gets from {from} to {to}"));
        self.network.block(from, to);
    }

    /// Nothing gets between these nodes and all others.
    pub fn part(&mut self, nodes: &[usize]) {
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                if nodes.contains(&from) != nodes.contains(&to) {
                    self.network.block(from, to);
                }
            }
        }
        self.note(format_args!("{nodes:?} are parted from the others"));
    }

    /// Everything gets everywhere.
    pub fn heal(&mut self) {
        self.note(format_args!("the network is whole"));
        self.network.heal();
    }

    /// Who serves a key, as those who serve see it.
    pub fn owner_of(&self, key: &str) -> Option<usize> {
        let slot = Slot::of(key.as_bytes());
        (0..self.nodes.len()).find(|node| self.serves(*node, slot))
    }

    fn serves(&self, node: usize, slot: Slot) -> bool {
        let is_paused = self.nodes[node].paused_until > self.now;
        !is_paused
            && self.member(node).is_some_and(|member| {
                let me = member.roster().me();
                member.is_up() && me.is_primary() && me.slots.contains(slot)
            })
    }

    /// Writes a key at whoever serves it, and remembers that it was acknowledged. False if nobody does.
    pub fn write(&mut self, key: &str) -> bool {
        let Some(node) = self.owner_of(key) else { return false };
        self.write_at(node, key)
    }

    fn write_at(&mut self, node: usize, key: &str) -> bool {
        let value = self.checks.next_value();
        self.tell_time(node);
        let Some(process) = &self.nodes[node].machine.process else { return false };
        let mut session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        let mut reply = Vec::new();
        session.feed(format!("SET {key} {value}\r\n").as_bytes());
        // A client that has to wait leaves.
        let is_done = session.poll_output(&mut reply) == SessionState::Open;
        drop(session);
        self.tend(node);
        if !reply.is_empty() && reply != b"+OK\r\n" {
            self.note(format_args!("{node} answers SET with {}", String::from_utf8_lossy(&reply).trim_end()));
        }
        let is_acknowledged = is_done && reply == b"+OK\r\n";
        if is_acknowledged {
            self.checks.acknowledged(node, key, value);
        }
        is_acknowledged
    }

    /// Runs for so long, in virtual time. An error at once when something does not hold.
    pub fn run_for(&mut self, ms: i64) -> Result<(), Violation> {
        let end_ms = self.now.0 + ms;
        while self.violation.is_none() && self.step(end_ms) {}
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Runs until everybody sees the same, and every slot is served; an error if that takes longer.
    pub fn run_until_stable(&mut self, within_ms: i64) -> Result<(), Violation> {
        let until_ms = self.now.0 + within_ms;
        while let Err(why) = self.stability() {
            if self.now.0 >= until_ms {
                let picture = self.picture();
                self.fail(format!("it does not become stable: {why}: {picture}"));
            }
            self.run_for(20)?;
        }
        self.check_acknowledged();
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Has a node's clock say what time it is there, and returns that.
    fn tell_time(&mut self, node: usize) -> UnixMillis {
        let it = &mut self.nodes[node];
        let there = UnixMillis(self.now.0 + it.skew_ms);
        if let NodeClock::Virtual(clock) = &it.clock {
            let behind_ms = there.0 - keyslot_engine::Clock::now(clock).0;
            if behind_ms > 0 {
                clock.advance(Duration::from_millis(behind_ms as u64));
            }
        }
        there
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        // What runs in real time may run for long.
        if self.system.is_some() && self.trace.len() > TRACE_BYTES_MAX {
            let half = self.trace.len() / 2;
            let end = self.trace.as_bytes()[half..].iter().position(|byte| *byte == b'\n');
            let cut = end.map_or(self.trace.len(), |at| half + at + 1);
            self.trace.drain(..cut);
        }
        if self.traces {
            let _ = writeln!(self.trace, "{:>8} {what}", self.now.0 - START_MS);
        }
    }

    fn fail(&mut self, what: String) {
        self.note(format_args!("VIOLATION {what}"));
        let (seed, at_ms) = (self.seed, self.elapsed_ms());
        self.violation.get_or_insert(Violation { seed, at_ms, what });
    }
}

/// Where a node is; another place for every generation.
fn address_of(node: usize, generation: usize) -> NodeAddress {
    let ip = format!("10.{generation}.{}.{}", node / 256, node % 256);
    NodeAddress { ip, port: 6379, bus_port: 16379, ..NodeAddress::default() }
}

/// So much is written down of a cluster that runs in real time.
const TRACE_BYTES_MAX: usize = 1 << 20;
