//! `RENAME key newkey` and `RENAMENX key newkey`: give a value another key; its expiry goes with it.
//!
//! Reply: OK, or for RENAMENX 1, and 0 if there is a `newkey`. Effect: within one slot `RENAME key newkey`; from slot to slot
//! `DEL key` and the value as it is stored at the new key, so that no effect reads another slot.

use super::recording::record_value;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const RENAME: Row = Row::new("rename", 3, Run::Turn(rename))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).rw().access().delete(), KeySpec::index(2).ow().update()])
    .summary("Renames a key and overwrites the destination.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .history(&[])
    .args("key:key#0 newkey:key#1");

pub(super) const RENAMENX: Row = Row::new("renamenx", 3, Run::Turn(rename_nx))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().delete(), KeySpec::index(2).ow().insert()])
    .summary("Renames a key only when the target key name doesn't exist.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .history(&[("3.2.0", "The command no longer returns an error when source and destination names are the same.")])
    .args("key:key#0 newkey:key#1");

fn rename(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    turn.rename(args[1], args[2])?;
    reply.ok();
    Ok(())
}

fn rename_nx(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(i64::from(turn.rename_nx(args[1], args[2])?));
    Ok(())
}

/// What happens to a key that has the new name already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Replace,
    Keep,
}

fn move_value(turn: &mut Turn<'_>, key: &[u8], new_key: &[u8], target: Target) -> Result<bool, CommandError> {
    let (key, new_key) = (turn.key(key)?, turn.key(new_key)?);
    // The target first: where it is due and deleted, what is found afterwards stays where it is found.
    let is_taken = turn.find(&new_key).is_some();
    let Some(spot) = turn.find(&key) else { return Err(CommandError::NoSuchKey) };
    if key.bytes == new_key.bytes || (is_taken && target == Target::Keep) {
        return Ok(target == Target::Replace);
    }
    let entry = turn.remove(&key, spot).renamed(new_key.bytes);
    if let Some(old) = turn.find(&new_key) {
        turn.discard(&new_key, old);
    }
    turn.put(&new_key, None, entry.clone());
    if turn.share_slot(&key, &new_key) {
        turn.record(&[b"RENAME", key.bytes, new_key.bytes]);
    } else {
        turn.record(&[b"DEL", key.bytes]);
        record_value(turn, new_key.bytes, &entry);
    }
    turn.notify(EventClass::Generic, "rename_from", key.bytes);
    turn.notify(EventClass::Generic, "rename_to", new_key.bytes);
    Ok(true)
}

impl Turn<'_> {
    /// Gives the value at `key` the name `new_key`, in the place of what is there. An error if there is no `key`.
    pub fn rename(&mut self, key: impl AsRef<[u8]>, new_key: impl AsRef<[u8]>) -> Result<(), CommandError> {
        move_value(self, key.as_ref(), new_key.as_ref(), Target::Replace).map(drop)
    }

    /// Gives the value at `key` the name `new_key` unless that exists; says whether it did.
    pub fn rename_nx(&mut self, key: impl AsRef<[u8]>, new_key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        move_value(self, key.as_ref(), new_key.as_ref(), Target::Keep)
    }
}

impl Engine {
    /// Gives the value at `key` the name `new_key`, in the place of what is there; its expiry goes with it. O(1) besides
    /// freeing. Fails with [`CommandError::NoSuchKey`] if there is no `key`. Follows RENAME of Redis 7.2.
    pub fn rename(&self, key: impl AsRef<[u8]>, new_key: impl AsRef<[u8]>) -> Result<(), CommandError> {
        let (key, new_key) = (key.as_ref(), new_key.as_ref());
        self.on_keys(&[key, new_key], Access::Write, |turn| turn.rename(key, new_key))
    }

    /// As [`rename`](Self::rename), unless `new_key` exists; says whether it did. Follows RENAMENX of Redis 7.2.
    pub fn rename_nx(&self, key: impl AsRef<[u8]>, new_key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let (key, new_key) = (key.as_ref(), new_key.as_ref());
        self.on_keys(&[key, new_key], Access::Write, |turn| turn.rename_nx(key, new_key))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START, assert_totals};

    #[test]
    fn the_expiry_goes_with_the_value_across_slots() {
        let bench = Bench::new();
        bench.ask("SET a v PX 5000");
        bench.ask("SET b old");
        bench.effects();
        assert_eq!(bench.ask("RENAME a b"), "+OK\r\n");
        assert_eq!(bench.effects(), ["DEL a".to_owned(), format!("SET b v PXAT {}", START.0 + 5000)]);
        assert_eq!(bench.ask("GET b"), "$1\r\nv\r\n");
        assert_eq!(bench.ask("PTTL b"), ":5000\r\n");
        assert_eq!(bench.ask("EXISTS a"), ":0\r\n");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn within_a_slot_the_value_is_not_recorded_again() {
        let bench = Bench::new();
        bench.ask("SET {x}a v PX 5000");
        bench.ask("SET {x}b old");
        bench.effects();
        assert_eq!(bench.ask("RENAME {x}a {x}b"), "+OK\r\n");
        assert_eq!(bench.effects(), ["RENAME {x}a {x}b"]);
        assert_eq!(bench.ask("RENAMENX {x}b {x}c"), ":1\r\n");
        assert_eq!(bench.effects(), ["RENAME {x}b {x}c"]);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_key_renamed_to_itself_stays_and_records_nothing() {
        let bench = Bench::new();
        bench.ask("SET a v");
        bench.effects();
        assert_eq!(bench.ask("RENAME a a"), "+OK\r\n");
        assert_eq!(bench.ask("RENAMENX a a"), ":0\r\n");
        assert_eq!(bench.ask("RENAME nokey nokey"), "-ERR no such key\r\n");
        assert!(bench.effects().is_empty());
        assert_eq!(bench.ask("GET a"), "$1\r\nv\r\n");
    }

    #[test]
    fn renamenx_leaves_what_is_there() {
        let bench = Bench::new();
        bench.ask("SET a 1");
        bench.ask("SET b 2");
        bench.effects();
        assert_eq!(bench.ask("RENAMENX a b"), ":0\r\n");
        assert_eq!(bench.ask("RENAMENX nokey b"), "-ERR no such key\r\n");
        assert!(bench.effects().is_empty());
        assert_eq!(bench.ask("RENAMENX a c"), ":1\r\n");
        bench.assert_replays();
    }

    #[test]
    fn a_target_that_is_due_is_not_in_the_way() {
        let bench = Bench::new();
        bench.ask("SET {x}old v PX 10");
        for n in 0..20 {
            bench.ask(&format!("SET {{x}}{n} {n}"));
        }
        bench.advance_ms(11);
        for n in 0..20 {
            assert_eq!(bench.ask(&format!("RENAMENX {{x}}{n} {{x}}old")), ":1\r\n");
            assert_eq!(bench.ask(&format!("RENAME {{x}}old {{x}}{n}")), "+OK\r\n");
            bench.ask("SET {x}old v PX 10");
            bench.advance_ms(11);
        }
        for n in 0..20 {
            assert_eq!(bench.ask(&format!("GET {{x}}{n}")), format!("${}\r\n{n}\r\n", n.to_string().len()));
        }
        bench.assert_replays();
        assert_totals(&bench.db);
    }
}
