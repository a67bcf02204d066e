//! Clients: what the engine and other sessions know of a connected one, and what only its own session knows.
//!
//! - [`Client`] is shared: CLIENT LIST of anybody reads it, CLIENT KILL of anybody marks it.
//! - [`Connection`] is the session's own state: database, protocol version, whether it has authenticated.
//! - [`Mailbox`](mailbox::Mailbox) is where publishers leave messages for a session; [`Subscriptions`](subscriptions::Subscriptions) is what it listens to.

mod bundle;
mod connection;
mod deadlines;
mod mailbox;
mod registry;
mod subscriptions;
mod transaction;

pub(crate) use bundle::Bundle;
pub(crate) use connection::{Connection, ReplyMode};
pub(crate) use deadlines::Deadlines;
pub(crate) use mailbox::{Delivery, Frame};
pub use registry::PeerInfo;
pub(crate) use registry::{Client, PauseMode, Registry};
pub(crate) use subscriptions::Kind;
pub(crate) use transaction::{Progress, Queued, Transaction, WatchedKeys};
