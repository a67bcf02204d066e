//! `APPEND key value`: adds to the end of a string.
//!
//! Reply: the length afterwards. Effect: `APPEND key value`, so that a long string is not recorded again for each piece.

use super::check_length;
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};

pub(super) const APPEND: Row = Row::new("append", 3, Run::Turn(append))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Appends a string to the value of a key. Creates the key if it doesn't exist.")
    .docs(
        Group::String,
        "2.0.0",
        "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present \
         value is of any size, since the dynamic string library used by Redis will double the free space available on \
         every reallocation.",
    )
    .args("key:key#0 value:string");

fn append(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let len = turn.append(args[1], args[2])?;
    reply.integer(len as i64);
    Ok(())
}

impl Turn<'_> {
    /// Adds `value` to the end of the string at `key`, which is made if missing; returns its length afterwards.
    /// Amortised O(value) on strings above 1 KiB, O(length) below.
    pub fn append(&mut self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let old = self.find_string(&key)?;
        value.with_value(|value| {
            let len = match old {
                None => {
                    self.put_string(&key, None, value, false, None);
                    value.byte_len()
                }
                Some(spot) => {
                    let len = self.entry(&key, spot).as_string().map_or(0, StrRef::byte_len);
                    check_length(self, len, value.byte_len())?;
                    value.with_bytes(|value| {
                        self.edit_string(&key, spot, |bytes| {
                            bytes.extend_from_slice(value);
                            bytes.len()
                        })
                    })
                }
            };
            value.with_bytes(|value| self.record(&[b"APPEND", key.bytes, value]));
            self.notify(EventClass::String, "append", key.bytes);
            Ok(len)
        })
    }
}

impl Engine {
    /// Adds `value` to the end of the string at `key`, which is made if missing; returns its length in bytes afterwards.
    /// Fails with WRONGTYPE on other types, and where the string would pass `proto-max-bulk-len`. Amortised O(value) on
    /// strings above 1 KiB, O(length) below. Follows APPEND of Redis 7.2; records `APPEND`.
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.append(key, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_string_grows_across_the_inline_limit_and_keeps_its_expiry() {
        let bench = Bench::new();
        assert_eq!(bench.run("APPEND k 12"), Value::Integer(2));
        assert_eq!(bench.db.get_int("k").unwrap(), Some(12));
        bench.run("SET k 1 PX 500");
        assert_eq!(bench.run("APPEND k \"\""), Value::Integer(1));
        for n in 1..=30 {
            assert_eq!(bench.db.append("k", "x".repeat(100)).unwrap(), 1 + n * 100);
        }
        assert_eq!(bench.db.get("k").unwrap().unwrap(), format!("1{}", "x".repeat(3000)));
        bench.assert_replays();
        assert_eq!(bench.effects().last().unwrap(), &format!("APPEND k {}", "x".repeat(100)));
    }

    #[test]
    fn a_string_stops_at_the_longest_bulk() {
        let bench = Bench::new();
        bench.db.options().bulk_bytes_max.store(10, Ordering::Relaxed);
        bench.run("APPEND k 01234567");
        assert_eq!(bench.run("APPEND k 89"), Value::Integer(10));
        bench.effects();
        let text = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        assert_eq!(bench.error("APPEND k x"), text);
        assert!(bench.effects().is_empty());
    }
}
