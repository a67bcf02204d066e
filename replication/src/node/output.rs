//! What a node has its host do, and tells it.

use super::failover::AbortReason;
use super::target::Target;
use super::transfers::TransferEvent;
use crate::cluster::NodeAddress;
use crate::cluster::member::{MemberEvent, Reach};
use crate::cluster::message::Publication;
use crate::link::{LinkError, ReplicaError, ReplicaEvent, SyncRequest};
use keyslot_engine::Offset;
use keyslot_engine::slot::SlotSet;

/// Which connection, of this node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub(super) u64);

/// Which wait, of this node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WaitId(pub(super) u64);

/// What a node has its host do, or tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Connect to this address; then [`link_opened`](super::Node::link_opened), or [`link_closed`](super::Node::link_closed) if it
    /// does not work.
    Connect {
        /// What it is called from here on.
        connection: ConnectionId,
        /// Where.
        target: Target,
    },
    /// Close a connection, behind what was taken of it. Nothing is asked for it any more.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A replica is served over this connection.
    Served {
        /// Over which.
        connection: ConnectionId,
        /// What it asked for.
        request: SyncRequest,
        /// Whether its stream goes on where it was; else it gets everything anew.
        goes_on: bool,
    },
    /// Something happened on the link to the primary. After [`Replacing`](ReplicaEvent::Replacing) the host ends the log of its
    /// data, if there is one, and calls [`proceed`](super::Node::proceed); after [`Replaced`](ReplicaEvent::Replaced) it may begin
    /// one.
    Link(ReplicaEvent),
    /// A failover changed who leads. Whoever keeps whom this node follows notes it.
    Failover(FailoverEvent),
    /// Keep what the [roster](crate::cluster::member::Member::roster) of the cluster is now, on the disk, before anything more is sent
    /// or answered.
    KeepRoster,
    /// As [`Connect`](Self::Connect), to the bus of a node. Where it is not at its address its host name may lead to another: then
    /// [`bus_opened_at`](super::Node::bus_opened_at). Where nobody listens: [`bus_refused`](super::Node::bus_refused).
    ConnectBus {
        /// What it is called from here on.
        connection: ConnectionId,
        /// Where.
        address: NodeAddress,
    },
    /// Delete the keys of these slots: they are another node's.
    DropKeys(Box<SlotSet>),
    /// Resolve the cluster's seed name, and tell each address to [`Member::seed`](crate::cluster::member::Member::seed).
    Seek,
    /// Give this to who subscribed here.
    Publication(Publication, Reach),
    /// Something happened in the cluster.
    Member(MemberEvent),
    /// Something became of slots on their way.
    Transfer(TransferEvent),
    /// A wait is over.
    Waited {
        /// Which.
        wait: WaitId,
        /// What replicas were to have.
        offset: Offset,
        /// How it went.
        outcome: WaitOutcome,
    },
}

/// What a failover does to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailoverEvent {
    /// A replica is followed, and asked to lead.
    Follows(Target),
    /// It leads: this node is its replica from here on.
    HandedOver,
    /// The failover was given up. The node leads, again or still.
    GaveUp(AbortReason),
    /// The primary asked this replica to lead, and it does.
    TookOver(ConnectionId),
}

/// How a wait went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitOutcome {
    /// So many replicas have it, enough or not.
    Reached(usize),
    /// The node follows another now.
    LeadsNoMore,
}

/// Why a connection is closed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The link to a replica ended.
    #[error("a replica is let go: {0}")]
    Replica(LinkError),
    /// The link to the primary failed.
    #[error("the link to the primary failed: {0}")]
    Primary(ReplicaError),
    /// The primary could not be reached in time.
    #[error("the primary cannot be reached")]
    Unreached,
    /// A connection of the bus ended.
    #[error("a connection of the bus: {0}")]
    Bus(String),
    /// A connection of a transfer of slots ended.
    #[error("a transfer of slots: {0}")]
    Transfer(String),
    /// Another node is followed now, or none.
    #[error("another node is followed now, or none")]
    Left,
}
