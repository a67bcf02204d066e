//! `GETDEL key`: the string at a key, which is deleted.
//!
//! Reply: the string, or null. Effect: `DEL key`.

use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::StrRef;
use bytes::Bytes;

pub(super) const GETDEL: Row = Row::new("getdel", 2, Run::Turn(get_del))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete()])
    .summary("Returns the string value of a key after deleting the key.")
    .docs(Group::String, "6.2.0", "O(1)")
    .args("key:key#0");

fn get_del(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    take(turn, &key, |value| reply.string_or_null(value))
}

fn take<R>(turn: &mut Turn<'_>, key: &Key<'_>, f: impl FnOnce(Option<StrRef<'_>>) -> R) -> Result<R, CommandError> {
    let result = turn.read_string(key, f)?;
    if let Some(spot) = turn.find(key) {
        turn.remove(key, spot);
        turn.record(&[b"DEL", key.bytes]);
        turn.notify(EventClass::Generic, "del", key.bytes);
    }
    Ok(result)
}

impl Turn<'_> {
    /// The string at `key`, which is deleted. O(n).
    pub fn get_del(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        take(self, &key, |value| value.map(|value| value.with_bytes(Bytes::copy_from_slice)))
    }
}

impl Engine {
    /// The string at `key`, which is deleted; `None` if there is no such key. Fails with WRONGTYPE on other types. O(n).
    /// Follows GETDEL of Redis 7.2; records `DEL`.
    pub fn get_del(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.get_del(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_string_is_returned_once() {
        let bench = Bench::new();
        bench.run("SET k v");
        assert_eq!(bench.run("GETDEL k"), Value::bulk("v"));
        assert_eq!(bench.run("GETDEL k"), Value::Nil);
        assert_eq!(bench.effects(), ["SET k v", "DEL k"]);
        bench.assert_replays();
    }
}
