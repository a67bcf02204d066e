//! What a host adds to an engine: commands that concern the process, files or other nodes, and its parts of INFO.

use crate::effect::Offset;
use crate::resp::{ReplyWriter, RespVersion, Value, parse_reply};
use crate::slot::Slot;
use parking_lot::Mutex;
use std::cell::OnceCell;
use std::sync::Arc;
use std::task::Waker;

/// A section of INFO, in the order in which they are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum InfoSection {
    Server,
    Clients,
    Memory,
    Persistence,
    Stats,
    Replication,
    Cpu,
    Modules,
    Commandstats,
    Errorstats,
    Latencystats,
    Cluster,
    Keyspace,
    Hotspots,
}

/// Who asks the host for something.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The client's id.
    pub client_id: u64,
    /// The client's address.
    pub addr: &'a str,
    /// The client's database.
    pub db: u16,
    /// Whether the request is one of a transaction that is being run.
    pub in_exec: bool,
    /// Where a reply that comes later is noted, if the client can wait for one.
    pub(crate) later: Option<&'a OnceCell<LaterReply>>,
    pub(crate) resp: RespVersion,
    pub(crate) waker: &'a Waker,
}

impl Asker<'_> {
    /// A reply that is given later: the client waits for it, and its thread does not. `None` where a reply is wanted at once:
    /// inside a transaction, and of an embedder's call. What was written to the request's own reply counts for nothing then.
    pub fn reply_later(&self) -> Option<LaterReply> {
        let later = || LaterReply::new(self.resp, self.waker.clone());
        Some(self.later?.get_or_init(later).clone())
    }
}

/// The reply to one request, which somebody is to give. A client whose request is never answered waits for ever.
#[derive(Clone, Debug)]
pub struct LaterReply {
    resp: RespVersion,
    waker: Waker,
    given: Arc<Mutex<Option<Given>>>,
}

/// A reply, and the journal offset that it tells of.
type Given = (Vec<u8>, Offset);

impl LaterReply {
    pub(crate) fn new(resp: RespVersion, waker: Waker) -> Self {
        Self { resp, waker, given: Arc::default() }
    }

    /// Writes the reply, and wakes the client's session. The first reply counts.
    pub fn give(&self, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        self.give_at(Offset(0), write);
    }

    /// As [`give`](Self::give); the client is told once the journal up to `offset` is where it was promised to be.
    pub fn give_at(&self, offset: Offset, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        let mut bytes = Vec::new();
        write(&mut ReplyWriter::new(&mut bytes, self.resp));
        self.given.lock().get_or_insert((bytes, offset));
        self.waker.wake_by_ref();
    }

    /// The reply, once it is there, and the journal offset that it tells of.
    pub(crate) fn take(&self) -> Option<(Vec<u8>, Offset)> {
        self.given.lock().take()
    }
}

/// Which kind of channel a message is published on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// A channel of all nodes (PUBLISH).
    Plain,
    /// A channel that belongs to a slot, and so to the nodes that have it (SPUBLISH).
    Sharded,
}

/// A message on its way from node to node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published<'a> {
    /// The kind of its channel.
    pub channel: Channel,
    /// The channel's name.
    pub name: &'a [u8],
    /// What is said.
    pub message: &'a [u8],
}

/// What a client asked for that other nodes serve, or several nodes: to be done there, for a client that knows nothing of the
/// cluster. Whoever takes it gives its reply; a client whose request is never answered waits for ever.
#[derive(Debug)]
pub struct Relay {
    pub(crate) parts: Vec<RelayPart>,
    pub(crate) join: Join,
    pub(crate) resp: RespVersion,
    pub(crate) later: LaterReply,
}

/// Requests to be done by whoever serves a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayPart {
    /// The slot of all their keys.
    pub slot: Slot,
    /// They are to be done by the node to which the slot is on its way, behind ASKING.
    pub asks: bool,
    /// The requests, in order, over one connection. The reply to the last one is what counts.
    pub requests: Vec<Vec<Box<[u8]>>>,
}

/// How the replies of the parts become one.
#[derive(Debug)]
pub(crate) enum Join {
    /// There is one part.
    Whole,
    /// They are numbers.
    Sum,
    /// They are arrays. For each element of the whole: which part, and where in it.
    Gather(Vec<(usize, usize)>),
}

impl Relay {
    /// What is to be done. Never empty; the parts may be done in any order, or at once.
    pub fn parts(&self) -> &[RelayPart] {
        &self.parts
    }

    /// The version of the protocol in which the replies are to be.
    pub fn resp_version(&self) -> RespVersion {
        self.resp
    }

    /// Gives the client its reply. `replies` are encoded, one for each part: the reply to its last request. The first error among
    /// them is the client's reply. O(bytes).
    pub fn give(self, replies: &[Vec<u8>]) {
        match (&self.join, replies) {
            (Join::Whole, [whole]) => self.later.give(|reply| reply.encoded(whole)),
            _ => match self.joined(replies) {
                Ok(joined) => self.later.give(|reply| joined.write(reply)),
                Err(reason) => self.refuse(&reason),
            },
        }
    }

    /// Tells the client why nobody did it. The text begins with a code.
    pub fn refuse(self, text: &str) {
        self.later.give(|reply| reply.error(text));
    }

    fn joined(&self, replies: &[Vec<u8>]) -> Result<Value, String> {
        let odd = || "ERR a node of the cluster answered what cannot be understood".to_owned();
        if replies.len() != self.parts.len() {
            return Err(odd());
        }
        let mut parts = Vec::new();
        for reply in replies {
            let (value, _) = parse_reply(reply).map_err(|_| odd())?.ok_or_else(odd)?;
            if value.as_error().is_some() {
                return Ok(value);
            }
            parts.push(value);
        }
        match &self.join {
            Join::Whole => parts.pop().ok_or_else(odd),
            Join::Sum => parts.iter().map(Value::as_i64).sum::<Option<i64>>().map(Value::Integer).ok_or_else(odd),
            Join::Gather(places) => {
                let element = |(part, at): &(usize, usize)| Some(parts[*part].as_slice()?.get(*at)?.clone());
                places.iter().map(element).collect::<Option<_>>().map(Value::Array).ok_or_else(odd)
            }
        }
    }
}

/// The program around an engine. All methods may be called from any thread; none may block for long.
pub trait Host: Send + Sync + 'static {
    /// Does a command whose row says that the host does it (CONFIG, SHUTDOWN, CLUSTER ...) and writes its reply. False if
    /// this host does not offer it: then nothing was written.
    fn control(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> bool;

    /// Appends the host's lines of a section (`field:value\r\n`). A field that the engine would print too is printed
    /// once, with the host's value.
    fn info(&self, section: InfoSection, out: &mut String);

    /// Takes a message that a client or an embedder of a cluster's node published, for those who listen at other nodes; those who
    /// listen here are given it by the engine. Called in the order of the messages of one client, maybe while slots are held: no door
    /// of the engine may be used.
    fn published(&self, message: Published<'_>) {
        let _ = message;
    }

    /// Has other nodes do requests of a client that knows nothing of the cluster, where
    /// [`cluster_proxy`](crate::Options::cluster_proxy) is set. What one client asks for comes one after another, and is done in that
    /// order.
    fn relay(&self, client_id: u64, relay: Relay) {
        let _ = client_id;
        relay.refuse("ERR this host asks no other nodes");
    }
}
