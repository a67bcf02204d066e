//! Balancing a cluster from outside, as a client of all its primaries: for the job `cluster rebalance`, and for a node that sees to it
//! that its cluster balances itself.
//!
//! From the bottom: [`asked`] is one connection; [`survey`] finds out who has what; [`mover`] moves slots between two nodes; [`round`]
//! measures, and carries a plan out.

pub(crate) mod asked;
pub(crate) mod mover;
pub(crate) mod round;
pub(crate) mod survey;
