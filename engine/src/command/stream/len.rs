//! `XLEN key`: how many entries a stream has; 0 without one.

use super::lookup::stream_of;
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::stream::Stream;

pub(super) const XLEN: Row = Row::new("xlen", 2, Run::Look(xlen))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Return the number of messages in a stream.")
    .docs(Group::Stream, "5.0.0", "O(1)")
    .args("key:key#0");

fn xlen(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(len_of(entry)? as i64);
    Ok(())
}

fn len_of(entry: Option<&EntryRef>) -> Result<u64, CommandError> {
    Ok(stream_of(entry)?.map_or(0, Stream::len))
}

impl Turn<'_> {
    /// How many entries the stream at `key` has; 0 without one. O(1).
    pub fn xlen(&mut self, key: impl AsRef<[u8]>) -> Result<u64, CommandError> {
        let key = self.key(key.as_ref())?;
        len_of(self.read(&key).as_deref())
    }
}

impl Engine {
    /// How many entries the stream at `key` has; 0 without one. O(1). Follows XLEN of Redis 7.2.
    pub fn xlen(&self, key: impl AsRef<[u8]>) -> Result<u64, CommandError> {
        self.on_entry(key.as_ref(), len_of)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn entries_are_counted() {
        let bench = Bench::new();
        assert_eq!(bench.run("XLEN s"), Value::Integer(0));
        bench.run("XADD s 1 f v");
        bench.run("XADD s 2 f v");
        bench.run("SET k v");
        assert_eq!(bench.run("XLEN s"), Value::Integer(2));
        assert_eq!(bench.error("XLEN k"), "WRONGTYPE Operation against a key holding the wrong kind of value");
    }
}
