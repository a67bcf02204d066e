//! The bus: connections to and from other nodes, on the control thread.
//!
//! One task waits for time, orders and connections; each connection has a task that moves its bytes.

use super::{Cluster, Order, Role, State, bus_port, transfer};
use crate::host::listen::{ListenError, tcp_listeners_at};
use crate::host::{Node, rest};
use crate::settings::Values;
use keyslot::engine::{SlotSet, UnixMillis};
use keyslot::replication::cluster::NodeAddress;
use keyslot::replication::cluster::member::{BusLink, Member};
use keyslot::replication::node::Target;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The sockets on which other nodes reach this one; none at a node that is no member of a cluster.
pub(in crate::host) fn listen(values: &Values) -> Result<Vec<std::net::TcpListener>, ListenError> {
    match values.switch("cluster-enabled") {
        true => tcp_listeners_at(values, bus_port(values)),
        false => Ok(Vec::new()),
    }
}

/// Runs until it is dropped.
pub(in crate::host) async fn run(node: Arc<Node>, listeners: Vec<std::net::TcpListener>) -> io::Result<()> {
    let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?;
    let Some(cluster) = &node.cluster else { return Ok(()) };
    let mut tasks = Tasks::default();
    let mut lost = Vec::new();
    loop {
        let wait = node.bus_timeout();
        tokio::select! {
            accepted = accept(&listeners) => match accepted {
                Ok((stream, peer)) => tasks.receive(&node, stream, peer),
                Err(error) => rest("a node of the cluster", &error).await,
            },
            () = tokio::time::sleep(wait) => {}
            () = cluster.wake.notified() => {}
        }
        let published = std::mem::take(&mut *cluster.published.lock());
        node.drive_member(|member, now| {
            published.into_iter().for_each(|(publication, reach)| member.publish(publication, reach));
            member.handle_timeout(now);
        });
        node.tend_transfers();
        let orders = std::mem::take(&mut cluster.state.lock().orders);
        for order in orders {
            match order {
                Order::Connect(link, address) => tasks.connect(&node, link, address),
                Order::Close(link) => tasks.end(&node, link),
                Order::Role(role) => node.take_role(role),
                Order::DropKeys(slots) => lost.push(*slots),
                Order::Send(name, address) => transfer::send(Arc::clone(&node), name, address),
                Order::Ask(name, address) => transfer::ask(Arc::clone(&node), name, address),
                Order::Seek => {
                    tokio::spawn(seek(Arc::clone(&node)));
                }
            }
        }
        drop_some(&node, &mut lost);
        cluster.sync(node.engine.now());
    }
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|context| {
        for listener in listeners {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Where a node was found.
enum Reached {
    /// At its address.
    There(TcpStream),
    /// At another, where its host name leads now.
    At(String, TcpStream),
    /// Nobody answers; `is_refused`: nobody listens.
    Nowhere { is_refused: bool },
}

/// Connects to the bus of a node.
async fn reach(address: &NodeAddress, limit: Duration) -> Reached {
    let known = TcpStream::connect((address.ip.as_str(), address.bus_port));
    let is_refused = match tokio::time::timeout(limit, known).await {
        Ok(Ok(stream)) => return Reached::There(stream),
        Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    };
    if !address.hostname.is_empty() {
        let named = TcpStream::connect((address.hostname.as_str(), address.bus_port));
        if let Ok(Ok(stream)) = tokio::time::timeout(limit, named).await
            && let Ok(at) = stream.peer_addr()
        {
            return Reached::At(at.ip().to_canonical().to_string(), stream);
        }
    }
    Reached::Nowhere { is_refused }
}

/// Looks for members where the seed names lead.
async fn seek(node: Arc<Node>) {
    let values = node.settings.values();
    let limit = Duration::from_millis(values.number("cluster-node-timeout").max(1));
    for text in values.words("cluster-seed-name") {
        let text = String::from_utf8_lossy(text);
        let (name, port) = match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, port),
            _ => (&*text, bus_port(&values)),
        };
        match tokio::time::timeout(limit, tokio::net::lookup_host((name, port))).await {
            Ok(Ok(addresses)) => {
                for address in addresses.take(SEEDS_MAX) {
                    let ip = address.ip().to_canonical().to_string();
                    node.drive_member(|member, now| member.seed(&ip, port, now));
                }
            }
            Ok(Err(error)) => tracing::warn!("Cluster: the seed name {name} cannot be resolved: {error}"),
            Err(_) => tracing::warn!("Cluster: the seed name {name} is not resolved within cluster-node-timeout"),
        }
    }
}

/// Deletes keys of slots that were lost, a few each time. What came back meanwhile stays: the lock keeps it from coming back now.
fn drop_some(node: &Node, lost: &mut Vec<SlotSet>) {
    let (Some(slots), Some(cluster)) = (lost.last(), &node.cluster) else { return };
    let state = cluster.state.lock();
    let roster = state.member.roster();
    let is_done = match roster.me().is_primary() {
        true => {
            let kept = roster.me().slots.union(&roster.importing.keys().copied().collect()).union(&roster.arriving());
            !node.engine.drop_slots(&slots.difference(&kept), DROP_BUDGET_KEYS).more
        }
        // What a primary has is not this node's to delete.
        false => true,
    };
    drop(state);
    if is_done {
        lost.pop();
    }
    if !lost.is_empty() {
        cluster.wake.notify_one();
    }
}

/// The tasks of the connections.
#[derive(Default)]
struct Tasks(HashMap<BusLink, AbortHandle>);

impl Tasks {
    fn receive(&mut self, node: &Arc<Node>, stream: TcpStream, peer: SocketAddr) {
        let text = |address: SocketAddr| address.ip().to_canonical().to_string();
        let at = stream.local_addr().map(text).unwrap_or_default();
        if let Some(link) = node.drive_member(|member, now| member.accept(text(peer), at, now)) {
            let task = carry(Arc::clone(node), link, stream);
            self.insert(link, tokio::spawn(task).abort_handle());
        }
    }

    fn connect(&mut self, node: &Arc<Node>, link: BusLink, address: NodeAddress) {
        let node = Arc::clone(node);
        let task = async move {
            let limit = Duration::from_millis(node.settings.values().number("cluster-node-timeout").max(1));
            node.register_carrier(link);
            match reach(&address, limit).await {
                Reached::There(stream) => {
                    node.drive_member(|member, now| member.link_opened(link, now));
                    carry(node, link, stream).await;
                }
                Reached::At(ip, stream) => {
                    tracing::info!("Cluster: {} is at {ip} now", address.hostname);
                    node.drive_member(|member, now| member.link_opened_at(link, &ip, now));
                    carry(node, link, stream).await;
                }
                Reached::Nowhere { is_refused } => {
                    node.forget_carrier(link);
                    node.drive_member(|member, now| match is_refused {
                        true => member.link_refused(link, now),
                        false => member.link_closed(link, now),
                    });
                }
            }
        };
        self.insert(link, tokio::spawn(task).abort_handle());
    }

    fn insert(&mut self, link: BusLink, task: AbortHandle) {
        self.0.retain(|_, task| !task.is_finished());
        self.0.insert(link, task);
    }

    fn end(&mut self, node: &Node, link: BusLink) {
        if let Some(task) = self.0.remove(&link) {
            task.abort();
        }
        node.forget_carrier(link);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.values().for_each(AbortHandle::abort);
    }
}

/// Moves the bytes of a connection until it ends.
async fn carry(node: Arc<Node>, link: BusLink, mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Some(carrier) = node.register_carrier(link) else { return };
    let (mut reader, mut writer) = stream.split();
    let (mut input, mut output) = (vec![0; READ_BYTES].into_boxed_slice(), Vec::new());
    loop {
        if output.is_empty() {
            node.take_bus_output(link, &mut output);
        }
        tokio::select! {
            read = reader.read(&mut input) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    node.drive_member(|member, now| member.handle_link(link, &input[..count], now));
                    // Others may have said what a transfer waits for.
                    node.tend_transfers();
                }
            },
            written = writer.write(&output), if !output.is_empty() => match written {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    output.drain(..count);
                }
            },
            () = carrier.notified(), if output.is_empty() => {}
        }
    }
    node.forget_carrier(link);
    node.drive_member(|member, now| member.link_closed(link, now));
}

impl Cluster {
    /// Has the member and its transfers do something. An error: the file could not be written.
    pub(super) fn drive_both<R>(
        &self,
        node: &Node,
        work: impl FnOnce(&mut State, UnixMillis) -> R,
    ) -> Result<R, String> {
        let facts = |member: &mut Member| {
            member.set_facts(node.facts());
            if member.options().strict.is_some() {
                member.set_followers(node.followers());
            }
        };
        self.drive(&node.engine, facts, &mut |role| node.take_role(role), work)
    }
}

impl Node {
    /// Has the member do something; `None` at a node that is no member, or whose file could not be written.
    fn drive_member<R>(&self, work: impl FnOnce(&mut Member, UnixMillis) -> R) -> Option<R> {
        self.command_member(work)?.ok()
    }

    /// As [`drive_member`](Self::drive_member); an error tells why the file could not be written.
    pub(in crate::host) fn command_member<R>(
        &self,
        work: impl FnOnce(&mut Member, UnixMillis) -> R,
    ) -> Option<Result<R, String>> {
        Some(self.cluster.as_ref()?.drive_both(self, |state, now| work(&mut state.member, now)))
    }

    fn take_role(&self, role: Role) {
        match role {
            Role::Follow(address) => {
                self.follow(Target { host: address.ip, port: address.port });
            }
            Role::Lead => self.lead_because("the cluster says so"),
            Role::Detach => self.detach_primary(),
            Role::Confirm(quorums) => self.set_quorums(quorums),
        }
    }

    fn register_carrier(&self, link: BusLink) -> Option<Arc<Notify>> {
        let mut state = self.cluster.as_ref()?.state.lock();
        Some(Arc::clone(state.carriers.entry(link).or_default()))
    }

    fn forget_carrier(&self, link: BusLink) {
        if let Some(cluster) = &self.cluster {
            cluster.state.lock().carriers.remove(&link);
        }
    }

    fn take_bus_output(&self, link: BusLink, out: &mut Vec<u8>) {
        if let Some(cluster) = &self.cluster {
            let mut state = cluster.state.lock();
            if state.unkept.is_none() {
                state.member.poll_link(link, out);
            }
        }
    }

    /// How long nothing is due.
    fn bus_timeout(&self) -> Duration {
        let Some(cluster) = &self.cluster else { return Duration::MAX };
        let state = cluster.state.lock();
        let due = state.next_timeout().0;
        let due = state.held_until.map_or(due, |until| due.min(until.0));
        Duration::from_millis(u64::try_from(due - self.engine.now().0).unwrap_or(0))
    }
}

/// So many addresses of a seed name are tried at a time.
const SEEDS_MAX: usize = 256;
const READ_BYTES: usize = 16 << 10;
/// Keys of lost slots that are deleted at a time.
const DROP_BUDGET_KEYS: usize = 500;
