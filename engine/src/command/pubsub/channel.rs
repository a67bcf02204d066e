//! `SUBSCRIBE channel [channel ...]` and `UNSUBSCRIBE [channel ...]`: listen to channels by name.
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

pub(super) const SUBSCRIBE: Row = Row::new("subscribe", -2, Run::Connection(subscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .summary("Listens for messages published to channels.")
    .docs(Group::PubSub, "2.0.0", "O(N) where N is the number of channels to subscribe to.")
    .args("channel:string*");

pub(super) const UNSUBSCRIBE: Row = Row::new("unsubscribe", -1, Run::Connection(unsubscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .summary("Stops listening to messages posted to channels.")
    .docs(Group::PubSub, "2.0.0", "O(N) where N is the number of channels to unsubscribe.")
    .args("channel:string?*");

fn subscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    listen(core, connection, (Kind::Channel, "subscribe"), &args[1..], reply)
}

fn unsubscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    leave(core, connection, (Kind::Channel, "unsubscribe"), &args[1..], reply)
}
