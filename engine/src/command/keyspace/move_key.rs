//! `MOVE key db`: takes a key, its value and its expiry to another database.
//!
//! Reply: 1, or 0 if there is no key here, or one there. Effect: `MOVE key db`: both databases share the slot.

use super::database;
use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const MOVE: Row = Row::new("move", 3, Run::Turn(move_key))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).rw().access().update()])
    .summary("Moves a key to another database.")
    .docs(Group::Generic, "1.0.0", "O(1)")
    .args("key:key#0 db:integer");

fn move_key(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let key = turn.key(args[1])?;
    if turn.core().gate.is_cluster() {
        return Err(CommandError::text("ERR MOVE is not allowed in cluster mode"));
    }
    reply.integer(i64::from(turn.move_key(key.bytes, database(args[2])?)?));
    Ok(())
}

impl Turn<'_> {
    /// Takes `key` to database `db`; says whether it did: not if there is such a key there already.
    pub fn move_key(&mut self, key: impl AsRef<[u8]>, db: u16) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let source_db = self.db();
        if self.core().gate.is_cluster() {
            return Err(CommandError::text("ERR MOVE is not allowed in cluster mode"));
        }
        if db >= DATABASE_COUNT {
            return Err(CommandError::DatabaseOutOfRange);
        }
        if source_db == db {
            return Err(CommandError::SameObject);
        }
        let Some(spot) = self.find(&key) else { return Ok(false) };
        self.select(db);
        let is_taken = self.find(&key).is_some();
        self.select(source_db);
        if is_taken {
            return Ok(false);
        }
        let entry = self.remove(&key, spot);
        self.select(db);
        self.put(&key, None, entry);
        self.select(source_db);
        self.record(&[b"MOVE", key.bytes, itoa::Buffer::new().format(db).as_bytes()]);
        self.notify(EventClass::Generic, "move_from", key.bytes);
        self.select(db);
        self.notify(EventClass::Generic, "move_to", key.bytes);
        self.select(source_db);
        Ok(true)
    }
}

impl Engine {
    /// Takes `key` from database 0 to another; says whether it did: not if there is no such key, or one there already.
    /// O(1). Follows MOVE of Redis 7.2.
    pub fn move_key(&self, key: impl AsRef<[u8]>, db: u16) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.move_key(key, db))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals, contents};

    #[test]
    fn a_key_leaves_here_and_arrives_there_with_its_expiry() {
        let bench = Bench::new();
        bench.ask("SET a v PX 5000");
        bench.effects();
        assert_eq!(bench.ask("MOVE a 9"), ":1\r\n");
        assert_eq!(bench.effects(), ["MOVE a 9"]);
        assert_eq!(bench.ask("MOVE a 9"), ":0\r\n");
        assert!(contents(&bench.db).contains_key(&(9, b"a".to_vec())));
        bench.ask("SET a w");
        assert_eq!(bench.ask("MOVE a 9"), ":0\r\n", "it is there already");
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn a_due_key_in_the_way_is_deleted_in_its_own_database() {
        let bench = Bench::new();
        bench.ask("SET a old PX 10");
        bench.ask("MOVE a 1");
        bench.ask("SET a new");
        bench.advance_ms(11);
        bench.effects();
        assert_eq!(bench.ask("MOVE a 1"), ":1\r\n");
        assert_eq!(bench.effects(), ["SELECT 1", "DEL a", "SELECT 0", "MOVE a 1"]);
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        bench.ask("SET a v");
        for (request, reply) in [
            ("MOVE a x", "-ERR value is not an integer or out of range\r\n"),
            ("MOVE a 16", "-ERR DB index is out of range\r\n"),
            ("MOVE a -1", "-ERR DB index is out of range\r\n"),
            ("MOVE a 0", "-ERR source and destination objects are the same\r\n"),
        ] {
            assert_eq!(bench.ask(request), reply, "{request}");
        }
        bench.db.set_cluster(true);
        assert_eq!(bench.ask("MOVE a x"), "-ERR MOVE is not allowed in cluster mode\r\n");
    }
}
