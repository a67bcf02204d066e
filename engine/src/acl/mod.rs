//! Users, and what they may do.
//!
//! ```text
//! rule words --apply--> User: switches, passwords, selectors [commands | key patterns | channel patterns]
//!                         |
//! Users: name -> Account -'      one user is changed: the account gets another User, the generation rises
//!                  ^
//! Credentials -----'             a connection's: its account, the user as it was, the generation it was seen at
//! ```
//!
//! A connection whose user may do everything is *cleared*: the generation at which that was found out stands in its credentials,
//! and as long as it is the current one, a request costs one comparison. All others are looked into, each time, against the
//! user that the credentials hold: a bit for each command, patterns for keys and channels. No lock is taken on that way; one is
//! when the generation has risen.
//!
//! Nothing here knows the table of commands: names become numbers by a [`Catalog`]. Which arguments of a request are keys and
//! channels, `command` knows.
//!
//! Invariants
//! - A [`User`] does not change; a change makes another one. Words that are not all valid change nothing.
//! - The generation rises after the change that it tells of, so whoever sees it sees the change, too.
//! - The default user is always there.
//! - What a user is, its words tell: applied to a fresh user they give the same user.

mod catalog;
mod channels;
mod commands;
mod credentials;
mod dialect;
mod error;
mod keys;
mod log;
mod password;
mod pattern;
mod selector;
#[cfg(test)]
mod testing;
mod text;
mod user;
mod users;

pub(crate) use catalog::Catalog;
pub(crate) use channels::ChannelName;
pub(crate) use credentials::Credentials;
pub(crate) use dialect::ChannelDefault;
pub use error::{LoadUsersError, RuleError, SetUserError};
pub(crate) use keys::Access;
pub(crate) use log::{Context, Incident, Reason};
pub(crate) use selector::Selector;
pub(crate) use user::User;
pub(crate) use users::{Account, DEFAULT_USER, Users};
