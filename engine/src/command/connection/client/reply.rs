//! `CLIENT REPLY ON | OFF | SKIP`: whether replies are shown.
//!
//! Reply: OK with ON, nothing otherwise. SKIP drops the reply of the next request.

use crate::client::{Connection, ReplyMode};
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const REPLY: Row = Row::new("client|reply", 3, Run::Connection(reply_mode))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Instructs the server whether to reply to commands.")
    .docs(Group::Connection, "3.2.0", "O(1)")
    .args("action:oneof{on=ON off=OFF skip=SKIP}");

fn reply_mode(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match (args[2].to_ascii_uppercase().as_slice(), connection.reply_mode) {
        (b"ON", _) => {
            connection.reply_mode = ReplyMode::On;
            reply.ok();
        }
        (b"OFF", _) => connection.reply_mode = ReplyMode::Off,
        (b"SKIP", ReplyMode::Off) => {}
        (b"SKIP", _) => connection.reply_mode = ReplyMode::SkipNext,
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}
