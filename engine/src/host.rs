//! What a host adds to an engine: commands that concern the process, files or other nodes, and its parts of INFO.

use crate::resp::{ReplyWriter, RespVersion};
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
        let later = || LaterReply { resp: self.resp, waker: self.waker.clone(), bytes: Arc::default() };
        Some(self.later?.get_or_init(later).clone())
    }
}

/// The reply to one request, which somebody is to give. A client whose request is never answered waits for ever.
#[derive(Clone, Debug)]
pub struct LaterReply {
    resp: RespVersion,
    waker: Waker,
    bytes: Arc<Mutex<Option<Vec<u8>>>>,
}

impl LaterReply {
    /// Writes the reply, and wakes the client's session. The first reply counts.
    pub fn give(&self, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        let mut bytes = Vec::new();
        write(&mut ReplyWriter::new(&mut bytes, self.resp));
        self.bytes.lock().get_or_insert(bytes);
        self.waker.wake_by_ref();
    }

    /// The reply, once it is there.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.bytes.lock().take()
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

    /// Whether this password opens the default user; `None` if no password is asked for.
    fn check_password(&self, user: &[u8], password: &[u8]) -> Option<bool>;

    /// Whether clients must authenticate.
    fn needs_password(&self) -> bool;
}
