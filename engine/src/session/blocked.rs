//! A session whose request waits for a key: how it goes on.
//!
//! The request was run, found nothing, and stands in the queues of its keys (see `turn::waiting`). Whoever ends the wait
//! leaves an outcome with the waiter and wakes the session, which picks it up here.

use super::Session;
use super::execute::{Answered, Execution, Failure, Parked, apply_reply_mode, wake_when_ready};
use super::outbox::Kind;
use crate::command::table::table;
use crate::effect::Offset;
use crate::error::CommandError;
use crate::keyspace::waiting::{self, Waiter};
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::waiting::leave;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Session {
    /// When the request that waits for a key gives up, by the engine's clock. [`poll_output`](Self::poll_output) called
    /// then, or [`Engine::tick`](crate::Engine::tick), makes it answer.
    pub fn deadline(&self) -> Option<UnixMillis> {
        match &self.parked {
            Some(Parked::Blocked(waiter)) => waiter.deadline,
            _ => None,
        }
    }

    /// Goes on with what was parked, as far as it goes.
    pub(super) fn go_on(&mut self, parked: Parked) {
        match parked {
            Parked::Blocked(waiter) => self.settle(waiter),
            Parked::Relayed(relayed) => self.take_relayed(relayed),
            Parked::Pause
            | Parked::Room
            | Parked::Contended
            | Parked::SlotPaused
            | Parked::Leaving
            | Parked::Awaited => {
                self.connection.client.is_parked.store(false, Ordering::Relaxed);
                match self.again.take() {
                    Some(waiter) => self.run_again(waiter),
                    None => self.run_input(),
                }
            }
        }
    }

    /// Answers the request that waited, if its wait has ended.
    fn settle(&mut self, waiter: Arc<Waiter>) {
        if waiter.is_due(self.core.now()) {
            waiter.end(waiting::Outcome::TimedOut);
        }
        let Some(outcome) = waiter.take_outcome() else {
            self.parked = Some(Parked::Blocked(waiter));
            return;
        };
        leave(&self.core, &waiter);
        *self.connection.client.blocked.lock() = None;
        if let waiting::Outcome::Refused(error) = &outcome
            && let Some(relayed) = self.relay_waiting(&waiter, error)
        {
            self.parked = Some(relayed);
            return;
        }
        let start = self.outbox.bytes.len();
        let mut reply = ReplyWriter::new(&mut self.outbox.bytes, self.connection.resp);
        let (offset, failed) = match outcome {
            waiting::Outcome::Served { reply, offset, failed } => {
                self.outbox.bytes.extend_from_slice(&reply);
                (offset, if failed { Failure::Failed } else { Failure::None })
            }
            waiting::Outcome::TimedOut => {
                reply.null_array();
                (Offset(0), Failure::None)
            }
            waiting::Outcome::Refused(error) => {
                let text = error.wire_text();
                self.core.stats.count_error(&String::from_utf8_lossy(&text));
                reply.error_bytes(&text);
                (Offset(0), Failure::Failed)
            }
            waiting::Outcome::Again => return self.run_again(waiter),
            waiting::Outcome::Gone => return,
        };
        self.close_request(&waiter.request, start, Answered { offset, failed });
    }

    /// Has whoever serves the slot now do a request that waited. Its time begins anew there.
    #[cold]
    fn relay_waiting(&mut self, waiter: &Waiter, error: &CommandError) -> Option<Parked> {
        let args: SmallVec<[&[u8]; 8]> = waiter.request.iter().map(|arg| &**arg).collect();
        let command = table().lookup(&args).ok()?;
        let now = self.core.now();
        let (core, connection, buffer) = (&self.core, &mut self.connection, &mut self.effects);
        Execution { core, connection, now, buffer }.relay(command, &args, error)
    }

    /// Runs the request that waited once more, in a turn of its own.
    fn run_again(&mut self, waiter: Arc<Waiter>) {
        let args: SmallVec<[&[u8]; 8]> = waiter.request.iter().map(|arg| &**arg).collect();
        let start = self.outbox.bytes.len();
        let Ok(command) = table().lookup(&args) else { return self.run_input() };
        self.connection.deadline_kept = Some(waiter.deadline);
        let now = self.core.now();
        let (core, connection, buffer) = (&self.core, &mut self.connection, &mut self.effects);
        let mut execution = Execution { core, connection, now, buffer };
        let answered = execution.run(command, &args, None, &mut self.outbox.bytes);
        self.connection.deadline_kept = None;
        match answered {
            Ok(answered) => self.close_request(&waiter.request, start, answered),
            Err(parked) => {
                wake_when_ready(&self.core, &parked, &self.connection.client);
                if !matches!(parked, Parked::Blocked(_) | Parked::Relayed(_)) {
                    self.again = Some(Arc::clone(&waiter));
                }
                self.parked = Some(parked);
            }
        }
    }

    /// Sends the reply of a request that waited, counts it, and goes on with the input behind it.
    pub(super) fn close_request(&mut self, request: &[Box<[u8]>], start: usize, answered: Answered) {
        let answer = (answered.failed, self.outbox.bytes.len().saturating_sub(start));
        apply_reply_mode(&mut self.connection, None, start, &mut self.outbox.bytes);
        self.outbox.hold(start, answered.offset, Kind::Reply);
        self.connection.asking = false;
        let args: SmallVec<[&[u8]; 8]> = request.iter().map(|arg| &**arg).collect();
        if let Ok(command) = table().lookup(&args) {
            let now = self.core.now();
            self.tally.begin(&self.core);
            self.tally.turn_to(Some(command), &self.core);
            self.tally.add(&self.core, &self.connection, command, &args, answer, now);
            self.tally.flush(&self.core);
        }
        self.run_input();
    }

    /// Stops waiting: the connection ends.
    pub(super) fn leave_queues(&mut self) {
        if let Some(Parked::Blocked(waiter)) = self.parked.take() {
            waiter.end(waiting::Outcome::Gone);
            leave(&self.core, &waiter);
            *self.connection.client.blocked.lock() = None;
        }
    }
}
