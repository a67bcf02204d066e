//! The cluster as one node of it knows it.
//!
//! There is one node, and no bus yet: a slot is served here or by nobody. The host keeps the addresses, the file and the
//! source of random names, and calls in; nothing here waits, reads or writes anything but its arguments.

mod addresses;
mod gates;
mod lone;
pub mod member;
pub mod message;
mod name;
mod nodes_conf;
mod plan;
mod replies;
mod roster;
mod state;

pub use addresses::{Addresses, PreferredEndpoint};
pub use gates::Gates;
pub use lone::{Control, LoneCluster, Terms};
pub use name::NodeName;
pub use plan::agreed_rosters;
pub use roster::{KnownNode, NodeAddress, Roster};

#[cfg(test)]
mod tests;
