//! `EXISTS key [key ...]` and `TOUCH key [key ...]`: how many of the keys exist, a key that is named twice counted twice.
//!
//! TOUCH marks them as used, EXISTS does not. Neither records anything.

use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const EXISTS: Row = Row::new("exists", -2, Run::Turn(exists))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).range(-1, 1).ro()])
    .tips("request_policy:multi_shard response_policy:agg_sum")
    .summary("Determines whether one or more keys exist.")
    .docs(Group::Generic, "1.0.0", "O(N) where N is the number of keys to check.")
    .history(&[("3.0.3", "Accepts multiple `key` arguments.")])
    .args("key:key#0*");

pub(super) const TOUCH: Row = Row::new("touch", -2, Run::Turn(touch))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).range(-1, 1).ro()])
    .tips("request_policy:multi_shard response_policy:agg_sum")
    .summary(
        "Returns the number of existing keys out of those specified after updating the time they were last \
         accessed.",
    )
    .docs(Group::Generic, "3.2.1", "O(N) where N is the number of keys that will be touched.")
    .args("key:key#0*");

fn exists(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(count_existing(turn, &args[1..])? as i64);
    Ok(())
}

fn touch(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    turn.mark_used();
    let mut count = 0;
    for key in &args[1..] {
        count += i64::from(turn.touch(key)?);
    }
    reply.integer(count);
    Ok(())
}

fn count_existing<K: AsRef<[u8]>>(turn: &mut Turn<'_>, keys: &[K]) -> Result<usize, CommandError> {
    let mut count = 0;
    for key in keys {
        count += usize::from(turn.exists(key)?);
    }
    Ok(count)
}

impl Turn<'_> {
    /// Whether `key` exists. O(1).
    pub fn exists(&mut self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(self.peek(&key).is_some())
    }

    /// Marks `key` as used now; says whether it exists. O(1).
    pub fn touch(&mut self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(self.read(&key).is_some())
    }
}

impl Engine {
    /// Whether `key` exists. O(1). Follows EXISTS of Redis 7.2; records nothing.
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.exists(key))
    }

    /// How many of `keys` exist, looked at in one turn; a key that is named twice counts twice.
    pub fn exists_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<usize, CommandError> {
        let bytes: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&bytes, Access::Read, |turn| count_existing(turn, keys))
    }

    /// Marks `key` as used now; says whether it exists. O(1). Follows TOUCH of Redis 7.2; records nothing.
    pub fn touch(&self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.touch(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn keys_are_counted_as_often_as_they_are_named() {
        let bench = Bench::new();
        bench.db.set("a", "1").unwrap();
        assert_eq!(bench.ask("EXISTS a a nokey"), ":2\r\n");
        assert_eq!(bench.ask("TOUCH a nokey a"), ":2\r\n");
        assert_eq!(bench.db.exists_many(&["a", "b"]).unwrap(), 1);
        assert_eq!(bench.effects(), ["SET a 1"]);
    }

    #[test]
    fn touch_makes_a_key_young_again_and_exists_does_not() {
        let bench = Bench::new();
        bench.db.set("a", "1").unwrap();
        bench.advance_ms(30_000);
        assert_eq!(bench.ask("EXISTS a"), ":1\r\n");
        assert_eq!(bench.ask("OBJECT IDLETIME a"), ":30\r\n");
        assert_eq!(bench.ask("TOUCH a"), ":1\r\n");
        assert_eq!(bench.ask("OBJECT IDLETIME a"), ":0\r\n");
    }
}
