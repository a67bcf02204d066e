//! `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`: stores a value that DUMP gave, here or
//! at a Redis server. `RESTORE-ASKING` is the same, for a slot that is moving in.
//!
//! Reply: OK. Effect: `RESTORE key ms payload [REPLACE] ABSTTL` with the moment of its expiry, or 0; of a payload that only later
//! servers read what the key holds then, as COPY records it; `DEL key` where what it replaces is gone and the value came too late.

use super::recording::record_value;
use crate::command::row::category::{DANGEROUS, KEYSPACE};
use crate::command::row::flag::{ASKING, DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::loader::Attributes;
use crate::payload::{Build, Decoder, Dialect, Forms, Input, PayloadError, VERSION_MIN, unseal, version_of_sealed};
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};

pub(super) const RESTORE: Row =
    row("restore", 0, Group::Generic).summary("Creates a key from the serialized representation of a value.");

pub(super) const RESTORE_ASKING: Row = row("restore-asking", ASKING, Group::Server)
    .summary("An internal command for migrating keys in a cluster.")
    .system();

const KEYS: &[KeySpec] = &[KeySpec::index(1).ow().update()];

const fn row(name: &'static str, flags: u32, group: Group) -> Row {
    Row::new(name, -4, Run::Turn(restore))
        .flags(WRITE | DENYOOM | flags)
        .categories(KEYSPACE | DANGEROUS)
        .keys(KEYS)
        .docs(
            group,
            if flags & ASKING == 0 { "2.6.0" } else { "3.0.0" },
            "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of \
             Redis objects composing the value and M their average size. For small string values the time complexity is \
             thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is \
             O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        )
        .history(&[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ])
        .args(
            "key:key#0 ttl:integer serialized-value:string replace@3.0.0?=REPLACE absttl@5.0.0?=ABSTTL \
             seconds:integer@5.0.0?=IDLETIME frequency:integer@5.0.0?=FREQ",
        )
}

/// The options of RESTORE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RestoreOptions {
    /// When the key expires.
    pub expiry: Option<UnixMillis>,
    /// Whether a key that is in the way is replaced.
    pub replace: bool,
    /// Seconds since the value was used.
    pub idle_seconds: Option<u64>,
    /// Its access frequency counter.
    pub frequency: Option<u8>,
}

fn restore(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut options, is_absolute) = read_options(&args[4..])?;
    let key = turn.key(args[1])?;
    demand_room(turn, &key, options.replace)?;
    let ttl = parse_i64(args[2]).ok_or(CommandError::NotInteger)?;
    options.expiry = match ttl {
        ..0 => return Err(CommandError::text("ERR Invalid TTL value, must be >= 0")),
        0 => None,
        _ if is_absolute => Some(UnixMillis(ttl)),
        // A moment beyond the range comes out below 0, as in Redis: it has passed.
        _ => Some(UnixMillis(turn.now().0.wrapping_add(ttl))),
    };
    store(turn, &key, args[3], options)?;
    reply.ok();
    Ok(())
}

/// Reads the options; says whether the time to live is a moment.
fn read_options(words: &[&[u8]]) -> Result<(RestoreOptions, bool), CommandError> {
    let (mut options, mut is_absolute) = (RestoreOptions::default(), false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"REPLACE" => options.replace = true,
            b"ABSTTL" => is_absolute = true,
            b"IDLETIME" if options.frequency.is_none() => {
                let seconds = number(words.next())?;
                let seconds = u64::try_from(seconds).map_err(|_| CommandError::text(INVALID_IDLETIME))?;
                options.idle_seconds = Some(seconds);
            }
            b"FREQ" if options.idle_seconds.is_none() => {
                let frequency = number(words.next())?;
                options.frequency = Some(u8::try_from(frequency).map_err(|_| CommandError::text(INVALID_FREQ))?);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok((options, is_absolute))
}

fn number(word: Option<&&[u8]>) -> Result<i64, CommandError> {
    parse_i64(word.ok_or(CommandError::Syntax)?).ok_or(CommandError::NotInteger)
}

fn demand_room(turn: &mut Turn<'_>, key: &Key<'_>, replace: bool) -> Result<(), CommandError> {
    if !replace && turn.find(key).is_some() {
        return Err(CommandError::text("BUSYKEY Target key name already exists."));
    }
    Ok(())
}

fn store(turn: &mut Turn<'_>, key: &Key<'_>, payload: &[u8], options: RestoreOptions) -> Result<(), CommandError> {
    let body = unseal(payload).ok_or_else(|| CommandError::text("ERR DUMP payload version or checksum are wrong"))?;
    let entry = value_of(turn, key.bytes, body, options.expiry).ok().flatten();
    let entry = entry.ok_or_else(|| CommandError::text("ERR Bad data format"))?;
    let old = turn.find(key);
    if let Some(old) = old {
        turn.discard(key, old);
    }
    if !turn.follows() && options.expiry.is_some_and(|expiry| expiry <= turn.now()) {
        if old.is_some() {
            turn.record(&[b"DEL", key.bytes]);
            turn.notify(EventClass::Generic, "del", key.bytes);
        }
        return Ok(());
    }
    let is_known = version_of_sealed(payload) <= Some(VERSION_MIN);
    let newer = (!is_known).then(|| entry.clone());
    turn.put(key, None, entry);
    if options.idle_seconds.is_some() || options.frequency.is_some() {
        let RestoreOptions { expiry, idle_seconds, frequency, .. } = options;
        let access = Attributes { expiry, idle_seconds, frequency }.access(turn.core());
        if let Some(spot) = turn.find(key) {
            turn.entry(key, spot).set_access(access);
        }
    }
    let mut digits = itoa::Buffer::new();
    let expiry = digits.format(options.expiry.map_or(0, |UnixMillis(ms)| ms)).as_bytes();
    if let Some(entry) = newer {
        record_value(turn, key.bytes, &entry);
    } else if old.is_some() {
        turn.record(&[b"RESTORE", key.bytes, expiry, payload, b"REPLACE", b"ABSTTL"]);
    } else {
        turn.record(&[b"RESTORE", key.bytes, expiry, payload, b"ABSTTL"]);
    }
    turn.notify(EventClass::Generic, "restore", key.bytes);
    Ok(())
}

/// The value of a payload; `None` for a collection without elements.
fn value_of(
    turn: &Turn<'_>,
    key: &[u8],
    body: &[u8],
    expiry: Option<UnixMillis>,
) -> Result<Option<EntryRef>, PayloadError> {
    let (&number, body) = body.split_first().ok_or_else(|| PayloadError::corrupt(0, "the type of a value"))?;
    let mut build = Build::new(Forms::of(&turn.core().options), &turn.core().hasher);
    let is_whole = Decoder::new(number, Dialect::Redis)?.feed(&mut Input::new(body), &mut |part| build.part(part))?;
    if is_whole { build.end(key, expiry) } else { Err(PayloadError::corrupt(body.len(), "the rest of a value")) }
}

impl Turn<'_> {
    /// Stores the value of a payload at `key`. An error if the payload is none, and if there is a key that is not to be
    /// replaced. A value whose expiry has passed is not stored.
    pub fn restore(
        &mut self,
        key: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        options: RestoreOptions,
    ) -> Result<(), CommandError> {
        let key = self.key(key.as_ref())?;
        demand_room(self, &key, options.replace)?;
        store(self, &key, payload.as_ref(), options)
    }
}

impl Engine {
    /// Stores the value of a payload that [`dump`](Self::dump) or a Redis server of any version up to 7.4 made. Fails if
    /// the payload is damaged, and if there is a key that is not to be replaced. O(value). Follows RESTORE of Redis 7.2;
    /// records `RESTORE` with the moment of expiry.
    ///
    /// ```
    /// use keyslot_engine::{Engine, RestoreOptions};
    /// let db = Engine::in_memory();
    /// db.rpush("jobs", "a")?;
    /// let payload = db.dump("jobs")?.expect("it is there");
    /// db.restore("again", &payload, RestoreOptions::default())?;
    /// assert_eq!(db.lrange("again", 0, -1)?, ["a"]);
    /// assert!(db.restore("again", &payload, RestoreOptions::default()).is_err(), "it is there already");
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn restore(
        &self,
        key: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        options: RestoreOptions,
    ) -> Result<(), CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.restore(key, payload, options))
    }
}

const INVALID_IDLETIME: &str = "ERR Invalid IDLETIME value, must be >= 0";
const INVALID_FREQ: &str = "ERR Invalid FREQ value, must be >= 0 and <= 255";

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
