//! `DEL key [key ...]` and `UNLINK key [key ...]`: delete keys, whatever they hold.
//!
//! Reply: how many there were. Effect: `DEL key` for each. Both free what takes long only after the slots are released;
//! UNLINK is another name.

use crate::command::row::flag::{FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::resp::ReplyWriter;
use crate::turn::Turn;

pub(super) const DEL: Row = Row::new("del", -2, Run::Turn(del))
    .flags(WRITE)
    .keys(&[KeySpec::index(1).range(-1, 1).rm().delete()])
    .tips("request_policy:multi_shard response_policy:agg_sum")
    .summary("Deletes one or more keys.")
    .docs(
        Group::Generic,
        "1.0.0",
        "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a \
         string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, \
         sorted set or hash. Removing a single key that holds a string value is O(1).",
    )
    .args("key:key#0*");

pub(super) const UNLINK: Row = Row::new("unlink", -2, Run::Turn(del))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::index(1).range(-1, 1).rm().delete()])
    .tips("request_policy:multi_shard response_policy:agg_sum")
    .summary("Asynchronously deletes one or more keys.")
    .docs(
        Group::Generic,
        "4.0.0",
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in \
         order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
    )
    .args("key:key#0*");

fn del(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(delete_many(turn, &args[1..])? as i64);
    Ok(())
}

fn delete_many<K: AsRef<[u8]>>(turn: &mut Turn<'_>, keys: &[K]) -> Result<usize, CommandError> {
    let mut count = 0;
    for key in keys {
        count += usize::from(turn.del(key)?);
    }
    Ok(count)
}

impl Turn<'_> {
    /// Deletes `key`; says whether it was there. O(1), what takes long to free is freed after the turn.
    pub fn del(&mut self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let Some(spot) = self.find(&key) else { return Ok(false) };
        self.discard(&key, spot);
        self.record(&[b"DEL", key.bytes]);
        self.notify(EventClass::Generic, "del", key.bytes);
        Ok(true)
    }
}

impl Engine {
    /// Deletes `key`; says whether it was there. O(1) besides freeing. Follows DEL of Redis 7.2; records `DEL key`.
    pub fn del(&self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Write, |turn| turn.del(key))
    }

    /// Deletes `keys` in one turn; says how many there were. In cluster mode they must share a slot.
    pub fn del_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<usize, CommandError> {
        let bytes: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&bytes, Access::Write, |turn| delete_many(turn, keys))
    }

    /// The same as [`del`](Self::del), under the name of UNLINK: values that take long to free never hold a slot.
    pub fn unlink(&self, key: impl AsRef<[u8]>) -> Result<bool, CommandError> {
        self.del(key)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn only_what_was_there_is_counted_and_recorded() {
        let bench = Bench::new();
        for key in ["a", "b", "c"] {
            bench.db.set(key, "1").unwrap();
        }
        bench.effects();
        assert_eq!(bench.ask("DEL a a nokey b"), ":2\r\n");
        assert_eq!(bench.effects(), ["DEL a", "DEL b"]);
        assert_eq!(bench.ask("UNLINK c c"), ":1\r\n");
        assert_eq!(bench.ask("DEL c"), ":0\r\n");
        assert_eq!(bench.effects(), ["DEL c"]);
        assert_eq!(bench.ask("DEL"), "-ERR wrong number of arguments for 'del' command\r\n");
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn one_request_is_one_batch() {
        let bench = Bench::new();
        bench.db.set("a", "1").unwrap();
        bench.db.set("b", "1").unwrap();
        bench.batches();
        assert_eq!(bench.db.del_many(&["a", "b", "c"]).unwrap(), 2);
        assert_eq!(bench.batches().len(), 1);
    }

    #[test]
    fn a_long_value_is_freed_and_no_longer_counted() {
        let bench = Bench::new();
        let before = bench.db.core.totals.bytes();
        bench.db.set("k", "x".repeat(1 << 20)).unwrap();
        assert!(bench.db.core.totals.bytes() > before + (1 << 20));
        assert!(bench.db.unlink("k").unwrap());
        assert_eq!(bench.db.core.totals.bytes(), before);
    }

    #[test]
    fn a_large_collection_is_freed_in_parts() {
        let members: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        let bench = Bench::new();
        let waste = |bench: &Bench| (bench.db.core.reclaim.pending(), bench.db.core.reclaim.freed());
        for request in ["DEL k", "UNLINK k", "SET k v", "SUNIONSTORE k none", "RENAME other k", "PEXPIREAT k 1"] {
            bench.db.sadd("other", "x").unwrap();
            bench.run("DEL k");
            bench.db.sadd_many("k", &members).unwrap();
            let (pending, freed) = waste(&bench);
            bench.run(request);
            assert_eq!(waste(&bench), (pending + 1, freed), "{request}");
            let mut ticks = 0;
            while bench.db.tick(bench.db.now(), 2_000).more {
                ticks += 1;
            }
            assert_eq!(waste(&bench), (0, freed + 1));
            assert!(ticks > 5, "{ticks}");
            assert_totals(&bench.db);
        }
        // Many nodes are long to free however small they are.
        bench.db.options().stream_node_entries_max.store(1, std::sync::atomic::Ordering::Relaxed);
        (1..=65).for_each(|n| drop(bench.run(&format!("XADD s {n} f v"))));
        bench.db.reset_stats();
        bench.db.unlink("s").unwrap();
        assert_eq!(waste(&bench), (1, 0));
        while bench.db.tick(bench.db.now(), 2_000).more {}
        assert_eq!(waste(&bench), (0, 1));
        bench.db.del("other").unwrap();
        bench.db.sadd_many("k", &members).unwrap();
        bench.db.atomic("k", |turn| turn.srem("k", 5)).unwrap();
        bench.ask("FLUSHALL ASYNC");
        assert_eq!(waste(&bench).0, 1);
        while bench.db.tick(bench.db.now(), 2_000).more {}
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
