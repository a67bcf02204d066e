//! `PUBSUB CHANNELS [pattern]`, `NUMSUB [channel ...]`, `NUMPAT`, `SHARDCHANNELS [pattern]`, `SHARDNUMSUB [shardchannel ...]`:
//! who listens to what.
//!
//! Replies: names; names and counts in turn; a count of patterns.

use crate::client::{Connection, Kind};
use crate::command::introspection::help;
use crate::command::row::flag::{LOADING, PUBSUB as FAMILY, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::{Case, glob_matches};

pub(super) const PUBSUB: Row = Row::container("pubsub", Run::Host, PUBSUB_SUBCOMMANDS, PUBSUB_HELP)
    .summary("A container for Pub/Sub commands.")
    .docs(Group::PubSub, "2.8.0", "Depends on subcommand.");

const PUBSUB_SUBCOMMANDS: &[Row] = &[
    Row::new("pubsub|channels", -2, Run::Connection(channels))
        .flags(FAMILY | LOADING | STALE)
        .summary("Returns the active channels.")
        .docs(
            Group::PubSub,
            "2.8.0",
            "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively \
             short channels and patterns)",
        )
        .args("pattern:pattern?"),
    Row::new("pubsub|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::PubSub, "6.2.0", "O(1)"),
    Row::new("pubsub|numpat", 2, Run::Connection(pattern_count))
        .flags(FAMILY | LOADING | STALE)
        .summary("Returns a count of unique pattern subscriptions.")
        .docs(Group::PubSub, "2.8.0", "O(1)"),
    Row::new("pubsub|numsub", -2, Run::Connection(subscriber_counts))
        .flags(FAMILY | LOADING | STALE)
        .summary("Returns a count of subscribers to channels.")
        .docs(Group::PubSub, "2.8.0", "O(N) for the NUMSUB subcommand, where N is the number of requested channels")
        .args("channel:string?*"),
    Row::new("pubsub|shardchannels", -2, Run::Connection(shard_channels))
        .flags(FAMILY | LOADING | STALE)
        .summary("Returns the active shard channels.")
        .docs(
            Group::PubSub,
            "7.0.0",
            "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
             (relatively short shard channels).",
        )
        .args("pattern:pattern?"),
    Row::new("pubsub|shardnumsub", -2, Run::Connection(shard_subscriber_counts))
        .flags(FAMILY | LOADING | STALE)
        .summary("Returns the count of subscribers of shard channels.")
        .docs(
            Group::PubSub,
            "7.0.0",
            "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        )
        .args("shardchannel:string?*"),
];

/// HELP of PUBSUB.
const PUBSUB_HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

fn channels(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_names(core, Kind::Channel, args, reply)
}

fn shard_channels(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_names(core, Kind::Shard, args, reply)
}

fn write_names(core: &Core, kind: Kind, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let names = match args[2..] {
        [] => core.pubsub.active(kind, |_| true),
        [pattern] => core.pubsub.active(kind, |name| glob_matches(pattern, name, Case::Exact)),
        _ => {
            let after = "'. Try PUBSUB HELP.";
            return Err(CommandError::quoting(
                "ERR unknown subcommand or wrong number of arguments for '",
                args[1],
                after,
            ));
        }
    };
    reply.array(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(())
}

fn pattern_count(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(core.pubsub.active_count(Kind::Pattern) as i64);
    Ok(())
}

fn subscriber_counts(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_counts(core, Kind::Channel, &args[2..], reply);
    Ok(())
}

fn shard_subscriber_counts(
    core: &Core,
    _: &mut Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    write_counts(core, Kind::Shard, &args[2..], reply);
    Ok(())
}

fn write_counts(core: &Core, kind: Kind, names: &[&[u8]], reply: &mut ReplyWriter<'_>) {
    reply.array(names.len() * 2);
    for name in names {
        reply.bulk(name);
        reply.integer(core.pubsub.subscriber_count(kind, name) as i64);
    }
}
