//! `DUMP key`: the value as Redis serialises it, to be stored elsewhere with RESTORE.
//!
//! Reply: the payload, or null if there is no such key. Nothing is recorded.
//!
//! ```text
//! type, value           in the form that the oldest reader understands
//! footer                version of the RDB format, CRC-64
//! ```

use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::payload::{Style, encode, seal, version_of};
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use bytes::Bytes;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const DUMP: Row = Row::new("dump", 2, Run::Turn(dump))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns a serialized representation of the value stored at a key.")
    .docs(
        Group::Generic,
        "2.6.0",
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the \
         value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, \
         so simply O(1).",
    )
    .args("key:key#0");

fn dump(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match turn.dump(args[1])? {
        None => reply.null(),
        Some(payload) => reply.bulk(&payload),
    }
    Ok(())
}

/// The payload of an entry's value, for a server of version 7.0 or later.
pub(crate) fn dump_entry(entry: &EntryRef, compress: bool) -> Vec<u8> {
    let style = Style { compress, ..Style::default() };
    let mut payload = vec![0];
    payload[0] = encode(entry, style, &mut payload);
    let version = version_of(payload[0]);
    seal(&mut payload, version);
    payload
}

impl Turn<'_> {
    /// The value at `key` as a payload for [`restore`](Self::restore). O(value).
    pub fn dump(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let compress = self.core().options.rdb_compression.load(Relaxed);
        Ok(self.read(&key).map(|entry| dump_entry(&entry, compress).into()))
    }
}

impl Engine {
    /// The value at `key` as a payload for [`restore`](Self::restore), here or at a Redis server of version 7.0 or later;
    /// hashes with expiries of fields need version 7.4. `None` if there is no such key. O(value). Follows DUMP of Redis 7.2;
    /// records nothing.
    pub fn dump(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.dump(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::payload::{Decoder, Dialect, Input, Part, unseal};

    /// The number of the type, and the parts as text.
    fn dumped(bench: &Bench, key: &str) -> (u8, Vec<String>) {
        let payload = bench.db.dump(key).unwrap().unwrap();
        let (number, body) = unseal(&payload).unwrap().split_first().unwrap();
        let mut parts = Vec::new();
        let mut decoder = Decoder::new(*number, Dialect::Redis).unwrap();
        let mut input = Input::new(body);
        let mut keep = |part: Part<'_>| {
            parts.push(format!("{part:?}"));
            Ok(())
        };
        assert_eq!(decoder.feed(&mut input, &mut keep), Ok(true), "{key}");
        assert!(input.rest().is_empty());
        (*number, parts)
    }

    #[test]
    fn every_type_is_written_in_its_oldest_form() {
        let bench = Bench::new();
        let many: String = (0..600).map(|n| format!(" m{n}")).collect();
        let long = "x".repeat(9000);
        for (request, number, parts) in [
            ("SET k 12".to_owned(), 0, 1),
            (format!("SET k {long}"), 0, 1),
            ("RPUSH k a 1 b".to_owned(), 18, 3),
            (format!("RPUSH k a {long} b"), 18, 3),
            ("SADD k 1 2 300000".to_owned(), 11, 3),
            ("SADD k 1 2 x".to_owned(), 2, 3),
            (format!("SADD k{many}"), 2, 600),
            ("ZADD k 1 a 2.5 b -inf c".to_owned(), 17, 3),
            (format!("ZADD k 1 {long} 2 b"), 5, 2),
            ("HSET k f v g 1".to_owned(), 16, 2),
            (format!("HSET k f {long} g 1"), 4, 2),
            ("XADD k 1-1 f v".to_owned(), 19, 3),
        ] {
            bench.ask("DEL k");
            bench.ask(&request);
            let dumped = dumped(&bench, "k");
            assert_eq!((dumped.0, dumped.1.len()), (number, parts), "{}", &request[..request.len().min(40)]);
        }
        assert_eq!(bench.ask("DUMP nokey"), "$-1\r\n");
    }

    #[test]
    fn expiries_of_fields_take_the_forms_that_have_them() {
        let bench = Bench::new();
        let long = "x".repeat(100);
        for (fields, number) in [("a 1 b 2 c 3".to_owned(), 25), (format!("a 1 b 2 c {long}"), 24)] {
            bench.ask(&format!("HSET k {fields}"));
            bench.ask("HPEXPIREAT k 1700000009000 FIELDS 1 b");
            bench.ask("HPEXPIREAT k 1700000005000 FIELDS 1 a");
            let (found, mut parts) = dumped(&bench, "k");
            parts.sort();
            assert_eq!(found, number);
            assert!(parts[0].contains("Some(1700000005000ms)"), "{parts:?}");
            assert!(parts[1].contains("Some(1700000009000ms)") && parts[2].ends_with("None)"), "{parts:?}");
            let payload = bench.db.dump("k").unwrap().unwrap();
            assert_eq!(payload[payload.len() - 10..payload.len() - 8], [12, 0]);
            bench.ask("HPERSIST k FIELDS 2 a b");
            assert_eq!(dumped(&bench, "k").0, if number == 25 { 16 } else { 4 });
            bench.ask("DEL k");
        }
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        let bench = Bench::new();
        for (request, payload) in [
            ("SET k 12", &b"\x00\xc0\x0c\n\x00<*\xf8Q\\\x04\xbc\xd5"[..]),
            ("RPUSH k a 1 b 300", b"\x12\x01\x02\x12\x12\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\xc1,\x02\xff\n\x00\x11#\x1c\x8b\x9b\xb8\xb2t"),
            ("SADD k 1 2 300000", b"\x0b\x14\x04\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\xe0\x93\x04\x00\n\x00t/3HHlj9"),
            ("SADD k x", b"\x02\x01\x01x\n\x00\xff\xe8\x80\xbav\x0c/\t"),
            ("HSET k f v g -5000", b"\x10\x14\x14\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\xf1x\xec\x03\xff\n\x00B\xa9v3\x97\xe0\xa1E"),
            ("XADD k 1-1 f v g 2", b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\"\"\x00\x00\x00\x0c\x00\x01\x01\x00\x01\x02\x01\x81f\x02\x81g\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x02\x01\x05\x01\xff\x01\x01\x01\x01\x01\x00\x00\x01\x00\n\x00;\xfaq\x94W\xf0\xa33"),
        ] {
            bench.ask("DEL k");
            bench.ask(request);
            assert_eq!(bench.db.dump("k").unwrap().unwrap(), payload, "{request}");
        }
    }
}
