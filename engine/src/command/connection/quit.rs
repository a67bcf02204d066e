//! `QUIT` ends the connection after its reply; `RESET` makes it as good as new.
//!
//! Replies: OK; RESET.

use crate::client::{Connection, ReplyMode};
use crate::command::pubsub::leave_all;
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::transaction::discard;
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::{ReplyWriter, RespVersion};
use std::sync::atomic::Ordering;

pub(super) const QUIT: Row = Row::new("quit", -1, Run::Connection(quit))
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
    .summary("Closes the connection.")
    .docs(Group::Connection, "1.0.0", "O(1)")
    .deprecated("7.2.0", "just closing the connection");

pub(super) const RESET: Row = Row::new("reset", 1, Run::Connection(reset))
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
    .summary("Resets the connection.")
    .docs(Group::Connection, "6.2.0", "O(1)");

fn quit(_: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    connection.closing = true;
    reply.ok();
    Ok(())
}

fn reset(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    discard(core, connection);
    leave_all(core, &connection.client);
    connection.select(0);
    connection.speak(RespVersion::V2);
    connection.reply_mode = ReplyMode::On;
    connection.asking = false;
    connection.log_out(&core.users);
    let client = &connection.client;
    client.text.lock().name.clear();
    for switch in [&client.no_evict, &client.no_touch, &client.readonly] {
        switch.store(false, Ordering::Relaxed);
    }
    reply.simple("RESET");
    Ok(())
}
