//! ACL: users and their rules, for clients and for embedders.
//!
//! What a rule means and who has which, [`acl`](crate::acl) knows; which arguments of a request they are held against,
//! [`permission`](super::permission). Nothing here is recorded: users are a node's own, as in Redis.

mod category;
mod change;
mod dry_run;
mod file;
mod generated;
pub(crate) mod incident;
mod listing;
mod revocation;
#[cfg(test)]
mod tests;

use super::Run;
use super::introspection::help;
use super::row::flag::{LOADING, STALE};
use super::row::{Group, Row};
use crate::error::CommandError;
use std::borrow::Cow;

pub(super) const ROWS: &[Row] = &[ACL];

const ACL: Row = Row::container("acl", Run::Host, ACL_SUBCOMMANDS, ACL_HELP)
    .summary("A container for Access List Control commands.")
    .docs(Group::Server, "6.0.0", "Depends on subcommand.");

const ACL_SUBCOMMANDS: &[Row] = &[
    category::CAT,
    change::DELUSER,
    dry_run::DRYRUN,
    generated::GENPASS,
    listing::GETUSER,
    HELP,
    listing::LIST,
    file::LOAD,
    incident::LOG,
    file::SAVE,
    change::SETUSER,
    listing::USERS,
    listing::WHOAMI,
];

const HELP: Row = Row::new("acl|help", 2, Run::Connection(help))
    .flags(LOADING | STALE)
    .summary("Returns helpful text about the different subcommands.")
    .docs(Group::Server, "6.0.0", "O(1)");

/// HELP of ACL.
const ACL_HELP: &[&str] = &[
    "CAT [<category>]",
    "    List all commands that belong to <category>, or all command categories",
    "    when no category is specified.",
    "DELUSER <username> [<username> ...]",
    "    Delete a list of users.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Returns whether the user can execute the given command without executing the command.",
    "GETUSER <username>",
    "    Get the user's details.",
    "GENPASS [<bits>]",
    "    Generate a secure 256-bit user password. The optional `bits` argument can",
    "    be used to specify a different size.",
    "LIST",
    "    Show users details in config file format.",
    "LOAD",
    "    Reload users from the ACL file.",
    "LOG [<count> | RESET]",
    "    Show the ACL log entries.",
    "SAVE",
    "    Save the current config to the ACL file.",
    "SETUSER <username> <attribute> [<attribute> ...]",
    "    Create or modify a user with the specified attributes.",
    "USERS",
    "    List all the registered usernames.",
    "WHOAMI",
    "    Return the current connection username.",
];

/// A sub-command that was given more words than it takes.
fn too_many_words(name: &[u8]) -> CommandError {
    let name = String::from_utf8_lossy(name);
    CommandError::Text(Cow::Owned(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try ACL HELP."
    )))
}
