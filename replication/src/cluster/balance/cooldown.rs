//! Which slots moved in the last rounds.

use super::plan::Plan;
use keyslot_engine::Slot;
use keyslot_engine::slot::SlotSet;
use std::collections::BTreeMap;

/// Which slots moved not long ago. They are left where they are for some rounds, so that no hot slot goes to and fro.
#[derive(Clone, Debug, Default)]
pub struct Cooldown {
    rounds_left: BTreeMap<Slot, u32>,
}

impl Cooldown {
    /// Says that a round ended in which a plan was carried out.
    pub fn end_round(&mut self, plan: &Plan) {
        self.rounds_left.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        let moved = plan.steps.iter().flat_map(|step| step.slots.iter());
        self.rounds_left.extend(moved.map(|slot| (slot, COOLDOWN_ROUNDS)));
    }

    /// The slots that stay.
    pub fn pinned(&self) -> SlotSet {
        self.rounds_left.keys().copied().collect()
    }
}

/// A slot that moved stays for so many rounds.
const COOLDOWN_ROUNDS: u32 = 8;
