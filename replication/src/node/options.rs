//! How a node treats those it is linked with.

use crate::link::{PrimaryOptions, ReplicaOptions};

/// How a node treats those it is linked with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeOptions {
    /// Its replicas.
    pub primary: PrimaryOptions,
    /// Its primary.
    pub replica: ReplicaOptions,
    /// How long after the end of a connection to its primary it makes another one.
    pub retry_interval_ms: i64,
    /// What a replica must say first, if anything.
    pub password: Option<String>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            primary: PrimaryOptions::default(),
            replica: ReplicaOptions::default(),
            retry_interval_ms: 1000,
            password: None,
        }
    }
}
