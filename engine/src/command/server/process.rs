//! CONFIG and SHUTDOWN: what concerns the process. The host does them.

use crate::command::Run;
use crate::command::introspection::help;
use crate::command::row::flag::{ADMIN, ALLOW_BUSY, LOADING, NO_MULTI, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};

pub(super) const CONFIG: Row = Row::container("config", Run::Host, CONFIG_SUBCOMMANDS, CONFIG_HELP)
    .summary("A container for server configuration commands.")
    .docs(Group::Server, "2.0.0", "Depends on subcommand.");

const CONFIG_SUBCOMMANDS: &[Row] = &[
    Row::new("config|get", -3, Run::Host)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .summary("Returns the effective values of configuration parameters.")
        .docs(Group::Server, "2.0.0", "O(N) when N is the number of configuration parameters provided")
        .history(&[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")])
        .args("parameter:string*"),
    Row::new("config|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Server, "5.0.0", "O(1)"),
    Row::new("config|resetstat", 2, Run::Host)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:all_succeeded")
        .summary("Resets the server's statistics.")
        .docs(Group::Server, "2.0.0", "O(1)"),
    Row::new("config|rewrite", 2, Run::Host)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:all_succeeded")
        .summary("Persists the effective configuration to file.")
        .docs(Group::Server, "2.8.0", "O(1)"),
    Row::new("config|set", -4, Run::Host)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:all_succeeded")
        .summary("Sets configuration parameters in-flight.")
        .docs(Group::Server, "2.0.0", "O(N) when N is the number of configuration parameters provided")
        .history(&[("7.0.0", "Added the ability to set multiple parameters in one call.")])
        .args("data:block*{parameter:string value:string}"),
];

/// HELP of CONFIG.
const CONFIG_HELP: &[&str] = &[
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "REWRITE",
    "    Rewrite the configuration file.",
];

pub(super) const SHUTDOWN: Row = Row::new("shutdown", -1, Run::Host)
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
    .summary("Synchronously saves the database(s) to disk and shuts down the Redis server.")
    .docs(
        Group::Server,
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    )
    .history(&[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")])
    .args("save-selector:oneof?{nosave=NOSAVE save=SAVE} now@7.0.0?=NOW force@7.0.0?=FORCE abort@7.0.0?=ABORT");
