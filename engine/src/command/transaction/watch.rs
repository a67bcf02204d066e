//! `WATCH key [key ...]` and `UNWATCH`: EXEC does nothing if one of the keys has changed meanwhile, by anybody.
//!
//! Reply: OK. A key that is due is gone when it is watched; one that falls due later has changed.

use crate::client::Connection;
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;
use crate::turn::watching::unwatch;

pub(super) const WATCH: Row = Row::new("watch", -2, Run::Watch)
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .keys(&[KeySpec::index(1).range(-1, 1).ro()])
    .summary("Monitors changes to keys to determine the execution of a transaction.")
    .docs(Group::Transactions, "2.2.0", "O(1) for every key.")
    .args("key:key#0*");

pub(super) const UNWATCH: Row = Row::new("unwatch", 1, Run::Connection(run))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .summary("Forgets about watched keys of a transaction.")
    .docs(Group::Transactions, "2.2.0", "O(1)");

fn run(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    unwatch_all(core, connection);
    reply.ok();
    Ok(())
}

/// Forgets what a client watches.
pub(crate) fn unwatch_all(core: &Core, connection: &mut Connection) {
    if let Some(watched) = connection.watched.take() {
        unwatch(core, &watched.watch, watched.slots());
    }
}
