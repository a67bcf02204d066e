//! `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`: the string at a key, whose expiry is changed.
//!
//! Reply: the string, or null. Effect: `PEXPIREAT key ms`; `PERSIST key` if there was an expiry; `DEL key` if the new
//! expiry has passed already. Without an option nothing is recorded.

use super::expiration::{Expiration, ExpiryWord};
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::{Key, Turn};
use crate::value::StrRef;
use bytes::Bytes;

pub(super) const GETEX: Row = Row::new("getex", -2, Run::Turn(get_ex))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().update().notes("RW and UPDATE because it changes the TTL")])
    .summary("Returns the string value of a key after setting its expiration time.")
    .docs(Group::String, "6.2.0", "O(1)")
    .args(
        "key:key#0 expiration:oneof?{seconds:integer=EX milliseconds:integer=PX unix-time-seconds:unix-time=EXAT \
         unix-time-milliseconds:unix-time=PXAT persist=PERSIST}",
    );

/// What GETEX does with the expiry of the key that it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GetExpiry {
    /// The key gets this one.
    At(Expiration),
    /// The key has none afterwards (`PERSIST`).
    Persist,
}

fn get_ex(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut word = None;
    let mut words = args[2..].iter();
    while let Some(arg) = words.next() {
        word = Some(ExpiryWord::read(arg, &mut words, b"PERSIST", word)?);
    }
    let key = turn.key(args[1])?;
    if !turn.read_string(&key, |value| {
        reply.string_or_null(value);
        value.is_some()
    })? {
        return Ok(());
    }
    match word {
        None => Ok(()),
        Some(word) => set_expiry(turn, &key, word.expiration()?.map_or(GetExpiry::Persist, GetExpiry::At)),
    }
}

fn set_expiry(turn: &mut Turn<'_>, key: &Key<'_>, expiry: GetExpiry) -> Result<(), CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(()) };
    match expiry {
        GetExpiry::Persist => {
            if turn.entry(key, spot).has_expiry() {
                turn.update(key, spot, |entry| entry.set_expiry(None));
                turn.record(&[b"PERSIST", key.bytes]);
                turn.notify(EventClass::Generic, "persist", key.bytes);
            }
        }
        GetExpiry::At(expiration) => {
            let moment = expiration.resolve(turn, "getex")?;
            if moment <= turn.now() && !turn.follows() {
                turn.remove(key, spot);
                turn.record(&[b"DEL", key.bytes]);
                turn.notify(EventClass::Generic, "del", key.bytes);
            } else {
                turn.update(key, spot, |entry| entry.set_expiry(Some(moment)));
                let UnixMillis(ms) = moment;
                turn.record(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(ms).as_bytes()]);
                turn.notify(EventClass::Generic, "expire", key.bytes);
            }
        }
    }
    Ok(())
}

impl Turn<'_> {
    /// The string at `key`, whose expiry is changed. O(n).
    pub fn get_ex(&mut self, key: impl AsRef<[u8]>, expiry: GetExpiry) -> Result<Option<Bytes>, CommandError> {
        let key = self.key(key.as_ref())?;
        let copy = |value: StrRef<'_>| value.with_bytes(Bytes::copy_from_slice);
        let value = self.read_string(&key, |value| value.map(copy))?;
        set_expiry(self, &key, expiry)?;
        Ok(value)
    }
}

impl Engine {
    /// The string at `key`, whose expiry is changed; `None` if there is no such key. A moment that has passed deletes
    /// the key. Fails with WRONGTYPE on other types and on an expiry below 1 or beyond the range. O(n). Follows GETEX of
    /// Redis 7.2; records `PEXPIREAT`, `PERSIST` or `DEL`.
    ///
    /// ```
    /// use keyslot_engine::{Engine, Expiration, GetExpiry};
    /// let db = Engine::in_memory();
    /// db.set("session", "ada")?;
    /// let user = db.get_ex("session", GetExpiry::At(Expiration::Seconds(60)))?;
    /// assert_eq!(user.as_deref(), Some(&b"ada"[..]));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn get_ex(&self, key: impl AsRef<[u8]>, expiry: GetExpiry) -> Result<Option<Bytes>, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.get_ex(key, expiry))
    }
}

#[cfg(test)]
mod tests {
    use crate::UnixMillis;
    use crate::command::testing::{Bench, START, contents};
    use crate::resp::Value;

    fn expiry(bench: &Bench) -> Option<UnixMillis> {
        contents(&bench.db)[&(0, b"k".to_vec())].1
    }

    #[test]
    fn the_expiry_changes_and_the_change_is_recorded() {
        let bench = Bench::new();
        bench.run("SET k v");
        assert_eq!(bench.run("GETEX k"), Value::bulk("v"));
        assert_eq!(bench.run("GETEX k PERSIST"), Value::bulk("v"));
        assert_eq!(bench.run("GETEX k EX 5 ex 10"), Value::bulk("v"));
        assert_eq!(expiry(&bench), Some(START.saturating_add(10_000)));
        assert_eq!(bench.run("GETEX k PERSIST"), Value::bulk("v"));
        assert_eq!(expiry(&bench), None);
        bench.assert_replays();
        assert_eq!(bench.run("GETEX k PXAT 2000000000000"), Value::bulk("v"));
        assert_eq!(bench.run("GETEX k EXAT 1000"), Value::bulk("v"));
        assert_eq!(bench.run("GETEX k"), Value::Nil);
        assert_eq!(
            bench.effects(),
            ["SET k v", "PEXPIREAT k 1700000010000", "PERSIST k", "PEXPIREAT k 2000000000000", "DEL k"]
        );
        bench.assert_replays();
    }

    #[test]
    fn a_number_is_looked_at_only_if_there_is_a_key() {
        let bench = Bench::new();
        assert_eq!(bench.run("GETEX k EX x"), Value::Nil);
        assert_eq!(bench.error("GETEX k EX 1 PERSIST"), "ERR syntax error");
        assert_eq!(bench.error("GETEX k KEEPTTL"), "ERR syntax error");
        bench.run("SET k v");
        assert_eq!(bench.error("GETEX k EX x"), "ERR value is not an integer or out of range");
        assert_eq!(bench.error("GETEX k PX 0"), "ERR invalid expire time in 'getex' command");
        assert_eq!(bench.effects(), ["SET k v"]);
    }
}
