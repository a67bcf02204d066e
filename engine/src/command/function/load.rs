//! `FUNCTION LOAD [REPLACE] code`: adds a library.
//!
//! Reply: its name. Effect: the command itself, which concerns every slot.

use crate::command::row::flag::{DENYOOM, NOSCRIPT, WRITE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::error::CommandError;
use crate::library::Collision;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const LOAD: Row = Row::new("function|load", -3, Run::Store(load))
    .flags(WRITE | DENYOOM | NOSCRIPT)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Creates a library.")
    .docs(Group::Scripting, "7.0.0", "O(1) (considering compilation time is redundant)")
    .args("replace?=REPLACE function-code:string");

fn load(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (code, collision) = match args[2..] {
        [code] => (code, Collision::Refuse),
        [word, code] if word.eq_ignore_ascii_case(b"REPLACE") => (code, Collision::Replace),
        [word, ..] => return Err(CommandError::quoting("ERR Unknown option given: ", word, "")),
        [] => return Err(CommandError::text("ERR Function code is missing")),
    };
    let name = turn.libraries_mut().load(code, collision)?;
    turn.make_global();
    turn.record(args);
    reply.bulk(&name);
    Ok(())
}
