//! `HSET key field value [field value ...]`, `HMSET` the same, `HSETNX key field value`: give fields their values.
//!
//! Reply: how many fields are new; OK; 1 if it set the field, else 0. Effect: `HSET key field value ...`. A field that is set
//! has no expiry afterwards.

use super::{Pairs, find_hash, limits};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::{Key, Turn};
use crate::value::AsValue;
use crate::value::hash::{FieldExpiry, HashView};
use smallvec::SmallVec;
use std::borrow::Cow;

pub(super) const HSET: Row = Row::new("hset", -4, Run::Turn(hset))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Creates or modifies the value of a field in a hash.")
    .docs(
        Group::Hash,
        "2.0.0",
        "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with \
         multiple field/value pairs.",
    )
    .history(&[("4.0.0", "Accepts multiple `field` and `value` arguments.")])
    .args("key:key#0 data:block*{field:string value:string}");

pub(super) const HMSET: Row = Row::new("hmset", -4, Run::Turn(hmset))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the values of multiple fields.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the number of fields being set.")
    .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
    .args("key:key#0 data:block*{field:string value:string}");

pub(super) const HSETNX: Row = Row::new("hsetnx", 4, Run::Turn(hsetnx))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Sets the value of a field in a hash only when the field doesn't exist.")
    .docs(Group::Hash, "2.0.0", "O(1)")
    .args("key:key#0 field:string value:string");

fn hset(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let pairs = pairs(args, "hset")?;
    let key = turn.key(args[1])?;
    reply.integer(store(turn, &key, pairs)? as i64);
    Ok(())
}

fn hmset(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let pairs = pairs(args, "hmset")?;
    let key = turn.key(args[1])?;
    store(turn, &key, pairs)?;
    reply.ok();
    Ok(())
}

fn hsetnx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    reply.integer(store_new(turn, &key, args[2], args[3])?.into());
    Ok(())
}

fn pairs<'a, 'b>(args: &'b [&'a [u8]], command: &'static str) -> Result<&'b Pairs<'a>, CommandError> {
    match args[2..].as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(CommandError::WrongArity(Cow::Borrowed(command))),
    }
}

/// Sets fields; says how many are new.
pub(super) fn store(turn: &mut Turn<'_>, key: &Key<'_>, pairs: &Pairs<'_>) -> Result<usize, CommandError> {
    let old = find_hash(turn, key)?;
    if pairs.is_empty() {
        return Ok(0);
    }
    let (limits, hasher) = (limits(turn), &turn.core().hasher);
    let each = pairs.iter().map(|[field, value]| (*field, *value));
    let count = match old {
        None => {
            let (entry, count) = EntryRef::hash(key.bytes, each, limits, hasher);
            turn.put(key, None, entry);
            count
        }
        Some(spot) => turn.update(key, spot, |entry| entry.set_fields(each, FieldExpiry::Clear, limits, hasher)),
    };
    let mut effect: SmallVec<[&[u8]; 12]> = SmallVec::from_slice(&[b"HSET", key.bytes]);
    effect.extend_from_slice(pairs.as_flattened());
    turn.record(&effect);
    turn.notify(EventClass::Hash, "hset", key.bytes);
    Ok(count)
}

fn store_new(turn: &mut Turn<'_>, key: &Key<'_>, field: &[u8], value: &[u8]) -> Result<bool, CommandError> {
    if let Some(spot) = find_hash(turn, key)? {
        let now = turn.sight();
        let entry = turn.entry(key, spot);
        if entry.as_hash().is_some_and(|hash| HashView::new(hash, || now).get(field).is_some()) {
            return Ok(false);
        }
    }
    store(turn, key, &[[field, value]])?;
    Ok(true)
}

impl Turn<'_> {
    /// Gives `field` of the hash at `key`, which is made if missing, a value; says whether the field is new. O(1).
    pub fn hset(
        &mut self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsValue,
    ) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let field = field.as_ref();
        value.with_value(|value| value.with_bytes(|value| Ok(store(self, &key, &[[field, value]])? > 0)))
    }

    /// Gives several fields of the hash at `key` their values; says how many are new. O(fields).
    pub fn hset_multiple<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        pairs: &[(F, V)],
    ) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let pairs: Vec<[&[u8]; 2]> = pairs.iter().map(|(field, value)| [field.as_ref(), value.as_ref()]).collect();
        store(self, &key, &pairs)
    }

    /// Gives `field` of the hash at `key` a value if there is no such field; says whether it did. O(1).
    pub fn hset_nx(
        &mut self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsValue,
    ) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let field = field.as_ref();
        value.with_value(|value| value.with_bytes(|value| store_new(self, &key, field, value)))
    }
}

impl Engine {
    /// Gives `field` of the hash at `key`, which is made if missing, a value; says whether the field is new. The field has no
    /// expiry afterwards. Fails with WRONGTYPE on other types. O(1), O(n) while the hash is small. Follows HSET of Redis 7.2;
    /// records `HSET`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert!(db.hset("user:1", "name", "ada")?);
    /// assert_eq!(db.hset_multiple("user:1", &[("name", "ada l."), ("born", "1815")])?, 1);
    /// assert_eq!(db.hget("user:1", "born")?.as_deref(), Some(&b"1815"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn hset(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsValue,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hset(key, field, value))
    }

    /// Gives several fields of the hash at `key` their values, at one moment; says how many are new. Of a field that comes
    /// twice the last value stays. As [`Engine::hset`] otherwise.
    pub fn hset_multiple<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        pairs: &[(F, V)],
    ) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hset_multiple(key, pairs))
    }

    /// Gives `field` of the hash at `key` a value if there is no such field; says whether it did. As [`Engine::hset`]
    /// otherwise. Follows HSETNX of Redis 7.2; records `HSET`.
    pub fn hset_nx(
        &self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsValue,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hset_nx(key, field, value))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals, contents};
    use crate::resp::Value;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn fields_are_set_and_the_new_ones_counted() {
        let bench = Bench::new();
        assert_eq!(bench.run("HSET k a 1 b 2 a 3"), Value::Integer(2));
        assert_eq!(bench.run("HSET k b 2 c x"), Value::Integer(1));
        assert_eq!(bench.run("HMSET k d 4"), Value::Ok);
        assert_eq!(bench.run("HSETNX k d 5"), Value::Integer(0));
        assert_eq!(bench.run("HSETNX k e 5"), Value::Integer(1));
        assert_eq!(bench.db.hget("k", "a").unwrap().unwrap(), "3");
        assert_eq!(bench.effects(), ["HSET k a 1 b 2 a 3", "HSET k b 2 c x", "HSET k d 4", "HSET k e 5"]);
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn requests_that_make_no_pairs_are_refused_under_their_name() {
        let bench = Bench::new();
        assert_eq!(bench.error("HSET k a 1 b"), "ERR wrong number of arguments for 'hset' command");
        assert_eq!(bench.error("HMSET k a 1 b"), "ERR wrong number of arguments for 'hmset' command");
        bench.run("SET s v");
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        for request in ["HSET s a 1", "HMSET s a 1", "HSETNX s a 1"] {
            assert_eq!(bench.error(request), wrong);
        }
        assert_eq!(bench.effects(), ["SET s v"]);
    }

    #[test]
    fn encodings_change_where_those_of_redis_do() {
        let bench = Bench::new();
        bench.db.options().hash_listpack_entries_max.store(3, Relaxed);
        let encoding = || bench.db.object_encoding("k").unwrap().unwrap();
        bench.run("HSET k a 1 b 2 c 3");
        assert_eq!(encoding(), "listpack");
        bench.run("HSET k a 1 b 2 c 4");
        assert_eq!(encoding(), "listpack");
        bench.run("HSET k d 1");
        assert_eq!(encoding(), "hashtable");
        bench.run("HDEL k a b c");
        assert_eq!(encoding(), "hashtable");
        for (field, value) in [(65, 1), (1, 65)] {
            bench.run("DEL k");
            bench.db.hset("k", "f".repeat(field), "v".repeat(value)).unwrap();
            assert_eq!(encoding(), "hashtable");
        }
        bench.run("DEL k");
        bench.run("HSET k a 1 a 2 a 3 a 4");
        assert_eq!(encoding(), "hashtable", "so many pairs are taken for so many fields");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn a_hash_given_up_is_put_back() {
        let bench = Bench::new();
        for n in 0..2_000 {
            bench.db.hset("large", n.to_string(), n).unwrap();
        }
        bench.run("HSET small a 1");
        for key in ["large", "small"] {
            let before = contents(&bench.db);
            let result: Result<(), crate::CommandError> = bench.db.atomic(key, |turn| {
                turn.hset(key, "1", "changed")?;
                turn.hset_nx(key, "new", 1)?;
                turn.hdel(key, "a")?;
                turn.hincr(key, "5", 2)?;
                Err(crate::CommandError::Syntax)
            });
            assert!(result.is_err());
            assert_eq!(contents(&bench.db), before);
        }
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
