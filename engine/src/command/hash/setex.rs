//! `HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS n field value [field value ...]`: gives fields
//! their values and an expiry. Of Redis 8.0.
//!
//! Reply: 1, or 0 if the condition kept all of it. Effect: `HSET key field value ...`, and `HPEXPIREAT key ms FIELDS ...` behind it
//! where a field has a time; `HDEL key field ...` where that has passed already.

use super::field_expire::current;
use super::field_list::{expiration, moment};
use super::recording::{record_expiry, record_field_expiry};
use super::removal::remove_present;
use super::{Pairs, find_hash, limits, set};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::string::SetExpiry;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::{Key, Turn};
use crate::value::hash::FieldExpiry;
use std::borrow::Cow;

pub(super) const HSETEX: Row = Row::new("hsetex", -6, Run::Turn(hsetex))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Set the value of one or more fields of a given hash key, and optionally set their expiration.")
    .docs(Group::Hash, "8.0.0", "O(N) where N is the number of fields being set.")
    .args(
        "key:key#0 condition:oneof?{fnx=FNX fxx=FXX} expiration:oneof?{seconds:integer=EX milliseconds:integer=PX \
         unix-time-seconds:unix-time=EXAT unix-time-milliseconds:unix-time=PXAT keepttl=KEEPTTL} \
         fields:block=FIELDS{numfields:integer data:block*{field:string value:string}}",
    );

/// On which condition fields are set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FieldSetIf {
    /// On none.
    #[default]
    Always,
    /// None of them exists (`FNX`).
    AllAbsent,
    /// All of them exist (`FXX`).
    AllPresent,
}

fn hsetex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut condition, mut expiry) = (FieldSetIf::Always, None);
    let mut at = 2;
    let pairs = loop {
        let Some(word) = args.get(at) else { return Err(arity()) };
        match word.to_ascii_uppercase().as_slice() {
            b"FIELDS" => break pairs(&args[at + 1..])?,
            b"FNX" | b"FXX" => {
                if condition != FieldSetIf::Always {
                    return Err(CommandError::text("ERR Only one of FXX or FNX arguments can be specified"));
                }
                let is_fnx = word.eq_ignore_ascii_case(b"FNX");
                condition = if is_fnx { FieldSetIf::AllAbsent } else { FieldSetIf::AllPresent };
            }
            name => {
                let is_timed = expiration(name, 0).is_some();
                if !is_timed && name != b"KEEPTTL" {
                    return Err(CommandError::quoting("ERR unknown argument: ", word, ""));
                }
                if expiry.is_some() {
                    return Err(CommandError::text(SEVERAL));
                }
                expiry = Some(FieldExpiry::Keep);
                if is_timed {
                    at += 1;
                    let number = args.get(at).ok_or(CommandError::text("ERR missing expire time"))?;
                    let number = parse_i64(number).ok_or(CommandError::NotInteger)?;
                    let expiration = expiration(name, number).ok_or(CommandError::Syntax)?;
                    expiry = Some(FieldExpiry::At(moment(turn, expiration, "hsetex")?));
                }
            }
        }
        at += 1;
    };
    let key = turn.key(args[1])?;
    let stored = store(turn, &key, pairs, condition, expiry.unwrap_or(FieldExpiry::Clear))?;
    reply.integer(stored.into());
    Ok(())
}

/// Reads `n field value [field value ...]`.
fn pairs<'b, 'a>(words: &'b [&'a [u8]]) -> Result<&'b Pairs<'a>, CommandError> {
    let (Some((number, rest)), true) = (words.split_first(), words.len() >= 3) else { return Err(arity()) };
    let few = CommandError::text("ERR invalid number of fields");
    let count = parse_i64(number).filter(|count| (1..=i64::from(i32::MAX)).contains(count)).ok_or(few)?;
    match rest.as_chunks() {
        (pairs, []) if usize::try_from(count) == Ok(pairs.len()) => Ok(pairs),
        _ => Err(arity()),
    }
}

fn arity() -> CommandError {
    CommandError::WrongArity(Cow::Borrowed("hsetex"))
}

fn store(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    pairs: &Pairs<'_>,
    condition: FieldSetIf,
    expiry: FieldExpiry,
) -> Result<bool, CommandError> {
    let old = find_hash(turn, key)?;
    let is_there = |turn: &Turn<'_>, field: &[u8]| old.is_some_and(|spot| current(turn, key, spot, field).is_some());
    let holds = match condition {
        FieldSetIf::Always => true,
        FieldSetIf::AllAbsent => !pairs.iter().any(|[field, _]| is_there(turn, field)),
        FieldSetIf::AllPresent => pairs.iter().all(|[field, _]| is_there(turn, field)),
    };
    if !holds {
        return Ok(false);
    }
    match (expiry, old) {
        (FieldExpiry::Clear, _) | (FieldExpiry::Keep, None) => {
            set::store(turn, key, pairs)?;
        }
        (FieldExpiry::At(at), _) if at <= turn.now() && !turn.follows() => {
            if let Some(spot) = old {
                let fields: Vec<&[u8]> =
                    pairs.iter().map(|[field, _]| *field).filter(|field| is_there(turn, field)).collect();
                remove_present(turn, key, spot, &fields);
            }
        }
        _ => replace(turn, key, pairs, expiry)?,
    }
    Ok(true)
}

/// Gives fields their values and an expiry that is not over, or the one that they have.
fn replace(turn: &mut Turn<'_>, key: &Key<'_>, pairs: &Pairs<'_>, expiry: FieldExpiry) -> Result<(), CommandError> {
    let (limits, hasher) = (limits(turn), &turn.core().hasher);
    let each = pairs.iter().map(|[field, value]| (*field, *value));
    match find_hash(turn, key)? {
        Some(spot) => {
            turn.update(key, spot, |entry| entry.set_fields(each, expiry, limits, hasher));
        }
        None => {
            let mut entry = EntryRef::hash(key.bytes, std::iter::empty(), limits, hasher).0;
            entry.set_fields(each, expiry, limits, hasher);
            turn.put(key, None, entry);
        }
    }
    // In words that every server knows; HSET takes the expiries away.
    let mut effect: Vec<&[u8]> = vec![b"HSET", key.bytes];
    effect.extend_from_slice(pairs.as_flattened());
    turn.record(&effect);
    let fields: Vec<&[u8]> = pairs.iter().map(|[field, _]| *field).collect();
    match expiry {
        FieldExpiry::At(at) => record_expiry(turn, key.bytes, at, &fields),
        FieldExpiry::Keep | FieldExpiry::Clear => fields.iter().for_each(|field| record_field_expiry(turn, key, field)),
    }
    turn.notify(EventClass::Hash, "hset", key.bytes);
    if let FieldExpiry::At(_) = expiry {
        turn.notify(EventClass::Hash, "hexpire", key.bytes);
    }
    Ok(())
}

impl Turn<'_> {
    /// Gives several fields of the hash at `key` their values and an expiry; says whether it did. O(fields).
    pub fn hset_ex<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        condition: FieldSetIf,
        expiry: SetExpiry,
        pairs: &[(F, V)],
    ) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let expiry = match expiry {
            SetExpiry::Clear => FieldExpiry::Clear,
            SetExpiry::Keep => FieldExpiry::Keep,
            SetExpiry::At(expiration) => FieldExpiry::At(moment(self, expiration, "hsetex")?),
        };
        let pairs: Vec<[&[u8]; 2]> = pairs.iter().map(|(field, value)| [field.as_ref(), value.as_ref()]).collect();
        store(self, &key, &pairs, condition, expiry)
    }
}

impl Engine {
    /// Gives several fields of the hash at `key` their values and an expiry, at one moment; says whether it did. A time that
    /// has passed deletes them. Fails with WRONGTYPE on other types and on a time below 0 or beyond 46 bits of milliseconds.
    /// O(fields). Follows HSETEX of Redis 8.0; records `HSET`, `HSETEX` or `HDEL`.
    pub fn hset_ex<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        condition: FieldSetIf,
        expiry: SetExpiry,
        pairs: &[(F, V)],
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hset_ex(key, condition, expiry, pairs))
    }
}

const SEVERAL: &str = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START, assert_totals};
    use crate::resp::Value;

    #[test]
    fn fields_are_set_with_an_expiry_on_a_condition() {
        for long in ["v".to_owned(), "v".repeat(100)] {
            let bench = Bench::new();
            assert_eq!(bench.run("HSETEX k FXX FIELDS 1 a 1"), Value::Integer(0));
            assert_eq!(bench.run(&format!("HSETEX k FNX PX 500 FIELDS 2 a 1 b {long}")), Value::Integer(1));
            assert_eq!(bench.run("HSETEX k FNX FIELDS 2 b 1 c 2"), Value::Integer(0));
            assert_eq!(bench.run("HSETEX k FXX FIELDS 2 b 1 c 2"), Value::Integer(0));
            assert_eq!(bench.run("HSETEX k fxx keepttl FIELDS 1 a 2"), Value::Integer(1));
            assert_eq!(bench.ask("HPTTL k FIELDS 1 a"), "*1\r\n:500\r\n");
            assert_eq!(bench.run("HSETEX k FIELDS 1 b 3"), Value::Integer(1));
            assert_eq!(bench.ask("HPTTL k FIELDS 1 b"), "*1\r\n:-1\r\n");
            assert_eq!(
                bench.effects(),
                [
                    format!("HSET k a 1 b {long}"),
                    format!("HPEXPIREAT k {} FIELDS 2 a b", START.0 + 500),
                    "HSET k a 2".into(),
                    format!("HPEXPIREAT k {} FIELDS 1 a", START.0 + 500),
                    "HSET k b 3".into(),
                ]
            );
            assert_eq!(bench.run("HSETEX k EXAT 1 FIELDS 2 b 3 none 4"), Value::Integer(1));
            assert_eq!(bench.effects(), ["HDEL k b"]);
            assert_eq!(bench.run("HSETEX other EXAT 1 FIELDS 1 b 3"), Value::Integer(1));
            assert_eq!(bench.run("EXISTS other"), Value::Integer(0));
            assert_totals(&bench.db);
            bench.assert_replays();
        }
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        let arity = "ERR wrong number of arguments for 'hsetex' command";
        for (request, error) in [
            ("HSETEX k FIELDS 2 a b", arity),
            ("HSETEX k FIELDS 2 a b c", arity),
            ("HSETEX k FIELDS 0 a b", "ERR invalid number of fields"),
            ("HSETEX k NX FIELDS 1 a b", "ERR unknown argument: NX"),
            ("HSETEX k FNX FXX FIELDS 1 a b", "ERR Only one of FXX or FNX arguments can be specified"),
            ("HSETEX k EX 1 KEEPTTL FIELDS 1 a b", super::SEVERAL),
            ("HSETEX k FNX KEEPTTL FNX EX", "ERR Only one of FXX or FNX arguments can be specified"),
            ("HSETEX k FNX FXX1 1 EX", "ERR unknown argument: FXX1"),
            ("HSETEX k EX -1 FIELDS 1 a b", "ERR invalid expire time, must be >= 0"),
            ("HSETEX k PXAT 70368744177664 FIELDS 1 a b", "ERR invalid expire time in 'hsetex' command"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
    }
}
