//! A whole cluster in this process: real nodes, the real bus, the system's clock.
//!
//! ```
//! use keyslot_replication::host::Cluster;
//!
//! let cluster = Cluster::builder().primaries(3).replicas(1).start()?;
//! let client = cluster.client();
//! client.call(&["SET", "greeting", "hello"])?;
//! cluster.settle()?;
//! let lost = cluster.primary_of("greeting").expect("somebody serves it");
//! cluster.kill(lost);
//! // The client finds whoever was elected in its place.
//! assert_eq!(client.call(&["GET", "greeting"])?, keyslot_engine::resp::Value::bulk("hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```text
//!   clients' threads: sessions on the engines of the nodes        a connection over TCP: the same, with two threads
//!        |  a write wakes it                                           (with `listen`)
//!        v
//!   one thread: the nodes' control machines, the bytes between them, the time
//! ```
//!
//! For those who write clients there are [`faults`]: half a reply, a stale topology, MOVED in a loop. With the feature `redis-rs` the crate
//! `redis` is a client of it, with sockets and without.
//!
//! It is what [`sim`](crate::sim::cluster) runs, with another clock: nodes start knowing each other and speak the bus from then on;
//! what is cut, parted or killed they have to find out.

mod client;
mod cluster;
mod conversation;
pub mod faults;
mod listen;
#[cfg(feature = "redis-rs")]
pub mod redis_rs;
mod residents;
mod rules;
#[cfg(test)]
mod tests;

pub use client::{ClientError, ClusterClient};
pub use cluster::{Cluster, ClusterBuilder, FailoverError, StartError, Unsettled};
pub use faults::{Fault, FaultError, Faults};
pub use rules::{Endpoints, Refusal};
