//! `INCR key`, `INCRBY key n`, `DECR key`, `DECRBY key n`: counting in 64 bits.
//!
//! Reply: the number afterwards. Effect: `SET key number`, with `PXAT ms` where the key has an expiry.

use super::set::record_set;
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::StrRef;

pub(super) const INCR: Row = Row::new("incr", 2, Run::Turn(incr))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .args("key:key#0");

pub(super) const INCRBY: Row = Row::new("incrby", 3, Run::Turn(incr_by))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .args("key:key#0 increment:integer");

pub(super) const DECR: Row = Row::new("decr", 2, Run::Turn(decr))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .args("key:key#0");

pub(super) const DECRBY: Row = Row::new("decrby", 3, Run::Turn(decr_by))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .args("key:key#0 decrement:integer");

fn incr(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.incr(args[1], 1)?);
    Ok(())
}

fn incr_by(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let delta = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    reply.integer(turn.incr(args[1], delta)?);
    Ok(())
}

fn decr(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.decr(args[1], 1)?);
    Ok(())
}

fn decr_by(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let delta = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    reply.integer(turn.decr(args[1], delta)?);
    Ok(())
}

fn add(turn: &mut Turn<'_>, key: &Key<'_>, delta: i64) -> Result<i64, CommandError> {
    let old = turn.find_string(key)?;
    let (number, expiry) = match old {
        None => (0, None),
        Some(spot) => {
            let entry = turn.entry(key, spot);
            (number_of(entry.as_string().ok_or(CommandError::WrongType)?)?, entry.expiry())
        }
    };
    let sum = number.checked_add(delta).ok_or(CommandError::WouldOverflow)?;
    turn.put_string(key, old, StrRef::Int(sum), false, expiry);
    record_set(turn, key, StrRef::Int(sum), expiry);
    turn.notify(EventClass::String, "incrby", key.bytes);
    Ok(sum)
}

fn number_of(value: StrRef<'_>) -> Result<i64, CommandError> {
    value.as_i64().ok_or(CommandError::NotInteger)
}

impl Turn<'_> {
    /// Adds `delta` to the number at `key`, a missing one being 0; returns the sum. O(1).
    pub fn incr(&mut self, key: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let key = self.key(key.as_ref())?;
        add(self, &key, delta)
    }

    /// Subtracts `delta` from the number at `key`, a missing one being 0; returns the difference. O(1).
    pub fn decr(&mut self, key: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let delta = delta.checked_neg().ok_or(CommandError::DecrementOverflow)?;
        self.incr(key, delta)
    }

    /// The number at `key`. O(1).
    pub fn get_int(&mut self, key: impl AsRef<[u8]>) -> Result<Option<i64>, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |value| value.map(number_of).transpose())?
    }
}

impl Engine {
    /// Adds `delta` to the number at `key`, a missing one being 0; returns the sum. The expiry stays. Fails with
    /// WRONGTYPE on other types, and if the string is no 64-bit integer or the sum is none. O(1). Follows INCRBY of Redis
    /// 7.2; records `SET`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert_eq!(db.incr("hits", 1)?, 1);
    /// assert_eq!(db.incr("hits", 41)?, 42);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn incr(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.incr(key, delta))
    }

    /// Subtracts `delta` from the number at `key`; as [`Engine::incr`] otherwise. `i64::MIN` cannot be subtracted.
    pub fn decr(&self, key: impl AsRef<[u8]>, delta: i64) -> Result<i64, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.decr(key, delta))
    }

    /// The number at `key`; `None` if there is no such key. Fails with WRONGTYPE on other types and if the string is no
    /// 64-bit integer. O(1), no allocation. Records nothing.
    pub fn get_int(&self, key: impl AsRef<[u8]>) -> Result<Option<i64>, CommandError> {
        self.on_entry(key.as_ref(), |entry| match entry {
            None => Ok(None),
            Some(entry) => number_of(entry.as_string().ok_or(CommandError::WrongType)?).map(Some),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn a_counter_starts_at_zero_and_keeps_its_expiry() {
        let bench = Bench::new();
        assert_eq!(bench.run("INCR n"), Value::Integer(1));
        assert_eq!(bench.run("DECRBY n 11"), Value::Integer(-10));
        bench.run("SET n 5 PX 100");
        assert_eq!(bench.run("INCRBY n -7"), Value::Integer(-2));
        assert_eq!(bench.run("DECR n"), Value::Integer(-3));
        assert_eq!(bench.run("GET n"), Value::bulk("-3"));
        let expected = [
            "SET n 1",
            "SET n -10",
            "SET n 5 PXAT 1700000000100",
            "SET n -2 PXAT 1700000000100",
            "SET n -3 PXAT 1700000000100",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
    }

    #[test]
    fn what_is_no_number_or_would_leave_the_range_is_left_alone() {
        let bench = Bench::new();
        for text in ["\"\"", "x", "\" 1\"", "1.0", "007", "+1", "9223372036854775808"] {
            bench.run(&format!("SET k {text}"));
            assert_eq!(bench.error("INCR k"), "ERR value is not an integer or out of range", "{text}");
            assert_eq!(bench.error(&format!("INCRBY n {text}")), "ERR value is not an integer or out of range");
        }
        bench.run("SET n 9223372036854775807");
        bench.effects();
        assert_eq!(bench.error("INCR n"), "ERR increment or decrement would overflow");
        assert_eq!(bench.error("DECRBY n -9223372036854775808"), "ERR decrement would overflow");
        assert_eq!(bench.error("INCRBY n x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.run("GET n"), Value::bulk("9223372036854775807"));
        assert!(bench.effects().is_empty());
    }
}
