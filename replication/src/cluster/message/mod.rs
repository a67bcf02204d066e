//! What nodes say to each other on the bus.

mod codec;
#[cfg(test)]
mod golden_tests;

pub use codec::{BusDecoder, BusProtocolError, decode, encode, encode_light};

use super::name::NodeName;
use super::strict::StrictWord;
use keyslot_engine::slot::SlotSet;

/// What comes over a connection of the bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A message that says all of its sender.
    Message(Box<Message>),
    /// A [`Body::Publish`] or [`Body::PublishShard`] of which the connection tells who says it. Valkey 8 and this library send
    /// publications so to who [takes](NodeFlags::LIGHT) them.
    Light(Body),
}

/// A message of the bus: who says it, and what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// What every message says of its sender.
    pub header: Header,
    /// What this one says.
    pub body: Body,
}

/// What every message says of its sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its name.
    pub sender: NodeName,
    /// Its address, where it announces one; else it is where the connection comes from.
    pub ip: Option<String>,
    /// The port for clients: the one with TLS where it offers that first.
    pub port: u16,
    /// The other port for clients: without TLS where `port` is with; 0 for none.
    pub plain_port: u16,
    /// The port of its bus.
    pub bus_port: u16,
    /// The highest epoch that it knows of.
    pub current_epoch: u64,
    /// The epoch of the slots below: a replica says its primary's.
    pub config_epoch: u64,
    /// Its offset in the stream.
    pub offset: u64,
    /// The slots of its shard.
    pub slots: SlotSet,
    /// Whom it follows.
    pub primary: Option<NodeName>,
    /// What it is.
    pub flags: NodeFlags,
    /// Whether the cluster serves, as it sees it.
    pub is_up: bool,
    /// Its primary's writes are held for a manual failover.
    pub is_paused: bool,
    /// A vote is asked for although the primary is not down.
    pub is_forced: bool,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// I am here; are you?
    Ping(Pulse),
    /// I am here.
    Pong(Pulse),
    /// I am here; take me in.
    Meet(Pulse),
    /// A majority agrees that this node is down.
    Fail(NodeName),
    /// A message of pub/sub, for clients of every node.
    Publish(Publication),
    /// A message of a sharded channel, for clients of the shard.
    PublishShard(Publication),
    /// Vote for me.
    VoteRequest,
    /// You have my vote.
    Vote,
    /// You are wrong about who owns these slots.
    Update {
        /// Who owns them.
        owner: NodeName,
        /// Since when.
        config_epoch: u64,
        /// All slots of that node.
        slots: Box<SlotSet>,
    },
    /// A replica asks its primary to hold writes: a manual failover begins.
    ManualFailover,
    /// Something of a module, or of a version to come: read over.
    Unknown(u16),
}

/// What a PING, PONG or MEET carries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pulse {
    /// Of other nodes.
    pub gossip: Vec<Gossip>,
    /// Of the sender itself.
    pub extensions: Extensions,
}

/// What a node knows of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gossip {
    /// Its name.
    pub name: NodeName,
    /// When it was asked last and has not answered since; 0 if nothing is open. Seconds of UNIX time.
    pub ping_sent_s: u32,
    /// When it answered last. Seconds of UNIX time.
    pub pong_received_s: u32,
    /// Its address.
    pub ip: String,
    /// As in [`Header::port`].
    pub port: u16,
    /// As in [`Header::plain_port`].
    pub plain_port: u16,
    /// The port of its bus.
    pub bus_port: u16,
    /// What it is, and whether it is down.
    pub flags: NodeFlags,
}

/// Parts of a [`Pulse`] that older versions do not know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    /// Its host name; empty if it has none.
    pub hostname: Option<String>,
    /// What people call it; empty if they do not.
    pub human_name: Option<String>,
    /// Nodes that were told to be forgotten, and for how many more seconds.
    pub forgotten: Vec<(NodeName, u64)>,
    /// The shard that it belongs to.
    pub shard: Option<NodeName>,
    /// What nodes of a shard with strict failover say to each other. Others read over it, and are not told.
    pub strict: Option<Box<StrictWord>>,
}

/// A message of pub/sub.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Where it was said.
    pub channel: Vec<u8>,
    /// What was said.
    pub message: Vec<u8>,
}

/// What a node is, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeFlags(pub u16);

impl NodeFlags {
    /// It may own slots.
    pub const PRIMARY: Self = Self(1);
    /// It follows a primary.
    pub const REPLICA: Self = Self(1 << 1);
    /// It does not answer.
    pub const PFAIL: Self = Self(1 << 2);
    /// A majority says that it does not answer.
    pub const FAIL: Self = Self(1 << 3);
    /// It is the one that says so.
    pub const MYSELF: Self = Self(1 << 4);
    /// It was not heard of under its own name yet.
    pub const HANDSHAKE: Self = Self(1 << 5);
    /// Where it is is not known.
    pub const NO_ADDRESS: Self = Self(1 << 6);
    /// It is to be asked to take this node in.
    pub const MEET: Self = Self(1 << 7);
    /// Replicas of others may become its own.
    pub const MIGRATE_TO: Self = Self(1 << 8);
    /// It does not stand for election.
    pub const NO_FAILOVER: Self = Self(1 << 9);
    /// It votes whether it has slots or not (`cluster-voter`). A bit of this library, which Redis and Valkey read over.
    pub const VOTER: Self = Self(1 << 15);
    /// It takes publications with a short head. Said in heads of messages only.
    pub const LIGHT: Self = Self(1 << 11);

    /// Whether all of these are set.
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With these, too.
    #[must_use]
    pub fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Without these.
    #[must_use]
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}
