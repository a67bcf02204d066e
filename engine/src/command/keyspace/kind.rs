//! `TYPE key`: the name of the type of a key's value, or `none`.

use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::ValueType;

pub(super) const TYPE: Row = Row::new("type", 2, Run::Turn(kind))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Determines the type of value stored at a key.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .args("key:key#0");

fn kind(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.simple(turn.key_type(args[1])?.map_or("none", ValueType::name));
    Ok(())
}

impl Turn<'_> {
    /// The type of the value at `key`. O(1).
    pub fn key_type(&mut self, key: impl AsRef<[u8]>) -> Result<Option<ValueType>, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(self.peek(&key).map(|entry| entry.value_type()))
    }
}

impl Engine {
    /// The type of the value at `key`; `None` if there is no such key. O(1). Follows TYPE of Redis 7.2; records nothing.
    pub fn key_type(&self, key: impl AsRef<[u8]>) -> Result<Option<ValueType>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.key_type(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn a_missing_key_has_no_type() {
        let bench = Bench::new();
        bench.db.set("s", "1").unwrap();
        assert_eq!(bench.ask("TYPE s"), "+string\r\n");
        assert_eq!(bench.ask("TYPE nokey"), "+none\r\n");
    }
}
