//! Who owns which slot.
//!
//! A primary claims its slots in every message, with its epoch. A claim is granted for slots that are nobody's, or whose owner has a
//! lower epoch. A claim that comes too late is answered with UPDATE: who owns the slots, and since when. Two primaries of one epoch are
//! told apart by their names: the one with the lower name takes another epoch.
//!
//! A node that loses its last slot by a claim, or whose primary does, follows who claimed it.

use super::super::message::{Body, Header};
use super::super::name::NodeName;
use super::Member;
use super::output::{MemberEvent, MemberOutput};
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;

impl Member {
    /// Takes what slots a node says its shard has.
    pub(super) fn take_claim(&mut self, name: NodeName, header: &Header, now: UnixMillis) {
        let Some(node) = self.roster.node(&name) else { return };
        let owner = if node.is_primary() { Some(name) } else { node.primary };
        let Some(owner) = owner.and_then(|owner| self.roster.node(&owner)) else { return };
        if owner.slots == header.slots {
            return;
        }
        let owner = owner.name;
        if owner == name {
            self.grant(name, header.config_epoch, &header.slots, now);
        }
        self.set_right(name, owner, header);
    }

    /// Tells a node that claims slots of another who owns them.
    fn set_right(&mut self, name: NodeName, claims_for: NodeName, header: &Header) {
        let is_newer = |node: &&super::KnownNode| {
            node.name != claims_for && node.config_epoch > header.config_epoch && !node.slots.is_disjoint(&header.slots)
        };
        let Some(owner) = self.roster.nodes().find(is_newer) else { return };
        let slots = Box::new(owner.slots.clone());
        let update = Body::Update { owner: owner.name, config_epoch: owner.config_epoch, slots };
        let update = self.message(update);
        self.send_to(&name, &update);
    }

    /// Takes that a third node owns slots.
    pub(super) fn take_update(&mut self, owner: NodeName, config_epoch: u64, slots: &SlotSet, now: UnixMillis) {
        let Some(node) = self.roster.node_mut(&owner) else { return };
        let is_stale = node.config_epoch >= config_epoch;
        #[cfg(test)]
        let is_stale = is_stale && self.flaw != Some(super::Flaw::StaleUpdate);
        if is_stale || owner == self.roster.me().name {
            return;
        }
        self.set_primary(owner);
        if let Some(node) = self.roster.node_mut(&owner) {
            node.config_epoch = config_epoch;
            self.is_unsaved = true;
        }
        self.grant(owner, config_epoch, slots, now);
    }

    /// Gives a node the slots that it claims, as far as its epoch allows.
    pub(super) fn grant(&mut self, claimant: NodeName, epoch: u64, claimed: &SlotSet, now: UnixMillis) {
        let me = self.roster.me().name;
        if claimant == me {
            return;
        }
        let lead = self.my_primary().map(|node| node.name);
        let Some(node) = self.roster.node(&claimant) else { return };
        let mut wanted = claimed.difference(&node.slots);
        // Slots that are imported change hands by an operator's word only.
        for slot in self.roster.importing.keys() {
            wanted.remove(*slot);
        }
        if wanted.is_empty() {
            return;
        }
        let (mut mine, mut lost) = (SlotSet::new(), 0);
        for owner in self.roster.nodes_mut().filter(|owner| owner.name != claimant) {
            let contested = owner.slots.intersection(&wanted);
            if contested.is_empty() {
                continue;
            }
            let is_newer = owner.config_epoch >= epoch;
            #[cfg(test)]
            let is_newer = is_newer && self.flaw != Some(super::Flaw::StaleUpdate);
            if is_newer {
                wanted = wanted.difference(&contested);
                continue;
            }
            owner.slots = owner.slots.difference(&contested);
            if Some(owner.name) == lead {
                lost = contested.len();
                if owner.name != me {
                    self.departed = self.departed.union(&contested);
                }
            }
            if owner.name == me {
                mine = contested;
            }
        }
        if wanted.is_empty() {
            return;
        }
        self.note_first_slots(claimant);
        if let Some(node) = self.roster.node_mut(&claimant) {
            node.slots = node.slots.union(&wanted);
        }
        self.roster.migrating.retain(|slot, _| !wanted.contains(*slot));
        self.note_inherited();
        // What a transfer is decided by is on the disk before it goes on.
        self.is_unsaved |= !self.roster.transfers.is_empty();
        (self.is_unnoted, self.is_unserved) = (true, true);
        self.tell(MemberEvent::Claimed { owner: claimant, epoch, count: wanted.len() });
        let is_bare = lost > 0 && self.my_primary().is_none_or(|node| node.slots.is_empty());
        // With all of its slots at one node it was replaced; with some elsewhere it was emptied.
        if is_bare && (self.options.allows_replica_migration || claimed.len() == lost) {
            self.follow(claimant);
            self.is_unsaved = true;
        } else if !mine.is_empty() {
            self.outputs.push_back(MemberOutput::DropKeys(Box::new(mine)));
        }
        self.review_health(now);
    }

    /// Nobody follows a replica: who followed a node that follows another now goes there. Its claim may have been heard too late to
    /// tell that this node is concerned.
    pub(super) fn leave_replica(&mut self) {
        let me = self.roster.me();
        let beyond = me.primary.and_then(|primary| self.roster.node(&primary)).and_then(|primary| primary.primary);
        if let Some(primary) = beyond.filter(|primary| *primary != me.name && me.is_replica()) {
            self.follow(primary);
        }
    }

    /// Two primaries of one epoch: this node takes another if its name is the lower one.
    pub(super) fn settle_collision(&mut self, name: NodeName, header: &Header, now: UnixMillis) {
        let me = self.roster.me();
        let Some(node) = self.roster.node(&name) else { return };
        let collides = me.is_primary() && node.is_primary() && header.config_epoch == me.config_epoch;
        if !collides || name <= me.name {
            return;
        }
        if self.is_strict() && self.roster.groups.all().next().is_some() {
            // A newer epoch than that of who may have taken its place is not to be had by itself.
            let above = self.roster.me().config_epoch;
            return self.renew(above, now);
        }
        let epoch = self.take_next_epoch();
        self.tell(MemberEvent::EpochCollision(epoch));
    }

    /// Gives this node an epoch that nobody had, as far as it knows.
    pub(super) fn take_next_epoch(&mut self) -> u64 {
        self.roster.current_epoch += 1;
        let epoch = self.roster.current_epoch;
        self.roster.me_mut().config_epoch = epoch;
        // Nobody knows that one yet.
        self.strict.kept.clear();
        self.is_unsaved = true;
        epoch
    }
}
