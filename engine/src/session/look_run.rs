//! Reads of one slot that follow each other in a group, under one lock.
//!
//! ```text
//! group    | ZRANGE a | ZRANGE a | GET {a}b | SET a | GET c |
//!            `-- lock, look, look, look, unlock '     each by itself
//! ```
//!
//! Clients that all read one key in pipelines would otherwise hand its slot's line to and fro between the processors with each
//! request. Only plain looks run like this: commands whose work is [bounded, or goes by a short reply](Work), of a connection
//! on which nothing is out of the ordinary. Whatever needs more is left to run by itself.
//!
//! Invariant: while the slot is held nobody is waited for, and for no longer than [`RUN_BYTES_MAX`] of replies take.

use super::Session;
use super::execute::{Execution, Failure};
use super::group::Request;
use super::outbox::Kind;
use crate::client::ReplyMode;
use crate::command::How;
use crate::command::table::{Command, Work};
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use crate::turn::{KnownKey, Looked, Touch, look_held, try_lock};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

impl Session {
    /// Runs the first of `requests` as far as they are looks at one slot; says how many. Fewer than two are not worth it: 0.
    pub(super) fn run_looks<'b>(
        &mut self,
        requests: &[Request],
        args_of: impl Fn(&Request) -> SmallVec<[&'b [u8]; 8]>,
        now: UnixMillis,
    ) -> usize {
        let [Some((_, first)), Some((_, second))] = [0, 1].map(|at| requests.get(at).and_then(look)) else { return 0 };
        if first.slot != second.slot || !self.is_ordinary(now) {
            return 0;
        }
        let Self { core, connection, outbox, tally, effects, .. } = self;
        let touch = if connection.client.no_touch.load(Ordering::Relaxed) { Touch::Keep } else { Touch::Mark };
        let Some(mut guard) = try_lock(core, first.slot) else { return 0 };
        let (begin, mut count, mut failed) = (outbox.bytes.len(), 0, None);
        for request in requests {
            let start = outbox.bytes.len();
            let Some((command, known)) = look(request).filter(|(_, known)| known.slot == first.slot) else { break };
            let args = args_of(request);
            if !command.accepts(args.len()) || start - begin > RUN_BYTES_MAX {
                break;
            }
            connection.client.last_row.store(command.id.into(), Ordering::Relaxed);
            tally.turn_to(Some(command), core);
            let mut reply = ReplyWriter::new(&mut outbox.bytes, connection.resp);
            let looked = Looked { key: args[1], hash: known.hash, db: connection.db, touch };
            let see = |entry: Option<&EntryRef>| match command.row.run.0 {
                How::Look(adapter) => adapter(entry, &args, &mut reply),
                How::LookAt(adapter) => adapter(entry, Some(now), &args, &mut reply),
                _ => unreachable!("a look is one of these"),
            };
            match look_held(core, &mut guard.state, looked, now, see) {
                Ok((Ok(()), offset)) => {
                    let reply_bytes = outbox.bytes.len() - start;
                    outbox.hold(start, offset, Kind::Reply);
                    tally.add(core, connection, command, &args, (Failure::None, reply_bytes), now);
                    count += 1;
                }
                Ok((Err(error), offset)) => {
                    outbox.bytes.truncate(start);
                    failed = Some((command, args, error, offset));
                    break;
                }
                Err(_) => break,
            }
        }
        drop(guard);
        if let Some((command, args, error, offset)) = failed {
            let start = outbox.bytes.len();
            Execution { core, connection, now, buffer: effects }.write_error(&error, &mut outbox.bytes);
            outbox.hold(start, offset, Kind::Reply);
            let failure = if error.is_refusal() { Failure::Rejected } else { Failure::Failed };
            tally.add(core, connection, command, &args, (failure, 0), now);
            count += 1;
        }
        count
    }

    /// Whether nothing but its command decides what a request does.
    fn is_ordinary(&self, now: UnixMillis) -> bool {
        let connection = &self.connection;
        connection.credentials.are_clear(&self.core.users)
            && connection.transaction.is_none()
            && connection.reply_mode == ReplyMode::On
            && connection.bundle.is_empty()
            && !connection.listens
            && !self.core.monitors.is_any()
            && !connection.asking
            && !self.core.clients.is_paused(now)
    }
}

/// The command and the key of a request that may run like this.
#[inline]
fn look(request: &Request) -> Option<(&'static Command, KnownKey)> {
    let (command, known) = (request.command?, request.known?);
    let is_look = matches!(command.row.run.0, How::Look(_) | How::LookAt(_)) && command.work != Work::Data;
    is_look.then_some((command, known))
}

/// A run ends behind the request with which its replies pass this length.
const RUN_BYTES_MAX: usize = 4 * 1024;
