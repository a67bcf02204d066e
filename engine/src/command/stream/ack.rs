//! `XACK key group id [id ...]`: entries are done, and pending no more.
//!
//! Reply: how many were pending. Effect: `XACK key group id ...` with those that were.

use super::arguments::{Ids, ids};
use super::lookup::{edit_beside, find_stream, read_stream};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group as CommandGroup, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::{Group, IdBuffer};

pub(super) const XACK: Row = Row::new("xack", -4, Run::Turn(xack))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary(
        "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
    )
    .docs(CommandGroup::Stream, "5.0.0", "O(1) for each message ID processed.")
    .args("key:key#0 group:string id:string*");

fn xack(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let has_group = read_stream(turn, &key, |stream| stream.is_some_and(|stream| stream.group(args[2]).is_some()))?;
    let settled = if has_group { acknowledge(turn, &key, args[2], &ids(&args[3..])?)? } else { 0 };
    reply.integer(settled as i64);
    Ok(())
}

fn acknowledge(turn: &mut Turn<'_>, key: &Key<'_>, group: &[u8], ids: &[StreamId]) -> Result<u64, CommandError> {
    let Some(spot) = find_stream(turn, key)? else { return Ok(0) };
    let is_pending = |group: &Group| ids.iter().any(|id| group.pending(*id).is_some());
    let entry = turn.entry(key, spot);
    let any = entry.as_stream().and_then(|stream| stream.group(group)).is_some_and(is_pending);
    if !any {
        return Ok(0);
    }
    let settled: Ids = edit_beside(turn, key, spot, |stream| {
        let settle = |group: &mut Group| ids.iter().copied().filter(|id| group.settle(*id).is_some()).collect();
        stream.edit_group(group, settle).unwrap_or_default()
    });
    let texts: Vec<Vec<u8>> = settled.iter().map(|id| id.text(&mut IdBuffer::new()).to_vec()).collect();
    let mut effect: Vec<&[u8]> = vec![b"XACK", key.bytes, group];
    effect.extend(texts.iter().map(Vec::as_slice));
    turn.record(&effect);
    Ok(settled.len() as u64)
}

impl Turn<'_> {
    /// Says that entries are done: they are pending in the group no more. Returns how many were.
    pub fn xack(
        &mut self,
        key: impl AsRef<[u8]>,
        group: impl AsRef<[u8]>,
        ids: &[StreamId],
    ) -> Result<u64, CommandError> {
        let key = self.key(key.as_ref())?;
        acknowledge(self, &key, group.as_ref(), ids)
    }
}

impl Engine {
    /// Says that entries are done: they are pending in the group no more. Returns how many were. O(log pending) for each id.
    /// Follows XACK of Redis 7.2; records the ids that were pending.
    pub fn xack(&self, key: impl AsRef<[u8]>, group: impl AsRef<[u8]>, ids: &[StreamId]) -> Result<u64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xack(key, group, ids))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn only_what_is_pending_is_acknowledged() {
        let bench = Bench::new();
        for n in 1..=3 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.run("XGROUP CREATE s g 0");
        bench.run("XREADGROUP GROUP g ada COUNT 2 STREAMS s >");
        bench.effects();
        assert_eq!(bench.run("XACK s g 1 3 1 9"), Value::Integer(1));
        assert_eq!(bench.run("XACK s g 1"), Value::Integer(0));
        assert_eq!(bench.run("XACK s nogroup x"), Value::Integer(0));
        assert_eq!(bench.run("XACK nokey g x"), Value::Integer(0));
        assert_eq!(bench.error("XACK s g 2 x"), "ERR Invalid stream ID specified as stream command argument");
        assert_eq!(bench.effects(), ["XACK s g 1-0"]);
        bench.assert_replays();
    }
}
