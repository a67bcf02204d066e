//! `COPY source destination [DB db] [REPLACE]`: copies a value and its expiry to another key, in this database or another.
//!
//! Reply: 1, or 0 if there is no source, or a destination that is not to be replaced. Effect: the value as it is stored at
//! the destination; see [`record_value`].

use super::database;
use super::recording::record_value;
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const COPY: Row = Row::new("copy", -3, Run::Turn(copy))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).ro().access(), KeySpec::index(2).ow().update()])
    .summary("Copies the value of a key to a new key.")
    .docs(
        Group::Generic,
        "6.2.0",
        "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    )
    .args("source:key#0 destination:key#1 destination-db:integer?=DB replace?=REPLACE");

/// The options of COPY.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CopyOptions {
    /// The database to copy to; the turn's own if not given.
    pub db: Option<u16>,
    /// Whether a key that is in the way is replaced.
    pub replace: bool,
}

fn copy(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut options = CopyOptions::default();
    let mut words = args[3..].iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"REPLACE" => options.replace = true,
            b"DB" => options.db = Some(database(words.next().ok_or(CommandError::Syntax)?)?),
            _ => return Err(CommandError::Syntax),
        }
    }
    reply.integer(i64::from(turn.copy(args[1], args[2], options)?));
    Ok(())
}

impl Turn<'_> {
    /// Copies the value and the expiry at `source` to `destination`; says whether it did. O(1) for strings that are long,
    /// whose bytes are shared until one of them changes.
    pub fn copy(
        &mut self,
        source: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        options: CopyOptions,
    ) -> Result<bool, CommandError> {
        let (source, destination) = (self.key(source.as_ref())?, self.key(destination.as_ref())?);
        let source_db = self.db();
        let db = options.db.unwrap_or(source_db);
        if db >= DATABASE_COUNT {
            return Err(CommandError::DatabaseOutOfRange);
        }
        if self.core().gate.is_cluster() && (source_db, db) != (0, 0) {
            return Err(CommandError::text("ERR Copying to another database is not allowed in cluster mode"));
        }
        if source_db == db && source.bytes == destination.bytes {
            return Err(CommandError::SameObject);
        }
        let Some(entry) = self.read(&source).map(|entry| entry.renamed(destination.bytes)) else { return Ok(false) };
        self.select(db);
        let old = self.find(&destination);
        let copied = old.is_none() || options.replace;
        if copied {
            if let Some(old) = old {
                self.discard(&destination, old);
            }
            self.put(&destination, None, entry.clone());
            record_value(self, destination.bytes, &entry);
            self.notify(EventClass::Generic, "copy_to", destination.bytes);
        }
        self.select(source_db);
        Ok(copied)
    }
}

impl Engine {
    /// Copies the value and the expiry at `source` to `destination`; says whether it did. Follows COPY of Redis 7.2;
    /// records what the destination holds then.
    ///
    /// ```
    /// use keyslot_engine::{CopyOptions, Engine};
    /// let db = Engine::in_memory();
    /// db.set("draft", "text")?;
    /// assert!(db.copy("draft", "final", CopyOptions::default())?);
    /// assert!(!db.copy("draft", "final", CopyOptions::default())?, "it is there already");
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn copy(
        &self,
        source: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        options: CopyOptions,
    ) -> Result<bool, CommandError> {
        let (source, destination) = (source.as_ref(), destination.as_ref());
        self.on_keys(&[source, destination], Access::Grow, |turn| turn.copy(source, destination, options))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, START, ask, assert_totals, session};

    #[test]
    fn a_copy_has_the_value_and_the_expiry_and_a_life_of_its_own() {
        let bench = Bench::new();
        bench.ask("SET a hello PX 5000");
        bench.effects();
        assert_eq!(bench.ask("COPY a b"), ":1\r\n");
        assert_eq!(bench.effects(), [format!("SET b hello PXAT {}", START.0 + 5000)]);
        bench.db.set("a", "changed").unwrap();
        assert_eq!(bench.ask("GET b"), "$5\r\nhello\r\n");
        assert_eq!(bench.ask("PTTL b"), ":5000\r\n");
        bench.assert_replays();
    }

    #[test]
    fn what_is_in_the_way_is_replaced_only_on_request() {
        let bench = Bench::new();
        bench.ask("SET a new");
        bench.ask("SET b old PX 5000");
        bench.effects();
        assert_eq!(bench.ask("COPY a b"), ":0\r\n");
        assert_eq!(bench.ask("COPY nokey b REPLACE"), ":0\r\n");
        assert!(bench.effects().is_empty());
        assert_eq!(bench.ask("COPY a b REPLACE"), ":1\r\n");
        assert_eq!(bench.ask("PTTL b"), ":-1\r\n");
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn another_database_is_written_within_one_batch() {
        let bench = Bench::new();
        bench.ask("SET a x");
        bench.batches();
        assert_eq!(bench.ask("COPY a a DB 3"), ":1\r\n");
        let batches = bench.batches();
        assert_eq!((batches.len(), batches[0].db), (1, 0));
        let mut s = session(&bench.db);
        assert_eq!(ask(&mut s, "COPY a a DB 3"), ":0\r\n");
        bench.assert_replays();
        assert_totals(&bench.db);
    }

    #[test]
    fn errors_are_worded_as_in_redis() {
        let bench = Bench::new();
        let range = "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n";
        for (request, reply) in [
            ("COPY a a", "-ERR source and destination objects are the same\r\n"),
            ("COPY a a DB 0", "-ERR source and destination objects are the same\r\n"),
            ("COPY a b DB", "-ERR syntax error\r\n"),
            ("COPY a b FOO", "-ERR syntax error\r\n"),
            ("COPY a b DB x", "-ERR value is not an integer or out of range\r\n"),
            ("COPY a b DB 16", "-ERR DB index is out of range\r\n"),
            ("COPY a b DB -1", "-ERR DB index is out of range\r\n"),
            ("COPY a b DB 3000000000", range),
        ] {
            assert_eq!(bench.ask(request), reply, "{request}");
        }
        bench.db.set_cluster(true);
        let refused = "-ERR Copying to another database is not allowed in cluster mode\r\n";
        assert_eq!(bench.ask("COPY a {a}b DB 1"), refused);
        assert_eq!(bench.ask("COPY a b"), "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    }
}
