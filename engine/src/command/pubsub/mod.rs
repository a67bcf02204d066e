//! Pub/sub: messages to whoever listens, by the name of a channel, by a pattern, or to a channel that belongs to a slot.
//!
//! A client of RESP2 that listens may do little else; in RESP3 messages are pushes between replies.

mod channel;
mod introspection;
mod pattern;
mod publish;
mod shard;
#[cfg(test)]
mod tests;

use super::CommandResult;
use super::row::Row;
use crate::client::{Connection, Kind};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use bytes::Bytes;

pub(super) const ROWS: &[Row] = &[
    pattern::PSUBSCRIBE,
    publish::PUBLISH,
    introspection::PUBSUB,
    pattern::PUNSUBSCRIBE,
    publish::SPUBLISH,
    shard::SSUBSCRIBE,
    channel::SUBSCRIBE,
    shard::SUNSUBSCRIBE,
    channel::UNSUBSCRIBE,
];

/// Subscribes to names of a kind and confirms each. `event` is the command's name in lower case.
fn listen(
    core: &Core,
    connection: &mut Connection,
    (kind, event): (Kind, &str),
    names: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    if !connection.takes_pushes {
        let name = event.to_ascii_uppercase();
        return Err(CommandError::Text(format!("ERR {name} isn't allowed for a DENY BLOCKING client").into()));
    }
    connection.listens = true;
    let client = &connection.client;
    for name in names {
        let shared = Bytes::copy_from_slice(name);
        if client.subscriptions.add(kind, &shared) {
            core.pubsub.subscribe(kind, &shared, client);
        }
        confirm(event, Some(name), client.subscriptions.count(kind), reply);
    }
    Ok(())
}

/// Ends subscriptions to names of a kind, to all of them if there are no names, and confirms each.
fn leave(
    core: &Core,
    connection: &mut Connection,
    (kind, event): (Kind, &str),
    names: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let client = std::sync::Arc::clone(&connection.client);
    let all = match names {
        [] => client.subscriptions.names(kind),
        names => names.iter().map(|name| Bytes::copy_from_slice(name)).collect(),
    };
    if all.is_empty() {
        confirm(event, None, client.subscriptions.count(kind), reply);
    }
    for name in all {
        if client.subscriptions.remove(kind, &name) {
            core.pubsub.unsubscribe(kind, &name, &client);
            // No message comes after the word that none will come; and none inside of EXEC's reply.
            if !connection.executes {
                let mut mail = Vec::new();
                connection.take_mail(&mut mail);
                reply.encoded(&mail);
            }
        }
        confirm(event, Some(&name), client.subscriptions.count(kind), reply);
    }
    Ok(())
}

fn confirm(event: &str, name: Option<&[u8]>, count: usize, reply: &mut ReplyWriter<'_>) {
    reply.push(3);
    reply.bulk(event.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
}

/// Ends all that a client listens to, without a word.
pub(crate) fn leave_all(core: &Core, client: &crate::client::Client) {
    core.monitors.remove(client);
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in client.subscriptions.take(kind) {
            core.pubsub.unsubscribe(kind, &name, client);
        }
    }
}
