//! Where clients and other nodes reach a node.

use std::fmt::Write;

/// The addresses that others are told of. Empty texts stand for what is not known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// The address; empty: the one that the client connected to.
    pub ip: String,
    /// The host name, if it is announced.
    pub hostname: String,
    /// The port for clients.
    pub port: u16,
    /// The port of the cluster's bus.
    pub bus_port: u16,
}

impl Addresses {
    /// `ip:port@bus-port`, with the host name if there is one.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{}:{}@{}", self.ip, self.port, self.bus_port);
        if !self.hostname.is_empty() {
            let _ = write!(line, ",{}", self.hostname);
        }
        line
    }
}

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
