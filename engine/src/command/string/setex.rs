//! `SETEX key seconds value`, `PSETEX key milliseconds value`, `SETNX key value`: SET with one option in the name.
//!
//! Reply: OK; for SETNX 1 if it stored, else 0. Effect: as of SET.

use super::expiration::Expiration;
use super::set::{NewExpiry, SetIf, store};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};

pub(super) const SETEX: Row = Row::new("setex", 4, Run::Turn(set_ex))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update()])
    .summary("Sets the string value and expiration time of a key. Creates the key if it doesn't exist.")
    .docs(Group::String, "2.0.0", "O(1)")
    .deprecated("2.6.12", "`SET` with the `EX` argument")
    .args("key:key#0 seconds:integer value:string");

pub(super) const PSETEX: Row = Row::new("psetex", 4, Run::Turn(pset_ex))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ow().update()])
    .summary(
        "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't \
         exist.",
    )
    .docs(Group::String, "2.6.0", "O(1)")
    .deprecated("2.6.12", "`SET` with the `PX` argument")
    .args("key:key#0 milliseconds:integer value:string");

pub(super) const SETNX: Row = Row::new("setnx", 3, Run::Turn(set_nx))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).ow().insert()])
    .summary("Set the string value of a key only when the key doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .deprecated("2.6.12", "`SET` with the `NX` argument")
    .args("key:key#0 value:string");

fn set_ex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let seconds = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    store_for(turn, args[1], StrRef::of(args[3]), Expiration::Seconds(seconds), "setex")?;
    reply.ok();
    Ok(())
}

fn pset_ex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let ms = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    store_for(turn, args[1], StrRef::of(args[3]), Expiration::Millis(ms), "psetex")?;
    reply.ok();
    Ok(())
}

fn set_nx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let stored = store(turn, &key, StrRef::of(args[2]), SetIf::Missing, NewExpiry::Clear);
    reply.integer(stored.into());
    Ok(())
}

fn store_for(
    turn: &mut Turn<'_>,
    key: &[u8],
    value: StrRef<'_>,
    expiration: Expiration,
    command: &'static str,
) -> Result<(), CommandError> {
    let key = turn.key(key)?;
    let moment = expiration.resolve(turn, command)?;
    store(turn, &key, value, SetIf::Always, NewExpiry::At(moment));
    Ok(())
}

/// A time to live; what is beyond the range is an error later, as every number that large.
fn signed(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

impl Turn<'_> {
    /// Stores `value` at `key` for so many seconds. O(value).
    pub fn set_ex(&mut self, key: impl AsRef<[u8]>, value: impl AsValue, seconds: u64) -> Result<(), CommandError> {
        let expiration = Expiration::Seconds(signed(seconds));
        value.with_value(|value| store_for(self, key.as_ref(), value, expiration, "setex"))
    }

    /// Stores `value` at `key` for so many milliseconds. O(value).
    pub fn pset_ex(&mut self, key: impl AsRef<[u8]>, value: impl AsValue, ms: u64) -> Result<(), CommandError> {
        let expiration = Expiration::Millis(signed(ms));
        value.with_value(|value| store_for(self, key.as_ref(), value, expiration, "psetex"))
    }

    /// Stores `value` at `key` if there is no such key; says whether it stored. O(value).
    pub fn set_nx(&mut self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(value.with_value(|value| store(self, &key, value, SetIf::Missing, NewExpiry::Clear)))
    }
}

impl Engine {
    /// Stores `value` at `key`, whatever was there, for so many seconds. Fails if that is 0 or beyond the range.
    /// O(value). Follows SETEX of Redis 7.2; records `SET` with `PXAT`.
    pub fn set_ex(&self, key: impl AsRef<[u8]>, value: impl AsValue, seconds: u64) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.set_ex(key, value, seconds))
    }

    /// Stores `value` at `key`, whatever was there, for so many milliseconds. Fails if that is 0 or beyond the range.
    /// O(value). Follows PSETEX of Redis 7.2; records `SET` with `PXAT`.
    pub fn pset_ex(&self, key: impl AsRef<[u8]>, value: impl AsValue, ms: u64) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.pset_ex(key, value, ms))
    }

    /// Stores `value` at `key` if there is no such key, of any type; says whether it stored. O(value). Follows SETNX of
    /// Redis 7.2; records `SET`.
    pub fn set_nx(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.set_nx(key, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_effect_holds_the_moment() {
        let bench = Bench::new();
        assert_eq!(bench.run("SETEX k 10 v"), Value::Ok);
        assert_eq!(bench.run("PSETEX k 10 7"), Value::Ok);
        assert_eq!(bench.run("SETNX k other"), Value::Integer(0));
        assert_eq!(bench.run("SETNX new v"), Value::Integer(1));
        assert_eq!(bench.effects(), ["SET k v PXAT 1700000010000", "SET k 7 PXAT 1700000000010", "SET new v"]);
        bench.assert_replays();
    }

    #[test]
    fn errors_name_the_command() {
        let bench = Bench::new();
        assert_eq!(bench.error("SETEX k 0 v"), "ERR invalid expire time in 'setex' command");
        assert_eq!(bench.error("PSETEX k -1 v"), "ERR invalid expire time in 'psetex' command");
        assert_eq!(bench.error("PSETEX k 1.5 v"), "ERR value is not an integer or out of range");
        assert_eq!(bench.db.set_ex("k", "v", u64::MAX).unwrap_err().to_string(), bench.error("SETEX k 0 v"));
        assert!(bench.effects().is_empty());
    }
}
