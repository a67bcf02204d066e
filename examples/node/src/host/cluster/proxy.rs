//! Requests of clients that know nothing of the cluster, done at the nodes that serve them (`cluster-proxy yes`).
//!
//! ```text
//! worker thread: Host::relay -> queue of the client -> its task: for each part: who serves the slot?
//!                                                        this node   a session of the engine
//!                                                        another     a connection of the client's own, made when first needed
//!                                                      MOVED, ASK: follow; refused: wait for who takes the slot over
//! ```
//!
//! - One client's requests are done one after another, so what it sees is in order; another client's are not waited for.
//! - Each client has its own connections, so that a command that blocks keeps nobody else waiting. They end with the client.
//! - A request that may have reached a node is not sent again.

use crate::host::Node;
use crate::host::peer::{Inside, Requests, Wire};
use keyslot::engine::resp::RespVersion;
use keyslot::engine::{Relay, RelayPart, Slot};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// The clients for which other nodes are asked.
#[derive(Default)]
pub(in crate::host) struct Proxy(Mutex<HashMap<u64, Errands>>);

/// What one client asks of other nodes.
struct Errands {
    queue: mpsc::UnboundedSender<Relay>,
    task: AbortHandle,
}

impl Proxy {
    /// Has a client's request done. To be called on a thread of the runtime.
    pub(in crate::host) fn relay(&self, node: &Arc<Node>, client_id: u64, relay: Relay) {
        let mut clients = self.0.lock();
        let errands = clients.entry(client_id).or_insert_with(|| {
            let (queue, inbox) = mpsc::unbounded_channel();
            let task = tokio::spawn(Runner::new(Arc::clone(node)).run(inbox)).abort_handle();
            Errands { queue, task }
        });
        if let Err(mpsc::error::SendError(relay)) = errands.queue.send(relay) {
            relay.refuse("ERR the node is ending");
        }
    }

    /// The client is gone: so is what it waits for.
    pub(in crate::host) fn forget(&self, client_id: u64) {
        if let Some(errands) = self.0.lock().remove(&client_id) {
            errands.task.abort();
        }
    }
}

/// Who serves a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Server {
    Here,
    There(Place),
}

/// Where a node is found.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Place {
    host: String,
    port: u16,
}

/// Why a request was not done.
#[derive(Debug)]
enum Failure {
    /// It did not reach the node: it may be tried again.
    Unreached(String),
    /// It may have been done.
    Unknown(String),
}

/// Does the requests of one client.
struct Runner {
    node: Arc<Node>,
    connections: HashMap<Place, Upstream>,
    /// What is done here for a client that does not ask this node alone.
    here: Inside,
}

impl Runner {
    fn new(node: Arc<Node>) -> Self {
        Self { here: Inside::new(Arc::clone(&node)), node, connections: HashMap::new() }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Relay>) {
        while let Some(relay) = inbox.recv().await {
            let resp = relay.resp_version();
            let timeout_ms = self.node.settings.values().number("cluster-node-timeout").max(1);
            let deadline = Instant::now() + Duration::from_millis(timeout_ms) + GRACE;
            let mut replies = Vec::new();
            for part in relay.parts() {
                replies.push(self.do_part(part, resp, deadline).await);
            }
            relay.give(&replies);
        }
    }

    /// Does the requests of one slot, wherever it is served, and returns the reply to the last one.
    async fn do_part(&mut self, part: &RelayPart, resp: RespVersion, deadline: Instant) -> Vec<u8> {
        let mut directed: Option<(Place, bool)> = None;
        let mut hops = 0;
        loop {
            let (server, asks) = match directed.take() {
                Some((place, asks)) => (Some(Server::There(place)), asks),
                None => server(&self.node, part.slot, part.asks),
            };
            let done = match &server {
                None => Err(Failure::Unreached("nobody serves it".into())),
                Some(Server::Here) => self.do_here(part, resp).await,
                Some(Server::There(place)) => {
                    let node = Arc::clone(&self.node);
                    tokio::select! {
                        done = self.do_there(place, part, asks, resp) => done,
                        // Whoever was asked may never answer.
                        () = replaced(&node, part, &server) => Err(Failure::Unknown("another node serves it now".into())),
                    }
                }
            };
            match done {
                Ok(replies) => {
                    let redirect = replies.iter().find_map(|reply| redirect(reply));
                    hops += 1;
                    let from = match &server {
                        Some(Server::There(place)) => Some(place.host.clone()),
                        _ => None,
                    };
                    match (redirect, from) {
                        (Some((host, port, asks)), _) if hops < HOPS_MAX && !matches!(&*host, "" | "?") => {
                            directed = Some((Place { host, port }, asks));
                        }
                        (Some((_, port, asks)), Some(host)) if hops < HOPS_MAX => {
                            directed = Some((Place { host, port }, asks));
                        }
                        // It left meanwhile.
                        (Some(_), _) if hops < HOPS_MAX => tokio::time::sleep(RETRY).await,
                        _ => return replies.into_iter().next_back().unwrap_or_default(),
                    }
                }
                // Whoever takes the slot over will be known soon.
                Err(Failure::Unreached(_)) if Instant::now() < deadline => tokio::time::sleep(RETRY).await,
                Err(Failure::Unreached(reason)) => {
                    return format!("-CLUSTERDOWN The node of slot {} is not reached: {reason}\r\n", part.slot)
                        .into_bytes();
                }
                Err(Failure::Unknown(reason)) => {
                    // A reply that comes all the same is nobody's.
                    if let Some(Server::There(place)) = &server {
                        self.connections.remove(place);
                    }
                    return format!(
                        "-ERR The node of slot {} left while it was asked, which may or may not have been done: {reason}\r\n",
                        part.slot
                    )
                    .into_bytes();
                }
            }
        }
    }

    /// Asks the engine of this node.
    async fn do_here(&mut self, part: &RelayPart, resp: RespVersion) -> Result<Vec<Vec<u8>>, Failure> {
        let mut requests = Requests::default();
        requests.push(&[b"HELLO", version(resp)]);
        part.requests.iter().for_each(|request| requests.push(request));
        let replies = self.here.ask(requests).await.map_err(Failure::Unknown)?;
        Ok(last(replies, part.requests.len()))
    }

    /// Asks another node.
    async fn do_there(
        &mut self,
        place: &Place,
        part: &RelayPart,
        asks: bool,
        resp: RespVersion,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        if self.connections.get(place).is_some_and(|upstream| upstream.wire.has_ended()) {
            self.connections.remove(place);
        }
        if !self.connections.contains_key(place) {
            let upstream = Upstream::connect(&self.node, place).await.map_err(Failure::Unreached)?;
            self.connections.insert(place.clone(), upstream);
        }
        let Some(upstream) = self.connections.get_mut(place) else {
            return Err(Failure::Unreached("no connection".into()));
        };
        let done = upstream.ask(part, asks, resp).await;
        if matches!(done, Err(Failure::Unreached(_))) {
            // It does not let this node in: the next try says anew who asks.
            self.connections.remove(place);
        }
        done
    }
}

/// Who serves a slot, or is to have it, and whether it is asked behind ASKING.
fn server(node: &Node, slot: Slot, asks: bool) -> (Option<Server>, bool) {
    let Some(cluster) = &node.cluster else { return (None, asks) };
    let state = cluster.state.lock();
    let roster = state.member.roster();
    // Its way may be over by now.
    let target = roster.migrating.get(&slot).copied().filter(|_| asks);
    let asks = target.is_some();
    let Some(found) = target.or_else(|| Some(roster.owner(slot)?.name)).and_then(|name| roster.node(&name)) else {
        return (None, asks);
    };
    if found.name == roster.me().name {
        return (Some(Server::Here), asks);
    }
    let address = &found.address;
    let host = if address.ip.is_empty() { &address.hostname } else { &address.ip };
    (Some(Server::There(Place { host: host.clone(), port: address.port })), asks)
}

/// Ends some time after another node serves the slot than the one that is asked, if it was that one.
async fn replaced(node: &Node, part: &RelayPart, asked: &Option<Server>) {
    let is_asked = || server(node, part.slot, part.asks).0 == *asked;
    if !is_asked() {
        return std::future::pending().await;
    }
    let mut since = None;
    loop {
        tokio::time::sleep(REPLACED_LOOK).await;
        if is_asked() {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return;
        }
    }
}

/// A client's connection to another node.
struct Upstream {
    wire: Wire,
    resp: Option<RespVersion>,
    /// What is asked before the first request.
    greeting: Requests,
}

impl Upstream {
    async fn connect(node: &Node, place: &Place) -> Result<Self, String> {
        let values = node.settings.values();
        let limit = Duration::from_millis(values.number("cluster-node-timeout").max(1));
        let wire = Wire::connect(&place.host, place.port, limit)
            .await
            .map_err(|error| format!("{}:{}: {error}", place.host, place.port))?;
        let mut greeting = Requests::default();
        let (user, password) = (values.text("masteruser"), values.text("masterauth"));
        match (user.is_empty(), password.is_empty()) {
            (_, true) => {}
            (true, false) => greeting.push(&[b"AUTH", password]),
            (false, false) => greeting.push(&[b"AUTH", user, password]),
        }
        // From who knows the cluster: it must not ask others in turn.
        greeting.push(&[b"READWRITE"]);
        Ok(Self { wire, resp: None, greeting })
    }

    /// Sends requests, and returns their replies.
    async fn ask(&mut self, part: &RelayPart, asks: bool, resp: RespVersion) -> Result<Vec<Vec<u8>>, Failure> {
        let mut requests = std::mem::take(&mut self.greeting);
        let greetings = requests.count();
        if self.resp.replace(resp) != Some(resp) {
            requests.push(&[b"HELLO", version(resp)]);
        }
        if asks {
            requests.push(&[b"ASKING"]);
        }
        part.requests.iter().for_each(|request| requests.push(request));
        let replies = self.wire.ask(&requests).await.map_err(|error| Failure::Unknown(error.to_string()))?;
        let refused = replies[..greetings].iter().find(|reply| reply.starts_with(b"-")).cloned();
        let replies = last(replies, part.requests.len());
        match refused {
            // Nothing was done.
            Some(refused) if replies.iter().all(|reply| reply.starts_with(b"-NOAUTH ")) => {
                Err(Failure::Unreached(String::from_utf8_lossy(&refused).trim_end().to_owned()))
            }
            _ => Ok(replies),
        }
    }
}

/// The newest replies.
fn last(mut replies: Vec<Vec<u8>>, count: usize) -> Vec<Vec<u8>> {
    replies.split_off(replies.len().saturating_sub(count))
}

/// Where a reply sends its client: host, port, and whether behind ASKING.
fn redirect(reply: &[u8]) -> Option<(String, u16, bool)> {
    let line = std::str::from_utf8(reply).ok()?.trim_end();
    let (asks, rest) = match line.strip_prefix("-MOVED ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("-ASK ")?),
    };
    let (host, port) = rest.split_once(' ')?.1.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?, asks))
}

fn version(resp: RespVersion) -> &'static [u8] {
    match resp {
        RespVersion::V2 => b"2",
        RespVersion::V3 => b"3",
    }
}

/// How often a request is sent on that came to the wrong node.
const HOPS_MAX: usize = 5;

/// How soon it is looked again who serves a slot whose node is not reached.
const RETRY: Duration = Duration::from_millis(50);

/// How often it is looked whether a node that is asked serves the slot still.
const REPLACED_LOOK: Duration = Duration::from_millis(500);

/// How long more than the node timeout it is looked: detection and election take as long as that.
const GRACE: Duration = Duration::from_secs(2);
