//! What an operator has this member do: CLUSTER with its sub-commands, but for those that only show something.
//!
//! A command is done, or refused with the text of its reply and nothing changed.

use super::super::message::NodeFlags;
use super::super::name::NodeName;
use super::super::roster::NodeAddress;
use super::output::{MemberEvent, MemberOutput};
use super::pulse::FORGET_MS;
use super::{Candidacy, Member};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Slot, UnixMillis};
use std::net::IpAddr;

/// What commands have to know of the data.
pub trait Contents {
    /// Whether there is no key in any database.
    fn is_empty(&self) -> bool;
    /// Whether a slot has keys.
    fn has_keys(&self, slot: Slot) -> bool;
}

/// Why a command changed nothing: the text of its reply.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ClusterRefusal {
    #[error("ERR Unknown node {0}")]
    UnknownNode(NodeName),
    #[error("ERR I don't know about node {0}")]
    UnknownTarget(NodeName),
    #[error("ERR I tried hard but I can't forget myself...")]
    ForgetMyself,
    #[error("ERR Can't forget my master!")]
    ForgetPrimary,
    #[error("ERR Can't replicate myself")]
    ReplicateMyself,
    #[error("ERR I can only replicate a master, not a replica.")]
    ReplicateReplica,
    #[error("ERR To set a master the node must be empty and without assigned slots.")]
    NotEmpty,
    #[error("ERR You should send CLUSTER FAILOVER to a replica")]
    NotReplica,
    #[error("ERR I'm a replica but my master is unknown to me")]
    PrimaryUnknown,
    #[error("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE")]
    PrimaryDown,
    #[error("ERR Please use SETSLOT only with masters.")]
    SetSlotOfReplica,
    #[error("ERR Please use ADDSLOTS only with masters.")]
    AddSlotsOfReplica,
    #[error("ERR I'm not the owner of hash slot {0}")]
    NotOwner(Slot),
    #[error("ERR I'm already the owner of hash slot {0}")]
    Owner(Slot),
    #[error("ERR Target node is not a master")]
    TargetReplica,
    #[error("ERR Can't assign hashslot {0} to a different node while I still hold keys for this hash slot.")]
    HoldsKeys(Slot),
    #[error("ERR Slot {0} is already busy")]
    Busy(Slot),
    #[error("ERR Slot {0} is already unassigned")]
    Unassigned(Slot),
    #[error("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.")]
    FlushWithKeys,
    #[error("ERR The user can assign a config epoch only when the node does not know any other node.")]
    KnowsOthers,
    #[error("ERR Node config epoch is already non-zero")]
    HasEpoch,
    #[error("ERR CLUSTER RESET can't be called with master nodes containing keys")]
    ResetWithKeys,
    #[error("ERR Invalid node address specified: {0}:{1}")]
    BadAddress(String, i64),
}

impl Member {
    /// `CLUSTER MEET ip port [bus-port]`: this node and that one are to know each other.
    pub fn meet(&mut self, ip: &str, port: u16, bus_port: u16, now: UnixMillis) -> Result<(), ClusterRefusal> {
        let bad = || ClusterRefusal::BadAddress(ip.to_owned(), port.into());
        let parsed: IpAddr = ip.parse().map_err(|_| bad())?;
        if port == 0 || bus_port == 0 {
            return Err(bad());
        }
        let address = NodeAddress { ip: parsed.to_string(), port, bus_port, ..NodeAddress::default() };
        self.begin_handshake(address, NodeFlags::HANDSHAKE.with(NodeFlags::MEET), now);
        self.tend_links(now);
        Ok(())
    }

    /// `CLUSTER FORGET id`: another node is not known any more, and not taken in for a minute.
    pub fn forget(&mut self, name: NodeName, now: UnixMillis) -> Result<(), ClusterRefusal> {
        let me = self.roster.me();
        if self.roster.node(&name).is_none() {
            // Another node that was told first may have passed it on.
            let is_forgotten = self.forgotten.contains_key(&name);
            return if is_forgotten { Ok(()) } else { Err(ClusterRefusal::UnknownNode(name)) };
        }
        if name == me.name {
            return Err(ClusterRefusal::ForgetMyself);
        }
        if me.primary == Some(name) {
            return Err(ClusterRefusal::ForgetPrimary);
        }
        self.forgotten.insert(name, now.saturating_add(FORGET_MS));
        self.remove_node(&name, now);
        self.review_health(now);
        Ok(())
    }

    /// `CLUSTER REPLICATE id`: this node follows that one.
    pub fn replicate(
        &mut self,
        name: NodeName,
        contents: &dyn Contents,
        now: UnixMillis,
    ) -> Result<(), ClusterRefusal> {
        let node = self.roster.node(&name).ok_or(ClusterRefusal::UnknownNode(name))?;
        let me = self.roster.me();
        if name == me.name {
            return Err(ClusterRefusal::ReplicateMyself);
        }
        if node.is_replica() {
            return Err(ClusterRefusal::ReplicateReplica);
        }
        if me.is_primary() && (!me.slots.is_empty() || !contents.is_empty()) {
            return Err(ClusterRefusal::NotEmpty);
        }
        self.follow(name);
        self.review_health(now);
        // Others need not wait for the next ping to know it.
        self.tell_pulse(|_| true, now);
        Ok(())
    }

    /// `CLUSTER ADDSLOTS`: slots that are nobody's are this node's.
    pub fn add_slots(&mut self, slots: &SlotSet, now: UnixMillis) -> Result<(), ClusterRefusal> {
        if !self.roster.me().is_primary() {
            return Err(ClusterRefusal::AddSlotsOfReplica);
        }
        let assigned = self.roster.assigned();
        if let Some(slot) = slots.intersection(&assigned).iter().next() {
            return Err(ClusterRefusal::Busy(slot));
        }
        self.note_first_slots(self.roster.me().name);
        let me = self.roster.me_mut();
        me.slots = me.slots.union(slots);
        self.roster.importing.retain(|slot, _| !slots.contains(*slot));
        self.slots_changed(now);
        Ok(())
    }

    /// `CLUSTER DELSLOTS`: slots are nobody's, as far as this node knows.
    pub fn delete_slots(&mut self, slots: &SlotSet, now: UnixMillis) -> Result<(), ClusterRefusal> {
        let assigned = self.roster.assigned();
        if let Some(slot) = slots.difference(&assigned).iter().next() {
            return Err(ClusterRefusal::Unassigned(slot));
        }
        self.roster.nodes_mut().for_each(|node| node.slots = node.slots.difference(slots));
        self.slots_changed(now);
        Ok(())
    }

    /// `CLUSTER FLUSHSLOTS`: this node has no slots.
    pub fn flush_slots(&mut self, contents: &dyn Contents, now: UnixMillis) -> Result<(), ClusterRefusal> {
        if !contents.is_empty() {
            return Err(ClusterRefusal::FlushWithKeys);
        }
        self.roster.me_mut().slots.clear();
        self.slots_changed(now);
        Ok(())
    }

    fn slots_changed(&mut self, now: UnixMillis) {
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.review_health(now);
    }

    /// `CLUSTER SETSLOT slot MIGRATING id`: keys of the slot are on their way to that node.
    pub fn set_migrating(&mut self, slot: Slot, to: NodeName) -> Result<(), ClusterRefusal> {
        let me = self.led()?;
        if !me.slots.contains(slot) {
            return Err(ClusterRefusal::NotOwner(slot));
        }
        let node = self.roster.node(&to).ok_or(ClusterRefusal::UnknownTarget(to))?;
        if node.is_replica() {
            return Err(ClusterRefusal::TargetReplica);
        }
        self.roster.migrating.insert(slot, to);
        (self.is_unnoted, self.is_unserved) = (true, true);
        Ok(())
    }

    /// `CLUSTER SETSLOT slot IMPORTING id`: keys of the slot come from that node.
    pub fn set_importing(&mut self, slot: Slot, from: NodeName) -> Result<(), ClusterRefusal> {
        let me = self.led()?;
        if me.slots.contains(slot) {
            return Err(ClusterRefusal::Owner(slot));
        }
        let node = self.roster.node(&from).ok_or(ClusterRefusal::UnknownTarget(from))?;
        if node.is_replica() {
            return Err(ClusterRefusal::TargetReplica);
        }
        self.roster.importing.insert(slot, from);
        (self.is_unnoted, self.is_unserved) = (true, true);
        Ok(())
    }

    /// `CLUSTER SETSLOT slot STABLE`: no keys are on their way.
    pub fn set_stable(&mut self, slot: Slot) -> Result<(), ClusterRefusal> {
        self.led()?;
        self.roster.migrating.remove(&slot);
        self.roster.importing.remove(&slot);
        (self.is_unnoted, self.is_unserved) = (true, true);
        Ok(())
    }

    /// `CLUSTER SETSLOT slot NODE id`: the slot is that node's, as far as this node knows.
    pub fn set_owner(
        &mut self,
        slot: Slot,
        owner: NodeName,
        contents: &dyn Contents,
        now: UnixMillis,
    ) -> Result<(), ClusterRefusal> {
        let me = self.led()?;
        let (name, was_mine) = (me.name, me.slots.contains(slot));
        let node = self.roster.node(&owner).ok_or(ClusterRefusal::UnknownNode(owner))?;
        if node.is_replica() {
            return Err(ClusterRefusal::TargetReplica);
        }
        let has_keys = contents.has_keys(slot);
        if was_mine && owner != name && has_keys {
            return Err(ClusterRefusal::HoldsKeys(slot));
        }
        if !has_keys {
            self.roster.migrating.remove(&slot);
        }
        self.roster.nodes_mut().for_each(|node| {
            node.slots.remove(slot);
        });
        self.note_first_slots(owner);
        if let Some(node) = self.roster.node_mut(&owner) {
            node.slots.insert(slot);
        }
        if owner == name && self.roster.importing.contains_key(&slot) {
            // Nobody was asked: a newer epoch than all others makes the claim good.
            if self.has_highest_epoch() || self.bump_epoch(now) {
                self.keep_imported();
            }
            self.tell_pulse(|_| true, now);
        }
        if was_mine && owner != name && self.roster.me().slots.is_empty() && self.options.allows_replica_migration {
            self.follow(owner);
            self.is_unsaved = true;
        }
        (self.is_unnoted, self.is_unserved) = (true, true);
        self.review_health(now);
        Ok(())
    }

    /// This node, if it leads.
    fn led(&self) -> Result<&super::KnownNode, ClusterRefusal> {
        let me = self.roster.me();
        me.is_primary().then_some(me).ok_or(ClusterRefusal::SetSlotOfReplica)
    }

    /// `CLUSTER BUMPEPOCH`: this node takes the highest epoch, unless it has that. True if it took one: under strict failover it asks for
    /// it, and takes it once its replicas promised it.
    pub fn bump_epoch(&mut self, now: UnixMillis) -> bool {
        match (self.has_highest_epoch(), self.needs_promises()) {
            (true, _) => false,
            (false, true) => {
                self.renew(self.roster.current_epoch, now);
                false
            }
            (false, false) => {
                self.take_next_epoch();
                true
            }
        }
    }

    fn has_highest_epoch(&self) -> bool {
        let highest = self.roster.nodes().map(|node| node.config_epoch).max().unwrap_or(0);
        let mine = self.roster.me().config_epoch;
        mine != 0 && mine == highest.max(self.roster.current_epoch)
    }

    /// Slots that were imported are this node's for good: its epoch is newer than that of who had them. Until then no claim of another is
    /// heard for them.
    pub(super) fn keep_imported(&mut self) {
        let slots = self.roster.me().slots.clone();
        self.roster.importing.retain(|slot, _| !slots.contains(*slot));
    }

    /// `CLUSTER SET-CONFIG-EPOCH epoch`, at a node that is alone.
    pub fn set_config_epoch(&mut self, epoch: u64) -> Result<(), ClusterRefusal> {
        if self.roster.len() > 1 {
            return Err(ClusterRefusal::KnowsOthers);
        }
        if self.roster.me().config_epoch != 0 {
            return Err(ClusterRefusal::HasEpoch);
        }
        self.roster.me_mut().config_epoch = epoch;
        self.roster.current_epoch = self.roster.current_epoch.max(epoch);
        self.is_unsaved = true;
        Ok(())
    }

    /// `CLUSTER FAILOVER`: this replica takes its primary's place, with its help.
    pub fn fail_over(&mut self, now: UnixMillis) -> Result<(), ClusterRefusal> {
        let name = self.led_by()?;
        let is_there = self.roster.node(&name).is_some_and(|node| !node.is_failed() && node.is_linked);
        if !is_there {
            return Err(ClusterRefusal::PrimaryDown);
        }
        self.begin_hand_over(false, now);
        Ok(())
    }

    /// `CLUSTER FAILOVER FORCE`: without its help.
    pub fn fail_over_by_force(&mut self, now: UnixMillis) -> Result<(), ClusterRefusal> {
        self.led_by()?;
        self.begin_hand_over(true, now);
        Ok(())
    }

    /// `CLUSTER FAILOVER TAKEOVER`: and without asking anybody.
    pub fn fail_over_by_takeover(&mut self, now: UnixMillis) -> Result<(), ClusterRefusal> {
        self.led_by()?;
        self.end_hand_over();
        if !self.has_highest_epoch() {
            self.take_next_epoch();
        }
        let epoch = self.roster.me().config_epoch;
        self.take_over(epoch, now);
        Ok(())
    }

    fn led_by(&self) -> Result<NodeName, ClusterRefusal> {
        let me = self.roster.me();
        if !me.is_replica() {
            return Err(ClusterRefusal::NotReplica);
        }
        me.primary.filter(|name| self.roster.node(name).is_some()).ok_or(ClusterRefusal::PrimaryUnknown)
    }

    /// `CLUSTER RESET`: this node knows nobody and has no slots; `is_hard`: and has another name and no epoch. A replica loses its data.
    pub fn reset(&mut self, is_hard: bool, contents: &dyn Contents, now: UnixMillis) -> Result<(), ClusterRefusal> {
        let was_replica = self.roster.me().is_replica();
        if !was_replica && !contents.is_empty() {
            return Err(ClusterRefusal::ResetWithKeys);
        }
        self.end_hand_over();
        self.candidacy = Candidacy::None;
        if was_replica {
            self.lead();
            self.outputs.push_back(MemberOutput::DropKeys(Box::new(SlotSet::full())));
        }
        let others: Vec<NodeName> = self.peers.keys().copied().collect();
        others.iter().for_each(|name| self.remove_node(name, now));
        self.roster.me_mut().slots.clear();
        self.roster.migrating.clear();
        self.roster.importing.clear();
        self.roster.forget_transfers();
        self.leave_shard();
        self.end_reign();
        let shard = NodeName::from_chance(self.chance.triple());
        let name = NodeName::from_chance(self.chance.triple());
        if is_hard {
            (self.roster.current_epoch, self.roster.last_vote_epoch) = (0, 0);
            self.roster.me_mut().config_epoch = 0;
            let old = self.roster.me().name;
            self.roster.rename_me(name);
            self.tell(MemberEvent::Forgotten(old));
        }
        if is_hard || was_replica {
            self.roster.me_mut().shard = shard;
        }
        self.slots_changed(now);
        Ok(())
    }

    /// `CLUSTER SAVECONFIG`.
    pub fn save(&mut self) {
        self.is_unsaved = true;
    }

    /// `CLUSTER COUNT-FAILURE-REPORTS id`.
    pub fn failure_reports(&mut self, name: NodeName, now: UnixMillis) -> Result<usize, ClusterRefusal> {
        match self.roster.node(&name) {
            Some(_) => Ok(self.count_reports(&name, now)),
            None => Err(ClusterRefusal::UnknownNode(name)),
        }
    }

    /// A publication of a client, for others to deliver: to all nodes, or to those of this shard.
    pub fn publish(&mut self, publication: super::super::message::Publication, reach: super::Reach) {
        use super::super::message::Body;
        match reach {
            super::Reach::Cluster => {
                let message = self.message(Body::Publish(publication));
                self.broadcast(&message);
            }
            super::Reach::Shard => {
                let message = self.message(Body::PublishShard(publication));
                let primary = self.my_primary().map(|node| node.name);
                let is_mine = |node: &&super::KnownNode| {
                    Some(node.name) == primary || (node.primary == primary && primary.is_some())
                };
                let names: Vec<NodeName> = self.roster.nodes().filter(is_mine).map(|node| node.name).collect();
                names.iter().for_each(|name| self.send_to(name, &message));
            }
        }
    }
}
