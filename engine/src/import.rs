//! Slots that move in: their keys and the effects behind those, recorded like everything else that changes.
//!
//! A host [stages](crate::GateState::Staged) the slots, has an [importer](Engine::importer) store their keys, applies the effects that
//! follow under [`Origin::Import`](crate::Origin::Import), and opens the slots when they are this node's. What is given up is
//! [dropped](Engine::drop_slots).

use crate::engine::Engine;
use crate::loader::Loader;
use std::sync::atomic::Ordering;

impl Engine {
    /// A loader for slots that move in: unlike [`loader`](Self::loader) the engine may serve others meanwhile, and what is stored is
    /// recorded, about a hundred keys in each batch. A key that is there already is an error.
    ///
    /// ```
    /// use keyslot_engine::{Engine, GateState, Slot, StrRef};
    /// let db = Engine::in_memory();
    /// db.set_cluster(true);
    /// let slot = Slot::of(b"k");
    /// db.set_gate([slot], GateState::Staged);
    /// db.importer().string(0, b"k", StrRef::Bytes(b"v"), None)?;
    /// assert_eq!(db.db_size(), 0, "nobody sees it yet");
    /// db.set_gate([slot], GateState::Open);
    /// assert_eq!(db.get("k")?.as_deref(), Some(&b"v"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn importer(&self) -> Loader {
        Loader::in_turns(&self.core)
    }

    /// How often a whole database was emptied: who copies slots here looks whether that happened meanwhile.
    pub fn clears(&self) -> u64 {
        self.core.clears.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals, contents, quiet};
    use crate::payload::Style;
    use crate::slot::Slot;
    use crate::{Attributes, GateState, LoadError, StrRef};

    const REQUESTS: [&str; 7] = [
        "SET {a}s text EX 100",
        "RPUSH {a}l a b 1",
        "SADD {a}t 1 2",
        "ZADD {a}z 1 a 2 b",
        "HSET {a}h f v",
        "XADD {a}x 1-1 f v",
        "INCR {a}n",
    ];

    #[test]
    fn what_moves_in_is_recorded_and_hidden_until_its_slot_opens() {
        let (source, bench) = (quiet().0, Bench::new());
        for request in REQUESTS {
            source.call(&request.split(' ').collect::<Vec<_>>());
        }
        bench.db.set_cluster(true);
        let slot = Slot::of(b"a");
        bench.db.set_gate([slot], GateState::Staged);
        let mut importer = bench.db.importer();
        let view = source.view();
        for entry in view.slot(slot).iter() {
            let mut bytes = Vec::new();
            let number = entry.encode(Style::default(), &mut bytes);
            let attributes = Attributes { expiry: entry.expiry(), ..Attributes::default() };
            importer.value(0, entry.key(), attributes, number, &bytes).unwrap();
        }
        assert_eq!(importer.finish().unwrap().keys, 7);
        for (ask, none) in [
            ("DBSIZE", ":0\r\n"),
            ("KEYS *", "*0\r\n"),
            ("RANDOMKEY", "$-1\r\n"),
            ("SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ] {
            assert_eq!(bench.ask(ask), none, "{ask}");
        }
        bench.db.set_gate([slot], GateState::Open);
        assert_eq!(bench.ask("DBSIZE"), ":7\r\n");
        assert_eq!(contents(&bench.db), contents(&source));
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn a_key_that_is_there_is_refused() {
        let (db, _) = quiet();
        db.set("k", "old").unwrap();
        let mut importer = db.importer();
        importer.string(0, b"k", StrRef::Bytes(b"new"), None).unwrap();
        assert_eq!(importer.finish(), Err(LoadError::Twice { db: 0, key: "k".into() }));
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"old"[..]));
    }

    #[test]
    fn many_keys_make_few_batches_and_long_ones_more() {
        let bench = Bench::new();
        bench.db.set_cluster(true);
        bench.db.set_gate([Slot::of(b"a")], GateState::Staged);
        let mut importer = bench.db.importer();
        importer.expect(Slot::of(b"a"), 0, 500);
        (0..500).for_each(|n| importer.string(0, format!("{{a}}{n}").as_bytes(), StrRef::Int(n), None).unwrap());
        assert_eq!(importer.finish().unwrap().keys, 500);
        let lens: Vec<usize> = bench.batches().iter().map(|batch| batch.effects.len()).collect();
        assert_eq!(lens, [128, 128, 128, 116]);
        let mut importer = bench.db.importer();
        let long = vec![b'x'; 100 << 10];
        (0..9)
            .for_each(|n| importer.string(0, format!("{{a}}long{n}").as_bytes(), StrRef::Bytes(&long), None).unwrap());
        assert_eq!(importer.finish().unwrap().keys, 9);
        assert_eq!(bench.batches().len(), 3);
        bench.db.set_gate([Slot::of(b"a")], GateState::Open);
        assert_totals(&bench.db);
        bench.assert_replays();
    }

    #[test]
    fn what_moves_in_does_not_expire() {
        let bench = Bench::new();
        bench.db.set_cluster(true);
        let slot = Slot::of(b"k");
        bench.db.set_gate([slot], GateState::Staged);
        let at = bench.db.now().saturating_add(5);
        bench.db.importer().string(0, b"k", StrRef::Bytes(b"v"), Some(at)).unwrap();
        bench.advance_ms(10);
        bench.db.tick(bench.db.now(), 1000);
        assert!(bench.db.has_keys(&[slot].into_iter().collect()));
        bench.db.set_gate([slot], GateState::Open);
        bench.db.tick(bench.db.now(), 1000);
        assert!(!bench.db.has_keys(&[slot].into_iter().collect()));
    }

    #[test]
    fn emptying_a_database_is_counted() {
        let (db, _) = quiet();
        let before = db.clears();
        db.flushall().unwrap();
        db.call(&["FLUSHDB"]);
        assert_eq!(db.clears(), before + 2);
    }
}
