//! Whether the slots of a request serve it: what the gate is told of the request, and when it is asked.
//!
//! An open slot costs a request one comparison, where its turn begins. A request that is refused or held up for another reason asks
//! the gate, too: who has to go to another node is told so first, as by Redis.

use super::execute::{Execution, Parked};
use super::transaction::Args;
use crate::command::How;
use crate::command::row::{Flags, flag};
use crate::command::table::{Command, table};
use crate::error::CommandError;
use crate::gate::Caller;
use crate::keyspace::GateState;
use crate::keyspace::admission::{Keys, Standing};
use crate::slot::Slot;
use crate::turn::{Guards, presence};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

impl Execution<'_> {
    /// Whether the slots of a request, which are held, serve it.
    #[inline]
    pub(super) fn admit_slots(
        &self,
        command: &Command,
        args: &[&[u8]],
        guards: &Guards<'_>,
    ) -> Result<(), CommandError> {
        match is_open(guards) {
            true => Ok(()),
            false => self.admit_closed(self.caller(command), &command.routed_keys(args), guards),
        }
    }

    /// As [`admit_slots`](Self::admit_slots), for requests that EXEC runs. `does` are their flags.
    pub(super) fn admit_queued(
        &self,
        requests: &[(&'static Command, Args<'_>)],
        does: Flags,
        guards: &Guards<'_>,
    ) -> Result<(), CommandError> {
        if is_open(guards) {
            return Ok(());
        }
        let keys: Vec<&[u8]> = requests.iter().flat_map(|(command, args)| command.routed_keys(args)).collect();
        self.admit_closed(self.caller_of_exec(does), &keys, guards)
    }

    /// Parks a request that is about keys on their way to another server: one that only reads goes on until they are sent. What names
    /// no key and changes data, all that there is, waits for every one of them. `does` are its flags.
    #[inline]
    pub(super) fn admit_leaving<'k>(
        &self,
        does: Flags,
        keys: impl FnOnce() -> Vec<&'k [u8]>,
        guards: &mut Guards<'_>,
    ) -> Result<(), Parked> {
        match guards.iter().any(|guard| guard.state.admission.has_leaving()) {
            false => Ok(()),
            true => self.wait_for_leaving(does.has(flag::WRITE | flag::MAY_REPLICATE), &keys(), guards),
        }
    }

    #[cold]
    fn wait_for_leaving(&self, writes: bool, keys: &[&[u8]], guards: &mut Guards<'_>) -> Result<(), Parked> {
        let client_id = self.connection.client.id;
        for guard in guards.iter_mut().filter(|guard| guard.state.admission.has_leaving()) {
            let slot = guard.slot();
            let leaving = guard.state.leaving_mut();
            let is_delayed = match keys {
                [] => writes,
                keys => keys.iter().any(|key| Slot::of(key) == slot && leaving.delays(key, writes, client_id)),
            };
            if is_delayed {
                leaving.wait(&self.connection.client.waker);
                return Err(Parked::Leaving);
            }
        }
        Ok(())
    }

    #[cold]
    fn admit_closed(&self, caller: Caller, keys: &[&[u8]], guards: &Guards<'_>) -> Result<(), CommandError> {
        let mut verdicts: Verdicts = SmallVec::new();
        for guard in guards {
            let (slot, admission) = (guard.slot(), guard.state.admission);
            if admission.keys() == Keys::Unreadable {
                return Err(CommandError::SlotUnreadable { slot, reason: self.core.slots.why_unreadable(slot) });
            }
            if admission.gate() == GateState::Paused && caller.writes {
                return Err(CommandError::SlotPaused);
            }
            // What names no key is done with what is here, whoever serves it.
            let is_asked = !self.core.gate.is_cluster() || keys.iter().any(|key| Slot::of(key) == slot);
            if is_asked {
                let present = || presence(self.core, guard, keys.iter().copied());
                let gate = admission.gate();
                let verdict = match gate {
                    GateState::Open => Ok(()),
                    _ => self.core.gate.decide(&self.core.options, slot, gate, caller, present),
                };
                verdicts.push((slot, verdict));
            }
        }
        match self.core.gate.is_cluster() {
            true => of_all(verdicts),
            false => verdicts.into_iter().try_for_each(|(_, verdict)| verdict),
        }
    }

    /// What the gate has to say to a request that is refused or held up for another reason.
    #[cold]
    pub(super) fn redirect(&self, command: &Command, args: &[&[u8]]) -> Option<CommandError> {
        match () {
            () if !self.core.gate.is_cluster() => None,
            () if matches!(command.row.run.0, How::Exec) => self.redirect_exec(),
            () => self.peek(self.caller(command), &command.routed_keys(args)).err(),
        }
    }

    /// What the gate has to say to all that is queued.
    #[cold]
    pub(super) fn redirect_exec(&self) -> Option<CommandError> {
        let transaction = self.connection.transaction.as_ref().filter(|_| self.core.gate.is_cluster())?;
        let mut keys = Vec::new();
        for queued in &transaction.queued {
            let args: Vec<&[u8]> = queued.args().collect();
            keys.extend(table().by_id(queued.row)?.routed_keys(&args));
        }
        self.peek(self.caller_of_exec(Flags(transaction.flags)), &keys).err()
    }

    /// Asks the gate about a request that is to be queued.
    pub(super) fn admit_to_queue(&self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        self.peek(self.caller(command), &command.routed_keys(args))
    }

    /// Asks the gate about keys whose slots are not held.
    fn peek(&self, caller: Caller, keys: &[&[u8]]) -> Result<(), CommandError> {
        let Some(first) = keys.first().map(|key| Slot::of(key)) else { return Ok(()) };
        if self.core.wants_one_slot() {
            return self.peek_slot(caller, first, keys);
        }
        let mut slots: SmallVec<[Slot; 4]> = keys.iter().map(|key| Slot::of(key)).collect();
        slots.sort_unstable();
        slots.dedup();
        of_all(slots.into_iter().map(|slot| (slot, self.peek_slot(caller, slot, keys))).collect())
    }

    /// Asks the gate about the keys of one slot, which is not held. Where others are not allowed beside them, there must be none.
    fn peek_slot(&self, caller: Caller, slot: Slot, keys: &[&[u8]]) -> Result<(), CommandError> {
        let mut guard = self.core.slots.lock_as_is(slot);
        let state = guard.state.admission.gate();
        if state == GateState::Unassigned {
            return Err(CommandError::SlotNotServed);
        }
        if self.core.wants_one_slot()
            && let Some(key) = keys.iter().find(|key| Slot::of(key) != slot)
        {
            return Err(CommandError::CrossSlot { expected: slot, found: Slot::of(key), key: key.to_vec() });
        }
        if state == GateState::Open {
            return Ok(());
        }
        if guard.state.admission.keys() != Keys::Here {
            drop(guard);
            guard = self.core.slots.lock(slot);
        }
        let present = || presence(self.core, &guard, keys.iter().copied());
        match self.core.gate.decide(&self.core.options, slot, state, caller, present) {
            // It waits when it runs.
            Err(CommandError::SlotPaused) => Ok(()),
            decided => decided,
        }
    }

    fn caller(&self, command: &Command) -> Caller {
        let name = command.row.name;
        Caller {
            on_channels: matches!(name, "ssubscribe" | "sunsubscribe" | "spublish"),
            asks: self.connection.asking || command.flags.has(flag::ASKING),
            moves_keys: name == "migrate",
            ..self.caller_that(command.flags)
        }
    }

    fn caller_of_exec(&self, does: Flags) -> Caller {
        Caller { asks: self.connection.asking, ..self.caller_that(does) }
    }

    fn caller_that(&self, does: Flags) -> Caller {
        Caller { standing: self.standing(does), writes: does.has(flag::WRITE), ..Caller::default() }
    }

    /// What the client is to the gate when it asks for something with these flags.
    pub(super) fn standing(&self, does: Flags) -> Standing {
        let client = &self.connection.client;
        Standing {
            reads_replica: client.readonly.load(Ordering::Relaxed) && !does.has(flag::WRITE),
            tls: client.peer.is_tls,
        }
    }
}

/// What the gate says of each slot of a request.
type Verdicts = SmallVec<[(Slot, Result<(), CommandError>); 4]>;

/// What it says of the request. Over several slots it is sent elsewhere only if one other node has them all.
fn of_all(verdicts: Verdicts) -> Result<(), CommandError> {
    if verdicts.len() < 2 {
        return verdicts.into_iter().try_for_each(|(_, verdict)| verdict);
    }
    let (first, _) = verdicts[0];
    let mut sent: Option<(Slot, String)> = None;
    let (mut served, mut others) = (0, None);
    for (slot, verdict) in verdicts {
        match (verdict, &sent) {
            (Ok(()), _) => served += 1,
            // Who is asked there does not have the other slots.
            (Err(CommandError::Ask { .. }), _) => return Err(CommandError::TryAgain),
            (Err(CommandError::Moved { slot, endpoint }), None) => sent = Some((slot, endpoint)),
            (Err(CommandError::Moved { endpoint, .. }), Some((_, known))) if endpoint == *known => {}
            (Err(CommandError::Moved { .. }), Some(_)) => others = Some(slot),
            (Err(error), _) => return Err(error),
        }
    }
    match (sent, others) {
        (None, _) => Ok(()),
        (Some((slot, endpoint)), None) if served == 0 => Err(CommandError::Moved { slot, endpoint }),
        (Some((slot, _)), found) => {
            Err(CommandError::CrossSlot { expected: first, found: found.unwrap_or(slot), key: Vec::new() })
        }
    }
}

#[inline]
fn is_open(guards: &Guards<'_>) -> bool {
    guards.iter().all(|guard| guard.state.admission.is_open())
}
