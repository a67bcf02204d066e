//! `HDEL key field [field ...]`: takes fields out of a hash.
//!
//! Reply: how many were there. Effect: `HDEL key field ...` with the fields that were there. A hash without fields is no key.

use super::find_hash;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::hash::HashView;
use smallvec::SmallVec;

pub(super) const HDEL: Row = Row::new("hdel", -3, Run::Turn(hdel))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().delete()])
    .summary("Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.")
    .docs(Group::Hash, "2.0.0", "O(N) where N is the number of fields to be removed.")
    .history(&[("2.4.0", "Accepts multiple `field` arguments.")])
    .args("key:key#0 field:string*");

fn hdel(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    reply.integer(remove(turn, &key, &args[2..])? as i64);
    Ok(())
}

/// Takes fields out; says how many were there.
fn remove(turn: &mut Turn<'_>, key: &Key<'_>, fields: &[&[u8]]) -> Result<usize, CommandError> {
    let Some(spot) = find_hash(turn, key)? else { return Ok(0) };
    let now = turn.sight();
    let mut present: SmallVec<[&[u8]; 8]> = SmallVec::new();
    if let Some(hash) = turn.entry(key, spot).as_hash() {
        let hash = HashView::new(hash, || now);
        present.extend(fields.iter().copied().filter(|field| hash.get(field).is_some()));
    }
    Ok(remove_present(turn, key, spot, &present))
}

/// Takes fields out that are there; says how many, one that is named twice counting once. Records them, and tells of it.
pub(super) fn remove_present(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, fields: &[&[u8]]) -> usize {
    if fields.is_empty() {
        return 0;
    }
    let removed: SmallVec<[&[u8]; 8]> =
        turn.update(key, spot, |entry| fields.iter().copied().filter(|field| entry.remove_field(field)).collect());
    let mut effect: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(&[b"HDEL", key.bytes]);
    effect.extend_from_slice(&removed);
    turn.record(&effect);
    turn.notify(EventClass::Hash, "hdel", key.bytes);
    discard_if_empty(turn, key, spot);
    removed.len()
}

/// Removes the key of a hash without fields.
pub(super) fn discard_if_empty(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot) {
    if turn.entry(key, spot).as_hash().is_some_and(|hash| hash.is_empty()) {
        turn.discard(key, spot);
        turn.notify(EventClass::Generic, "del", key.bytes);
    }
}

impl Turn<'_> {
    /// Takes `field` out of the hash at `key`; says whether it was there. O(1).
    pub fn hdel(&mut self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        Ok(remove(self, &key, &[field.as_ref()])? > 0)
    }

    /// Takes `fields` out of the hash at `key`; says how many were there. O(fields).
    pub fn hdel_many<F: AsRef<[u8]>>(&mut self, key: impl AsRef<[u8]>, fields: &[F]) -> Result<usize, CommandError> {
        let key = self.key(key.as_ref())?;
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        remove(self, &key, &fields)
    }
}

impl Engine {
    /// Takes `field` out of the hash at `key`; says whether it was there. With the last field the key goes. Fails with
    /// WRONGTYPE on other types. O(1), O(n) while the hash is small. Follows HDEL of Redis 7.2; records `HDEL`.
    pub fn hdel(&self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.hdel(key, field))
    }

    /// Takes `fields` out of the hash at `key`; says how many were there. As [`Engine::hdel`] otherwise.
    pub fn hdel_many<F: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, fields: &[F]) -> Result<usize, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.hdel_many(key, fields))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};
    use crate::resp::Value;

    #[test]
    fn the_key_goes_with_the_last_field() {
        let bench = Bench::new();
        for long in ["v".to_owned(), "v".repeat(100)] {
            bench.run(&format!("HSET k a 1 b 2 c {long}"));
            bench.effects();
            assert_eq!(bench.run("HDEL k x"), Value::Integer(0));
            assert_eq!(bench.run("HDEL k a x a b"), Value::Integer(2));
            assert_eq!(bench.run("HLEN k"), Value::Integer(1));
            assert!(bench.db.hdel("k", "c").unwrap());
            assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
            assert_eq!(bench.effects(), ["HDEL k a b", "HDEL k c"]);
            assert_totals(&bench.db);
        }
        bench.assert_replays();
        assert_eq!(bench.run("HDEL k a"), Value::Integer(0));
        bench.run("SET k v");
        assert_eq!(bench.error("HDEL k a"), "WRONGTYPE Operation against a key holding the wrong kind of value");
    }
}
