//! `PUBLISH channel message` and `SPUBLISH shardchannel message`: give a message to all who listen.
//!
//! Reply: how many clients got it. It is recorded nowhere: a message is for those who are there.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, MAY_REPLICATE, PUBSUB, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
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
    reply.integer(count as i64);
    Ok(())
}

fn spublish(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut post = core.post(Offset(0), &mut connection.woken);
    reply.integer(core.pubsub.publish_to_shard(args[1], args[2], &mut post) as i64);
    Ok(())
}

impl Engine {
    /// Gives `message` to all who listen to `channel`, sessions and [`subscriptions`](Engine::subscribe); says to how
    /// many. O(listeners + patterns). Follows PUBLISH of Redis 7.2; records nothing.
    pub fn publish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> usize {
        let mut woken = Woken::new();
        let mut post = self.core.post(Offset(0), &mut woken);
        let count = self.core.pubsub.publish(channel.as_ref(), message.as_ref(), &mut post);
        wake(&mut woken);
        count
    }

    /// Gives `message` to all who listen to the shard channel `channel`; says to how many. O(listeners). Follows SPUBLISH
    /// of Redis 7.2; records nothing.
    pub fn spublish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> usize {
        let mut woken = Woken::new();
        let mut post = self.core.post(Offset(0), &mut woken);
        let count = self.core.pubsub.publish_to_shard(channel.as_ref(), message.as_ref(), &mut post);
        wake(&mut woken);
        count
    }
}
