//! Clients: what the engine and other sessions know of a connected one, and what only its own session knows.
//!
//! - [`Client`] is shared: CLIENT LIST of anybody reads it, CLIENT KILL of anybody marks it.
//! - [`Connection`] is the session's own state: database, protocol version, whether it has authenticated.

mod connection;
mod deadlines;
mod registry;

pub(crate) use connection::{Connection, ReplyMode};
pub(crate) use deadlines::Deadlines;
pub use registry::PeerInfo;
pub(crate) use registry::{Client, PauseMode, Registry};
