//! One request, from its arguments to its reply.
//!
//! ```text
//! resolve -> arity -> may the user? -> paused? -> room in the journal? -> lock the keys' slots -> adapter -> commit
//! ```
//!
//! Nothing here waits: what cannot go on now is [parked](Parked), and is tried again from the start when it is woken.

use crate::client::{Client, Connection, PauseMode, ReplyMode};
use crate::command::host_request::ask_host;
use crate::command::keys::Include;
use crate::command::row::{Flags, flag};
use crate::command::table::{Command, table};
use crate::command::transaction::discard;
use crate::command::{CommandResult, ConnectionAdapter, How, look_in_turn};
use crate::core::Core;
use crate::effect::{NotWritable, Offset};
use crate::error::CommandError;
use crate::eviction::{self, Memory};
use crate::host::LaterReply;
use crate::keyspace::EntryRef;
use crate::keyspace::GateState;
use crate::keyspace::waiting::Waiter;
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::Slot;
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::turn::waiting::Blocker;
use crate::turn::{
    Committed, KnownKey, Looked, Opening, Origin, Touch, Turn, overwrite, overwrite_recorded, try_look,
    try_look_replicated,
};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

/// Why a request cannot go on now. Its session is woken when it can.
#[derive(Clone, Debug)]
pub(crate) enum Parked {
    /// CLIENT PAUSE.
    Pause,
    /// The journal's tail is full.
    Room,
    /// Another turn holds a slot for longer than a moment.
    Contended,
    /// A slot is about to be another node's.
    SlotPaused,
    /// A key is on its way to another server.
    Leaving,
    /// The host does it and will give the reply.
    Awaited,
    /// It ran, and waits for one of its keys. It is not tried again from the start: whoever makes a key ready runs it.
    Blocked(Arc<Waiter>),
    /// Another node does it. It is not tried again from the start.
    Relayed(Arc<Relayed>),
}

/// A request that another node does.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(super) later: LaterReply,
    /// Its arguments, to count it by.
    pub(super) request: Vec<Box<[u8]>>,
}

/// What became of a request.
pub(crate) struct Answered {
    /// The journal offset that its reply tells of.
    pub(crate) offset: Offset,
    /// Whether it answered an error.
    pub(crate) failed: Failure,
}

/// How far a request got that answered an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// It did not.
    None,
    /// Refused before it ran.
    Rejected,
    /// Ran and answered an error.
    Failed,
    /// Did not run yet: EXEC will run it.
    Queued,
}

/// What a request runs with.
pub(crate) struct Execution<'a> {
    pub(crate) core: &'a Core,
    pub(crate) connection: &'a mut Connection,
    pub(crate) now: UnixMillis,
    /// The effect buffer, handed from turn to turn.
    pub(crate) buffer: &'a mut Vec<u8>,
}

impl Execution<'_> {
    /// Runs a request whose command is known, appending its reply to `out`.
    #[inline]
    pub(crate) fn run(
        &mut self,
        command: &'static Command,
        args: &[&[u8]],
        known: Option<KnownKey>,
        out: &mut Vec<u8>,
    ) -> Result<Answered, Parked> {
        let start = out.len();
        match self.admit(command, args) {
            Ok(()) => {}
            Err(refusal) => {
                if let Some(error) = self.redirect_instead(&refusal, command, args) {
                    return self.redirected(command, args, error, out);
                }
                let error = match refusal {
                    Refusal::Parked(parked) => return Err(parked),
                    Refusal::Error(error) => error,
                };
                self.connection.awaited = OnceCell::new();
                let error = self.note_refusal(Some(command), error);
                return Ok(self.refuse(&error, out));
            }
        }
        if self.connection.transaction.is_some() && !is_never_queued(command) {
            return Ok(self.queue(command, args, out));
        }
        let resp = self.connection.resp;
        let (offset, result) = match command.row.run.0 {
            How::Turn(adapter) => match command.row.stores_plainly.then(|| self.overwrite(args, known)).flatten() {
                Some(offset) => {
                    ReplyWriter::new(out, resp).ok();
                    (offset, Ok(()))
                }
                None => self.run_on_keys(command, args, known, adapter, out)?,
            },
            How::Look(adapter) => {
                self.run_look(command, args, known, |entry, _, args, reply| adapter(entry, args, reply), out)?
            }
            How::LookAt(adapter) => self.run_look(command, args, known, adapter, out)?,
            How::Visit(adapter) => self.run_in_turn(command, &[], None, adapter, args, out)?,
            How::Store(adapter) => {
                let slots: Vec<Slot> = Slot::all().collect();
                self.run_in_turn(command, &slots, None, adapter, args, out)?
            }
            How::Connection(_) | How::Host if self.is_given_later(command) => self.pick_up(out)?,
            How::Connection(adapter) => {
                let mut reply = ReplyWriter::new(out, resp);
                let result = self.run_on_connection(command, adapter, args, &mut reply)?;
                self.or_later(result, start, out)?
            }
            How::Exec => self.exec(command, out)?,
            How::Watch => self.watch(command, args, out)?,
            How::Host => {
                let result = self.run_by_host(args, out);
                self.or_later(result, start, out)?
            }
        };
        match result {
            Ok(()) => Ok(Answered { offset, failed: Failure::None }),
            Err(error) => {
                out.truncate(start);
                if let Some(relayed) = self.relay(command, args, &error) {
                    return Err(relayed);
                }
                self.write_error(&error, out);
                let failed = if error.is_refusal() { Failure::Rejected } else { Failure::Failed };
                Ok(Answered { offset, failed })
            }
        }
    }

    /// Answers a request that names no command that could run.
    pub(crate) fn reject_unresolved(&mut self, args: &[&[u8]], out: &mut Vec<u8>) -> Answered {
        let text = match table().resolve(args) {
            Ok(_) => Vec::new(),
            Err(error) => error.wire_text(args),
        };
        let error = self.note_refusal(None, CommandError::Quoting(text));
        self.refuse(&error, out)
    }

    pub(super) fn refuse(&mut self, error: &CommandError, out: &mut Vec<u8>) -> Answered {
        self.write_error(error, out);
        Answered { offset: Offset(0), failed: Failure::Rejected }
    }

    #[cold]
    pub(super) fn write_error(&self, error: &CommandError, out: &mut Vec<u8>) {
        let text = error.wire_text();
        self.core.stats.count_error(&String::from_utf8_lossy(&text));
        ReplyWriter::new(out, self.connection.resp).error_bytes(&text);
    }

    #[inline]
    fn admit(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), Refusal> {
        let flags = command.flags;
        if !command.accepts(args.len()) {
            return Err(CommandError::WrongArity(Cow::Borrowed(command.row.name)).into());
        }
        self.admit_user(command, args)?;
        let is_loading = self.core.options.loading.load(Ordering::Relaxed);
        if self.core.options.maxmemory.load(Ordering::Relaxed) > 0 && !is_loading {
            self.admit_memory(command, args)?;
        }
        if self.connection.listens {
            self.admit_listener(command)?;
        }
        if is_loading && self.needs_data(command) {
            return Err(CommandError::Loading.into());
        }
        if self.core.options.stale.load(Ordering::Relaxed) && !flags.has(flag::STALE) {
            return Err(CommandError::PrimaryDown.into());
        }
        let does = match &self.connection.transaction {
            // An EXEC that goes on was admitted when it began.
            Some(transaction) if transaction.progress.is_some() => return Ok(()),
            // EXEC does what was queued.
            Some(transaction) if matches!(command.row.run.0, How::Exec) => Flags(transaction.flags),
            _ => flags,
        };
        let may_write = does.has(flag::WRITE | flag::MAY_REPLICATE);
        match self.core.clients.paused(|| self.now) {
            Some(PauseMode::All) => return Err(Refusal::Parked(Parked::Pause)),
            Some(PauseMode::Write) if may_write => return Err(Refusal::Parked(Parked::Pause)),
            _ => {}
        }
        if does.has(flag::WRITE) {
            if self.core.options.lacks_replicas.load(Ordering::Relaxed) {
                return Err(CommandError::NoReplicas.into());
            }
            if self.core.options.read_only.load(Ordering::Relaxed) {
                return Err(CommandError::ReadOnly.into());
            }
        }
        if may_write && self.core.options.save_failed.load(Ordering::Relaxed) {
            return Err(CommandError::NotSaved.into());
        }
        if may_write && let Some(sink) = self.core.sink() {
            match sink.poll_room(&self.connection.client.waker) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(NotWritable { reason })) => return Err(CommandError::NotWritable(reason).into()),
                Poll::Pending => return Err(Refusal::Parked(Parked::Room)),
            }
        }
        Ok(())
    }

    /// Looks again whether the host holds writes back, with the slots locked: once it holds them and has had every slot, nothing
    /// that was admitted before comes any more.
    #[inline]
    pub(super) fn admit_held(&self, does: Flags) -> Result<(), Parked> {
        match self.core.clients.is_held() && does.has(flag::WRITE | flag::MAY_REPLICATE) {
            true => Err(Parked::Pause),
            false => Ok(()),
        }
    }

    /// Whether a request could see that the data is not all there yet: EXEC does what was queued.
    #[cold]
    fn needs_data(&self, command: &Command) -> bool {
        match &self.connection.transaction {
            Some(transaction) if matches!(command.row.run.0, How::Exec) => transaction.needs_data,
            _ => !command.flags.has(flag::LOADING),
        }
    }

    /// Evicts keys where the data takes more than it may, and refuses what may only add to it where that does not help.
    ///
    /// A session that found that there is memory asks again when its requests brought a part of that.
    #[inline(never)]
    fn admit_memory(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        let grows = match &self.connection.transaction {
            Some(transaction) if matches!(command.row.run.0, How::Exec) => {
                transaction.progress.is_none() && Flags(transaction.flags).has(flag::DENYOOM)
            }
            Some(_) if self.connection.is_inner => command.flags.has(flag::DENYOOM),
            // What is queued takes memory, too.
            Some(_) => !is_never_queued(command),
            None => command.flags.has(flag::DENYOOM),
        };
        if !grows && !command.flags.has(flag::WRITE) {
            return Ok(());
        }
        let bound = self.core.options.maxmemory.load(Ordering::Relaxed);
        let cost: u64 = args.iter().map(|arg| arg.len() as u64 + MEMORY_PER_ARG).sum();
        if let (known, credit) = self.connection.memory_credit
            && known == bound
            && credit >= cost
        {
            self.connection.memory_credit.1 -= cost;
            return Ok(());
        }
        if eviction::make_room(self.core, self.now) == Memory::Short && grows {
            return Err(CommandError::OutOfMemory);
        }
        self.connection.memory_credit = (bound, self.core.memory_left().unwrap_or(0) / MEMORY_SHARES);
        Ok(())
    }

    /// What the gate says to a request that was not admitted, where it is asked before that: not of one that is malformed, of a
    /// stranger, or of somebody who may not ask.
    #[cold]
    fn redirect_instead(&self, refusal: &Refusal, command: &Command, args: &[&[u8]]) -> Option<CommandError> {
        match refusal {
            Refusal::Error(CommandError::WrongArity(_) | CommandError::NoAuth | CommandError::Denied(_)) => None,
            Refusal::Error(_) | Refusal::Parked(_) => self.redirect(command, args),
        }
    }

    /// Answers a request that the gate refused before it was admitted, or has another node do it. EXEC ends its transaction.
    #[cold]
    fn redirected(
        &mut self,
        command: &Command,
        args: &[&[u8]],
        mut error: CommandError,
        out: &mut Vec<u8>,
    ) -> Result<Answered, Parked> {
        self.connection.awaited = OnceCell::new();
        let is_exec = matches!(command.row.run.0, How::Exec);
        match self.connection.transaction.take() {
            None => {
                if let Some(relayed) = self.relay(command, args, &error) {
                    return Err(relayed);
                }
            }
            Some(transaction) if is_exec && !transaction.is_broken => {
                let relayed = self.relay_exec(command, &transaction, &mut error);
                self.connection.transaction = Some(transaction);
                if let Some(relayed) = relayed {
                    discard(self.core, self.connection);
                    return Err(relayed);
                }
            }
            Some(transaction) => {
                self.connection.transaction = Some(transaction);
                match self.queues_for_others(command, &error) {
                    true if is_exec => error = broken(),
                    true if !is_never_queued(command) => return Ok(self.queue(command, args, out)),
                    _ => {}
                }
            }
        }
        match is_exec {
            true => discard(self.core, self.connection),
            false => error = self.note_refusal(None, error),
        }
        Ok(self.refuse(&error, out))
    }

    /// A client of RESP2 that listens cannot tell replies from messages, so it may ask for little.
    #[cold]
    fn admit_listener(&self, command: &Command) -> Result<(), CommandError> {
        let is_confused = self.connection.resp == RespVersion::V2 && self.connection.client.subscriptions.is_any();
        match is_confused && !LISTENER_COMMANDS.contains(&command.row.name) {
            false => Ok(()),
            true => Err(CommandError::Text(Cow::Owned(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                 context",
                command.row.name
            )))),
        }
    }

    /// Reads one key: without a turn where that will do.
    #[inline]
    fn run_look(
        &mut self,
        command: &Command,
        args: &[&[u8]],
        known: Option<KnownKey>,
        adapter: impl Fn(Option<&EntryRef>, Option<UnixMillis>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult,
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        if let Some(known) = known {
            let connection = &*self.connection;
            let mut reply = ReplyWriter::new(out, connection.resp);
            let see = |entry: Option<&EntryRef>| adapter(entry, Some(self.now), args, &mut reply);
            if let Ok((result, offset)) =
                try_look(self.core, known, args[1], connection.db, self.touch(), self.now, see)
            {
                return Ok((offset, result));
            }
            if let Some(looked) = self.look_replicated(known, args, &adapter, out) {
                return Ok(looked);
            }
        }
        self.run_on_keys(command, args, known, |turn, args, reply| look_in_turn(turn, args, reply, &adapter), out)
    }

    /// Reads one key of a replica without a turn, for a client that said READONLY. `None` if it takes one.
    #[cold]
    #[inline(never)]
    fn look_replicated(
        &self,
        known: KnownKey,
        args: &[&[u8]],
        adapter: impl Fn(Option<&EntryRef>, Option<UnixMillis>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult,
        out: &mut Vec<u8>,
    ) -> Option<(Offset, CommandResult)> {
        let connection = &*self.connection;
        if !connection.client.readonly.load(Ordering::Relaxed) {
            return None;
        }
        let mut reply = ReplyWriter::new(out, connection.resp);
        let looked = Looked { key: args[1], hash: known.hash, db: connection.db, touch: self.touch() };
        let see = |entry: Option<&EntryRef>| adapter(entry, Some(self.now), args, &mut reply);
        let (result, offset) = try_look_replicated(self.core, known.slot, looked, self.now, see)?;
        Some((offset, result))
    }

    /// Stores a string in the place of one of the same length, and says which offset tells of that. `None`, and nothing is
    /// changed, if this takes a turn.
    #[inline]
    fn overwrite(&mut self, args: &[&[u8]], known: Option<KnownKey>) -> Option<Offset> {
        let (&[_, key, value], Some(known)) = (args, known) else { return None };
        let mut guard = self.core.slots.try_lock(known.slot)?;
        self.admit_held(Flags(flag::WRITE)).ok()?;
        let looked = Looked { key, hash: known.hash, db: self.connection.db, touch: self.touch() };
        let Some(sink) = self.core.sink() else {
            return overwrite(self.core, &mut guard, looked, StrRef::of(value)).then_some(Offset(0));
        };
        let end = overwrite_recorded(self.core, &mut guard, looked, value, self.now, self.buffer)?;
        drop(guard);
        sink.wake_followers();
        Some(end)
    }

    pub(super) fn touch(&self) -> Touch {
        match self.connection.client.no_touch.load(Ordering::Relaxed) {
            true => Touch::Keep,
            false => Touch::Mark,
        }
    }

    #[inline]
    fn run_on_keys(
        &mut self,
        command: &Command,
        args: &[&[u8]],
        known: Option<KnownKey>,
        adapter: impl FnOnce(&mut Turn<'_>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult,
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        if let Some(known) = known {
            return self.run_in_turn(command, &[known.slot], Some(known), adapter, args, out);
        }
        let slots = match self.slots_of(command, args) {
            Ok(slots) => slots,
            Err(error) => return Ok((Offset(0), Err(error))),
        };
        let may_look_up = self.may_look_up(command, args);
        let adapter = |turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>| {
            turn.allow_lookups(may_look_up);
            adapter(turn, args, reply)
        };
        self.run_in_turn(command, &slots, None, adapter, args, out)
    }

    /// The slots of a request's keys, ascending; all of them if it may read keys that it does not name.
    pub(super) fn slots_of(&self, command: &Command, args: &[&[u8]]) -> Result<SmallVec<[Slot; 4]>, CommandError> {
        let mut slots: SmallVec<[Slot; 4]> = match command.plain_range(args.len()) {
            Some(range) => range.positions().map(|at| Slot::of(args[at])).collect(),
            None => command.keys(args, Include::Routed).iter().map(|key| Slot::of(args[key.index as usize])).collect(),
        };
        if self.core.wants_one_slot()
            && let Some(at) = slots.iter().position(|slot| *slot != slots[0])
        {
            if self.core.slots.lock_as_is(slots[0]).state.admission.gate() == GateState::Unassigned {
                return Err(CommandError::SlotNotServed);
            }
            return Err(CommandError::CrossSlot { expected: slots[0], found: slots[at], key: Vec::new() });
        }
        if !self.core.wants_named_keys() && command.reads_unnamed_keys(args) {
            return Ok(Slot::all().collect());
        }
        slots.sort_unstable();
        slots.dedup();
        Ok(slots)
    }

    #[inline]
    fn run_in_turn(
        &mut self,
        command: &Command,
        slots: &[Slot],
        known: Option<KnownKey>,
        adapter: impl FnOnce(&mut Turn<'_>, &[&[u8]], &mut ReplyWriter<'_>) -> CommandResult,
        args: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        let Some(mut guards) = Turn::try_lock(self.core, slots) else { return Err(Parked::Contended) };
        self.admit_held(command.flags)?;
        if let Err(error) = self.admit_slots(command, args, &guards) {
            return Ok((Offset(0), Err(or_parked(error)?)));
        }
        self.admit_leaving(command.flags, || command.routed_keys(args), &mut guards)?;
        let opening = Opening {
            db: self.connection.db,
            origin: Origin::Client,
            now: Some(self.now),
            known,
            touch: self.touch(),
            buffer: std::mem::take(self.buffer),
        };
        let mut turn = Turn::open(self.core, opening, guards);
        if self.connection.may_block {
            turn.allow_blocking();
        }
        let mut reply = ReplyWriter::new(out, self.connection.resp);
        let result = adapter(&mut turn, args, &mut reply);
        if turn.is_blocked() && self.core.gate.is_down() {
            // It may read, but nothing is written for which it could wait.
            let Committed { offset, buffer, .. } = turn.commit();
            *self.buffer = buffer;
            return Ok((offset, Err(CommandError::ClusterDown)));
        }
        let waiter = if turn.is_blocked() { self.enqueue(&mut turn, command, args, slots) } else { None };
        let Committed { offset, buffer, .. } = turn.commit();
        *self.buffer = buffer;
        match waiter {
            None => Ok((offset, result)),
            Some(waiter) => {
                self.core.deadlines.add(&waiter);
                Err(Parked::Blocked(waiter))
            }
        }
    }

    /// Queues a request that blocked, while its slots are held.
    #[cold]
    fn enqueue(
        &mut self,
        turn: &mut Turn<'_>,
        command: &Command,
        args: &[&[u8]],
        slots: &[Slot],
    ) -> Option<Arc<Waiter>> {
        let How::Turn(work) = command.row.run.0 else { return None };
        let (standing, rights_seen) = (self.standing(command.flags), self.connection.credentials.seen());
        let (resp, deadline) = (self.connection.resp, self.connection.deadline_kept.take());
        let client = &self.connection.client;
        let waiter =
            turn.enqueue(Blocker { args, slots, work, resp, waker: &client.waker, deadline, standing, rights_seen })?;
        *client.blocked.lock() = Some(Arc::clone(&waiter));
        Some(waiter)
    }

    /// Runs a command that changes the connection. Where it names channels that belong to a slot, the slot is held
    /// meanwhile, so that it cannot move away unnoticed.
    fn run_on_connection(
        &mut self,
        command: &Command,
        adapter: ConnectionAdapter,
        args: &[&[u8]],
        reply: &mut ReplyWriter<'_>,
    ) -> Result<CommandResult, Parked> {
        if !self.core.gate.is_cluster() || command.row.keys.is_empty() {
            return Ok(adapter(self.core, self.connection, args, reply));
        }
        let slots = match self.slots_of(command, args) {
            Ok(slots) => slots,
            Err(error) => return Ok(Err(error)),
        };
        let Some(guards) = Turn::try_lock(self.core, &slots) else { return Err(Parked::Contended) };
        if let Err(error) = self.admit_slots(command, args, &guards) {
            return Ok(Err(or_parked(error)?));
        }
        Ok(adapter(self.core, self.connection, args, reply))
    }

    pub(super) fn run_by_host(&mut self, args: &[&[u8]], out: &mut Vec<u8>) -> CommandResult {
        let start = out.len();
        ask_host(self.core, self.connection, args, &mut ReplyWriter::new(out, self.connection.resp))?;
        error_of(&out[start..])
    }

    /// What a request answers, or that the host will give its reply.
    fn or_later(
        &mut self,
        result: CommandResult,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        if self.connection.awaited.get().is_none() {
            return Ok((Offset(0), result));
        }
        out.truncate(start);
        self.pick_up(out)
    }

    /// Whether the host was asked already, and gives the reply later.
    fn is_given_later(&self, command: &Command) -> bool {
        self.connection.awaited.get().is_some() && matches!(command.row.run.0, How::Connection(_) | How::Host)
    }

    /// Takes the reply that the host was to give, if it is there, and the offset that it tells of.
    #[cold]
    pub(super) fn pick_up(&mut self, out: &mut Vec<u8>) -> Result<(Offset, CommandResult), Parked> {
        let (reply, offset) = self.connection.awaited.get().and_then(LaterReply::take).ok_or(Parked::Awaited)?;
        self.connection.awaited = OnceCell::new();
        out.extend_from_slice(&reply);
        Ok((offset, error_of(&reply)))
    }
}

/// An error that the host wrote is counted like any other.
fn error_of(reply: &[u8]) -> CommandResult {
    match reply.strip_prefix(b"-") {
        None => Ok(()),
        Some(line) => Err(CommandError::Text(Cow::Owned(String::from_utf8_lossy(line).trim_end().to_owned()))),
    }
}

/// An error that is answered; a request for a slot that is paused waits instead.
#[cold]
pub(super) fn or_parked(error: CommandError) -> Result<CommandError, Parked> {
    match error {
        CommandError::SlotPaused => Err(Parked::SlotPaused),
        error => Ok(error),
    }
}

/// What EXEC answers where a request was refused when it was to be queued.
pub(super) fn broken() -> CommandError {
    CommandError::text("EXECABORT Transaction discarded because of previous errors.")
}

/// Whether a command runs at once, also after MULTI.
fn is_never_queued(command: &Command) -> bool {
    matches!(command.row.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// About what an argument takes in memory besides its bytes.
const MEMORY_PER_ARG: u64 = 64;

/// A session asks again when its requests brought this part of the memory that was left.
const MEMORY_SHARES: u64 = 64;

/// What a listening client of RESP2 may ask for.
const LISTENER_COMMANDS: [&str; 9] =
    ["ping", "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "quit", "reset"];

enum Refusal {
    Error(CommandError),
    Parked(Parked),
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}

/// What CLIENT REPLY makes of the reply just written. Confirmations of subscriptions are messages and always shown.
pub(crate) fn apply_reply_mode(
    connection: &mut Connection,
    command: Option<&Command>,
    start: usize,
    out: &mut Vec<u8>,
) {
    let start = match command {
        Some(command) if connection.listens && command.row.name.ends_with("subscribe") => out.len(),
        _ => start,
    };
    match connection.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => out.truncate(start),
        ReplyMode::Skip => {
            out.truncate(start);
            connection.reply_mode = ReplyMode::On;
        }
        ReplyMode::SkipNext => {
            out.truncate(start);
            connection.reply_mode = ReplyMode::Skip;
        }
    }
}

/// Registers the waker of a parked session with what it waits for.
pub(crate) fn wake_when_ready(core: &Core, parked: &Parked, client: &Client) {
    match parked {
        Parked::Pause => {
            client.is_parked.store(true, Ordering::Relaxed);
            core.clients.wake_after_pause(client);
        }
        Parked::SlotPaused => {
            client.is_parked.store(true, Ordering::Relaxed);
            core.clients.wake_after_slots(client);
        }
        // The journal took the waker when it was asked for room, the waiter when it was queued, the host with the request, the slot
        // while it was held.
        Parked::Room | Parked::Blocked(_) | Parked::Awaited | Parked::Relayed(_) | Parked::Leaving => {}
        Parked::Contended => client.waker.wake_by_ref(),
    }
}

/// Marks what others see of a client before a group of its requests runs.
pub(crate) fn mark_active(connection: &Connection, now: UnixMillis) {
    connection.client.last_used_ms.store(now.0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::acl::Credentials;
    use std::task::Waker;

    #[test]
    fn a_plain_set_that_was_admitted_before_writes_were_held_is_not_done_behind_that() {
        let db = Engine::in_memory();
        db.set("k", "abc").expect("nothing fails");
        let core = &db.core;
        let mut connection =
            Connection::new(core.clients.unlisted(Waker::noop().clone()), Credentials::of_host(&core.users));
        let key = &b"k"[..];
        let (slot, hash) = (Slot::of(key), core.hasher.hash(key));
        let known = Some(KnownKey { address: key.as_ptr() as usize, len: key.len(), slot, hash });
        let mut buffer = Vec::new();
        let mut execution = Execution { core, connection: &mut connection, now: core.now(), buffer: &mut buffer };
        db.hold_writes();
        assert!(execution.overwrite(&[b"SET", key, b"def"], known).is_none());
        db.release_writes();
        assert!(execution.overwrite(&[b"SET", key, b"ghi"], known).is_some());
        assert_eq!(db.get("k").expect("nothing fails").as_deref(), Some(&b"ghi"[..]));
    }
}
