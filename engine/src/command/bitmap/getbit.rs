//! `GETBIT key offset`: one bit of a string.
//!
//! Reply: 0 or 1; 0 beyond the end and where there is no key.

use super::{check_offset, parse_offset};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::{StrRef, bits};

pub(super) const GETBIT: Row = Row::new("getbit", 3, Run::Turn(get_bit))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns a bit value by offset.")
    .docs(Group::Bitmap, "2.2.0", "O(1)")
    .args("key:key#0 offset:integer");

fn get_bit(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let offset = parse_offset(args[2])?;
    let is_set = turn.getbit(args[1], offset)?;
    reply.integer(is_set.into());
    Ok(())
}

impl Turn<'_> {
    /// Whether a bit of the string at `key` is set; bits beyond the end are not. O(1).
    pub fn getbit(&mut self, key: impl AsRef<[u8]>, offset: u64) -> Result<bool, CommandError> {
        check_offset(self, offset)?;
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |value| {
            value.unwrap_or(StrRef::Bytes(b"")).with_bytes(|bytes| bits::is_set(bytes, offset))
        })
    }
}

impl Engine {
    /// Whether a bit of the string at `key` is set; bits beyond the end, and those of a missing key, are not. Fails with
    /// WRONGTYPE on other types, and for bits beyond `proto-max-bulk-len`. O(1). Follows GETBIT of Redis 7.2; records
    /// nothing.
    pub fn getbit(&self, key: impl AsRef<[u8]>, offset: u64) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.getbit(key, offset))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_highest_bit_of_a_byte_comes_first() {
        let bench = Bench::new();
        bench.run("SET k 1");
        bench.run("SET long \"\\x80\\x01\"");
        let bits: String = (0..10).map(|bit| if bench.db.getbit("k", bit).unwrap() { '1' } else { '0' }).collect();
        assert_eq!(bits, "0011000100");
        assert_eq!(bench.run("GETBIT long 15"), Value::Integer(1));
        assert_eq!(bench.run("GETBIT none 7"), Value::Integer(0));
        bench.effects();
        let text = "ERR bit offset is not an integer or out of range";
        for offset in ["-1", "x", "#1", "4294967296", "9223372036854775808", "01"] {
            assert_eq!(bench.error(&format!("GETBIT k {offset}")), text, "{offset}");
        }
        assert_eq!(bench.run("GETBIT k 4294967295"), Value::Integer(0));
        assert!(bench.effects().is_empty());
    }
}
