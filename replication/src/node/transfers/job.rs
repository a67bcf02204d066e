//! One transfer at one of its nodes.

use super::report::{Direction, TransferReport, TransferState};
use crate::cluster::{NodeName, Transfer, TransferStage};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Offset, UnixMillis};

pub(super) struct Job {
    pub(super) report: TransferReport,
    pub(super) slots: SlotSet,
    pub(super) step: Step,
    /// When the other side was heard of last.
    pub(super) heard: UnixMillis,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Connecting { retry_at: Option<UnixMillis> },
    Copying { behind_since: Option<UnixMillis>, is_slowed: bool },
    Agreeing { epoch: u64, until: UnixMillis },
    Pausing { epoch: u64 },
    Unclear { epoch: u64, ask_at: UnixMillis, down_since: Option<UnixMillis> },
    Arriving,
    Settling { epoch: u64, offset: Offset, until: UnixMillis },
    Emptying,
}

impl Job {
    pub(super) fn new(
        (name, direction): (NodeName, Direction),
        (me, peer): (NodeName, NodeName),
        slots: SlotSet,
        step: Step,
        now: UnixMillis,
    ) -> Self {
        let (source, target, state) = match direction {
            Direction::Export => (me, peer, TransferState::Connecting),
            Direction::Import => (peer, me, TransferState::Receiving),
        };
        let report = TransferReport {
            name,
            direction,
            slots: slots.clone(),
            source,
            target,
            begun: now,
            changed: now,
            heard: now,
            state,
            message: String::new(),
            paused_ms: 0,
            remaining_bytes: 0,
        };
        Self { report, slots, step, heard: now }
    }

    pub(super) fn remembered(&self, stage: TransferStage) -> Transfer {
        Transfer { name: self.report.name, peer: self.report.source, stage, slots: self.slots.clone() }
    }

    pub(super) fn note(&mut self, now: UnixMillis) {
        (self.heard, self.report.heard) = (now, now);
    }

    pub(super) fn turn(&mut self, step: Step, state: TransferState, now: UnixMillis) {
        self.step = step;
        self.set_state(state, now);
    }

    pub(super) fn set_state(&mut self, state: TransferState, now: UnixMillis) {
        if matches!(self.report.state, TransferState::Paused | TransferState::Unclear) {
            self.report.paused_ms += now.0 - self.report.changed.0;
        }
        (self.report.state, self.report.changed) = (state, now);
    }
}
