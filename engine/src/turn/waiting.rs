//! Requests that block, and turns that serve them.
//!
//! **How a command blocks.** Its adapter does what can be done now and answers; when there is nothing to do yet, it ends
//! with
//!
//! ```text
//! return turn.block(Wait::new(ValueType::List, keys, Unserved::NullArray).until(deadline), reply);
//! ```
//!
//! Where blocking is out of place (inside of EXEC, for `Engine::call`, in replay) that answers at once as if the time was
//! over. Else the session is parked, and the *whole request is run again*, by the same adapter, inside of the turn that
//! makes one of the keys ready; if it asks to block again, it goes on waiting in its place. The deadline stays that of the
//! first run. An adapter that would mean something else later (XREAD from `$`) gives [`Wait::request`] what to run then.
//!
//! ```text
//! pusher's turn: lock -> [ slots of the waiters too: unlock, lock all ] -> verb -> serve -> append -> unlock -> wake
//!                                                                           ^ |
//!                                                                           '-' a served BLMOVE makes its target ready
//! ```
//!
//! Invariants
//! - A key becomes ready by [`Turn::update`], [`Turn::put`], [`Turn::remove`] or when its database is cleared or swapped;
//!   nobody else has to tell. Keys are visited in the order in which they became ready, waiters in the order in which they
//!   blocked.
//! - A waiter is served only if what lies at the key is of the type that it waits for; [`Wait::or_removal`] is for those
//!   that want to answer an error when the key goes.
//! - What serving changes is recorded in the pusher's batch, after the pusher's own effects.

use super::{Guards, Key, Origin, Turn};
use crate::core::Core;
use crate::effect::Offset;
use crate::error::CommandError;
use crate::keyspace::admission::Standing;
use crate::keyspace::slots::SlotGuard;
use crate::keyspace::waiting::{Outcome, Terms, Waiter};
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::Slot;
use crate::time::UnixMillis;
use crate::value::ValueType;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// What a request answers that finds nothing where it may not block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unserved {
    /// Null.
    Null,
    /// A null array.
    NullArray,
}

/// The adapter of a command that may block.
pub(crate) type Work = fn(&mut Turn<'_>, &[&[u8]], &mut ReplyWriter<'_>) -> Result<(), CommandError>;

/// What a request waits for.
pub(crate) struct Wait {
    wanted: ValueType,
    keys: Vec<Box<[u8]>>,
    unserved: Unserved,
    deadline: Option<UnixMillis>,
    on_removal: bool,
    request: Option<Vec<Box<[u8]>>>,
}

impl Wait {
    /// Waits until one of `keys` holds a value of type `wanted`; answers `unserved` where it may not
    /// wait. One whose time is over answers a null array.
    pub(crate) fn new(wanted: ValueType, keys: &[&[u8]], unserved: Unserved) -> Self {
        let mut own: Vec<Box<[u8]>> = Vec::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if !keys[..at].contains(key) {
                own.push((*key).into());
            }
        }
        Self { wanted, keys: own, unserved, deadline: None, on_removal: false, request: None }
    }

    /// Waits until then; `None` is for ever.
    pub(crate) fn until(self, deadline: Option<UnixMillis>) -> Self {
        Self { deadline, ..self }
    }

    /// Runs again, too, when a key is deleted or gets a value of another type.
    pub(crate) fn or_removal(self) -> Self {
        Self { on_removal: true, ..self }
    }

    /// Runs this request when a key is ready, instead of the one that blocked. Its keys are the same.
    pub(crate) fn request(self, args: &[&[u8]]) -> Self {
        Self { request: Some(args.iter().map(|arg| (*arg).into()).collect()), ..self }
    }
}

/// Who blocks.
pub(crate) struct Blocker<'a> {
    pub(crate) args: &'a [&'a [u8]],
    /// The slots of the request's keys, ascending.
    pub(crate) slots: &'a [Slot],
    pub(crate) work: Work,
    pub(crate) resp: RespVersion,
    pub(crate) waker: &'a Waker,
    /// The deadline of the first run, when this is a later one.
    pub(crate) deadline: Option<Option<UnixMillis>>,
    /// What its client is to the gate.
    pub(crate) standing: Standing,
    /// The newest change of users by which its user may ask for this.
    pub(crate) rights_seen: u64,
}

/// What a turn owes to those who wait.
#[derive(Default)]
pub(super) struct Attendance {
    /// Keys that became ready: guard, database, key.
    ready: VecDeque<(u32, u16, Box<[u8]>)>,
    /// Who was served, or cannot be served here, in this order.
    served: Vec<(Arc<Waiter>, Service)>,
    /// What the running command waits for.
    wait: Option<Wait>,
}

/// What a turn did for a waiter.
enum Service {
    /// It ran the request: the reply, and whether that is an error.
    Done(Vec<u8>, bool),
    /// It does not hold all slots of the request, or keys of them are on their way to another server, or users were changed.
    Elsewhere,
}

impl Turn<'_> {
    /// Allows the commands of this turn to block.
    pub(crate) fn allow_blocking(&mut self) {
        self.may_block = true;
    }

    /// Ends an adapter that has nothing to answer yet. See the module.
    pub(crate) fn block(&mut self, wait: Wait, reply: &mut ReplyWriter<'_>) -> Result<(), CommandError> {
        match self.may_block {
            true => self.attendance.get_or_insert_default().wait = Some(wait),
            false => match wait.unserved {
                Unserved::Null => reply.null(),
                Unserved::NullArray => reply.null_array(),
            },
        }
        Ok(())
    }

    /// Whether the command that ran asked to [block](Self::block).
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.attendance.as_ref().is_some_and(|attendance| attendance.wait.is_some())
    }

    /// Queues the request that asked to [block](Self::block). Its [time](crate::client::Deadlines::add) is still to be
    /// watched, once no slot is held any more.
    #[cold]
    pub(crate) fn enqueue(&mut self, blocker: Blocker<'_>) -> Option<Arc<Waiter>> {
        let wait = self.attendance.as_mut()?.wait.take()?;
        let own = || blocker.args.iter().map(|arg| (*arg).into()).collect();
        let waiter = Arc::new(Waiter::new(Terms {
            waker: blocker.waker.clone(),
            db: self.db,
            resp: blocker.resp,
            request: wait.request.unwrap_or_else(own),
            keys: wait.keys,
            slots: SmallVec::from_slice(blocker.slots),
            wanted: wait.wanted,
            on_removal: wait.on_removal,
            deadline: blocker.deadline.unwrap_or(wait.deadline),
            standing: blocker.standing,
            rights_seen: blocker.rights_seen,
            work: Box::new(blocker.work),
        }));
        for key in &waiter.keys {
            let Ok(Key { guard, .. }) = self.key(key) else { continue };
            self.guards[guard as usize].state.waiting_mut().enter(key, &waiter);
        }
        Some(waiter)
    }

    /// Notes that somebody may be waiting for what just happened to a key.
    #[cold]
    pub(super) fn note_ready(&mut self, key: &Key<'_>) {
        let is_awaited = self.state(key).waiting().at(self.db, key.bytes).next().is_some();
        if !is_awaited || self.origin == Origin::Replay {
            return;
        }
        let db = self.db;
        let ready = &mut self.attendance.get_or_insert_default().ready;
        if !ready.iter().any(|(guard, of, name)| (*guard, *of, &**name) == (key.guard, db, key.bytes)) {
            ready.push_back((key.guard, db, key.bytes.into()));
        }
    }

    /// Notes that every key of a database may have become another one, or none.
    pub(crate) fn note_all_ready(&mut self, db: u16) {
        for at in 0..self.guards.len() {
            if !self.guards[at].state.is_awaited() {
                continue;
            }
            let keys = self.guards[at].state.waiting().keys(db).map(|key| (at as u32, db, key.into()));
            self.attendance.get_or_insert_default().ready.extend(keys);
        }
    }

    /// Serves those who wait for keys that became ready, and for those that become ready by that.
    #[cold]
    pub(super) fn serve(&mut self) {
        let home_db = self.db;
        while let Some((guard, db, key)) = self.attendance.as_mut().and_then(|a| a.ready.pop_front()) {
            self.db = db;
            let mut place = 0;
            while let Some(waiter) = self.guards[guard as usize].state.waiting().nth(db, &key, place).cloned() {
                match self.readiness(&key, &waiter) {
                    Readiness::Ready => self.serve_one(&waiter),
                    Readiness::Other => {}
                    // The rest of the queue waits for something, too.
                    Readiness::Nothing if !self.guards[guard as usize].state.waiting().has_on_removal() => break,
                    Readiness::Nothing => {}
                }
                let next = self.guards[guard as usize].state.waiting().nth(db, &key, place);
                place += usize::from(next.is_some_and(|next| Arc::ptr_eq(next, &waiter)));
            }
        }
        self.db = home_db;
    }

    /// Whether a key holds what a waiter waits for.
    fn readiness(&mut self, bytes: &[u8], waiter: &Waiter) -> Readiness {
        let Ok(key) = self.key(bytes) else { return Readiness::Nothing };
        let found = self.find(&key).map(|spot| self.entry(&key, spot).value_type());
        match found {
            _ if waiter.on_removal => Readiness::Ready,
            None => Readiness::Nothing,
            Some(found) if found == waiter.wanted => Readiness::Ready,
            Some(_) => Readiness::Other,
        }
    }

    fn serve_one(&mut self, waiter: &Arc<Waiter>) {
        if !waiter.claim() {
            return;
        }
        // Who may have to wait for a key that is on its way asks by itself.
        let holds = |slot: &Slot| {
            let place = self.guards.binary_search_by_key(slot, SlotGuard::slot);
            place.is_ok_and(|at| !self.guards[at].state.admission.has_leaving())
        };
        // Who may not be allowed it any more is asked again, by its own session.
        let may_run = waiter.rights_seen == self.core.users.generation() && waiter.slots.iter().all(holds);
        let Some(work) = waiter.work.downcast_ref::<Work>().filter(|_| may_run) else {
            self.guards.iter_mut().for_each(|guard| guard.state.leave(waiter));
            let attendance = self.attendance.get_or_insert_default();
            return attendance.served.push((Arc::clone(waiter), Service::Elsewhere));
        };
        let args: SmallVec<[&[u8]; 8]> = waiter.request.iter().map(|arg| &**arg).collect();
        let mut reply = Vec::new();
        let may_block = std::mem::replace(&mut self.may_block, true);
        let result = work(self, &args, &mut ReplyWriter::new(&mut reply, waiter.resp));
        self.may_block = may_block;
        self.db = waiter.db;
        let attendance = self.attendance.get_or_insert_default();
        if attendance.wait.take().is_some() {
            return waiter.release();
        }
        if let Err(error) = &result {
            let text = error.wire_text();
            self.core.stats.count_error(&String::from_utf8_lossy(&text));
            reply.clear();
            ReplyWriter::new(&mut reply, waiter.resp).error_bytes(&text);
        }
        for slot in &waiter.slots {
            if let Ok(at) = self.guards.binary_search_by_key(slot, SlotGuard::slot) {
                self.guards[at].state.leave(waiter);
            }
        }
        attendance.served.push((Arc::clone(waiter), Service::Done(reply, result.is_err())));
    }
}

/// What a waiter finds at a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readiness {
    /// What it waits for.
    Ready,
    /// A value of another type.
    Other,
    /// No value.
    Nothing,
}

impl Attendance {
    /// Hands their replies to those who were served. Wakes them, so no slot may be held.
    pub(super) fn deliver(&mut self, offset: Offset) {
        for (waiter, service) in self.served.drain(..) {
            waiter.finish(match service {
                Service::Done(reply, failed) => Outcome::Served { reply, offset, failed },
                Service::Elsewhere => Outcome::Again,
            });
        }
    }

    /// Sends back to their sessions who was served by a turn that is given up. Wakes them, so no slot may be held.
    pub(super) fn give_up(&mut self) {
        for (waiter, ..) in self.served.drain(..) {
            waiter.finish(Outcome::Again);
        }
    }
}

/// How long a turn waits for slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    /// For a moment.
    Moment,
    /// As long as it takes.
    Unlimited,
}

/// Lets go of slots in which somebody waits and takes them again together with all that the waiters need. `None` if that
/// would mean to wait.
#[cold]
pub(super) fn widen<'e>(core: &'e Core, mut guards: Guards<'e>, patience: Patience) -> Option<Guards<'e>> {
    for _ in 0..WIDENINGS_MAX {
        if !guards.iter().any(|guard| guard.state.waiting().has_wide()) {
            break;
        }
        let mut slots: Vec<Slot> = guards.iter().map(SlotGuard::slot).collect();
        let waiters = guards.iter().flat_map(|guard| guard.state.waiting().all());
        slots.extend(waiters.flat_map(|waiter| waiter.slots.iter().copied()));
        slots.sort_unstable();
        slots.dedup();
        if slots.len() == guards.len() {
            break;
        }
        drop(guards);
        guards = Guards::new();
        for slot in slots {
            guards.push(match patience {
                Patience::Moment => super::try_lock(core, slot)?,
                Patience::Unlimited => core.slots.lock(slot),
            });
        }
    }
    Some(guards)
}

/// Takes a waiter that is done out of the queues of its keys. A slot that is busy is left for [`sweep`].
pub(crate) fn leave(core: &Core, waiter: &Arc<Waiter>) {
    core.deadlines.remove(waiter);
    let mut was_busy = false;
    for slot in &waiter.slots {
        match super::try_lock(core, *slot) {
            Some(mut guard) => guard.state.leave(waiter),
            None => was_busy = true,
        }
    }
    if was_busy {
        core.deadlines.add_stale(waiter);
    }
}

/// Ends the waits whose time is over, and tidies up after those that ended.
pub(crate) fn sweep(core: &Core, now: UnixMillis) {
    core.deadlines.run(now);
    for waiter in core.deadlines.take_stale() {
        leave(core, &waiter);
    }
}

/// Takes those out of a slot who wait there and whom `is_meant` means. Who waits for several keys comes several times.
pub(crate) fn dismiss(guard: &mut SlotGuard<'_>, is_meant: impl Fn(&Waiter) -> bool) -> Vec<Arc<Waiter>> {
    let waiters: Vec<Arc<Waiter>> =
        guard.state.waiting().all().filter(|waiter| is_meant(waiter)).map(Arc::clone).collect();
    waiters.iter().for_each(|waiter| guard.state.leave(waiter));
    waiters
}

/// A chain of BLMOVE is followed over so many slots; what goes beyond is run by the waiters' own sessions.
const WIDENINGS_MAX: usize = 8;
