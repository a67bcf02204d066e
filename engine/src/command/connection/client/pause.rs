//! `CLIENT PAUSE timeout [WRITE | ALL]`, `CLIENT UNPAUSE`, `CLIENT UNBLOCK id [TIMEOUT | ERROR]`.
//!
//! Replies: OK; OK; 1 if a client was unblocked, else 0. While requests are paused their sessions are parked and no
//! expired key is deleted, so that a data set on its way to another node stands still.

use crate::client::{Connection, PauseMode};
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::waiting::Outcome;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;

pub(super) const PAUSE: Row = Row::new("client|pause", -3, Run::Connection(pause))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Suspends commands processing.")
    .docs(Group::Connection, "3.0.0", "O(1)")
    .history(&[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")])
    .args("timeout:integer mode:oneof@6.2.0?{write=WRITE all=ALL}");

pub(super) const UNPAUSE: Row = Row::new("client|unpause", 2, Run::Connection(unpause))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Resumes processing commands from paused clients.")
    .docs(Group::Connection, "6.2.0", "O(N) Where N is the number of paused clients");

pub(super) const UNBLOCK: Row = Row::new("client|unblock", -3, Run::Connection(unblock))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Unblocks a client blocked by a blocking command from a different connection.")
    .docs(Group::Connection, "5.0.0", "O(log N) where N is the number of client connections")
    .args("client-id:integer unblock-type:oneof?{timeout=TIMEOUT error=ERROR}");

fn pause(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mode = match args {
        [_, _, _] => PauseMode::All,
        [_, _, _, mode] => match mode.to_ascii_uppercase().as_slice() {
            b"WRITE" => PauseMode::Write,
            b"ALL" => PauseMode::All,
            _ => return Err(CommandError::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        },
        _ => return Err(wrong_count(args)),
    };
    let Some(timeout_ms) = parse_i64(args[2]) else {
        return Err(CommandError::text("ERR timeout is not an integer or out of range"));
    };
    if timeout_ms < 0 {
        return Err(CommandError::text("ERR timeout is negative"));
    }
    let UnixMillis(now) = core.now();
    let Some(until) = now.checked_add(timeout_ms) else {
        return Err(CommandError::text("ERR timeout is out of range"));
    };
    core.clients.pause(UnixMillis(until), mode);
    reply.ok();
    Ok(())
}

fn unpause(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.clients.unpause();
    reply.ok();
    Ok(())
}

fn unblock(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let outcome = match args {
        [_, _, _] => Outcome::TimedOut,
        [_, _, _, reason] => match reason.to_ascii_uppercase().as_slice() {
            b"TIMEOUT" => Outcome::TimedOut,
            b"ERROR" => Outcome::Refused(CommandError::text("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
            _ => return Err(CommandError::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        },
        _ => return Err(wrong_count(args)),
    };
    let id = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    // A paused client is not blocked in this sense.
    let waiter = u64::try_from(id).ok().and_then(|id| core.clients.find(id)?.waiter());
    reply.integer(waiter.is_some_and(|waiter| waiter.end(outcome)).into());
    Ok(())
}

fn wrong_count(args: &[&[u8]]) -> CommandError {
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    CommandError::quoting(before, args[1], "'. Try CLIENT HELP.")
}
