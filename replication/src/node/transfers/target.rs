//! The target's side: what arrives, when it is claimed, and what is deleted.

use super::job::{Job, Step};
use super::report::{Direction, TransferEvent, TransferOutput, TransferState};
use super::{EMPTY_KEYS, STRICT_TEXT, Transfers};
use crate::cluster::member::Member;
use crate::cluster::{NodeName, Transfer, TransferStage};
use crate::link::note;
use crate::migration::ImportEvent;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Offset, UnixMillis};

impl Transfers {
    /// Somebody asks what became of a transfer here: what to answer.
    pub fn answer(&self, member: &Member, name: &NodeName, slots: &SlotSet) -> &'static str {
        let me = member.roster().me();
        match self.jobs.get(name).map(|job| job.step) {
            Some(Step::Arriving | Step::Settling { .. }) => "PENDING",
            _ if me.is_primary() && slots.is_subset(&me.slots) => "CLAIMED",
            _ => "NONE",
        }
    }

    /// A source wants to send slots here. An error is what to answer; else the import may begin.
    pub fn accept(
        &mut self,
        member: &mut Member,
        (name, source): (NodeName, NodeName),
        slots: &SlotSet,
        now: UnixMillis,
    ) -> Result<(), String> {
        let roster = member.roster();
        let me = roster.me();
        if !me.is_primary() {
            return Err("ERR Slots move to primaries only".into());
        }
        if member.options().strict.is_some() {
            return Err(STRICT_TEXT.into());
        }
        let owner = roster.node(&source).filter(|node| node.is_primary());
        let owner = owner.ok_or_else(|| format!("ERR The source {source} is not a primary that is known here"))?;
        if !slots.is_subset(&owner.slots) {
            return Err("ERR The source does not serve all of the slots, as far as is known here".into());
        }
        if let Some(slot) = slots.iter().find(|slot| roster.importing.contains_key(slot)) {
            return Err(format!("ERR Slot {slot} is being imported by CLUSTER SETSLOT"));
        }
        let others = self.jobs.values().filter(|job| !job.slots.is_disjoint(slots));
        if others.clone().any(|job| job.step != Step::Emptying) {
            return Err("ERR Slots are already moving in".into());
        }
        let mine = me.name;
        if others.count() > 0 || self.engine.has_keys(slots) {
            if !self.jobs.contains_key(&name) {
                let mut job = Job::new((name, Direction::Import), (mine, source), slots.clone(), Step::Emptying, now);
                (job.report.state, job.report.message) = (TransferState::CleaningUp, "there were keys".into());
                self.remember(member, job.remembered(TransferStage::Arriving));
                self.jobs.insert(name, job);
            }
            return Err("TRYAGAIN Keys that are in the slots here are deleted first".into());
        }
        let job = Job::new((name, Direction::Import), (mine, source), slots.clone(), Step::Arriving, now);
        self.remember(member, job.remembered(TransferStage::Arriving));
        let report = Box::new(job.report.clone());
        self.outputs.push_back(TransferOutput::Event(TransferEvent::Arrives(report)));
        self.jobs.insert(name, job);
        Ok(())
    }

    /// Takes what the source said. `is_sound`: see [`Import::is_sound`](crate::migration::Import::is_sound).
    pub fn import_said(
        &mut self,
        member: &mut Member,
        name: &NodeName,
        event: ImportEvent,
        is_sound: bool,
        now: UnixMillis,
    ) {
        let frozen_ms = now.0 - self.awake.0;
        let Some(job) = self.jobs.get_mut(name).filter(|job| job.step == Step::Arriving) else { return };
        match event {
            ImportEvent::GivenUp(why) => self.give_up(member, name, &why, TransferState::Failed, now),
            ImportEvent::Complete { .. } if !is_sound => {
                self.give_up(member, name, "the database was emptied here meanwhile", TransferState::Failed, now);
            }
            // The source may have given up waiting.
            ImportEvent::Complete { .. } if frozen_ms > member.options().node_timeout_ms / 2 => {
                self.give_up(member, name, "the target did not run for a while", TransferState::Failed, now);
            }
            ImportEvent::Complete { epoch } => {
                // Whoever takes this node's place claims them, too.
                let claiming = job.remembered(TransferStage::Claiming(epoch));
                note(&self.engine, &Member::note_of(&claiming));
                let until = now.saturating_add(SETTLE_MS);
                let step = Step::Settling { epoch, offset: self.engine.position(), until };
                job.turn(step, TransferState::Claiming, now);
            }
        }
    }

    /// Remembers a transfer, and has replicas do so.
    pub(super) fn remember(&self, member: &mut Member, transfer: Transfer) {
        note(&self.engine, &Member::note_of(&transfer));
        member.remember_transfer(transfer);
    }

    /// Says in the stream what a replica that is new there has to know.
    pub fn say_all(&self, member: &Member) {
        let arrive = |transfer: &&Transfer| transfer.stage == TransferStage::Arriving;
        member.transfers().filter(arrive).for_each(|transfer| note(&self.engine, &Member::note_of(transfer)));
    }

    /// Takes up what a primary, whose place this node took, had begun.
    pub(super) fn adopt(&mut self, member: &mut Member, now: UnixMillis) {
        if !member.roster().me().is_primary() {
            return;
        }
        let unknown = |transfer: &&Transfer| {
            !self.jobs.contains_key(&transfer.name) && !self.deleted.contains_key(&transfer.name)
        };
        let found: Vec<Transfer> = member.transfers().filter(unknown).cloned().collect();
        for Transfer { name, peer, stage, slots } in found {
            let me = member.roster().me().name;
            let step = match stage {
                // What this node gave was given by another, or is known.
                TransferStage::Leaving(_) | TransferStage::Left => continue,
                TransferStage::Arriving => Step::Emptying,
                TransferStage::Claiming(epoch) if self.may_inherit(member, &peer, epoch, &slots) => {
                    let epoch = member.roster().me().config_epoch.max(epoch);
                    Step::Settling { epoch, offset: Offset(0), until: now }
                }
                TransferStage::Claiming(_) => Step::Emptying,
            };
            let mut job = Job::new((name, Direction::Import), (me, peer), slots, step, now);
            (job.report.state, job.report.message) =
                (TransferState::CleaningUp, "the primary of this node was replaced".to_owned());
            self.jobs.insert(name, job);
        }
    }

    /// Whether slots may be claimed that a primary was about to: their source still waits for that.
    pub(super) fn may_inherit(&self, member: &Member, source: &NodeName, epoch: u64, slots: &SlotSet) -> bool {
        let source = member.roster().node(source);
        source.is_some_and(|source| source.config_epoch < epoch && slots.is_subset(&source.slots))
    }

    pub(super) fn claim(&mut self, member: &mut Member, name: &NodeName, epoch: u64, now: UnixMillis) {
        match member.claim_transfer(name, epoch, now) {
            true => {
                self.outputs.push_back(TransferOutput::Claimed { name: *name, epoch });
                self.end(name, TransferState::Success, "", now);
            }
            false => {
                let why = "the slots are another's in a newer epoch";
                self.give_up(member, name, why, TransferState::Failed, now);
            }
        }
    }

    /// Deletes some of what is here of slots that do not move in.
    pub(super) fn empty(&mut self, member: &mut Member, name: &NodeName, now: UnixMillis) {
        let Some(job) = self.jobs.get(name) else { return };
        let me = member.roster().me();
        // What became this node's in another way is not touched.
        let is_done = !me.is_primary() || {
            let strangers = job.slots.difference(&me.slots);
            !self.engine.drop_slots(&strangers, EMPTY_KEYS).more
        };
        if is_done {
            self.deleted.insert(*name, self.engine.position());
            let why = job.report.message.clone();
            let state = if why.is_empty() { TransferState::Cancelled } else { TransferState::Failed };
            self.end(name, state, &why, now);
        }
    }
}

/// Replicas of the target have so long to get what is claimed.
const SETTLE_MS: i64 = 500;
