//! The source's side: what leaves, when it is paused, and what became of it.

use super::job::{Job, Step};
use super::report::{Direction, TransferEvent, TransferOutput, TransferState};
use super::{EMPTY_KEYS, RETRY_MS, STRICT_TEXT, Transfers};
#[cfg(test)]
use crate::cluster::member::Flaw;
use crate::cluster::member::Member;
use crate::cluster::view::TRANSFER_FORM;
use crate::cluster::{NodeName, Transfer, TransferStage};
use crate::link::note;
use crate::migration::ExportEvent;
use keyslot_engine::UnixMillis;
use keyslot_engine::slot::SlotSet;

impl Transfers {
    /// Begins to send slots of this node to others: all of these, or none. An error is what to answer.
    pub fn begin_all(
        &mut self,
        member: &mut Member,
        moves: &[(SlotSet, NodeName)],
        now: UnixMillis,
    ) -> Result<(), String> {
        let mut begun = Vec::new();
        for (slots, target) in moves {
            match self.begin(member, slots, *target, now) {
                Ok(name) => begun.push(name),
                Err(error) => {
                    begun.iter().for_each(|name| drop(self.jobs.remove(name)));
                    self.outputs.retain(
                        |output| !matches!(output, TransferOutput::Connect { name, .. } if begun.contains(name)),
                    );
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Begins to send slots of this node to another. An error is what to answer.
    pub fn begin(
        &mut self,
        member: &Member,
        slots: &SlotSet,
        target: NodeName,
        now: UnixMillis,
    ) -> Result<NodeName, String> {
        let roster = member.roster();
        let me = roster.me();
        if !me.is_primary() {
            return Err("ERR Slot migration can only be used on primary nodes.".into());
        }
        if member.options().strict.is_some() {
            return Err(STRICT_TEXT.into());
        }
        let node = roster.node(&target).ok_or_else(|| format!("ERR Unknown node {target}"))?;
        if target == me.name {
            return Err("ERR Target node can not be this node".into());
        }
        if node.is_replica() {
            return Err("ERR Target node is not a primary".into());
        }
        if let Some(slot) = slots.difference(&me.slots).iter().next() {
            return Err(format!("ERR Slots are not served by this node: {slot}"));
        }
        let is_open = |slot| roster.migrating.contains_key(&slot) || roster.importing.contains_key(&slot);
        if let Some(slot) = slots.iter().find(|slot| is_open(*slot)) {
            return Err(format!("ERR Slot {slot} is being migrated by CLUSTER SETSLOT"));
        }
        if self.jobs.values().any(|job| !job.slots.is_disjoint(slots)) {
            return Err("ERR Slots are already being migrated".into());
        }
        let name = NodeName::from_chance(self.chance.triple());
        let step = Step::Connecting { retry_at: None };
        let job = Job::new((name, Direction::Export), (me.name, target), slots.clone(), step, now);
        self.jobs.insert(name, job);
        self.outputs.push_back(TransferOutput::Connect { name, address: node.address.clone() });
        Ok(name)
    }

    /// The request that begins a transfer at its target.
    pub fn establish(&self, name: &NodeName) -> Vec<String> {
        let Some(job) = self.jobs.get(name) else { return Vec::new() };
        let mut words: Vec<String> =
            ["CLUSTER", "SYNCSLOTS", "ESTABLISH", TRANSFER_FORM, "SOURCE"].into_iter().map(str::to_owned).collect();
        words.extend([job.report.source.to_string(), "NAME".into(), name.to_string(), "SLOTSRANGE".into()]);
        words.extend(range_words(&job.slots));
        words
    }

    /// The request that asks the target what became of a transfer.
    pub fn question(&self, name: &NodeName) -> Vec<String> {
        let Some(job) = self.jobs.get(name) else { return Vec::new() };
        let mut words: Vec<String> =
            ["CLUSTER", "SYNCSLOTS", "STATE", TRANSFER_FORM, "NAME"].into_iter().map(str::to_owned).collect();
        words.extend([name.to_string(), "SLOTSRANGE".into()]);
        words.extend(range_words(&job.slots));
        words
    }

    /// The target answered [`establish`](Self::establish): the export may begin, if this says so.
    pub fn established(&mut self, member: &mut Member, name: &NodeName, reply: &str, now: UnixMillis) -> bool {
        let Some(job) = self.jobs.get_mut(name) else { return false };
        job.note(now);
        match reply {
            "+OK" => {
                job.turn(Step::Copying { behind_since: None, is_slowed: false }, TransferState::Copying, now);
                return true;
            }
            // It still empties the slots of an earlier try.
            _ if reply.starts_with("-TRYAGAIN") => {
                job.step = Step::Connecting { retry_at: Some(now.saturating_add(RETRY_MS)) };
            }
            _ => {
                let why = format!("the target does not take the slots: {}", reply.trim_start_matches('-'));
                self.give_up(member, name, &why, TransferState::Failed, now);
            }
        }
        false
    }

    /// Says how far an export is: decides when its slots are paused.
    pub fn exported(&mut self, member: &mut Member, name: &NodeName, lag: Option<(u64, u64)>, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let Step::Copying { behind_since, is_slowed } = job.step else { return };
        let Some((bytes, frames)) = lag else { return };
        job.report.remaining_bytes = bytes;
        if bytes <= NEAR_BYTES && frames <= NEAR_FRAMES {
            let slots = job.slots.clone();
            let until = now.saturating_add(member.options().node_timeout_ms);
            let epoch = member.raise_epoch(now);
            job.turn(Step::Agreeing { epoch, until }, TransferState::Agreeing, now);
            if is_slowed {
                member.pause_transfer(name, &slots, false);
            }
            return self.agree(member, name, now);
        }
        // Writers that are faster than the target are slowed, once it had time to catch up.
        let since = behind_since.unwrap_or(now);
        let is_late = now.0 - since.0 > PATIENCE_MS;
        let slows = is_late && (bytes > FAR_BYTES || is_slowed && bytes > NEAR_BYTES);
        job.step = Step::Copying { behind_since: Some(since), is_slowed: slows };
        if slows != is_slowed {
            let slots = job.slots.clone();
            member.pause_transfer(name, &slots, slows);
        }
    }

    /// Pauses the slots once a majority knows the epoch.
    pub(super) fn agree(&mut self, member: &mut Member, name: &NodeName, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let Step::Agreeing { epoch, until } = job.step else { return };
        if member.is_known_epoch(epoch) {
            let stage = TransferStage::Leaving(epoch);
            let (name, peer, slots) = (*name, job.report.target, job.slots.clone());
            let pauses = true;
            #[cfg(test)]
            let pauses = pauses && !member.has_flaw(Flaw::ServesLeaving);
            member.pause_transfer(&name, &slots, pauses);
            member.remember_transfer(Transfer { name, peer, stage, slots });
            job.turn(Step::Pausing { epoch }, TransferState::Paused, now);
            let report = Box::new(job.report.clone());
            self.outputs.push_back(TransferOutput::Event(TransferEvent::Paused(report)));
            self.outputs.push_back(TransferOutput::End { name, epoch });
        } else if until <= now {
            let why = "no majority of the primaries answers";
            self.give_up(member, name, why, TransferState::Failed, now);
        }
    }

    /// Takes what the target said.
    pub fn export_said(&mut self, member: &mut Member, name: &NodeName, event: ExportEvent, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        job.note(now);
        match (event, job.step) {
            (ExportEvent::Claimed { epoch }, Step::Pausing { epoch: given } | Step::Unclear { epoch: given, .. })
                if epoch == given =>
            {
                member.give_transfer(name, now);
                self.end_export(member, name, now);
            }
            (ExportEvent::Claimed { .. }, _) => {
                self.give_up(member, name, "the target claims what it was not given", TransferState::Failed, now);
            }
            (ExportEvent::Refused(why), Step::Pausing { .. } | Step::Unclear { .. }) => {
                member.reclaim_transfer(name, now);
                self.end(name, TransferState::Failed, &why, now);
            }
            (ExportEvent::Refused(why), _) => self.give_up(member, name, &why, TransferState::Failed, now),
        }
    }

    /// The target answered [`question`](Self::question).
    pub fn told(&mut self, member: &mut Member, name: &NodeName, reply: &str, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        let Step::Unclear { epoch, .. } = job.step else { return };
        job.note(now);
        match reply {
            "+CLAIMED" => self.export_said(member, name, ExportEvent::Claimed { epoch }, now),
            "+NONE" => {
                let why = std::mem::take(&mut job.report.message);
                member.reclaim_transfer(name, now);
                self.end(name, TransferState::Failed, &why, now);
            }
            // It is about to claim them, or is no node that knows of transfers.
            _ => {}
        }
    }

    /// Asks what became of slots that the target may have claimed.
    pub(super) fn tend_unclear(&mut self, member: &mut Member, name: &NodeName, now: UnixMillis) {
        let timeout_ms = member.options().node_timeout_ms;
        let Some(job) = self.jobs.get_mut(name) else { return };
        let Step::Unclear { epoch, ask_at, down_since } = job.step else { return };
        let roster = member.roster();
        let target = roster.node(&job.report.target);
        // Who leads its shard now.
        let leader = target.and_then(|node| match node.primary {
            None => Some(node),
            Some(primary) => roster.node(&primary),
        });
        let is_down = leader.is_none_or(|node| node.is_failed());
        let down_since = if is_down { Some(down_since.unwrap_or(now)) } else { None };
        if down_since.is_some_and(|since| now.0 - since.0 > 2 * timeout_ms) {
            member.reclaim_transfer(name, now);
            let why = "the target is down, and did not claim the slots as far as is known";
            return self.end(name, TransferState::Failed, why, now);
        }
        let asks = ask_at <= now && !is_down;
        let ask_at = if asks { now.saturating_add(ASK_MS) } else { ask_at };
        job.step = Step::Unclear { epoch, ask_at, down_since };
        if let Some(node) = leader.filter(|_| asks) {
            self.outputs.push_back(TransferOutput::Ask { name: *name, address: node.address.clone() });
        }
    }

    /// The slots are the target's: their keys are deleted from here on, a few at a time.
    pub(super) fn end_export(&mut self, member: &Member, name: &NodeName, now: UnixMillis) {
        if let Some(left) = member.transfers().find(|transfer| transfer.name == *name) {
            note(&self.engine, &Member::note_of(left));
        }
        self.deletes = true;
        self.end(name, TransferState::Success, "", now);
    }

    /// Deletes some keys of slots that left.
    pub(super) fn delete_departed(&mut self, member: &mut Member) {
        self.deletes = false;
        let left =
            |transfer: &&Transfer| transfer.stage == TransferStage::Left && !self.deleted.contains_key(&transfer.name);
        let Some(Transfer { name, slots, .. }) = member.transfers().find(left).cloned() else { return };
        let me = member.roster().me();
        if !me.is_primary() {
            return;
        }
        self.deletes = true;
        let back = me.slots.union(&member.roster().arriving());
        if !self.engine.drop_slots(&slots.difference(&back), EMPTY_KEYS).more {
            self.deleted.insert(name, self.engine.position());
        }
    }
}

/// Ranges as pairs of words.
fn range_words(slots: &SlotSet) -> Vec<String> {
    slots.ranges().flat_map(|range| [range.start().to_string(), range.end().to_string()]).collect()
}

const ASK_MS: i64 = 200;
/// With less to send the slots may be paused.
const NEAR_BYTES: u64 = 64 << 10;
const NEAR_FRAMES: u64 = 4;
/// With more to send writers are slowed,
const FAR_BYTES: u64 = 1 << 20;
/// if it was so for so long.
const PATIENCE_MS: i64 = 1_000;
