//! Other nodes: the control plane, sans-io.
//!
//! Architecture Invariant: no sockets, files, threads or clocks here; what they would give comes as arguments.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod link;
