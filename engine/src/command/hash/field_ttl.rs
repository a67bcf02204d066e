//! `HTTL key FIELDS n field ...`, `HPTTL`, `HEXPIRETIME`, `HPEXPIRETIME`: when fields are due to vanish; `HPERSIST`: never.
//! Of Redis 7.4.
//!
//! Reply: for each field -2 (there is none), -1 (it has no expiry), or seconds or milliseconds, from now or since the epoch;
//! HPERSIST answers 1 where there was an expiry. Effect of HPERSIST: `HPERSIST key FIELDS n field ...` with those fields.

use super::field_expire::current;
use super::field_list::{TOO_FEW, field_list};
use super::{find_hash, read_hash, view};
use crate::command::row::flag::{FAST, READONLY, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::hash::HashView;

const KEYS: &[KeySpec] = &[KeySpec::index(1).ro().access()];

const fn row(name: &'static str, run: Run, summary: &'static str) -> Row {
    Row::new(name, -5, run)
        .flags(READONLY | FAST)
        .keys(KEYS)
        .summary(summary)
        .docs(Group::Hash, "7.4.0", "O(N) where N is the number of specified fields")
        .args("key:key#0 fields:block=FIELDS{numfields:integer field:string*}")
}

pub(super) const HTTL: Row =
    row("httl", Run::LookAt(httl), "Returns the TTL in seconds of a hash field.").tips("nondeterministic_output");
pub(super) const HPTTL: Row = row("hpttl", Run::LookAt(hpttl), "Returns the TTL in milliseconds of a hash field.")
    .tips("nondeterministic_output");
pub(super) const HEXPIRETIME: Row = row(
    "hexpiretime",
    Run::LookAt(hexpiretime),
    "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
);
pub(super) const HPEXPIRETIME: Row = row(
    "hpexpiretime",
    Run::LookAt(hpexpiretime),
    "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
);
pub(super) const HPERSIST: Row = Row::new("hpersist", -5, Run::Turn(hpersist))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Removes the expiration time for each specified field")
    .docs(Group::Hash, "7.4.0", "O(N) where N is the number of specified fields")
    .args("key:key#0 fields:block=FIELDS{numfields:integer field:string*}");

/// The expiry of a field, in the unit of the verb that was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldTtl {
    /// There is no such field.
    NoField,
    /// The field never vanishes by itself.
    Never,
    /// Seconds or milliseconds, from now or since the epoch.
    Value(i64),
}

impl FieldTtl {
    /// The number that Redis answers: -2 without a field, -1 without expiry.
    pub fn as_reply(self) -> i64 {
        match self {
            Self::NoField => -2,
            Self::Never => -1,
            Self::Value(n) => n,
        }
    }

    fn of(hash: Option<HashView<'_>>, field: &[u8], unit: impl Fn(UnixMillis) -> i64) -> Self {
        match hash.and_then(|hash| hash.get(field)) {
            None => Self::NoField,
            Some(field) => field.expiry.map_or(Self::Never, |at| Self::Value(unit(at))),
        }
    }
}

fn httl(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    write(entry, now, args, reply, |at, now| seconds(at.0 - now.0))
}

fn hpttl(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    write(entry, now, args, reply, |at, now| at.0 - now.0)
}

fn hexpiretime(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    write(entry, now, args, reply, |at, _| seconds(at.0))
}

fn hpexpiretime(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    write(entry, now, args, reply, |at, _| at.0)
}

fn write(
    entry: Option<&EntryRef>,
    now: Option<UnixMillis>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    unit: impl Fn(UnixMillis, UnixMillis) -> i64,
) -> CommandResult {
    let hash = view(entry, || now)?;
    let fields = field_list(args, 2, TOO_FEW)?;
    reply.array(fields.len());
    let from = now.unwrap_or(UnixMillis(0));
    for field in fields {
        reply.integer(FieldTtl::of(hash, field, |at| unit(at, from)).as_reply());
    }
    Ok(())
}

/// Seconds, a part of one counting as one.
fn seconds(ms: i64) -> i64 {
    (ms + 999) / 1000
}

fn hpersist(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    let old = find_hash(turn, &key)?;
    let fields = field_list(args, 2, TOO_FEW)?;
    let outcomes = persist(turn, &key, old, fields);
    reply.array(outcomes.len());
    for outcome in outcomes {
        reply.integer(match outcome {
            None => -2,
            Some(false) => -1,
            Some(true) => 1,
        });
    }
    Ok(())
}

/// Takes the expiries of fields away; tells for each whether it had one, `None` if there is no such field.
pub(super) fn persist(turn: &mut Turn<'_>, key: &Key<'_>, spot: Option<Spot>, fields: &[&[u8]]) -> Vec<Option<bool>> {
    let Some(spot) = spot else { return vec![None; fields.len()] };
    let mut cleared = Vec::new();
    let mut outcomes = Vec::with_capacity(fields.len());
    for field in fields {
        let had = current(turn, key, spot, field).map(|expiry| expiry.is_some());
        if had == Some(true) {
            turn.update(key, spot, |entry| entry.set_field_expiry(field, None));
            cleared.push(*field);
        }
        outcomes.push(had);
    }
    if !cleared.is_empty() {
        let mut count = itoa::Buffer::new();
        let mut effect: Vec<&[u8]> = vec![b"HPERSIST", key.bytes, b"FIELDS", count.format(cleared.len()).as_bytes()];
        effect.extend(cleared);
        turn.record(&effect);
        turn.notify(EventClass::Hash, "hpersist", key.bytes);
    }
    outcomes
}

fn ttls<F: AsRef<[u8]>>(hash: Option<HashView<'_>>, fields: &[F], unit: impl Fn(UnixMillis) -> i64) -> Vec<FieldTtl> {
    fields.iter().map(|field| FieldTtl::of(hash, field.as_ref(), &unit)).collect()
}

impl Turn<'_> {
    /// In how many seconds `fields` of the hash at `key` are due to vanish. O(fields).
    pub fn httl<F: AsRef<[u8]>>(&mut self, key: impl AsRef<[u8]>, fields: &[F]) -> Result<Vec<FieldTtl>, CommandError> {
        let now = self.now();
        read_hash(self, key.as_ref(), |hash| ttls(hash, fields, |at| seconds(at.0 - now.0)))
    }

    /// In how many milliseconds `fields` of the hash at `key` are due to vanish. O(fields).
    pub fn hpttl<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<FieldTtl>, CommandError> {
        let now = self.now();
        read_hash(self, key.as_ref(), |hash| ttls(hash, fields, |at| at.0 - now.0))
    }

    /// Takes the expiries of `fields` of the hash at `key` away. O(fields).
    pub fn hpersist<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<bool>>, CommandError> {
        let key = self.key(key.as_ref())?;
        let spot = find_hash(self, &key)?;
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        Ok(persist(self, &key, spot, &fields))
    }
}

impl Engine {
    /// In how many seconds `fields` of the hash at `key` are due to vanish, in their order. Fails with WRONGTYPE on other
    /// types. O(fields). Follows HTTL of Redis 7.4.
    pub fn httl<F: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, fields: &[F]) -> Result<Vec<FieldTtl>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.httl(key, fields))
    }

    /// In how many milliseconds `fields` of the hash at `key` are due to vanish, in their order. As [`Engine::httl`]
    /// otherwise. Follows HPTTL of Redis 7.4.
    pub fn hpttl<F: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, fields: &[F]) -> Result<Vec<FieldTtl>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.hpttl(key, fields))
    }

    /// The Unix time in seconds at which `fields` of the hash at `key` are due to vanish. As [`Engine::httl`] otherwise.
    /// Follows HEXPIRETIME of Redis 7.4.
    pub fn hexpire_time<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<FieldTtl>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(ttls(view(entry, || Some(self.now()))?, fields, |at| seconds(at.0))))
    }

    /// The Unix time in milliseconds at which `fields` of the hash at `key` are due to vanish. As [`Engine::httl`] otherwise.
    /// Follows HPEXPIRETIME of Redis 7.4.
    pub fn hpexpire_time<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<FieldTtl>, CommandError> {
        self.on_entry(key.as_ref(), |entry| Ok(ttls(view(entry, || Some(self.now()))?, fields, |at| at.0)))
    }

    /// Takes the expiries of `fields` of the hash at `key` away; tells for each whether it had one, `None` if there is no such
    /// field. Fails with WRONGTYPE on other types. O(fields). Follows HPERSIST of Redis 7.4; records `HPERSIST`.
    pub fn hpersist<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
    ) -> Result<Vec<Option<bool>>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.hpersist(key, fields))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START, assert_totals};

    #[test]
    fn times_are_told_in_every_unit_and_taken_away() {
        for value in ["v".to_owned(), "v".repeat(100)] {
            let bench = Bench::new();
            bench.run(&format!("HSET k a 1 b {value}"));
            bench.run("HPEXPIRE k 1500 FIELDS 1 a");
            let times = |command: &str| bench.ask(&format!("{command} k FIELDS 3 a b none"));
            assert_eq!(times("HTTL"), "*3\r\n:2\r\n:-1\r\n:-2\r\n");
            assert_eq!(times("HPTTL"), "*3\r\n:1500\r\n:-1\r\n:-2\r\n");
            assert_eq!(times("HPEXPIRETIME"), format!("*3\r\n:{}\r\n:-1\r\n:-2\r\n", START.0 + 1500));
            assert_eq!(times("HEXPIRETIME"), format!("*3\r\n:{}\r\n:-1\r\n:-2\r\n", START.0 / 1000 + 2));
            bench.effects();
            assert_eq!(times("HPERSIST"), "*3\r\n:1\r\n:-1\r\n:-2\r\n");
            assert_eq!(times("HPERSIST"), "*3\r\n:-1\r\n:-1\r\n:-2\r\n");
            assert_eq!(bench.effects(), ["HPERSIST k FIELDS 1 a"]);
            bench.advance_ms(2_000);
            assert_eq!(bench.ask("HGET k a"), "$1\r\n1\r\n");
            bench.run("HPEXPIRE k 100 FIELDS 1 a");
            bench.run("HSET k a 2");
            assert_eq!(bench.ask("HTTL k FIELDS 1 a"), "*1\r\n:-1\r\n", "a value clears the expiry");
            bench.run("HPEXPIRE k 100 FIELDS 1 a");
            bench.run("HINCRBY k a 2");
            bench.run("HINCRBYFLOAT k a 0.5");
            assert_eq!(bench.ask("HPTTL k FIELDS 1 a"), "*1\r\n:100\r\n", "counting keeps it");
            assert_totals(&bench.db);
            bench.assert_replays();
        }
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        assert_eq!(bench.ask("HTTL none FIELDS 2 a b"), "*2\r\n:-2\r\n:-2\r\n");
        assert_eq!(bench.ask("HPERSIST none FIELDS 1 a"), "*1\r\n:-2\r\n");
        for command in ["HTTL", "HPERSIST", "HPEXPIRETIME"] {
            let missing = "ERR Mandatory argument FIELDS is missing or not at the right position";
            assert_eq!(bench.error(&format!("{command} k a b c")), missing);
            assert_eq!(bench.error(&format!("{command} k FIELDS 0 a")), super::TOO_FEW);
            let uneven = "ERR The `numfields` parameter must match the number of arguments";
            assert_eq!(bench.error(&format!("{command} k FIELDS 2 a")), uneven);
        }
    }
}
