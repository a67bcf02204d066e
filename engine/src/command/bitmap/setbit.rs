//! `SETBIT key offset value`: sets or clears one bit of a string.
//!
//! Reply: the bit before. Effect: `SETBIT key offset value`, so that a long string is not recorded again for each bit;
//! none where nothing changes.

use super::{check_offset, parse_offset};
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::{StrRef, bits};

pub(super) const SETBIT: Row = Row::new("setbit", 4, Run::Turn(set_bit))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.")
    .docs(Group::Bitmap, "2.2.0", "O(1)")
    .args("key:key#0 offset:integer value:integer");

fn set_bit(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let offset = parse_offset(args[2])?;
    check_offset(turn, offset)?;
    let value = match parse_i64(args[3]) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::text("ERR bit is not an integer or out of range")),
    };
    let before = turn.setbit(args[1], offset, value)?;
    reply.integer(before.into());
    Ok(())
}

/// Records that a bit has this value, and that the string reaches to it.
pub(super) fn record_bit(turn: &mut Turn<'_>, key: &Key<'_>, offset: u64, value: bool) {
    let value: &[u8] = if value { b"1" } else { b"0" };
    turn.record(&[b"SETBIT", key.bytes, itoa::Buffer::new().format(offset).as_bytes(), value]);
}

impl Turn<'_> {
    /// Sets or clears a bit of the string at `key`, which is made, or lengthened with zeros, to hold it; returns the bit
    /// before. O(1) plus growth on strings above 1 KiB, O(length) below.
    pub fn setbit(&mut self, key: impl AsRef<[u8]>, offset: u64, value: bool) -> Result<bool, CommandError> {
        check_offset(self, offset)?;
        let key = self.key(key.as_ref())?;
        let (byte, mask) = bits::place(offset);
        let old = self.find_string(&key)?;
        let before = old.is_some_and(|spot| {
            let entry = self.entry(&key, spot);
            entry.as_string().is_some_and(|string| string.with_bytes(|bytes| bits::is_set(bytes, offset)))
        });
        let write = |bytes: &mut Vec<u8>| {
            bits::lengthen(bytes, byte + 1);
            bytes[byte] = bytes[byte] & !mask | if value { mask } else { 0 };
        };
        match old {
            None => {
                let mut entry = EntryRef::string(key.bytes, StrRef::Bytes(b""), true, None);
                entry.edit_string(write);
                self.put(&key, None, entry);
            }
            Some(spot) => {
                let len = self.entry(&key, spot).as_string().map_or(0, StrRef::byte_len);
                if byte < len && before == value {
                    return Ok(before);
                }
                self.edit_string(&key, spot, write);
            }
        }
        record_bit(self, &key, offset, value);
        self.notify(EventClass::String, "setbit", key.bytes);
        Ok(before)
    }
}

impl Engine {
    /// Sets or clears a bit of the string at `key`, which is made, or lengthened with zeros, to hold it; returns the bit
    /// before. Fails with WRONGTYPE on other types, and for bits beyond `proto-max-bulk-len`. O(1) plus growth on strings
    /// above 1 KiB, O(length) below. Follows SETBIT of Redis 7.2; records `SETBIT`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert!(!db.setbit("seen", 7, true)?);
    /// assert_eq!(db.get("seen")?.as_deref(), Some(&b"\x01"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn setbit(&self, key: impl AsRef<[u8]>, offset: u64, value: bool) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.setbit(key, offset, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn a_bit_is_set_where_it_differs_and_the_string_reaches_to_it() {
        let bench = Bench::new();
        assert_eq!(bench.run("SETBIT k 9 0"), Value::Integer(0));
        assert_eq!(bench.run("GET k"), Value::bulk([0, 0]));
        assert_eq!(bench.run("SETBIT k 1 1"), Value::Integer(0));
        assert_eq!(bench.run("SETBIT k 1 1"), Value::Integer(1));
        assert_eq!(bench.run("SETBIT k 20000 1"), Value::Integer(0));
        assert_eq!(bench.run("SETBIT k 20000 0"), Value::Integer(1));
        assert_eq!(bench.run("SETBIT k 20000 0"), Value::Integer(0));
        assert_eq!(bench.run("STRLEN k"), Value::Integer(2501));
        bench.run("SET n 12 PX 500");
        assert_eq!(bench.run("SETBIT n 6 1"), Value::Integer(0));
        assert_eq!(bench.run("GET n"), Value::bulk("32"));
        assert_eq!(bench.run("OBJECT ENCODING n"), Value::bulk("raw"));
        let expected = [
            "SETBIT k 9 0",
            "SETBIT k 1 1",
            "SETBIT k 20000 1",
            "SETBIT k 20000 0",
            "SET n 12 PXAT 1700000000500",
            "SETBIT n 6 1",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
    }

    #[test]
    fn what_is_no_bit_changes_nothing() {
        let bench = Bench::new();
        for value in ["2", "-1", "x", "01"] {
            assert_eq!(bench.error(&format!("SETBIT k 1 {value}")), "ERR bit is not an integer or out of range");
        }
        for offset in ["-1", "x", "4294967296"] {
            let text = "ERR bit offset is not an integer or out of range";
            assert_eq!(bench.error(&format!("SETBIT k {offset} 7")), text);
        }
        assert!(bench.effects().is_empty());
        assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
    }
}
