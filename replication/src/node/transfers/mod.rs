//! Transfers of slots: who begins, when slots are paused, who claims them, and what becomes of one that is cut.
//!
//! ```text
//! source   Connecting -> Copying -> Agreeing -> Pausing -> gone
//!              |            |           |          |  '------> Unclear: the connection broke, the target may have claimed
//!              '------------'-----------'          |               |--> gone: it has
//!                     given up                     '--> given up   '--> kept, in a newer epoch: it has not, or it is down
//! target   Arriving -> claimed
//!              '-----> Emptying -> given up
//! ```
//!
//! - *Agreeing*: the source raises the current epoch and waits until a majority knows that. Who is elected later has a higher one, so the
//!   target's claim beats nobody, however late it comes.
//! - *Pausing*: that the slots may be gone is on the source's disk; it serves them to nobody, sends what is left, and waits. It goes on
//!   serving them only where the target says that it will not claim them, or is down by the word of a majority; then in an epoch above
//!   the one that it gave.
//! - The target claims once: when all is there, also at its replicas, and it was not stopped in between.
//! - What is here of slots that did not move in is deleted, after a restart too.
//! - Under strict failover there are none: the epoch that the source gives is one that nobody promised.
//!
//! The machine decides; a host moves bytes between [`Export`](crate::migration::Export)s and [`Import`](crate::migration::Import)s, says
//! what they say, and does what [`poll_output`](Transfers::poll_output) says.

mod job;
mod report;
mod source;
mod target;

pub use report::{Direction, TransferEvent, TransferOutput, TransferReport, TransferState};

use crate::chance::Chance;
use crate::cluster::member::Member;
use crate::cluster::{NodeName, Transfer, TransferStage};
use crate::link::note;
use job::{Job, Step};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, Offset, UnixMillis};
use std::collections::{BTreeMap, VecDeque};

/// See the module.
pub struct Transfers {
    engine: Engine,
    chance: Chance,
    jobs: BTreeMap<NodeName, Job>,
    /// Those that ended, the newest last.
    ended: VecDeque<TransferReport>,
    outputs: VecDeque<TransferOutput>,
    /// When this node was known to run last.
    awake: UnixMillis,
    /// Keys of slots that left are here still.
    deletes: bool,
    /// Transfers of which everything is deleted, and where the journal says so: they are remembered until it cannot come back.
    deleted: BTreeMap<NodeName, Offset>,
}

impl Transfers {
    /// Those of a node. What a member remembers of an earlier life is taken up. `chance` seeds names.
    pub fn new(engine: Engine, member: &Member, chance: u64, now: UnixMillis) -> Self {
        let mut transfers = Self {
            engine,
            chance: Chance::new(chance),
            jobs: BTreeMap::new(),
            ended: VecDeque::new(),
            outputs: VecDeque::new(),
            awake: now,
            deletes: true,
            deleted: BTreeMap::new(),
        };
        let me = member.roster().me().name;
        for Transfer { name, peer, stage, slots } in member.transfers() {
            let (direction, step, state) = match stage {
                TransferStage::Leaving(epoch) => {
                    let step = Step::Unclear { epoch: *epoch, ask_at: now, down_since: None };
                    (Direction::Export, step, TransferState::Unclear)
                }
                TransferStage::Left => continue,
                TransferStage::Arriving | TransferStage::Claiming(_) => {
                    (Direction::Import, Step::Emptying, TransferState::CleaningUp)
                }
            };
            let mut job = Job::new((*name, direction), (me, *peer), slots.clone(), step, now);
            job.report.state = state;
            job.report.message = "the node was started anew".to_owned();
            transfers.jobs.insert(*name, job);
        }
        transfers
    }

    /// What is known of all transfers, the newest last.
    pub fn reports(&self) -> impl Iterator<Item = &TransferReport> {
        self.ended.iter().chain(self.jobs.values().map(|job| &job.report))
    }

    /// The slots of a transfer that goes on.
    pub fn slots(&self, name: &NodeName) -> Option<&SlotSet> {
        self.jobs.get(name).map(|job| &job.slots)
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<TransferOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        let due = |job: &Job| match job.step {
            Step::Emptying => UnixMillis(self.awake.0 + 1),
            _ => UnixMillis(self.awake.0 + TICK_MS),
        };
        let deletes = self.deletes.then_some(UnixMillis(self.awake.0 + 1));
        let waits = (!self.deleted.is_empty()).then_some(UnixMillis(self.awake.0 + RETRY_MS));
        self.jobs.values().map(due).chain(deletes).chain(waits).min()
    }

    /// The connection of a transfer has ended, or did not come about.
    pub fn disconnected(&mut self, member: &mut Member, name: &NodeName, why: &str, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        match job.step {
            Step::Connecting { retry_at: Some(_) } | Step::Unclear { .. } | Step::Emptying => {}
            Step::Connecting { .. } if now.0 - job.report.begun.0 < CONNECT_MS => {
                job.step = Step::Connecting { retry_at: Some(now.saturating_add(RETRY_MS)) };
            }
            Step::Pausing { epoch } => {
                job.report.message = format!("the connection ended: {why}");
                job.turn(Step::Unclear { epoch, ask_at: now, down_since: None }, TransferState::Unclear, now);
            }
            // All is there.
            Step::Settling { .. } => {}
            Step::Connecting { .. } | Step::Copying { .. } | Step::Agreeing { .. } | Step::Arriving => {
                let why = format!("the connection ended: {why}");
                self.give_up(member, name, &why, TransferState::Failed, now);
            }
        }
    }

    /// Something of the source arrived.
    pub fn heard(&mut self, name: &NodeName, now: UnixMillis) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.note(now);
        }
    }

    /// What replicas are to have before slots are claimed.
    pub fn awaited(&self) -> Option<Offset> {
        let offset = |job: &Job| match job.step {
            Step::Settling { offset, .. } => Some(offset),
            _ => None,
        };
        self.jobs.values().filter_map(offset).max()
    }

    /// Cancels all exports that have not got so far that they cannot be. Says how many.
    pub fn cancel(&mut self, member: &mut Member, now: UnixMillis) -> usize {
        let may_be =
            |job: &Job| matches!(job.step, Step::Connecting { .. } | Step::Copying { .. } | Step::Agreeing { .. });
        let names: Vec<NodeName> = self.jobs.iter().filter(|(_, job)| may_be(job)).map(|(name, _)| *name).collect();
        for name in &names {
            self.give_up(member, name, "", TransferState::Cancelled, now);
        }
        names.len()
    }

    /// Does what is due. `reached`: whether all replicas that follow have the journal up to an offset; `kept`: whether its log, if there
    /// is one, keeps that whatever happens.
    pub fn handle_timeout(
        &mut self,
        member: &mut Member,
        reached: impl Fn(Offset) -> bool,
        kept: impl Fn(Offset) -> bool,
        now: UnixMillis,
    ) {
        self.awake = now;
        self.adopt(member, now);
        self.delete_departed(member);
        let over: Vec<NodeName> = self.deleted.iter().filter(|(_, at)| kept(**at)).map(|(name, _)| *name).collect();
        for name in over {
            self.deleted.remove(&name);
            member.forget_transfer(&name);
            note(&self.engine, &Member::note_of_end(&name));
        }
        let names: Vec<NodeName> = self.jobs.keys().copied().collect();
        for name in names {
            self.tend(member, &name, &reached, now);
        }
    }

    fn tend(&mut self, member: &mut Member, name: &NodeName, reached: &impl Fn(Offset) -> bool, now: UnixMillis) {
        if self.tend_ownership(member, name, now) {
            return;
        }
        let silence_ms = silence_ms(member);
        let Some(job) = self.jobs.get_mut(name) else { return };
        match job.step {
            Step::Connecting { retry_at: Some(at) } if at <= now => {
                if now.0 - job.report.begun.0 > CONNECT_MS {
                    return self.give_up(member, name, "the target cannot be reached", TransferState::Failed, now);
                }
                job.step = Step::Connecting { retry_at: None };
                if let Some(node) = member.roster().node(&job.report.target) {
                    let address = node.address.clone();
                    self.outputs.push_back(TransferOutput::Connect { name: *name, address });
                }
            }
            Step::Agreeing { .. } => self.agree(member, name, now),
            Step::Unclear { .. } => self.tend_unclear(member, name, now),
            Step::Settling { epoch, offset, until } => {
                if member.hands_over() {
                    // Its replica gets everything first, this too.
                } else if reached(offset) {
                    self.claim(member, name, epoch, now);
                } else if until <= now {
                    let why = "replicas of the target do not keep up";
                    self.give_up(member, name, why, TransferState::Failed, now);
                }
            }
            Step::Emptying => self.empty(member, name, now),
            Step::Pausing { epoch } if now.0 - job.heard.0 > silence_ms => {
                job.report.message = "the target says nothing".to_owned();
                job.turn(Step::Unclear { epoch, ask_at: now, down_since: None }, TransferState::Unclear, now);
                self.outputs.push_back(TransferOutput::Close(*name));
            }
            Step::Copying { .. } | Step::Arriving if now.0 - job.heard.0 > silence_ms => {
                self.give_up(member, name, "the other side says nothing", TransferState::Failed, now);
            }
            _ => {}
        }
    }

    /// Looks whether the slots are still whose they were. True if that ended the transfer.
    fn tend_ownership(&mut self, member: &mut Member, name: &NodeName, now: UnixMillis) -> bool {
        let Some(job) = self.jobs.get(name) else { return true };
        let roster = member.roster();
        let (me, slots) = (roster.me(), &job.slots);
        match job.report.direction {
            Direction::Export => {
                let is_mine = me.is_primary() && slots.is_subset(&me.slots);
                let has_target = roster.node(&job.report.target).is_some_and(|node| slots.is_subset(&node.slots));
                let is_given = matches!(job.step, Step::Pausing { .. } | Step::Unclear { .. });
                match (is_mine, has_target) {
                    (true, _) => return false,
                    // It was heard of over the bus.
                    (false, true) if is_given => {
                        member.leave_transfer(name);
                        self.end_export(member, name, now);
                    }
                    _ => self.give_up(member, name, "the slots are another's now", TransferState::Failed, now),
                }
            }
            Direction::Import => {
                let source = roster.node(&job.report.source);
                if !me.is_primary() && matches!(job.step, Step::Settling { .. }) {
                    // Who took its place claims them, and says so.
                    self.outputs.push_back(TransferOutput::Close(*name));
                    self.end(name, TransferState::Failed, "this node follows another", now);
                    return true;
                }
                let is_there = me.is_primary() && source.is_some_and(|node| slots.is_subset(&node.slots));
                if is_there || job.step == Step::Emptying {
                    return false;
                }
                self.give_up(member, name, "the source does not serve the slots any more", TransferState::Failed, now);
            }
        }
        true
    }

    /// A transfer comes to nothing.
    fn give_up(&mut self, member: &mut Member, name: &NodeName, why: &str, state: TransferState, now: UnixMillis) {
        let Some(job) = self.jobs.get_mut(name) else { return };
        self.outputs.push_back(TransferOutput::Refuse { name: *name, why: why.to_owned() });
        self.outputs.push_back(TransferOutput::Close(*name));
        match job.report.direction {
            Direction::Export => {
                member.forget_transfer(name);
                self.end(name, state, why, now);
            }
            Direction::Import => {
                if matches!(job.step, Step::Settling { .. }) {
                    note(&self.engine, &Member::note_of(&job.remembered(TransferStage::Arriving)));
                }
                job.report.message = why.to_owned();
                job.turn(Step::Emptying, TransferState::CleaningUp, now);
            }
        }
    }

    fn end(&mut self, name: &NodeName, state: TransferState, why: &str, now: UnixMillis) {
        let Some(mut job) = self.jobs.remove(name) else { return };
        job.set_state(state, now);
        job.report.message = why.to_owned();
        let report = Box::new(job.report.clone());
        self.outputs.push_back(TransferOutput::Event(TransferEvent::Ended(report)));
        self.ended.push_back(job.report);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }
}

/// Who says nothing for longer is not waited for.
fn silence_ms(member: &Member) -> i64 {
    member.options().node_timeout_ms.max(SILENCE_MS_MIN)
}

/// A side says that it is there so often.
pub const ALIVE_MS: i64 = 500;

const SILENCE_MS_MIN: i64 = 3_000;
const TICK_MS: i64 = 10;
const RETRY_MS: i64 = 100;
/// A target that cannot be reached, or empties the slots, is tried for so long.
const CONNECT_MS: i64 = 60_000;
/// Keys that are deleted at once.
const EMPTY_KEYS: usize = 2_000;
const ENDED_MAX: usize = 64;

/// An epoch that the source gives is one that no replica promised.
const STRICT_TEXT: &str = "ERR Under cluster-strict-failover slots move key by key only: use CLUSTER SETSLOT and MIGRATE, or redis-cli --cluster reshard";
