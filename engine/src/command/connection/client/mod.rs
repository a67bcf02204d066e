//! CLIENT: what a client may ask and set about itself and about others.

mod identity;
mod kill;
pub(in crate::command) mod listing;
mod pause;
mod reply;
mod switches;
mod tracking;

pub(super) use identity::{check_word, set_name};

use crate::command::Run;
use crate::command::introspection::help;
use crate::command::row::flag::{LOADING, STALE};
use crate::command::row::{Group, Row};

pub(super) const CLIENT: Row = Row::container("client", Run::Host, CLIENT_SUBCOMMANDS, CLIENT_HELP)
    .summary("A container for client connection commands.")
    .docs(Group::Connection, "2.4.0", "Depends on subcommand.");

const CLIENT_SUBCOMMANDS: &[Row] = &[
    tracking::CACHING,
    identity::GETNAME,
    tracking::GETREDIR,
    HELP,
    identity::ID,
    listing::INFO,
    kill::KILL,
    listing::LIST,
    switches::NO_EVICT,
    switches::NO_TOUCH,
    pause::PAUSE,
    reply::REPLY,
    identity::SETINFO,
    identity::SETNAME,
    tracking::TRACKING,
    tracking::TRACKINGINFO,
    pause::UNBLOCK,
    pause::UNPAUSE,
];

const HELP: Row = Row::new("client|help", 2, Run::Connection(help))
    .flags(LOADING | STALE)
    .summary("Returns helpful text about the different subcommands.")
    .docs(Group::Connection, "5.0.0", "O(1)");

/// HELP of CLIENT.
const CLIENT_HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];
