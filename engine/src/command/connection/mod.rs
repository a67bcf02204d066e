//! The connection itself: greeting, authentication, database, and what clients may ask about clients.
//!
//! These commands touch no key and record nothing. What others may see of a client lies in [`crate::client`].

mod auth;
pub(super) mod client;
mod hello;
mod ping;
mod quit;
mod select;

use super::row::Row;

/// Rows of the family.
pub(super) const ROWS: &[Row] =
    &[auth::AUTH, client::CLIENT, ping::ECHO, hello::HELLO, ping::PING, quit::QUIT, quit::RESET, select::SELECT];

#[cfg(test)]
mod tests;
