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
//! - Each client has its own connections, so that WATCH and blocking commands mean there what they mean here. They end with the client.
//! - A request that may have reached a node is not sent again.

use crate::host::Node;
use keyslot::engine::resp::{ReplyLimits, ReplyParser, RespVersion, Value};
use keyslot::engine::{PeerInfo, Relay, RelayPart, Session, Slot};
use keyslot::replication::cluster::NodeName;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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
    /// What is done here for a client of this node that does not ask this node alone.
    here: Option<Session>,
}

impl Runner {
    fn new(node: Arc<Node>) -> Self {
        Self { node, connections: HashMap::new(), here: None }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Relay>) {
        while let Some(relay) = inbox.recv().await {
            let resp = relay.resp_version();
            let mut replies = Vec::new();
            for part in relay.parts() {
                replies.push(self.do_part(part, resp).await);
            }
            relay.give(&replies);
        }
    }

    /// Does the requests of one slot, wherever it is served, and returns the reply to the last one.
    async fn do_part(&mut self, part: &RelayPart, resp: RespVersion) -> Vec<u8> {
        let values = self.node.settings.values();
        let deadline = Instant::now() + Duration::from_millis(values.number("cluster-node-timeout").max(1)) + GRACE;
        let mut directed: Option<(Place, bool)> = None;
        let mut hops = 0;
        loop {
            let (server, asks) = match directed.take() {
                Some((place, asks)) => (Some(Server::There(place)), asks),
                None => (self.server(part.slot, part.asks), part.asks),
            };
            let done = match &server {
                None => Err(Failure::Unreached("nobody serves it".into())),
                Some(Server::Here) => self.do_here(part, resp).await,
                Some(Server::There(place)) => self.do_there(place, part, asks, resp).await,
            };
            match done {
                Ok(replies) => {
                    let redirect = replies.iter().find_map(|reply| redirect(reply));
                    hops += 1;
                    match (redirect, &server) {
                        (Some((host, port, asks)), Some(Server::There(from))) if hops < HOPS_MAX => {
                            let host = if matches!(&*host, "" | "?") { from.host.clone() } else { host };
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
                    return format!(
                        "-ERR The node of slot {} left while it was asked, which may or may not have been done: {reason}\r\n",
                        part.slot
                    )
                    .into_bytes();
                }
            }
        }
    }

    fn server(&self, slot: Slot, asks: bool) -> Option<Server> {
        let state = self.node.cluster.as_ref()?.state.lock();
        let roster = state.member.roster();
        let name: NodeName = match asks {
            true => *roster.migrating.get(&slot)?,
            false => roster.owner(slot)?.name,
        };
        if name == roster.me().name {
            return Some(Server::Here);
        }
        let address = &roster.node(&name)?.address;
        let host = if address.ip.is_empty() { &address.hostname } else { &address.ip };
        Some(Server::There(Place { host: host.clone(), port: address.port }))
    }

    /// Asks the engine of this node.
    async fn do_here(&mut self, part: &RelayPart, resp: RespVersion) -> Result<Vec<Vec<u8>>, Failure> {
        let node = Arc::clone(&self.node);
        let mut input = Vec::new();
        let mut asked = 0;
        if self.here.is_none() {
            let password = node.password.read().clone();
            if !password.is_empty() {
                asked += encode(&[b"AUTH", &password[..]], &mut input);
            }
        }
        asked += encode(&[b"HELLO", version(resp)], &mut input) + encode(&[b"READWRITE"], &mut input);
        part.requests.iter().for_each(|request| asked += encode(request, &mut input));
        let here = &mut self.here;
        let mut parser = Replies::default();
        let mut output = Vec::new();
        let replies = poll_fn(|context| {
            let session = here.get_or_insert_with(|| {
                let peer = PeerInfo { addr: "cluster-proxy".into(), ..PeerInfo::default() };
                node.engine.session(context.waker().clone(), peer)
            });
            if !input.is_empty() {
                session.feed(&std::mem::take(&mut input));
            }
            output.clear();
            session.poll_output(&mut output);
            match parser.take(&output, asked) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) => Poll::Pending,
                Err(reason) => Poll::Ready(Err(Failure::Unknown(reason))),
            }
        });
        replies.await?;
        Ok(parser.last(part.requests.len()))
    }

    /// Asks another node.
    async fn do_there(
        &mut self,
        place: &Place,
        part: &RelayPart,
        asks: bool,
        resp: RespVersion,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        if self.connections.get(place).is_some_and(Upstream::has_ended) {
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
        if done.is_err() {
            self.connections.remove(place);
        }
        done
    }
}

/// A client's connection to another node.
struct Upstream {
    stream: TcpStream,
    resp: Option<RespVersion>,
    /// What is asked before the first request.
    greeting: Vec<u8>,
    greeting_count: usize,
}

impl Upstream {
    async fn connect(node: &Node, place: &Place) -> Result<Self, String> {
        let values = node.settings.values();
        let limit = Duration::from_millis(values.number("cluster-node-timeout").max(1));
        let stream = tokio::time::timeout(limit, TcpStream::connect((place.host.as_str(), place.port)))
            .await
            .map_err(|_| format!("{}:{} does not answer", place.host, place.port))?
            .map_err(|error| format!("{}:{}: {error}", place.host, place.port))?;
        let _ = stream.set_nodelay(true);
        let (mut greeting, mut greeting_count) = (Vec::new(), 0);
        let (user, password) = (values.text("masteruser"), values.text("masterauth"));
        match (user.is_empty(), password.is_empty()) {
            (_, true) => {}
            (true, false) => greeting_count += encode(&[b"AUTH", password], &mut greeting),
            (false, false) => greeting_count += encode(&[b"AUTH", user, password], &mut greeting),
        }
        // From who knows the cluster: it must not ask others in turn.
        greeting_count += encode(&[b"READWRITE"], &mut greeting);
        Ok(Self { stream, resp: None, greeting, greeting_count })
    }

    /// Whether the node has closed the connection.
    fn has_ended(&self) -> bool {
        let mut byte = [0];
        match self.stream.try_read(&mut byte) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Sends requests, and returns their replies.
    async fn ask(&mut self, part: &RelayPart, asks: bool, resp: RespVersion) -> Result<Vec<Vec<u8>>, Failure> {
        let mut bytes = std::mem::take(&mut self.greeting);
        let mut count = std::mem::take(&mut self.greeting_count);
        if self.resp.replace(resp) != Some(resp) {
            count += encode(&[b"HELLO", version(resp)], &mut bytes);
        }
        if asks {
            count += encode(&[b"ASKING"], &mut bytes);
        }
        part.requests.iter().for_each(|request| count += encode(request, &mut bytes));
        let lost = |error: std::io::Error| Failure::Unknown(error.to_string());
        self.stream.write_all(&bytes).await.map_err(lost)?;
        let mut parser = Replies::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = self.stream.read(&mut buffer).await.map_err(lost)?;
            if read == 0 {
                return Err(Failure::Unknown("the connection was closed".into()));
            }
            if parser.take(&buffer[..read], count).map_err(Failure::Unknown)? {
                return Ok(parser.last(part.requests.len()));
            }
        }
    }
}

/// Replies as they come, each as it was encoded.
struct Replies {
    parser: ReplyParser,
    bytes: Vec<u8>,
    parsed: usize,
    start: usize,
    replies: Vec<Vec<u8>>,
}

impl Default for Replies {
    fn default() -> Self {
        let parser = ReplyParser::new(ReplyLimits::default());
        Self { parser, bytes: Vec::new(), parsed: 0, start: 0, replies: Vec::new() }
    }
}

impl Replies {
    /// Takes more bytes; says whether so many replies are there.
    fn take(&mut self, bytes: &[u8], count: usize) -> Result<bool, String> {
        self.bytes.extend_from_slice(bytes);
        while self.replies.len() < count {
            let parsed = self.parser.parse(&self.bytes[self.parsed..]).map_err(|error| error.to_string())?;
            self.parsed += parsed.consumed;
            match parsed.value {
                None => break,
                Some(Value::Push(_)) => self.start = self.parsed,
                Some(_) => {
                    self.replies.push(self.bytes[self.start..self.parsed].to_vec());
                    self.start = self.parsed;
                }
            }
        }
        Ok(self.replies.len() == count)
    }

    /// The newest replies.
    fn last(mut self, count: usize) -> Vec<Vec<u8>> {
        self.replies.split_off(self.replies.len().saturating_sub(count))
    }
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

/// Appends a request, and returns how many that makes: one.
fn encode(words: &[impl AsRef<[u8]>], out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    1
}

const READ_BYTES: usize = 16 << 10;

/// How often a request is sent on that came to the wrong node.
const HOPS_MAX: usize = 5;

/// How soon it is looked again who serves a slot whose node is not reached.
const RETRY: Duration = Duration::from_millis(50);

/// How long more than the node timeout it is looked: detection and election take as long as that.
const GRACE: Duration = Duration::from_secs(2);
