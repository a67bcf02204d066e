//! Commands: one family per folder, one command per file.
//!
//! A command's file holds its row (name, arity, flags, keys, documentation), its adapter (arguments in, reply out), its
//! typed verb (for embedders, on [`Engine`](crate::Engine) and inside [`Turn`]), the effects it records and its tests. The
//! [`table`] is assembled from the families' rows; sessions, replay, replicas and embedders all reach a command through it
//! or through its verb.
//!
//! Invariants
//! - An adapter returns an error before it has written a reply, or its reply is discarded.
//! - A verb checks its arguments and the value first and changes last.

pub(crate) mod acl;
pub(crate) mod bitmap;
pub(crate) mod choice;
mod cluster;
pub mod compatibility;
pub(crate) mod connection;
pub mod docs;
pub(crate) mod element_scan;
#[cfg(test)]
mod event_tests;
pub(crate) mod expiry;
mod function;
pub(crate) mod geo;
pub(crate) mod hash;
pub(crate) mod host_request;
mod hyperloglog;
pub mod introspection;
mod key_spec;
pub mod keys;
pub(crate) mod keyspace;
pub(crate) mod list;
pub(crate) mod permission;
pub(crate) mod pubsub;
pub(crate) mod redaction;
#[cfg(test)]
mod revocation_tests;
pub mod row;
pub(crate) mod server;
pub(crate) mod set;
pub(crate) mod sort;
pub(crate) mod sorted_set;
pub(crate) mod stream;
pub(crate) mod string;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod timeout;
pub(crate) mod transaction;

use crate::client::Connection;
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::Turn;
use row::Row;

/// What an adapter returns: its reply is written, or it failed and nothing of its reply counts.
pub(crate) type CommandResult = Result<(), CommandError>;

pub(crate) type LookAdapter = fn(Option<&EntryRef>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult;
/// As a [`LookAdapter`], told the time: what is due by then is hidden. No time: nothing is hidden.
pub(crate) type LookAtAdapter =
    fn(Option<&EntryRef>, Option<UnixMillis>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult;
type TurnAdapter = fn(&mut Turn<'_>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult;
pub(crate) type ConnectionAdapter = fn(&Core, &mut Connection, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult;

/// How a command runs. `args[0]` is its name.
#[derive(Clone, Copy, Debug)]
pub struct Run(pub(crate) How);

/// The ways in which a command runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// In a turn that holds the slots of its keys.
    Turn(TurnAdapter),
    /// It reads the one key at `args[1]`, and is given what is there.
    Look(LookAdapter),
    /// As `Look`, of a value whose parts may be due.
    LookAt(LookAtAdapter),
    /// In a turn that holds every slot.
    Store(TurnAdapter),
    /// In a turn that holds no slot: it visits those it wants, one at a time, or asks the engine's other parts.
    Visit(TurnAdapter),
    /// On the connection alone.
    Connection(ConnectionAdapter),
    /// By the session: it runs what was queued.
    Exec,
    /// By the session: it watches keys.
    Watch,
    /// By the host.
    Host,
}

#[allow(non_upper_case_globals, non_snake_case)]
impl Run {
    /// Done by the host: files, processes, other nodes.
    pub const Host: Self = Self(How::Host);

    pub(crate) const Exec: Self = Self(How::Exec);
    pub(crate) const Watch: Self = Self(How::Watch);

    pub(crate) const fn Turn(adapter: TurnAdapter) -> Self {
        Self(How::Turn(adapter))
    }

    pub(crate) const fn Look(adapter: LookAdapter) -> Self {
        Self(How::Look(adapter))
    }

    pub(crate) const fn LookAt(adapter: LookAtAdapter) -> Self {
        Self(How::LookAt(adapter))
    }

    pub(crate) const fn Store(adapter: TurnAdapter) -> Self {
        Self(How::Store(adapter))
    }

    pub(crate) const fn Visit(adapter: TurnAdapter) -> Self {
        Self(How::Visit(adapter))
    }

    pub(crate) const fn Connection(adapter: ConnectionAdapter) -> Self {
        Self(How::Connection(adapter))
    }
}

/// The version of Redis whose commands these are, and that clients are told: they switch on it.
pub const REDIS_VERSION: &str = "7.2.4";

/// The rows of every family.
const FAMILIES: &[&[Row]] = &[
    acl::ROWS,
    bitmap::ROWS,
    cluster::ROWS,
    connection::ROWS,
    expiry::ROWS,
    function::ROWS,
    geo::ROWS,
    hyperloglog::ROWS,
    hash::ROWS,
    introspection::ROWS,
    keyspace::ROWS,
    list::ROWS,
    pubsub::ROWS,
    server::ROWS,
    set::ROWS,
    sort::ROWS,
    sorted_set::ROWS,
    stream::ROWS,
    string::ROWS,
    transaction::ROWS,
];

/// Runs the adapter of a [`How::Look`] or [`How::LookAt`] command in a turn that holds its key's slot.
pub(crate) fn look_in_turn(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    adapter: impl Fn(Option<&EntryRef>, Option<UnixMillis>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult,
) -> CommandResult {
    let key = turn.key(args[1])?;
    let now = turn.sight();
    match turn.read(&key) {
        None => adapter(None, now, args, reply),
        Some(entry) => adapter(Some(&entry), now, args, reply),
    }
}
