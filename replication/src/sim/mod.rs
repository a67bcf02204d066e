//! Several nodes in one thread, from one seed: virtual time, a network that is late, cuts and doubles, disks that lose and fill up.
//!
//! ```
//! use keyslot_replication::sim::{MachineOptions, Simulation};
//!
//! let mut sim = Simulation::new(42);
//! let [primary, replica] = [0, 1].map(|_| sim.add_node(MachineOptions::default()));
//! sim.follow(replica, primary);
//! sim.call(primary, &["SET", "greeting", "hello"]);
//! sim.settle()?;
//! assert_eq!(sim.call(replica, &["GET", "greeting"]), sim.call(primary, &["GET", "greeting"]));
//! # Ok::<(), keyslot_replication::sim::Violation>(())
//! ```
//!
//! [`explore`] does what comes to a seed's mind and checks what must hold. The same seed gives the same [trace](Simulation::trace),
//! to the byte.
//!
//! Checked
//! - When it is quiet, every replica has its primary's data, offset and name of the history, and says so: WAIT counts it.
//! - A node holds every write that it made or that WAIT confirmed of it, until its data is replaced or its memory lost.
//! - A stream goes on where it was exactly if its history says that it can; whatever else is asked for comes anew.
//! - Who leads by a failover that was not forced has every write that was acknowledged before.
//! - A reply that waited for a level tells the truth: what was written outlives what the level says.
//! - A replica loses its place in the history only where something was done to its link or its disk.

mod checks;
pub mod cluster;
pub mod history;
mod machine;
mod network;
mod promises;
mod scenario;
#[cfg(test)]
mod tests;
mod truth;

pub use machine::{Disk, MachineOptions};
pub use network::Weather;
pub use scenario::{Summary, explore, explore_with};

use crate::chance::Chance;

use crate::node::{CloseReason, ConnectionId, FailoverRequest, FailoverState, Output, Target, WaitId};
use keyslot_engine::resp::Value;
use keyslot_engine::{EffectSink, ManualClock, Offset, PeerInfo, SessionState, UnixMillis};
use keyslot_persistence::storage::Loss;
use machine::{Machine, NodeClock, Process, START_MS};
use network::{End, Network, Parcel, Way};
use promises::Promises;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::task::Waker;
use std::time::Duration;
use truth::Truth;

/// Something that must hold did not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {seed}, at {at_ms} ms: {what}")]
pub struct Violation {
    /// Of the simulation.
    pub seed: u64,
    /// Since its beginning.
    pub at_ms: i64,
    /// What was found.
    pub what: String,
}

/// Nodes, what connects them, and the time. See the module.
pub struct Simulation {
    seed: u64,
    clock: ManualClock,
    now: UnixMillis,
    next_tick: UnixMillis,
    chance: Chance,
    machines: Vec<Machine>,
    network: Network,
    truth: Truth,
    /// Marked writes that wait for replicas.
    waits: BTreeMap<(usize, u64, WaitId), u64>,
    promises: Promises,
    trace: String,
    violation: Option<Violation>,
    flaw: Option<Flaw>,
}

/// A bug that is planted, to see whether it is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// What replicas say of their offsets is lost.
    #[cfg(test)]
    LostAck,
    /// A replica asks for the stream one byte too far on.
    #[cfg(test)]
    OffsetOffByOne,
    /// A promoted replica forgets what its history was called.
    #[cfg(test)]
    SecondIdReset,
}

impl Simulation {
    /// Nobody yet. The seed decides everything that chance decides.
    pub fn new(seed: u64) -> Self {
        let now = UnixMillis(START_MS);
        Self {
            seed,
            clock: ManualClock::at(now),
            now,
            next_tick: now,
            chance: Chance::new(seed),
            machines: Vec::new(),
            network: Network::new(Weather::CALM),
            truth: Truth::default(),
            waits: BTreeMap::new(),
            promises: Promises::default(),
            trace: String::new(),
            violation: None,
            flaw: None,
        }
    }

    /// Another node, which is started. Returns its number.
    pub fn add_node(&mut self, options: MachineOptions) -> usize {
        let node = self.machines.len();
        self.machines.push(Machine::new(options, self.seed ^ (node as u64) << 32));
        self.truth.add_node();
        self.start(node);
        node
    }

    /// How the network behaves from here on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.network.weather = weather;
    }

    /// How long it runs, in virtual time.
    pub fn elapsed_ms(&self) -> i64 {
        self.now.0 - START_MS
    }

    /// What happened, a line each.
    pub fn trace(&self) -> &str {
        &self.trace
    }

    /// Has a node do a command; an error if it is off.
    pub fn call(&mut self, node: usize, args: &[&str]) -> Value {
        let Some(process) = &self.machines[node].process else { return Value::Error(b"ERR it is off"[..].into()) };
        let reply = process.engine.call(args);
        self.tend(node);
        reply
    }

    /// Whether a node is on.
    pub fn is_on(&self, node: usize) -> bool {
        self.machines[node].process.is_some()
    }

    /// Whom a node follows.
    pub fn primary_of(&self, node: usize) -> Option<usize> {
        self.truth.nodes[node].follows
    }

    /// Has a node follow another, now and whenever it is started.
    pub fn follow(&mut self, node: usize, primary: usize) {
        self.note(format_args!("{node} follows {primary}"));
        self.truth.nodes[node].follows = Some(primary);
        self.aim(node);
        self.tend(node);
    }

    fn aim(&mut self, node: usize) {
        let now = self.now;
        if let (Some(primary), Some(process)) = (self.truth.nodes[node].follows, &mut self.machines[node].process) {
            process.node.follow(Target { host: primary.to_string(), port: 6379 }, now);
        }
    }

    /// Has a node follow nobody, now and whenever it is started.
    pub fn promote(&mut self, node: usize) {
        self.note(format_args!("{node} leads"));
        let is_change = self.truth.nodes[node].follows.take().is_some();
        if let Some(process) = &mut self.machines[node].process
            && is_change
        {
            let is_known = process.node.standing().is_known();
            process.node.lead();
            #[cfg(test)]
            if self.flaw == Some(Flaw::SecondIdReset) {
                let id = process.node.standing().history().id();
                process.node.standing_mut().forget_previous(id);
            }
            let (id, end) = (process.node.standing().history().id(), process.journal.end());
            self.truth.nodes[node].promoted(id, end, is_known);
            // What it was confirmed to hold it holds.
            self.check_writes(node);
        }
        self.tend(node);
    }

    /// Has a node give its place to one of its replicas. False if it does not begin.
    pub fn fail_over(&mut self, node: usize, request: FailoverRequest) -> bool {
        let now = self.now;
        let Some(process) = &mut self.machines[node].process else { return false };
        let is_forced = request.is_forced;
        let begun = process.node.fail_over(request, now);
        if begun.is_ok() {
            self.truth.nodes[node].is_forced = is_forced;
        }
        self.note(format_args!("{node} fails over, forced: {is_forced}: {begun:?}"));
        self.tend(node);
        begun.is_ok()
    }

    /// Has a node give up its failover.
    pub fn abort_failover(&mut self, node: usize) {
        let now = self.now;
        if let Some(process) = &mut self.machines[node].process
            && process.node.abort_failover(now).is_ok()
        {
            self.tend(node);
        }
    }

    /// Whether a failover of this node is under way: clients that write wait.
    pub fn is_failing_over(&self, node: usize) -> bool {
        let process = self.machines[node].process.as_ref();
        process.is_some_and(|process| process.node.failover_state() != FailoverState::None)
    }

    /// Ends a node at once; its disk loses what `loss` says.
    pub fn kill(&mut self, node: usize, loss: Loss) {
        if !self.is_on(node) {
            return;
        }
        self.note(format_args!("{node} is killed, {loss:?}"));
        let kept = self.machines[node].kept(loss);
        let owed = self.promises.kept(node, &self.truth.nodes[node].holds, loss);
        self.truth.nodes[node].killed(kept);
        self.truth.nodes[node].holds.extend(owed);
        let run = self.machines[node].run;
        self.machines[node].kill(loss);
        self.waits.retain(|(at, ..), _| *at != node);
        for number in self.network.numbers() {
            let Some(wire) = self.network.wire(number) else { continue };
            for way in [Way::Up, Way::Down] {
                let end = wire.end(way);
                if end.node == node && end.run == run && end.is_open {
                    end.is_open = false;
                    self.network.cut(number, self.now.0, &mut self.chance);
                    break;
                }
            }
        }
    }

    /// Starts a node with what its disk holds.
    pub fn start(&mut self, node: usize) {
        if self.is_on(node) {
            return;
        }
        let seed = self.chance.next();
        if let Err(error) = self.machines[node].start(&node.to_string(), &NodeClock::Virtual(self.clock.clone()), seed)
        {
            return self.fail(format!("{node} does not start: {error}"));
        }
        if let Some(process) = &self.machines[node].process {
            let (id, end) = (process.node.standing().history().id(), process.journal.end());
            self.truth.nodes[node].started(id);
            self.note(format_args!("{node} starts at {end} as {id}"));
        }
        self.check_writes(node);
        self.aim(node);
        self.tend(node);
    }

    /// Starts a node, which is off, with an empty disk.
    pub fn start_empty(&mut self, node: usize) {
        if self.is_on(node) {
            return;
        }
        self.note(format_args!("{node} loses its disk"));
        self.truth.nodes[node].killed(None);
        let seed = self.chance.next();
        self.machines[node].wipe(seed);
        self.start(node);
    }

    /// From here on a node's disk holds no more, until the node is killed.
    pub fn fill_disk(&mut self, node: usize) {
        if !self.is_on(node) {
            return;
        }
        self.note(format_args!("the disk of {node} is full"));
        self.machines[node].fill_disk();
        self.truth.nodes[node].is_disk_full = true;
    }

    /// Cuts what a node is connected to its primary by.
    pub fn cut(&mut self, node: usize) {
        for number in self.network.numbers() {
            if self.network.wire(number).is_some_and(|wire| wire.client.node == node) {
                self.network.cut(number, self.now.0, &mut self.chance);
            }
        }
    }

    /// Writes a key that nothing else changes, and waits for `replicas` to have it. What they confirm is checked from then on.
    pub fn write_marked(&mut self, node: usize, replicas: usize, timeout_ms: i64) {
        let (now, run) = (self.now, self.machines[node].run);
        let Some(process) = &mut self.machines[node].process else { return };
        let number = self.truth.next_write;
        let mut session = process.engine.session(Waker::noop().clone(), PeerInfo::default());
        let mut reply = Vec::new();
        session.feed(format!("SET {} {number}\r\n", truth::key(number)).as_bytes());
        // A client that has to wait leaves.
        if session.poll_output(&mut reply) != SessionState::Open || reply != b"+OK\r\n" {
            return;
        }
        self.truth.next_write += 1;
        self.truth.nodes[node].holds.insert(number, process.journal.end());
        if let Some(wait) = process.node.wait(replicas, Some(timeout_ms), now) {
            self.waits.insert((node, run, wait), number);
        }
        self.tend(node);
    }

    /// Runs for so long, in virtual time. An error at once when something does not hold.
    pub fn run_for(&mut self, ms: i64) -> Result<(), Violation> {
        let end_ms = self.now.0 + ms;
        while self.violation.is_none() && self.step(end_ms) {}
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Calms the network, starts who is off, runs until it is quiet, and checks.
    pub fn settle(&mut self) -> Result<(), Violation> {
        self.network.weather = Weather::CALM;
        for node in 0..self.machines.len() {
            if self.machines[node].has_failed() || self.truth.nodes[node].is_disk_full {
                self.kill(node, Loss::Nothing);
            }
            self.start(node);
        }
        let until_ms = self.now.0 + QUIET_WITHIN_MS;
        while !self.is_quiet() {
            self.run_for(20)?;
            if self.now.0 > until_ms {
                self.fail(format!("it does not become quiet: {}", self.picture()));
            }
        }
        self.check_quiet();
        self.note(format_args!("quiet: {}", self.picture()));
        let leaders: Vec<usize> = (0..self.machines.len()).filter(|node| self.primary_of(*node).is_none()).collect();
        for leader in leaders {
            let count = (0..self.machines.len()).filter(|node| self.primary_of(*node) == Some(leader)).count();
            self.truth.nodes[leader].must_confirm = Some((self.truth.next_write, count));
            self.write_marked(leader, count, 10_000);
        }
        self.run_for(10_500)?;
        for leader in 0..self.machines.len() {
            if let Some((write, _)) = self.truth.nodes[leader].must_confirm.take() {
                self.fail(format!("{leader}: nobody is told how far write {write} is"));
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// One moment. False once `end_ms` is reached.
    fn step(&mut self, end_ms: i64) -> bool {
        let timers = self.machines.iter().filter_map(|machine| machine.process.as_ref()?.next_timeout_ms());
        // A timer that is due again at once must not hold the time.
        let next_ms = timers.chain(self.network.next_arrival_ms()).min().unwrap_or(end_ms).max(self.now.0 + 1);
        if next_ms > end_ms {
            self.advance(end_ms);
            return false;
        }
        self.advance(next_ms);
        while let Some((number, way, parcel)) = self.network.arrive(self.now.0, &mut self.chance) {
            self.deliver(number, way, parcel);
        }
        let ticks = self.now >= self.next_tick;
        if ticks {
            self.next_tick = UnixMillis(self.now.0 + TICK_INTERVAL_MS);
        }
        for node in 0..self.machines.len() {
            self.machines[node].step(self.now);
            if let Some(process) = &mut self.machines[node].process {
                process.node.handle_timeout(self.now);
                if ticks {
                    process.engine.tick(self.now, TICK_BUDGET);
                }
            }
            self.tend(node);
        }
        self.take_replies();
        self.network.sweep();
        true
    }

    fn advance(&mut self, to_ms: i64) {
        self.clock.advance(Duration::from_millis((to_ms - self.now.0) as u64));
        self.now = UnixMillis(to_ms);
    }

    fn deliver(&mut self, number: u64, way: Way, parcel: Parcel) {
        let now = self.now;
        let Some(wire) = self.network.wire(number) else { return };
        let end = *wire.end(way.back());
        match parcel {
            Parcel::Open if way == Way::Up => {
                let run = self.machines[end.node].run;
                let Some(process) = &mut self.machines[end.node].process else {
                    return self.network.send(number, Way::Down, Parcel::Close, now.0, &mut self.chance);
                };
                let id = process.node.accept();
                wire.server = End { node: end.node, run, id: Some(id), is_open: true };
                return self.network.send(number, Way::Down, Parcel::Open, now.0, &mut self.chance);
            }
            Parcel::Close => wire.end(way.back()).is_open = false,
            Parcel::Open | Parcel::Bytes(_) => {}
        }
        let Some(id) = end.id.filter(|_| end.is_open) else { return };
        let machine = &mut self.machines[end.node];
        let Some(process) = machine.process.as_mut().filter(|_| machine.run == end.run) else { return };
        match &parcel {
            Parcel::Open => process.node.link_opened(id, now),
            Parcel::Bytes(bytes) => process.node.handle_link(id, bytes, now),
            Parcel::Close => process.node.link_closed(id, now),
        }
        match &parcel {
            Parcel::Bytes(bytes) => {
                let (len, sum) = (bytes.len(), checksum(bytes));
                self.note(format_args!("wire {number} {way:?}: {len} bytes, {sum:016x}"));
            }
            other => self.note(format_args!("wire {number} {way:?}: {other:?}")),
        }
        self.tend(end.node);
    }

    /// Does what a node wants, and takes what its links have.
    fn tend(&mut self, node: usize) {
        self.obey(node);
        let run = self.machines[node].run;
        for number in self.network.numbers() {
            for way in [Way::Up, Way::Down] {
                let Some(wire) = self.network.wire(number) else { continue };
                let (end, room) = (*wire.end(way), wire.room(way));
                let Some(id) = end.id.filter(|_| end.node == node && end.run == run && end.is_open) else { continue };
                if room > 0 {
                    self.take_output(node, id, number, way, room);
                }
            }
        }
        self.obey(node);
    }

    fn take_output(&mut self, node: usize, id: ConnectionId, number: u64, way: Way, room: usize) {
        let Some(process) = &mut self.machines[node].process else { return };
        let mut bytes = Vec::new();
        process.node.poll_link(id, &mut bytes, room);
        #[cfg(test)]
        tests::spoil(self.flaw, &mut bytes);
        if bytes.is_empty() {
            return;
        }
        let is_mad = self.network.wire(number).is_some_and(|wire| wire.is_tampered && way == Way::Down);
        if is_mad && self.chance.once_in(6) {
            scenario::damage(&mut bytes, &mut self.chance);
        }
        self.network.send(number, way, Parcel::Bytes(bytes), self.now.0, &mut self.chance);
    }

    fn obey(&mut self, node: usize) {
        while let Some(output) = self.machines[node].process.as_mut().and_then(|process| process.node.poll_output()) {
            let run = self.machines[node].run;
            match output {
                Output::Connect { connection, target } => {
                    let end = End { node, run, id: Some(connection), is_open: true };
                    let primary = target.host.parse().unwrap_or(0);
                    self.network.connect(end, primary, self.now.0, &mut self.chance);
                }
                Output::Close { connection, reason } => self.close(node, connection, &reason),
                Output::Served { connection, request, goes_on } => {
                    self.note(format_args!("{node} serves {request:?}, goes on: {goes_on}"));
                    let Some((number, _)) = self.network.find(node, run, connection) else { continue };
                    let Some(process) = &self.machines[node].process else { continue };
                    let range = (process.journal.oldest(), process.journal.oldest_logged(), process.journal.end());
                    if let Some(what) = self.truth.judge(node, request, goes_on, range) {
                        self.fail(format!("{node} was asked for {request:?}: {what}"));
                    }
                    let holds = self.truth.nodes[node].holds.clone();
                    let at = request.wanted().map_or(Offset(0), |(_, at)| at);
                    self.truth.views.insert(number, (holds, at));
                }
                Output::Failover(event) => self.failed_over(node, &event),
                Output::Link(event) => self.link_event(node, &event),
                // Of clusters, which these nodes are no members of.
                Output::KeepRoster
                | Output::ConnectBus { .. }
                | Output::DropKeys(_)
                | Output::Seek
                | Output::Transfer(_)
                | Output::Publication(..)
                | Output::Member(_) => {}
                Output::Waited { wait, offset, outcome } => self.waited(node, wait, offset, outcome),
            }
        }
    }

    fn close(&mut self, node: usize, connection: ConnectionId, reason: &CloseReason) {
        self.note(format_args!("{node} closes a connection: {reason}"));
        let Some((number, way)) = self.network.find(node, self.machines[node].run, connection) else { return };
        let Some(wire) = self.network.wire(number) else { return };
        wire.end(way).is_open = false;
        let may_fail = wire.is_tampered || self.truth.nodes[node].is_disk_full;
        if let CloseReason::Primary(error) = reason
            && error.loses_history()
        {
            if let Some(process) = &self.machines[node].process {
                self.truth.nodes[node].started(process.node.standing().history().id());
            }
            self.truth.nodes[node].replacing();
            self.promises.forget_log(node);
            if !may_fail {
                self.fail(format!("{node} cannot follow: {error}"));
            }
        }
        self.network.send(number, way, Parcel::Close, self.now.0, &mut self.chance);
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.trace, "{:>8} {what}", self.now.0 - START_MS);
    }

    fn fail(&mut self, what: String) {
        self.note(format_args!("VIOLATION {what}"));
        let (seed, at_ms) = (self.seed, self.elapsed_ms());
        self.violation.get_or_insert(Violation { seed, at_ms, what });
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// So often engines expire keys by themselves, as a node does.
const TICK_INTERVAL_MS: i64 = 100;

/// Entries that a tick of an engine may look at.
const TICK_BUDGET: usize = 1000;

/// So long after the last fault everybody is to be where the others are.
const QUIET_WITHIN_MS: i64 = 120_000;
