//! Which slots are to move so that the nodes of a cluster bear their shares, decided from what was measured. It moves nothing, and
//! asks nobody: what is measured comes in, a plan goes out, as plain data that can be printed, read back and explained.
//!
//! ```text
//! measured loads -> Loads -> BalancePolicy::plan -> Plan -> whoever moves slots
//!                     ^                               |
//!                     `--------- Cooldown ------------'      what moved stays for some rounds
//! ```
//!
//! [`Greedy`] is the policy of the house; a host brings its own by the trait. [`AutoBalance`] says when a node is to look, and which.
//!
//! It stands beside the member, and not in it: nothing here needs gossip, epochs or time, and the member needs none of it to be right.

mod auto;
mod cooldown;
mod greedy;
mod load;
mod plan;
#[cfg(test)]
mod tests;

pub use auto::{AutoBalance, AutoOptions, AutoStep, Primary};
pub use cooldown::Cooldown;
pub use greedy::{Budget, Greedy};
pub use load::{Loads, Measure, NodeLoad, Part, SlotLoad};
pub use plan::{Plan, PlanError, Reason, Step};

/// Decides which slots move.
pub trait BalancePolicy {
    /// What is to move of these loads. The same loads give the same plan. Empty where nothing is worth a move.
    fn plan(&self, loads: &Loads) -> Plan;
}
