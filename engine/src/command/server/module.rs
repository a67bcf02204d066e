//! `MODULE LIST`: there are none.
//!
//! Reply: an empty array.

use crate::client::Connection;
use crate::command::introspection::help;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;

pub(super) const MODULE: Row = Row::container("module", Run::Host, MODULE_SUBCOMMANDS, MODULE_HELP)
    .summary("A container for module commands.")
    .docs(Group::Server, "4.0.0", "Depends on subcommand.");

const MODULE_SUBCOMMANDS: &[Row] = &[
    Row::new("module|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Server, "5.0.0", "O(1)"),
    Row::new("module|list", 2, Run::Connection(list))
        .flags(ADMIN | NOSCRIPT)
        .tips("nondeterministic_output_order")
        .summary("Returns all loaded modules.")
        .docs(Group::Server, "4.0.0", "O(N) where N is the number of loaded modules."),
];

/// HELP of MODULE.
const MODULE_HELP: &[&str] = &[
    "LIST",
    "    Return a list of loaded modules.",
    "LOAD <path> [<arg> ...]",
    "    Load a module library from <path>, passing to it any optional arguments.",
    "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
    "    Load a module library from <path>, while passing it module configurations and optional arguments.",
    "UNLOAD <name>",
    "    Unload a module.",
];

fn list(_: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.array(0);
    Ok(())
}
