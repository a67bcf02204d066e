//! `EXPIRE key seconds`, `PEXPIRE key ms`, `EXPIREAT key time`, `PEXPIREAT key time-ms`, each with `[NX | XX | GT | LT]`: say
//! when a key is due to vanish.
//!
//! Reply: 1, or 0 if there is no such key or the condition kept it. Effect: `PEXPIREAT key ms`; `DEL key` if the time has
//! passed already, as long as this engine decides for itself.

use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::string::Expiration;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};

pub(super) const EXPIRE: Row = Row::new("expire", -3, Run::Turn(expire))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the expiration time of a key in seconds.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
    .args("key:key#0 seconds:integer condition:oneof@7.0.0?{nx=NX xx=XX gt=GT lt=LT}");

pub(super) const PEXPIRE: Row = Row::new("pexpire", -3, Run::Turn(pexpire))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the expiration time of a key in milliseconds.")
    .docs(Group::Generic, "2.6.0", "O(1)")
    .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
    .args("key:key#0 milliseconds:integer condition:oneof@7.0.0?{nx=NX xx=XX gt=GT lt=LT}");

pub(super) const EXPIREAT: Row = Row::new("expireat", -3, Run::Turn(expire_at))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the expiration time of a key to a Unix timestamp.")
    .docs(Group::Generic, "1.2.0", "O(1)")
    .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
    .args("key:key#0 unix-time-seconds:unix-time condition:oneof@7.0.0?{nx=NX xx=XX gt=GT lt=LT}");

pub(super) const PEXPIREAT: Row = Row::new("pexpireat", -3, Run::Turn(pexpire_at))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Sets the expiration time of a key to a Unix milliseconds timestamp.")
    .docs(Group::Generic, "2.6.0", "O(1)")
    .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
    .args("key:key#0 unix-time-milliseconds:unix-time condition:oneof@7.0.0?{nx=NX xx=XX gt=GT lt=LT}");

/// On which condition a key gets a new expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExpireIf {
    /// On none.
    #[default]
    Always,
    /// It has none yet (`NX`).
    Absent,
    /// It has one (`XX`).
    Present,
    /// The new one is later (`GT`); a key without expiry never vanishes, so nothing is later.
    Later,
    /// The new one is earlier (`LT`); a key without expiry never vanishes, so anything is earlier.
    Earlier,
    /// It has one and the new one is earlier (`XX LT`).
    PresentAndEarlier,
}

impl ExpireIf {
    /// Whether a key or field with this expiry may get the new one.
    pub(crate) fn holds(self, current: Option<UnixMillis>, new: UnixMillis) -> bool {
        match (self, current) {
            (Self::Always, _) | (Self::Absent | Self::Earlier, None) | (Self::Present, Some(_)) => true,
            (Self::Absent, Some(_)) => false,
            (Self::Present | Self::Later | Self::PresentAndEarlier, None) => false,
            (Self::Later, Some(current)) => new > current,
            (Self::Earlier | Self::PresentAndEarlier, Some(current)) => new < current,
        }
    }
}

fn expire(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::Seconds, "expire")
}

fn pexpire(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::Millis, "pexpire")
}

fn expire_at(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::AtSeconds, "expireat")
}

fn pexpire_at(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    run(turn, args, reply, Expiration::AtMillis, "pexpireat")
}

fn run(
    turn: &mut Turn<'_>,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
    unit: fn(i64) -> Expiration,
    command: &'static str,
) -> CommandResult {
    let condition = parse_condition(&args[3..])?;
    let number = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    let moment = resolve(turn, unit(number), command)?;
    let key = turn.key(args[1])?;
    reply.integer(i64::from(set_expiry(turn, &key, moment, condition)));
    Ok(())
}

fn parse_condition(words: &[&[u8]]) -> Result<ExpireIf, CommandError> {
    let (mut absent, mut present, mut later, mut earlier) = (false, false, false, false);
    for word in words {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => absent = true,
            b"XX" => present = true,
            b"GT" => later = true,
            b"LT" => earlier = true,
            _ => return Err(CommandError::quoting("ERR Unsupported option ", word, "")),
        }
    }
    match (absent, present, later, earlier) {
        (true, false, false, false) => Ok(ExpireIf::Absent),
        (true, ..) => Err(CommandError::text("ERR NX and XX, GT or LT options at the same time are not compatible")),
        (false, _, true, true) => Err(CommandError::text("ERR GT and LT options at the same time are not compatible")),
        (false, true, false, true) => Ok(ExpireIf::PresentAndEarlier),
        (false, false, false, true) => Ok(ExpireIf::Earlier),
        (false, _, true, false) => Ok(ExpireIf::Later),
        (false, true, false, false) => Ok(ExpireIf::Present),
        (false, false, false, false) => Ok(ExpireIf::Always),
    }
}

/// The moment that is meant; unlike the expiry of a value that is stored, it may have passed.
fn resolve(turn: &Turn<'_>, expiration: Expiration, command: &'static str) -> Result<UnixMillis, CommandError> {
    let (number, factor, start) = match expiration {
        Expiration::Seconds(n) => (n, 1000, turn.now().0),
        Expiration::Millis(n) => (n, 1, turn.now().0),
        Expiration::AtSeconds(n) => (n, 1000, 0),
        Expiration::AtMillis(n) => (n, 1, 0),
    };
    let moment = number.checked_mul(factor).and_then(|ms| ms.checked_add(start));
    moment.map(UnixMillis).ok_or(CommandError::InvalidExpire { command })
}

fn set_expiry(turn: &mut Turn<'_>, key: &Key<'_>, moment: UnixMillis, condition: ExpireIf) -> bool {
    let Some(spot) = turn.find(key) else { return false };
    let current = turn.entry(key, spot).expiry();
    if !condition.holds(current, moment) {
        return false;
    }
    if moment <= turn.now() && !turn.follows() {
        turn.discard(key, spot);
        turn.record(&[b"DEL", key.bytes]);
        turn.notify(EventClass::Generic, "del", key.bytes);
    } else {
        turn.update(key, spot, |entry| entry.set_expiry(Some(moment)));
        turn.record(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(moment.0).as_bytes()]);
        turn.notify(EventClass::Generic, "expire", key.bytes);
    }
    true
}

impl Turn<'_> {
    /// Says when `key` is due to vanish, if `condition` holds; says whether it did. A time that has passed deletes the key.
    pub fn expire_options(
        &mut self,
        key: impl AsRef<[u8]>,
        when: Expiration,
        condition: ExpireIf,
    ) -> Result<bool, CommandError> {
        let command = match when {
            Expiration::Seconds(_) => "expire",
            Expiration::Millis(_) => "pexpire",
            Expiration::AtSeconds(_) => "expireat",
            Expiration::AtMillis(_) => "pexpireat",
        };
        let moment = resolve(self, when, command)?;
        let key = self.key(key.as_ref())?;
        Ok(set_expiry(self, &key, moment, condition))
    }

    /// Makes `key` vanish after `seconds`; says whether there is such a key.
    pub fn expire(&mut self, key: impl AsRef<[u8]>, seconds: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::Seconds(seconds), ExpireIf::Always)
    }

    /// Makes `key` vanish after `ms` milliseconds; says whether there is such a key.
    pub fn pexpire(&mut self, key: impl AsRef<[u8]>, ms: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::Millis(ms), ExpireIf::Always)
    }

    /// Makes `key` vanish at the Unix time `seconds`; says whether there is such a key.
    pub fn expire_at(&mut self, key: impl AsRef<[u8]>, seconds: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::AtSeconds(seconds), ExpireIf::Always)
    }

    /// Makes `key` vanish at the Unix time `ms`, in milliseconds; says whether there is such a key.
    pub fn pexpire_at(&mut self, key: impl AsRef<[u8]>, ms: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::AtMillis(ms), ExpireIf::Always)
    }
}

impl Engine {
    /// Says when `key` is due to vanish, if `condition` holds; says whether it did. A time that has passed deletes the key.
    /// O(1). Fails with [`CommandError::InvalidExpire`] beyond the range. Follows EXPIRE of Redis 7.2; records `PEXPIREAT`
    /// or `DEL`.
    pub fn expire_options(
        &self,
        key: impl AsRef<[u8]>,
        when: Expiration,
        condition: ExpireIf,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.expire_options(key, when, condition))
    }

    /// Makes `key` vanish after `seconds`; says whether there is such a key. O(1). Follows EXPIRE of Redis 7.2.
    pub fn expire(&self, key: impl AsRef<[u8]>, seconds: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::Seconds(seconds), ExpireIf::Always)
    }

    /// Makes `key` vanish after `ms` milliseconds; says whether there is such a key. O(1). Follows PEXPIRE of Redis 7.2.
    pub fn pexpire(&self, key: impl AsRef<[u8]>, ms: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::Millis(ms), ExpireIf::Always)
    }

    /// Makes `key` vanish at the Unix time `seconds`; says whether there is such a key. O(1). Follows EXPIREAT of Redis 7.2.
    pub fn expire_at(&self, key: impl AsRef<[u8]>, seconds: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::AtSeconds(seconds), ExpireIf::Always)
    }

    /// Makes `key` vanish at the Unix time `ms`, in milliseconds; says whether there is such a key. O(1). Follows
    /// PEXPIREAT of Redis 7.2.
    pub fn pexpire_at(&self, key: impl AsRef<[u8]>, ms: i64) -> Result<bool, CommandError> {
        self.expire_options(key, Expiration::AtMillis(ms), ExpireIf::Always)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, START, assert_totals};

    #[test]
    fn every_unit_is_recorded_as_one_absolute_time() {
        let bench = Bench::new();
        bench.ask("SET k v");
        bench.effects();
        let start = START.0;
        for (request, moment) in [
            ("EXPIRE k 100".to_owned(), start + 100_000),
            ("PEXPIRE k 100".to_owned(), start + 100),
            (format!("EXPIREAT k {}", start / 1000 + 5), start + 5000),
            (format!("PEXPIREAT k {}", start + 7), start + 7),
        ] {
            assert_eq!(bench.ask(&request), ":1\r\n", "{request}");
            assert_eq!(bench.effects(), [format!("PEXPIREAT k {moment}")]);
            assert_eq!(bench.ask("PEXPIRETIME k"), format!(":{moment}\r\n"));
        }
        assert_eq!(bench.ask("EXPIRE nokey 100"), ":0\r\n");
        assert!(bench.effects().is_empty());
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_time_that_has_passed_deletes() {
        let bench = Bench::new();
        for request in ["EXPIRE k 0", "EXPIRE k -1", "PEXPIRE k -9223372036854775808", "EXPIREAT k 1", "PEXPIREAT k -1"]
        {
            bench.ask("SET k v");
            bench.effects();
            assert_eq!(bench.ask(request), ":1\r\n", "{request}");
            assert_eq!(bench.effects(), ["DEL k"], "{request}");
            assert_eq!(bench.ask("EXISTS k"), ":0\r\n", "{request}");
        }
        bench.assert_replays();
    }

    #[test]
    fn where_others_decide_a_time_that_has_passed_is_stored() {
        let bench = Bench::new();
        bench.ask("SET k v");
        for origin in [crate::Origin::Replay, crate::Origin::Primary, crate::Origin::Import] {
            bench.db.apply(origin, 0, &[&[b"PEXPIREAT", b"k", b"5"]]).unwrap();
            let all = crate::command::testing::contents(&bench.db);
            assert_eq!(all[&(0, b"k".to_vec())].1, Some(UnixMillis(5)), "{origin:?}");
        }
        assert_eq!(bench.ask("GET k"), "$-1\r\n");
    }

    #[test]
    fn conditions_look_at_the_current_expiry() {
        let bench = Bench::new();
        let set = |expiry: Option<i64>| match expiry {
            None => bench.ask("SET k v"),
            Some(seconds) => bench.ask(&format!("SET k v EX {seconds}")),
        };
        for (current, words, holds) in [
            (None, "NX", true),
            (None, "XX", false),
            (None, "GT", false),
            (None, "LT", true),
            (None, "XX LT", false),
            (None, "XX GT", false),
            (Some(50), "NX", false),
            (Some(50), "XX", true),
            (Some(50), "GT", true),
            (Some(50), "LT", false),
            (Some(100), "GT", false),
            (Some(100), "LT", false),
            (Some(150), "GT", false),
            (Some(150), "lt", true),
            (Some(150), "LT XX", true),
            (Some(50), "GT XX XX", true),
        ] {
            set(current);
            bench.effects();
            assert_eq!(bench.ask(&format!("EXPIRE k 100 {words}")), format!(":{}\r\n", u8::from(holds)), "{words}");
            assert_eq!(bench.effects().len(), usize::from(holds));
            let expected = if holds { Some(100) } else { current };
            assert_eq!(bench.ask("TTL k"), format!(":{}\r\n", expected.unwrap_or(-1)), "{current:?} {words}");
        }
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        bench.ask("SET k v");
        bench.effects();
        let conflict = "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n";
        for (request, reply) in [
            ("EXPIRE k x", "-ERR value is not an integer or out of range\r\n"),
            ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
            ("EXPIRE k -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"),
            ("EXPIRE nokey 9223372036854775", "-ERR invalid expire time in 'expire' command\r\n"),
            ("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"),
            ("EXPIREAT k 9223372036854776", "-ERR invalid expire time in 'expireat' command\r\n"),
            ("EXPIRE k 10 NX XX", conflict),
            ("EXPIRE k 10 NX GT", conflict),
            ("EXPIRE k 10 NX GT LT", conflict),
            ("EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"),
            ("EXPIRE k x FOO", "-ERR Unsupported option FOO\r\n"),
            ("EXPIRE k", "-ERR wrong number of arguments for 'expire' command\r\n"),
        ] {
            assert_eq!(bench.ask(request), reply, "{request}");
        }
        assert_eq!(bench.ask("PEXPIREAT k 9223372036854775807"), ":1\r\n", "the last moment there is");
        assert_eq!(bench.effects(), ["PEXPIREAT k 9223372036854775807"]);
    }
}
