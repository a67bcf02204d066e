//! `CLUSTER KEYSLOT key`, `CLUSTER COUNTKEYSINSLOT slot`, `CLUSTER GETKEYSINSLOT slot count`.
//!
//! Replies: the slot; the number of its keys, expired ones that are still there included; an array of at most `count`
//! of them. O(key), O(1), O(count).

use crate::client::Connection;
use crate::command::CommandResult;
use crate::command::introspection::help;
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::slot::Slot;
use crate::text::parse_i64;

pub(super) fn key_slot(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    core.gate.require_cluster()?;
    reply.integer(Slot::of(args[2]).index() as i64);
    Ok(())
}

pub(super) fn count_keys(
    core: &Core,
    _: &mut Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    core.gate.require_cluster()?;
    let slot = slot(args[2])?.ok_or(CommandError::text("ERR Invalid slot"))?;
    reply.integer(core.slots.lock(slot).state.shard(0).map_or(0, |shard| shard.len() as i64));
    Ok(())
}

pub(super) fn keys_in_slot(
    core: &Core,
    _: &mut Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    core.gate.require_cluster()?;
    let slot = slot(args[2])?;
    let count = usize::try_from(parse_i64(args[3]).ok_or(CommandError::NotInteger)?);
    let (Some(slot), Ok(count)) = (slot, count) else {
        return Err(CommandError::text("ERR Invalid slot or number of keys"));
    };
    let guard = core.slots.lock(slot);
    let Some(shard) = guard.state.shard(0) else {
        reply.array(0);
        return Ok(());
    };
    reply.array(shard.len().min(count));
    for entry in shard.iter().take(count) {
        reply.bulk(entry.key());
    }
    Ok(())
}

/// HELP, which is refused outside of a cluster like the rest of the family.
pub(super) fn help_in_cluster(
    core: &Core,
    connection: &mut Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    core.gate.require_cluster()?;
    help(core, connection, args, reply)
}

/// A slot's number; `None` if there is no such slot.
pub(super) fn slot(word: &[u8]) -> Result<Option<Slot>, CommandError> {
    let number = parse_i64(word).ok_or(CommandError::NotInteger)?;
    Ok(u16::try_from(number).ok().and_then(Slot::new))
}
