//! `BITPOS key bit [start [end [BYTE | BIT]]]`: the first bit of a string that is 0 or 1.
//!
//! Reply: its offset from the string's start; -1 if there is none. A string is followed by zeros without end, unless an end
//! is given.

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
use crate::value::bits;

pub(super) const BITPOS: Row = Row::new("bitpos", -3, Run::Look(bit_pos))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Finds the first set (1) or clear (0) bit in a string.")
    .docs(Group::Bitmap, "2.8.7", "O(N)")
    .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
    .args(
        "key:key#0 bit:integer range:block?{start:integer end-unit-block:block?{end:integer \
         unit:oneof@7.0.0?{byte=BYTE bit=BIT}}}",
    );

/// Where [`bitpos`](Engine::bitpos) looks. The default is the whole string.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BitSpan {
    /// The first byte or bit; from the end if negative.
    pub start: i64,
    /// The last byte or bit; from the end if negative. Without it the string is followed by zeros without end.
    pub end: Option<i64>,
    /// What both count.
    pub unit: BitUnit,
}

fn bit_pos(entry: Option<&EntryRef>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let integer = |text: &[u8]| parse_i64(text).ok_or(CommandError::NotInteger);
    let wanted = match integer(args[2])? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::text("ERR The bit argument must be 1 or 0.")),
    };
    let mut span = BitSpan::default();
    if args.len() > 6 {
        return Err(CommandError::Syntax);
    }
    if let Some(start) = args.get(3) {
        span.start = integer(start)?;
    }
    if let Some(unit) = args.get(5) {
        span.unit = BitUnit::parse(unit)?;
    }
    if let Some(end) = args.get(4) {
        span.end = Some(integer(end)?);
    }
    let found = find(entry, wanted, span)?;
    reply.integer(found.map_or(-1, |bit| bit as i64));
    Ok(())
}

fn find(entry: Option<&EntryRef>, wanted: bool, span: BitSpan) -> Result<Option<u64>, CommandError> {
    let Some(entry) = entry else { return Ok((!wanted).then_some(0)) };
    let string = entry.as_string().ok_or(CommandError::WrongType)?;
    Ok(string.with_bytes(|bytes| {
        let range = span.unit.bits(bytes.len(), span.start, span.end.unwrap_or(-1));
        let end = range.end;
        match bits::find(bytes, wanted, range.clone()) {
            None if !range.is_empty() && !wanted && span.end.is_none() => Some(end),
            found => found,
        }
    }))
}

impl Turn<'_> {
    /// The first bit of the string at `key` that is `bit`. O(range).
    pub fn bitpos(&mut self, key: impl AsRef<[u8]>, bit: bool, span: BitSpan) -> Result<Option<u64>, CommandError> {
        let key = self.key(key.as_ref())?;
        match self.read(&key) {
            None => find(None, bit, span),
            Some(entry) => find(Some(&entry), bit, span),
        }
    }
}

impl Engine {
    /// The first bit of the string at `key` that is `bit`, counted from the string's start; `None` if there is none. A
    /// string without an end of the span is followed by zeros, and so is a missing key, whatever the span. Fails with
    /// WRONGTYPE on other types. O(range). Follows BITPOS of Redis 7.2; records nothing.
    pub fn bitpos(&self, key: impl AsRef<[u8]>, bit: bool, span: BitSpan) -> Result<Option<u64>, CommandError> {
        self.on_entry(key.as_ref(), |entry| find(entry, bit, span))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn positions_count_from_the_start_and_zeros_follow_unless_an_end_is_given() {
        let bench = Bench::new();
        bench.run("SET k \"\\xff\\xf0\\x00\"");
        bench.run("SET full \"\\xff\\xff\\xff\"");
        bench.run("SET zero \"\\x00\\x00\"");
        bench.run("SET empty \"\"");
        for (request, expected) in [
            ("k 0", 12),
            ("k 1", 0),
            ("k 1 2", -1),
            ("k 0 2", 16),
            ("k 1 1 -1", 8),
            ("k 0 0 11 BIT", -1),
            ("k 0 3 -1 bit", 12),
            ("k 1 12 -1 BIT", -1),
            ("full 0", 24),
            ("full 0 1", 24),
            ("full 0 3", -1),
            ("full 0 0 -1", -1),
            ("full 0 -100 -50", -1),
            ("zero 1", -1),
            ("empty 0", -1),
            ("empty 1", -1),
            ("empty 0 0 -1", -1),
            ("none 0", 0),
            ("none 0 5 9", 0),
            ("none 1", -1),
        ] {
            assert_eq!(bench.run(&format!("BITPOS {request}")), Value::Integer(expected), "{request}");
        }
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        assert_eq!(bench.error("BITPOS k 2"), "ERR The bit argument must be 1 or 0.");
        assert_eq!(bench.error("BITPOS k x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("BITPOS k 1 a"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("BITPOS k 1 1 a"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("BITPOS k 1 1 a BITS"), "ERR syntax error");
        assert_eq!(bench.error("BITPOS k 1 1 1 BIT 1"), "ERR syntax error");
    }
}
