//! `HINCRBYFLOAT key field increment`: counting with decimals in a field.
//!
//! Reply: the number afterwards, at most 17 decimals, never an exponent. Effect: `HSET key field number`, and `HPEXPIREAT`
//! where the field has an expiry: the sum is recorded, so that copies need not compute alike.

use super::counter::{replace_value, with_value};
use super::find_hash;
use super::recording::record_field_expiry;
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::LongDouble;
use crate::turn::{Key, Turn};

pub(super) const HINCRBYFLOAT: Row = Row::new("hincrbyfloat", 4, Run::Turn(hincrbyfloat))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary(
        "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
    )
    .docs(Group::Hash, "2.6.0", "O(1)")
    .args("key:key#0 field:string increment:double");

fn hincrbyfloat(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let sum = add(turn, &key, args[2], args[3])?;
    reply.bulk(&sum);
    Ok(())
}

fn add(turn: &mut Turn<'_>, key: &Key<'_>, field: &[u8], increment: &[u8]) -> Result<Vec<u8>, CommandError> {
    let increment = LongDouble::parse(increment).ok_or(CommandError::NotFloat)?;
    if increment.is_infinite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let old = find_hash(turn, key)?;
    let number = with_value(turn, key, old, field, |value| {
        let value = value.unwrap_or(b"0");
        let value = if value.len() < NUMBER_BYTES_LIMIT { LongDouble::parse(value) } else { None };
        value.ok_or(CommandError::text("ERR hash value is not a float"))
    })?;
    let sum = number.checked_add(increment).ok_or(CommandError::NanOrInfinity)?.to_text();
    replace_value(turn, key, old, field, &sum);
    turn.record(&[b"HSET", key.bytes, field, &sum]);
    if old.is_some() {
        record_field_expiry(turn, key, field);
    }
    turn.notify(EventClass::Hash, "hincrbyfloat", key.bytes);
    Ok(sum)
}

/// Redis reads numbers through a buffer of 5 KiB.
const NUMBER_BYTES_LIMIT: usize = 5 * 1024;

impl Turn<'_> {
    /// Adds `delta` to the decimal number in `field` of the hash at `key`, a missing one being 0; returns the sum as it is
    /// stored. O(1).
    pub fn hincr_float(
        &mut self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        delta: f64,
    ) -> Result<String, CommandError> {
        let key = self.key(key.as_ref())?;
        let sum = add(self, &key, field.as_ref(), delta.to_string().as_bytes())?;
        Ok(String::from_utf8_lossy(&sum).into_owned())
    }
}

impl Engine {
    /// Adds `delta` to the decimal number in `field` of the hash at `key`, a missing one being 0; returns the sum as it is
    /// stored: at most 17 decimals, no exponent. Fails with WRONGTYPE on other types, if the value is no number, and if the
    /// sum is not finite. O(1), O(n) while the hash is small. Follows HINCRBYFLOAT of Redis 7.2; records `HSET`.
    pub fn hincr_float(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        delta: f64,
    ) -> Result<String, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hincr_float(key, field, delta))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn sums_print_as_in_redis_and_are_what_is_recorded() {
        let bench = Bench::new();
        assert_eq!(bench.run("HINCRBYFLOAT k f 10.50"), Value::bulk("10.5"));
        assert_eq!(bench.run("HINCRBYFLOAT k f 0.1"), Value::bulk("10.6"));
        assert_eq!(bench.db.hincr_float("k", "f", -5e3).unwrap(), "-4989.39999999999999991");
        assert_eq!(bench.effects(), ["HSET k f 10.5", "HSET k f 10.6", "HSET k f -4989.39999999999999991"]);
        bench.run("HSET k t text");
        assert_eq!(bench.error("HINCRBYFLOAT k t 1"), "ERR hash value is not a float");
        assert_eq!(bench.error("HINCRBYFLOAT k f x"), "ERR value is not a valid float");
        assert_eq!(bench.error("HINCRBYFLOAT k f inf"), "ERR value is NaN or Infinity");
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
