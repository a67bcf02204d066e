//! The cluster, and the thread that moves it.

use super::client::ClusterClient;
use super::listen::Doors;
use super::residents::Residents;
use super::rules::Endpoints;
use crate::chance::Chance;
use crate::cluster::control::{change, show};
use crate::cluster::member::{ClusterRefusal, Member, Reach};
use crate::cluster::message::Publication;
use crate::cluster::view::{self, ClusterCommand, PreferredEndpoint, Viewer};
use crate::cluster::{NodeAddress, Roster};
use crate::sim::cluster::Simulation;
use keyslot_engine::resp::ReplyWriter;
use keyslot_engine::{Asker, Channel, Clock, Engine, Host, InfoSection, Published, SystemClock};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a cluster in this process is made.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    primaries: usize,
    replicas: usize,
    node_timeout: Duration,
    listens: Listens,
}

/// On which ports of the loopback address nodes listen.
#[derive(Clone, Copy, Debug)]
enum Listens {
    Nowhere,
    /// On free ones.
    Anywhere,
    /// On this one, and on those behind it.
    From(u16),
}

/// A cluster in this process. Dropping it ends it.
pub struct Cluster {
    pub(super) shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
}

/// What the threads of a cluster share.
pub(super) struct Shared {
    world: Mutex<Simulation>,
    pub(super) residents: Arc<Residents>,
    published: Mutex<Vec<(usize, Publication, Reach)>>,
    pub(super) is_over: AtomicBool,
    doors: Mutex<Doors>,
}

/// Why a cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There has to be somebody.
    #[error("a cluster has one primary at least")]
    NoPrimaries,
    /// No port to listen on.
    #[error("cannot listen on a port: {0}")]
    Listen(io::Error),
    /// The system gave no thread.
    #[error("no thread: {0}")]
    Thread(io::Error),
    /// The nodes do not find together.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
}

/// The nodes of a cluster do not see the same, or not every slot is served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cluster is not whole after {waited_ms} ms: {why}")]
pub struct Unsettled {
    /// How long it was waited for.
    pub waited_ms: u128,
    /// What is missing.
    pub why: String,
}

/// Why a replica does not lead.
#[derive(Debug, thiserror::Error)]
pub enum FailoverError {
    /// It is killed.
    #[error("node {0} is off")]
    Off(usize),
    /// What CLUSTER FAILOVER answers.
    #[error(transparent)]
    Refused(#[from] ClusterRefusal),
    /// Its primary or the others do not let it.
    #[error("it was not elected within {waited_ms} ms")]
    NotElected {
        /// How long it was waited for.
        waited_ms: u128,
    },
}

impl ClusterBuilder {
    /// So many primaries, which share the slots evenly; 3 if nothing is said.
    #[must_use]
    pub fn primaries(mut self, count: usize) -> Self {
        self.primaries = count;
        self
    }

    /// So many replicas for each; none if nothing is said.
    #[must_use]
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How long a node may be silent before it is down (`cluster-node-timeout`); a second if nothing is said.
    #[must_use]
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Listens on free ports of the loopback address, for any client.
    #[must_use]
    pub fn listen(mut self) -> Self {
        self.listens = Listens::Anywhere;
        self
    }

    /// Listens on this port of the loopback address, and on those behind it, one for each node: a primary, then its replicas.
    #[must_use]
    pub fn listen_from(mut self, port: u16) -> Self {
        self.listens = Listens::From(port);
        self
    }

    /// Starts it; returns once every slot is served and replicas have their primaries' data.
    pub fn start(self) -> Result<Cluster, StartError> {
        if self.primaries == 0 {
            return Err(StartError::NoPrimaries);
        }
        let count = self.primaries * (self.replicas + 1);
        let doors = match self.listens {
            Listens::Nowhere => Doors::none(),
            Listens::Anywhere => Doors::open(count, None).map_err(StartError::Listen)?,
            Listens::From(first) => Doors::open(count, Some(first)).map_err(StartError::Listen)?,
        };
        let addresses: Vec<NodeAddress> = (0..count).map(|node| address_of(node, doors.port(node))).collect();
        let residents = Arc::new(Residents::new(addresses.clone()));
        let clock = Arc::new(SystemClock::default());
        let shared = Arc::new_cyclic(|this: &Weak<Shared>| Shared {
            world: Mutex::new(world(this.clone(), residents.clone(), clock.clone(), self.node_timeout)),
            residents: residents.clone(),
            published: Mutex::default(),
            is_over: AtomicBool::new(false),
            doors: Mutex::new(doors),
        });
        let shards = addresses.chunks(self.replicas + 1).map(<[NodeAddress]>::to_vec).collect();
        shared.world().form_at(shards);
        let driven = shared.clone();
        let thread = std::thread::Builder::new().name("keyslot-cluster".to_owned());
        let driver = thread.spawn(move || drive(&driven, &clock)).map_err(StartError::Thread)?;
        let _ = residents.driver.set(driver.thread().clone());
        // From here on what fails ends what has begun.
        let cluster = Cluster { shared, driver: Some(driver) };
        cluster.shared.doors().serve(&residents).map_err(StartError::Thread)?;
        cluster.settle()?;
        Ok(cluster)
    }
}

/// An empty world whose engines are told of the cluster that they are in.
fn world(this: Weak<Shared>, residents: Arc<Residents>, clock: Arc<SystemClock>, node_timeout: Duration) -> Simulation {
    let seed = clock.monotonic_ns() ^ clock.now().0.unsigned_abs();
    let on_start = move |node: usize, engine: &Engine| {
        engine.attach_host(Arc::new(Resident { node, shared: this.clone(), residents: residents.clone() }));
        residents.arrive(node, engine.clone());
    };
    let mut world = Simulation::in_real_time(Chance::new(seed).next(), clock, Box::new(on_start));
    world.set_node_timeout(i64::try_from(node_timeout.as_millis()).unwrap_or(i64::MAX));
    world
}

/// Where a node is: on the port that it listens on, or on one of its own that nobody listens on.
fn address_of(node: usize, port: Option<u16>) -> NodeAddress {
    let port = port.unwrap_or(FIRST_PORT + node as u16);
    let bus_port = port.checked_add(BUS_PORT_DISTANCE).unwrap_or_else(|| port - BUS_PORT_DISTANCE);
    NodeAddress { ip: "127.0.0.1".to_owned(), port, bus_port, ..NodeAddress::default() }
}

/// Moves the nodes until the cluster is over.
fn drive(shared: &Shared, clock: &SystemClock) {
    while !shared.is_over.load(Ordering::Acquire) {
        let published = std::mem::take(&mut *lock(&shared.published));
        let mut world = shared.world();
        for (node, publication, reach) in published {
            world.command(node, |member, _| member.publish(publication, reach));
        }
        let due = world.run_to(clock.now());
        drop(world);
        let wait_ms = u64::try_from(due.0 - clock.now().0).unwrap_or(0);
        if wait_ms > 0 {
            std::thread::park_timeout(Duration::from_millis(wait_ms));
        }
    }
}

impl Cluster {
    /// Three primaries, if nothing else is said.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder { primaries: 3, replicas: 0, node_timeout: Duration::from_secs(1), listens: Listens::Nowhere }
    }

    /// A client that finds its way to whoever serves a key, without sockets.
    pub fn client(&self) -> ClusterClient {
        ClusterClient::new(self.shared.residents.clone())
    }

    /// How many nodes there are, those included that are off.
    pub fn node_count(&self) -> usize {
        self.shared.residents.count()
    }

    /// Where nodes listen; where they would, of a cluster that does not.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.shared.residents.addresses().iter().map(|it| SocketAddr::from(([127, 0, 0, 1], it.port))).collect()
    }

    /// Whether nodes listen at their addresses.
    pub fn is_listening(&self) -> bool {
        self.shared.doors().port(0).is_some()
    }

    /// The engine of a node, if it is on: reads of what a replica has, sessions of one's own.
    pub fn engine(&self, node: usize) -> Option<Engine> {
        Some(self.shared.residents.live(node)?.engine)
    }

    /// Who serves a key, as those who serve see it.
    pub fn primary_of(&self, key: &str) -> Option<usize> {
        self.shared.world().owner_of(key)
    }

    /// Who follows a node.
    pub fn replicas_of(&self, node: usize) -> Vec<usize> {
        let world = self.shared.world();
        let name = world.roster(node).map(|roster| roster.me().name);
        let follows = |other: &usize| world.roster(*other).is_some_and(|it| it.me().primary == name);
        (0..self.node_count()).filter(|other| name.is_some() && follows(other)).collect()
    }

    /// Another node, which knows the others and is known to them when this returns, and which serves nothing: a primary without slots.
    /// CLUSTER REPLICATE makes it a replica, CLUSTER SETSLOT gives it slots. It listens on a free port, if the cluster does. An error where it has
    /// no port, or is not known to all within ten seconds.
    pub fn add_node(&self) -> Result<usize, StartError> {
        let residents = &self.shared.residents;
        let mut doors = self.shared.doors();
        let mut world = self.shared.world();
        let node = residents.count();
        let port = doors.add().map_err(StartError::Listen)?;
        let address = address_of(node, port);
        residents.add(address.clone());
        world.add_at(address.clone());
        doors.reopen(node, residents).map_err(StartError::Listen)?;
        let meet = |member: &mut Member, now| member.meet(&address.ip, address.port, address.bus_port, now);
        // Whoever is on tells the others; where nobody is, it is alone and nothing settles.
        let _ = (0..node).find(|other| matches!(world.command(*other, meet), Some(Ok(()))));
        drop((world, doors));
        self.settle()?;
        Ok(node)
    }

    /// Ends a node at once, as a crash does. Its data is in memory, and lost; what it knows of the cluster is kept.
    pub fn kill(&self, node: usize) {
        self.shared.residents.leave(node);
        self.shared.doors().close(node, &self.shared.residents);
        self.shared.world().kill(node);
        self.shared.residents.wake();
    }

    /// Starts a node that was killed, without data, at its old address.
    pub fn restart(&self, node: usize) -> io::Result<()> {
        self.shared.world().start(node);
        self.shared.residents.wake();
        self.shared.doors().reopen(node, &self.shared.residents)
    }

    /// For so long a node does nothing in the cluster and hears nothing of others; its clients are answered. A node that answers nobody, as
    /// one whose process is stopped, is a [fault](Self::faults).
    pub fn pause(&self, node: usize, time: Duration) {
        self.shared.world().pause(node, i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.shared.residents.wake();
    }

    /// Nothing gets between these nodes and all others. Clients reach everybody.
    pub fn part(&self, nodes: &[usize]) {
        self.shared.world().part(nodes);
    }

    /// Everything gets everywhere.
    pub fn heal(&self) {
        self.shared.world().heal();
        self.shared.residents.wake();
    }

    /// What happened in the cluster, a line each.
    pub fn trace(&self) -> String {
        self.shared.world().trace().to_owned()
    }

    /// Has a node's member do something that CLUSTER has no word for; `None` if it is off.
    pub fn command<R>(
        &self,
        node: usize,
        work: impl FnOnce(&mut Member, keyslot_engine::UnixMillis) -> R,
    ) -> Option<R> {
        let done = self.shared.world().command(node, work);
        self.shared.residents.wake();
        done
    }

    /// Has a replica take its primary's place in good order (`CLUSTER FAILOVER`), which loses no write, and waits until it leads; an error where it
    /// is none, or after ten seconds.
    pub fn failover(&self, replica: usize) -> Result<(), FailoverError> {
        let asked = self.command(replica, |member, now| member.fail_over(now)).ok_or(FailoverError::Off(replica))?;
        asked?;
        let begun = Instant::now();
        let leads = || self.shared.world().roster(replica).is_some_and(|roster| roster.me().is_primary());
        while !leads() {
            if begun.elapsed() > SETTLES_WITHIN {
                return Err(FailoverError::NotElected { waited_ms: begun.elapsed().as_millis() });
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
        Ok(())
    }

    /// Waits until every slot is served, all see the same and replicas have their primaries' data; an error after ten seconds.
    pub fn settle(&self) -> Result<(), Unsettled> {
        let begun = Instant::now();
        loop {
            let Err(why) = self.shared.world().stability() else { return Ok(()) };
            if begun.elapsed() > SETTLES_WITHIN {
                return Err(Unsettled { waited_ms: begun.elapsed().as_millis(), why });
            }
            self.shared.residents.wake();
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        for node in 0..self.node_count() {
            self.shared.doors().close(node, &self.shared.residents);
        }
        self.shared.residents.wake();
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, Simulation> {
        lock(&self.world)
    }

    pub(super) fn doors(&self) -> MutexGuard<'_, Doors> {
        lock(&self.doors)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Who panicked with it is a test that has failed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The host of one node's engine.
struct Resident {
    node: usize,
    shared: Weak<Shared>,
    residents: Arc<Residents>,
}

impl Resident {
    /// Shows the cluster as a fault has it; false if there is none.
    fn show_amiss(
        &self,
        roster: &Roster,
        mut viewer: Viewer,
        command: &ClusterCommand,
        reply: &mut ReplyWriter<'_>,
    ) -> bool {
        let shown = match command {
            ClusterCommand::Nodes => view::nodes,
            ClusterCommand::Slots => view::slots,
            ClusterCommand::Shards => view::shards,
            _ => return false,
        };
        let faults = &self.residents.faults;
        let (held, endpoints) = (faults.topology(self.node), faults.endpoints(self.node));
        if held.is_none() && endpoints.is_none() {
            return false;
        }
        let mut roster = held.as_deref().unwrap_or(roster).clone();
        viewer.preferred = match &endpoints {
            None => PreferredEndpoint::Ip,
            Some(Endpoints::Unknown) => PreferredEndpoint::Unknown,
            Some(Endpoints::Missing | Endpoints::Hostname(_)) => PreferredEndpoint::Hostname,
        };
        if let Some(Endpoints::Hostname(name)) = &endpoints {
            roster.nodes_mut().for_each(|node| node.address.hostname.clone_from(name));
        }
        shown(&roster, &viewer, reply);
        true
    }
}

impl Host for Resident {
    fn control(&self, _: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> bool {
        let Some(shared) = self.shared.upgrade().filter(|_| args[0].eq_ignore_ascii_case(b"cluster")) else {
            return false;
        };
        let command = match ClusterCommand::parse(&args[1..]) {
            Ok(command) => command,
            Err(text) => {
                reply.error(&text);
                return true;
            }
        };
        let Some(live) = self.residents.live(self.node) else { return false };
        let viewer = Viewer { own_offset: live.engine.position().0, ..Viewer::default() };
        let mut world = shared.world();
        let Some(member) = world.member(self.node) else { return false };
        let is_shown =
            self.show_amiss(member.roster(), viewer, &command, reply) || show(member, &viewer, &command, reply);
        if !is_shown {
            match world.command(self.node, |member, now| change(member, &command, &live.engine, now)) {
                Some(Ok(answer)) => answer.write(reply),
                Some(Err(refusal)) => reply.error(&refusal.to_string()),
                None => return false,
            }
        }
        drop(world);
        self.residents.wake();
        true
    }

    fn info(&self, section: InfoSection, out: &mut String) {
        if section == InfoSection::Cluster {
            out.push_str("cluster_enabled:1\r\n");
        }
    }

    fn published(&self, message: Published<'_>) {
        let Some(shared) = self.shared.upgrade() else { return };
        let reach = match message.channel {
            Channel::Plain => Reach::Cluster,
            Channel::Sharded => Reach::Shard,
        };
        let publication = Publication { channel: message.name.to_vec(), message: message.message.to_vec() };
        lock(&shared.published).push((self.node, publication, reach));
        self.residents.wake();
    }
}

/// The port of the first node, where nobody listens.
const FIRST_PORT: u16 = 7000;
const BUS_PORT_DISTANCE: u16 = 10_000;
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
