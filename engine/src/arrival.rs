//! A key that arrives from another server piece by piece.
//!
//! ```text
//! Engine::poll_arrive -> Arrival: nobody but one client finds the key; that one writes it, by as many commands as it takes
//!                          |-- keep: the key is there, for everybody
//!                          '-- dropped: what there is of it is deleted
//! ```
//!
//! Invariants
//! - Nobody sees a part of the value: who asks for the key waits until it is whole, or gone.
//! - Each piece is a change of its own, to the log and to replicas too: no slot is held for longer than a piece takes.

use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::gate::Caller;
use crate::keyspace::GateState;
use crate::keyspace::admission::Keys;
use crate::keyspace::leaving::Reads;
use crate::keyspace::slots::SlotGuard;
use crate::slot::Slot;
use crate::turn::{Opening, Turn, presence};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// A key in the making, which one client writes.
#[must_use = "dropped, the key is deleted"]
pub struct Arrival {
    core: Arc<Core>,
    db: u16,
    slot: Slot,
    key: Box<[u8]>,
    is_kept: bool,
}

/// What becomes of a key in the place of one that arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InPlace {
    /// It is replaced: the pieces begin with its deletion.
    Replaced,
    /// It stays, and nothing arrives.
    Kept,
}

impl Engine {
    /// Has a key of database `db` arrive, which the client with this id writes from here on. `Pending` while the key is on its way
    /// already, or clients are paused; `waker` is woken when it may be otherwise. In a cluster the client is one that was told to ask
    /// here. O(1).
    pub fn poll_arrive(
        &self,
        client_id: u64,
        db: u16,
        key: &[u8],
        in_place: InPlace,
        waker: &Waker,
    ) -> Poll<Result<Arrival, CommandError>> {
        let (core, slot) = (&self.core, Slot::of(key));
        let mut guard = core.slots.lock(slot);
        if let Err(error) = admit(core, &guard, key) {
            return Poll::Ready(Err(error));
        }
        if core.clients.is_paused(core.now()) {
            drop(guard);
            core.clients.wake_others_after_pause(waker);
            return Poll::Pending;
        }
        if guard.state.admission.has_leaving() && guard.state.leaving_mut().delays(key, true, client_id) {
            guard.state.leaving_mut().wait(waker);
            return Poll::Pending;
        }
        let mut turn = Turn::over(core, Opening::client(db), guard);
        let found = turn.key(key).is_ok_and(|key| turn.find(&key).is_some());
        if found && in_place == InPlace::Kept {
            turn.commit();
            return Poll::Ready(Err(CommandError::text("BUSYKEY Target key name already exists.")));
        }
        for (_, state) in turn.states_mut() {
            state.leaving_mut().enter(db, key, Reads::Wait, client_id);
            state.admission.set_leaving(true);
        }
        turn.commit();
        Poll::Ready(Ok(Arrival { core: Arc::clone(core), db, slot, key: key.into(), is_kept: false }))
    }
}

impl Arrival {
    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Says that the value is whole: it is there for everybody.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let core = &self.core;
        let mut guard = core.slots.lock(self.slot);
        let leaving = guard.state.leaving_mut();
        leaving.leave(self.db, &self.key);
        let (waiting, is_left) = (leaving.take_waiting(), !leaving.is_empty());
        guard.state.admission.set_leaving(is_left);
        // While nothing may be written what there is of it is left to its expiry.
        if !self.is_kept && !core.options.follows() && !core.clients.is_paused(core.now()) {
            let mut turn = Turn::over(core, Opening::client(self.db), guard);
            if let Ok(key) = turn.key(&self.key) {
                turn.drop_key(&key);
            }
            turn.commit();
        } else {
            drop(guard);
        }
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// Whether a key may arrive in a slot.
fn admit(core: &Core, guard: &SlotGuard<'_>, key: &[u8]) -> Result<(), CommandError> {
    let (slot, admission) = (guard.slot(), guard.state.admission);
    match (admission.keys(), admission.gate()) {
        (Keys::Unreadable, _) => Err(CommandError::SlotUnreadable { slot, reason: core.slots.why_unreadable(slot) }),
        (_, GateState::Open) => Ok(()),
        (_, gate) => {
            let caller = Caller { writes: true, asks: true, ..Caller::default() };
            core.gate.decide(&core.options, slot, gate, caller, || presence(core, guard, [key].into_iter()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Bench, Client};

    fn arrive(bench: &Bench, client: &Client, key: &str, in_place: InPlace) -> Result<Arrival, CommandError> {
        match bench.db.poll_arrive(client.session.id(), 0, key.as_bytes(), in_place, Waker::noop()) {
            Poll::Ready(arrival) => arrival,
            Poll::Pending => panic!("{key} cannot arrive"),
        }
    }

    #[test]
    fn nobody_but_its_writer_finds_a_key_before_it_is_whole() {
        let bench = Bench::new();
        let mut writer = Client::new(&bench.db);
        let arrival = arrive(&bench, &writer, "k", InPlace::Kept).unwrap();
        assert_eq!(writer.ask("HSET k a 1"), ":1\r\n");
        let mut reader = Client::waiting(&bench.db, "HLEN k");
        let mut other = Client::waiting(&bench.db, "HSET k c 3");
        assert_eq!(writer.ask("HSET k b 2"), ":1\r\n");
        assert_eq!(bench.ask("SET {k}other v"), "+OK\r\n");
        arrival.keep();
        assert_eq!(reader.served(), ":2\r\n");
        assert_eq!(other.served(), ":1\r\n");
        bench.assert_replays();
    }

    #[test]
    fn what_did_not_become_whole_is_deleted() {
        let bench = Bench::new();
        let mut writer = Client::new(&bench.db);
        let arrival = arrive(&bench, &writer, "k", InPlace::Kept).unwrap();
        writer.ask("HSET k a 1");
        let mut reader = Client::waiting(&bench.db, "HLEN k");
        drop(arrival);
        assert_eq!(reader.served(), ":0\r\n");
        assert_eq!(bench.effects(), ["HSET k a 1", "DEL k"]);
    }

    #[test]
    fn a_key_in_the_way_stays_unless_it_is_to_be_replaced() {
        let bench = Bench::new();
        bench.run("SET k v");
        let mut writer = Client::new(&bench.db);
        let refused = arrive(&bench, &writer, "k", InPlace::Kept).err();
        assert!(refused.unwrap().to_string().starts_with("BUSYKEY"));
        let arrival = arrive(&bench, &writer, "k", InPlace::Replaced).unwrap();
        writer.ask("DEL k");
        writer.ask("RPUSH k a");
        arrival.keep();
        assert_eq!(bench.ask("TYPE k"), "+list\r\n");
    }

    #[test]
    fn a_key_does_not_arrive_twice_at_once_nor_where_its_slot_is_not_expected() {
        let bench = Bench::new();
        let writer = Client::new(&bench.db);
        let arrival = arrive(&bench, &writer, "k", InPlace::Kept).unwrap();
        let again = bench.db.poll_arrive(writer.session.id() + 1, 0, b"k", InPlace::Replaced, Waker::noop());
        assert!(again.is_pending());
        drop(arrival);
        bench.db.set_cluster(true);
        bench.db.set_redirects(crate::gate::testing::all_to("there:1"));
        for (state, served) in [(GateState::Importing, true), (GateState::Elsewhere, false)] {
            bench.db.set_gate([Slot::of(b"k")], state);
            assert_eq!(arrive(&bench, &writer, "k", InPlace::Kept).is_ok(), served, "{state:?}");
        }
    }
}
