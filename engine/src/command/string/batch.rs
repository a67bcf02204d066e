//! Many strings at once for embedders: the waits for memory of a group of keys overlap, which makes them several times
//! faster than the same keys one by one.
//!
//! Not atomic as a whole: it is done in groups of at most 16 keys. MGET and MSET are one turn.

use super::many::Pair;
use super::set::{NewExpiry, SetIf, store};
use crate::effect::Offset;
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::turn::{GROUP_KEYS, Turn, look_group};
use crate::value::StrRef;

impl Engine {
    /// Lends the strings at `keys` to `f`, in order, each with its number; `None` where there is no key, or another
    /// type. `f` runs while slots are locked: it must not use this engine. The keys are not all seen at one moment. Fails
    /// at the first key whose slot is not served here, after those before it. O(keys), no allocation for each key; four
    /// to seven times as fast as as many calls of [`Engine::get_with`] where the keys are out of the caches.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.set_many(&[("a", "1"), ("b", "22")])?;
    /// let mut bytes = 0;
    /// db.get_many(&["a", "b", "c"], |_, value| bytes += value.map_or(0, <[u8]>::len))?;
    /// assert_eq!(bytes, 3);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn get_many(
        &self,
        keys: &[impl AsRef<[u8]>],
        mut f: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<(), CommandError> {
        let promise = self.promise();
        let (mut done, mut newest) = (0, Offset(0));
        while done < keys.len() {
            let lend = |number, entry: Option<&EntryRef>| match entry.and_then(EntryRef::as_string) {
                None => f(done + number, None),
                Some(value) => value.with_bytes(|bytes| f(done + number, Some(bytes))),
            };
            let (count, offset) = look_group(&self.core, &keys[done..], || self.core.now(), lend);
            newest = newest.max(offset);
            done += count;
            if count == 0 {
                // The key is due, or its slot is not open: that takes a turn.
                match self.get_with(&keys[done], |value| f(done, value)) {
                    Err(CommandError::WrongType) => f(done, None),
                    result => result?,
                }
                done += 1;
            }
        }
        Ok(self.keep(promise, newest)?)
    }
}

impl Engine {
    /// Stores each value at its key, whatever was there; expiries are cleared. Of a key that comes twice the last value
    /// stays. Each 16 pairs are one turn and one batch, all of them are not. Fails, with what came before stored, at a
    /// group of which a slot is served elsewhere. O(bytes); several times faster than as many calls of [`Engine::set`].
    pub fn set_many(&self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<(), CommandError> {
        let promise = self.promise();
        let (mut newest, mut buffer) = (Offset(0), Vec::new());
        for group in pairs.chunks(GROUP_KEYS) {
            self.reserve(Access::Grow)?;
            let (mut turn, keys) = Turn::over_group(&self.core, buffer, group.iter().map(Pair::key))?;
            for (key, pair) in keys.iter().zip(group) {
                store(&mut turn, key, StrRef::of(pair.value()), SetIf::Always, NewExpiry::Clear);
            }
            let committed = turn.commit();
            (newest, buffer) = (newest.max(committed.offset), committed.buffer);
        }
        Ok(self.keep(promise, newest)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::slot::Slot;
    use crate::{Engine, GateState};
    use std::collections::BTreeMap;

    #[test]
    fn values_come_in_the_order_of_the_keys_whatever_their_slots() {
        let bench = Bench::new();
        let pairs: Vec<_> = (0..1000).map(|n| (format!("{{{}}}{n}", n % 300), format!("value {n}"))).collect();
        bench.db.set_many(&pairs).unwrap();
        bench.db.set_many(&[("n", "-7"), ("n", "42")]).unwrap();
        let mut keys: Vec<_> = pairs.iter().rev().map(|(key, _)| key.as_str()).collect();
        keys.insert(500, "missing");
        keys.push("n");
        let expected: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut next = 0;
        bench
            .db
            .get_many(&keys, |number, value| {
                assert_eq!(number, next);
                next += 1;
                let expected = expected.get(keys[number]).copied().or((keys[number] == "n").then_some("42"));
                assert_eq!(value, expected.map(str::as_bytes));
            })
            .unwrap();
        assert_eq!(next, keys.len());
        bench.assert_replays();
    }

    #[test]
    fn an_expired_key_is_missing_and_its_deletion_is_recorded() {
        let bench = Bench::new();
        bench.run("SET a 1 PX 100");
        bench.run("SET b 2");
        bench.advance_ms(101);
        bench.effects();
        let mut seen = Vec::new();
        bench.db.get_many(&["a", "b"], |_, value| seen.push(value.map(<[u8]>::to_vec))).unwrap();
        assert_eq!(seen, [None, Some(b"2".to_vec())]);
        assert_eq!(bench.effects(), ["DEL a"]);
    }

    #[test]
    fn a_closed_slot_ends_the_batch_before_its_first_key() {
        let bench = Bench::new();
        let keys: Vec<_> = (0..40).map(|n| n.to_string()).collect();
        bench.db.set_many(&keys.iter().map(|key| (key, key)).collect::<Vec<_>>()).unwrap();
        bench.db.set_gate([Slot::of(b"20")], GateState::Unassigned);
        let mut count = 0;
        assert!(bench.db.get_many(&keys, |_, _| count += 1).is_err());
        assert_eq!(count, 20);
    }

    #[test]
    fn batches_over_the_same_slots_in_any_order_do_not_block_each_other() {
        let db = Engine::builder().seed(3).in_memory();
        let keys: Vec<_> = (0..64).map(|n| format!("{{{}}}{n}", n % 24)).collect();
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                let (db, keys) = (&db, &keys);
                scope.spawn(move || {
                    let mut order: Vec<_> = keys.iter().map(|key| (key, key)).collect();
                    for round in 0..200 {
                        order.rotate_left(1 + (round + thread) % 7);
                        if thread % 2 == 1 {
                            order.reverse();
                        }
                        db.set_many(&order).unwrap();
                        let asked: Vec<_> = order.iter().map(|(key, _)| *key).collect();
                        db.get_many(&asked, |number, value| assert_eq!(value, Some(asked[number].as_bytes()))).unwrap();
                    }
                });
            }
        });
        assert_eq!(db.mget(&keys).unwrap().into_iter().flatten().count(), keys.len());
    }
}
