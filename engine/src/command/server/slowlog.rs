//! SLOWLOG: the commands that took longest of late.
//!
//! Sessions add to it; here it is read and cleared.

use crate::client::Connection;
use crate::command::introspection::help;
use crate::command::row::flag::{ADMIN, LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use std::borrow::Cow;

pub(super) const SLOWLOG: Row = Row::container("slowlog", Run::Host, SLOWLOG_SUBCOMMANDS, SLOWLOG_HELP)
    .summary("A container for slow log commands.")
    .docs(Group::Server, "2.2.12", "Depends on subcommand.");

const SLOWLOG_SUBCOMMANDS: &[Row] = &[
    Row::new("slowlog|get", -2, Run::Connection(get))
        .flags(ADMIN | LOADING | STALE)
        .tips("request_policy:all_nodes nondeterministic_output")
        .summary("Returns the slow log's entries.")
        .docs(Group::Server, "2.2.12", "O(N) where N is the number of entries returned")
        .history(&[("4.0.0", "Added client IP address, port and name to the reply.")])
        .args("count:integer?"),
    Row::new("slowlog|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Show helpful text about the different subcommands")
        .docs(Group::Server, "6.2.0", "O(1)"),
    Row::new("slowlog|len", 2, Run::Connection(len))
        .flags(ADMIN | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:agg_sum nondeterministic_output")
        .summary("Returns the number of entries in the slow log.")
        .docs(Group::Server, "2.2.12", "O(1)"),
    Row::new("slowlog|reset", 2, Run::Connection(reset))
        .flags(ADMIN | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:all_succeeded")
        .summary("Clears all entries from the slow log.")
        .docs(Group::Server, "2.2.12", "O(N) where N is the number of entries in the slowlog"),
];

/// HELP of SLOWLOG.
const SLOWLOG_HELP: &[&str] = &[
    "GET [<count>]",
    "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return the length of the slowlog.",
    "RESET",
    "    Reset the slowlog.",
];

/// `SLOWLOG GET [count]`: an array of entries, newest first: id, seconds, microseconds, arguments, address, name.
fn get(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = match args {
        [_, _] => COUNT_DEFAULT,
        [_, _, count] => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return Err(CommandError::text("ERR count should be greater than or equal to -1")),
        },
        _ => {
            let name = String::from_utf8_lossy(args[1]);
            return Err(CommandError::Text(Cow::Owned(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try SLOWLOG HELP."
            ))));
        }
    };
    let log = core.stats.slowlog.lock();
    reply.array(log.entries.len().min(count));
    for entry in log.entries.iter().take(count) {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.at.seconds());
        reply.integer(entry.micros as i64);
        reply.array(entry.args.len());
        for arg in &entry.args {
            reply.bulk(arg);
        }
        reply.bulk(entry.peer.as_bytes());
        reply.bulk(&entry.name);
    }
    Ok(())
}

fn len(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(core.stats.slowlog.lock().entries.len() as i64);
    Ok(())
}

fn reset(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.stats.slowlog.lock().entries.clear();
    reply.ok();
    Ok(())
}

/// Entries shown when no count is given.
const COUNT_DEFAULT: usize = 10;
