//! `INCRBYFLOAT key increment`: counting with decimals.
//!
//! Reply: the number afterwards, at most 17 decimals, never an exponent. Effect: `SET key number`, with `PXAT ms` where
//! the key has an expiry: the sum is recorded, so that copies need not compute alike.

use super::set::record_set;
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::LongDouble;
use crate::turn::{Key, Turn};
use crate::value::StrRef;

pub(super) const INCRBYFLOAT: Row = Row::new("incrbyfloat", 3, Run::Turn(incr_by_float))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary(
        "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    )
    .docs(Group::String, "2.6.0", "O(1)")
    .args("key:key#0 increment:double");

fn incr_by_float(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let sum = add(turn, &key, args[2])?;
    reply.bulk(&sum);
    Ok(())
}

fn add(turn: &mut Turn<'_>, key: &Key<'_>, increment: &[u8]) -> Result<Vec<u8>, CommandError> {
    let parse = |text: &[u8]| LongDouble::parse(text).ok_or(CommandError::NotFloat);
    let old = turn.find_string(key)?;
    let (text, expiry) = match old {
        None => (b"0".to_vec(), None),
        Some(spot) => {
            let entry = turn.entry(key, spot);
            (entry.as_string().filter(may_be_number).map_or_else(Vec::new, StrRef::to_vec), entry.expiry())
        }
    };
    let (number, increment) = (parse(&text)?, parse(increment)?);
    let sum = number.checked_add(increment).ok_or(CommandError::NanOrInfinity)?.to_text();
    // Kept as text even where it is whole: Redis reports such a value as a string, not as a number.
    turn.put_string(key, old, StrRef::Bytes(&sum), false, expiry);
    record_set(turn, key, StrRef::Bytes(&sum), expiry);
    turn.notify(EventClass::String, "incrbyfloat", key.bytes);
    Ok(sum)
}

/// False for strings that are longer than any number that is read.
fn may_be_number(value: &StrRef<'_>) -> bool {
    value.byte_len() < NUMBER_BYTES_LIMIT
}

/// Redis reads numbers through a buffer of 5 KiB.
const NUMBER_BYTES_LIMIT: usize = 5 * 1024;

impl Turn<'_> {
    /// Adds `delta` to the decimal number at `key`, a missing one being 0; returns the sum as it is stored. O(digits).
    pub fn incr_float(&mut self, key: impl AsRef<[u8]>, delta: f64) -> Result<String, CommandError> {
        let key = self.key(key.as_ref())?;
        let sum = add(self, &key, delta.to_string().as_bytes())?;
        Ok(String::from_utf8_lossy(&sum).into_owned())
    }
}

impl Engine {
    /// Adds `delta` to the decimal number at `key`, a missing one being 0; returns the sum as it is stored: at most 17
    /// decimals, no exponent. The expiry stays. Fails with WRONGTYPE on other types, if the string is no number, and if
    /// the sum is not finite. O(digits). Follows INCRBYFLOAT of Redis 7.2, to the byte; records `SET`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.set("price", "10.5")?;
    /// assert_eq!(db.incr_float("price", 0.1)?, "10.6");
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn incr_float(&self, key: impl AsRef<[u8]>, delta: f64) -> Result<String, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.incr_float(key, delta))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn sums_print_as_in_redis_and_are_what_is_recorded() {
        let bench = Bench::new();
        assert_eq!(bench.run("INCRBYFLOAT k 3.0"), Value::bulk("3"));
        assert_eq!(bench.run("INCR k"), Value::Integer(4));
        bench.run("SET k 10.50 PX 100");
        assert_eq!(bench.run("INCRBYFLOAT k 0.1"), Value::bulk("10.6"));
        assert_eq!(bench.run("INCRBYFLOAT k -5e3"), Value::bulk("-4989.39999999999999991"));
        assert_eq!(bench.run("INCRBYFLOAT k 0x10"), Value::bulk("-4973.39999999999999991"));
        assert_eq!(bench.effects().last().unwrap(), "SET k -4973.39999999999999991 PXAT 1700000000100");
        bench.assert_replays();
    }

    #[test]
    fn what_is_no_number_is_left_alone() {
        let bench = Bench::new();
        for text in ["\"\"", "x", "\" 1\"", "nan", "1e99999"] {
            bench.run(&format!("SET k {text}"));
            assert_eq!(bench.error("INCRBYFLOAT k 1"), "ERR value is not a valid float", "{text}");
            assert_eq!(bench.error(&format!("INCRBYFLOAT n {text}")), "ERR value is not a valid float");
        }
        bench.db.set("k", vec![b'1'; 5120]).unwrap();
        assert_eq!(bench.error("INCRBYFLOAT k 1"), "ERR value is not a valid float");
        bench.effects();
        assert_eq!(bench.error("INCRBYFLOAT n inf"), "ERR increment would produce NaN or Infinity");
        assert!(bench.effects().is_empty());
    }
}
