//! Keys that leave for another server: what MIGRATE does here.
//!
//! ```text
//! Engine::poll_depart -> Departure: who may change the keys waits     close: who reads them waits, too
//!                          |-- poll_leave: keys that arrived are deleted here, as one change of each slot -> Left
//!                          '-- dropped: the keys stay
//! ```
//!
//! Invariants
//! - What is sent is what is deleted: whatever changes a key all the same (a full sync, expiry of its fields, an embedder) makes it
//!   another entry, which stays.
//! - Those who wait go on when the departure ends, however it ends.
//! - No slot is held in between, and no thread waits.

use crate::command::keyspace::{dump_entry, recreate};
use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::gate::Caller;
use crate::keyspace::admission::Keys;
use crate::keyspace::leaving::Reads;
use crate::keyspace::slots::SlotGuard;
use crate::keyspace::{EntryRef, GateState};
use crate::slot::Slot;
use crate::time::UnixMillis;
use crate::turn::{Guards, Opening, Parting, Turn, presence};
use crate::value::Object;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

/// Keys on their way to another server. Those who want to change them wait for as long as this lives.
#[must_use = "dropped, the keys stay"]
pub struct Departure {
    core: Arc<Core>,
    db: u16,
    /// Their slots, ascending.
    slots: Vec<Slot>,
    /// In the order in which they were asked for.
    entries: Vec<Option<EntryRef>>,
    /// Whether anybody waits for it.
    holds: bool,
}

/// The value of a key that leaves, as it was when it set out.
pub struct LeavingValue {
    core: Arc<Core>,
    entry: EntryRef,
    compress: bool,
}

impl LeavingValue {
    /// As [`Departure::payload`]. O(value).
    pub fn payload(&self) -> Vec<u8> {
        dump_entry(&self.entry, self.compress)
    }

    /// Gives `f` commands that make the value, one after another, each encoded and of a bounded size where the value has parts. The
    /// first deletes the key. `f` may take its time: no slot is held. O(value).
    pub fn each_command(&self, f: impl FnMut(Vec<u8>)) {
        recreate(&self.entry, f);
    }
}

impl Drop for LeavingValue {
    fn drop(&mut self) {
        give_back(&self.core, &self.entry);
    }
}

/// Has a value that is long to free freed in parts, if this is its last owner by now.
fn give_back(core: &Core, entry: &EntryRef) {
    if let (true, true, Some(object)) = (entry.is_unique(), entry.is_long_to_free(), entry.as_object()) {
        core.reclaim.add_value(object.clone());
    }
}

/// What became of keys that arrived.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Left {
    /// What a reply about it has to wait for.
    pub offset: Offset,
    /// Those that are not what was sent any more, and so stay: by their places in [`Departure::keys`].
    pub changed: Vec<usize>,
}

impl Engine {
    /// Has keys of database `db` set out for another server: those of `keys` that are here. From then on who wants to change them waits.
    /// `Pending` while they cannot: one of them is on its way already, or clients are paused; `waker` is woken when it may be otherwise.
    /// O(keys); no value is copied.
    ///
    /// ```
    /// use keyslot_engine::Engine;
    /// use std::task::{Poll, Waker};
    /// let db = Engine::in_memory();
    /// db.set("k", "v")?;
    /// let Poll::Ready(departure) = db.poll_depart(0, &[&b"k"[..], b"nobody's"], Waker::noop()) else { unreachable!() };
    /// let mut departure = departure?;
    /// assert_eq!(departure.keys().collect::<Vec<_>>(), [b"k"]);
    /// let payload = departure.payload(0); // for RESTORE at another server
    /// # assert!(!payload.is_empty());
    /// let Poll::Ready(left) = departure.poll_leave(&[true], Waker::noop()) else { unreachable!() };
    /// assert!(left?.changed.is_empty() && db.get("k")?.is_none());
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn poll_depart(
        &self,
        db: u16,
        keys: &[impl AsRef<[u8]>],
        waker: &Waker,
    ) -> Poll<Result<Departure, CommandError>> {
        let core = &self.core;
        let mut slots: Vec<Slot> = keys.iter().map(|key| Slot::of(key.as_ref())).collect();
        slots.sort_unstable();
        slots.dedup();
        if core.gate.is_cluster()
            && let [expected, found, ..] = slots[..]
        {
            return Poll::Ready(Err(CommandError::CrossSlot { expected, found, key: Vec::new() }));
        }
        let Some(mut guards) = lock(core, &slots, waker) else { return Poll::Pending };
        for guard in guards.iter().filter(|guard| !guard.state.admission.is_open()) {
            if let Err(error) = admit(core, guard, keys) {
                return Poll::Ready(Err(error));
            }
        }
        for guard in guards.iter_mut().filter(|guard| guard.state.admission.has_leaving()) {
            let slot = guard.slot();
            let leaving = guard.state.leaving_mut();
            let mut own = keys.iter().map(AsRef::as_ref).filter(|key| Slot::of(key) == slot);
            if own.any(|key| leaving.delays(key, true, 0)) {
                leaving.wait(waker);
                return Poll::Pending;
            }
        }
        let mut turn = Turn::open(core, Opening::client(db), guards);
        let mut found: Vec<(Slot, EntryRef)> = Vec::new();
        for key in keys {
            let key = turn.key(key.as_ref()).expect("its slot is held");
            // One that is named twice leaves once.
            let is_known = |(_, entry): &(Slot, EntryRef)| entry.has_key(key.bytes);
            if let Some(entry) = turn.share(&key).filter(|_| !found.iter().any(is_known)) {
                found.push((Slot::of(key.bytes), entry));
            }
        }
        for (slot, state) in turn.states_mut() {
            for (_, entry) in found.iter().filter(|(of, _)| *of == slot) {
                state.leaving_mut().enter(db, entry.key(), Reads::Served, 0);
                state.admission.set_leaving(true);
            }
        }
        turn.commit();
        let (core, holds) = (Arc::clone(core), !found.is_empty());
        let entries = found.into_iter().map(|(_, entry)| Some(entry)).collect();
        Poll::Ready(Ok(Departure { core, db, slots, entries, holds }))
    }
}

impl Departure {
    /// The keys that are here. Of those that left none is told.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().flatten().map(EntryRef::key)
    }

    /// When a key expires.
    pub fn expiry(&self, at: usize) -> Option<UnixMillis> {
        self.entry(at)?.expiry()
    }

    /// The value of a key as [`Engine::dump`] gives it; empty if it left. No slot is held meanwhile. O(value).
    pub fn payload(&self, at: usize) -> Vec<u8> {
        self.entry(at).map(|entry| dump_entry(entry, self.compresses())).unwrap_or_default()
    }

    /// The value of a key, to be written elsewhere while this thread does something else; none if it left. O(1).
    pub fn value(&self, at: usize) -> Option<LeavingValue> {
        let (entry, compress) = (self.entry(at)?.clone(), self.compresses());
        Some(LeavingValue { core: Arc::clone(&self.core), entry, compress })
    }

    fn compresses(&self) -> bool {
        self.core.options.rdb_compression.load(Ordering::Relaxed)
    }

    /// About how many bytes the value of a key takes. O(1).
    pub fn size(&self, at: usize) -> usize {
        self.entry(at).map_or(0, EntryRef::heap_bytes)
    }

    /// Whether the value of a key is a collection of which one part after another can be written. O(1).
    pub fn has_parts(&self, at: usize) -> bool {
        self.entry(at).is_some_and(|entry| entry.as_object().is_some_and(Object::is_collection))
    }

    fn entry(&self, at: usize) -> Option<&EntryRef> {
        self.entries.get(at)?.as_ref()
    }

    /// Has those wait, too, who only read the keys: to be called before the other server may show them. O(keys).
    pub fn close(&mut self) {
        if !self.holds {
            return;
        }
        for slot in &self.slots {
            let mut guard = self.core.slots.lock_as_is(*slot);
            if guard.state.admission.has_leaving() {
                guard.state.leaving_mut().close(self.db, self.entries.iter().flatten().map(EntryRef::key));
            }
        }
    }

    /// Lets those go on who wait; what was to be sent is still at hand.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.holds) {
            let mut waiting = Vec::new();
            for slot in &self.slots {
                let mut guard = self.core.slots.lock_as_is(*slot);
                waiting.append(&mut self.give_up(&mut guard));
            }
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Deletes those keys that arrived at the other server (`arrived`, one for each key), and ends the departure. `Pending` while nothing
    /// may be written here; `waker` is woken when it may. An error: nothing is deleted. O(keys).
    pub fn poll_leave(&mut self, arrived: &[bool], waker: &Waker) -> Poll<Result<Left, CommandError>> {
        let core = Arc::clone(&self.core);
        if let Some(sink) = core.sink() {
            match sink.poll_room(waker) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(mut guards) = lock(&core, &self.slots, waker) else { return Poll::Pending };
        let mut waiting = Vec::new();
        guards.iter_mut().for_each(|guard| waiting.append(&mut self.give_up(guard)));
        self.holds = false;
        let left = match core.options.follows() {
            true => Err(CommandError::ReadOnly),
            false => Ok(self.take_out(&core, guards, arrived)),
        };
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(left)
    }

    fn take_out<'c>(&mut self, core: &'c Core, guards: Guards<'c>, arrived: &[bool]) -> Left {
        let mut left = Left::default();
        let mut turn = Turn::open(core, Opening::client(self.db), guards);
        // An effect is about one slot.
        let mut gone: Vec<(Slot, Vec<u8>)> = Vec::new();
        for (at, place) in self.entries.iter_mut().enumerate().filter(|(at, _)| arrived.get(*at) == Some(&true)) {
            let Some(entry) = place.take() else { continue };
            let bytes = entry.key().to_vec();
            let key = turn.key(&bytes).expect("its slot is held");
            match turn.part_with(&key, entry) {
                Parting::Done => gone.push((Slot::of(&bytes), bytes)),
                Parting::Gone => {}
                Parting::Changed => left.changed.push(at),
            }
        }
        gone.sort_by_key(|(slot, _)| *slot);
        for of_slot in gone.chunk_by(|(a, _), (b, _)| a == b) {
            let words: Vec<&[u8]> = std::iter::once(&b"DEL"[..]).chain(of_slot.iter().map(|(_, key)| &**key)).collect();
            turn.record(&words);
        }
        left.offset = turn.commit().offset;
        left
    }

    /// Forgets the keys of a slot, and says who waited for them.
    fn give_up(&self, guard: &mut SlotGuard<'_>) -> Vec<Waker> {
        if !guard.state.admission.has_leaving() {
            return Vec::new();
        }
        let leaving = guard.state.leaving_mut();
        self.entries.iter().flatten().for_each(|entry| leaving.leave(self.db, entry.key()));
        let (waiting, is_left) = (leaving.take_waiting(), !leaving.is_empty());
        guard.state.admission.set_leaving(is_left);
        waiting
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.release();
        // The keys may be gone from here by now, and this the last to know their values.
        self.entries.iter().flatten().for_each(|entry| give_back(&self.core, entry));
    }
}

/// Locks slots, if clients may write just now.
fn lock<'c>(core: &'c Core, slots: &[Slot], waker: &Waker) -> Option<Guards<'c>> {
    let Some(guards) = Turn::try_lock(core, slots) else {
        waker.wake_by_ref();
        return None;
    };
    // What a slot becomes that is paused is decided soon.
    let is_paused = |guard: &SlotGuard<'_>| guard.state.admission.gate() == GateState::Paused;
    if core.clients.is_paused(core.now()) || guards.iter().any(is_paused) {
        drop(guards);
        core.clients.wake_others_after_pause(waker);
        return None;
    }
    Some(guards)
}

/// Whether keys may set out from a slot that is not open.
#[cold]
fn admit(core: &Core, guard: &SlotGuard<'_>, keys: &[impl AsRef<[u8]>]) -> Result<(), CommandError> {
    let (slot, admission) = (guard.slot(), guard.state.admission);
    match (admission.keys(), admission.gate()) {
        (Keys::Unreadable, _) => Err(CommandError::SlotUnreadable { slot, reason: core.slots.why_unreadable(slot) }),
        (_, GateState::Open) => Ok(()),
        (_, gate) => {
            let caller = Caller { writes: true, moves_keys: true, ..Caller::default() };
            let present = || presence(core, guard, keys.iter().map(AsRef::as_ref));
            core.gate.decide(&core.options, slot, gate, caller, present)
        }
    }
}

#[cfg(test)]
#[path = "departure_tests.rs"]
mod tests;
