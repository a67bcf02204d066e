//! The doors of the engine that do not belong to one command. Those of a cluster's node are in [`cluster`](crate::cluster).
//!
//! - [`Engine::session`]: a client's bytes in, replies out.
//! - [`Engine::call`]: one request as arguments, one reply as a value.
//! - typed verbs (`get`, `set`, ...): beside their commands.
//! - [`Engine::atomic`]: several verbs in one turn.
//! - [`Engine::apply`]: effects from the log, a primary or an import.
//! - [`Engine::tick`]: the work that is due by time.

use crate::acl::Credentials;
use crate::apply;
use crate::client::{Connection, PeerInfo};
use crate::command::table::table;
use crate::core::Core;
use crate::effect::{EffectSink, Offset};
use crate::engine::{Engine, thread_waker};
use crate::error::CommandError;
use crate::eviction;
use crate::host::Host;
use crate::keyspace::waiting::{Outcome, Waiter};
use crate::keyspace::{DATABASE_COUNT, lifetime};
use crate::options::Options;
use crate::pubsub::wake;
use crate::replay::{self, LoggedCommand, RefusedCommand, Route};
use crate::resp::{ReplyWriter, RespVersion, Value, parse_reply};
use crate::session::{Execution, Parked, Session};
use crate::slot::Slot;
use crate::system::{SystemClock, random_secret, random_seed};
use crate::time::{Clock, UnixMillis};
use crate::turn::Origin;
use crate::turn::expire_cycle::{self, TickReport};
use crate::turn::waiting::{leave, sweep};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

/// How an engine is made.
#[derive(Default)]
pub struct EngineBuilder {
    clock: Option<Box<dyn Clock>>,
    seed: Option<u64>,
    options: Option<SetOptions>,
}

type SetOptions = Box<dyn FnOnce(&Options) + Send>;

impl EngineBuilder {
    /// Where the time comes from; the machine's clock if not given.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// What chance follows from (hashing, RANDOMKEY, sampling); the system's if not given.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets options before anything is loaded: how values are kept and what is known of their use follows from them.
    #[must_use]
    pub fn options(mut self, set: impl FnOnce(&Options) + Send + 'static) -> Self {
        self.options = Some(Box::new(set));
        self
    }

    /// Makes the engine. Nothing is opened, nothing started.
    pub fn in_memory(self) -> Engine {
        let clock = self.clock.unwrap_or_else(|| Box::new(SystemClock::default()));
        // What follows from a seed is no secret, and is the same each time, as whoever gives one wants.
        let secret = self.seed.map_or_else(random_secret, |seed| Sha256::digest(seed.to_le_bytes()).into());
        let seed = self.seed.unwrap_or_else(random_seed);
        let core = Core::new(clock, seed, secret, table());
        if let Some(set) = self.options {
            set(&core.options);
        }
        Engine { core: Arc::new(core), ack: None }
    }
}

/// What becomes of keys whose time has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DueKeys {
    /// They are deleted, on access and by [`Engine::tick`].
    #[default]
    Delete,
    /// They stay, and clients do not see them: somebody else decides when they go.
    Hide,
}

impl Engine {
    /// An engine with default options, by the machine's clock.
    pub fn in_memory() -> Self {
        Self::builder().in_memory()
    }

    /// Starts describing an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Live options.
    pub fn options(&self) -> &Options {
        &self.core.options
    }

    /// The time by this engine's clock.
    pub fn now(&self) -> UnixMillis {
        self.core.now()
    }

    /// Goes on with eras at `era`, if that is later than the current one: for an engine that goes on with a journal whose
    /// batches had eras. To be called before the engine serves anybody.
    pub fn resume_era(&self, era: u64) {
        self.core.eras.resume(era);
    }

    /// The current era.
    pub fn era(&self) -> u64 {
        self.core.eras.current()
    }

    /// How many effects turns had so far: whoever saves counts by it what is not saved yet.
    pub fn changes(&self) -> u64 {
        self.core.stats.changes()
    }

    /// Opens a session for one client. `waker` is woken whenever [`Session::poll_output`] may have more to give.
    pub fn session(&self, waker: Waker, peer: PeerInfo) -> Session {
        Session::new(Arc::clone(&self.core), waker, peer)
    }

    /// Opens a session of the host itself. Nobody sees or kills it, it asks for no password, and clients of the cluster's rules are
    /// its rules; what it deletes in a transaction it may delete where there is no memory left.
    pub fn inner_session(&self, waker: Waker) -> Session {
        Session::inner(Arc::clone(&self.core), waker)
    }

    /// Attaches the keeper of the journal, or goes on with it after [`detach_sink`](Self::detach_sink): from here on every
    /// change is recorded. False if there is another one already. O(slots).
    pub fn attach_sink(&self, sink: Arc<dyn EffectSink>) -> bool {
        self.core.attach_sink(sink)
    }

    /// Gives the keeper of the journal nothing from here on; all that it was given was given when this returns. Changes go on
    /// without it, and no reply waits for it. O(slots). Not to be called inside [`atomic`](Self::atomic).
    pub fn detach_sink(&self) {
        self.core.detach_sink();
    }

    /// Attaches the host: from here on it does the commands that concern the process. False if there is one already.
    pub fn attach_host(&self, host: Arc<dyn Host>) -> bool {
        self.core.attach_host(host)
    }

    /// Says what becomes of keys whose time has passed: a replica hides them until its primary deletes them.
    pub fn set_due_keys(&self, due: DueKeys) {
        self.core.forbid_expiry(due == DueKeys::Hide);
    }

    /// Holds back the requests of clients that may change data, as `CLIENT PAUSE` does and beside it, until
    /// [`release_writes`](Self::release_writes). When this returns none of them is under way, but for
    /// [transactions](Self::is_still) that began before; no key expires. What an embedder does by itself is not held. O(slots).
    /// Not to be called inside [`atomic`](Self::atomic).
    pub fn hold_writes(&self) {
        self.core.clients.hold();
        // Who was admitted before has a slot now, or looks again once it has.
        Slot::all().for_each(|slot| drop(self.core.slots.lock_as_is(slot)));
    }

    /// Ends [`hold_writes`](Self::hold_writes): requests that waited go on.
    pub fn release_writes(&self) {
        self.core.clients.release();
    }

    /// Whether, while writes are held, no transaction that began before has to be finished.
    pub fn is_still(&self) -> bool {
        self.core.clients.has_no_parts()
    }

    /// Runs one request and returns its reply, in RESP3 shapes. Waits where a session would be parked, but not for keys: a
    /// command that would block for one answers at once as if its time was over. See [`Engine::call_blocking`].
    ///
    /// ```
    /// use keyslot_engine::{Engine, resp::Value};
    /// let db = Engine::in_memory();
    /// assert_eq!(db.call(&["SET", "k", "v", "PX", "1500", "NX"]), Value::Ok);
    /// ```
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Value {
        self.call_with(args, false)
    }

    /// Runs one request as [`Engine::call`] does; a command that blocks for a key blocks this thread until it is served or
    /// its time, by the engine's clock, is over. No lock is held meanwhile. A [session](Engine::session) waits without a
    /// thread.
    ///
    /// ```
    /// use keyslot_engine::{Engine, resp::Value};
    /// let db = Engine::in_memory();
    /// let pusher = std::thread::spawn({ let db = db.clone(); move || db.call(&["RPUSH", "jobs", "a"]) });
    /// assert_eq!(db.call_blocking(&["BLPOP", "jobs", "0"]), Value::Array(vec![Value::bulk("jobs"), Value::bulk("a")]));
    /// # pusher.join().unwrap();
    /// ```
    pub fn call_blocking<A: AsRef<[u8]>>(&self, args: &[A]) -> Value {
        self.call_with(args, true)
    }

    /// As [`Engine::call_blocking`], for typed verbs: an error that was answered is one of theirs.
    pub(crate) fn ask_blocking(&self, args: &[&[u8]]) -> Result<Value, CommandError> {
        match self.call_blocking(args) {
            Value::Error(text) => Err(CommandError::Quoting(text.to_vec())),
            value => Ok(value),
        }
    }

    fn call_with<A: AsRef<[u8]>>(&self, args: &[A], may_block: bool) -> Value {
        let mut args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let waker = thread_waker();
        let client = self.core.clients.unlisted(waker.clone());
        let mut connection = Connection::new(client, Credentials::of_host(&self.core.users));
        connection.resp = RespVersion::V3;
        connection.takes_pushes = false;
        connection.may_block = may_block;
        let mut waited: Arc<Waiter>;
        let (mut out, mut buffer) = (Vec::new(), Vec::new());
        let promise = self.promise();
        let offset = loop {
            let mut execution =
                Execution { core: &self.core, connection: &mut connection, now: self.core.now(), buffer: &mut buffer };
            let outcome = match table().lookup(&args) {
                Ok(command) => execution.run(command, &args, None, &mut out),
                Err(_) => Ok(execution.reject_unresolved(&args, &mut out)),
            };
            match outcome {
                Ok(outcome) => break outcome.offset,
                Err(Parked::Contended) => std::thread::yield_now(),
                Err(Parked::Pause) => {
                    self.core.clients.wake_after_pause(&connection.client);
                    std::thread::park();
                }
                Err(Parked::SlotPaused) => {
                    self.core.clients.wake_after_slots(&connection.client);
                    std::thread::park();
                }
                // A call is never done elsewhere: it would be answered where to go.
                Err(Parked::Room | Parked::Leaving | Parked::Awaited | Parked::Relayed(_)) => std::thread::park(),
                Err(Parked::Blocked(waiter)) => match self.wait_in_queue(&waiter, &mut out) {
                    Some(offset) => break offset,
                    None => {
                        connection.deadline_kept = Some(waiter.deadline);
                        waited = waiter;
                        args = waited.request.iter().map(|arg| &**arg).collect();
                    }
                },
            }
        };
        wake(&mut connection.woken);
        if let Err(error) = self.keep(promise, offset) {
            return Value::Error(CommandError::from(error).to_string().into_bytes().into());
        }
        match parse_reply(&out) {
            Ok(Some((value, _))) => value,
            _ => Value::Nil,
        }
    }

    /// Parks this thread until the request was served or gave up; its reply is in `out` then. `None`: it has to be run once
    /// more.
    fn wait_in_queue(&self, waiter: &Arc<Waiter>, out: &mut Vec<u8>) -> Option<Offset> {
        let outcome = loop {
            let now = self.core.now();
            if waiter.is_due(now) {
                waiter.end(Outcome::TimedOut);
            }
            if let Some(outcome) = waiter.take_outcome() {
                break outcome;
            }
            match waiter.deadline {
                None => std::thread::park(),
                // The engine's clock need not go as fast as the machine's.
                Some(at) => {
                    std::thread::park_timeout(LOOK_AGAIN.min(Duration::from_millis((at.0 - now.0).max(1) as u64)))
                }
            }
        };
        leave(&self.core, waiter);
        let mut reply = ReplyWriter::new(out, RespVersion::V3);
        match outcome {
            Outcome::Served { reply, offset, .. } => {
                out.extend_from_slice(&reply);
                return Some(offset);
            }
            Outcome::TimedOut | Outcome::Gone => reply.null_array(),
            Outcome::Refused(error) => reply.error_bytes(&error.wire_text()),
            Outcome::Again => return None,
        }
        Some(Offset(0))
    }

    /// Applies effects: RESP multibulks of commands, as a batch holds them. Used by replay, by replicas and by imports.
    ///
    /// The commands run in one turn over the slots of their keys, in database `db`. `MULTI` and `EXEC` are framing and do
    /// not belong here.
    pub fn apply(&self, origin: Origin, db: u16, commands: &[&[&[u8]]]) -> Result<(), CommandError> {
        apply::apply(&self.core, origin, db, commands)
    }

    /// Which slot a command of a log touches: those of different slots may be applied on several threads at once. O(keys).
    pub fn route(&self, args: &[&[u8]]) -> Result<Route, CommandError> {
        replay::route(args)
    }

    /// As [`apply`](Self::apply), each command in a turn of its own and in order; faster, as their lookups overlap.
    pub fn apply_each(&self, origin: Origin, commands: &[LoggedCommand<'_>]) -> Result<(), RefusedCommand> {
        replay::apply_each(&self.core, origin, commands)
    }

    /// Bytes that the data and the buffers of clients take: what `maxmemory` bounds, and `used_memory` of INFO. Buffers as they
    /// were at the last [`tick`](Self::tick).
    pub fn used_memory(&self) -> u64 {
        self.core.used_bytes()
    }

    /// Sets to zero what CONFIG RESETSTAT does: counters of commands, errors, traffic, lookups, and what flows
    /// through each slot. O(slots).
    pub fn reset_stats(&self) {
        self.core.stats.reset();
        self.core.reclaim.forget_freed();
        self.core.traffic.reset();
        for slot in Slot::all() {
            let mut guard = self.core.slots.lock_as_is(slot);
            guard.state.forget_use();
        }
    }

    /// When the next blocked request gives up, by the engine's clock: [`end_waits`](Self::end_waits) called then makes it
    /// answer. `alarm` is woken once when an earlier one comes in.
    pub fn next_deadline(&self, alarm: &Waker) -> Option<UnixMillis> {
        self.core.deadlines.next(alarm)
    }

    /// Makes blocked requests answer whose time is over at `now`. [`tick`](Self::tick) does it too.
    pub fn end_waits(&self, now: UnixMillis) {
        sweep(&self.core, now);
    }

    /// Does what is due at `now`, as far as the data is loaded: evicts keys where the data takes more than `maxmemory`, deletes expired keys, ends pauses and waits of blocked requests, samples the rates and
    /// the times to live that INFO shows. At most about `budget` entries are looked at, so that a call takes a bounded time (about 50 ns for each).
    /// Call it ten times a second, more often when it says `more`.
    pub fn tick(&self, now: UnixMillis, budget: usize) -> TickReport {
        sweep(&self.core, now);
        self.core.clients.paused(|| now);
        self.core.stats.sample_rates(now);
        if self.core.options.loading.load(Ordering::Relaxed) {
            return TickReport::default();
        }
        let keyspace = (&self.core.slots, &self.core.totals, &self.core.hasher);
        (0..DATABASE_COUNT).for_each(|db| lifetime::sample(keyspace, db, now, || self.core.random()));
        self.core.stats.buffer_bytes.store(self.core.clients.buffer_bytes(), Ordering::Relaxed);
        let is_over = eviction::run(&self.core, now);
        let report = expire_cycle::run(&self.core, now, budget);
        TickReport { more: report.more || is_over, ..report }
    }
}

/// A thread that waits for a key looks at the clock this often.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
