//! `MULTI`: queues the requests that follow, until EXEC or DISCARD.
//!
//! Reply: OK.

use crate::client::Connection;
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::sync::atomic::Ordering;

pub(super) const MULTI: Row = Row::new("multi", 1, Run::Connection(multi))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .summary("Starts a transaction.")
    .docs(Group::Transactions, "1.2.0", "O(1)");

fn multi(_: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if !connection.takes_pushes {
        return Err(CommandError::text("ERR MULTI is not offered where each call stands alone"));
    }
    if connection.transaction.is_some() {
        return Err(CommandError::text("ERR MULTI calls can not be nested"));
    }
    connection.transaction = Some(Box::default());
    connection.client.multi.store(0, Ordering::Relaxed);
    reply.ok();
    Ok(())
}
