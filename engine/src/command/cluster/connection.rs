//! `ASKING`, `READONLY`, `READWRITE`: what a client of a cluster says about its next request, or about all of them.
//!
//! Reply: OK, or an error outside of a cluster.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, STALE};
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;
use std::sync::atomic::Ordering;

pub(super) const ASKING: Row = Row::new("asking", 1, Run::Connection(asking))
    .flags(FAST)
    .categories(category::CONNECTION)
    .summary("Signals that a cluster client is following an -ASK redirect.")
    .docs(Group::Cluster, "3.0.0", "O(1)");

pub(super) const READONLY: Row = Row::new("readonly", 1, Run::Connection(readonly))
    .flags(LOADING | STALE | FAST)
    .categories(category::CONNECTION)
    .summary("Enables read-only queries for a connection to a Redis Cluster replica node.")
    .docs(Group::Cluster, "3.0.0", "O(1)");

pub(super) const READWRITE: Row = Row::new("readwrite", 1, Run::Connection(readwrite))
    .flags(LOADING | STALE | FAST)
    .categories(category::CONNECTION)
    .summary("Enables read-write queries for a connection to a Reids Cluster replica node.")
    .docs(Group::Cluster, "3.0.0", "O(1)");

fn asking(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.gate.require_cluster()?;
    connection.asking = true;
    connection.relay.knows_cluster = true;
    reply.ok();
    Ok(())
}

fn readonly(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    mark_readonly(core, connection, true, reply)
}

fn readwrite(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    mark_readonly(core, connection, false, reply)
}

fn mark_readonly(
    core: &Core,
    connection: &mut Connection,
    readonly: bool,
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    core.gate.require_cluster()?;
    connection.relay.knows_cluster = true;
    connection.client.readonly.store(readonly, Ordering::Relaxed);
    reply.ok();
    Ok(())
}
