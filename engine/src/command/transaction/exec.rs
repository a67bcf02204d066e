//! `EXEC`: runs the queued requests, if nothing that is watched has changed.
//!
//! Reply: an array of their replies; null if something changed; EXECABORT if a request was refused when it was queued.
//! Effects: those of the requests, in one batch.

use crate::command::Run;
use crate::command::row::flag::{LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE};
use crate::command::row::{Group, Row};

pub(super) const EXEC: Row = Row::new("exec", 1, Run::Exec)
    .flags(NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG)
    .summary("Executes all commands in a transaction.")
    .docs(Group::Transactions, "1.2.0", "Depends on commands in the transaction");
