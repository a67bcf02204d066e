//! `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS n field [field ...]`: the values of fields, whose expiry is
//! changed. Of Redis 8.0.
//!
//! Reply: an array of values and nulls. Effects: `HPEXPIREAT`, `HPERSIST`, or `HDEL` where the time has passed already.

use super::field_expire::set_expiry;
use super::field_list::{TOO_FEW, expiration, field_list, moment};
use super::field_ttl::persist;
use super::find_hash;
use super::getdel::{values, write_values};
use crate::command::expiry::ExpireIf;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::string::GetExpiry;
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use bytes::Bytes;

pub(super) const HGETEX: Row = Row::new("hgetex", -5, Run::Turn(hgetex))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().update().notes("RW and UPDATE because it changes the TTL")])
    .summary("Get the value of one or more fields of a given hash key, and optionally set their expiration.")
    .docs(Group::Hash, "8.0.0", "O(N) where N is the number of specified fields")
    .args(
        "key:key#0 expiration:oneof?{seconds:integer=EX milliseconds:integer=PX unix-time-seconds:unix-time=EXAT \
         unix-time-milliseconds:unix-time=PXAT persist=PERSIST} fields:block=FIELDS{numfields:integer field:string*}",
    );

/// What becomes of the expiry of fields that are read.
#[derive(Clone, Copy)]
enum Change {
    None,
    Persist,
    At(UnixMillis),
}

fn hgetex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    find_hash(turn, &key)?;
    let (change, at) = if expiration(args[2], 0).is_some() {
        let number = parse_i64(args[3]).ok_or(CommandError::NotInteger)?;
        let expiration = expiration(args[2], number).ok_or(CommandError::Syntax)?;
        (Change::At(moment(turn, expiration, "hgetex")?), 4)
    } else if args[2].eq_ignore_ascii_case(b"PERSIST") {
        (Change::Persist, 3)
    } else {
        (Change::None, 2)
    };
    let fields = field_list(args, at, TOO_FEW)?;
    write_values(reply, &read(turn, &key, fields, change)?);
    Ok(())
}

fn read(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    fields: &[&[u8]],
    change: Change,
) -> Result<Vec<Option<Bytes>>, CommandError> {
    let spot = find_hash(turn, key)?;
    let values = values(turn, key, spot, fields);
    match change {
        Change::None => {}
        Change::Persist => drop(persist(turn, key, spot, fields)),
        Change::At(at) => drop(set_expiry(turn, key, spot, at, ExpireIf::Always, fields)),
    }
    Ok(values)
}

impl Turn<'_> {
    /// The values of `fields` of the hash at `key`, whose expiry is changed. O(fields).
    pub fn hget_ex<F: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        fields: &[F],
        expiry: GetExpiry,
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        let key = self.key(key.as_ref())?;
        let change = match expiry {
            GetExpiry::At(expiration) => Change::At(moment(self, expiration, "hgetex")?),
            GetExpiry::Persist => Change::Persist,
        };
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        read(self, &key, &fields, change)
    }
}

impl Engine {
    /// The values of `fields` of the hash at `key`, whose expiry is changed. A time that has passed deletes them. Fails with
    /// WRONGTYPE on other types and on a time below 0 or beyond 46 bits of milliseconds. O(fields). Follows HGETEX of Redis
    /// 8.0; records `HPEXPIREAT`, `HPERSIST` or `HDEL`.
    pub fn hget_ex<F: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: &[F],
        expiry: GetExpiry,
    ) -> Result<Vec<Option<Bytes>>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.hget_ex(key, fields, expiry))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START, assert_totals};

    #[test]
    fn values_come_and_expiries_change() {
        let bench = Bench::new();
        bench.run("HSET k a 1 b 2 c 3");
        bench.effects();
        assert_eq!(bench.ask("HGETEX k FIELDS 2 a none"), "*2\r\n$1\r\n1\r\n$-1\r\n");
        assert_eq!(bench.ask("HGETEX k px 500 FIELDS 2 a none"), "*2\r\n$1\r\n1\r\n$-1\r\n");
        assert_eq!(bench.ask("HGETEX k EXAT 1 FIELDS 1 b"), "*1\r\n$1\r\n2\r\n");
        assert_eq!(bench.ask("HGETEX k PERSIST FIELDS 2 a c"), "*2\r\n$1\r\n1\r\n$1\r\n3\r\n");
        let at = format!("HPEXPIREAT k {} FIELDS 1 a", START.0 + 500);
        assert_eq!(bench.effects(), [&*at, "HDEL k b", "HPERSIST k FIELDS 1 a"]);
        assert_eq!(bench.ask("HGETEX none EX 5 FIELDS 1 a"), "*1\r\n$-1\r\n");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn errors_are_those_of_redis() {
        let bench = Bench::new();
        let missing = "ERR Mandatory argument FIELDS is missing or not at the right position";
        for request in ["HGETEX k PERSIST 1 FIELDS 1 a", "HGETEX k XX FIELDS 1 a", "HGETEX k EX 1 PX 1 a"] {
            assert_eq!(bench.error(request), missing, "{request}");
        }
        assert_eq!(bench.error("HGETEX k EX x FIELDS 1 a"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("HGETEX k EX -1 FIELDS 1 a"), "ERR invalid expire time, must be >= 0");
        assert_eq!(
            bench.error("HGETEX k PXAT 70368744177664 FIELDS 1 a"),
            "ERR invalid expire time in 'hgetex' command"
        );
        assert_eq!(
            bench.error("HGETEX k EX 1 FIELDS 2 a"),
            "ERR The `numfields` parameter must match the number of arguments"
        );
    }
}
