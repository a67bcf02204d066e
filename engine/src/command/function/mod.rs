//! FUNCTION: libraries of functions, kept as text and not run.
//!
//! They belong to no database and no slot: what changes them holds every slot, so that it stands in the journal where it
//! happened.

mod delete;
mod dump;
mod list;
mod load;

use super::Run;
use super::introspection::help;
use super::row::flag::{LOADING, STALE};
use super::row::{Group, Row};
use crate::error::CommandError;

pub(super) const ROWS: &[Row] = &[FUNCTION];

const FUNCTION: Row = Row::container("function", Run::Host, FUNCTION_SUBCOMMANDS, FUNCTION_HELP)
    .summary("A container for function commands.")
    .docs(Group::Scripting, "7.0.0", "Depends on subcommand.");

const FUNCTION_SUBCOMMANDS: &[Row] =
    &[delete::DELETE, dump::DUMP, delete::FLUSH, HELP, list::KILL, list::LIST, load::LOAD, dump::RESTORE, list::STATS];

const HELP: Row = Row::new("function|help", 2, Run::Connection(help))
    .flags(LOADING | STALE)
    .summary("Returns helpful text about the different subcommands.")
    .docs(Group::Scripting, "7.0.0", "O(1)");

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

/// What a sub-command answers that was given too many arguments.
#[cold]
fn wrong_arguments(name: &[u8]) -> CommandError {
    CommandError::quoting("ERR unknown subcommand or wrong number of arguments for '", name, "'. Try FUNCTION HELP.")
}

#[cfg(test)]
mod tests;
