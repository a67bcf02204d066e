//! `DISCARD`: forgets the queued requests, and what is watched.
//!
//! Reply: OK.

use super::unwatch_all;
use crate::client::Connection;
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const DISCARD: Row = Row::new("discard", 1, Run::Connection(run))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .summary("Discards a transaction.")
    .docs(Group::Transactions, "2.0.0", "O(N), when N is the number of queued commands");

fn run(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if connection.transaction.is_none() {
        return Err(CommandError::text("ERR DISCARD without MULTI"));
    }
    discard(core, connection);
    reply.ok();
    Ok(())
}

/// Forgets everything about a client's transaction.
pub(crate) fn discard(core: &Core, connection: &mut Connection) {
    connection.end_transaction();
    unwatch_all(core, connection);
}
