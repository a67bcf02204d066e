//! `HRANDFIELD key [count [WITHVALUES]]`: fields chosen at random.
//!
//! Reply: a field or null; with a count an array: of as many different fields, or, where the count is negative, of exactly as
//! many fields, one of which may come more than once; with values in between, which RESP3 has as pairs. Records nothing.

use super::{copied, read_hash};
use crate::command::choice::{BEYOND_RANGE, DRAWN_BYTES_MAX, Pool, choose, draw_many};
use crate::command::row::flag::READONLY;
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::{ReplyWriter, RespVersion};
use crate::text::parse_i64;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::hash::{Field, HashView};
use bytes::Bytes;

pub(super) const HRANDFIELD: Row = Row::new("hrandfield", -2, Run::Turn(hrandfield))
    .flags(READONLY)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns one or more random fields from a hash.")
    .docs(Group::Hash, "6.2.0", "O(N) where N is the number of fields returned")
    .args("key:key#0 options:block?{count:integer withvalues?=WITHVALUES}");

fn hrandfield(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let Some(count) = args.get(2) else {
        let core = turn.core();
        return read_hash(turn, args[1], |hash| {
            let field = hash.and_then(|hash| one(hash, |below| core.random_below(below)));
            reply.string_or_null(field.map(|field| field.field));
        });
    };
    let count = match parse_i64(count).ok_or(CommandError::NotInteger)? {
        i64::MIN => return Err(CommandError::text(BEYOND_RANGE)),
        count => count,
    };
    let with_values = match args[3..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(CommandError::OutOfRange);
    }
    let are_pairs = with_values && reply.version() == RespVersion::V3;
    let core = turn.core();
    read_hash(turn, args[1], |hash| {
        let Some(hash) = hash else {
            reply.array(0);
            return Ok(());
        };
        let start = reply.len();
        let array = reply.begin_array();
        let mut elements = 0;
        some(
            hash,
            count,
            |below| core.random_below(below),
            |field| {
                if are_pairs {
                    reply.array(2);
                }
                field.field.with_bytes(|field| reply.bulk(field));
                if with_values {
                    field.value.with_bytes(|value| reply.bulk(value));
                }
                elements += if with_values && !are_pairs { 2 } else { 1 };
                reply.len() - start <= DRAWN_BYTES_MAX
            },
        )?;
        reply.end_array(array, elements);
        Ok(())
    })?
}

/// A field, each that is shown with the same chance.
fn one<'a>(hash: HashView<'a>, mut pick: impl FnMut(usize) -> usize) -> Option<Field<'a>> {
    for _ in 0..DRAWS_MAX {
        match hash.draw(&mut pick) {
            Some(field) if hash.shows(&field) => return Some(field),
            Some(_) => {}
            None => break,
        }
    }
    let shown = hash.iter().count();
    if shown == 0 { None } else { hash.iter().nth(pick(shown)) }
}

/// Calls `f` with `count` different fields, or, where it is negative, with as many draws. An error if `f` says that it is
/// enough.
fn some<'a>(
    hash: HashView<'a>,
    count: i64,
    pick: impl FnMut(usize) -> usize,
    mut f: impl FnMut(Field<'a>) -> bool,
) -> Result<(), CommandError> {
    let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count >= 0 {
        choose(hash, number, pick, |field| {
            f(field);
        });
        return Ok(());
    }
    draw_many(hash, number, pick, f)
}

impl<'a> Pool for HashView<'a> {
    type Element = Field<'a>;

    fn count(self) -> usize {
        if self.may_hide() { self.iter().count() } else { self.hash.len() }
    }

    fn elements(self) -> impl Iterator<Item = Field<'a>> {
        self.iter()
    }

    fn draw(self, pick: &mut impl FnMut(usize) -> usize) -> Option<Field<'a>> {
        // Where some are hidden, what is shown is listed.
        if self.may_hide() {
            return None;
        }
        let member = self.hash.table()?.random(pick)?;
        let expiry = member.expiry();
        let (field, value) = member.into_pair();
        Some(Field { field: StrRef::Bytes(field), value, expiry })
    }

    fn address(field: Field<'a>) -> *const u8 {
        match field.field {
            StrRef::Bytes(bytes) => bytes.as_ptr(),
            StrRef::Int(_) => std::ptr::null(),
        }
    }
}

impl Turn<'_> {
    /// A field of the hash at `key`, chosen at random. O(1).
    pub fn hrandfield(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let core = self.core();
        read_hash(self, key.as_ref(), |hash| {
            hash.and_then(|hash| one(hash, |below| core.random_below(below))).map(|field| copied(field.field))
        })
    }

    /// Up to `count` different fields of the hash at `key` with their values; for a negative `count` as many draws. O(count).
    pub fn hrandfield_withvalues(
        &mut self,
        key: impl AsRef<[u8]>,
        count: i64,
    ) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
        let core = self.core();
        read_hash(self, key.as_ref(), |hash| {
            let Some(hash) = hash else { return Ok(Vec::new()) };
            let (mut fields, mut bytes) = (Vec::new(), 0);
            some(
                hash,
                count,
                |below| core.random_below(below),
                |field| {
                    let pair = (copied(field.field), copied(field.value));
                    bytes += pair.0.len() + pair.1.len() + size_of_val(&pair);
                    fields.push(pair);
                    bytes <= DRAWN_BYTES_MAX
                },
            )?;
            Ok(fields)
        })?
    }
}

impl Engine {
    /// A field of the hash at `key`, each with the same chance; `None` if there is no such key. Fails with WRONGTYPE on other
    /// types. O(1), O(n) while the hash is small. Follows HRANDFIELD of Redis 7.2.
    pub fn hrandfield(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.hrandfield(key))
    }

    /// Up to `count` different fields of the hash at `key` with their values, every choice with the same chance; for a
    /// negative `count` as many draws, each among all fields. As [`Engine::hrandfield`] otherwise. O(count), O(n) where that
    /// is a large part of the hash.
    pub fn hrandfield_withvalues(
        &self,
        key: impl AsRef<[u8]>,
        count: i64,
    ) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.hrandfield_withvalues(key, count))
    }

    /// As [`hrandfield_withvalues`](Self::hrandfield_withvalues), the fields alone.
    pub fn hrandfield_multiple(&self, key: impl AsRef<[u8]>, count: i64) -> Result<Vec<Bytes>, CommandError> {
        Ok(self.hrandfield_withvalues(key, count)?.into_iter().map(|(field, _)| field).collect())
    }
}

/// Draws before the fields that are shown are counted.
const DRAWS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, ask, session};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn fields_come_with_their_values_as_many_as_asked() {
        for size in [3, 200, 2_000] {
            let bench = Bench::new();
            let pairs: Vec<_> = (0..size).map(|n| (format!("f{n}"), format!("v{n}"))).collect();
            bench.db.hset_multiple("k", &pairs).unwrap();
            for count in [0, 1, size / 5, size / 2, size, size * 2] {
                let chosen = bench.db.hrandfield_withvalues("k", count as i64).unwrap();
                assert!(chosen.iter().all(|(field, value)| field[1..] == value[1..]));
                assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), count.min(size));
            }
            let drawn = bench.db.hrandfield_multiple("k", -(size as i64) * 20).unwrap();
            let mut seen: BTreeMap<_, usize> = BTreeMap::new();
            drawn.into_iter().for_each(|field| *seen.entry(field).or_default() += 1);
            let statistic: f64 = seen.values().map(|n| (*n as f64 - 20.0).powi(2) / 20.0).sum();
            assert!(seen.len() == size && statistic < size as f64 + 5.0 * (2.0 * size as f64).sqrt(), "{statistic}");
        }
    }

    #[test]
    fn replies_and_errors_are_those_of_redis() {
        let bench = Bench::new();
        let mut session = session(&bench.db);
        assert_eq!(ask(&mut session, "HRANDFIELD k") + &ask(&mut session, "HRANDFIELD k 2"), "$-1\r\n*0\r\n");
        bench.run("HSET k a 1");
        assert_eq!(ask(&mut session, "HRANDFIELD k"), "$1\r\na\r\n");
        assert_eq!(ask(&mut session, "HRANDFIELD k -2 WITHVALUES"), format!("*4\r\n{0}{0}", "$1\r\na\r\n$1\r\n1\r\n"));
        ask(&mut session, "HELLO 3");
        assert_eq!(ask(&mut session, "HRANDFIELD k 5 withvalues"), "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
        assert_eq!(bench.error("HRANDFIELD k 1 2"), "ERR syntax error");
        assert_eq!(bench.error("HRANDFIELD k x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("HRANDFIELD k -9223372036854775808"), super::BEYOND_RANGE);
        assert_eq!(bench.error("HRANDFIELD k -9223372036854775807 WITHVALUES"), "ERR value is out of range");
    }
}
