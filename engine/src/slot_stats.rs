//! What is known of each slot: what it holds, how much it is asked, what that takes. Who balances a cluster decides by it.
//!
//! What a slot holds is exact. Lookups and writing turns are exact, too. Time and bytes of requests are those of sessions, and
//! [sampled](Engine::slot_stats) where a session asks for much.

use crate::core::Core;
use crate::engine::Engine;
use crate::keyspace::DATABASE_COUNT;
use crate::keyspace::oversized::Note;
use crate::slot::Slot;
use crate::value::ValueType;
use std::cmp::Reverse;

/// Figures of one slot, over all databases. The flows (from `reads` on) count since the start, or since
/// [`Engine::reset_stats`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SlotStats {
    /// How many keys it holds, those included whose time has passed.
    pub keys: u64,
    /// How many of them have an expiry.
    pub expires: u64,
    /// Bytes of heap that they take, and the table that finds them.
    pub bytes: u64,
    /// Lookups of keys for reading, whether there was such a key or not.
    pub reads: u64,
    /// Turns that changed something, whoever asked for them. A turn over several slots counts in each.
    pub writes: u64,
    /// Nanoseconds that requests of clients took.
    pub cpu_ns: u64,
    /// Bytes of those requests.
    pub input_bytes: u64,
    /// Bytes of the replies to them.
    pub output_bytes: u64,
}

/// A key whose value is large.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OversizedKey {
    /// Its slot.
    pub slot: Slot,
    /// Its database.
    pub db: u16,
    /// Its name.
    pub key: Vec<u8>,
    /// The type of its value.
    pub value_type: ValueType,
    /// Bytes of heap that it takes.
    pub bytes: u64,
}

impl Engine {
    /// What is known of a slot. O(databases), the slot is locked for a moment; keys that are not loaded yet stay so and are
    /// not counted.
    ///
    /// Time and bytes are booked to the byte for the first requests of a session, and for one in 32 on the mean, with the
    /// weight of all, after that. They count for the slot of the request's first key.
    ///
    /// ```
    /// use keyslot_engine::{Engine, Slot};
    /// let db = Engine::in_memory();
    /// db.set("k", "v")?;
    /// db.get("k")?;
    /// let stats = db.slot_stats(Slot::of(b"k"));
    /// assert_eq!((stats.keys, stats.writes, stats.reads), (1, 1, 1));
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn slot_stats(&self, slot: Slot) -> SlotStats {
        stats_of(&self.core, slot)
    }

    /// What is known of every slot, in order, each as it is when it comes.
    pub fn all_slot_stats(&self) -> impl Iterator<Item = (Slot, SlotStats)> {
        Slot::all().map(|slot| (slot, stats_of(&self.core, slot)))
    }

    /// The slots that were asked most, lookups and writing turns together, most first; none that was not asked. O(slots).
    pub fn hottest_slots(&self, count: usize) -> Vec<(Slot, SlotStats)> {
        hottest_slots(&self.core, count)
    }

    /// Keys that take a MiB or more, largest first, at most 64 of them: keys are noted when they grow so large, measured here.
    /// O(keys noted), each slot locked for a moment.
    pub fn oversized_keys(&self) -> Vec<OversizedKey> {
        oversized_keys(&self.core)
    }
}

impl SlotStats {
    /// Lookups and writing turns.
    pub fn operations(&self) -> u64 {
        self.reads + self.writes
    }
}

/// What is known of a slot.
pub(crate) fn stats_of(core: &Core, slot: Slot) -> SlotStats {
    let taken = core.traffic.of(slot);
    let guard = core.slots.lock_as_is(slot);
    let state = &guard.state;
    let mut stats = SlotStats {
        reads: state.hits() + state.misses,
        writes: state.writes(),
        cpu_ns: taken.cpu_ns,
        input_bytes: taken.input_bytes,
        output_bytes: taken.output_bytes,
        ..SlotStats::default()
    };
    for shard in (0..DATABASE_COUNT).filter_map(|db| state.shard(db)) {
        stats.keys += shard.len() as u64;
        stats.expires += shard.expires() as u64;
        stats.bytes += shard.bytes();
    }
    stats
}

/// The slots that were asked most, most first.
pub(crate) fn hottest_slots(core: &Core, count: usize) -> Vec<(Slot, SlotStats)> {
    let all = Slot::all().map(|slot| (slot, stats_of(core, slot)));
    let mut asked: Vec<(Slot, SlotStats)> = all.filter(|(_, stats)| stats.operations() > 0).collect();
    asked.sort_by_key(|(slot, stats)| (Reverse(stats.operations()), *slot));
    asked.truncate(count);
    asked
}

/// The keys that are noted as large and are there, largest first.
pub(crate) fn oversized_keys(core: &Core) -> Vec<OversizedKey> {
    let measure = |note: Note| {
        let guard = core.slots.lock_as_is(note.slot);
        let shard = guard.state.shard(note.db)?;
        let (_, entry) = shard.seek(core.hasher.hash(&note.key), &note.key)?;
        let (value_type, bytes) = (entry.value_type(), entry.heap_bytes() as u64);
        Some(OversizedKey { slot: note.slot, db: note.db, key: note.key.into(), value_type, bytes })
    };
    let mut keys: Vec<OversizedKey> = core.totals.oversized.notes().into_iter().filter_map(measure).collect();
    keys.sort_by(|a, b| (Reverse(a.bytes), a.slot, &a.key).cmp(&(Reverse(b.bytes), b.slot, &b.key)));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;

    fn slot(key: &str) -> Slot {
        Slot::of(key.as_bytes())
    }

    /// What all slots hold adds up to what the whole engine counts.
    fn assert_adds_up(db: &Engine) {
        let (mut keys, mut expires, mut bytes) = (0, 0, 0);
        for (_, stats) in db.all_slot_stats() {
            (keys, expires, bytes) = (keys + stats.keys, expires + stats.expires, bytes + stats.bytes);
        }
        let totals = &db.core.totals;
        let of_all = |count: fn(&crate::keyspace::totals::Totals, u16) -> u64| -> u64 {
            (0..DATABASE_COUNT).map(|db| count(totals, db)).sum()
        };
        assert_eq!((keys, expires), (of_all(|t, db| t.keys(db)), of_all(|t, db| t.expires(db))));
        let empty = Engine::in_memory().core.totals.bytes();
        assert_eq!(bytes, totals.bytes() - empty);
    }

    #[test]
    fn what_slots_hold_adds_up_to_the_whole_whatever_happens_to_keys() {
        let bench = Bench::new();
        for number in 0..3000 {
            bench.run(&format!("SET {number} {}", "v".repeat(number % 300)));
            bench.run(&format!("HSET {{h}}{} f{number} {number}", number % 7));
        }
        assert_adds_up(&bench.db);
        for number in 0..3000 {
            match number % 5 {
                0 => bench.run(&format!("APPEND {number} {}", "x".repeat(number % 100))),
                1 => bench.run(&format!("DEL {number}")),
                2 => bench.run(&format!("PEXPIRE {number} 5")),
                3 => bench.run(&format!("RENAME {number} {{r}}{number}")),
                _ => bench.run(&format!("MOVE {number} 3")),
            };
        }
        assert_adds_up(&bench.db);
        bench.advance_ms(10);
        bench.db.tick(bench.db.now(), 1_000_000);
        assert_adds_up(&bench.db);
        bench.run("SWAPDB 0 3");
        assert_adds_up(&bench.db);
        bench.run("FLUSHALL SYNC");
        assert_adds_up(&bench.db);
        assert_eq!(bench.db.slot_stats(slot("h")).bytes, 0);
    }

    #[test]
    fn flows_count_in_each_slot_until_they_are_reset() {
        let bench = Bench::new();
        for _ in 0..200 {
            bench.run("MSET a 1 b 1");
            bench.run("MGET a b c");
        }
        bench.run("INCR a");
        let flows = |key| {
            let stats = bench.db.slot_stats(slot(key));
            (stats.reads, stats.writes)
        };
        assert_eq!((flows("a"), flows("b"), flows("c")), ((200, 201), (200, 200), (200, 0)));
        bench.db.reset_stats();
        assert_eq!((flows("a"), bench.db.slot_stats(slot("a")).keys), ((0, 0), 1));
        assert_eq!(bench.db.slot_stats(slot("a")).cpu_ns, 0);
    }

    #[test]
    fn the_slots_that_are_asked_most_come_first() {
        let bench = Bench::new();
        for (key, count) in [("a", 3), ("b", 9), ("c", 5)] {
            (0..count).for_each(|_| drop(bench.run(&format!("INCR {key}"))));
        }
        let hottest: Vec<Slot> = bench.db.hottest_slots(2).into_iter().map(|(slot, _)| slot).collect();
        assert_eq!(hottest, [slot("b"), slot("c")]);
    }

    #[test]
    fn large_keys_are_told_with_their_size_while_they_are_there() {
        let db = Engine::in_memory();
        let large = |bytes: usize| vec![b'x'; bytes];
        db.set("a", large(3 << 20)).unwrap();
        db.set("b", large(1 << 19)).unwrap();
        db.append("b", large(1 << 20)).unwrap();
        for number in 0..40 {
            db.hset("h", format!("f{number}"), large(1 << 16)).unwrap();
        }
        db.set("small", large(1 << 10)).unwrap();
        let told = || -> Vec<(String, ValueType)> {
            let name = |key: OversizedKey| (String::from_utf8(key.key).unwrap(), key.value_type);
            db.oversized_keys().into_iter().map(name).collect()
        };
        let (string, hash) = (ValueType::String, ValueType::Hash);
        assert_eq!(told(), [("a".into(), string), ("h".into(), hash), ("b".into(), string)]);
        assert!(db.oversized_keys()[1].bytes > 40 << 16);
        db.set("a", "small").unwrap();
        db.del("b").unwrap();
        assert_eq!(told(), [("h".into(), hash)]);
        db.call(&["FLUSHALL"]);
        assert_eq!(told(), []);
    }
}
