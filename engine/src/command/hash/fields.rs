//! `HGET key field`, `HMGET key field [field ...]`, `HEXISTS key field`, `HSTRLEN key field`: what single fields hold.
//!
//! Reply: a value or null; an array of those; 1 or 0; a length. A missing key is a hash without fields. Records nothing.

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
use crate::value::hash::HashView;
use bytes::Bytes;

pub(super) const HGET: Row = Row::new("hget", 3, Run::LookAt(hget))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the value of a field in a hash.")
    .docs(Group::Hash, "2.0.0", "O(1)")
    .args("key:key#0 field:string");

pub(super) const HMGET: Row = Row::new("hmget", -3, Run::LookAt(hmget))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the values of all fields in a hash.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the number of fields being requested.")
    .args("key:key#0 field:string*");

pub(super) const HEXISTS: Row = Row::new("hexists", 3, Run::LookAt(hexists))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Determines whether a field exists in a hash.")
    .docs(Group::Hash, "2.0.0", "O(1)")
    .args("key:key#0 field:string");

pub(super) const HSTRLEN: Row = Row::new("hstrlen", 3, Run::LookAt(hstrlen))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro()])
    .summary("Returns the length of the value of a field.")
    .docs(Group::Hash, "3.2.0", "O(1)")
    .args("key:key#0 field:string");

fn hget(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let field = view(entry, || now)?.and_then(|hash| hash.get(args[2]));
    reply.string_or_null(field.map(|field| field.value));
    Ok(())
}

fn hmget(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let hash = view(entry, || now)?;
    reply.array(args.len() - 2);
    for field in &args[2..] {
        let field = hash.and_then(|hash| hash.get(field));
        reply.string_or_null(field.map(|field| field.value));
    }
    Ok(())
}

fn hexists(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let is_there = view(entry, || now)?.is_some_and(|hash| hash.get(args[2]).is_some());
    reply.integer(is_there.into());
    Ok(())
}

fn hstrlen(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    reply.integer(len_of(view(entry, || now)?, args[2]) as i64);
    Ok(())
}

fn value_of(hash: Option<HashView<'_>>, field: &[u8]) -> Option<Bytes> {
    Some(copied(hash?.get(field)?.value))
}

fn len_of(hash: Option<HashView<'_>>, field: &[u8]) -> usize {
    hash.and_then(|hash| hash.get(field)).map_or(0, |field| field.value.byte_len())
}

impl Turn<'_> {
    /// The value of `field` of the hash at `key`, copied. O(1).
    pub fn hget(&mut self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        read_hash(self, key.as_ref(), |hash| value_of(hash, field.as_ref()))
    }

    /// The values of `fields` of the hash at `key`, copied. O(fields).
    pub fn hmget<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        read_hash(self, key.as_ref(), |hash| fields.iter().map(|field| value_of(hash, field.as_ref())).collect())
    }

    /// Whether the hash at `key` has `field`. O(1).
    pub fn hexists(&mut self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        read_hash(self, key.as_ref(), |hash| hash.is_some_and(|hash| hash.get(field.as_ref()).is_some()))
    }

    /// The length of the value of `field` of the hash at `key`, in bytes. O(1).
    pub fn hstrlen(&mut self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        read_hash(self, key.as_ref(), |hash| len_of(hash, field.as_ref()))
    }
}

impl Engine {
    /// The value of `field` of the hash at `key`, copied; `None` if there is no such key or field. Fails with WRONGTYPE on
    /// other types. O(1), O(n) while the hash is small. Follows HGET of Redis 7.2.
    pub fn hget(&self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(value_of(view(entry, || Some(self.now()))?, field.as_ref())))
    }

    /// The values of `fields` of the hash at `key` at one moment, copied, in their order. As [`Engine::hget`] otherwise.
    pub fn hmget<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let hash = view(entry, || Some(self.now()))?;
            Ok(fields.iter().map(|field| value_of(hash, field.as_ref())).collect())
        })
    }

    /// Whether the hash at `key` has `field`. As [`Engine::hget`] otherwise. Follows HEXISTS of Redis 7.2.
    pub fn hexists(&self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        self.on_entry(key.as_ref(), |entry| {
            let hash = view(entry, || Some(self.now()))?;
            Ok(hash.is_some_and(|hash| hash.get(field.as_ref()).is_some()))
        })
    }

    /// The length of the value of `field` of the hash at `key`, in bytes; 0 if there is none. As [`Engine::hget`] otherwise.
    pub fn hstrlen(&self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<usize, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(len_of(view(entry, || Some(self.now()))?, field.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;

    #[test]
    fn fields_are_read_in_every_form() {
        let bench = Bench::new();
        for value in ["v".to_owned(), "v".repeat(100)] {
            bench.run("DEL k");
            bench.db.hset_multiple("k", &[("a", "12"), ("b", &*value)]).unwrap();
            assert_eq!(bench.ask("HGET k a"), "$2\r\n12\r\n");
            assert_eq!(bench.ask("HGET k x"), "$-1\r\n");
            assert_eq!(bench.ask("HMGET k x a"), "*2\r\n$-1\r\n$2\r\n12\r\n");
            assert_eq!(bench.ask("HEXISTS k a") + &bench.ask("HEXISTS k x"), ":1\r\n:0\r\n");
            assert_eq!(bench.ask("HSTRLEN k a") + &bench.ask("HSTRLEN k x"), ":2\r\n:0\r\n");
            assert_eq!(bench.db.hstrlen("k", "b").unwrap(), value.len());
            assert_eq!(bench.db.hmget("k", &["b", "x"]).unwrap(), [Some(value.into()), None]);
            assert!(bench.db.hexists("k", "b").unwrap());
        }
    }

    #[test]
    fn what_is_missing_is_empty_and_other_types_are_refused() {
        let bench = Bench::new();
        assert_eq!(bench.ask("HGET k a"), "$-1\r\n");
        assert_eq!(bench.ask("HMGET k a b"), "*2\r\n$-1\r\n$-1\r\n");
        assert_eq!(bench.ask("HEXISTS k a") + &bench.ask("HSTRLEN k a"), ":0\r\n:0\r\n");
        bench.run("SET k v");
        for request in ["HGET k a", "HMGET k a", "HEXISTS k a", "HSTRLEN k a"] {
            assert_eq!(bench.error(request), "WRONGTYPE Operation against a key holding the wrong kind of value");
        }
    }
}
