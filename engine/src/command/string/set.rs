//! `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: stores a string.
//!
//! Reply: OK; null if the condition kept it from storing; with GET the former value or null.
//! Effect: `SET key value`, with `PXAT ms` where an expiry results.

use super::expiration::Expiration;
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Extractor, Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::{AsValue, StrRef};
use bytes::Bytes;

pub(super) const SET: Row = Row::new("set", -3, Run::Turn(set))
    .flags(WRITE | DENYOOM)
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
    let (mut options, mut get) = (SetOptions::default(), false);
    if args.len() > 3 {
        (options, get) = parse(&args[3..])?;
    }
    let key = turn.key(args[1])?;
    let value = StrRef::of(args[2]);
    if get {
        let old = turn.read_string(&key, |old| old.map(StrRef::to_vec))?;
        store(turn, &key, value, options)?;
        match old {
            Some(old) => reply.bulk(&old),
            None => reply.null(),
        }
    } else if store(turn, &key, value, options)? {
        reply.ok();
    } else {
        reply.null();
    }
    Ok(())
}

fn parse(words: &[&[u8]]) -> Result<(SetOptions, bool), CommandError> {
    let (mut options, mut get) = (SetOptions::default(), false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" if options.condition != SetIf::Exists => options.condition = SetIf::Missing,
            b"XX" if options.condition != SetIf::Missing => options.condition = SetIf::Exists,
            b"GET" => get = true,
            b"KEEPTTL" if options.expiry == SetExpiry::Clear => options.expiry = SetExpiry::Keep,
            word => {
                let unit = Expiration::unit(word).filter(|_| options.expiry == SetExpiry::Clear);
                let (Some(unit), Some(number)) = (unit, words.next()) else { return Err(CommandError::Syntax) };
                options.expiry = SetExpiry::At(Expiration::parse(unit, number)?);
            }
        }
    }
    Ok((options, get))
}

/// Stores, if the condition holds; says whether it did.
pub(super) fn store(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    value: StrRef<'_>,
    options: SetOptions,
) -> Result<bool, CommandError> {
    let new_expiry = match options.expiry {
        SetExpiry::At(expiration) => Some(expiration.resolve(turn, "set")?),
        SetExpiry::Clear | SetExpiry::Keep => None,
    };
    let old = turn.find(key);
    match options.condition {
        SetIf::Missing if old.is_some() => return Ok(false),
        SetIf::Exists if old.is_none() => return Ok(false),
        _ => {}
    }
    let expiry = match (options.expiry, old) {
        (SetExpiry::Keep, Some(spot)) => turn.entry(key, spot).expiry(),
        _ => new_expiry,
    };
    turn.put_string(key, old, value, false, expiry);
    record_set(turn, key, value, expiry);
    Ok(true)
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
        value.with_value(|value| store(self, &key, value, options))
    }
}

impl Engine {
    /// Stores `value` at `key`, whatever was there; an expiry is cleared. O(value). Follows SET of Redis 7.2.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.set(key, value))
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
        self.on_key(key, Access::Write, |turn| turn.set_options(key, value, options))
    }

    /// Stores `value` and returns what was there before.
    pub fn set_get(&self, key: impl AsRef<[u8]>, value: impl AsValue) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| {
            let old = turn.get(key)?;
            turn.set(key, value)?;
            Ok(old)
        })
    }
}
