//! `GET key`: the string at a key, or null.

use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::StrRef;
use bytes::Bytes;

pub(super) const GET: Row = Row::new("get", 2, Run::Look(get))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the string value of a key.")
    .docs(Group::String, "1.0.0", "O(1)")
    .args("key:key#0");

fn get(entry: Option<&EntryRef>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let value = entry.map(|entry| entry.as_string().ok_or(CommandError::WrongType)).transpose()?;
    reply.string_or_null(value);
    Ok(())
}

impl ReplyWriter<'_> {
    /// A string as a bulk string, or null.
    #[inline]
    pub(crate) fn string_or_null(&mut self, value: Option<StrRef<'_>>) {
        match value {
            None => self.null(),
            Some(StrRef::Int(n)) => self.bulk_i64(n),
            Some(StrRef::Bytes(bytes)) => self.bulk(bytes),
        }
    }
}

impl Turn<'_> {
    /// The string at `key`, lent to `f`. Fails with WRONGTYPE on other types. O(1) besides `f`.
    pub fn get_with<R>(
        &mut self,
        key: impl AsRef<[u8]>,
        f: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<R, CommandError> {
        let key = self.key(key.as_ref())?;
        self.read_string(&key, |value| match value {
            None => f(None),
            Some(value) => value.with_bytes(|bytes| f(Some(bytes))),
        })
    }

    /// The string at `key`, copied. O(n).
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        self.get_with(key, |value| value.map(Bytes::copy_from_slice))
    }
}

impl Engine {
    /// The string at `key`, copied; `None` if there is no such key. Fails with WRONGTYPE on other types. O(n).
    /// Follows GET of Redis 7.2; records nothing.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        self.get_with(key, |value| value.map(Bytes::copy_from_slice))
    }

    /// The string at `key`, lent to `f` while its slot is locked: `f` must not use this engine. O(1), no copy.
    pub fn get_with<R>(&self, key: impl AsRef<[u8]>, f: impl FnOnce(Option<&[u8]>) -> R) -> Result<R, CommandError> {
        self.on_entry(key.as_ref(), |entry| match entry.map(|entry| entry.as_string().ok_or(CommandError::WrongType)) {
            None => Ok(f(None)),
            Some(value) => Ok(value?.with_bytes(|bytes| f(Some(bytes)))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_none_and_a_number_prints_as_it_was_set() {
        let db = Engine::in_memory();
        assert_eq!(db.get("k").unwrap(), None);
        db.set("k", "-42").unwrap();
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"-42"[..]));
        assert_eq!(db.get_with("k", |v| v.map(<[u8]>::len)).unwrap(), Some(3));
    }
}
