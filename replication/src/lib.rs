//! Other nodes, sans-io: links between primaries and replicas, and the cluster as a node knows it.
//!
//! Architecture Invariant: no sockets, files, threads or clocks here; what they would give comes as arguments.
#![forbid(unsafe_code)]

mod chance;
pub mod cluster;
#[cfg(feature = "host")]
pub mod host;
pub mod link;
pub mod migration;
pub mod node;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
