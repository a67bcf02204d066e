//! Where another node is.

/// Another node's address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// The port on which it takes clients.
    pub port: u16,
}
