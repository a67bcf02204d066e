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

mod blocked;
mod execute;
mod outbox;
mod tally;
#[cfg(test)]
mod tests;
mod transaction;

pub(crate) use execute::{Parked, Surroundings};

use crate::client::{Connection, PeerInfo};
use crate::command::pubsub::leave_all;
use crate::command::table::{Command, table};
use crate::command::transaction::unwatch_all;
use crate::core::Core;
use crate::effect::Offset;
use crate::keyspace::waiting::Waiter;
use crate::pubsub::wake;
use crate::resp::{ArgRange, Decoded, Decoder, Limits, ReplyWriter, RespVersion, Source, Trust, is_http_attack};
use crate::slot::Slot;
use crate::table::prefetch;
use crate::turn::KnownKey;
use execute::{Failure, apply_reply_mode, mark_active, wake_when_ready};
use outbox::{Kind, Outbox};
use smallvec::SmallVec;
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
    decoder: Decoder,
    limits: Limits,
    input: Vec<u8>,
    outbox: Outbox,
    parked: Option<Parked>,
    /// A request that blocked and has to be run once more, by this session.
    again: Option<Arc<Waiter>>,
    ranges: Vec<ArgRange>,
    group: Vec<Request>,
    effects: Vec<u8>,
    tally: Tally,
}

/// A decoded request of the group at hand.
struct Request {
    /// Its arguments among `ranges`.
    args: std::ops::Range<usize>,
    /// Where the input goes on after it.
    end: usize,
    source: Source,
    command: Option<&'static Command>,
    /// Its key, when it has one plain key.
    known: Option<KnownKey>,
}

impl Session {
    pub(crate) fn new(core: Arc<Core>, waker: Waker, peer: PeerInfo) -> Self {
        let client = core.clients.connect(peer, core.now(), waker);
        core.stats.connections_received.fetch_add(1, Ordering::Relaxed);
        let authenticated = !core.host().is_some_and(|host| host.needs_password());
        let limits = Limits {
            bulk_bytes_max: core.options.bulk_bytes_max.load(Ordering::Relaxed),
            query_buffer_bytes_max: core.options.query_buffer_bytes_max.load(Ordering::Relaxed),
            ..Limits::default()
        };
        let mut session = Self {
            connection: Connection::new(client, authenticated),
            decoder: Decoder::new(limits),
            limits,
            core,
            input: Vec::new(),
            outbox: Outbox::default(),
            parked: None,
            again: None,
            ranges: Vec::new(),
            group: Vec::new(),
            effects: Vec::new(),
            tally: Tally::default(),
        };
        session.fit_limits();
        session
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
        if let Some(parked) = self.parked.take() {
            self.go_on(parked);
        }
        if self.connection.listens {
            self.take_mail();
        }
        let before = out.len();
        let client = &self.connection.client;
        let sink = self.core.sink().map(|sink| &**sink);
        self.outbox.release(out, self.core.options.ack(), sink, self.connection.resp, &client.waker);
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
            let more = self.decode_group(input, done);
            if self.group.is_empty() {
                break;
            }
            let decoded = self.group.last().map_or(done, |request| request.end);
            self.run_group(input, &mut done);
            if done < decoded {
                // Parked in mid-group: what was decoded ahead is decoded again later.
                self.decoder = Decoder::new(self.limits);
                self.fit_limits();
                break;
            }
            if !more {
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

    /// Decodes up to [`GROUP_REQUESTS_MAX`] requests from `from` on. False when the input gives no more.
    fn decode_group(&mut self, input: &[u8], from: usize) -> bool {
        self.ranges.clear();
        self.group.clear();
        let mut at = from;
        while self.group.len() < GROUP_REQUESTS_MAX && at < input.len() {
            match self.decoder.decode_from(input, at, &mut self.ranges) {
                Ok(Decoded::Request { consumed, args, source }) => {
                    at += consumed;
                    let (command, known) = match source {
                        Source::Input => self.look_ahead(input, &self.ranges[args.clone()]),
                        Source::Scratch => (None, None),
                    };
                    self.group.push(Request { args, end: at, source, command, known });
                    if source == Source::Scratch {
                        // The scratch holds one request: it must run before the next is decoded.
                        return true;
                    }
                }
                Ok(Decoded::Empty { consumed }) => {
                    at += consumed;
                    match self.group.last_mut() {
                        Some(last) => last.end = at,
                        None => self.group.push(Request {
                            args: 0..0,
                            end: at,
                            source: Source::Input,
                            command: None,
                            known: None,
                        }),
                    }
                }
                Ok(Decoded::Incomplete) => return false,
                Err(error) => {
                    // Requests before the broken one are run first; then it is met again, alone.
                    if self.group.is_empty() {
                        if let Some(text) = error.wire_text() {
                            self.core.stats.count_error("ERR");
                            ReplyWriter::new(&mut self.outbox.bytes, self.connection.resp).error_bytes(&text);
                        }
                        self.connection.closing = true;
                    } else {
                        self.decoder = Decoder::new(self.limits);
                        self.fit_limits();
                    }
                    return !self.group.is_empty();
                }
            }
        }
        at < input.len()
    }

    /// Names the command and, if it has one plain key, hashes it and asks for its slot's line.
    #[inline]
    fn look_ahead(&self, input: &[u8], ranges: &[ArgRange]) -> (Option<&'static Command>, Option<KnownKey>) {
        let Some(command) = table().find(ranges[0].of(input)) else { return (None, None) };
        let command = if command.is_container() && ranges.len() > 1 {
            match table().find_subcommand(command, ranges[1].of(input)) {
                Some(command) => command,
                None => return (None, None),
            }
        } else {
            command
        };
        let known = match command.plain_range(ranges.len()) {
            Some(range) if range.first == range.last => {
                let bytes = ranges[range.first].of(input);
                let slot = Slot::of(bytes);
                self.core.slots.prefetch_slot(slot);
                Some(KnownKey {
                    address: bytes.as_ptr() as usize,
                    len: bytes.len(),
                    slot,
                    hash: self.core.hasher.hash(bytes),
                })
            }
            _ => None,
        };
        (Some(command), known)
    }

    /// Asks for what the group's lookups will read: lines first, then entries.
    fn prefetch_group(&self) {
        let keys = || self.group.iter().filter_map(|request| request.known);
        for key in keys() {
            self.core.totals.hints.prefetch(key.slot, key.hash);
        }
        let db = self.connection.db;
        let mut entries = [std::ptr::null(); GROUP_REQUESTS_MAX];
        for (entry, key) in entries.iter_mut().zip(keys()) {
            let guard = self.core.slots.try_lock(key.slot);
            let shard = guard.as_ref().and_then(|guard| guard.state.shard(db));
            *entry = shard.and_then(|shard| shard.candidate(key.hash)).map_or(std::ptr::null(), |(_, address)| address);
        }
        // Apart from the locking: a prefetch that has to walk page tables holds up the next locked instruction.
        for entry in entries.into_iter().filter(|entry| !entry.is_null()) {
            prefetch(entry);
            prefetch(entry.wrapping_add(64));
        }
    }

    fn run_group(&mut self, input: &[u8], done: &mut usize) {
        if self.group.len() > 1 {
            self.prefetch_group();
        }
        let now = self.core.now();
        mark_active(&self.connection, now);
        // What CLIENT LIST shows while these run, the request that asks included.
        self.connection.client.query_buffer_bytes.store((input.len() - *done) as u64, Ordering::Relaxed);
        self.tally.begin(&self.core);
        let group = std::mem::take(&mut self.group);
        let scratch = if group.last().is_some_and(|r| r.source == Source::Scratch) {
            self.decoder.scratch().to_vec()
        } else {
            Vec::new()
        };
        for request in &group {
            let bytes = match request.source {
                Source::Input => input,
                Source::Scratch => &scratch,
            };
            let args: SmallVec<[&[u8]; 8]> =
                self.ranges[request.args.clone()].iter().map(|range| range.of(bytes)).collect();
            if args.is_empty() {
                *done = request.end;
                continue;
            }
            if is_http_attack(args[0]) {
                self.connection.closing = true;
                self.outbox.clear();
                *done = request.end;
                break;
            }
            let command = request.command.or_else(|| table().lookup(&args).ok());
            self.connection.client.last_row.store(command.map_or(u32::MAX, |c| c.id.into()), Ordering::Relaxed);
            self.tally.turn_to(command, &self.core);
            let asking = self.connection.asking;
            if !self.connection.bundle.is_empty() && command.is_none_or(|command| command.row.name != "publish") {
                self.give_out();
            }
            if self.connection.listens {
                self.take_mail();
            }
            let start = self.outbox.bytes.len();
            let mut surroundings =
                Surroundings { core: &self.core, connection: &mut self.connection, now, buffer: &mut self.effects };
            let outcome = match command {
                Some(command) => surroundings.run(command, &args, request.known, &mut self.outbox.bytes),
                None => Ok(surroundings.reject_unresolved(&args, &mut self.outbox.bytes)),
            };
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(parked) => {
                    wake_when_ready(&self.core, &parked, &self.connection.client);
                    if let Parked::Blocked(_) = parked {
                        *done = request.end;
                    }
                    self.parked = Some(parked);
                    break;
                }
            };
            if asking && command.is_none_or(|command| command.row.name != "asking") {
                self.connection.asking = false;
            }
            let ran = command.filter(|_| outcome.failed != Failure::Queued);
            apply_reply_mode(&mut self.connection, ran, start, &mut self.outbox.bytes);
            let offset = match self.connection.listens {
                true => outcome.offset.max(std::mem::take(&mut self.connection.mail_offset)),
                false => outcome.offset,
            };
            self.outbox.hold(start, offset, Kind::Reply);
            *done = request.end;
            if let Some(command) = command {
                self.tally.add(&self.core, &self.connection, command, &args, outcome.failed, now);
            }
            self.fit_limits();
            if self.connection.closing {
                break;
            }
        }
        self.group = group;
    }

    /// Strangers get small limits.
    fn fit_limits(&mut self) {
        let trust = if self.connection.authenticated { Trust::Authenticated } else { Trust::Unauthenticated };
        self.decoder.set_trust(trust);
    }

    /// The version of the protocol that the client asked for.
    pub fn resp_version(&self) -> RespVersion {
        self.connection.resp
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        unwatch_all(&self.core, &mut self.connection);
        if self.connection.listens {
            leave_all(&self.core, &self.connection.client);
        }
        self.leave_queues();
        self.core.clients.disconnect(&self.connection.client);
    }
}

/// Requests that are looked ahead together.
const GROUP_REQUESTS_MAX: usize = 32;

/// Input memory that an idle session keeps.
const INPUT_KEPT_BYTES_MAX: usize = 16 * 1024;
