//! `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: stores a string.
//!
//! Reply: OK; null if the condition kept it from storing; with GET the former value or null.
//! Effect: `SET key value`, with `PXAT ms` where an expiry results.

use super::expiration::{Expiration, ExpiryWord};
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Extractor, Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::{AsValue, StrRef};

pub(super) const SET: Row = Row::new("set", -3, Run::Turn(set))
    .flags(WRITE | DENYOOM)
    .stores_plainly()
    .keys(&[KeySpec::index(1)
        .rw()
        .access()
        .update()
        .variable_flags()
        .notes("RW and ACCESS due to the optional `GET` argument")])
    .extractor(Extractor::Set)
    .summary("Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.")
    .docs(Group::String, "1.0.0", "O(1)")
    .history(&[
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
    ])
    .args(
        "key:key#0 value:string condition:oneof@2.6.12?{nx=NX xx=XX} get@6.2.0?=GET \
         expiration:oneof?{seconds:integer@2.6.12=EX milliseconds:integer@2.6.12=PX \
         unix-time-seconds:unix-time@6.2.0=EXAT unix-time-milliseconds:unix-time@6.2.0=PXAT keepttl@6.0.0=KEEPTTL}",
    );

/// When SET stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SetIf {
    /// Always.
    #[default]
    Always,
    /// Only if the key does not exist (`NX`).
    Missing,
    /// Only if the key exists (`XX`).
    Exists,
}

/// What SET does with the expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SetExpiry {
    /// The key has none afterwards.
    #[default]
    Clear,
    /// The key keeps the one it has (`KEEPTTL`).
    Keep,
    /// The key gets this one.
    At(Expiration),
}

/// The options of SET.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SetOptions {
    /// When it stores.
    pub condition: SetIf,
    /// What it does with the expiry.
    pub expiry: SetExpiry,
}

fn set(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let words = parse(&args[3..])?;
    let expiry = match words.expiry {
        None => NewExpiry::Clear,
        Some(word) => match word.expiration()? {
            None => NewExpiry::Keep,
            Some(expiration) => NewExpiry::At(expiration.resolve(turn, "set")?),
        },
    };
    let key = turn.key(args[1])?;
    if words.get {
        turn.read_string(&key, |old| reply.string_or_null(old))?;
    }
    let stored = store(turn, &key, StrRef::of(args[2]), words.condition, expiry);
    match (words.get, stored) {
        (true, _) => {}
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

#[derive(Default)]
struct Words<'a> {
    condition: SetIf,
    get: bool,
    expiry: Option<ExpiryWord<'a>>,
}

fn parse<'a>(args: &[&'a [u8]]) -> Result<Words<'a>, CommandError> {
    let mut words = Words::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg.eq_ignore_ascii_case(b"NX") && words.condition != SetIf::Exists {
            words.condition = SetIf::Missing;
        } else if arg.eq_ignore_ascii_case(b"XX") && words.condition != SetIf::Missing {
            words.condition = SetIf::Exists;
        } else if arg.eq_ignore_ascii_case(b"GET") {
            words.get = true;
        } else {
            words.expiry = Some(ExpiryWord::read(arg, &mut args, b"KEEPTTL", words.expiry)?);
        }
    }
    Ok(words)
}

/// The expiry that a key gets, worked out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NewExpiry {
    Clear,
    Keep,
    At(UnixMillis),
}

/// Stores, if the condition holds; says whether it did.
pub(super) fn store(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    value: StrRef<'_>,
    condition: SetIf,
    expiry: NewExpiry,
) -> bool {
    let old = turn.find(key);
    match condition {
        SetIf::Missing if old.is_some() => return false,
        SetIf::Exists if old.is_none() => return false,
        _ => {}
    }
    let is_new_expiry = matches!(expiry, NewExpiry::At(_));
    let expiry = match (expiry, old) {
        (NewExpiry::Keep, Some(spot)) => turn.entry(key, spot).expiry(),
        (NewExpiry::At(moment), _) => Some(moment),
        (NewExpiry::Keep, None) | (NewExpiry::Clear, _) => None,
    };
    turn.put_string(key, old, value, false, expiry);
    record_set(turn, key, value, expiry);
    turn.notify(EventClass::String, "set", key.bytes);
    if is_new_expiry {
        turn.notify(EventClass::Generic, "expire", key.bytes);
    }
    true
}

/// Records that a key now holds a string: the effect of every command that replaces one.
pub(super) fn record_set(turn: &mut Turn<'_>, key: &Key<'_>, value: StrRef<'_>, expiry: Option<UnixMillis>) {
    value.with_bytes(|value| match expiry {
        None => turn.record(&[b"SET", key.bytes, value]),
        Some(UnixMillis(ms)) => {
            turn.record(&[b"SET", key.bytes, value, b"PXAT", itoa::Buffer::new().format(ms).as_bytes()]);
        }
    });
}

impl Turn<'_> {
    /// Stores `value` at `key`, whatever was there; an expiry is cleared. O(value).
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<(), CommandError> {
        self.set_options(key, value, SetOptions::default()).map(drop)
    }

    /// Stores with options; says whether it stored.
    pub fn set_options(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsValue,
        options: SetOptions,
    ) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let expiry = match options.expiry {
            SetExpiry::Clear => NewExpiry::Clear,
            SetExpiry::Keep => NewExpiry::Keep,
            SetExpiry::At(expiration) => NewExpiry::At(expiration.resolve(self, "set")?),
        };
        Ok(value.with_value(|value| store(self, &key, value, options.condition, expiry)))
    }
}

impl Engine {
    /// Stores `value` at `key`, whatever was there; an expiry is cleared. O(value). Follows SET of Redis 7.2.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<(), CommandError> {
        let key = key.as_ref();
        value.with_value(|value| {
            if self.overwrite(key, value) {
                return Ok(());
            }
            self.on_key(key, Access::Grow, |turn| {
                let key = turn.key(key)?;
                store(turn, &key, value, SetIf::Always, NewExpiry::Clear);
                Ok(())
            })
        })
    }

    /// Stores with options; says whether it stored.
    ///
    /// ```
    /// use keyslot_engine::{Engine, SetIf, SetOptions};
    /// let db = Engine::in_memory();
    /// let if_missing = SetOptions { condition: SetIf::Missing, ..SetOptions::default() };
    /// assert!(db.set_options("lock", "me", if_missing)?);
    /// assert!(!db.set_options("lock", "you", if_missing)?);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn set_options(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsValue,
        options: SetOptions,
    ) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.set_options(key, value, options))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn conditions_and_expiry_decide_what_is_stored() {
        let bench = Bench::new();
        assert_eq!(bench.run("SET k 1 XX"), Value::Nil);
        assert_eq!(bench.run("SET k 1 nx px 1500"), Value::Ok);
        assert_eq!(bench.run("SET k 2 NX"), Value::Nil);
        assert_eq!(bench.run("SET k 2 KEEPTTL GET"), Value::bulk("1"));
        assert_eq!(bench.run("SET k 3 XX EXAT 2000000000"), Value::Ok);
        assert_eq!(bench.run("SET k 4 EX 10 EX 20"), Value::Ok);
        assert_eq!(bench.run("SET k 5 NX GET"), Value::bulk("4"));
        assert_eq!(bench.run("SET k 6"), Value::Ok);
        assert_eq!(bench.run("SET new v GET"), Value::Nil);
        let expected = [
            "SET k 1 PXAT 1700000001500",
            "SET k 2 PXAT 1700000001500",
            "SET k 3 PXAT 2000000000000",
            "SET k 4 PXAT 1700000020000",
            "SET k 6",
            "SET new v",
        ];
        assert_eq!(bench.effects(), expected);
        bench.assert_replays();
    }

    #[test]
    fn errors_come_in_the_order_of_redis() {
        let bench = Bench::new();
        for line in ["SET k v NX XX", "SET k v EX", "SET k v EX 1 PX 1", "SET k v EX x KEEPTTL", "SET k v PERSIST"] {
            assert_eq!(bench.error(line), "ERR syntax error", "{line}");
        }
        assert_eq!(bench.error("SET k v EX x"), "ERR value is not an integer or out of range");
        for number in ["0", "-1", "9223372036854775807"] {
            let text = "ERR invalid expire time in 'set' command";
            assert_eq!(bench.error(&format!("SET k v EX {number}")), text);
        }
        assert!(bench.effects().is_empty());
    }
}
