//! The cluster as one node of it knows it, and what nodes of a cluster say to each other.
//!
//! ```text
//! member    decides: who is down, who owns which slot, who is elected     bytes, time and commands in, outputs out
//! message   the bus: what nodes say to each other, as bytes
//! roster    what is known: nodes, slots, epochs
//! transfer  slots on their way at once, as they are remembered
//! strict    what a shard agrees on under strict failover
//! view      how that is shown and kept: CLUSTER's replies, nodes.conf
//! control   CLUSTER at a member
//! gates     what the engine's gate is told of it
//! balance   which slots are to move so that nodes bear their shares
//! plan      clusters whose nodes know each other from the start
//! ```
//!
//! Nothing here waits, reads or writes anything but its arguments.

pub mod balance;
pub mod control;
mod gates;
pub mod member;
pub mod message;
mod name;
mod plan;
mod roster;
pub mod strict;
mod transfer;
pub mod view;

pub use gates::Gates;
pub use name::NodeName;
pub use plan::agreed_rosters;
pub use roster::{KnownNode, NodeAddress, Roster};
pub use transfer::{Transfer, TransferStage};
