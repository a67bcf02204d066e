//! `TTL key`, `PTTL key`, `EXPIRETIME key`, `PEXPIRETIME key`: when a key is due to vanish.
//!
//! Reply: seconds or milliseconds, from now or since the epoch; -1 for a key without expiry, -2 without a key. Seconds are
//! rounded to the nearest. Nothing is marked as used, nothing recorded.

use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::Turn;

pub(super) const TTL: Row = Row::new("ttl", 2, Run::Turn(ttl))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns the expiration time in seconds of a key.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .history(&[("2.8.0", "Added the -2 reply.")])
    .args("key:key#0");

pub(super) const PTTL: Row = Row::new("pttl", 2, Run::Turn(pttl))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .tips("nondeterministic_output")
    .summary("Returns the expiration time in milliseconds of a key.")
    .docs(Group::Generic, "2.6.0", "O(1)")
    .history(&[("2.8.0", "Added the -2 reply.")])
    .args("key:key#0");

pub(super) const EXPIRETIME: Row = Row::new("expiretime", 2, Run::Turn(expire_time))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the expiration time of a key as a Unix timestamp.")
    .docs(Group::Generic, "7.0.0", "O(1)")
    .args("key:key#0");

pub(super) const PEXPIRETIME: Row = Row::new("pexpiretime", 2, Run::Turn(pexpire_time))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::index(1).ro().access()])
    .summary("Returns the expiration time of a key as a Unix milliseconds timestamp.")
    .docs(Group::Generic, "7.0.0", "O(1)")
    .args("key:key#0");

/// The expiry of a key, in the unit of the verb that was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyExpiry {
    /// There is no such key.
    NoKey,
    /// The key never vanishes.
    Never,
    /// Seconds or milliseconds, from now or since the epoch.
    Value(i64),
}

impl KeyExpiry {
    /// The number that Redis answers: -2 without a key, -1 without expiry.
    pub fn as_reply(self) -> i64 {
        match self {
            Self::NoKey => -2,
            Self::Never => -1,
            Self::Value(value) => value,
        }
    }
}

fn ttl(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.ttl(args[1])?.as_reply());
    Ok(())
}

fn pttl(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.pttl(args[1])?.as_reply());
    Ok(())
}

fn expire_time(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.expire_time(args[1])?.as_reply());
    Ok(())
}

fn pexpire_time(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(turn.pexpire_time(args[1])?.as_reply());
    Ok(())
}

fn to_seconds(ms: i64) -> i64 {
    // The quotient of 128 bits fits 64 again.
    ((i128::from(ms) + 500) / 1000) as i64
}

impl Turn<'_> {
    fn key_expiry(&mut self, key: &[u8], value: impl FnOnce(&Self, i64) -> i64) -> Result<KeyExpiry, CommandError> {
        let key = self.key(key)?;
        Ok(match self.peek(&key).map(|entry| entry.expiry()) {
            None => KeyExpiry::NoKey,
            Some(None) => KeyExpiry::Never,
            Some(Some(UnixMillis(ms))) => KeyExpiry::Value(value(self, ms)),
        })
    }

    /// Seconds until `key` vanishes, rounded to the nearest.
    pub fn ttl(&mut self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        self.key_expiry(key.as_ref(), |turn, ms| to_seconds(ms.saturating_sub(turn.now().0).max(0)))
    }

    /// Milliseconds until `key` vanishes.
    pub fn pttl(&mut self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        self.key_expiry(key.as_ref(), |turn, ms| ms.saturating_sub(turn.now().0).max(0))
    }

    /// The Unix time in seconds at which `key` vanishes, rounded to the nearest.
    pub fn expire_time(&mut self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        self.key_expiry(key.as_ref(), |_, ms| to_seconds(ms))
    }

    /// The Unix time in milliseconds at which `key` vanishes.
    pub fn pexpire_time(&mut self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        self.key_expiry(key.as_ref(), |_, ms| ms)
    }
}

impl Engine {
    /// Seconds until `key` vanishes, rounded to the nearest. O(1). Follows TTL of Redis 7.2.
    pub fn ttl(&self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.ttl(key))
    }

    /// Milliseconds until `key` vanishes. O(1). Follows PTTL of Redis 7.2.
    pub fn pttl(&self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.pttl(key))
    }

    /// The Unix time in seconds at which `key` vanishes, rounded to the nearest. O(1). Follows EXPIRETIME of Redis 7.2.
    pub fn expire_time(&self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.expire_time(key))
    }

    /// The Unix time in milliseconds at which `key` vanishes. O(1). Follows PEXPIRETIME of Redis 7.2.
    pub fn pexpire_time(&self, key: impl AsRef<[u8]>) -> Result<KeyExpiry, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Read, |turn| turn.pexpire_time(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, START};

    #[test]
    fn seconds_are_rounded_and_milliseconds_exact() {
        let bench = Bench::new();
        bench.ask("SET k v PX 1499");
        assert_eq!(bench.ask("TTL k"), ":1\r\n");
        assert_eq!(bench.ask("PTTL k"), ":1499\r\n");
        assert_eq!(bench.ask("EXPIRETIME k"), format!(":{}\r\n", START.0 / 1000 + 1));
        assert_eq!(bench.ask("PEXPIRETIME k"), format!(":{}\r\n", START.0 + 1499));
        bench.ask("PEXPIRE k 1500");
        assert_eq!(bench.ask("TTL k"), ":2\r\n");
        bench.advance_ms(1500);
        assert_eq!(bench.ask("PTTL k"), ":0\r\n", "due strictly after its time");
        bench.advance_ms(1);
        assert_eq!(bench.ask("PTTL k"), ":-2\r\n");
    }

    #[test]
    fn keys_without_expiry_and_no_keys_are_told_apart() {
        let bench = Bench::new();
        bench.ask("SET k v");
        for command in ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"] {
            assert_eq!(bench.ask(&format!("{command} k")), ":-1\r\n");
            assert_eq!(bench.ask(&format!("{command} nokey")), ":-2\r\n");
        }
        assert_eq!(bench.db.ttl("k").unwrap(), KeyExpiry::Never);
        assert_eq!(bench.db.ttl("nokey").unwrap(), KeyExpiry::NoKey);
    }

    #[test]
    fn the_last_moment_does_not_overflow() {
        let bench = Bench::new();
        bench.ask("SET k v");
        bench.ask("PEXPIREAT k 9223372036854775807");
        assert_eq!(bench.ask("EXPIRETIME k"), ":9223372036854776\r\n");
        assert_eq!(bench.ask("PEXPIRETIME k"), ":9223372036854775807\r\n");
    }
}
