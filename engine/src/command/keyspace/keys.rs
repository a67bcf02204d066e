//! `KEYS pattern`: every key that matches a glob pattern.
//!
//! Slots are visited one after the other, each locked for itself: what changes meanwhile may be in the reply or not.

use crate::command::row::flag::READONLY;
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::{Case, glob_matches};
use crate::turn::Turn;
use bytes::Bytes;

pub(super) const KEYS: Row = Row::new("keys", 2, Run::Visit(keys))
    .flags(READONLY)
    .categories(category::KEYSPACE | category::DANGEROUS)
    .tips("request_policy:all_shards nondeterministic_output_order")
    .summary("Returns all key names that match a pattern.")
    .docs(
        Group::Generic,
        "1.0.0",
        "O(N) with N being the number of keys in the database, under the assumption that the key names in the \
         database and the given pattern have limited length.",
    )
    .args("pattern:pattern");

fn keys(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let list = reply.begin_array();
    let mut count = 0;
    for_each_key(turn, args[1], |key| {
        reply.bulk(key);
        count += 1;
    });
    reply.end_array(list, count);
    Ok(())
}

fn for_each_key(turn: &Turn<'_>, pattern: &[u8], mut f: impl FnMut(&[u8])) {
    let (totals, db, all) = (&turn.core().totals, turn.db(), pattern == b"*");
    let mut from = 0;
    while let Some(slot) = totals.next_occupied(db, from) {
        turn.visit(slot, |shard| {
            for entry in shard.into_iter().flat_map(|shard| shard.iter()) {
                if (all || glob_matches(pattern, entry.key(), Case::Exact)) && !turn.is_hidden(&entry) {
                    f(entry.key());
                }
            }
        });
        from = slot.index() + 1;
    }
}

impl Engine {
    /// Every key of database 0 that matches the glob `pattern`, in no order. O(keys); see [`Engine::scan`] for less at a
    /// time. Follows KEYS of Redis 7.2.
    pub fn keys(&self, pattern: impl AsRef<[u8]>) -> Result<Vec<Bytes>, CommandError> {
        let mut found = Vec::new();
        self.in_turn(&[], Access::Read, |turn| {
            for_each_key(turn, pattern.as_ref(), |key| found.push(Bytes::copy_from_slice(key)));
            Ok(())
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, session};

    #[test]
    fn keys_of_all_slots_are_matched_and_due_ones_hidden() {
        let bench = Bench::new();
        for n in 0..100 {
            bench.db.set(format!("key:{n}"), n).unwrap();
        }
        bench.ask("SET key:due v PX 10");
        bench.db.set("", "the empty key").unwrap();
        bench.advance_ms(11);
        assert_eq!(bench.db.keys("*").unwrap().len(), 101);
        assert_eq!(bench.db.keys("key:*").unwrap().len(), 100);
        let mut found = bench.db.keys("key:[1-3]?").unwrap();
        found.sort();
        assert_eq!(found.len(), 30);
        assert_eq!((&found[0][..], &found[29][..]), (&b"key:10"[..], &b"key:39"[..]));
        assert_eq!(bench.ask("KEYS nothing*"), "*0\r\n");
        assert_eq!(bench.ask("KEYS key:42"), "*1\r\n$6\r\nkey:42\r\n");
    }

    #[test]
    fn another_database_has_its_own_keys() {
        let bench = Bench::new();
        bench.ask("SET a v");
        bench.ask("COPY a b DB 2");
        let mut s = session(&bench.db);
        assert_eq!(crate::command::testing::ask(&mut s, "KEYS *"), "*1\r\n$1\r\na\r\n");
    }
}
