//! Transactions: requests that run as one turn, if nothing changed that the client watches.
//!
//! ```text
//! WATCH k      slot of k: k is watched           MULTI    begin to queue
//! SET k v      checked, queued -> QUEUED         EXEC     lock the slots of all queued keys and all watched ones
//!                                                         -> unchanged? -> run each -> one batch -> unlock
//! ```
//!
//! Queueing and running are the session's work, which has everything that a request runs with: see `session::transaction`.

mod discard;
mod exec;
mod multi;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use discard::discard;
pub(crate) use watch::unwatch_all;

use super::row::Row;

pub(super) const ROWS: &[Row] = &[discard::DISCARD, exec::EXEC, multi::MULTI, watch::UNWATCH, watch::WATCH];
