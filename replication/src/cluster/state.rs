//! What a node knows of itself, and what its file keeps.

use keyslot_engine::slot::SlotSet;

/// A node's name, epochs and slots.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct State {
    /// Forty hexadecimal digits.
    pub(super) id: String,
    /// The same of the shard.
    pub(super) shard_id: String,
    pub(super) config_epoch: u64,
    pub(super) current_epoch: u64,
    pub(super) slots: SlotSet,
}

impl State {
    /// A node that serves nothing, under new names.
    pub(super) fn fresh(name: &mut dyn FnMut() -> String) -> Self {
        Self { id: name(), shard_id: name(), config_epoch: 0, current_epoch: 0, slots: SlotSet::default() }
    }
}
