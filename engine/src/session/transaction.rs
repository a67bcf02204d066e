//! Queueing requests, running them in one turn, and watching keys.
//!
//! ```text
//! EXEC -> broken? EXECABORT -> something changed? null
//!      -> lock the slots of all queued keys and of all watched ones -> watched keys fell due? null
//!      -> run each -> commit: one batch -> waiters are served, events announced
//! ```
//!
//! A request that looks at every slot by itself (INFO, DEBUG, CONFIG, CLUSTER ...) cannot run while slots are held: there the
//! transaction is cut, and what follows runs in a turn of its own. Where that turn finds a slot taken, EXEC is parked with
//! its [progress](Progress) and goes on from there.

use super::execute::{Answered, Execution, Failure, Parked, broken, or_parked};
use super::tally::book;
use crate::client::{Progress, Queued, Transaction, WatchedKeys};
use crate::command::row::{Flags, Group, flag};
use crate::command::server::monitor::show;
use crate::command::table::{Command, table};
use crate::command::transaction::discard;
use crate::command::{CommandResult, How, look_in_turn};
use crate::effect::Offset;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::slot::{SLOT_COUNT, Slot};
use crate::turn::{Committed, Opening, Origin, Turn};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// How EXEC began.
enum Begun<'e> {
    /// With a turn over the slots of its first requests.
    Turn(Turn<'e>),
    /// It ended at once.
    Over(Offset, CommandResult),
}

/// How long it is waited for slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Patience {
    /// For a moment; then the session is parked.
    Moment,
    /// As long as it takes.
    Unlimited,
}

/// The arguments of a queued request.
pub(super) type Args<'a> = SmallVec<[&'a [u8]; 8]>;

impl<'a> Execution<'a> {
    /// Queues a request, or refuses it as it would be refused if it ran.
    #[cold]
    pub(super) fn queue(&mut self, command: &Command, args: &[&[u8]], out: &mut Vec<u8>) -> Answered {
        if let Err(error) = self.may_queue(command, args)
            && !self.queues_for_others(command, &error)
        {
            let error = self.note_refusal(None, error);
            return self.refuse(&error, out);
        }
        let queued = Queued::new(command.id, args);
        let size_max = self.core.options.query_buffer_bytes_max.load(Ordering::Relaxed);
        if let Some(transaction) = &mut self.connection.transaction {
            transaction.size += queued.size();
            transaction.flags |= command.flags.0;
            transaction.needs_data |= !command.flags.has(flag::LOADING);
            transaction.queued.push(queued);
            self.connection.client.multi.store(transaction.queued.len() as i64, Ordering::Relaxed);
            // What a client may have sent without its being run has a limit, queued or not.
            self.connection.closing |= transaction.size > size_max;
        }
        ReplyWriter::new(out, self.connection.resp).simple("QUEUED");
        Answered { offset: Offset(0), failed: Failure::Queued }
    }

    fn may_queue(&self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        if command.flags.has(flag::NO_MULTI) {
            return Err(CommandError::text("ERR Command not allowed inside a transaction"));
        }
        if !self.core.wants_named_keys() {
            return Ok(());
        }
        self.admit_to_queue(command, args)
    }

    /// Watches keys from here on.
    pub(super) fn watch(
        &mut self,
        command: &Command,
        args: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        if self.connection.transaction.is_some() {
            return Ok((Offset(0), Err(CommandError::text("ERR WATCH inside MULTI is not allowed"))));
        }
        if !self.connection.takes_pushes {
            return Ok((Offset(0), Err(CommandError::text("ERR WATCH is not offered where each call stands alone"))));
        }
        let slots = match self.slots_of(command, args) {
            Ok(slots) => slots,
            Err(error) => return Ok((Offset(0), Err(error))),
        };
        let Some(guards) = Turn::try_lock(self.core, &slots) else { return Err(Parked::Contended) };
        if let Err(error) = self.admit_slots(command, args, &guards) {
            return Ok((Offset(0), Err(or_parked(error)?)));
        }
        let opening = self.opening();
        let mut turn = Turn::open(self.core, opening, guards);
        let db = self.connection.db;
        let WatchedKeys { watch, keys } = &mut **self.connection.watched.get_or_insert_default();
        let mut result = Ok(());
        for key in &args[1..] {
            if !keys.iter().any(|(of, known)| *of == db && **known == **key) {
                result = result.and(turn.watch(key, watch));
                keys.push((db, (*key).into()));
            }
        }
        let offset = self.finish(turn);
        ReplyWriter::new(out, self.connection.resp).ok();
        Ok((offset, result))
    }

    /// Runs what was queued.
    pub(super) fn exec(&mut self, command: &Command, out: &mut Vec<u8>) -> Result<(Offset, CommandResult), Parked> {
        let is_broken = match &self.connection.transaction {
            None => return Ok((Offset(0), Err(CommandError::text("ERR EXEC without MULTI")))),
            Some(transaction) => transaction.is_broken,
        };
        let is_changed = self.connection.watched.as_ref().is_some_and(|watched| watched.watch.is_changed());
        if (is_broken || is_changed)
            && let Some(error) = self.redirect_exec()
            && !self.queues_for_others(command, &error)
        {
            discard(self.core, self.connection);
            return Ok((Offset(0), Err(error)));
        }
        if is_broken {
            discard(self.core, self.connection);
            return Ok((Offset(0), Err(broken())));
        }
        if is_changed {
            return Ok((Offset(0), self.exec_nothing(out)));
        }
        if let Some(error) =
            self.connection.transaction.as_ref().and_then(|transaction| {
                transaction.progress.is_none().then(|| self.would_be_cut(transaction)).flatten()
            })
        {
            discard(self.core, self.connection);
            return Ok((Offset(0), Err(error)));
        }
        let Some(mut transaction) = self.connection.transaction.take() else { return Ok((Offset(0), Ok(()))) };
        let mut outcome = self.exec_queued(&mut transaction, Patience::Moment, out);
        if let Ok((_, Err(error))) = &mut outcome
            && let Some(relayed) = self.relay_exec(command, &transaction, error)
        {
            discard(self.core, self.connection);
            return Err(relayed);
        }
        match &outcome {
            Err(_) => self.connection.transaction = Some(transaction),
            Ok(_) => discard(self.core, self.connection),
        }
        outcome
    }

    /// Something changed that the client watches.
    fn exec_nothing(&mut self, out: &mut Vec<u8>) -> CommandResult {
        discard(self.core, self.connection);
        ReplyWriter::new(out, self.connection.resp).null_array();
        Ok(())
    }

    /// Runs the rest of an EXEC that was parked, waiting for slots as long as it takes: its session ends, and what began
    /// is not left half done.
    #[cold]
    pub(super) fn finish_exec(&mut self) {
        let Some(mut transaction) = self.connection.transaction.take() else { return };
        if let Some(progress) = &mut transaction.progress {
            // Nobody waits for replies any more: one that was to come later counts as there, and none is to come later from here on.
            progress.done += usize::from(self.connection.awaited.take().is_some());
            self.connection.takes_pushes = false;
            let _ = self.exec_queued(&mut transaction, Patience::Unlimited, &mut Vec::new());
        }
    }

    fn exec_queued(
        &mut self,
        transaction: &mut Transaction,
        patience: Patience,
        out: &mut Vec<u8>,
    ) -> Result<(Offset, CommandResult), Parked> {
        let requests: Vec<(&'static Command, Args<'_>)> = transaction
            .queued
            .iter()
            .filter_map(|queued| Some((table().by_id(queued.row)?, queued.args().collect())))
            .collect();
        let start = out.len();
        let is_in_parts = requests.iter().any(|(command, _)| takes_slots_itself(command));
        let (turn, progress) = match transaction.progress.take() {
            Some(progress) => {
                out.extend_from_slice(&progress.replies);
                (None, progress)
            }
            None => match self.begin_exec(&requests, Flags(transaction.flags), out)? {
                Begun::Turn(turn) => {
                    if is_in_parts {
                        self.core.clients.begin_parts();
                    }
                    (Some(turn), Progress::default())
                }
                Begun::Over(offset, result) => return Ok((offset, result)),
            },
        };
        self.connection.executes = true;
        let ran = self.run_all(turn, &requests, progress, patience, out);
        self.connection.executes = false;
        match ran {
            Ok(offset) => {
                if is_in_parts {
                    self.core.clients.end_parts();
                }
                Ok((offset, Ok(())))
            }
            Err((progress, parked)) => {
                transaction.progress = Some(Progress { replies: out.split_off(start), ..progress });
                Err(parked)
            }
        }
    }

    /// Opens the first turn of EXEC, unless a watched key changed or a slot is not served here.
    fn begin_exec(
        &mut self,
        requests: &[(&'static Command, Args<'_>)],
        does: Flags,
        out: &mut Vec<u8>,
    ) -> Result<Begun<'a>, Parked> {
        let mut slots = match self.slots_of_all(requests) {
            Ok(slots) => slots,
            Err(error) => return Ok(Begun::Over(Offset(0), Err(error))),
        };
        if let Some(watched) = &self.connection.watched {
            slots.extend(watched.slots());
            slots.sort_unstable();
            slots.dedup();
        }
        let Some(mut guards) = Turn::try_lock(self.core, &slots) else { return Err(Parked::Contended) };
        self.admit_held(does)?;
        if let Err(error) = self.admit_queued(requests, does, &guards) {
            return Ok(Begun::Over(Offset(0), Err(or_parked(error)?)));
        }
        for (command, args) in requests {
            self.admit_leaving(command.flags, || command.routed_keys(args), &mut guards)?;
        }
        let opening = self.opening();
        let mut turn = Turn::open(self.core, opening, guards);
        if let Some(watched) = self.connection.watched.take() {
            for (db, key) in &watched.keys {
                turn.check_watched(*db, key, &watched.watch);
            }
            turn.unwatch(&watched.watch);
            if watched.watch.is_changed() {
                return Ok(Begun::Over(self.finish(turn), self.exec_nothing(out)));
            }
        }
        ReplyWriter::new(out, self.connection.resp).array(requests.len());
        Ok(Begun::Turn(turn))
    }

    /// Runs requests in a turn, and in another one after each request that cannot run in a turn. Where the slots of that
    /// one are held by somebody and it does not wait for them, it ends and says how far it got.
    fn run_all(
        &mut self,
        turn: Option<Turn<'a>>,
        requests: &[(&'static Command, Args<'_>)],
        progress: Progress,
        patience: Patience,
        out: &mut Vec<u8>,
    ) -> Result<Offset, (Progress, Parked)> {
        let Progress { done, mut newest, .. } = progress;
        let mut open = turn;
        for (at, (command, args)) in requests.iter().enumerate().skip(done) {
            if takes_slots_itself(command) {
                if let Some(turn) = open.take() {
                    newest = newest.max(self.finish(turn));
                }
            } else if open.is_none() {
                let slots = self.slots_of_all(&requests[at..]).unwrap_or_default();
                open = match patience {
                    Patience::Unlimited => Turn::begin(self.core, self.opening(), &slots).ok(),
                    Patience::Moment => match self.go_on_with(&requests[at..], &slots) {
                        Ok(turn) => turn,
                        Err(parked) => return Err((Progress { done: at, newest, ..Progress::default() }, parked)),
                    },
                };
            }
            let start = out.len();
            self.run_and_book(open.as_mut(), command, args, out);
            if self.connection.awaited.get().is_some() {
                out.truncate(start);
                return Err((Progress { done: at, newest, ..Progress::default() }, Parked::Awaited));
            }
            if takes_slots_itself(command) {
                // Nobody says what it changed.
                newest = newest.max(self.core.journal_end());
            }
        }
        Ok(match open {
            Some(turn) => newest.max(self.finish(turn)),
            None => newest,
        })
    }

    /// Opens the turn of an EXEC that gave its slots back; none if they are not served here any more.
    fn go_on_with(
        &mut self,
        rest: &[(&'static Command, Args<'_>)],
        slots: &[Slot],
    ) -> Result<Option<Turn<'a>>, Parked> {
        let Some(mut guards) = Turn::try_lock(self.core, slots) else { return Err(Parked::Contended) };
        let does = Flags(rest.iter().fold(0, |flags, (command, _)| flags | command.flags.0));
        match self.admit_queued(rest, does, &guards) {
            Ok(()) => {}
            // What it becomes is decided soon.
            Err(CommandError::SlotPaused) => return Err(Parked::SlotPaused),
            Err(_) => return Ok(None),
        }
        for (command, args) in rest {
            self.admit_leaving(command.flags, || command.routed_keys(args), &mut guards)?;
        }
        Ok(Some(Turn::open(self.core, self.opening(), guards)))
    }

    /// Runs one request, and counts it, unless the host will give its reply later.
    fn run_and_book(&mut self, turn: Option<&mut Turn<'_>>, command: &Command, args: &[&[u8]], out: &mut Vec<u8>) {
        let start = out.len();
        let began = self.core.monotonic_ns();
        self.connection.client.last_row.store(command.id.into(), Ordering::Relaxed);
        let failed = match self.run_one(turn, command, args, out) {
            Ok(()) => Failure::None,
            Err(error) => {
                out.truncate(start);
                self.write_error(&error, out);
                Failure::Failed
            }
        };
        if self.connection.awaited.get().is_some() {
            return;
        }
        let nanos = self.core.monotonic_ns().saturating_sub(began);
        book(self.core, self.connection, command, args, (nanos, failed, out.len() - start), self.now);
        if self.core.monitors.is_any() {
            show(self.core, self.connection, command, args, self.now);
        }
    }

    fn run_one(
        &mut self,
        turn: Option<&mut Turn<'_>>,
        command: &Command,
        args: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> CommandResult {
        self.admit_queued_user(command, args)?;
        let mut turn = turn;
        if let Some(turn) = &mut turn {
            turn.select(self.connection.db);
            turn.set_touch(self.touch());
            turn.allow_lookups(self.may_look_up(command, args));
        }
        let mut reply = ReplyWriter::new(out, self.connection.resp);
        match (command.row.run.0, turn) {
            (How::Turn(adapter) | How::Visit(adapter) | How::Store(adapter), Some(turn)) => {
                adapter(turn, args, &mut reply)
            }
            (How::Look(adapter), Some(turn)) => {
                look_in_turn(turn, args, &mut reply, |entry, _, args, reply| adapter(entry, args, reply))
            }
            (How::LookAt(adapter), Some(turn)) => look_in_turn(turn, args, &mut reply, adapter),
            (How::Connection(adapter), _) => adapter(self.core, self.connection, args, &mut reply),
            (How::Host, _) if self.connection.awaited.get().is_some() => {
                self.pick_up(out).map_or(Ok(()), |(_, result)| result)
            }
            (How::Host, _) => self.run_by_host(args, out),
            // Their slots closed between two turns of the transaction.
            (_, None) => Err(CommandError::SlotNotServed),
            (How::Exec | How::Watch, Some(_)) => {
                Err(CommandError::text("ERR Command not allowed inside a transaction"))
            }
        }
    }

    /// The slots that a run of requests needs, ascending: up to the first that takes its slots itself.
    fn slots_of_all(&self, requests: &[(&'static Command, Args<'_>)]) -> Result<Vec<Slot>, CommandError> {
        let mut slots: Vec<Slot> = Vec::new();
        for (command, args) in requests {
            match command.row.run.0 {
                _ if takes_slots_itself(command) => break,
                How::Store(_) | How::Visit(_) => return Ok(Slot::all().collect()),
                How::Turn(_) | How::Look(_) | How::LookAt(_) | How::Connection(_) => {
                    slots.extend(self.slots_of(command, args)?)
                }
                How::Exec | How::Watch | How::Host => {}
            }
        }
        slots.sort_unstable();
        slots.dedup();
        if self.core.wants_one_slot()
            && let [expected, found, ..] = slots[..]
            && slots.len() < SLOT_COUNT
        {
            return Err(CommandError::CrossSlot { expected, found, key: Vec::new() });
        }
        Ok(slots)
    }

    fn opening(&mut self) -> Opening {
        Opening {
            db: self.connection.db,
            origin: Origin::Client,
            now: Some(self.now),
            known: None,
            touch: self.touch(),
            buffer: std::mem::take(self.buffer),
        }
    }

    fn finish(&mut self, turn: Turn<'_>) -> Offset {
        let Committed { offset, buffer, .. } = turn.commit();
        *self.buffer = buffer;
        offset
    }

    /// Notes that a request was refused: EXEC will do nothing. A refused EXEC ends the transaction, if there is one.
    pub(super) fn note_refusal(&mut self, command: Option<&Command>, error: CommandError) -> CommandError {
        if command.is_some_and(|command| matches!(command.row.run.0, How::Exec)) {
            discard(self.core, self.connection);
            let text = error.wire_text();
            // This one has no code in Redis when it is quoted.
            let reason = match error {
                CommandError::WrongArity(_) => text.strip_prefix(b"ERR ").unwrap_or(&text),
                _ => &text,
            };
            return CommandError::Quoting([b"EXECABORT Transaction discarded because of: ", reason].concat());
        }
        if let Some(transaction) = &mut self.connection.transaction {
            transaction.is_broken = true;
        }
        error
    }
}

/// Whether a command may lock slots while it runs, and so cannot run while a turn holds some.
fn takes_slots_itself(command: &Command) -> bool {
    match command.row.run.0 {
        How::Host => true,
        How::Connection(_) => matches!(command.row.docs.group, Group::Server | Group::Cluster),
        _ => false,
    }
}
