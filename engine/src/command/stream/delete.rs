//! `XDEL key id [id ...]`: deletes entries of a stream. What is pending of them in groups stays pending.
//!
//! Reply: how many there were. Effect: `XDEL key id ...` with all ids of the request.

use super::arguments::ids;
use super::lookup::{edit_stream, find_stream};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::IdBuffer;

pub(super) const XDEL: Row = Row::new("xdel", -3, Run::Turn(xdel))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Returns the number of messages after removing them from a stream.")
    .docs(Group::Stream, "5.0.0", "O(1) for each single item to delete in the stream, regardless of the stream size.")
    .args("key:key#0 id:string*");

fn xdel(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let removed = match find_stream(turn, &key)? {
        None => 0,
        Some(spot) => delete(turn, &key, spot, &ids(&args[2..])?),
    };
    reply.integer(removed as i64);
    Ok(())
}

fn delete(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, ids: &[StreamId]) -> u64 {
    let is_there = |id: &StreamId| turn.entry(key, spot).as_stream().is_some_and(|stream| stream.entry(*id).is_some());
    if !ids.iter().any(is_there) {
        return 0;
    }
    let removed = edit_stream(turn, key, spot, |stream| stream.delete(ids));
    let texts: Vec<Vec<u8>> = ids.iter().map(|id| id.text(&mut IdBuffer::new()).to_vec()).collect();
    let mut effect: Vec<&[u8]> = vec![b"XDEL", key.bytes];
    effect.extend(texts.iter().map(Vec::as_slice));
    turn.record(&effect);
    turn.notify(EventClass::Stream, "xdel", key.bytes);
    removed
}

impl Turn<'_> {
    /// Deletes entries of the stream at `key`; returns how many there were.
    pub fn xdel(&mut self, key: impl AsRef<[u8]>, ids: &[StreamId]) -> Result<u64, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(find_stream(self, &key)?.map_or(0, |spot| delete(self, &key, spot, ids)))
    }
}

impl Engine {
    /// Deletes entries of the stream at `key`; returns how many there were. O(log entries) for each id. Follows XDEL of
    /// Redis 7.2; records the ids.
    ///
    /// ```
    /// use keyslot_engine::{Engine, StreamId};
    /// let db = Engine::in_memory();
    /// let id = db.xadd("log", StreamId::new(1, 0), &[("f", "v")])?;
    /// assert_eq!(db.xdel("log", &[id, StreamId::new(9, 0)])?, 1);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn xdel(&self, key: impl AsRef<[u8]>, ids: &[StreamId]) -> Result<u64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.xdel(key, ids))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn entries_go_and_the_stream_stays() {
        let bench = Bench::new();
        for n in 1..=250 {
            bench.run(&format!("XADD s {n} f v"));
        }
        bench.effects();
        assert_eq!(bench.run("XDEL s 1 7 7 999 250-0"), Value::Integer(3));
        assert_eq!(bench.run("XDEL s 7"), Value::Integer(0));
        assert_eq!(bench.run("XDEL nokey x"), Value::Integer(0));
        assert_eq!(bench.error("XDEL s 2 x"), "ERR Invalid stream ID specified as stream command argument");
        assert_eq!(bench.effects(), ["XDEL s 1-0 7-0 7-0 999-0 250-0"]);
        for n in 1..=250 {
            bench.run(&format!("XDEL s {n}"));
        }
        assert_eq!(bench.run("EXISTS s"), Value::Integer(1));
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
