//! Slots that change hands at once: what the member remembers of it, and how they do.
//!
//! The source raises the current epoch, has a majority know of that, remembers that the slots may be gone ([`TransferStage::Leaving`]), and
//! only then lets the target claim them in it. Whoever is elected later is so in a higher epoch, so a claim that comes late beats nobody.

use super::super::message::Header;
use super::super::name::NodeName;
use super::super::transfer::{Transfer, TransferStage};
use super::Member;
use super::hand_over::HandOver;
use super::output::MemberEvent;
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;

impl Member {
    /// The transfers that this node remembers.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.roster.transfers.values()
    }

    /// Remembers a transfer, in the place of what was remembered of it. The gate follows.
    pub fn remember_transfer(&mut self, transfer: Transfer) {
        if self.roster.transfers.get(&transfer.name) != Some(&transfer) {
            self.roster.transfers.insert(transfer.name, transfer);
            (self.is_unsaved, self.is_unserved) = (true, true);
        }
    }

    /// Forgets a transfer. The gate follows.
    pub fn forget_transfer(&mut self, name: &NodeName) {
        self.is_unserved |= self.roster.paused.remove(name).is_some();
        if self.roster.transfers.remove(name).is_some() {
            (self.is_unsaved, self.is_unserved) = (true, true);
        }
    }

    /// Takes what the primary said of a transfer in its stream: [`Transfer`] as text, or its name where it is over.
    pub fn take_note(&mut self, text: &str) {
        let Some(text) = text.strip_prefix(NOTE).filter(|_| self.roster.me().is_replica()) else { return };
        match (Transfer::parse(text), NodeName::parse(text.as_bytes())) {
            (Some(transfer), _) => self.remember_transfer(transfer),
            (None, Some(name)) => self.forget_transfer(&name),
            (None, None) => {}
        }
    }

    /// What to say in the stream of a transfer that arrives, for [`take_note`](Self::take_note).
    pub fn note_of(transfer: &Transfer) -> String {
        format!("{NOTE}{transfer}")
    }

    /// What to say of one that is over.
    pub fn note_of_end(name: &NodeName) -> String {
        format!("{NOTE}{name}")
    }

    /// The slots of a transfer that left are another's: what is remembered from here on is that their keys are to be deleted.
    pub fn leave_transfer(&mut self, name: &NodeName) {
        self.roster.paused.remove(name);
        if let Some(transfer) = self.roster.transfers.get_mut(name) {
            transfer.stage = TransferStage::Left;
            (self.is_unsaved, self.is_unserved) = (true, true);
        }
    }

    /// Forgets what its primary was about to claim, and has.
    pub(super) fn note_inherited(&mut self) {
        let Some(primary) = self.my_primary().filter(|_| self.roster.me().is_replica()) else { return };
        let has = |transfer: &&Transfer| {
            matches!(transfer.stage, TransferStage::Claiming(_)) && transfer.slots.is_subset(&primary.slots)
        };
        let names: Vec<NodeName> = self.roster.transfers.values().filter(has).map(|transfer| transfer.name).collect();
        names.iter().for_each(|name| self.forget_transfer(name));
    }

    /// Whether this primary is about to give its place to a replica.
    pub fn hands_over(&self) -> bool {
        self.roster.me().is_primary() && self.hand_over != HandOver::None
    }

    /// Has the slots of a transfer that leave be paused, or served again.
    pub fn pause_transfer(&mut self, name: &NodeName, slots: &SlotSet, is_paused: bool) {
        let changed = match is_paused {
            true => self.roster.paused.insert(*name, slots.clone()).is_none(),
            false => self.roster.paused.remove(name).is_some(),
        };
        self.is_unserved |= changed;
    }

    /// Takes the next epoch as the current one, for another node to claim slots in, and says which.
    pub fn raise_epoch(&mut self, now: UnixMillis) -> u64 {
        self.roster.current_epoch += 1;
        self.is_unsaved = true;
        let me = self.roster.me().name;
        let voters: Vec<NodeName> = self.voters().map(|node| node.name).filter(|name| *name != me).collect();
        // Their answers say what they know.
        voters.into_iter().for_each(|name| self.ping(name, now));
        self.roster.current_epoch
    }

    /// Whether a majority of those who vote knows of an epoch.
    pub fn is_known_epoch(&self, epoch: u64) -> bool {
        let me = self.roster.me().name;
        let knows = |name: &NodeName| {
            *name == me && self.roster.current_epoch >= epoch
                || self.peers.get(name).is_some_and(|peer| peer.current_epoch >= epoch)
        };
        self.voters().filter(|node| knows(&node.name)).count() >= self.quorum()
    }

    pub(super) fn note_epoch(&mut self, name: &NodeName, header: &Header) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.current_epoch = peer.current_epoch.max(header.current_epoch);
        }
    }

    /// Takes the slots of a transfer, in an epoch that its source gave. False, and nothing is changed, if they are somebody's who has
    /// as new an epoch.
    pub fn claim_transfer(&mut self, name: &NodeName, epoch: u64, now: UnixMillis) -> bool {
        let Some(transfer) = self.roster.transfers.get(name) else { return false };
        let (slots, me) = (transfer.slots.clone(), self.roster.me());
        if !me.is_primary() {
            return false;
        }
        let mine = me.name;
        let is_newer = |node: &&super::KnownNode| {
            node.name != mine && node.config_epoch >= epoch && !node.slots.is_disjoint(&slots)
        };
        if self.roster.nodes().any(|node| is_newer(&node)) {
            return false;
        }
        self.note_first_slots(mine);
        self.roster.nodes_mut().for_each(|node| node.slots = node.slots.difference(&slots));
        self.roster.current_epoch = self.roster.current_epoch.max(epoch);
        let me = self.roster.me_mut();
        me.slots = me.slots.union(&slots);
        me.config_epoch = me.config_epoch.max(epoch);
        self.roster.importing.retain(|slot, _| !slots.contains(*slot));
        self.forget_transfer(name);
        self.tell(MemberEvent::Claimed { owner: mine, epoch, count: slots.len() });
        (self.is_unsaved, self.is_unserved) = (true, true);
        self.review_health(now);
        self.tell_pulse(|_| true, now);
        true
    }

    /// Takes that the target of a transfer has claimed its slots.
    pub fn give_transfer(&mut self, name: &NodeName, now: UnixMillis) {
        let Some(Transfer { peer, stage: TransferStage::Leaving(epoch), slots, .. }) =
            self.roster.transfers.get(name).cloned()
        else {
            return;
        };
        // Clients are sent there at once: what is on the disk is that the slots may be gone.
        let was_unsaved = self.is_unsaved;
        self.leave_transfer(name);
        let Some(node) = self.roster.node_mut(&peer) else { return };
        node.config_epoch = node.config_epoch.max(epoch);
        let claimed = node.slots.union(&slots);
        self.roster.current_epoch = self.roster.current_epoch.max(epoch);
        self.grant(peer, epoch, &claimed, now);
        (self.is_unsaved, self.is_unnoted) = (was_unsaved, true);
        self.tell_pulse(|_| true, now);
    }

    /// Keeps slots that might have been claimed: in an epoch that is newer than that claim.
    pub fn reclaim_transfer(&mut self, name: &NodeName, now: UnixMillis) {
        self.forget_transfer(name);
        self.take_next_epoch();
        self.tell_pulse(|_| true, now);
        self.review_health(now);
    }
}

const NOTE: &str = "transfer ";
