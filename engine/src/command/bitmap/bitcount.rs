//! `BITCOUNT key [start end [BYTE | BIT]]`: how many bits of a string are set.
//!
//! Reply: the number.

use super::BitUnit;
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{StrRef, bits};

pub(super) const BITCOUNT: Row = Row::new("bitcount", -2, Run::Look(bit_count))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Counts the number of set bits (population counting) in a string.")
    .docs(Group::Bitmap, "2.6.0", "O(N)")
    .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
    .args("key:key#0 range:block?{start:integer end:integer unit:oneof@7.0.0?{byte=BYTE bit=BIT}}");

fn bit_count(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (start, end, unit) = match *args {
        [_, _] => (0, -1, BitUnit::Byte),
        [_, _, start, end] | [_, _, start, end, _] => {
            let start = parse_i64(start).ok_or(CommandError::NotInteger)?;
            let end = parse_i64(end).ok_or(CommandError::NotInteger)?;
            (start, end, args.get(4).map_or(Ok(BitUnit::Byte), |word| BitUnit::parse(word))?)
        }
        _ => return Err(CommandError::Syntax),
    };
    let string = entry.map_or(Some(StrRef::Bytes(b"")), EntryRef::as_string).ok_or(CommandError::WrongType)?;
    reply.integer(count(string, start, end, unit) as i64);
    Ok(())
}

fn count(string: StrRef<'_>, start: i64, end: i64, unit: BitUnit) -> u64 {
    if start < 0 && end < 0 && start > end {
        return 0;
    }
    string.with_bytes(|bytes| bits::count_range(bytes, unit.bits(bytes.len(), start, end)))
}

impl Turn<'_> {
    /// How many bits of the string at `key` are set. O(length).
    pub fn bitcount(&mut self, key: impl AsRef<[u8]>) -> Result<u64, CommandError> {
        self.bitcount_range(key, 0, -1, BitUnit::Byte)
    }

    /// How many bits of the string at `key` are set from `start` to `end`, both included. O(range).
    pub fn bitcount_range(
        &mut self,
        key: impl AsRef<[u8]>,
        start: i64,
        end: i64,
        unit: BitUnit,
    ) -> Result<u64, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |string| string.map_or(0, |string| count(string, start, end, unit)))
    }
}

impl Engine {
    /// How many bits of the string at `key` are set, 0 if there is no such key. Fails with WRONGTYPE on other types.
    /// O(length). Follows BITCOUNT of Redis 7.2; records nothing.
    pub fn bitcount(&self, key: impl AsRef<[u8]>) -> Result<u64, CommandError> {
        self.bitcount_range(key, 0, -1, BitUnit::Byte)
    }

    /// How many bits of the string at `key` are set from `start` to `end`, both included, which count bytes or bits, from
    /// the end if negative. Fails with WRONGTYPE on other types. O(range). Follows BITCOUNT of Redis 7.2; records
    /// nothing.
    pub fn bitcount_range(
        &self,
        key: impl AsRef<[u8]>,
        start: i64,
        end: i64,
        unit: BitUnit,
    ) -> Result<u64, CommandError> {
        self.on_entry(key.as_ref(), |entry| match entry {
            None => Ok(0),
            Some(entry) => Ok(count(entry.as_string().ok_or(CommandError::WrongType)?, start, end, unit)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn bits_are_counted_in_bytes_and_in_bits() {
        let bench = Bench::new();
        bench.run("SET k foobar");
        for (range, expected) in [
            ("", 26),
            ("0 0", 4),
            ("1 1", 6),
            ("1 1 BYTE", 6),
            ("5 30 BIT", 17),
            ("-2 -1", 7),
            ("-1 -2", 0),
            ("-100 -99", 4),
            ("4 1000", 7),
            ("3 2", 0),
            ("0 -1 bit", 26),
        ] {
            assert_eq!(bench.run(&format!("BITCOUNT k {range}")), Value::Integer(expected), "{range}");
        }
        bench.run("SET n 7");
        assert_eq!(bench.db.bitcount("n").unwrap(), 5);
        assert_eq!(bench.db.bitcount_range("n", -3, -1, BitUnit::Bit).unwrap(), 3);
        assert_eq!(bench.run("BITCOUNT none 0 -1"), Value::Integer(0));
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        for request in ["BITCOUNT k 1", "BITCOUNT none 1", "BITCOUNT k 1 2 BITS", "BITCOUNT k 1 2 BIT 3"] {
            assert_eq!(bench.error(request), "ERR syntax error", "{request}");
        }
        for request in ["BITCOUNT k a 2", "BITCOUNT k 1 b", "BITCOUNT none 1 b BITS"] {
            assert_eq!(bench.error(request), "ERR value is not an integer or out of range", "{request}");
        }
    }
}
