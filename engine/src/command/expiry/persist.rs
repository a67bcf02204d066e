//! `PERSIST key`: takes a key's expiry away.
//!
//! Reply: 1, or 0 if there is no such key or it has no expiry. Effect: `PERSIST key`.

use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const PERSIST: Row = Row::new("persist", 2, Run::Turn(persist))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().update()])
    .summary("Removes the expiration time of a key.")
    .docs(Group::Generic, "2.2.0", "O(1)")
    .args("key:key#0");

fn persist(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(i64::from(turn.persist(args[1])?));
    Ok(())
}

impl Turn<'_> {
    /// Takes the expiry of `key` away; says whether it had one. O(1).
    pub fn persist(&mut self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let Some(spot) = self.find(&key) else { return Ok(false) };
        if !self.entry(&key, spot).has_expiry() {
            return Ok(false);
        }
        self.update(&key, spot, |entry| entry.set_expiry(None));
        self.record(&[b"PERSIST", key.bytes]);
        self.notify(EventClass::Generic, "persist", key.bytes);
        Ok(true)
    }
}

impl Engine {
    /// Takes the expiry of `key` away; says whether it had one. O(1). Follows PERSIST of Redis 7.2.
    pub fn persist(&self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.persist(key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn only_a_key_with_an_expiry_is_changed() {
        let bench = Bench::new();
        bench.ask("SET k v PX 10");
        bench.effects();
        assert_eq!(bench.ask("PERSIST nokey"), ":0\r\n");
        assert_eq!(bench.ask("PERSIST k"), ":1\r\n");
        assert_eq!(bench.ask("PERSIST k"), ":0\r\n");
        assert_eq!(bench.effects(), ["PERSIST k"]);
        bench.advance_ms(1_000_000);
        assert_eq!(bench.ask("GET k"), "$1\r\nv\r\n");
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
