//! The commands that make the state of a view, as `redis-server` writes them into an append-only file without preamble.
//!
//! ```text
//! SELECT 0 | SET k v | PEXPIREAT k t | RPUSH l a b .. | SADD .. | ZADD .. | HSET .. | XADD .. XSETID .. XGROUP .. | SELECT 3 ..
//! ```
//!
//! Large collections come in pieces of at most 64 elements. What commands cannot say is left out: idle times, access
//! counters, and pending entries of messages that were deleted.

use keyslot_engine::effect::encode_effect;
use keyslot_engine::payload::{Decoder, Dialect, Input, Part, PayloadError, Style};
use keyslot_engine::text::{DoubleBuffer, format_f64_g17};
use keyslot_engine::{DATABASE_COUNT, Slot, StrRef, StreamId, UnixMillis, View, ViewEntry};
use std::collections::BTreeMap;

/// Writes all of a view. `take` gets the bytes in pieces of about 64 KiB, whole commands each; its error ends the writing.
/// Returns how many bytes there were.
pub fn write_commands<E>(view: &View, take: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<u64, E> {
    let mut out = Vec::with_capacity(PIECE_BYTES * 2);
    let mut written = 0;
    let mut value = Vec::new();
    for text in view.libraries() {
        encode_effect(&mut out, &[b"FUNCTION", b"LOAD", text]);
    }
    for db in 0..DATABASE_COUNT {
        let mut is_selected = false;
        for slot in Slot::all() {
            for entry in view.slot(slot).iter_database(db) {
                if !std::mem::replace(&mut is_selected, true) {
                    encode_effect(&mut out, &[b"SELECT", db.to_string().as_bytes()]);
                }
                write_entry(&entry, &mut value, &mut out);
                if out.len() >= PIECE_BYTES {
                    written += out.len() as u64;
                    take(&out)?;
                    out.clear();
                }
            }
        }
    }
    written += out.len() as u64;
    take(&out)?;
    Ok(written)
}

fn write_entry(entry: &ViewEntry<'_>, value: &mut Vec<u8>, out: &mut Vec<u8>) {
    value.clear();
    let number = entry.encode(Style::default(), value);
    let mut writer = ValueWriter::new(entry.key(), out);
    let mut decoder = Decoder::new(number, Dialect::Redis).expect("what was encoded can be decoded");
    let mut push = |part: Part<'_>| {
        writer.part(&part);
        Ok::<(), PayloadError>(())
    };
    let complete = decoder.feed(&mut Input::new(value), &mut push);
    debug_assert_eq!(complete, Ok(true), "what was encoded can be decoded");
    writer.end();
    if let Some(expiry) = entry.expiry() {
        encode_effect(out, &[b"PEXPIREAT", entry.key(), expiry.0.to_string().as_bytes()]);
    }
}

/// Turns the parts of one value into commands.
struct ValueWriter<'o> {
    key: &'o [u8],
    out: &'o mut Vec<u8>,
    /// The command that is being filled, and its arguments behind the key.
    command: &'static [u8],
    args: Vec<Vec<u8>>,
    items: usize,
    group: Vec<u8>,
    consumer: Vec<u8>,
    pending: BTreeMap<StreamId, (UnixMillis, u64)>,
    has_entries: bool,
    /// Fields that expire.
    timed: Vec<(Vec<u8>, UnixMillis)>,
}

impl<'o> ValueWriter<'o> {
    fn new(key: &'o [u8], out: &'o mut Vec<u8>) -> Self {
        Self {
            key,
            out,
            command: b"",
            args: Vec::new(),
            items: 0,
            group: Vec::new(),
            consumer: Vec::new(),
            pending: BTreeMap::new(),
            has_entries: false,
            timed: Vec::new(),
        }
    }

    fn part(&mut self, part: &Part<'_>) {
        match part {
            Part::String(text) => self.now(&[b"SET"], &[&text.to_vec()]),
            Part::Element(text) => self.item(b"RPUSH", &[*text]),
            Part::Member(text) => self.item(b"SADD", &[*text]),
            Part::Scored(text, score) => {
                let mut buffer = DoubleBuffer::new();
                let score = format_f64_g17(*score, &mut buffer);
                self.item(b"ZADD", &[StrRef::Bytes(score), *text]);
            }
            Part::Field(field, text, expiry) => {
                self.item(b"HSET", &[*field, *text]);
                self.timed.extend(expiry.map(|expiry| (field.to_vec(), expiry)));
            }
            Part::Node { .. } => {}
            Part::Entry(id, pairs) => {
                self.has_entries = true;
                let mut args: Vec<Vec<u8>> = vec![id.to_string().into_bytes()];
                args.extend(pairs.clone().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]));
                let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
                self.now(&[b"XADD"], &args);
            }
            Part::Stream { last, max_deleted, added, length, .. } => {
                if !self.has_entries {
                    // An entry that is trimmed at once leaves a stream without any.
                    let id = (*last).max(StreamId::new(0, 1)).to_string();
                    self.now(&[b"XADD"], &[b"MAXLEN", b"0", id.as_bytes(), b"x", b"y"]);
                }
                let (last, added) = (last.to_string(), added.unwrap_or(*length).to_string());
                let deleted = max_deleted.unwrap_or(StreamId::MIN).to_string();
                let args = [last.as_bytes(), b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", deleted.as_bytes()];
                self.now(&[b"XSETID"], &args);
            }
            Part::Group { name, last, read } => {
                self.group = name.to_vec();
                self.pending.clear();
                let (last, read) = (last.to_string(), read.map_or("-1".to_owned(), |read| read.to_string()));
                self.now(&[b"XGROUP", b"CREATE"], &[name, last.as_bytes(), b"ENTRIESREAD", read.as_bytes()]);
            }
            Part::Pending { id, delivered, count } => {
                self.pending.insert(*id, (*delivered, *count));
            }
            Part::Consumer { name, .. } => {
                self.consumer = name.to_vec();
                let group = self.group.clone();
                self.now(&[b"XGROUP", b"CREATECONSUMER"], &[&group, name]);
            }
            Part::Owned(id) => {
                let (delivered, count) = self.pending.get(id).copied().unwrap_or((UnixMillis(0), 1));
                let (id, time, count) = (id.to_string(), delivered.0.to_string(), count.to_string());
                let (group, consumer) = (self.group.clone(), self.consumer.clone());
                let args: [&[u8]; 10] = [
                    &group,
                    &consumer,
                    b"0",
                    id.as_bytes(),
                    b"TIME",
                    time.as_bytes(),
                    b"RETRYCOUNT",
                    count.as_bytes(),
                    b"JUSTID",
                    b"FORCE",
                ];
                self.now(&[b"XCLAIM"], &args);
            }
        }
    }

    /// Adds an element to the command that takes many.
    fn item(&mut self, command: &'static [u8], words: &[StrRef<'_>]) {
        self.command = command;
        self.args.extend(words.iter().map(|word| word.to_vec()));
        self.items += 1;
        if self.items == ITEMS_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.items > 0 {
            let mut all: Vec<&[u8]> = vec![self.command, self.key];
            all.extend(self.args.iter().map(Vec::as_slice));
            encode_effect(self.out, &all);
            self.args.clear();
            self.items = 0;
        }
    }

    /// Writes a command: its name, the key, its arguments.
    fn now(&mut self, name: &[&[u8]], args: &[&[u8]]) {
        let all: Vec<&[u8]> = name.iter().copied().chain([self.key]).chain(args.iter().copied()).collect();
        encode_effect(self.out, &all);
    }

    fn end(mut self) {
        self.flush();
        for (field, expiry) in std::mem::take(&mut self.timed) {
            let at = expiry.0.to_string();
            self.now(&[b"HPEXPIREAT"], &[at.as_bytes(), b"FIELDS", b"1", &field]);
        }
    }
}

/// Elements of one command.
const ITEMS_MAX: usize = 64;
const PIECE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use keyslot_engine::resp::Value;
    use keyslot_engine::{Engine, Origin};

    fn digest(db: &Engine) -> Value {
        db.call(&["DEBUG", "DIGEST"])
    }

    #[test]
    fn the_commands_make_the_same_state() {
        let db = Engine::in_memory();
        let mut lines: Vec<String> = (0..200).map(|i| format!("RPUSH list {i}")).collect();
        lines.extend((0..150).map(|i| format!("HSET hash f{i} v{i}")));
        lines.extend((0..150).map(|i| format!("ZADD zset {}.25 m{i}", i * 7 % 13)));
        lines.extend((0..70).map(|i| format!("SADD set x{i}")));
        lines.extend(["SADD ints 1 2 3", "SET str hello", "SET n 12", "PEXPIREAT n 9000000000000"].map(str::to_owned));
        lines.extend(["ZADD zset inf top -inf bottom", "HPEXPIREAT hash 9000000000000 FIELDS 1 f3"].map(str::to_owned));
        lines.extend((1..6).map(|i| format!("XADD st {i}-1 k v{i}")));
        lines.extend(["XGROUP CREATE st g 0", "XREADGROUP GROUP g ann COUNT 3 STREAMS st >"].map(str::to_owned));
        lines.extend(
            ["XGROUP CREATECONSUMER st g bob", "XDEL st 5-1", "XGROUP CREATE empty g $ MKSTREAM"].map(str::to_owned),
        );
        for line in &lines {
            let reply = db.call(&line.split(' ').collect::<Vec<_>>());
            assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
        }
        let mut bytes = Vec::new();
        let written = write_commands(&db.view(), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok::<(), ()>(())
        });
        assert_eq!(written, Ok(bytes.len() as u64));
        let copy = Engine::in_memory();
        let mut at = 0;
        while at < bytes.len() {
            let (args, size) = one(&bytes[at..]);
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            if args[0] != b"SELECT" {
                copy.apply(Origin::Replay, 0, &[&args]).unwrap();
            }
            at += size;
        }
        assert_eq!(digest(&copy), digest(&db));
    }

    /// The first command of `bytes`, and its size.
    fn one(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let line = |at: usize| at + bytes[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let number =
            |at: usize| -> usize { std::str::from_utf8(&bytes[at + 1..line(at) - 2]).unwrap().parse().unwrap() };
        let (count, mut at) = (number(0), line(0));
        let args = (0..count).map(|_| {
            let (size, start) = (number(at), line(at));
            at = start + size + 2;
            bytes[start..start + size].to_vec()
        });
        (args.collect(), at)
    }
}
