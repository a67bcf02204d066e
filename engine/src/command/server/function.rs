//! `FUNCTION FLUSH [ASYNC | SYNC]` and `FUNCTION LIST`: there are no functions, and none can be loaded.
//!
//! Replies: OK; an empty array.

use crate::client::Connection;
use crate::command::introspection::help;
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE, WRITE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::borrow::Cow;

pub(super) const FUNCTION: Row = Row::container("function", Run::Host, FUNCTION_SUBCOMMANDS, FUNCTION_HELP)
    .summary("A container for function commands.")
    .docs(Group::Scripting, "7.0.0", "Depends on subcommand.");

const FUNCTION_SUBCOMMANDS: &[Row] = &[
    Row::new("function|flush", -2, Run::Connection(flush))
        .flags(WRITE | NOSCRIPT)
        .tips("request_policy:all_shards response_policy:all_succeeded")
        .summary("Deletes all libraries and functions.")
        .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions deleted")
        .args("flush-type:oneof?{async=ASYNC sync=SYNC}"),
    Row::new("function|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Scripting, "7.0.0", "O(1)"),
    Row::new("function|list", -2, Run::Connection(list))
        .flags(NOSCRIPT)
        .tips("nondeterministic_output_order")
        .summary("Returns information about all libraries.")
        .docs(Group::Scripting, "7.0.0", "O(N) where N is the number of functions")
        .args("library-name-pattern:string?=LIBRARYNAME withcode?=WITHCODE"),
];

/// HELP of FUNCTION.
const FUNCTION_HELP: &[&str] = &[
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
    "    control how to handle existing libraries (default APPEND):",
    "    * FLUSH: delete all existing libraries.",
    "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
    "      libraries with the new libraries (notice that even on this option there is a chance of failure",
    "      in case of functions name collision with another library).",
];

fn flush(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match args {
        [_, _] => {}
        [_, _, mode] if mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async") => {}
        [_, _, _] => return Err(CommandError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => {
            let name = String::from_utf8_lossy(args[1]);
            return Err(CommandError::Text(Cow::Owned(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try FUNCTION HELP."
            ))));
        }
    }
    reply.ok();
    Ok(())
}

fn list(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut words = args[2..].iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"WITHCODE" => {}
            b"LIBRARYNAME" if words.next().is_some() => {}
            b"LIBRARYNAME" => return Err(CommandError::text("ERR library name argument was not given")),
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(CommandError::Text(Cow::Owned(format!("ERR Unknown argument {word}"))));
            }
        }
    }
    reply.array(0);
    Ok(())
}
