//! Slots that are loaded when somebody first touches them, so that an engine can serve before all its data is in memory.
//!
//! ```text
//! Engine::set_source(slots, source)      these slots are cold: the engine knows that they have keys, and not which
//!
//! anybody locks a cold slot -> source.keys   -> tables, filled apart
//!                           -> source.changes -> applied in a turn of replay
//!                           -> the slot is like any other, or, where the source failed, refuses whatever asks for its keys
//! ```
//!
//! Reading, writing, views, scans, all meet a slot through its lock, so none of them can tell that it was cold; nothing but
//! the first wait, tens of microseconds for a few hundred keys, says so. Sums over all slots ([`Engine::db_size`], DBSIZE,
//! RANDOMKEY) load what is cold first.
//!
//! Invariants
//! - A slot is loaded once, by the thread that touched it first, which holds it meanwhile.
//! - A view that is being taken gets a slot as it is when it is loaded wholly.
//! - What was loaded is not recorded, announced or counted as changed.

use crate::apply;
use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::keyspace::slots::{SlotGuard, Warm};
use crate::loader::Loader;
use crate::slot::{Slot, SlotSet};
use crate::turn::{Opening, Origin, Turn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

/// Where an engine gets the keys of cold slots from. Asked once for each slot, by whichever thread needs it, while that
/// holds the slot: neither method may use the engine, other than through what it is given.
pub trait SlotSource: Send + Sync {
    /// Gives the slot's keys to `into`, which takes no others. An error is told to whoever asks for a key of the slot.
    fn keys(&self, slot: Slot, into: &mut Loader) -> Result<(), String>;

    /// Gives the effects that changed the slot since, with their databases, in order: `apply(db, command)`.
    fn changes(&self, slot: Slot, apply: &mut ApplyChange<'_>) -> Result<(), String>;
}

/// Applies one effect to the slot that is being loaded.
pub type ApplyChange<'a> = dyn FnMut(u16, &[&[u8]]) -> Result<(), CommandError> + 'a;

impl Engine {
    /// Makes slots cold: their keys come from `source`, each slot's when somebody first needs it or [`Engine::load_slot`] is
    /// called. The slots must be empty, and the engine serve nobody yet. False, and nothing is done, while slots of an
    /// earlier source are cold. O(slots).
    ///
    /// ```
    /// use keyslot_engine::{ApplyChange, Engine, Loader, Slot, SlotSet, SlotSource, StrRef};
    /// use std::sync::Arc;
    ///
    /// struct Names;
    /// impl SlotSource for Names {
    ///     fn keys(&self, _: Slot, into: &mut Loader) -> Result<(), String> {
    ///         into.string(0, b"name", StrRef::Bytes(b"ada"), None).map_err(|error| error.to_string())
    ///     }
    ///     fn changes(&self, _: Slot, apply: &mut ApplyChange<'_>) -> Result<(), String> {
    ///         apply(0, &[b"APPEND", b"name", b"!"]).map_err(|error| error.to_string())
    ///     }
    /// }
    ///
    /// let db = Engine::in_memory();
    /// let slots: SlotSet = [Slot::of(b"name")].into_iter().collect();
    /// assert!(db.set_source(&slots, Arc::new(Names)));
    /// assert_eq!(db.cold_slots(), 1);
    /// assert_eq!(db.get("name")?.as_deref(), Some(&b"ada!"[..]));
    /// assert_eq!(db.cold_slots(), 0);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn set_source(&self, slots: &SlotSet, source: Arc<dyn SlotSource>) -> bool {
        let core = Arc::downgrade(&self.core);
        // Which databases a slot has is known when it is loaded.
        for slot in slots.iter() {
            (0..DATABASE_COUNT).for_each(|db| self.core.totals.set_occupied(slot, db));
        }
        self.core.slots.cool(slots.iter(), Arc::new(Hydration { core, source }))
    }

    /// How many slots are cold.
    pub fn cold_slots(&self) -> usize {
        self.core.slots.cold_count()
    }

    /// Loads a slot if it is cold. For a thread that loads what nobody touched yet.
    pub fn load_slot(&self, slot: Slot) {
        if self.cold_slots() > 0 {
            drop(self.core.slots.lock(slot));
        }
    }

    /// Slots that could not be loaded, and why. Requests for their keys get [`CommandError::SlotUnreadable`]; a view does not
    /// hold them.
    pub fn unreadable_slots(&self) -> Vec<(Slot, String)> {
        self.core.slots.unreadable()
    }
}

/// A source and the engine that asks it.
struct Hydration {
    core: Weak<Core>,
    source: Arc<dyn SlotSource>,
}

impl Warm for Hydration {
    fn warm(&self, mut guard: SlotGuard<'_>) {
        let slot = guard.slot();
        let Some(core) = self.core.upgrade() else { return };
        let mut loader = Loader::apart(&core, slot);
        let outcome = caught(|| self.source.keys(slot, &mut loader))
            .and_then(|()| loader.into_shards().map_err(|error| error.to_string()));
        match outcome {
            Ok(shards) => shards.into_iter().for_each(|(db, shard)| *guard.state.shard_mut(db) = shard),
            Err(reason) => {
                mark_empty(&core, &guard);
                core.slots.note_warm(&mut guard.state, slot, Err(reason));
                return;
            }
        }
        let mut turn = Turn::over(&core, Opening { origin: Origin::Replay, ..Opening::client(0) }, guard);
        let outcome = self.apply_changes(slot, &mut turn);
        if outcome.is_err() {
            for db in 0..DATABASE_COUNT {
                turn.clear(db);
            }
        }
        for guard in turn.guards() {
            mark_empty(&core, guard);
        }
        for (slot, state) in turn.states_mut() {
            core.slots.note_warm(state, slot, outcome.clone());
        }
        turn.commit();
    }
}

impl Hydration {
    fn apply_changes(&self, slot: Slot, turn: &mut Turn<'_>) -> Result<(), String> {
        let mut out = Vec::new();
        caught(|| {
            self.source.changes(slot, &mut |db, args| {
                turn.select(apply::check_database(Some(db))?);
                apply::run(turn, args, &mut out)
            })
        })
    }
}

/// Says of each database that has no keys in this slot that it has none.
fn mark_empty(core: &Core, guard: &SlotGuard<'_>) {
    let has_none = |db: &u16| guard.state.shard(*db).is_none_or(|shard| shard.len() == 0);
    (0..DATABASE_COUNT).filter(has_none).for_each(|db| core.totals.clear_occupied(guard.slot(), db));
}

/// A source that panics makes one slot unreadable, and does not leave it half loaded.
fn caught(f: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err("loading it panicked".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{assert_totals, contents, quiet};
    use crate::keyspace::GateState;
    use crate::text::StrRef;
    use crate::view::View;
    use parking_lot::Mutex;
    use std::collections::BTreeMap;

    /// Keys of many slots, the changes behind them, and which slots fail how.
    #[derive(Default)]
    struct Shelf {
        keys: BTreeMap<Slot, Vec<(u16, String)>>,
        changes: BTreeMap<Slot, Vec<(u16, String)>>,
        bad: BTreeMap<Slot, &'static str>,
        asked: Mutex<Vec<Slot>>,
    }

    impl Shelf {
        fn add(&mut self, db: u16, key: &str) {
            self.keys.entry(Slot::of(key.as_bytes())).or_default().push((db, key.to_owned()));
        }

        fn change(&mut self, db: u16, key: &str, line: &str) {
            self.changes.entry(Slot::of(key.as_bytes())).or_default().push((db, line.to_owned()));
        }

        fn slots(&self) -> SlotSet {
            self.keys.keys().chain(self.changes.keys()).chain(self.bad.keys()).copied().collect()
        }
    }

    impl SlotSource for Shelf {
        fn keys(&self, slot: Slot, into: &mut Loader) -> Result<(), String> {
            self.asked.lock().push(slot);
            for (db, key) in self.keys.get(&slot).into_iter().flatten() {
                into.string(*db, key.as_bytes(), StrRef::Bytes(b"v"), None).map_err(|error| error.to_string())?;
            }
            match self.bad.get(&slot) {
                Some(&"keys") => Err("bits were flipped".to_owned()),
                Some(&"panic") => panic!("a bug"),
                Some(&"stray") => into.string(0, b"no such slot", StrRef::Int(1), None).map_err(|e| e.to_string()),
                _ => Ok(()),
            }
        }

        fn changes(&self, slot: Slot, apply: &mut ApplyChange<'_>) -> Result<(), String> {
            for (db, line) in self.changes.get(&slot).into_iter().flatten() {
                let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                apply(*db, &args).map_err(|error| error.to_string())?;
            }
            Ok(())
        }
    }

    /// 500 keys in two databases, some of them changed; and an engine that has all of that.
    fn shelf() -> (Shelf, Engine) {
        let (mut shelf, (all, _)) = (Shelf::default(), quiet());
        for n in 0..500 {
            let (db, key) = (n % 2 * 3, format!("key:{n}"));
            shelf.add(db, &key);
            all.apply(Origin::Replay, db, &[&[b"SET", key.as_bytes(), b"v"]]).unwrap();
            if n % 7 == 0 {
                let line = format!("APPEND {key} +");
                shelf.change(db, &key, &line);
                all.apply(Origin::Replay, db, &[&[b"APPEND", key.as_bytes(), b"+"]]).unwrap();
            }
            if n % 11 == 0 {
                shelf.change(db, &key, &format!("DEL {key}"));
                all.apply(Origin::Replay, db, &[&[b"DEL", key.as_bytes()]]).unwrap();
            }
        }
        (shelf, all)
    }

    fn cold(shelf: Shelf) -> (Engine, Arc<Shelf>) {
        let (db, _) = quiet();
        let shelf = Arc::new(shelf);
        assert!(db.set_source(&shelf.slots(), shelf.clone()));
        assert!(!db.set_source(&SlotSet::default(), shelf.clone()), "one source at a time");
        (db, shelf)
    }

    #[test]
    fn whoever_asks_finds_what_is_there() {
        let (shelf, all) = shelf();
        for ask in ["GET key:1", "DBSIZE", "RANDOMKEY", "KEYS *", "SCAN 0 COUNT 100000", "DEBUG DIGEST", "STRLEN key:7"]
        {
            let (db, _) = cold(super::tests::shelf().0);
            let args: Vec<&str> = ask.split(' ').collect();
            let (here, there) = (format!("{:?}", db.call(&args)), format!("{:?}", all.call(&args)));
            match args[0] {
                // In whatever order.
                "KEYS" | "SCAN" => assert_eq!(here.len(), there.len(), "{ask}"),
                "RANDOMKEY" => assert!(here.contains("key:"), "{here}"),
                _ => assert_eq!(here, there, "{ask}"),
            }
        }
        let (db, shelf) = cold(shelf);
        let cold = db.cold_slots();
        assert_eq!(db.get("key:14").unwrap().as_deref(), Some(&b"v+"[..]));
        assert_eq!(db.cold_slots(), cold - 1);
        assert_eq!(contents(&db), contents(&all));
        assert_totals(&db);
        assert_eq!((db.cold_slots(), db.changes()), (0, 0));
        let mut asked = shelf.asked.lock().clone();
        asked.dedup();
        assert_eq!(asked.len(), shelf.slots().len(), "each slot once");
        assert!(db.set_source(&SlotSet::default(), shelf.clone()), "the first source is done");
    }

    #[test]
    fn many_threads_load_each_slot_once() {
        let (shelf, all) = shelf();
        let (db, shelf) = cold(shelf);
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                let db = &db;
                scope.spawn(move || {
                    for n in 0..500 {
                        match thread {
                            0 => db.load_slot(Slot::of(format!("key:{n}").as_bytes())),
                            1 => drop(db.get(format!("key:{}", 499 - n)).unwrap()),
                            2 => drop(db.append(format!("key:{n}"), "").unwrap()),
                            _ => drop(db.view()),
                        }
                    }
                });
            }
        });
        let mut asked = shelf.asked.lock().clone();
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!((asked.len(), db.cold_slots()), (count, 0));
        // An append of nothing makes a key of those that were deleted.
        for n in (0..500).step_by(11).filter(|n| n % 2 == 0) {
            db.del(format!("key:{n}")).unwrap();
        }
        (1..500).step_by(2).for_each(|n| drop(db.del(format!("key:{n}"))));
        assert_eq!(contents(&db), contents(&all));
        assert_totals(&db);
    }

    #[test]
    fn a_view_has_slots_whole() {
        let (shelf, all) = shelf();
        let (db, _) = cold(shelf);
        let view = db.view();
        db.call(&["FLUSHALL"]);
        let keys = |view: &View| Slot::all().map(|slot| view.slot(slot).len()).sum::<usize>();
        assert_eq!(keys(&view), keys(&all.view()));
        assert_eq!(keys(&db.view()), 0);
        assert_totals(&db);
    }

    #[test]
    fn a_slot_that_cannot_be_loaded_says_so_and_no_other() {
        for how in ["keys", "panic", "stray", "change"] {
            let (mut shelf, _) = shelf();
            let bad = Slot::of(b"key:14");
            shelf.bad.insert(bad, how);
            if how == "change" {
                shelf.change(0, "key:14", "LPUSH key:14 x");
            }
            let (db, _) = cold(shelf);
            for _ in 0..2 {
                let refused = [db.get("key:14").map(drop), db.set("key:14", "x"), db.del("key:14").map(drop)];
                assert!(refused.iter().all(|r| matches!(r, Err(CommandError::SlotUnreadable { .. }))), "{refused:?}");
            }
            assert!(matches!(
                db.apply(Origin::Replay, 0, &[&[b"SET", b"key:14", b"v"]]),
                Err(CommandError::SlotUnreadable { .. })
            ));
            assert_eq!(db.get("key:2").unwrap().as_deref(), Some(&b"v"[..]));
            db.db_size();
            assert_eq!(db.cold_slots(), 0);
            let unreadable = db.unreadable_slots();
            assert_eq!(unreadable.len(), 1);
            assert_eq!(unreadable[0].0, bad);
            assert!(!unreadable[0].1.is_empty());
            assert_totals(&db);
            // The gate goes its own way.
            db.set_gate([bad], GateState::Elsewhere);
            db.set_gate([bad], GateState::Open);
            assert!(matches!(db.get("key:14"), Err(CommandError::SlotUnreadable { .. })));
        }
    }
}
