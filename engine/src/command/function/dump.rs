//! `FUNCTION DUMP` and `FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]`: all libraries as one string, and back.
//!
//! Replies: the payload, which other servers read; OK. Effect of RESTORE: the command itself, which concerns every slot.

use super::wrong_arguments;
use crate::client::Connection;
use crate::command::row::flag::{DENYOOM, NOSCRIPT, WRITE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::library::Restore;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const DUMP: Row = Row::new("function|dump", 2, Run::Connection(dump))
    .flags(NOSCRIPT)
    .summary("Dumps all libraries into a serialized binary payload.")
    .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions");

pub(super) const RESTORE: Row = Row::new("function|restore", -3, Run::Store(restore))
    .flags(WRITE | DENYOOM | NOSCRIPT)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Restores all libraries from a payload.")
    .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions on the payload")
    .args("serialized-value:string policy:oneof?{flush=FLUSH append=APPEND replace=REPLACE}");

fn dump(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.bulk(&core.libraries.read().dump());
    Ok(())
}

fn restore(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (payload, policy) = match args[2..] {
        [payload] => (payload, Restore::Append),
        [payload, word] => (payload, policy(word)?),
        _ => return Err(wrong_arguments(args[1])),
    };
    turn.libraries_mut().restore(payload, policy)?;
    turn.make_global();
    turn.record(args);
    reply.ok();
    Ok(())
}

fn policy(word: &[u8]) -> Result<Restore, CommandError> {
    match word.to_ascii_uppercase().as_slice() {
        b"FLUSH" => Ok(Restore::Flush),
        b"APPEND" => Ok(Restore::Append),
        b"REPLACE" => Ok(Restore::Replace),
        _ => {
            Err(CommandError::text("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."))
        }
    }
}
