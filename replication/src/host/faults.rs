//! Faults for those who write clients: what a node of a cluster in this process does to its clients when something is amiss.
//!
//! ```
//! use keyslot_replication::host::Cluster;
//! use std::io::{Read, Write};
//!
//! let cluster = Cluster::builder().primaries(3).listen().start()?;
//! cluster.client().call(&["SET", "greeting", "hello"])?;
//! let owner = cluster.primary_of("greeting").expect("somebody serves it");
//! // The next reply to a GET there ends after four bytes, and the connection with it.
//! let fault = cluster.faults().at(owner).requests().named("GET").times(1).cut_reply(4);
//!
//! let mut client = std::net::TcpStream::connect(cluster.addresses()[owner])?;
//! client.write_all(b"GET greeting\r\n")?;
//! let mut got = Vec::new();
//! client.read_to_end(&mut got)?;
//! assert_eq!((got.as_slice(), fault.count()), (&b"$5\r\n"[..], 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | fault | what a client sees | what clients have made of it |
//! |---|---|---|
//! | [`pause`](FaultyNodes::pause) | the connection stands, nothing comes; the others elect another primary | waiting for a stopped container for minutes |
//! | [`mute`](FaultyNodes::mute) | the same, and the cluster notices nothing | no time limit on CLUSTER SLOTS itself |
//! | [`stall_reply`](FaultyRequests::stall_reply) | a reply begins and does not go on | a time limit that only counts until the first byte |
//! | [`cut_reply`](FaultyRequests::cut_reply) | half a reply, then the end | the half taken for the whole; a write done twice |
//! | [`refuse_connections`](FaultyNodes::refuse_connections) | connection refused, while the cluster knows the node as well | the same dead address tried without end |
//! | [`trickle`](FaultyNodes::trickle) | replies in very small pieces | a parser that wants a line in one read |
//! | [`hold_topology`](FaultyNodes::hold_topology) | CLUSTER SLOTS, SHARDS, NODES of an earlier moment | the old primary found again at each look |
//! | [`moved_to`](FaultyRequests::moved_to), [`Faults::redirect_loop`] | MOVED, there and back | a loop without end, or a look at the slots for each MOVED |
//! | [`ask_at`](FaultyRequests::ask_at), [`Faults::moving_slot`] | ASK, TRYAGAIN | ASK learned as if it were MOVED |
//! | [`refuse`](FaultyRequests::refuse) | LOADING, CLUSTERDOWN, MASTERDOWN, any error | an error given up on that passes by itself |
//! | [`endpoints`](FaultyNodes::endpoints) | null, `?` or a host name for an address | `:7000` or `?:7000` connected to |
//!
//! A [`Fault`] is there until it is dropped. It says how often it [happened](Fault::count), and [waits](Fault::await_count) for that, so that tests
//! need no sleeps. What happens to requests and connections happens to clients on sockets, and to [`ClusterClient`] where it says so; an
//! [`Engine`](keyslot_engine::Engine) of a node is not told of it, nor are the bus and the links between nodes.
//!
//! [`ClusterClient`]: super::ClusterClient

use super::cluster::{Cluster, Shared};
use super::rules::{Effect, Endpoints, Filter, Refusal, RequestEffect, RuleId, Tally};
use crate::cluster::member::ClusterRefusal;
use keyslot_engine::Slot;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Where faults are made. See the [module](self).
#[derive(Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

/// Nodes that something is to be amiss with.
#[must_use = "say what is amiss with them"]
pub struct FaultyNodes {
    shared: Arc<Shared>,
    nodes: Vec<usize>,
}

/// Requests at some nodes that something is to happen to: all, unless it is said which.
#[must_use = "say what happens to them"]
pub struct FaultyRequests {
    nodes: FaultyNodes,
    filter: Filter,
    left: Option<usize>,
}

/// Something that is amiss until this is dropped.
#[must_use = "it is healed when it is dropped"]
pub struct Fault {
    shared: Arc<Shared>,
    rules: Vec<RuleId>,
    tally: Tally,
    undo: Undo,
}

/// What else is to be put right.
enum Undo {
    Nothing,
    Resume(Vec<usize>),
    Admit(Vec<usize>),
    Stay { slot: Slot, nodes: [usize; 2] },
}

/// Why a fault cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Nobody serves the slot that is to move.
    #[error("nobody serves the slot of this key")]
    NobodyServes,
    /// A node that has to be on is killed.
    #[error("node {0} is off")]
    Off(usize),
    /// What CLUSTER SETSLOT answers.
    #[error(transparent)]
    Refused(#[from] ClusterRefusal),
}

/// A fault did not happen as often as it was waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it happened {happened} times within a minute, not {awaited}")]
pub struct TooFew {
    /// How often it happened.
    pub happened: usize,
    /// How often it was to.
    pub awaited: usize,
}

impl Cluster {
    /// Makes things go wrong for clients: see [`faults`](crate::host::faults).
    pub fn faults(&self) -> Faults {
        Faults { shared: self.shared.clone() }
    }
}

impl Faults {
    /// At one node. Panics if there is no such node.
    pub fn at(&self, node: usize) -> FaultyNodes {
        self.nodes(vec![node])
    }

    /// At all nodes that there are now.
    pub fn everywhere(&self) -> FaultyNodes {
        self.nodes((0..self.shared.residents.count()).collect())
    }

    /// Two nodes each say of a key's slot that the other serves it: MOVED back and forth, whoever serves it. Counts both.
    pub fn redirect_loop(&self, key: &str, one: usize, other: usize) -> Fault {
        let mut fault = self.at(one).requests().on_key(key).moved_to(other);
        let back = self.at(other).requests().on_key(key).moved_effect(one);
        fault.rules.push(self.shared.residents.faults.add(vec![other], back, &fault.tally));
        fault
    }

    /// The slot of a key is on its way to another primary, as CLUSTER SETSLOT MIGRATING and IMPORTING say: whoever serves it does commands on
    /// keys that are there, sends those on others with ASK, and answers TRYAGAIN where some of several are. Healed it is as before
    /// (SETSLOT STABLE). Counts nothing.
    pub fn moving_slot(&self, key: &str, to: usize) -> Result<Fault, FaultError> {
        let slot = Slot::of(key.as_bytes());
        let mut world = self.shared.world();
        let from = world.owner_of(key).ok_or(FaultError::NobodyServes)?;
        let name = |world: &crate::sim::cluster::Simulation, node| {
            world.roster(node).map(|roster| roster.me().name).ok_or(FaultError::Off(node))
        };
        let (source, target) = (name(&world, from)?, name(&world, to)?);
        world.command(to, |member, _| member.set_importing(slot, source)).ok_or(FaultError::Off(to))??;
        let leaves = world.command(from, |member, _| member.set_migrating(slot, target)).ok_or(FaultError::Off(from));
        drop(world);
        self.shared.residents.wake();
        // Where the second half fails, the first is undone with it.
        let fault = Fault {
            shared: self.shared.clone(),
            rules: Vec::new(),
            tally: Tally::default(),
            undo: Undo::Stay { slot, nodes: [from, to] },
        };
        leaves??;
        Ok(fault)
    }

    fn nodes(&self, nodes: Vec<usize>) -> FaultyNodes {
        let count = self.shared.residents.count();
        assert!(nodes.iter().all(|node| *node < count), "nodes {nodes:?} of a cluster of {count}");
        FaultyNodes { shared: self.shared.clone(), nodes }
    }
}

impl FaultyNodes {
    /// The process is stopped, as by SIGSTOP: connections are made and stand, what clients send lies there, and the bus is silent, so that the
    /// others elect another. Healed it goes on where it was, with what clients had sent. Counts reads of clients that were kept waiting.
    /// [`ClusterClient`](super::ClusterClient) asks others after a while.
    pub fn pause(self) -> Fault {
        let mut world = self.shared.world();
        self.nodes.iter().for_each(|node| world.pause(*node, i64::MAX));
        drop(world);
        let nodes = self.nodes.clone();
        self.make(Effect::Pause, Undo::Resume(nodes))
    }

    /// Clients get no answers, as with [`pause`](Self::pause), while the node goes on in the cluster: nobody is elected.
    pub fn mute(self) -> Fault {
        self.make(Effect::Mute, Undo::Nothing)
    }

    /// Connections that there are end, others are refused, while the node goes on in the cluster. Counts attempts of
    /// [`ClusterClient`](super::ClusterClient) alone: of others the system tells nobody.
    pub fn refuse_connections(self) -> Fault {
        let nodes = self.nodes.clone();
        let fault = self.make(Effect::Refuse, Undo::Admit(nodes.clone()));
        let mut doors = fault.shared.doors();
        nodes.iter().for_each(|node| doors.refuse(*node, &fault.shared.residents));
        drop(doors);
        fault
    }

    /// A slow link: replies come so many bytes at a time (at least one), with a rest between the pieces, which may be zero. Counts replies that
    /// are longer than a piece. For clients on sockets.
    pub fn trickle(self, piece_bytes: usize, rest: Duration) -> Fault {
        self.make(Effect::Trickle { piece_bytes: piece_bytes.max(1), rest }, Undo::Nothing)
    }

    /// From here on CLUSTER SLOTS, SHARDS and NODES show what each of these nodes knows at this moment. Nodes that are killed afterwards stay in
    /// it. Requests are served, and sent elsewhere, as things are. Counts how often it was shown.
    pub fn hold_topology(self) -> Fault {
        let world = self.shared.world();
        let shown: Vec<_> =
            self.nodes.iter().filter_map(|node| Some((*node, Arc::new(world.roster(*node)?.clone())))).collect();
        drop(world);
        let tally = Tally::default();
        let faults = &self.shared.residents.faults;
        let add = |(node, roster)| faults.add(vec![node], Effect::Topology(roster), &tally);
        let rules = shown.into_iter().map(add).collect();
        Fault { shared: self.shared, rules, tally, undo: Undo::Nothing }
    }

    /// Clients are told these endpoints instead of addresses, in CLUSTER SLOTS, SHARDS and NODES, in MOVED and ASK. Counts nothing. For
    /// clients on sockets.
    pub fn endpoints(self, endpoints: Endpoints) -> Fault {
        self.make(Effect::Endpoints(endpoints), Undo::Nothing)
    }

    /// Requests at these nodes.
    pub fn requests(self) -> FaultyRequests {
        FaultyRequests { nodes: self, filter: Filter::default(), left: None }
    }

    fn make(self, effect: Effect, undo: Undo) -> Fault {
        let tally = Tally::default();
        let rules = vec![self.shared.residents.faults.add(self.nodes, effect, &tally)];
        Fault { shared: self.shared, rules, tally, undo }
    }
}

/// All of these are met by [`ClusterClient`](super::ClusterClient), too.
impl FaultyRequests {
    /// Only those with this name, in any case: `GET`, `CLUSTER SLOTS`.
    pub fn named(mut self, name: &str) -> Self {
        self.filter.words = name.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        self
    }

    /// Only those on keys of this key's slot.
    pub fn on_key(mut self, key: &str) -> Self {
        self.filter.slot = Some(Slot::of(key.as_bytes()));
        self
    }

    /// Only the next so many that fit.
    pub fn times(mut self, count: usize) -> Self {
        self.left = Some(count);
        self
    }

    /// They are refused, and not done. In a transaction EXEC fails then. Counts requests.
    pub fn refuse(self, refusal: Refusal) -> Fault {
        self.make(RequestEffect::Refuse(refusal))
    }

    /// Those with keys are answered MOVED to a node, whoever serves them. Counts requests. Panics if there is no such node.
    pub fn moved_to(self, node: usize) -> Fault {
        let does = self.redirect("MOVED", node);
        self.make(does)
    }

    /// Those with keys are answered ASK at a node. Counts requests. Panics if there is no such node.
    pub fn ask_at(self, node: usize) -> Fault {
        let does = self.redirect("ASK", node);
        self.make(does)
    }

    /// They are done; of the reply so many bytes come, and the connection ends. All of them, if there are not so many. Counts replies, once
    /// their bytes are sent.
    pub fn cut_reply(self, after_bytes: usize) -> Fault {
        self.make(RequestEffect::Cut(after_bytes))
    }

    /// They are done; of the reply so many bytes come, and the others when it is healed. What else the client sends waits. Counts replies, once
    /// their first bytes are sent. With [`pause`](FaultyNodes::pause) behind it a node stops in mid-reply.
    pub fn stall_reply(self, after_bytes: usize) -> Fault {
        self.make(RequestEffect::Stall(after_bytes))
    }

    fn redirect(&self, word: &'static str, node: usize) -> RequestEffect {
        let address = &self.nodes.shared.residents.addresses()[node];
        RequestEffect::Redirect { word, endpoint: format!("{}:{}", address.ip, address.port) }
    }

    fn moved_effect(self, node: usize) -> Effect {
        let does = self.redirect("MOVED", node);
        Effect::Request { filter: self.filter, left: self.left, does }
    }

    fn make(self, does: RequestEffect) -> Fault {
        self.nodes.make(Effect::Request { filter: self.filter, left: self.left, does }, Undo::Nothing)
    }
}

impl Fault {
    /// How often it happened. What is counted each kind of fault says.
    pub fn count(&self) -> usize {
        self.tally.load(Ordering::Acquire)
    }

    /// Waits until it happened so often; an error after a minute.
    pub fn await_count(&self, count: usize) -> Result<(), TooFew> {
        let until = Instant::now() + PATIENCE;
        match self.shared.residents.faults.await_tally(&self.tally, count, until) {
            true => Ok(()),
            false => Err(TooFew { happened: self.count(), awaited: count }),
        }
    }

    /// Puts it right, as dropping it does, and tells whether that worked: a port on which connections were refused may have been taken by another
    /// program. A node that was killed meanwhile stays off.
    pub fn heal(mut self) -> io::Result<()> {
        self.undo()
    }

    fn undo(&mut self) -> io::Result<()> {
        let residents = &self.shared.residents;
        residents.faults.remove(&std::mem::take(&mut self.rules));
        let mut outcome = Ok(());
        match std::mem::replace(&mut self.undo, Undo::Nothing) {
            Undo::Nothing => {}
            Undo::Resume(nodes) => {
                let mut world = self.shared.world();
                nodes.into_iter().filter(|node| !residents.faults.is_paused(*node)).for_each(|node| world.resume(node));
            }
            Undo::Admit(nodes) => {
                let mut doors = self.shared.doors();
                if !self.shared.is_over.load(Ordering::Acquire) {
                    for node in nodes {
                        outcome = outcome.and(doors.admit(node, residents));
                    }
                }
            }
            Undo::Stay { slot, nodes } => {
                let mut world = self.shared.world();
                for node in nodes {
                    // A node that is off forgot it.
                    world.command(node, |member, _| member.set_stable(slot));
                }
            }
        }
        residents.wake();
        outcome
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // Who wants to know heals it.
        let _ = self.undo();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
