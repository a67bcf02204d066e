//! `PUBLISH channel message` and `SPUBLISH shardchannel message`: give a message to all who listen.
//!
//! Reply: how many clients of this node got it. It is recorded nowhere: a message is for those who are there. In a cluster the
//! [host](crate::Host::published) takes it to other nodes.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, MAY_REPLICATE, PUBSUB, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
use crate::host::{Channel, Published};
use crate::pubsub::{Woken, wake};
use crate::resp::ReplyWriter;

pub(super) const PUBLISH: Row = Row::new("publish", 3, Run::Connection(publish))
    .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE)
    .summary("Posts a message to a channel.")
    .docs(
        Group::PubSub,
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of \
         subscribed patterns (by any client).",
    )
    .args("channel:string message:string");

pub(super) const SPUBLISH: Row = Row::new("spublish", 3, Run::Connection(spublish))
    .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE)
    .keys(&[KeySpec::index(1).not_key()])
    .summary("Post a message to a shard channel")
    .docs(Group::PubSub, "7.0.0", "O(N) where N is the number of clients subscribed to the receiving shard channel.")
    .args("shardchannel:string message:string");

fn publish(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let Connection { bundle, woken, .. } = connection;
    let post = &mut core.post(Offset(0), woken);
    // Who listens itself gets its own message right behind the reply; what EXEC publishes goes out when it ran.
    let count = match connection.takes_pushes && !connection.listens && !connection.executes {
        true => core.pubsub.publish_bundled(args[1], args[2], bundle, post),
        false => core.pubsub.publish(args[1], args[2], post),
    };
    tell_host(core, Channel::Plain, args[1], args[2]);
    reply.integer(count as i64);
    Ok(())
}

fn spublish(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut post = core.post(Offset(0), &mut connection.woken);
    let count = core.pubsub.publish_to_shard(args[1], args[2], &mut post);
    tell_host(core, Channel::Sharded, args[1], args[2]);
    reply.integer(count as i64);
    Ok(())
}

/// In a cluster a message goes to other nodes, too: over its bus, which is the host's.
#[inline]
fn tell_host(core: &Core, channel: Channel, name: &[u8], message: &[u8]) {
    if core.gate.is_cluster()
        && let Some(host) = core.host()
    {
        host.published(Published { channel, name, message });
    }
}

impl Engine {
    /// Gives `message` to all who listen to `channel`, sessions and [`subscriptions`](Engine::subscribe); says to how
    /// many of this node. O(listeners + patterns). Follows PUBLISH of Redis 7.2; records nothing.
    pub fn publish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> usize {
        let mut woken = Woken::new();
        let mut post = self.core.post(Offset(0), &mut woken);
        let count = self.core.pubsub.publish(channel.as_ref(), message.as_ref(), &mut post);
        tell_host(&self.core, Channel::Plain, channel.as_ref(), message.as_ref());
        wake(&mut woken);
        count
    }

    /// Gives `message` to all who listen to the shard channel `channel`; says to how many. O(listeners). Follows SPUBLISH
    /// of Redis 7.2; records nothing.
    pub fn spublish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> usize {
        let mut woken = Woken::new();
        let mut post = self.core.post(Offset(0), &mut woken);
        let count = self.core.pubsub.publish_to_shard(channel.as_ref(), message.as_ref(), &mut post);
        tell_host(&self.core, Channel::Sharded, channel.as_ref(), message.as_ref());
        wake(&mut woken);
        count
    }
}
