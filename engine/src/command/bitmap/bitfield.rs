//! `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset n]...`,
//! `BITFIELD_RO key [GET type offset]...`: integers of any width inside a string.
//!
//! Reply: an array: the number read, the one before SET, the one after INCRBY; null where a write failed. Effect:
//! `BITFIELD key SET type offset value...` with the writes that changed something, and `SETBIT` of the last bit where the
//! string grew for a write that failed.

use super::setbit::record_bit;
use super::{check_offset, parse_offset};
use crate::command::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use crate::command::row::{Extractor, Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::{FieldType, Overflow, StrRef, bits};
use smallvec::SmallVec;

pub(super) const BITFIELD: Row = Row::new("bitfield", -2, Run::Turn(bit_field))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1)
        .rw()
        .access()
        .update()
        .variable_flags()
        .notes("This command allows both access and modification of the key")])
    .extractor(Extractor::Bitfield)
    .summary("Performs arbitrary bitfield integer operations on strings.")
    .docs(Group::Bitmap, "3.2.0", "O(1) for each subcommand specified")
    .args(
        "key:key#0 operation:oneof?*{get-block:block=GET{encoding:string offset:integer} \
         write:block{overflow-block:oneof?=OVERFLOW{wrap=WRAP sat=SAT fail=FAIL} \
         write-operation:oneof{set-block:block=SET{encoding:string offset:integer value:integer} \
         incrby-block:block=INCRBY{encoding:string offset:integer increment:integer}}}}",
    );

pub(super) const BITFIELD_RO: Row = Row::new("bitfield_ro", -2, Run::Turn(bit_field_ro))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Performs arbitrary read-only bitfield integer operations on strings.")
    .docs(Group::Bitmap, "6.0.0", "O(1) for each subcommand specified")
    .args("key:key#0 get-block:block?*+=GET{encoding:string offset:integer}");

/// One step of [`bitfield`](Engine::bitfield).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldOperation {
    /// Width and sign.
    pub field: FieldType,
    /// The bit at which the field starts.
    pub offset: u64,
    /// What is done.
    pub action: FieldAction,
}

/// What is done with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldAction {
    /// Its number is read.
    Get,
    /// It gets a number; the one before is returned.
    Set(i64, Overflow),
    /// A number is added; the sum is returned.
    IncrBy(i64, Overflow),
}

impl FieldOperation {
    /// What it returns on these bytes, and the number that it writes.
    fn apply(&self, bytes: &[u8]) -> (Option<i64>, Option<i64>) {
        let before = self.field.read(bytes, self.offset);
        match self.action {
            FieldAction::Get => (Some(before), None),
            FieldAction::Set(number, overflow) => match self.field.add(number, 0, overflow) {
                None => (None, None),
                number => (Some(before), number),
            },
            FieldAction::IncrBy(increment, overflow) => {
                let sum = self.field.add(before, increment, overflow);
                (sum, sum)
            }
        }
    }

    fn writes(&self) -> bool {
        self.action != FieldAction::Get
    }

    fn last_bit(&self) -> u64 {
        self.offset + u64::from(self.field.bits()) - 1
    }
}

type Operations = SmallVec<[FieldOperation; 4]>;

fn bit_field(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let operations = parse(turn, &args[2..])?;
    answer(turn, args[1], &operations, reply)
}

fn bit_field_ro(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let operations = parse(turn, &args[2..])?;
    if operations.iter().any(FieldOperation::writes) {
        return Err(CommandError::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    answer(turn, args[1], &operations, reply)
}

fn answer(
    turn: &mut Turn<'_>,
    key: &[u8],
    operations: &[FieldOperation],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let numbers = turn.bitfield(key, operations)?;
    reply.array(numbers.len());
    for number in numbers {
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
    Ok(())
}

fn parse(turn: &Turn<'_>, mut args: &[&[u8]]) -> Result<Operations, CommandError> {
    let mut operations = Operations::new();
    let mut overflow = Overflow::Wrap;
    while let Some(word) = args.first() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let used = match args {
            [_, field, offset, ..] if is("GET") => {
                operations.push(operation(turn, field, offset, || Ok(FieldAction::Get))?);
                3
            }
            [_, field, offset, number, ..] if is("SET") => {
                let action = || Ok(FieldAction::Set(parse_i64(number).ok_or(CommandError::NotInteger)?, overflow));
                operations.push(operation(turn, field, offset, action)?);
                4
            }
            [_, field, offset, number, ..] if is("INCRBY") => {
                let action = || Ok(FieldAction::IncrBy(parse_i64(number).ok_or(CommandError::NotInteger)?, overflow));
                operations.push(operation(turn, field, offset, action)?);
                4
            }
            [_, kind, ..] if is("OVERFLOW") => {
                overflow = match kind {
                    kind if kind.eq_ignore_ascii_case(b"WRAP") => Overflow::Wrap,
                    kind if kind.eq_ignore_ascii_case(b"SAT") => Overflow::Saturate,
                    kind if kind.eq_ignore_ascii_case(b"FAIL") => Overflow::Fail,
                    _ => return Err(CommandError::text("ERR Invalid OVERFLOW type specified")),
                };
                2
            }
            _ => return Err(CommandError::Syntax),
        };
        args = &args[used..];
    }
    Ok(operations)
}

fn operation(
    turn: &Turn<'_>,
    field: &[u8],
    offset: &[u8],
    action: impl FnOnce() -> Result<FieldAction, CommandError>,
) -> Result<FieldOperation, CommandError> {
    let field = parse_type(field)?;
    let offset = match offset.strip_prefix(b"#") {
        None => parse_offset(offset)?,
        // Counted in fields.
        Some(index) => parse_offset(index)?.saturating_mul(field.bits().into()),
    };
    check_offset(turn, offset)?;
    Ok(FieldOperation { field, offset, action: action()? })
}

fn parse_type(word: &[u8]) -> Result<FieldType, CommandError> {
    let bits = |digits: &[u8]| parse_i64(digits).and_then(|bits| u8::try_from(bits).ok());
    let field = match word {
        [b'i', digits @ ..] => bits(digits).and_then(FieldType::signed),
        [b'u', digits @ ..] => bits(digits).and_then(FieldType::unsigned),
        _ => None,
    };
    field.ok_or(CommandError::text(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    ))
}

impl Turn<'_> {
    /// Does the operations one after another on the string at `key`, which is made, or lengthened with zeros, to hold all
    /// that is written; returns a number for each, `None` where a write failed. O(operations) plus growth on strings
    /// above 1 KiB, and O(length) below.
    pub fn bitfield(
        &mut self,
        key: impl AsRef<[u8]>,
        operations: &[FieldOperation],
    ) -> Result<Vec<Option<i64>>, CommandError> {
        operations.iter().try_for_each(|operation| check_offset(self, operation.offset))?;
        let key = self.key(key.as_ref())?;
        let last = operations.iter().filter(|operation| operation.writes()).map(FieldOperation::last_bit).max();
        match last {
            None => self.read_string(&key, |string| {
                string
                    .unwrap_or(StrRef::Bytes(b""))
                    .with_bytes(|bytes| operations.iter().map(|operation| operation.apply(bytes).0).collect())
            }),
            Some(last) => write(self, &key, operations, (last >> 3) as usize + 1),
        }
    }
}

/// Does operations of which at least one writes, on a string that will have `len` bytes at least.
fn write(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    operations: &[FieldOperation],
    len: usize,
) -> Result<Vec<Option<i64>>, CommandError> {
    let old = turn.find_string(key)?;
    let mut numbers = Vec::with_capacity(operations.len());
    let mut grows = true;
    if let Some(spot) = old {
        let entry = turn.entry(key, spot);
        let string = entry.as_string().unwrap_or(StrRef::Bytes(b""));
        grows = string.byte_len() < len;
        if !grows {
            // Up to the first operation that changes something nothing is touched.
            string.with_bytes(|bytes| {
                for operation in operations {
                    let (number, written) = operation.apply(bytes);
                    if written.is_some_and(|written| written != operation.field.read(bytes, operation.offset)) {
                        break;
                    }
                    numbers.push(number);
                }
            });
        }
    }
    if numbers.len() == operations.len() {
        return Ok(numbers);
    }
    let mut effect: Vec<Vec<u8>> = vec![b"BITFIELD".to_vec(), key.bytes.to_vec()];
    let mut reached = 0;
    let rest = &operations[numbers.len()..];
    let mut run = |bytes: &mut Vec<u8>| {
        bits::lengthen(bytes, len);
        for operation in rest {
            let (number, written) = operation.apply(bytes);
            numbers.push(number);
            let Some(written) = written else { continue };
            if grows || written != operation.field.read(bytes, operation.offset) {
                operation.field.write(bytes, operation.offset, written);
                add_write(&mut effect, operation, written);
                reached = reached.max((operation.last_bit() >> 3) as usize + 1);
            }
        }
    };
    match old {
        Some(spot) => turn.update_unannounced(key, spot, |entry| entry.edit_string(run)),
        None => {
            let mut entry = EntryRef::string(key.bytes, StrRef::Bytes(b""), true, None);
            entry.edit_string(&mut run);
            turn.add_unannounced(key, entry);
        }
    }
    // Where every write failed the string may have grown, and Redis does not call that a change.
    if reached > 0 {
        turn.announce_change(key);
        turn.record(&effect.iter().map(Vec::as_slice).collect::<Vec<_>>());
        turn.notify(EventClass::String, "setbit", key.bytes);
    }
    if grows && reached < len {
        // Beyond all that was written there are only zeros.
        record_bit(turn, key, len as u64 * 8 - 1, false);
    }
    Ok(numbers)
}

fn add_write(effect: &mut Vec<Vec<u8>>, operation: &FieldOperation, number: i64) {
    let kind = if operation.field.is_signed() { "i" } else { "u" };
    effect.push(b"SET".to_vec());
    effect.push(format!("{kind}{}", operation.field.bits()).into_bytes());
    effect.push(operation.offset.to_string().into_bytes());
    effect.push(number.to_string().into_bytes());
}

impl Engine {
    /// Does the operations one after another on the string at `key`, which is made, or lengthened with zeros, to hold all
    /// that is written; returns a number for each, `None` where a write failed. Fails with WRONGTYPE on other types, and
    /// for bits beyond `proto-max-bulk-len`. O(operations) plus growth on strings above 1 KiB, and O(length) below.
    /// Follows BITFIELD of Redis 7.2; records `BITFIELD`.
    ///
    /// ```
    /// use keyslot_engine::{Engine, FieldAction, FieldOperation, FieldType, Overflow};
    /// let db = Engine::in_memory();
    /// let field = FieldType::unsigned(4).expect("at most 63 bits");
    /// let add = FieldOperation { field, offset: 4, action: FieldAction::IncrBy(9, Overflow::Saturate) };
    /// assert_eq!(db.bitfield("k", &[add, add])?, [Some(9), Some(15)]);
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"\x0f"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn bitfield(
        &self,
        key: impl AsRef<[u8]>,
        operations: &[FieldOperation],
    ) -> Result<Vec<Option<i64>>, CommandError> {
        let key = key.as_ref();
        let access = if operations.iter().any(FieldOperation::writes) { Access::Grow } else { Access::Read };
        self.on_key(key, access, |turn| turn.bitfield(key, operations))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    fn numbers(bench: &Bench, request: &str) -> Vec<Option<i64>> {
        match bench.run(request) {
            Value::Array(values) => values.iter().map(Value::as_i64).collect(),
            other => panic!("{request}: {other:?}"),
        }
    }

    #[test]
    fn numbers_are_read_stored_and_added_to() {
        let bench = Bench::new();
        assert_eq!(numbers(&bench, "BITFIELD k INCRBY i5 100 1 GET u4 0"), [Some(1), Some(0)]);
        assert_eq!(numbers(&bench, "BITFIELD k SET u8 #1 255 GET i8 8"), [Some(0), Some(-1)]);
        assert_eq!(numbers(&bench, "BITFIELD k"), []);
        assert_eq!(
            numbers(&bench, "BITFIELD k SET u8 #1 255 SET u8 8 511 GET u8 8"),
            [Some(255), Some(255), Some(255)]
        );
        assert_eq!(numbers(&bench, "BITFIELD_RO k GET u8 8 GET u8 1000"), [Some(255), Some(0)]);
        assert_eq!(bench.effects(), ["BITFIELD k SET i5 100 1", "BITFIELD k SET u8 8 255"]);
        assert_eq!(numbers(&bench, "BITFIELD k set u8 8 255 incrby u8 8 1 set u8 9 0"), [Some(255), Some(0), Some(0)]);
        assert_eq!(bench.effects(), ["BITFIELD k SET u8 8 0"]);
        bench.assert_replays();
    }

    #[test]
    fn overflow_wraps_saturates_or_fails() {
        let bench = Bench::new();
        let request = "BITFIELD k SET u2 0 3 INCRBY u2 0 1 OVERFLOW SAT INCRBY u2 0 9 INCRBY u2 0 -9 \
                       OVERFLOW FAIL INCRBY u2 0 -1 OVERFLOW WRAP INCRBY u2 0 -1";
        assert_eq!(numbers(&bench, request), [Some(0), Some(0), Some(3), Some(0), None, Some(3)]);
        assert_eq!(
            numbers(&bench, "BITFIELD k OVERFLOW SAT INCRBY i8 #9 200 INCRBY i8 #9 -500"),
            [Some(127), Some(-128)]
        );
        bench.assert_replays();
        bench.effects();
        assert_eq!(numbers(&bench, "BITFIELD new OVERFLOW FAIL SET u8 100 256 SET u4 1 3"), [None, Some(0)]);
        assert_eq!(bench.effects(), ["BITFIELD new SET u4 1 3", "SETBIT new 111 0"]);
        assert_eq!(numbers(&bench, "BITFIELD other OVERFLOW FAIL INCRBY u8 9000 -1"), [None]);
        assert_eq!(bench.effects(), ["SETBIT other 9007 0"]);
        bench.assert_replays();
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        let kind = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
        for word in ["u64", "i65", "u0", "I8", "8", "u", "i-1", "u08", "x9"] {
            assert_eq!(bench.error(&format!("BITFIELD k GET {word} 0")), kind, "{word}");
        }
        let offset = "ERR bit offset is not an integer or out of range";
        for word in ["-1", "#-1", "x", "##1", "4294967296", "#536870912", "#9223372036854775807"] {
            assert_eq!(bench.error(&format!("BITFIELD k GET u8 {word}")), offset, "{word}");
        }
        assert_eq!(bench.error("BITFIELD k OVERFLOW MAX"), "ERR Invalid OVERFLOW type specified");
        assert_eq!(bench.error("BITFIELD k SET u8 0 x"), "ERR value is not an integer or out of range");
        for words in ["GET u8", "SET u8 0", "PUT u8 0 1", "GET u8 0 SET", "OVERFLOW"] {
            assert_eq!(bench.error(&format!("BITFIELD k {words}")), "ERR syntax error", "{words}");
        }
        assert_eq!(bench.error("BITFIELD_RO k SET u8 0 1"), "ERR BITFIELD_RO only supports the GET subcommand");
        assert!(bench.effects().is_empty());
    }
}
