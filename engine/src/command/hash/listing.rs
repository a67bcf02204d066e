//! `HLEN key`, `HKEYS key`, `HVALS key`, `HGETALL key`: all fields of a hash.
//!
//! Reply: a number; the fields; the values; a map. Fields of a compact hash come in the order in which they were first set.
//! HLEN counts fields that are due until they are taken out. Records nothing.

use super::{copied, read_hash, view};
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::hash::{Field, HashView};
use bytes::Bytes;

pub(super) const HLEN: Row = Row::new("hlen", 2, Run::LookAt(hlen))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the number of fields in a hash.")
    .docs(Group::Hash, "2.0.0", "O(1)")
    .args("key:key#0");

pub(super) const HKEYS: Row = Row::new("hkeys", 2, Run::LookAt(hkeys))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns all fields in a hash.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the size of the hash.")
    .args("key:key#0");

pub(super) const HVALS: Row = Row::new("hvals", 2, Run::LookAt(hvals))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns all values in a hash.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the size of the hash.")
    .args("key:key#0");

pub(super) const HGETALL: Row = Row::new("hgetall", 2, Run::LookAt(hgetall))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output_order")
    .summary("Returns all fields and values in a hash.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the size of the hash.")
    .args("key:key#0");

fn hlen(entry: Option<&EntryRef>, now: Option<UnixMillis>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(view(entry, || now)?.map_or(0, |hash| hash.hash.len()) as i64);
    Ok(())
}

fn hkeys(entry: Option<&EntryRef>, now: Option<UnixMillis>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_each(view(entry, || now)?, reply, |field| field.field);
    Ok(())
}

fn hvals(entry: Option<&EntryRef>, now: Option<UnixMillis>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    write_each(view(entry, || now)?, reply, |field| field.value);
    Ok(())
}

fn hgetall(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    _: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let Some(hash) = view(entry, || now)? else {
        reply.map(0);
        return Ok(());
    };
    let map = reply.begin_map();
    let mut count = 0;
    for field in hash.iter() {
        field.field.with_bytes(|field| reply.bulk(field));
        field.value.with_bytes(|value| reply.bulk(value));
        count += 1;
    }
    reply.end_map(map, count);
    Ok(())
}

fn write_each<'a>(hash: Option<HashView<'a>>, reply: &mut ReplyWriter<'_>, part: impl Fn(Field<'a>) -> StrRef<'a>) {
    let Some(hash) = hash else { return reply.array(0) };
    let array = reply.begin_array();
    let mut count = 0;
    for field in hash.iter() {
        part(field).with_bytes(|part| reply.bulk(part));
        count += 1;
    }
    reply.end_array(array, count);
}

fn all(hash: Option<HashView<'_>>) -> Vec<(Bytes, Bytes)> {
    hash.into_iter().flat_map(HashView::iter).map(|field| (copied(field.field), copied(field.value))).collect()
}

fn all_fields(hash: Option<HashView<'_>>) -> Vec<Bytes> {
    hash.into_iter().flat_map(HashView::iter).map(|field| copied(field.field)).collect()
}

fn all_values(hash: Option<HashView<'_>>) -> Vec<Bytes> {
    hash.into_iter().flat_map(HashView::iter).map(|field| copied(field.value)).collect()
}

impl Turn<'_> {
    /// How many fields the hash at `key` has. O(1).
    pub fn hlen(&mut self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        read_hash(self, key.as_ref(), |hash| hash.map_or(0, |hash| hash.hash.len()))
    }

    /// The fields of the hash at `key`, copied. O(n).
    pub fn hkeys(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        read_hash(self, key.as_ref(), all_fields)
    }

    /// The values of the hash at `key`, copied. O(n).
    pub fn hvals(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        read_hash(self, key.as_ref(), all_values)
    }

    /// The fields of the hash at `key` with their values, copied. O(n).
    pub fn hgetall(&mut self, key: impl AsRef<[u8]>) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
        read_hash(self, key.as_ref(), all)
    }
}

impl Engine {
    /// How many fields the hash at `key` has, 0 if there is no such key. Fails with WRONGTYPE on other types. O(1), O(n) while
    /// the hash is small. Follows HLEN of Redis 7.2.
    pub fn hlen(&self, key: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(view(entry, || None)?.map_or(0, |hash| hash.hash.len())))
    }

    /// The fields of the hash at `key`, copied. Fails with WRONGTYPE on other types. O(n). Follows HKEYS of Redis 7.2.
    pub fn hkeys(&self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(all_fields(view(entry, || Some(self.now()))?)))
    }

    /// The values of the hash at `key`, copied. Fails with WRONGTYPE on other types. O(n). Follows HVALS of Redis 7.2.
    pub fn hvals(&self, key: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(all_values(view(entry, || Some(self.now()))?)))
    }

    /// The fields of the hash at `key` with their values, copied: those of a small hash in the order in which they were first
    /// set. Fails with WRONGTYPE on other types. O(n). Follows HGETALL of Redis 7.2.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.hset_multiple("user:1", &[("name", "ada"), ("born", "1815")])?;
    /// assert_eq!(db.hgetall("user:1")?, [("name".into(), "ada".into()), ("born".into(), "1815".into())]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn hgetall(&self, key: impl AsRef<[u8]>) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(all(view(entry, || Some(self.now()))?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, ask, session};

    #[test]
    fn all_fields_are_told_in_both_protocols() {
        let bench = Bench::new();
        let mut session = session(&bench.db);
        assert_eq!(ask(&mut session, "HGETALL k") + &ask(&mut session, "HKEYS k"), "*0\r\n*0\r\n");
        bench.run("HSET k a 1 b xyz");
        assert_eq!(ask(&mut session, "HGETALL k"), "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\nxyz\r\n");
        ask(&mut session, "HELLO 3");
        assert_eq!(ask(&mut session, "HGETALL k"), "%2\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\nxyz\r\n");
        assert_eq!(ask(&mut session, "HGETALL none") + &ask(&mut session, "HVALS none"), "%0\r\n*0\r\n");
        assert_eq!(ask(&mut session, "HKEYS k"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(ask(&mut session, "HVALS k"), "*2\r\n$1\r\n1\r\n$3\r\nxyz\r\n");
        assert_eq!(ask(&mut session, "HLEN k"), ":2\r\n");
    }

    #[test]
    fn large_hashes_tell_all_and_other_types_are_refused() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..2_000).map(|n| (format!("f{n}"), format!("v{n}"))).collect();
        bench.db.hset_multiple("k", &pairs).unwrap();
        let mut all = bench.db.hgetall("k").unwrap();
        all.sort();
        let mut expected: Vec<(bytes::Bytes, bytes::Bytes)> =
            pairs.iter().map(|(f, v)| (f.clone().into(), v.clone().into())).collect();
        expected.sort();
        assert_eq!(all, expected);
        assert_eq!((bench.db.hkeys("k").unwrap().len(), bench.db.hvals("k").unwrap().len()), (2_000, 2_000));
        bench.run("SET s v");
        for request in ["HLEN s", "HKEYS s", "HVALS s", "HGETALL s"] {
            assert_eq!(bench.error(request), "WRONGTYPE Operation against a key holding the wrong kind of value");
        }
    }
}
