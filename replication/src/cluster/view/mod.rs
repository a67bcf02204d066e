//! How a [`Roster`](super::Roster) is shown and kept: the replies of CLUSTER's views, `nodes.conf`, and the words of CLUSTER.
//!
//! Pure functions: what a view needs beside the roster comes as an argument. Redis shows nodes in the order of its hash
//! table, which is one of chance; here they stand in the order of their names, in a shard the primary first.

mod conf;
mod info;
mod lines;
mod links;
mod shards;
mod slots;
#[cfg(test)]
mod testing;
mod words;

pub use conf::{ConfError, parse, print};
pub use info::{Counts, KINDS, MessageCounts, info};
pub use lines::{nodes, replicas};
pub use links::{Link, LinkDirection, links};
pub use shards::shards;
pub use slots::slots;
pub(crate) use words::TRANSFER_FORM;
pub use words::{ClusterCommand, FailoverMode, ResetMode, SetSlot, TransferRequest};

use super::roster::{KnownNode, NodeAddress};

/// What clients are told to connect to (`cluster-preferred-endpoint-type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PreferredEndpoint {
    /// The address.
    #[default]
    Ip,
    /// The host name; `?` if there is none.
    Hostname,
    /// Nothing: they keep the one that they know.
    Unknown,
}

/// Who looks, and what this node knows of itself beyond its roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Viewer {
    /// What clients are told to connect to.
    pub preferred: PreferredEndpoint,
    /// Whether the client came over TLS: it is told ports with TLS.
    pub is_over_tls: bool,
    /// Whether the nodes speak TLS with each other (`tls-cluster`): then [`NodeAddress::port`] is the one with TLS.
    pub is_tls_cluster: bool,
    /// This node's offset now.
    pub own_offset: u64,
}

impl Viewer {
    /// A node's port for this client; 0 if it has none of that kind.
    fn port(&self, address: &NodeAddress) -> u16 {
        if self.is_over_tls == self.is_tls_cluster { address.port } else { address.plain_port }
    }

    /// A node's ports without and with TLS; 0 where it has none.
    fn ports(&self, address: &NodeAddress) -> (u16, u16) {
        let (first, other) = (address.port, address.plain_port);
        if self.is_tls_cluster { (other, first) } else { (first, other) }
    }

    fn offset(&self, node: &KnownNode, is_me: bool) -> u64 {
        if is_me { self.own_offset } else { node.offset }
    }
}
