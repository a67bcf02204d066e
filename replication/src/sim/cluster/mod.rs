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
//! - Every reply is right: it tells what the node that gave it wrote, or what came to it. See [the contract](#the-contract).
//! - Who is elected, starts, or took over a primary's data, holds what it must.
//!
//! Checked when it is [stable](Simulation::run_until_stable)
//! - All nodes have the same view: owners, epochs, who follows whom. Every slot is served.
//! - Replicas have their primary's data, and all nodes hold what the contract says.
//! - What clients saw of each key was one register, as long as one node led ([`history`](super::history)).
//!
//! # The contract
//!
//! Replication is asynchronous, so a write that was acknowledged may be lost: exactly then, and exactly so:
//!
//! 1. A *reign* is the time in which one node leads, from its election or start until it follows another or its process ends. In a
//!    reign nothing is lost, and each key is one register: linearizable.
//! 2. The next reign begins with what had come to its node of the stream of the one before: a prefix of what was written there, all
//!    keys together. So a write is lost only if its primary was replaced, or its process ended, before it got to who leads next, and
//!    with a write all that its primary wrote behind it.
//! 3. A node that starts with its log begins with what is in there: all that was durable, at least. Without, it begins with nothing:
//!    whoever follows it loses what it had.
//! 4. A read says what the node that answers holds: what its reign wrote, and what it began with. Never what was not written, nor what
//!    was lost in another reign, nor anything older than what the same reign told. A primary that was cut off may still answer with
//!    what it had, and acknowledge what is lost then, until its timeout tells it that it is alone.
//! 5. A failover that the old primary agrees to (CLUSTER FAILOVER without an option) loses nothing.
//!
//! What was lost is told by [`lost_writes`](Simulation::lost_writes).

mod checks;
mod clients;
mod contract;
mod driver;
mod faults;
mod ledger;
mod network;
mod request;
mod scenario;
mod scene;
mod seeds;
#[cfg(test)]
mod small_tests;
mod strict;
#[cfg(test)]
mod strict_tests;
#[cfg(test)]
mod tests;
mod timeline;
#[cfg(test)]
mod transfer_tests;

pub use clients::{OperationId, OperationOutcome, PATIENCE_MS, Workload};
pub use network::NetworkOptions;
pub use scenario::{ClusterSummary, Scenario, explore, explore_with};
pub use scene::{SimulatedClient, SimulatedCluster, SimulationError};
pub use seeds::{Failure, Seeds, simulate};
pub use strict::{explore_single_failures, explore_strict};

use super::Violation;
use super::machine::{Disk, Machine, MachineOptions, NodeClock, START_MS};
use super::network::Way;
use crate::chance::Chance;
use crate::cluster::control::{change, show};
use crate::cluster::member::{Member, MemberOptions};
use crate::cluster::view::{ClusterCommand, Viewer};
use crate::cluster::{NodeAddress, Roster, agreed_rosters};
use crate::node::{ConnectionId, control_transfers};
use checks::Checks;
use clients::Clients;
use contract::Left;
use keyslot_engine::resp::{ReplyWriter, RespVersion, Value};
use keyslot_engine::{Ack, Engine, ManualClock, PeerInfo, Slot, SlotSet, SystemClock, UnixMillis};
use ledger::Ledger;
use network::Network;
use request::Meaning;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use timeline::{Role, Timeline};

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
    clients: Clients,
    ledger: Ledger,
    /// Slots that were to change hands at once: the ledger does not tell what came with them.
    moved: SlotSet,
    /// What members that are started are told.
    member_options: MemberOptions,
    disk: Disk,
    ack: Ack,
    piece_bytes: usize,
    /// The system's, for a cluster that runs in real time.
    system: Option<Arc<SystemClock>>,
    /// Told of every engine that is started.
    on_start: Option<OnStart>,
    checks: Checks,
    trace: String,
    picture: Timeline,
    /// What nodes were when the picture was drawn on.
    drawn: Vec<Drawn>,
    traces: bool,
    violation: Option<Violation>,
    #[cfg(test)]
    flaw: Option<crate::cluster::member::Flaw>,
    #[cfg(test)]
    plant: Option<tests::Plant>,
}

/// Takes the number of a node, and the engine that it was started with.
pub(crate) type OnStart = Box<dyn Fn(usize, &Engine) + Send>;

struct SimulatedNode {
    machine: Machine,
    /// What its nodes.conf says.
    kept: Roster,
    /// What is left of its nodes.conf, where that was cut.
    torn: Option<String>,
    /// Its power fails while it next writes that.
    dies_saving: bool,
    /// What its disk held when it was killed.
    left: Left,
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
            clients: Clients::default(),
            ledger: Ledger::default(),
            moved: SlotSet::new(),
            member_options: MemberOptions {
                node_timeout_ms: 1000,
                replication_ping_ms: 1000,
                ..MemberOptions::default()
            },
            disk: Disk::None,
            ack: Ack::Memory,
            piece_bytes: 1 << 16,
            system: None,
            on_start: None,
            checks: Checks::default(),
            trace: String::new(),
            picture: Timeline::default(),
            drawn: Vec::new(),
            traces: true,
            violation: None,
            #[cfg(test)]
            flaw: None,
            #[cfg(test)]
            plant: None,
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
        let arrivals = [self.network.next_arrival_ms(), self.clients.next_due_ms()].into_iter().flatten();
        UnixMillis(timers.chain(arrivals).min().unwrap_or(now.0 + 100))
    }

    /// A cluster at these addresses: primaries, each followed by its replicas.
    #[cfg(feature = "host")]
    pub(crate) fn form_at(&mut self, shards: Vec<Vec<NodeAddress>>) {
        self.form_shards(shards);
    }

    /// Another node, which knows nobody, at this address.
    #[cfg(feature = "host")]
    pub(crate) fn add_at(&mut self, address: NodeAddress) -> usize {
        let roster = Member::fresh_roster(self.chance.next());
        self.add(roster, address)
    }

    /// Where a node is.
    pub fn address(&self, node: usize) -> &NodeAddress {
        &self.nodes[node].address
    }

    /// How long a node may be silent (`cluster-node-timeout`), for nodes that are started from here on. 1000 ms if nothing is said.
    pub fn set_node_timeout(&mut self, ms: i64) {
        self.member_options.node_timeout_ms = ms;
    }

    /// Whether nodes that refuse connections are suspected at once (`cluster-fast-detection`), by nodes that are started from here on.
    pub fn set_fast_detection(&mut self, on: bool) {
        self.member_options.detects_refusals = on;
    }

    /// How members behave that are started from here on. What they announce is theirs.
    pub fn configure_members(&mut self, change: impl FnOnce(&mut MemberOptions)) {
        change(&mut self.member_options);
    }

    /// What nodes keep of their data that are added from here on: nothing, if nothing is said.
    pub fn set_disk(&mut self, disk: Disk) {
        self.disk = disk;
    }

    /// About how much nodes send over a link at once; 64 KiB, if nothing is said.
    pub fn set_piece_size(&mut self, bytes: usize) {
        self.piece_bytes = bytes;
    }

    /// What replies of nodes wait for that are started from here on (`write-ack`): nothing, if nothing is said.
    pub fn set_ack(&mut self, ack: Ack) {
        self.ack = ack;
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
            machine: Machine::new(MachineOptions { disk: self.disk, ..MachineOptions::default() }, seed),
            kept: roster,
            torn: None,
            dies_saving: false,
            left: Left::Nothing,
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
        self.nodes.get(node).is_some_and(|it| it.machine.process.is_some())
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

    /// Has a node do a command of a client, in no time; an error if it is off, and where the reply would be late. CLUSTER is known.
    pub fn call<A: AsRef<[u8]>>(&mut self, node: usize, args: &[A]) -> Value {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        if args.first().is_some_and(|name| name.eq_ignore_ascii_case(b"cluster")) {
            return self.call_cluster(node, &args[1..]);
        }
        let meaning = Meaning::of(&args, &mut self.ledger);
        self.tell_time(node);
        let before = self.place(node);
        let Some(process) = &self.nodes[node].machine.process else { return Value::Error(b"ERR it is off"[..].into()) };
        let mut session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        session.feed(&request::encode(&args, false));
        let mut said = Vec::new();
        session.poll_output(&mut said);
        // A client that has to wait leaves.
        drop(session);
        let reply = request::decode(&said, false);
        let after = self.place(node);
        let is_done = before != after || reply.is_some();
        let done = is_done.then(|| self.note_meaning(node, &meaning, before, after, reply.as_ref(), true)).flatten();
        let told = match (&meaning, &reply) {
            (Meaning::Register(ask, _), Some(reply)) => request::said(*ask, reply, &mut self.ledger),
            _ => None,
        };
        if let (Meaning::Register(ask, key), Some((reign, mark))) = (&meaning, done) {
            if let Some(mark) = mark.filter(|_| told.is_some()) {
                self.ledger.acknowledge(key, mark);
            }
            let at = self.elapsed_ms() as u64;
            self.clients.record_at(*ask, key, reign, at, told);
        }
        self.tend(node);
        reply.unwrap_or_else(|| Value::Error(b"ERR the reply is late"[..].into()))
    }

    fn call_cluster(&mut self, node: usize, args: &[Vec<u8>]) -> Value {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let error = |text: &str| Value::Error(text.to_owned().into());
        let command = match ClusterCommand::parse(&args) {
            Ok(command) => command,
            Err(text) => return error(&text),
        };
        let Some(process) = &self.nodes[node].machine.process else { return error("ERR it is off") };
        let engine = process.engine.clone();
        let mut bytes = Vec::new();
        let mut reply = ReplyWriter::new(&mut bytes, RespVersion::V3);
        let viewer = Viewer { own_offset: engine.position().0, ..Viewer::default() };
        let is_shown = self.member(node).is_some_and(|member| show(member, &viewer, &command, &mut reply));
        let is_done = is_shown || self.command_transfers(node, &command, &mut reply);
        if !is_done {
            match self.command(node, |member, now| change(member, &command, &engine, now)) {
                Some(Ok(answer)) => answer.write(&mut reply),
                Some(Err(refusal)) => reply.error(&refusal.to_string()),
                None => reply.error("ERR it is off"),
            }
        }
        request::decode(&bytes, false).unwrap_or_default()
    }

    fn command_transfers(&mut self, node: usize, command: &ClusterCommand, reply: &mut ReplyWriter<'_>) -> bool {
        if let ClusterCommand::MigrateSlots(moves) = command {
            self.moved = moves.iter().fold(self.moved.clone(), |moved, (slots, _)| moved.union(slots));
        }
        let now = self.tell_time(node);
        let Some(process) = &mut self.nodes[node].machine.process else { return false };
        let control = |transfers: &mut _, member: &mut _| control_transfers(transfers, member, command, reply, now);
        let is_done = process.node.with_transfers(now, control);
        self.tend(node);
        is_done.unwrap_or(false)
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
        let reply = self.call(node, &["SET", key, &value]);
        if let Value::Error(text) = &reply {
            self.note(format_args!("{node} answers SET with {}", String::from_utf8_lossy(text)));
        }
        reply == Value::Ok
    }

    /// Runs for so long, in virtual time. An error at once when something does not hold.
    pub fn run_for(&mut self, ms: i64) -> Result<(), Violation> {
        let end_ms = self.now.0.saturating_add(ms);
        while self.violation.is_none() && self.step(end_ms) {}
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Runs until everybody sees the same, and every slot is served; an error if that takes longer.
    pub fn run_until_stable(&mut self, within_ms: i64) -> Result<(), Violation> {
        let until_ms = self.now.0.saturating_add(within_ms);
        while let Err(why) = self.stability() {
            if self.now.0 >= until_ms {
                let picture = self.picture();
                self.fail(format!("it does not become stable: {why}: {picture}"));
            }
            self.run_for(20)?;
        }
        self.check_all();
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

    /// As [`note`](Self::note), and into the picture. Clusters that run in real time have none.
    fn tell_fault(&mut self, node: Option<usize>, what: std::fmt::Arguments<'_>) {
        self.note(what);
        if self.traces && self.system.is_none() {
            let at_ms = self.elapsed_ms();
            self.picture.mark(at_ms, node, what.to_string());
        }
    }

    /// Draws what nodes are, where that may be another than it was.
    fn draw_roles(&mut self) {
        if !self.traces || self.system.is_some() {
            return;
        }
        self.drawn.resize(self.nodes.len(), Drawn::default());
        for node in 0..self.nodes.len() {
            let is_paused = self.nodes[node].paused_until > self.now;
            let seen = Drawn { revision: self.member(node).map(Member::revision), is_paused, is_drawn: true };
            if std::mem::replace(&mut self.drawn[node], seen) == seen {
                continue;
            }
            let role = match self.member(node) {
                None => Role::Off,
                Some(_) if is_paused => Role::Paused,
                Some(member) => {
                    let me = member.roster().me();
                    let number = |name| self.nodes.iter().position(|it| it.kept.me().name == name);
                    match me.primary {
                        Some(primary) => Role::Replica { of: number(primary) },
                        None => Role::Primary { slots: me.slots.len(), epoch: me.config_epoch, serves: member.is_up() },
                    }
                }
            };
            let at_ms = self.elapsed_ms();
            self.picture.turn(node, at_ms, role);
        }
    }

    /// What happened, as a page of HTML that needs nothing else. `what` stands above it. Empty but for the trace where
    /// [nothing was written down](Self::set_tracing).
    pub fn timeline(&self, what: &str) -> String {
        self.picture.page(&format!("Keyslot simulation, seed {}", self.seed), what, self.elapsed_ms(), &self.trace)
    }

    /// Heals all, starts who is off, runs until it is stable and every operation is over, and checks all that must hold.
    fn end_well(&mut self) -> Result<(), Violation> {
        self.heal();
        self.set_network(NetworkOptions::CALM);
        for node in 0..self.nodes.len() {
            self.mend_disk(node);
            self.resume(node);
            self.start(node);
        }
        self.run_until_stable(scene::SETTLES_WITHIN_MS)?;
        self.set_workload(None);
        self.finish_operations()?;
        self.run_until_stable(PATIENCE_MS)
    }

    fn fail(&mut self, what: String) {
        self.note(format_args!("VIOLATION {what}"));
        let (seed, at_ms) = (self.seed, self.elapsed_ms());
        self.violation.get_or_insert(Violation { seed, at_ms, what });
    }
}

/// What a node was when the picture was drawn on.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Drawn {
    revision: Option<u64>,
    is_paused: bool,
    is_drawn: bool,
}

/// Where a node is; another place for every generation.
fn address_of(node: usize, generation: usize) -> NodeAddress {
    let ip = format!("10.{generation}.{}.{}", node / 256, node % 256);
    NodeAddress { ip, port: 6379, bus_port: 16379, ..NodeAddress::default() }
}

/// So much is written down of a cluster that runs in real time.
const TRACE_BYTES_MAX: usize = 1 << 20;
