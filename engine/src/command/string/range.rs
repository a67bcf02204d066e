//! `GETRANGE key start end`, `SUBSTR key start end`, `SETRANGE key offset value`, `STRLEN key`: parts of strings.
//!
//! Reply: the part, empty where there is none; the length, for SETRANGE afterwards. Effect of SETRANGE:
//! `SETRANGE key offset value`, so that a long string is not recorded again for each piece.

use super::check_length;
use crate::command::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::{AsValue, StrRef};
use bytes::Bytes;
use std::ops::Range;

pub(super) const GETRANGE: Row = Row::new("getrange", 4, Run::Look(get_range))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns a substring of the string stored at a key.")
    .docs(
        Group::String,
        "2.4.0",
        "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned \
         length, but because creating a substring from an existing string is very cheap, it can be considered O(1) \
         for small strings.",
    )
    .args("key:key#0 start:integer end:integer");

pub(super) const SUBSTR: Row = Row::new("substr", 4, Run::Look(get_range))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns a substring from a string value.")
    .docs(
        Group::String,
        "1.0.0",
        "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned \
         length, but because creating a substring from an existing string is very cheap, it can be considered O(1) \
         for small strings.",
    )
    .deprecated("2.0.0", "`GETRANGE`")
    .args("key:key#0 start:integer end:integer");

pub(super) const SETRANGE: Row = Row::new("setrange", 4, Run::Turn(set_range))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.")
    .docs(
        Group::String,
        "2.2.0",
        "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the \
         amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
    )
    .args("key:key#0 offset:integer value:string");

pub(super) const STRLEN: Row = Row::new("strlen", 2, Run::Look(str_len))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the length of a string value.")
    .docs(Group::String, "2.2.0", "O(1)")
    .args("key:key#0");

fn get_range(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let start = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    let end = parse_i64(args[3]).ok_or(CommandError::NotInteger)?;
    string_of(entry)?.with_bytes(|bytes| reply.bulk(&bytes[span(bytes.len(), start, end)]));
    Ok(())
}

fn set_range(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let offset = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    let len = turn.setrange(args[1], offset, args[3])?;
    reply.integer(len as i64);
    Ok(())
}

fn str_len(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(string_of(entry)?.byte_len() as i64);
    Ok(())
}

/// The string of an entry; the empty one if there is no entry.
fn string_of(entry: Option<&EntryRef>) -> Result<StrRef<'_>, CommandError> {
    match entry {
        None => Ok(StrRef::Bytes(b"")),
        Some(entry) => entry.as_string().ok_or(CommandError::WrongType),
    }
}

fn part_of(value: StrRef<'_>, start: i64, end: i64) -> Bytes {
    value.with_bytes(|bytes| Bytes::copy_from_slice(&bytes[span(bytes.len(), start, end)]))
}

/// The bytes from `start` to `end`, both included, that a string of `len` bytes has. Negative numbers count from the end.
fn span(len: usize, start: i64, end: i64) -> Range<usize> {
    if len == 0 || start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let len = len as i64;
    let from_start = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    // An end before the first byte still is the first byte, as in Redis.
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

impl Turn<'_> {
    /// The bytes from `start` to `end`, both included, of the string at `key`; negative numbers count from the end.
    /// O(part).
    pub fn getrange(&mut self, key: impl AsRef<[u8]>, start: i64, end: i64) -> Result<Bytes, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |value| part_of(value.unwrap_or(StrRef::Bytes(b"")), start, end))
    }

    /// Writes `value` over the string at `key` from `offset` on, and zeros before it if the string is shorter; returns
    /// the length afterwards. O(value) plus growth on strings above 1 KiB, O(length) below.
    pub fn setrange(&mut self, key: impl AsRef<[u8]>, offset: i64, value: impl AsValue) -> Result<usize, CommandError> {
        let offset = usize::try_from(offset).map_err(|_| CommandError::OffsetOutOfRange)?;
        let key = self.key(key.as_ref())?;
        let old = self.find_string(&key)?;
        value.with_value(|value| {
            value.with_bytes(|value| {
                if value.is_empty() {
                    return Ok(old.map_or(0, |spot| self.entry(&key, spot).as_string().map_or(0, StrRef::byte_len)));
                }
                check_length(self, offset, value.len())?;
                let write = |bytes: &mut Vec<u8>| {
                    let end = offset + value.len();
                    if bytes.len() < end {
                        bytes.resize(end, 0);
                    }
                    bytes[offset..end].copy_from_slice(value);
                    bytes.len()
                };
                let len = match old {
                    Some(spot) => self.edit_string(&key, spot, write),
                    None => {
                        let mut entry = EntryRef::string(key.bytes, StrRef::Bytes(b""), true, None);
                        let len = entry.edit_string(write);
                        self.put(&key, None, entry);
                        len
                    }
                };
                self.record(&[b"SETRANGE", key.bytes, itoa::Buffer::new().format(offset).as_bytes(), value]);
                self.notify(EventClass::String, "setrange", key.bytes);
                Ok(len)
            })
        })
    }

    /// How many bytes the string at `key` has, 0 if there is none. O(1).
    pub fn strlen(&mut self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |value| value.map_or(0, StrRef::byte_len))
    }
}

impl Engine {
    /// The bytes from `start` to `end`, both included, of the string at `key`; negative numbers count from the end. Empty
    /// if there is no such key or no such part. Fails with WRONGTYPE on other types. O(part). Follows GETRANGE of Redis
    /// 7.2; records nothing.
    pub fn getrange(&self, key: impl AsRef<[u8]>, start: i64, end: i64) -> Result<Bytes, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(part_of(string_of(entry)?, start, end)))
    }

    /// Writes `value` over the string at `key` from `offset` on, and zeros before it if the string is shorter; returns
    /// the length in bytes afterwards. Fails with WRONGTYPE on other types, on a negative offset, and where the string
    /// would pass `proto-max-bulk-len`. O(value) plus growth on strings above 1 KiB, O(length) below. Follows SETRANGE of
    /// Redis 7.2; records `SETRANGE`.
    pub fn setrange(&self, key: impl AsRef<[u8]>, offset: i64, value: impl AsValue) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.setrange(key, offset, value))
    }

    /// How many bytes the string at `key` has, 0 if there is no such key. Fails with WRONGTYPE on other types. O(1).
    /// Follows STRLEN of Redis 7.2; records nothing.
    pub fn strlen(&self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(string_of(entry)?.byte_len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn spans_are_those_of_redis() {
        let part = |start, end| &"hello"[span(5, start, end)];
        assert_eq!(part(0, -1), "hello");
        assert_eq!(part(1, 3), "ell");
        assert_eq!(part(-3, -2), "ll");
        assert_eq!(part(-2, -3), "");
        assert_eq!(part(3, 1), "");
        assert_eq!(part(-100, 1), "he");
        assert_eq!(part(0, -100), "h");
        assert_eq!(part(4, 100), "o");
        assert_eq!(part(5, 100), "");
        assert_eq!(part(i64::MIN, i64::MAX), "hello");
        assert_eq!(span(0, 0, -1), 0..0);
    }

    #[test]
    fn ranges_of_numbers_and_of_nothing() {
        let bench = Bench::new();
        bench.run("SET n -1234");
        assert_eq!(bench.run("GETRANGE n 0 1"), Value::bulk("-1"));
        assert_eq!(bench.run("SUBSTR n -2 -1"), Value::bulk("34"));
        assert_eq!(bench.run("GETRANGE none 0 -1"), Value::bulk(""));
        assert_eq!((bench.run("STRLEN n"), bench.run("STRLEN none")), (Value::Integer(5), Value::Integer(0)));
        assert_eq!(bench.error("GETRANGE none 0 x"), "ERR value is not an integer or out of range");
    }

    #[test]
    fn writing_beyond_the_end_fills_with_zeros_and_replays() {
        let bench = Bench::new();
        assert_eq!(bench.run("SETRANGE k 5 \"\""), Value::Integer(0));
        assert_eq!(bench.run("SETRANGE k 2 ab"), Value::Integer(4));
        assert_eq!(bench.run("GET k"), Value::bulk("\0\0ab"));
        bench.run("SET k 12345 PX 100");
        assert_eq!(bench.run("SETRANGE k 1 xy"), Value::Integer(5));
        assert_eq!(bench.run("SETRANGE k 9 \"\""), Value::Integer(5));
        assert_eq!(bench.run("SETRANGE k 2000 z"), Value::Integer(2001));
        assert_eq!(bench.run("SETRANGE k 0 A"), Value::Integer(2001));
        assert_eq!(bench.run("GETRANGE k 0 6"), Value::bulk("Axy45\0\0"));
        let expected = [
            "SETRANGE k 2 ab",
            "SET k 12345 PXAT 1700000000100",
            "SETRANGE k 1 xy",
            "SETRANGE k 2000 z",
            "SETRANGE k 0 A",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
    }

    #[test]
    fn offsets_have_limits() {
        let bench = Bench::new();
        let too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        assert_eq!(bench.error("SETRANGE k -1 x"), "ERR offset is out of range");
        assert_eq!(bench.error("SETRANGE k 536870912 x"), too_long);
        assert_eq!(bench.error("SETRANGE k 9223372036854775807 x"), too_long);
        assert_eq!(bench.run("SETRANGE k 9223372036854775807 \"\""), Value::Integer(0));
        assert!(bench.effects().is_empty());
    }
}
