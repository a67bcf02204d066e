//! `FUNCTION DELETE library` and `FUNCTION FLUSH [ASYNC | SYNC]`: take libraries out.
//!
//! Reply: OK. Effect: the command itself, which concerns every slot; none where nothing was there.

use super::wrong_arguments;
use crate::command::row::flag::{NOSCRIPT, WRITE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const DELETE: Row = Row::new("function|delete", 3, Run::Store(delete))
    .flags(WRITE | NOSCRIPT)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Deletes a library and its functions.")
    .docs(Group::Scripting, "7.0.0", "O(1)")
    .args("library-name:string");

pub(super) const FLUSH: Row = Row::new("function|flush", -2, Run::Store(flush))
    .flags(WRITE | NOSCRIPT)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Deletes all libraries and functions.")
    .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions deleted")
    .args("flush-type:oneof?{async=ASYNC sync=SYNC}");

fn delete(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if !turn.libraries_mut().delete(args[2]) {
        return Err(CommandError::text("ERR Library not found"));
    }
    turn.make_global();
    turn.record(&[b"FUNCTION", b"DELETE", args[2]]);
    reply.ok();
    Ok(())
}

fn flush(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match args {
        [_, _] => {}
        [_, _, mode] if mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async") => {}
        [_, _, _] => return Err(CommandError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(wrong_arguments(args[1])),
    }
    if turn.libraries_mut().flush() {
        turn.make_global();
        turn.record(&[b"FUNCTION", b"FLUSH"]);
    }
    reply.ok();
    Ok(())
}
