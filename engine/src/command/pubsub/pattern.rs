//! `PSUBSCRIBE pattern [pattern ...]` and `PUNSUBSCRIBE [pattern ...]`: listen to every channel that a pattern matches.
//!
//! Reply: for each name the word that names the command, the name, and how many subscriptions there are then; a push in RESP3.
//! They record nothing.

use super::{leave, listen};
use crate::client::{Connection, Kind};
use crate::command::row::flag::{LOADING, NOSCRIPT, PUBSUB, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;

pub(super) const PSUBSCRIBE: Row = Row::new("psubscribe", -2, Run::Connection(subscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .summary("Listens for messages published to channels that match one or more patterns.")
    .docs(Group::PubSub, "2.0.0", "O(N) where N is the number of patterns to subscribe to.")
    .args("pattern:pattern*");

pub(super) const PUNSUBSCRIBE: Row = Row::new("punsubscribe", -1, Run::Connection(unsubscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .summary("Stops listening to messages published to channels that match one or more patterns.")
    .docs(Group::PubSub, "2.0.0", "O(N) where N is the number of patterns to unsubscribe.")
    .args("pattern:pattern?*");

fn subscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    listen(core, connection, (Kind::Pattern, "psubscribe"), &args[1..], reply)
}

fn unsubscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    leave(core, connection, (Kind::Pattern, "punsubscribe"), &args[1..], reply)
}
