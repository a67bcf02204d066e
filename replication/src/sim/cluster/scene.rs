//! A cluster under simulation as a test drives it, and its clients.
//!
//! Time stands still while the test does something, and goes on while it waits: for an answer, for a condition, for so long.

use super::clients::{OperationOutcome, Workload};
use super::{NetworkOptions, Simulation};
use crate::sim::Violation;
use keyslot_engine::resp::Value;
use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

/// A cluster under simulation: what [`simulate`](super::simulate) gives a test. Clones are the same cluster. Nodes are numbered as they
/// were formed: each primary is followed by its replicas.
///
/// All that it does it does in virtual time, and by the seed's choice. Methods that run the cluster return the [`Violation`] that was
/// found meanwhile, if any; so does the test's end.
#[derive(Clone)]
pub struct SimulatedCluster {
    world: Rc<RefCell<Simulation>>,
    next_client: Rc<RefCell<usize>>,
}

/// A client of a [`SimulatedCluster`] that finds its way to whoever serves a key: follows MOVED and ASK, and asks again while a slot has
/// no owner or a node is gone, for ten seconds of virtual time. What may have been done is not asked for again unless it only reads.
///
/// What clients do with GET, SET, SET with GET and INCR is checked against [the contract](super#the-contract); keys that anything else
/// was done to are not followed from then on.
pub struct SimulatedClient {
    cluster: SimulatedCluster,
    number: usize,
}

/// Why something was not done, or not in time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SimulationError {
    /// Something that must hold does not.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The answer is an error.
    #[error("{0}")]
    Refused(String),
    /// The answer is of another kind than was asked for.
    #[error("the answer is {0}")]
    Unexpected(String),
    /// It was not done: nobody served it in time.
    #[error("nobody served it in time; last: {0}")]
    NotDone(String),
    /// Nobody knows whether it was done.
    #[error("nobody knows whether it was done: {0}")]
    Unknown(String),
    /// A condition did not come true in time.
    #[error("it is not so after {waited_ms} ms")]
    NotInTime {
        /// How long it was waited for.
        waited_ms: i64,
    },
}

impl SimulatedCluster {
    pub(super) fn new(world: Simulation) -> Self {
        Self { world: Rc::new(RefCell::new(world)), next_client: Rc::new(RefCell::new(FIRST_CLIENT)) }
    }

    fn world(&self) -> RefMut<'_, Simulation> {
        self.world.borrow_mut()
    }

    /// Everything that the simulation can do. Not to be called from within itself.
    pub fn with<R>(&self, work: impl FnOnce(&mut Simulation) -> R) -> R {
        work(&mut self.world())
    }

    /// The seed that decides.
    pub fn seed(&self) -> u64 {
        self.world().seed
    }

    /// How long it runs, in virtual time.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.world().elapsed_ms().unsigned_abs())
    }

    /// How many nodes there are, those included that are off.
    pub fn node_count(&self) -> usize {
        self.world().node_count()
    }

    /// Another client, which knows nothing of who serves what.
    pub fn client(&self) -> SimulatedClient {
        let mut next = self.next_client.borrow_mut();
        *next += 1;
        SimulatedClient { cluster: self.clone(), number: *next - 1 }
    }

    /// Who serves a key, as those who serve see it; `None` while nobody does.
    pub fn owner_of(&self, key: &str) -> Option<usize> {
        self.world().owner_of(key)
    }

    /// Who serves a key.
    ///
    /// # Panics
    ///
    /// If nobody does, which ends the test as any panic does.
    #[track_caller]
    pub fn primary_of(&self, key: &str) -> usize {
        self.owner_of(key).unwrap_or_else(|| panic!("nobody serves {key}"))
    }

    /// Nodes that are on and lead, with slots or without, as they see it.
    pub fn primaries(&self) -> Vec<usize> {
        let world = self.world();
        (0..world.node_count()).filter(|node| world.roster(*node).is_some_and(|it| it.me().is_primary())).collect()
    }

    /// Nodes that are on and follow this one, as they see it. None while the node is off.
    pub fn replicas_of(&self, node: usize) -> Vec<usize> {
        let world = self.world();
        let Some(name) = world.roster(node).map(|it| it.me().name) else { return Vec::new() };
        let follows = |other: &usize| world.roster(*other).is_some_and(|it| it.me().primary == Some(name));
        (0..world.node_count()).filter(follows).collect()
    }

    /// All nodes but these.
    pub fn others(&self, nodes: impl AsRef<[usize]>) -> Vec<usize> {
        (0..self.node_count()).filter(|node| !nodes.as_ref().contains(node)).collect()
    }

    /// Whether all nodes that are on say that the cluster serves (`cluster_state:ok`), and somebody is on.
    pub fn state_ok(&self) -> bool {
        let world = self.world();
        let mut members = (0..world.node_count()).filter_map(|node| world.member(node)).peekable();
        members.peek().is_some() && members.all(|member| member.is_up())
    }

    /// Has a node do a command, in no time; CLUSTER too. The reply as the node gives it: MOVED is not followed.
    pub fn call<A: AsRef<[u8]>>(&self, node: usize, args: &[A]) -> Value {
        self.world().call(node, args)
    }

    /// Lets so much time go by.
    pub fn run_for(&self, time: Duration) -> Result<(), SimulationError> {
        Ok(self.world().run_for(millis(time))?)
    }

    /// Lets time go by until something is so, looked at every ten milliseconds; an error if it is not so by then.
    pub fn run_until(&self, mut is_so: impl FnMut(&Self) -> bool, within: Duration) -> Result<(), SimulationError> {
        let mut waited_ms = 0;
        while !is_so(self) {
            if waited_ms >= millis(within) {
                return Err(SimulationError::NotInTime { waited_ms });
            }
            self.world().run_for(LOOK_MS)?;
            waited_ms += LOOK_MS;
        }
        Ok(())
    }

    /// Lets time go by until all nodes see the same, every slot is served and replicas have their primaries' data, and checks all that
    /// must hold then; an error if that takes more than two minutes. The network must be whole, and of every shard somebody on.
    pub fn settle(&self) -> Result<(), SimulationError> {
        Ok(self.world().run_until_stable(SETTLES_WITHIN_MS)?)
    }

    /// As [`settle`](Self::settle), for tests that return nothing.
    ///
    /// # Panics
    ///
    /// If it does not become stable, or something does not hold.
    #[track_caller]
    pub fn assert_converged(&self) {
        if let Err(error) = self.settle() {
            panic!("{error}");
        }
    }

    /// Ends a node at once, as a power cut does, and returns its number. What it did not have on a disk is lost, but for its nodes.conf.
    pub fn kill(&self, node: usize) -> usize {
        self.world().kill(node);
        node
    }

    /// Starts a node that is off, with what its disk holds.
    pub fn restart(&self, node: usize) {
        self.world().start(node);
    }

    /// Starts a node that is off without data: its disk is another, but for its nodes.conf.
    pub fn restart_empty(&self, node: usize) {
        let mut world = self.world();
        world.wipe(node);
        world.start(node);
    }

    /// A node does nothing for so long, and hears nothing; then it goes on as if nothing had been.
    pub fn pause(&self, node: usize, time: Duration) {
        self.world().pause(node, millis(time));
    }

    /// A node that is paused goes on.
    pub fn resume(&self, node: usize) {
        self.world().resume(node);
    }

    /// Nothing gets from the ones to the others, nor back. Clients reach everybody. Partitions add up until they are [healed](Self::heal).
    pub fn partition(&self, some: impl AsRef<[usize]>, others: impl AsRef<[usize]>) {
        self.partition_one_way(some.as_ref(), others.as_ref());
        self.partition_one_way(others, some);
    }

    /// Nothing gets from the first to the second; what those send gets to the first.
    pub fn partition_one_way(&self, from: impl AsRef<[usize]>, to: impl AsRef<[usize]>) {
        let mut world = self.world();
        for from in from.as_ref() {
            for to in to.as_ref().iter().filter(|to| *to != from) {
                world.block(*from, *to);
            }
        }
    }

    /// Everything gets everywhere.
    pub fn heal(&self) {
        self.world().heal();
    }

    /// How the network behaves from here on.
    pub fn set_network(&self, options: NetworkOptions) {
        self.world().set_network(options);
    }

    /// A node's clock is so far ahead of the others from here on, if it was less far.
    pub fn skew_clock(&self, node: usize, ahead: Duration) {
        self.world().skew_clock(node, millis(ahead));
    }

    /// Has clients work by themselves from here on, or none any more.
    pub fn set_workload(&self, workload: Option<Workload>) {
        self.world().set_workload(workload);
    }

    /// Acknowledged writes that are lost: see [`Simulation::lost_writes`].
    pub fn lost_writes(&self) -> Vec<String> {
        self.world().lost_writes()
    }

    /// Writes a line into the trace and the picture.
    pub fn note(&self, text: &str) {
        let text = text.replace(['\n', '\r'], " ");
        self.world().tell_fault(None, format_args!("{text}"));
    }

    /// What happened, a line each.
    pub fn trace(&self) -> String {
        self.world().trace().to_owned()
    }

    /// What happened, as a page of HTML that needs nothing else.
    pub fn timeline(&self) -> String {
        self.world().timeline("what happened")
    }
}

impl SimulatedClient {
    /// Does a command at whoever serves the first key; returns once it is answered. An error that a node answers is [`Refused`].
    ///
    /// [`Refused`]: SimulationError::Refused
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Result<Value, SimulationError> {
        let mut world = self.cluster.world();
        let operation = world.begin(self.number, args);
        match world.run_until_done(operation)? {
            OperationOutcome::Reply(Value::Error(text)) => {
                Err(SimulationError::Refused(String::from_utf8_lossy(&text).into_owned()))
            }
            OperationOutcome::Reply(value) => Ok(value),
            OperationOutcome::Unknown(why) => Err(SimulationError::Unknown(why)),
            OperationOutcome::NotDone(last) => Err(SimulationError::NotDone(last)),
        }
    }

    /// SET.
    pub fn set(&self, key: &str, value: impl ToString) -> Result<(), SimulationError> {
        match self.call(&["SET", key, &value.to_string()])? {
            Value::Ok => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// GET, as text.
    pub fn get(&self, key: &str) -> Result<Option<String>, SimulationError> {
        match self.call(&["GET", key])? {
            Value::Nil => Ok(None),
            Value::Bulk(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            other => Err(unexpected(&other)),
        }
    }

    /// INCR: the new number.
    pub fn incr(&self, key: &str) -> Result<i64, SimulationError> {
        match self.call(&["INCR", key])? {
            Value::Integer(number) => Ok(number),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(value: &Value) -> SimulationError {
    SimulationError::Unexpected(format!("{value:?}"))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The workload's clients have the numbers below.
const FIRST_CLIENT: usize = 1000;
/// So often a condition is looked at.
const LOOK_MS: i64 = 10;
/// So long after the last fault everybody is to see the same.
pub(super) const SETTLES_WITHIN_MS: i64 = 120_000;
