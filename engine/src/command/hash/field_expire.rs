//! `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS n field ...`, `HPEXPIRE` with milliseconds, `HEXPIREAT` and `HPEXPIREAT`
//! with a Unix time: say when fields are due to vanish. Of Redis 7.4.
//!
//! Reply: for each field -2 (there is none), 0 (the condition kept it), 1 (it has the expiry) or 2 (the time has passed
//! already, it is deleted). Effects: `HPEXPIREAT key ms FIELDS n field ...`, `HDEL key field ...`.

use super::field_list::{field_list, moment};
use super::find_hash;
use super::recording::record_expiry;
use super::removal::discard_if_empty;
use crate::command::expiry::ExpireIf;
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::string::Expiration;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::table::Spot;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::hash::HashView;

const KEYS: &[KeySpec] = &[KeySpec::index(1).rw().update()];

const fn row(name: &'static str, run: Run, summary: &'static str, args: &'static str) -> Row {
    Row::new(name, -6, run)
        .flags(WRITE | DENYOOM | FAST)
        .keys(KEYS)
        .summary(summary)
        .docs(Group::Hash, "7.4.0", "O(N) where N is the number of specified fields")
        .args(args)
}

pub(super) const HEXPIRE: Row = row(
    "hexpire",
    Run::Turn(hexpire),
    "Set expiry for hash field using relative time to expire (seconds)",
    "key:key#0 seconds:integer condition:oneof?{nx=NX xx=XX gt=GT lt=LT} fields:block=FIELDS{numfields:integer \
     field:string*}",
);

pub(super) const HPEXPIRE: Row = row(
    "hpexpire",
    Run::Turn(hpexpire),
    "Set expiry for hash field using relative time to expire (milliseconds)",
    "key:key#0 milliseconds:integer condition:oneof?{nx=NX xx=XX gt=GT lt=LT} fields:block=FIELDS{numfields:integer \
     field:string*}",
);

pub(super) const HEXPIREAT: Row = row(
    "hexpireat",
    Run::Turn(hexpireat),
    "Set expiry for hash field using an absolute Unix timestamp (seconds)",
    "key:key#0 unix-time-seconds:unix-time condition:oneof?{nx=NX xx=XX gt=GT lt=LT} \
     fields:block=FIELDS{numfields:integer field:string*}",
);

pub(super) const HPEXPIREAT: Row = row(
    "hpexpireat",
    Run::Turn(hpexpireat),
    "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
    "key:key#0 unix-time-milliseconds:unix-time condition:oneof?{nx=NX xx=XX gt=GT lt=LT} \
     fields:block=FIELDS{numfields:integer field:string*}",
);

/// What became of a field that was to get an expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldOutcome {
    /// There is no such field.
    NoField,
    /// The condition did not hold.
    Kept,
    /// It has the expiry.
    Set,
    /// The time has passed already: the field is deleted.
    Deleted,
}

impl FieldOutcome {
    /// The number that Redis answers.
    pub fn as_reply(self) -> i64 {
        match self {
            Self::NoField => -2,
            Self::Kept => 0,
            Self::Set => 1,
            Self::Deleted => 2,
        }
    }
}

fn hexpire(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::Seconds, "hexpire")
}

fn hpexpire(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::Millis, "hpexpire")
}

fn hexpireat(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::AtSeconds, "hexpireat")
}

fn hpexpireat(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::AtMillis, "hpexpireat")
}

fn run(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    unit: fn(i64) -> Expiration,
    command: &'static str,
) -> CommandResult {
    let key = turn.key(args[1])?;
    let old = find_hash(turn, &key)?;
    let number = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    let at = moment(turn, unit(number), command)?;
    let condition = match args[3].to_ascii_uppercase().as_slice() {
        b"NX" => Some(ExpireIf::Absent),
        b"XX" => Some(ExpireIf::Present),
        b"GT" => Some(ExpireIf::Later),
        b"LT" => Some(ExpireIf::Earlier),
        _ => None,
    };
    let fields = field_list(args, 3 + usize::from(condition.is_some()), FEW)?;
    let outcomes = set_expiry(turn, &key, old, at, condition.unwrap_or_default(), fields);
    reply.array(outcomes.len());
    outcomes.into_iter().for_each(|outcome| reply.integer(outcome.as_reply()));
    Ok(())
}

/// Sets the expiry of fields, records it and tells of it.
pub(super) fn set_expiry(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Option<Spot>,
    at: UnixMillis,
    condition: ExpireIf,
    fields: &[&[u8]],
) -> Vec<FieldOutcome> {
    let Some(spot) = spot else { return vec![FieldOutcome::NoField; fields.len()] };
    let has_passed = at <= turn.now() && !turn.follows();
    let (mut set, mut deleted) = (Vec::new(), Vec::new());
    let mut outcomes = Vec::with_capacity(fields.len());
    for field in fields {
        let outcome = match current(turn, key, spot, field) {
            None => FieldOutcome::NoField,
            Some(current) if !condition.holds(current, at) => FieldOutcome::Kept,
            Some(_) if has_passed => {
                turn.update(key, spot, |entry| entry.remove_field(field));
                deleted.push(*field);
                FieldOutcome::Deleted
            }
            Some(_) => {
                turn.update(key, spot, |entry| entry.set_field_expiry(field, Some(at)));
                set.push(*field);
                FieldOutcome::Set
            }
        };
        outcomes.push(outcome);
    }
    if !set.is_empty() {
        record_expiry(turn, key.bytes, at, &set);
        turn.notify(EventClass::Hash, "hexpire", key.bytes);
    }
    if !deleted.is_empty() {
        let mut effect: Vec<&[u8]> = vec![b"HDEL", key.bytes];
        effect.extend(deleted);
        turn.record(&effect);
        turn.notify(EventClass::Hash, "hdel", key.bytes);
        discard_if_empty(turn, key, spot);
    }
    outcomes
}

/// The expiry of a field that is shown; `None` if there is no such field.
#[allow(clippy::option_option)]
pub(super) fn current(turn: &Turn<'_>, key: &Key<'_>, spot: Spot, field: &[u8]) -> Option<Option<UnixMillis>> {
    let entry = turn.entry(key, spot);
    let hash = HashView::new(entry.as_hash()?, || turn.sight());
    Some(hash.get(field)?.expiry)
}

const FEW: &str = "ERR Parameter `numFields` should be greater than 0";

impl Turn<'_> {
    /// Says when `fields` of the hash at `key` are due to vanish. O(fields).
    pub fn hexpire_options<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        when: Expiration,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        let key = self.key(key.as_ref())?;
        let at = moment(self, when, "hexpire")?;
        let spot = find_hash(self, &key)?;
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        Ok(set_expiry(self, &key, spot, at, condition, &fields))
    }

    /// Makes `fields` of the hash at `key` vanish after `seconds`.
    pub fn hexpire<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        seconds: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::Seconds(seconds), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish after `ms` milliseconds.
    pub fn hpexpire<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        ms: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::Millis(ms), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish at the Unix time `seconds`.
    pub fn hexpire_at<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        seconds: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::AtSeconds(seconds), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish at the Unix time `ms`, in milliseconds.
    pub fn hpexpire_at<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        ms: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::AtMillis(ms), condition, fields)
    }
}

impl Engine {
    /// Says when `fields` of the hash at `key` are due to vanish; tells for each what became of it. A time that has passed
    /// deletes the field. Fails with WRONGTYPE on other types and on a time below 0 or beyond 46 bits of milliseconds.
    /// O(fields). Follows HPEXPIREAT of Redis 7.4; records `HPEXPIREAT` and `HDEL`.
    pub fn hexpire_options<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        when: Expiration,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.hexpire_options(key, when, condition, fields))
    }

    /// Makes `fields` of the hash at `key` vanish after `seconds`: see
    /// [`hexpire_options`](Self::hexpire_options). Follows HEXPIRE of Redis 7.4.
    ///
    /// ```
    /// use keyslot_engine::{Engine, ExpireIf, FieldOutcome, FieldTtl};
    /// let db = Engine::in_memory();
    /// db.hset("session", "token", "x")?;
    /// let outcomes = db.hexpire("session", 60, ExpireIf::Always, &["token", "none"])?;
    /// assert_eq!(outcomes, [FieldOutcome::Set, FieldOutcome::NoField]);
    /// assert_eq!(db.httl("session", &["token"])?, [FieldTtl::Value(60)]);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn hexpire<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        seconds: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::Seconds(seconds), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish after `ms` milliseconds: see
    /// [`hexpire_options`](Self::hexpire_options). Follows HPEXPIRE of Redis 7.4.
    pub fn hpexpire<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        ms: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::Millis(ms), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish at the Unix time `seconds`: see
    /// [`hexpire_options`](Self::hexpire_options). Follows HEXPIREAT of Redis 7.4.
    pub fn hexpire_at<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        seconds: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::AtSeconds(seconds), condition, fields)
    }

    /// Makes `fields` of the hash at `key` vanish at the Unix time `ms`, in milliseconds: see
    /// [`hexpire_options`](Self::hexpire_options). Follows HPEXPIREAT of Redis 7.4.
    pub fn hpexpire_at<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        ms: i64,
        condition: ExpireIf,
        fields: &[F],
    ) -> Result<Vec<FieldOutcome>, CommandError> {
        self.hexpire_options(key, Expiration::AtMillis(ms), condition, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, START, assert_totals};
    use crate::resp::Value;

    fn long(is_table: bool) -> &'static str {
        if is_table { "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv" } else { "v" }
    }

    #[test]
    fn conditions_and_outcomes_are_those_of_redis() {
        for is_table in [false, true] {
            let bench = Bench::new();
            bench.run(&format!("HSET k a 1 b 2 c {}", long(is_table)));
            bench.effects();
            assert_eq!(bench.ask("HEXPIRE k 10 FIELDS 2 a none"), "*2\r\n:1\r\n:-2\r\n");
            assert_eq!(bench.ask("HPEXPIRE k 9000 NX FIELDS 2 a b"), "*2\r\n:0\r\n:1\r\n");
            assert_eq!(bench.ask("HEXPIRE k 9 XX FIELDS 2 b c"), "*2\r\n:1\r\n:0\r\n");
            assert_eq!(bench.ask("HEXPIRE k 20 gt FIELDS 2 a c"), "*2\r\n:1\r\n:0\r\n");
            assert_eq!(bench.ask("HEXPIRE k 30 LT FIELDS 2 a c"), "*2\r\n:0\r\n:1\r\n");
            assert_eq!(bench.ask("HEXPIREAT k 5 FIELDS 1 b"), "*1\r\n:2\r\n");
            let at = |s: i64| START.0 + s * 1000;
            let expected = [
                format!("HPEXPIREAT k {} FIELDS 1 a", at(10)),
                format!("HPEXPIREAT k {} FIELDS 1 b", at(9)),
                format!("HPEXPIREAT k {} FIELDS 1 b", at(9)),
                format!("HPEXPIREAT k {} FIELDS 1 a", at(20)),
                format!("HPEXPIREAT k {} FIELDS 1 c", at(30)),
                "HDEL k b".to_owned(),
            ];
            assert_eq!(bench.effects(), expected);
            let encoding = if is_table { "hashtable" } else { "listpackex" };
            assert_eq!(bench.run("OBJECT ENCODING k"), Value::bulk(encoding));
            assert_eq!(bench.ask("HPEXPIRE k 0 FIELDS 2 a c"), "*2\r\n:2\r\n:2\r\n");
            assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
            assert_eq!(bench.ask("HEXPIRE k 1 FIELDS 1 a"), "*1\r\n:-2\r\n");
            assert_totals(&bench.db);
            bench.assert_replays();
        }
    }

    #[test]
    fn typed_verbs_take_every_unit() {
        let bench = Bench::new();
        let db = &bench.db;
        bench.run("HSET k a 1");
        bench.effects();
        let at = START.0 / 1000 + 7;
        for outcome in [
            db.hexpire("k", 5, ExpireIf::Always, &["a"]),
            db.hpexpire("k", 6000, ExpireIf::Later, &["a"]),
            db.hexpire_at("k", at, ExpireIf::Later, &["a"]),
            db.hpexpire_at("k", at * 1000 + 1, ExpireIf::Later, &["a"]),
        ] {
            assert_eq!(outcome.unwrap(), [FieldOutcome::Set]);
        }
        let times = [START.0 + 5000, START.0 + 6000, at * 1000, at * 1000 + 1];
        assert_eq!(bench.effects(), times.map(|at| format!("HPEXPIREAT k {at} FIELDS 1 a")));
    }

    #[test]
    fn due_fields_vanish_on_access_and_by_tick() {
        for is_table in [false, true] {
            let bench = Bench::new();
            bench.run(&format!("HSET k a 1 b 2 c {}", long(is_table)));
            bench.run("HPEXPIRE k 100 FIELDS 1 a");
            bench.run("HPEXPIRE k 200 FIELDS 1 b");
            bench.effects();
            bench.advance_ms(100);
            assert_eq!(bench.run("HGET k a"), Value::bulk("1"));
            bench.advance_ms(1);
            assert_eq!(bench.run("HGET k a"), Value::Nil);
            assert_eq!(bench.effects(), ["HDEL k a"]);
            assert_eq!(bench.run("HLEN k"), Value::Integer(2));
            bench.advance_ms(100);
            bench.db.tick(bench.db.now(), 1_000);
            assert_eq!(bench.effects(), ["HDEL k b"]);
            bench.run("HPEXPIRE k 100 FIELDS 1 c");
            bench.advance_ms(101);
            assert_eq!(bench.run("EXISTS k"), Value::Integer(0));
            assert_totals(&bench.db);
            bench.assert_replays();
        }
    }

    #[test]
    fn many_due_fields_of_a_large_hash_are_deleted_in_parts() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..5_000).map(|n| (format!("f{n}"), "v")).collect();
        bench.db.hset_multiple("k", &pairs).unwrap();
        for (field, _) in &pairs[..4_000] {
            bench.run(&format!("HPEXPIRE k 50 FIELDS 1 {field}"));
        }
        bench.effects();
        bench.advance_ms(51);
        assert_eq!(bench.run("HGET k f0"), Value::Nil);
        let first: usize = bench.effects().iter().map(|effect| effect.split(' ').count() - 2).sum();
        assert!(first < 300, "an access deletes a part: {first}");
        assert_eq!(bench.db.hkeys("k").unwrap().len(), 1_000, "the rest is hidden");
        assert!(bench.db.hlen("k").unwrap() > 4_000);
        let mut ticks = 0;
        while bench.db.hlen("k").unwrap() > 1_000 {
            bench.db.tick(bench.db.now(), 500);
            ticks += 1;
            assert!(ticks < 100);
        }
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        bench.run("HSET k a 1");
        bench.run("SET s v");
        for (request, error) in [
            ("HEXPIRE k x FIELDS 1 a", "ERR value is not an integer or out of range"),
            ("HEXPIRE k -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
            ("HEXPIRE k 9223372036854775807 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
            ("HPEXPIREAT k 70368744177664 FIELDS 1 a", "ERR invalid expire time in 'hpexpireat' command"),
            ("HEXPIRE k 1 NX XX 1 a", "ERR Mandatory argument FIELDS is missing or not at the right position"),
            ("HEXPIRE k 1 FIELDS 0 a", "ERR Parameter `numFields` should be greater than 0"),
            ("HEXPIRE k 1 FIELDS 2 a", "ERR The `numfields` parameter must match the number of arguments"),
            ("HEXPIRE k 1 FIELDS 1 a b", "ERR The `numfields` parameter must match the number of arguments"),
            ("HEXPIRE k 1 NX FIELDS 1", "ERR The `numfields` parameter must match the number of arguments"),
            ("HEXPIRE s 1 FIELDS 1 a", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ] {
            assert_eq!(bench.error(request), error, "{request}");
        }
        assert_eq!(bench.ask("HPEXPIREAT k 70368744177663 FIELDS 1 a"), "*1\r\n:1\r\n");
        bench.assert_replays();
    }
}
