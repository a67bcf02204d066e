//! `BITOP AND | OR | XOR | NOT destination source...`: makes several strings into one.
//!
//! Reply: the length of the result, which is as long as the longest source. Effect: `SET destination result`, so that it
//! reads no other slot; `DEL destination` if the result is empty and there was something.

use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::{BitOperation, BitSource, StrRef, bits};

pub(super) const BITOP: Row = Row::new("bitop", -4, Run::Turn(bit_op))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(2).ow().update(), KeySpec::index(3).range(-1, 1).ro().access()])
    .summary("Performs bitwise operations on multiple strings, and stores the result.")
    .docs(Group::Bitmap, "2.6.0", "O(N)")
    .args("operation:oneof{and=AND or=OR xor=XOR not=NOT} destkey:key#0 key:key#1*");

fn bit_op(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let operation = match args[1] {
        word if word.eq_ignore_ascii_case(b"AND") => BitOperation::And,
        word if word.eq_ignore_ascii_case(b"OR") => BitOperation::Or,
        word if word.eq_ignore_ascii_case(b"XOR") => BitOperation::Xor,
        word if word.eq_ignore_ascii_case(b"NOT") => BitOperation::Not,
        _ => return Err(CommandError::Syntax),
    };
    let len = combine(turn, operation, args[2], &args[3..])?;
    reply.integer(len as i64);
    Ok(())
}

fn combine<K: AsRef<[u8]>>(
    turn: &mut Turn<'_>,
    operation: BitOperation,
    destination: &[u8],
    sources: &[K],
) -> Result<usize, CommandError> {
    if operation == BitOperation::Not && sources.len() != 1 {
        return Err(CommandError::text("ERR BITOP NOT must be called with a single source key."));
    }
    let target = turn.key(destination)?;
    // Shared, so that several can be read at once; what is written over is not, so that it can be written over.
    let mut entries: Vec<Option<EntryRef>> = Vec::with_capacity(sources.len());
    for source in sources {
        let key = turn.key(source.as_ref())?;
        let Some(entry) = turn.read(&key) else {
            entries.push(None);
            continue;
        };
        if entry.as_string().is_none() {
            return Err(CommandError::WrongType);
        }
        entries.push((key.bytes != target.bytes).then(|| EntryRef::clone(&entry)));
    }
    let mut numbers = vec![itoa::Buffer::new(); entries.len()];
    let strings: Vec<BitSource<'_>> = entries
        .iter()
        .zip(&mut numbers)
        .zip(sources)
        .map(|((entry, number), source)| match entry.as_ref().and_then(EntryRef::as_string) {
            None if source.as_ref() == target.bytes => BitSource::Own,
            None => BitSource::Other(b""),
            Some(StrRef::Bytes(bytes)) => BitSource::Other(bytes),
            Some(StrRef::Int(n)) => BitSource::Other(number.format(n).as_bytes()),
        })
        .collect();
    store(turn, &target, operation, &strings)
}

fn store(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    operation: BitOperation,
    sources: &[BitSource<'_>],
) -> Result<usize, CommandError> {
    let old = turn.find(key);
    // Memory that is there already is cheaper than new memory of this size.
    let string = old.filter(|spot| turn.entry(key, *spot).as_string().is_some());
    let own_len = string.map_or(0, |spot| turn.entry(key, spot).as_string().map_or(0, StrRef::byte_len));
    let lens = sources.iter().map(|source| match source {
        BitSource::Other(bytes) => bytes.len(),
        BitSource::Own => own_len,
    });
    let len = lens.max().unwrap_or(0);
    match old {
        _ if len > 0 => {}
        None => return Ok(0),
        Some(spot) => {
            turn.discard(key, spot);
            turn.record(&[b"DEL", key.bytes]);
            turn.notify(EventClass::Generic, "del", key.bytes);
            return Ok(0);
        }
    }
    match string {
        Some(spot) => turn.update(key, spot, |entry| {
            entry.set_expiry(None);
            entry.edit_string(|bytes| bits::combine(operation, sources, bytes));
        }),
        None => {
            let mut entry = EntryRef::string(key.bytes, StrRef::Bytes(b""), true, None);
            entry.edit_string(|bytes| bits::combine(operation, sources, bytes));
            turn.put(key, old, entry);
        }
    }
    let spot = turn.find(key);
    let entry = spot.map(|spot| EntryRef::clone(&turn.entry(key, spot)));
    if let Some(string) = entry.as_ref().and_then(EntryRef::as_string) {
        string.with_bytes(|bytes| turn.record(&[b"SET", key.bytes, bytes]));
    }
    turn.notify(EventClass::String, "set", key.bytes);
    Ok(len)
}

impl Turn<'_> {
    /// Stores the bits that all strings have; returns the length of the result in bytes. O(all lengths).
    pub fn bit_and<K: AsRef<[u8]>>(
        &mut self,
        destination: impl AsRef<[u8]>,
        sources: &[K],
    ) -> Result<usize, CommandError> {
        combine(self, BitOperation::And, destination.as_ref(), sources)
    }

    /// Stores the bits that any string has; returns the length of the result in bytes. O(all lengths).
    pub fn bit_or<K: AsRef<[u8]>>(
        &mut self,
        destination: impl AsRef<[u8]>,
        sources: &[K],
    ) -> Result<usize, CommandError> {
        combine(self, BitOperation::Or, destination.as_ref(), sources)
    }

    /// Stores the bits that an odd number of strings has; returns the length of the result in bytes. O(all lengths).
    pub fn bit_xor<K: AsRef<[u8]>>(
        &mut self,
        destination: impl AsRef<[u8]>,
        sources: &[K],
    ) -> Result<usize, CommandError> {
        combine(self, BitOperation::Xor, destination.as_ref(), sources)
    }

    /// Stores the bits of a string turned over; returns the length of the result in bytes. O(length).
    pub fn bit_not(&mut self, destination: impl AsRef<[u8]>, source: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        combine(self, BitOperation::Not, destination.as_ref(), &[source])
    }
}

impl Engine {
    /// Stores under `destination` the bits that all strings have, a missing one being all zeros; returns the length of
    /// the result in bytes, that of the longest source. An empty result deletes `destination`, and its expiry goes. Fails
    /// with WRONGTYPE on other types, and in a cluster on keys of several slots. O(all lengths). Follows BITOP of Redis
    /// 7.2; records `SET` or `DEL`.
    pub fn bit_and<K: AsRef<[u8]>>(&self, destination: impl AsRef<[u8]>, sources: &[K]) -> Result<usize, CommandError> {
        self.bit_operation(BitOperation::And, destination.as_ref(), sources)
    }

    /// Stores under `destination` the bits that any string has; as [`Engine::bit_and`] otherwise.
    pub fn bit_or<K: AsRef<[u8]>>(&self, destination: impl AsRef<[u8]>, sources: &[K]) -> Result<usize, CommandError> {
        self.bit_operation(BitOperation::Or, destination.as_ref(), sources)
    }

    /// Stores under `destination` the bits that an odd number of strings has; as [`Engine::bit_and`] otherwise.
    pub fn bit_xor<K: AsRef<[u8]>>(&self, destination: impl AsRef<[u8]>, sources: &[K]) -> Result<usize, CommandError> {
        self.bit_operation(BitOperation::Xor, destination.as_ref(), sources)
    }

    /// Stores under `destination` the bits of a string turned over; as [`Engine::bit_and`] otherwise.
    pub fn bit_not(&self, destination: impl AsRef<[u8]>, source: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.bit_operation(BitOperation::Not, destination.as_ref(), &[source])
    }

    fn bit_operation<K: AsRef<[u8]>>(
        &self,
        operation: BitOperation,
        destination: &[u8],
        sources: &[K],
    ) -> Result<usize, CommandError> {
        self.on_target(destination, sources, |turn| combine(turn, operation, destination, sources))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_result_is_as_long_as_the_longest_and_replaces_what_was_there() {
        let bench = Bench::new();
        bench.run("MSET a foof b foobar n 12");
        bench.run("SET d old PX 500");
        bench.effects();
        assert_eq!(bench.run("BITOP AND d a b"), Value::Integer(6));
        assert_eq!(bench.run("GET d"), Value::bulk("foob\0\0"));
        assert_eq!(bench.run("PTTL d"), Value::Integer(-1));
        assert_eq!(bench.run("BITOP or e a b none"), Value::Integer(6));
        assert_eq!(bench.run("BITOP XOR b b n"), Value::Integer(6));
        assert_eq!(bench.run("BITOP NOT n n"), Value::Integer(2));
        assert_eq!(bench.run("OBJECT ENCODING n"), Value::bulk("raw"));
        let expected = ["SET d foob\0\0", "SET e foofar", "SET b W]obar", "SET n \u{fffd}\u{fffd}"];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
    }

    #[test]
    fn an_empty_result_deletes() {
        let bench = Bench::new();
        bench.run("MSET d 1 empty \"\"");
        bench.effects();
        assert_eq!(bench.db.bit_and("d", &["none", "empty"]).unwrap(), 0);
        assert_eq!(bench.db.bit_not("d", "none").unwrap(), 0);
        assert_eq!(bench.effects(), ["DEL d"]);
        assert_eq!(bench.run("EXISTS d"), Value::Integer(0));
        bench.assert_replays();
    }

    #[test]
    fn long_strings_are_written_over_the_destination_and_over_a_source() {
        let bench = Bench::new();
        let (a, b) = (vec![0x0fu8; 100_000], vec![0xffu8; 70_000]);
        bench.db.set("a", &a).unwrap();
        bench.db.set("b", &b).unwrap();
        for destination in ["d", "d", "a", "b"] {
            assert_eq!(bench.db.bit_xor(destination, &["a", "b"]).unwrap(), 100_000);
            bench.assert_replays();
        }
        // d = a ^ b, a = a ^ b, b = (a ^ b) ^ b = the former a.
        assert_eq!(bench.db.bitcount("d").unwrap(), 4 * 100_000);
        assert_eq!(bench.db.get("b").unwrap().unwrap(), a);
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        assert_eq!(bench.error("BITOP NAND d a b"), "ERR syntax error");
        assert_eq!(bench.error("BITOP NOT d a b"), "ERR BITOP NOT must be called with a single source key.");
        assert!(bench.effects().is_empty());
    }
}
