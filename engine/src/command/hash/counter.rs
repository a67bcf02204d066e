//! `HINCRBY key field n`: counting in a field.
//!
//! Reply: the number afterwards. Effect: `HINCRBY key field n`, which keeps the field's expiry.

use super::{find_hash, limits};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::hash::{FieldExpiry, HashView};

pub(super) const HINCRBY: Row = Row::new("hincrby", 4, Run::Turn(hincrby))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary(
        "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
    )
    .docs(Group::Hash, "2.0.0", "O(1)")
    .args("key:key#0 field:string increment:integer");

fn hincrby(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let delta = parse_i64(args[3]).ok_or(CommandError::NotInteger)?;
    let key = turn.key(args[1])?;
    reply.integer(add(turn, &key, args[2], delta)?);
    Ok(())
}

fn add(turn: &mut Turn<'_>, key: &Key<'_>, field: &[u8], delta: i64) -> Result<i64, CommandError> {
    let old = find_hash(turn, key)?;
    let number = with_value(turn, key, old, field, |value| match value {
        None => Ok(0),
        Some(value) => parse_i64(value).ok_or(CommandError::text("ERR hash value is not an integer")),
    })?;
    let sum = number.checked_add(delta).ok_or(CommandError::WouldOverflow)?;
    let mut text = itoa::Buffer::new();
    replace_value(turn, key, old, field, text.format(sum).as_bytes());
    turn.record(&[b"HINCRBY", key.bytes, field, itoa::Buffer::new().format(delta).as_bytes()]);
    turn.notify(EventClass::Hash, "hincrby", key.bytes);
    Ok(sum)
}

/// Shows `f` the value of a field.
pub(super) fn with_value<R>(
    turn: &Turn<'_>,
    key: &Key<'_>,
    spot: Option<Spot>,
    field: &[u8],
    f: impl FnOnce(Option<&[u8]>) -> R,
) -> R {
    let Some(spot) = spot else { return f(None) };
    let entry = turn.entry(key, spot);
    let hash = entry.as_hash().map(|hash| HashView::new(hash, || turn.sight()));
    match hash.and_then(|hash| hash.get(field)) {
        None => f(None),
        Some(field) => field.value.with_bytes(|value| f(Some(value))),
    }
}

/// Gives a field a value; its expiry stays.
pub(super) fn replace_value(turn: &mut Turn<'_>, key: &Key<'_>, spot: Option<Spot>, field: &[u8], value: &[u8]) {
    let (limits, hasher) = (limits(turn), &turn.core().hasher);
    let pair = std::iter::once((field, value));
    match spot {
        None => turn.put(key, None, EntryRef::hash(key.bytes, pair, limits, hasher).0),
        Some(spot) => {
            turn.update(key, spot, |entry| entry.set_fields(pair, FieldExpiry::Keep, limits, hasher));
        }
    }
}

impl Turn<'_> {
    /// Adds `delta` to the number in `field` of the hash at `key`, a missing one being 0; returns the sum. O(1).
    pub fn hincr(&mut self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let key = self.key(key.as_ref())?;
        add(self, &key, field.as_ref(), delta)
    }
}

impl Engine {
    /// Adds `delta` to the number in `field` of the hash at `key`, a missing one being 0; returns the sum. Fails with
    /// WRONGTYPE on other types, and if the value is no 64-bit integer or the sum is none. O(1), O(n) while the hash is small.
    /// Follows HINCRBY of Redis 7.2; records `HINCRBY`.
    pub fn hincr(&self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hincr(key, field, delta))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn fields_count_in_every_form() {
        let bench = Bench::new();
        for long in ["v".to_owned(), "v".repeat(100)] {
            bench.run(&format!("HSET k text {long} big 9223372036854775807 padded 007"));
            assert_eq!(bench.run("HINCRBY k n 5"), Value::Integer(5));
            assert_eq!(bench.run("HINCRBY k n -12"), Value::Integer(-7));
            assert_eq!(bench.error("HINCRBY k text 1"), "ERR hash value is not an integer");
            assert_eq!(bench.error("HINCRBY k padded 1"), "ERR hash value is not an integer");
            assert_eq!(bench.error("HINCRBY k big 1"), "ERR increment or decrement would overflow");
            assert_eq!(bench.error("HINCRBY k n x"), "ERR value is not an integer or out of range");
            assert_eq!(bench.db.hincr("k", "big", -1).unwrap(), i64::MAX - 1);
            assert_totals(&bench.db);
            bench.assert_replays();
            bench.run("DEL k");
        }
        bench.run("SET k v");
        assert_eq!(bench.error("HINCRBY k n 1"), "WRONGTYPE Operation against a key holding the wrong kind of value");
        bench.db.hincr("j", "f".repeat(65), 1).unwrap();
        assert_eq!(bench.run("OBJECT ENCODING j"), Value::bulk("hashtable"));
    }
}
