//! What one node knows of the cluster: the nodes, their slots, the epochs.
//!
//! Invariants
//! - A slot is in the set of one node at most.
//! - This node is in the roster, marked [`MYSELF`](NodeFlags::MYSELF), and nobody else is.

use super::message::NodeFlags;
use super::name::NodeName;
use super::strict::{AckGroups, Pledge};
use super::transfer::{Transfer, TransferStage};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Slot, UnixMillis};
use std::collections::BTreeMap;

/// What one node knows of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roster {
    me: NodeName,
    nodes: BTreeMap<NodeName, KnownNode>,
    /// The highest epoch that is known of.
    pub current_epoch: u64,
    /// The epoch in which this node voted last.
    pub last_vote_epoch: u64,
    /// Slots that this node gives away, and to whom.
    pub migrating: BTreeMap<Slot, NodeName>,
    /// Slots that this node takes, and from whom.
    pub importing: BTreeMap<Slot, NodeName>,
    /// Slots that leave or arrive at once, by the names of the transfers.
    pub transfers: BTreeMap<NodeName, Transfer>,
    /// Of those that leave, the slots that nobody is served from. Not kept: after a restart all that may be claimed are.
    pub paused: BTreeMap<NodeName, SlotSet>,
    /// What this node has promised under strict failover.
    pub pledge: Option<Pledge>,
    /// Who has to have what its shard acknowledges, under strict failover.
    pub groups: AckGroups,
}

/// A node as another knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownNode {
    /// Its name.
    pub name: NodeName,
    /// The shard that it says it belongs to.
    pub shard: NodeName,
    /// Where it is.
    pub address: NodeAddress,
    /// What it is.
    pub flags: NodeFlags,
    /// Whom it follows.
    pub primary: Option<NodeName>,
    /// Since which epoch it owns its slots.
    pub config_epoch: u64,
    /// Its slots: none at a replica.
    pub slots: SlotSet,
    /// When it was asked and has not answered since.
    pub ping_sent: Option<UnixMillis>,
    /// When it answered last.
    pub pong_received: Option<UnixMillis>,
    /// Its offset in the stream of its shard, by its own account.
    pub offset: u64,
    /// Whether there is a connection to it.
    pub is_linked: bool,
}

/// Where a node is reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NodeAddress {
    /// The address; empty where it is not known.
    pub ip: String,
    /// The port for clients: the one with TLS where it offers that first.
    pub port: u16,
    /// The other port for clients: without TLS where `port` is with; 0 for none.
    pub plain_port: u16,
    /// The port of its bus.
    pub bus_port: u16,
    /// The host name; empty if it announces none.
    pub hostname: String,
    /// What people call it; empty if they do not.
    pub human_name: String,
}

impl Roster {
    /// One that knows nobody but this node.
    pub fn new(me: KnownNode) -> Self {
        let name = me.name;
        Self {
            me: name,
            nodes: BTreeMap::from([(name, me)]),
            current_epoch: 0,
            last_vote_epoch: 0,
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            transfers: BTreeMap::new(),
            paused: BTreeMap::new(),
            pledge: None,
            groups: AckGroups::default(),
        }
    }

    /// This node.
    pub fn me(&self) -> &KnownNode {
        &self.nodes[&self.me]
    }

    pub(super) fn me_mut(&mut self) -> &mut KnownNode {
        self.nodes.get_mut(&self.me).expect("this node is in its roster")
    }

    /// Nothing leaves or arrives any more.
    pub(super) fn forget_transfers(&mut self) {
        self.transfers.clear();
        self.paused.clear();
    }

    /// Slots of which some keys are here and that are not this node's.
    pub fn arriving(&self) -> SlotSet {
        let arrive =
            |transfer: &&Transfer| matches!(transfer.stage, TransferStage::Arriving | TransferStage::Claiming(_));
        self.transfers.values().filter(arrive).fold(SlotSet::new(), |all, transfer| all.union(&transfer.slots))
    }

    /// A node by its name.
    pub fn node(&self, name: &NodeName) -> Option<&KnownNode> {
        self.nodes.get(name)
    }

    pub(super) fn node_mut(&mut self, name: &NodeName) -> Option<&mut KnownNode> {
        self.nodes.get_mut(name)
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &KnownNode> {
        self.nodes.values()
    }

    pub(crate) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut KnownNode> {
        self.nodes.values_mut()
    }

    /// How many nodes are known, this one included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: this node is there.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(super) fn insert(&mut self, node: KnownNode) {
        self.nodes.insert(node.name, node);
    }

    /// Takes out another node; its slots are nobody's then.
    pub(super) fn remove(&mut self, name: &NodeName) -> Option<KnownNode> {
        let removed = self.nodes.remove(name)?;
        for node in self.nodes.values_mut().filter(|node| node.primary == Some(*name)) {
            node.primary = None;
        }
        Some(removed)
    }

    /// Gives this node another name.
    pub(super) fn rename_me(&mut self, name: NodeName) {
        let mut me = self.nodes.remove(&self.me).expect("this node is in its roster");
        me.name = name;
        self.me = name;
        self.nodes.insert(name, me);
    }

    /// Who owns a slot. O(nodes).
    pub fn owner(&self, slot: Slot) -> Option<&KnownNode> {
        self.nodes.values().find(|node| node.slots.contains(slot))
    }

    /// Who follows a node, in the order of their names.
    pub fn replicas_of(&self, name: NodeName) -> impl Iterator<Item = &KnownNode> {
        self.nodes.values().filter(move |node| node.primary == Some(name))
    }

    /// The slots that somebody owns.
    pub fn assigned(&self) -> SlotSet {
        self.nodes.values().fold(SlotSet::new(), |assigned, node| assigned.union(&node.slots))
    }
}

impl KnownNode {
    /// One of which nothing is known but name and place.
    pub fn new(name: NodeName, address: NodeAddress, flags: NodeFlags) -> Self {
        Self {
            name,
            shard: name,
            address,
            flags,
            primary: None,
            config_epoch: 0,
            slots: SlotSet::new(),
            ping_sent: None,
            pong_received: None,
            offset: 0,
            is_linked: false,
        }
    }

    /// Whether it may own slots.
    pub fn is_primary(&self) -> bool {
        self.flags.has(NodeFlags::PRIMARY)
    }

    /// Whether it has slots.
    pub fn owns_slots(&self) -> bool {
        self.is_primary() && !self.slots.is_empty()
    }

    /// Whether it has a vote: it has slots, or votes without.
    pub fn votes(&self) -> bool {
        self.owns_slots() || self.flags.has(NodeFlags::VOTER)
    }

    /// Whether it follows a primary.
    pub fn is_replica(&self) -> bool {
        self.flags.has(NodeFlags::REPLICA)
    }

    /// Whether a majority says that it is down.
    pub fn is_failed(&self) -> bool {
        self.flags.has(NodeFlags::FAIL)
    }

    /// Whether it does not answer this node.
    pub fn is_suspected(&self) -> bool {
        self.flags.has(NodeFlags::PFAIL)
    }

    /// Whether its own name is not known yet.
    pub fn is_in_handshake(&self) -> bool {
        self.flags.has(NodeFlags::HANDSHAKE)
    }
}
