//! Sessions: one client's requests in, replies out. Bytes are arguments; nothing here waits or knows a socket.
//!
//! ```text
//! feed(bytes) -> decode a group -> prefetch -> run each -> outbox -> poll_output(out)
//! ```
//!
//! Requests that arrived together are looked at together: all are decoded and their keys hashed, then the slots' lines and
//! the entries are fetched for all, then each is run. A lone request skips that.
//!
//! Invariants
//! - Replies leave in the order of the requests.
//! - A parked session runs nothing until it is woken; its input waits. So it is while a request blocks for a key.
//! - Whenever `poll_output` may have more to give, the host's waker was or will be woken.

mod admission;
mod blocked;
mod execute;
mod group;
mod look_run;
mod outbox;
mod relay;
mod rights;
mod sampler;
#[cfg(test)]
mod slot_mode_tests;
mod tally;
#[cfg(test)]
mod tests;
mod transaction;

pub(crate) use execute::{Execution, Parked};

use crate::acl::Credentials;
use crate::client::{Connection, PeerInfo};
use crate::command::pubsub::leave_all;
use crate::command::server::monitor::show;
use crate::command::table::{Command, table};
use crate::command::transaction::unwatch_all;
use crate::core::Core;
use crate::effect::Offset;
use crate::keyspace::waiting::Waiter;
use crate::pubsub::wake;
use crate::resp::{Limits, ReplyWriter, RequestDecoder, RespVersion, Trust, is_http_attack};
use crate::time::UnixMillis;
use execute::{Answered, Failure, apply_reply_mode, mark_active, wake_when_ready};
use group::{Group, Request, Rest};
use outbox::{Kind, Outbox};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use tally::Tally;

/// What the host does after [`Session::poll_output`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// Goes on reading from the peer, and asks for output again when the waker is woken: replies that were held and messages
    /// come without any input.
    Open,
    /// A request waits: what is read now waits behind it. Asks for output again when the waker is woken.
    Parked,
    /// Sends what `poll_output` gave, then closes.
    Closing,
}

/// One client's connection. A custom server is [`feed`](Self::feed) and [`poll_output`](Self::poll_output) in a loop.
///
/// ```
/// use keyslot_engine::{Engine, PeerInfo};
/// let mut session = Engine::in_memory().session(std::task::Waker::noop().clone(), PeerInfo::default());
/// session.feed(b"SET k v\r\nGET k\r\n");
/// let mut out = Vec::new();
/// session.poll_output(&mut out);
/// assert_eq!(out, b"+OK\r\n$1\r\nv\r\n");
/// ```
pub struct Session {
    core: Arc<Core>,
    connection: Connection,
    decoder: RequestDecoder,
    limits: Limits,
    input: Vec<u8>,
    outbox: Outbox,
    parked: Option<Parked>,
    /// A request that blocked and has to be run once more, by this session.
    again: Option<Arc<Waiter>>,
    group: Group,
    effects: Vec<u8>,
    tally: Tally,
}

/// How a group goes on after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// With the next.
    Next,
    /// Not now; this one is done with.
    Last,
    /// Not now; this one is to be tried again.
    Again,
}

impl Session {
    pub(crate) fn new(core: Arc<Core>, waker: Waker, peer: PeerInfo) -> Self {
        let credentials = Credentials::of_newcomer(&core.users);
        let client = core.clients.connect(peer, credentials.account().cloned(), core.now(), waker);
        core.stats.connections_received.fetch_add(1, Ordering::Relaxed);
        Self::of(core, Connection::new(client, credentials))
    }

    /// One of the host itself.
    pub(crate) fn inner(core: Arc<Core>, waker: Waker) -> Self {
        let mut connection = Connection::new(core.clients.unlisted(waker), Credentials::of_host(&core.users));
        connection.is_inner = true;
        connection.relay.knows_cluster = true;
        Self::of(core, connection)
    }

    fn of(core: Arc<Core>, connection: Connection) -> Self {
        let limits = Limits {
            bulk_bytes_max: core.options.bulk_bytes_max.load(Ordering::Relaxed),
            query_buffer_bytes_max: core.options.query_buffer_bytes_max.load(Ordering::Relaxed),
            ..Limits::default()
        };
        let mut session = Self {
            connection,
            decoder: RequestDecoder::new(limits),
            limits,
            core,
            input: Vec::new(),
            outbox: Outbox::default(),
            parked: None,
            again: None,
            group: Group::default(),
            effects: Vec::new(),
            tally: Tally::default(),
        };
        session.fit_limits();
        session
    }

    /// Shows the client as a replica: its host serves it the stream of changes from here on, and gives the session nothing more.
    pub fn mark_replica(&mut self) {
        self.connection.client.is_replica.store(true, Ordering::Relaxed);
    }

    /// Shows the client as the primary: its host gives what comes to a link, and the session nothing. Whoever kills clients of that
    /// type has [`poll_output`](Self::poll_output) say so.
    pub fn mark_primary(&mut self) {
        self.connection.client.is_primary.store(true, Ordering::Relaxed);
    }

    /// Makes the client this user without a password: its host found out by other means who it is. False if there is no such user,
    /// or it is off.
    ///
    /// ```
    /// use keyslot_engine::{Engine, PeerInfo};
    /// let db = Engine::in_memory();
    /// db.acl_setuser_rules("ada", &["on", "~ada:*", "+@read"])?;
    /// let mut session = db.session(std::task::Waker::noop().clone(), PeerInfo::default());
    /// assert!(session.log_in("ada"));
    /// session.feed(b"GET bob:1\r\n");
    /// let mut out = Vec::new();
    /// session.poll_output(&mut out);
    /// assert_eq!(out, b"-NOPERM No permissions to access a key\r\n");
    /// # Ok::<(), keyslot_engine::SetUserError>(())
    /// ```
    pub fn log_in(&mut self, user: impl AsRef<[u8]>) -> bool {
        let account = self.core.users.find(user.as_ref()).filter(|account| account.user().is_on);
        if let Some(account) = &account {
            self.connection.log_in(&self.core.users, account);
            self.fit_limits();
        }
        account.is_some()
    }

    /// The client's id, as CLIENT ID answers it.
    pub fn id(&self) -> u64 {
        self.connection.client.id
    }

    /// How many bytes of input wait undecoded or unexecuted.
    pub fn input_bytes(&self) -> usize {
        self.input.len()
    }

    /// How many bytes of replies and messages wait, held ones included.
    pub fn output_bytes(&self) -> usize {
        let mail = if self.connection.listens { self.connection.client.mailbox.len() } else { 0 };
        self.outbox.len() + mail
    }

    /// Whether the client listens to a channel: other limits hold for its output then.
    pub fn is_subscriber(&self) -> bool {
        self.connection.listens && self.connection.client.subscriptions.is_any()
    }

    /// Takes bytes from the peer and runs the requests that they complete. Never waits: what cannot go on is parked.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.core.stats.input_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let total = &self.connection.client.input_bytes;
        total.store(total.load(Ordering::Relaxed) + bytes.len() as u64, Ordering::Relaxed);
        self.outbox.promise = self.core.options.promise(None);
        if self.parked.is_some() || self.connection.closing {
            if !self.connection.closing {
                self.input.extend_from_slice(bytes);
            }
            return;
        }
        if self.input.is_empty() {
            let consumed = self.run(bytes);
            if !self.connection.closing {
                self.input.extend_from_slice(&bytes[consumed..]);
            }
        } else {
            self.input.extend_from_slice(bytes);
            // A bulk that arrives in pieces is not looked at again before it is whole.
            if self.input.len() >= self.decoder.needed() {
                self.run_input();
            }
        }
        self.note_buffers();
    }

    /// Appends to `out` the replies that may be shown now, and says what to do next.
    pub fn poll_output(&mut self, out: &mut Vec<u8>) -> SessionState {
        if self.connection.client.killed.load(Ordering::Acquire) {
            self.connection.closing = true;
            self.input = Vec::new();
            self.leave_queues();
            return SessionState::Closing;
        }
        self.outbox.promise = self.core.options.promise(None);
        if let Some(parked) = self.parked.take() {
            self.go_on(parked);
        }
        if self.connection.listens {
            self.take_mail();
        }
        let before = out.len();
        let client = &self.connection.client;
        let sink = self.core.sink().map(|sink| &**sink);
        self.outbox.release(out, &self.core.options, sink, self.connection.resp, &client.waker);
        let sent = (out.len() - before) as u64;
        client.output_bytes.store(client.output_bytes.load(Ordering::Relaxed) + sent, Ordering::Relaxed);
        self.core.stats.output_bytes.fetch_add(sent, Ordering::Relaxed);
        self.note_buffers();
        match () {
            () if self.connection.closing && self.outbox.is_empty() => SessionState::Closing,
            () if self.parked.is_some() || self.connection.closing => SessionState::Parked,
            () => SessionState::Open,
        }
    }

    fn note_buffers(&self) {
        let client = &self.connection.client;
        client.query_buffer_bytes.store(self.input.len() as u64, Ordering::Relaxed);
        client.output_buffer_bytes.store(self.outbox.len() as u64, Ordering::Relaxed);
    }

    fn run_input(&mut self) {
        let mut input = std::mem::take(&mut self.input);
        let consumed = self.run(&input);
        if consumed == input.len() || self.connection.closing {
            input.clear();
            input.shrink_to(INPUT_KEPT_BYTES_MAX);
        } else {
            input.drain(..consumed);
        }
        self.input = input;
    }

    /// Runs the requests in `input` and returns how many bytes are done with.
    fn run(&mut self, input: &[u8]) -> usize {
        let mut done = 0;
        while !self.connection.closing && self.parked.is_none() {
            let rest = self.decode_group(input, done);
            let Some(decoded) = self.group.end() else { break };
            self.run_group(input, &mut done);
            if done < decoded {
                // Parked in mid-group.
                self.restart_decoder();
                break;
            }
            if rest == Rest::None {
                break;
            }
        }
        self.tally.flush(&self.core);
        self.give_out();
        if !self.connection.woken.is_empty() {
            wake(&mut self.connection.woken);
        }
        done
    }

    /// Gives out the messages that were published and wait for others.
    #[inline]
    fn give_out(&mut self) {
        if !self.connection.bundle.is_empty() {
            let Connection { bundle, woken, .. } = &mut self.connection;
            self.core.pubsub.give_out(bundle, &mut self.core.post(Offset(0), woken));
        }
    }

    /// Puts the messages that wait behind the replies so far.
    #[cold]
    fn take_mail(&mut self) {
        let start = self.outbox.bytes.len();
        self.connection.take_mail(&mut self.outbox.bytes);
        self.outbox.hold(start, std::mem::take(&mut self.connection.mail_offset), Kind::Message);
    }

    /// Decodes the next group of requests.
    fn decode_group(&mut self, input: &[u8], from: usize) -> Rest {
        match self.group.decode(&mut self.decoder, &self.core, input, from) {
            Ok(rest) => rest,
            // The requests before the broken one are run first; then it is met again, alone.
            Err(_) if !self.group.requests().is_empty() => {
                self.restart_decoder();
                Rest::More
            }
            Err(error) => {
                if let Some(text) = error.wire_text() {
                    self.core.stats.count_error("ERR");
                    ReplyWriter::new(&mut self.outbox.bytes, self.connection.resp).error_bytes(&text);
                }
                self.connection.closing = true;
                Rest::None
            }
        }
    }

    /// Runs the group's requests, one after another, and says in `done` how far in the input.
    fn run_group(&mut self, input: &[u8], done: &mut usize) {
        self.group.prefetch(&self.core, self.connection.db);
        let now = self.begin_group(input.len() - *done);
        let group = std::mem::take(&mut self.group);
        let scratch = group.scratch(&self.decoder);
        let mut rest = group.requests();
        while let [request, behind @ ..] = rest {
            let looks = self.run_looks(rest, |request| group.args(request, input, &scratch), now);
            if let Some(last) = looks.checked_sub(1) {
                *done = rest[last].end;
                rest = &rest[looks..];
                continue;
            }
            rest = behind;
            let args = group.args(request, input, &scratch);
            let step = self.run_request(request, &args, now);
            if step != Step::Again {
                *done = request.end;
            }
            if step != Step::Next {
                break;
            }
        }
        self.group = group;
    }

    /// Notes what others see of the client while a group runs, and takes the time.
    fn begin_group(&mut self, input_bytes: usize) -> UnixMillis {
        let now = self.core.now();
        mark_active(&self.connection, now);
        // What CLIENT LIST shows while these run, the request that asks included.
        self.connection.client.query_buffer_bytes.store(input_bytes as u64, Ordering::Relaxed);
        self.tally.begin(&self.core);
        now
    }

    /// Runs one request of a group.
    #[inline]
    fn run_request(&mut self, request: &Request, args: &[&[u8]], now: UnixMillis) -> Step {
        let Some(name) = args.first() else { return Step::Next };
        if is_http_attack(name) {
            self.connection.closing = true;
            self.outbox.clear();
            return Step::Last;
        }
        let command = request.command.or_else(|| table().lookup(args).ok());
        self.turn_to(command);
        let asking = self.connection.asking;
        let start = self.outbox.bytes.len();
        let mut execution =
            Execution { core: &self.core, connection: &mut self.connection, now, buffer: &mut self.effects };
        let answered = match command {
            Some(command) => execution.run(command, args, request.known, &mut self.outbox.bytes),
            None => Ok(execution.reject_unresolved(args, &mut self.outbox.bytes)),
        };
        let answered = match answered {
            Ok(answered) => answered,
            Err(parked) => {
                if matches!(parked, Parked::Blocked(_)) {
                    self.show_watchers(command, args, now);
                }
                return self.park(parked);
            }
        };
        if asking {
            self.forget_asking(command);
        }
        let reply_bytes = self.outbox.bytes.len().saturating_sub(start);
        self.hold_reply(command, start, &answered);
        if let Some(command) = command {
            let answer = (answered.failed, reply_bytes);
            self.tally.add(&self.core, &self.connection, command, args, answer, now);
        }
        if matches!(answered.failed, Failure::None | Failure::Failed) {
            self.show_watchers(command, args, now);
        }
        self.fit_limits();
        if self.connection.closing { Step::Last } else { Step::Next }
    }

    /// Shows a request to those who watch.
    #[inline]
    fn show_watchers(&mut self, command: Option<&Command>, args: &[&[u8]], now: UnixMillis) {
        if let (true, Some(command)) = (self.core.monitors.is_any(), command) {
            show(&self.core, &mut self.connection, command, args, now);
        }
    }

    /// ASKING was for this request, or for the transaction that goes on.
    #[cold]
    fn forget_asking(&mut self, command: Option<&'static Command>) {
        let is_first = command.is_some_and(|command| command.row.name == "asking");
        if !is_first && self.connection.transaction.is_none() {
            self.connection.asking = false;
        }
    }

    /// Gets ready for a request: its counters, and the messages that come before its reply.
    #[inline]
    fn turn_to(&mut self, command: Option<&'static Command>) {
        self.connection.client.last_row.store(command.map_or(u32::MAX, |c| c.id.into()), Ordering::Relaxed);
        self.tally.turn_to(command, &self.core);
        if !self.connection.bundle.is_empty() && command.is_none_or(|command| command.row.name != "publish") {
            self.give_out();
        }
        if self.connection.listens {
            self.take_mail();
        }
    }

    /// Keeps a request that cannot go on, and sees to it that it is tried again.
    #[cold]
    fn park(&mut self, parked: Parked) -> Step {
        wake_when_ready(&self.core, &parked, &self.connection.client);
        let step = match parked {
            Parked::Blocked(_) | Parked::Relayed(_) => Step::Last,
            Parked::Pause
            | Parked::Room
            | Parked::Contended
            | Parked::SlotPaused
            | Parked::Leaving
            | Parked::Awaited => Step::Again,
        };
        self.parked = Some(parked);
        step
    }

    /// Puts the reply that stands from `start` on in its place in the outbox.
    #[inline]
    fn hold_reply(&mut self, command: Option<&'static Command>, start: usize, answered: &Answered) {
        let ran = command.filter(|_| answered.failed != Failure::Queued);
        apply_reply_mode(&mut self.connection, ran, start, &mut self.outbox.bytes);
        let offset = match self.connection.listens {
            true => answered.offset.max(std::mem::take(&mut self.connection.mail_offset)),
            false => answered.offset,
        };
        self.outbox.hold(start, offset, Kind::Reply);
    }

    /// Forgets what was decoded ahead: it is decoded again.
    fn restart_decoder(&mut self) {
        self.decoder = RequestDecoder::new(self.limits);
        self.fit_limits();
    }

    /// Strangers get small limits.
    fn fit_limits(&mut self) {
        let is_stranger = self.connection.credentials.is_stranger();
        let trust = if is_stranger { Trust::Unauthenticated } else { Trust::Authenticated };
        self.decoder.set_trust(trust);
    }

    /// The version of the protocol that the client asked for.
    pub fn resp_version(&self) -> RespVersion {
        self.connection.resp
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.connection.transaction.is_some() {
            let (core, connection, buffer) = (&self.core, &mut self.connection, &mut self.effects);
            Execution { core, connection, now: core.now(), buffer }.finish_exec();
        }
        unwatch_all(&self.core, &mut self.connection);
        if self.connection.listens {
            leave_all(&self.core, &self.connection.client);
        }
        self.leave_queues();
        self.core.clients.disconnect(&self.connection.client);
    }
}

/// Input memory that an idle session keeps.
const INPUT_KEPT_BYTES_MAX: usize = 16 * 1024;
