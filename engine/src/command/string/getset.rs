//! `GETSET key value`: stores a string and returns the one before.
//!
//! Reply: the former string, or null. Effect: `SET key value`.

use super::set::{NewExpiry, SetIf, store};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};
use bytes::Bytes;

pub(super) const GETSET: Row = Row::new("getset", 3, Run::Turn(get_set))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Returns the previous string value of a key after setting it to a new value.")
    .docs(Group::String, "1.0.0", "O(1)")
    .deprecated("6.2.0", "`SET` with the `!GET` argument")
    .args("key:key#0 value:string");

fn get_set(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    turn.read_string(&key, |value| reply.string_or_null(value))?;
    store(turn, &key, StrRef::of(args[2]), SetIf::Always, NewExpiry::Clear);
    Ok(())
}

impl Turn<'_> {
    /// Stores `value` and returns the string that was there before; an expiry is cleared. O(old + new).
    pub fn getset(&mut self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let copy = |value: StrRef<'_>| value.with_bytes(Bytes::copy_from_slice);
        let old = self.read_string(&key, |value| value.map(copy))?;
        value.with_value(|value| store(self, &key, value, SetIf::Always, NewExpiry::Clear));
        Ok(old)
    }
}

impl Engine {
    /// Stores `value` and returns the string that was there before; an expiry is cleared. Fails with WRONGTYPE where
    /// another type is, and changes nothing then. O(old + new). Follows GETSET of Redis 7.2; records `SET`.
    pub fn getset(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.getset(key, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_former_string_is_returned_and_the_expiry_goes() {
        let bench = Bench::new();
        assert_eq!(bench.run("GETSET k 1"), Value::Nil);
        bench.run("SET k 2 EX 10");
        assert_eq!(bench.run("GETSET k 3"), Value::bulk("2"));
        assert_eq!(bench.effects(), ["SET k 1", "SET k 2 PXAT 1700000010000", "SET k 3"]);
        bench.assert_replays();
    }
}
