//! `SSUBSCRIBE shardchannel [shardchannel ...]` and `SUNSUBSCRIBE [shardchannel ...]`: listen to channels that belong to slots.
//!
//! Reply: for each name the word that names the command, the name, and how many subscriptions there are then; a push in RESP3.
//! They record nothing.

use super::{leave, listen};
use crate::client::{Connection, Kind};
use crate::command::row::flag::{LOADING, NOSCRIPT, PUBSUB, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;

pub(super) const SSUBSCRIBE: Row = Row::new("ssubscribe", -2, Run::Connection(subscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .keys(&[KeySpec::index(1).range(-1, 1).not_key()])
    .summary("Listens for messages published to shard channels.")
    .docs(Group::PubSub, "7.0.0", "O(N) where N is the number of shard channels to subscribe to.")
    .args("shardchannel:string*");

pub(super) const SUNSUBSCRIBE: Row = Row::new("sunsubscribe", -1, Run::Connection(unsubscribe))
    .flags(PUBSUB | NOSCRIPT | LOADING | STALE)
    .keys(&[KeySpec::index(1).range(-1, 1).not_key()])
    .summary("Stops listening to messages posted to shard channels.")
    .docs(Group::PubSub, "7.0.0", "O(N) where N is the number of shard channels to unsubscribe.")
    .args("shardchannel:string?*");

fn subscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    listen(core, connection, (Kind::Shard, "ssubscribe"), &args[1..], reply)
}

fn unsubscribe(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    leave(core, connection, (Kind::Shard, "sunsubscribe"), &args[1..], reply)
}
