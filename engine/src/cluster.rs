//! The doors of a cluster's node: what whoever owns the cluster's configuration tells the engine, and what comes over its bus.
//!
//! - [`Engine::set_gate`], [`Engine::set_cluster_down`], [`Engine::set_redirects`]: who is served, and where the others go.
//! - [`Engine::has_keys`], [`Engine::drop_slots`]: keys of slots that were lost.
//! - [`Engine::deliver`]: a message that a client of another node published. What clients publish here the
//!   [host](crate::Host::published) is told.

use crate::effect::Offset;
use crate::engine::Engine;
use crate::gate::Redirects;
use crate::host::{Channel, Published};
use crate::keyspace::GateState;
use crate::keyspace::admission::Keys;
use crate::keyspace::slots::SlotGuard;
use crate::keyspace::waiting::{Outcome, Waiter};
use crate::pubsub::{Woken, wake};
use crate::slot::{Slot, SlotSet};
use crate::turn::drop_keys;
use crate::turn::waiting::dismiss;

/// What [`Engine::drop_slots`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DropReport {
    /// How many keys were deleted.
    pub keys: usize,
    /// Whether there may be more: call it again.
    pub more: bool,
}

impl Engine {
    /// Turns the rules of a cluster on or off: one slot for each request, database 0 only.
    pub fn set_cluster(&self, on: bool) {
        self.core.gate.set_cluster(on);
    }

    /// Says whether the cluster as a whole serves requests. O(slots). Called by whoever calls [`Self::set_gate`], one at a
    /// time.
    pub fn set_cluster_down(&self, down: bool) {
        self.core.gate.set_down(down);
        let (from, to) = match down {
            true => (GateState::Open, GateState::Down),
            false => (GateState::Down, GateState::Open),
        };
        for slot in Slot::all() {
            let mut guard = self.core.slots.lock_as_is(slot);
            if guard.state.admission.gate() == from {
                guard.state.admission.set_gate(to);
            }
            self.send_away(guard);
        }
    }

    /// Publishes where clients are sent whose slot is not served here. O(ranges * log ranges). To be called before slots are closed
    /// that it leads away from: a slot of which it knows no owner is answered as one that nobody serves.
    pub fn set_redirects(&self, redirects: Redirects) {
        self.core.gate.set_redirects(redirects);
    }

    /// Opens or closes slots for clients. O(slots + shard channels), each slot locked for a moment. Who waits for a key in a slot that
    /// is served here no longer is sent away, and who listens to shard channels of a slot that changes its owner is told so.
    /// Called by whoever calls [`Self::set_cluster_down`], one at a time.
    pub fn set_gate(&self, slots: impl IntoIterator<Item = Slot>, state: GateState) {
        let state = match state {
            GateState::Open if self.core.gate.is_down() => GateState::Down,
            state => state,
        };
        let mut left = SlotSet::default();
        let mut unpaused = 0;
        for slot in slots {
            let mut guard = self.core.slots.lock_as_is(slot);
            let before = guard.state.admission.gate();
            if !before.keeps_owner(state) {
                left.insert(slot);
            }
            match (before == GateState::Paused, state == GateState::Paused) {
                // Before anybody can meet it.
                (false, true) => self.core.clients.pause_slots(1),
                (true, false) => unpaused += 1,
                _ => {}
            }
            if (before == GateState::Staged) != (state == GateState::Staged) {
                self.core.totals.set_hidden(slot, state == GateState::Staged);
            }
            guard.state.admission.set_gate(state);
            self.send_away(guard);
        }
        if unpaused > 0 {
            self.core.clients.unpause_slots(unpaused);
        }
        // Who subscribes from here on finds the new state.
        let mut woken = Woken::new();
        self.core.pubsub.leave_slots(&left, &mut self.core.post(Offset(0), &mut woken));
        wake(&mut woken);
    }

    /// What the gate says of a slot.
    pub fn gate(&self, slot: Slot) -> GateState {
        self.core.slots.lock_as_is(slot).state.admission.gate()
    }

    /// Whether any of `slots` has keys here, those included whose time has passed. A slot whose keys are not loaded yet counts as
    /// one that has some. O(slots), each locked for a moment.
    pub fn has_keys(&self, slots: &SlotSet) -> bool {
        slots.iter().any(|slot| {
            let guard = self.core.slots.lock_as_is(slot);
            guard.state.admission.keys() != Keys::Here || guard.state.first().len() > 0
        })
    }

    /// Deletes keys of `slots`, which belong to this node no longer: at most `budget` of them, in turns of some hundreds. Effects
    /// name them, many in each, unless this node follows another. To be called again while it says `more`, once the
    /// [gate](Self::set_gate) of the slots is closed.
    pub fn drop_slots(&self, slots: &SlotSet, budget: usize) -> DropReport {
        let mut report = DropReport::default();
        for slot in slots.iter() {
            report.keys += drop_keys(&self.core, slot, budget - report.keys);
            if report.keys == budget {
                return DropReport { more: self.has_keys(slots), ..report };
            }
        }
        report
    }

    /// Gives a message that was published at another node to all who listen here; says to how many. Nothing is recorded, and the host
    /// is not told. O(listeners + patterns).
    pub fn deliver(&self, message: Published<'_>) -> usize {
        let Published { channel, name, message } = message;
        let mut woken = Woken::new();
        let post = &mut self.core.post(Offset(0), &mut woken);
        let count = match channel {
            Channel::Plain => self.core.pubsub.publish(name, message, post),
            Channel::Sharded => self.core.pubsub.publish_to_shard(name, message, post),
        };
        wake(&mut woken);
        count
    }

    /// Tells those who wait in a closed slot what they would be told if they came now.
    #[inline]
    fn send_away(&self, guard: SlotGuard<'_>) {
        if guard.state.is_awaited() {
            self.send_waiters_away(guard);
        }
    }

    #[cold]
    fn send_waiters_away(&self, mut guard: SlotGuard<'_>) {
        let (slot, gate) = (guard.slot(), guard.state.admission.gate());
        if gate != GateState::Open {
            let reason = |waiter: &Waiter| self.core.gate.send_away(slot, gate, waiter.standing);
            let waiters = dismiss(&mut guard, |waiter| reason(waiter).is_some());
            drop(guard);
            for waiter in waiters {
                if let Some(error) = reason(&waiter) {
                    waiter.end(Outcome::Refused(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, ask, assert_totals, session};

    fn set(keys: &[&str]) -> SlotSet {
        keys.iter().map(|key| Slot::of(key.as_bytes())).collect()
    }

    #[test]
    fn lost_slots_are_emptied_in_parts_and_effects_name_each_key_once() {
        let bench = Bench::new();
        bench.db.set_cluster(true);
        for number in 0..1000 {
            bench.db.set(format!("{{a}}{number}"), "v").unwrap();
        }
        bench.run("SET {b}due v PX 1");
        bench.run("RPUSH {b}list x");
        bench.run("SET {c}kept v");
        bench.effects();
        bench.advance_ms(5);
        let lost = set(&["a", "b"]);
        bench.db.set_gate(lost.iter(), GateState::Elsewhere);
        bench.db.set_due_keys(crate::DueKeys::Hide);
        assert!(bench.db.has_keys(&lost));
        let (mut total, mut calls) = (0, 0);
        loop {
            let report = bench.db.drop_slots(&lost, 300);
            assert!(report.keys <= 300);
            (total, calls) = (total + report.keys, calls + 1);
            if !report.more {
                break;
            }
        }
        assert_eq!((total, calls), (1002, 4));
        assert!(!bench.db.has_keys(&lost) && bench.db.has_keys(&set(&["c"])));
        let effects = bench.effects();
        assert!(effects.iter().all(|effect| effect.starts_with("DEL ")) && effects.len() < 20, "{}", effects.len());
        let named: std::collections::BTreeSet<&str> =
            effects.iter().flat_map(|effect| effect.split(' ').skip(1)).collect();
        assert_eq!(named.len(), 1002);
        assert_eq!(bench.ask("DBSIZE"), ":1\r\n");
        bench.assert_replays();
    }

    #[test]
    fn who_watches_a_key_of_a_lost_slot_is_told_and_events_are_announced() {
        let bench = Bench::new();
        bench.db.options().set_keyspace_events("KEA".parse().unwrap());
        bench.db.set_cluster(true);
        bench.run("SET {a}1 v");
        let mut watcher = session(&bench.db);
        ask(&mut watcher, "WATCH {a}1");
        ask(&mut watcher, "MULTI");
        ask(&mut watcher, "PING");
        bench.db.set_gate(set(&["a"]).iter(), GateState::Elsewhere);
        bench.db.drop_slots(&set(&["a"]), 10);
        assert_eq!(ask(&mut watcher, "EXEC"), "*-1\r\n");
        assert_eq!(bench.db.core.announced.lock().last().unwrap(), "0 del {a}1");
    }

    #[test]
    fn a_lost_slot_of_any_size_leaves_nothing_behind() {
        for keys in [1, 1_023, 1_024, 3_000] {
            let bench = Bench::new();
            bench.db.set_cluster(true);
            (0..keys).for_each(|n| bench.db.set(format!("{{a}}{n}"), "v").unwrap());
            let fields: Vec<String> = (0..20_000).map(|n| format!("f{n}")).collect();
            fields.iter().for_each(|field| drop(bench.db.call(&["HSET", "{a}large", field, "v"])));
            let lost = set(&["a"]);
            bench.db.set_gate(lost.iter(), GateState::Elsewhere);
            let view = (keys == 1_023).then(|| bench.db.view());
            assert_eq!(bench.db.drop_slots(&lost, 5_000), DropReport { keys: keys + 1, more: false }, "{keys}");
            assert_eq!(bench.ask("DBSIZE"), ":0\r\n");
            match view {
                Some(view) => assert_eq!(view.slot(Slot::of(b"a")).len(), keys + 1),
                None => assert_eq!(bench.db.core.reclaim.pending(), 1, "what is long to free is freed in parts"),
            }
            while bench.db.tick(bench.db.now(), 1_000).more {}
            assert_eq!(bench.db.core.reclaim.pending(), 0);
            assert_totals(&bench.db);
            bench.assert_replays();
        }
    }

    #[test]
    fn a_node_that_follows_drops_without_effects() {
        let bench = Bench::new();
        bench.db.set_cluster(true);
        bench.run("SET {a}1 v");
        bench.effects();
        bench.db.options().set_follows(true);
        assert_eq!(bench.db.drop_slots(&set(&["a"]), 10), DropReport { keys: 1, more: false });
        assert_eq!(bench.effects(), Vec::<String>::new());
    }
}
