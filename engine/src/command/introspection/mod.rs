//! The COMMAND family: the table, told to clients.
//!
//! Everything here reads the [`Table`](super::table::Table) and writes a reply; no state, no slot, no effect. Order
//! of commands is the table's (Redis leaves it open). The functions take the whole request, `COMMAND INFO get ...`
//! included, and trust `table` to have checked its arity.

mod describe;
mod document;
mod listing;

use super::row::{
    Group, Row, category,
    flag::{LOADING, STALE},
};
use super::table::table;
use super::{CommandResult, Run};
use crate::client::Connection;
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

/// `<container> HELP`, of any container: its title, its lines, and the two lines about HELP itself.
pub(crate) fn help(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let container = table().find(args[0]).ok_or(CommandError::Syntax)?;
    write_help(container.row, reply);
    Ok(())
}

fn write_help(container: &Row, reply: &mut ReplyWriter<'_>) {
    reply.array(container.help.len() + 3);
    let name = container.name.to_ascii_uppercase();
    reply.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for line in container.help {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Print this help.");
}

/// Writes the names of the set bits as a set of simple strings.
fn flag_names(bits: u32, names: &[&str], prefix: &str, reply: &mut ReplyWriter<'_>) {
    let is_set = |bit: &usize| bits >> bit & 1 == 1;
    reply.set((0..names.len()).filter(is_set).count());
    for bit in (0..names.len()).filter(is_set) {
        match prefix {
            "" => reply.simple(names[bit]),
            _ => reply.simple(&format!("{prefix}{}", names[bit])),
        }
    }
}

/// Rows of the family.
pub(crate) const ROWS: &[Row] = &[COMMAND];

/// HELP of COMMAND.
const COMMAND_HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
];

const COMMAND_SUBCOMMANDS: &[Row] = &[
    Row::new("command|count", 2, Run::Connection(|_, _, _, reply| describe::count(table(), reply)))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .summary("Returns a count of commands.")
        .docs(Group::Server, "2.8.13", "O(1)"),
    Row::new("command|docs", -2, Run::Connection(|_, _, args, reply| document::docs(table(), args, reply)))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .tips("nondeterministic_output_order")
        .summary("Returns documentary information about one, multiple or all commands.")
        .docs(Group::Server, "7.0.0", "O(N) where N is the number of commands to look up")
        .args("command-name:string?*"),
    Row::new("command|getkeys", -3, Run::Connection(|_, _, args, reply| listing::keys(table(), args, reply)))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .summary("Extracts the key names from an arbitrary command.")
        .docs(Group::Server, "2.8.13", "O(N) where N is the number of arguments to the command")
        .args("command:string arg:string?*"),
    Row::new(
        "command|getkeysandflags",
        -3,
        Run::Connection(|_, _, args, reply| listing::keys_and_flags(table(), args, reply)),
    )
    .flags(LOADING | STALE)
    .categories(category::CONNECTION)
    .summary("Extracts the key names and access flags for an arbitrary command.")
    .docs(Group::Server, "7.0.0", "O(N) where N is the number of arguments to the command")
    .args("command:string arg:string?*"),
    Row::new("command|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Server, "5.0.0", "O(1)"),
    Row::new("command|info", -2, Run::Connection(|_, _, args, reply| describe::info(table(), args, reply)))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .tips("nondeterministic_output_order")
        .summary("Returns information about one, multiple or all commands.")
        .docs(Group::Server, "2.8.13", "O(N) where N is the number of commands to look up")
        .history(&[("7.0.0", "Allowed to be called with no argument to get info on all commands.")])
        .args("command-name:string?*"),
    Row::new("command|list", -2, Run::Connection(|_, _, args, reply| listing::list(table(), args, reply)))
        .flags(LOADING | STALE)
        .categories(category::CONNECTION)
        .tips("nondeterministic_output_order")
        .summary("Returns a list of command names.")
        .docs(Group::Server, "7.0.0", "O(N) where N is the total number of Redis commands")
        .args("filterby:oneof?=FILTERBY{module-name:string=MODULE category:string=ACLCAT pattern:pattern=PATTERN}"),
];

const COMMAND: Row = Row::container(
    "command",
    Run::Connection(|_, _, _, reply| describe::every(table(), reply)),
    COMMAND_SUBCOMMANDS,
    COMMAND_HELP,
)
.arity(-1)
.flags(LOADING | STALE)
.categories(category::CONNECTION)
.tips("nondeterministic_output_order")
.summary("Returns detailed information about all commands.")
.docs(Group::Server, "2.8.13", "O(N) where N is the total number of Redis commands");

#[cfg(test)]
mod golden_tests;
