//! What a member has its host do, and what it is told of the data.

use super::super::message::Publication;
use super::super::name::NodeName;
use super::super::roster::NodeAddress;
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;
use std::collections::BTreeSet;

/// Which connection of the bus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BusLink(pub(super) u64);

/// What the host does next, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemberOutput {
    /// Keep what the [roster](super::Member::roster) is now. Nothing more may be sent, and no command be answered, before that is
    /// on the disk.
    Save,
    /// Keep what the roster is now, so that it is there when the process begins anew; and on the disk within a second. It concerns slots,
    /// of which others know the same or more, and no epoch of this node.
    Note,
    /// Have the engine's gate follow: who owns which slot, or whether the cluster serves, is another than it was.
    Serve,
    /// Connect to the bus of a node; then [`link_opened`](super::Member::link_opened) or
    /// [`link_closed`](super::Member::link_closed). Where it is not at its address its host name, if it has one, is to be resolved
    /// again, and [`link_opened_at`](super::Member::link_opened_at) told where that led.
    Connect {
        /// Which connection it will be.
        link: BusLink,
        /// Where to.
        address: NodeAddress,
    },
    /// Resolve the seed name, and tell each address to [`seed`](super::Member::seed).
    Seek,
    /// End a connection. Nothing more is told or asked of it.
    Close(BusLink, String),
    /// Follow this primary, which is there.
    Follow(NodeName, NodeAddress),
    /// Follow nobody.
    Lead,
    /// End the link to the primary and make no other one, until told to follow again: it gets no more acknowledgements. The node is a
    /// replica as before.
    Detach,
    /// From here on replicas confirm a write only where enough of each of these have it; `None`: where enough of any have it.
    Confirm(Option<Vec<AckQuorum>>),
    /// Hold writes of clients until then, at the latest.
    HoldWrites(UnixMillis),
    /// Hold them no longer.
    ReleaseWrites,
    /// Delete the keys of slots: they are another's.
    DropKeys(Box<SlotSet>),
    /// Give this to who subscribed here.
    Deliver(Publication, Reach),
    /// Something to tell people.
    Event(MemberEvent),
}

/// Replicas, by the names of the nodes, of whom so many have to have a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AckQuorum {
    /// Whose words count.
    pub members: BTreeSet<NodeName>,
    /// How many.
    pub count: usize,
}

/// Whom a publication is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Clients of every node.
    Cluster,
    /// Clients of the nodes of a slot.
    Shard,
}

/// Something that people want to know.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MemberEvent {
    /// A node does not answer.
    #[error("node {0} does not answer for longer than cluster-node-timeout")]
    Suspected(NodeName),
    /// A majority says so.
    #[error("node {0} is down: a majority of the primaries says so")]
    Failed(NodeName),
    /// It is there again.
    #[error("node {0} answers again")]
    Recovered(NodeName),
    /// The cluster serves, or does not any more.
    #[error("Cluster state changed: {}", if *.0 { "ok" } else { "fail" })]
    Turned(bool),
    /// This node will ask for votes.
    #[error("election begins in {delay_ms} ms: this replica is number {rank} of its shard, at offset {offset}")]
    ElectionPlanned {
        /// Until votes are asked for.
        delay_ms: i64,
        /// How many replicas are ahead of it.
        rank: usize,
        /// Where its data is.
        offset: u64,
    },
    /// It does.
    #[error("asks for votes in epoch {0}")]
    ElectionBegun(u64),
    /// It leads now.
    #[error("leads its shard since epoch {0}")]
    Elected(u64),
    /// It gets no votes, or not now.
    #[error("does not stand for election: {0}")]
    NoElection(String),
    /// It voted.
    #[error("votes for {candidate} in epoch {epoch}")]
    Voted {
        /// Whom for.
        candidate: NodeName,
        /// In which epoch.
        epoch: u64,
    },
    /// It did not.
    #[error("does not vote for {candidate} in epoch {epoch}: {why}")]
    NotVoted {
        /// Who asked.
        candidate: NodeName,
        /// In which epoch.
        epoch: u64,
        /// The reason.
        why: &'static str,
    },
    /// Slots are another's now.
    #[error("{count} slots are those of {owner} since epoch {epoch}")]
    Claimed {
        /// Whose they are.
        owner: NodeName,
        /// Since when.
        epoch: u64,
        /// How many.
        count: usize,
    },
    /// Two primaries had one epoch, and this node took another.
    #[error("took epoch {0}: another primary had the same as this node")]
    EpochCollision(u64),
    /// A node is known from now on.
    #[error("node {0} is a member")]
    Joined(NodeName),
    /// It is not known any more.
    #[error("node {0} is forgotten")]
    Forgotten(NodeName),
    /// This replica asks the others of its shard for promises.
    #[error("asks the replicas of its shard for promises in epoch {0}")]
    AsksForPromises(u64),
    /// It promised itself.
    #[error("promises epoch {epoch} to {candidate}, and acknowledges no earlier primary")]
    Promised {
        /// To whom.
        candidate: NodeName,
        /// In which epoch.
        epoch: u64,
    },
    /// It did not.
    #[error("does not promise epoch {epoch} to {candidate}: {why}")]
    NotPromised {
        /// Who asked.
        candidate: NodeName,
        /// In which epoch.
        epoch: u64,
        /// The reason.
        why: &'static str,
    },
    /// A primary has another epoch, by the promises of its replicas.
    #[error("leads its shard anew, in epoch {0}: its replicas promised that")]
    Renewed(u64),
    /// Other replicas are to have what is acknowledged.
    #[error("{count} of {size} replicas are to have what is acknowledged{}", if *is_settled { "" } else { ", once they know" })]
    Group {
        /// Of how many.
        size: usize,
        /// So many.
        count: u8,
        /// Whether that counts alone.
        is_settled: bool,
    },
    /// A manual failover goes on.
    #[error("manual failover: {0}")]
    Manual(String),
}

/// What the member has to know of this node's data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The end of its stream.
    pub offset: u64,
    /// Its link to the primary.
    pub upstream: Upstream,
    /// Whether writes are held and none is under way: the end stays where it is.
    pub is_still: bool,
    /// Another number for another history of the data: offsets are comparable within one.
    pub history: u64,
}

/// The link to the primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upstream {
    /// There is none, and never was since this node follows the primary.
    None,
    /// The stream comes; the primary was heard of last then.
    Streaming {
        /// When.
        heard: UnixMillis,
    },
    /// The stream came until then.
    Down {
        /// Since when not.
        since: UnixMillis,
    },
}

impl Default for Facts {
    fn default() -> Self {
        Self { offset: 0, upstream: Upstream::None, is_still: false, history: 0 }
    }
}
