//! The doors of the engine: what an embedder holds.
//!
//! - [`Engine::session`]: a client's bytes in, replies out.
//! - [`Engine::call`]: one request as arguments, one reply as a value.
//! - typed verbs (`get`, `set`, ...): beside their commands.
//! - [`Engine::atomic`]: several verbs in one turn.
//! - [`Engine::apply`]: effects from the log, a primary or an import.
//! - [`Engine::tick`]: the work that is due by time.

use crate::client::{Connection, PeerInfo};
use crate::command::table::table;
use crate::core::Core;
use crate::effect::{Ack, EffectSink, NotWritable, Offset, OutcomeUnknown};
use crate::error::CommandError;
use crate::host::Host;
use crate::keyspace::{GateState, prefetch};
use crate::options::Options;
use crate::resp::{RespVersion, Value, parse_reply};
use crate::session::{Parked, Session, Surroundings};
use crate::slot::Slot;
use crate::system::{SystemClock, random_seed};
use crate::time::{Clock, UnixMillis};
use crate::turn::{Opening, Origin, Turn};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;

/// 16384 slots in memory. Cheap to clone: clones are the same engine.
///
/// ```
/// let db = keyslot_engine::Engine::in_memory();
/// db.set("user:1:name", "ada")?;
/// assert_eq!(db.get("user:1:name")?.as_deref(), Some(&b"ada"[..]));
/// # Ok::<(), keyslot_engine::CommandError>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(crate) core: Arc<Core>,
}

/// How an engine is made.
#[derive(Default)]
pub struct EngineBuilder {
    clock: Option<Box<dyn Clock>>,
    seed: Option<u64>,
}

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

    /// Makes the engine. Nothing is opened, nothing started.
    pub fn in_memory(self) -> Engine {
        let clock = self.clock.unwrap_or_else(|| Box::new(SystemClock::default()));
        let seed = self.seed.unwrap_or_else(random_seed);
        Engine { core: Arc::new(Core::new(clock, seed, table().len())) }
    }
}

/// What [`Engine::tick`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TickReport {
    /// Keys deleted because they were due.
    pub expired: usize,
    /// Whether work that is due was left undone for want of budget.
    pub more: bool,
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

    /// Opens a session for one client. `waker` is woken whenever [`Session::poll_output`] may have more to give.
    pub fn session(&self, waker: Waker, peer: PeerInfo) -> Session {
        Session::new(Arc::clone(&self.core), waker, peer)
    }

    /// Attaches the keeper of the journal: from here on every change is recorded. False if there is one already.
    pub fn attach_sink(&self, sink: Arc<dyn EffectSink>) -> bool {
        self.core.attach_sink(sink)
    }

    /// Attaches the host: from here on it does the commands that concern the process. False if there is one already.
    pub fn attach_host(&self, host: Arc<dyn Host>) -> bool {
        self.core.attach_host(host)
    }

    /// Turns the rules of a cluster on or off: one slot for each request, database 0 only.
    pub fn set_cluster(&self, on: bool) {
        self.core.gate.set_cluster(on);
    }

    /// Says whether the cluster as a whole serves requests.
    pub fn set_cluster_down(&self, down: bool) {
        self.core.gate.set_down(down);
    }

    /// Says which node serves a slot that is [`GateState::Elsewhere`], as `host:port`.
    pub fn set_route(&self, route: impl Fn(Slot) -> Option<String> + Send + Sync + 'static) {
        self.core.gate.set_route(Box::new(route));
    }

    /// Opens or closes slots for clients. O(slots), each locked for a moment.
    pub fn set_gate(&self, slots: impl IntoIterator<Item = Slot>, state: GateState) {
        for slot in slots {
            self.core.slots.lock(slot).state.gate = state;
        }
    }

    /// Runs one request and returns its reply, in RESP3 shapes. Waits where a session would be parked.
    ///
    /// ```
    /// use keyslot_engine::{Engine, resp::Value};
    /// let db = Engine::in_memory();
    /// assert_eq!(db.call(&["SET", "k", "v", "PX", "1500", "NX"]), Value::Ok);
    /// ```
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Value {
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        let waker = thread_waker();
        let client = self.core.clients.unlisted(waker.clone());
        let mut connection = Connection::new(client, true);
        connection.resp = RespVersion::V3;
        let (mut out, mut buffer) = (Vec::new(), Vec::new());
        let offset = loop {
            let mut surroundings = Surroundings {
                core: &self.core,
                connection: &mut connection,
                waker: &waker,
                now: self.core.now(),
                buffer: &mut buffer,
            };
            let outcome = match table().lookup(&args) {
                Ok(command) => surroundings.run(command, &args, None, &mut out),
                Err(_) => Ok(surroundings.reject_unresolved(&args, &mut out)),
            };
            match outcome {
                Ok(outcome) => break outcome.offset,
                Err(Parked::Contended) => std::thread::yield_now(),
                Err(Parked::Pause) => {
                    self.core.clients.wake_after_pause(&waker);
                    std::thread::park();
                }
                Err(Parked::Room) => std::thread::park(),
            }
        };
        if let Err(error) = self.wait_for(self.core.options.ack(), offset) {
            return Value::Error(CommandError::from(error).to_string().into_bytes().into());
        }
        match parse_reply(&out) {
            Ok(Some((value, _))) => value,
            _ => Value::Nil,
        }
    }

    /// Runs a typed verb on one key. `writes` asks the journal for room first.
    pub(crate) fn on_key<R>(
        &self,
        key: &[u8],
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let slot = Slot::of(key);
        let hash = self.core.hasher.hash(key);
        self.core.slots.prefetch_line(slot, hash);
        if access == Access::Write {
            self.wait_for_room()?;
        }
        let known = crate::turn::KnownKey { address: key.as_ptr() as usize, len: key.len(), slot, hash };
        let mut turn = Turn::begin(&self.core, Opening { known: Some(known), ..Opening::client(0) }, &[slot])?;
        let result = f(&mut turn);
        let committed = turn.commit();
        let ack = self.core.options.ack();
        if ack > Ack::Memory {
            self.wait_for(ack, committed.offset)?;
        }
        result
    }

    /// Runs a typed verb on several keys, in one turn over all their slots.
    pub(crate) fn on_keys<R>(
        &self,
        keys: &[&[u8]],
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let mut slots: Vec<Slot> = keys.iter().map(|key| Slot::of(key)).collect();
        slots.sort_unstable();
        slots.dedup();
        if self.core.gate.is_cluster() && slots.len() > 1 {
            return Err(CommandError::CrossSlot { expected: slots[0], found: slots[1], key: Vec::new() });
        }
        self.in_turn(&slots, access, f)
    }

    /// Runs `f` in a turn over `slots`.
    pub(crate) fn in_turn<R>(
        &self,
        slots: &[Slot],
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        if access == Access::Write {
            self.wait_for_room()?;
        }
        let mut turn = Turn::begin(&self.core, Opening::client(0), slots)?;
        let result = f(&mut turn);
        let committed = turn.commit();
        self.wait_for(self.core.options.ack(), committed.offset)?;
        result
    }

    /// Runs several verbs on keys of one slot as one turn: all of it happens, or none if `f` returns an error or panics.
    /// `key` decides the slot; a key of another slot is a [`CommandError::CrossSlot`].
    ///
    /// ```
    /// use keyslot_engine::{CommandError, Engine};
    /// let db = Engine::in_memory();
    /// db.set("{cart:42}:stock", 3)?;
    /// let left = db.atomic("{cart:42}", |tx| {
    ///     tx.set("{cart:42}:owner", "ada")?;
    ///     tx.decr("{cart:42}:stock", 1)
    /// })?;
    /// assert_eq!(left, 2);
    /// # Ok::<(), CommandError>(())
    /// ```
    pub fn atomic<R, E: From<CommandError>>(
        &self,
        key: impl AsRef<[u8]>,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.wait_for_room()?;
        let mut turn = Turn::begin(&self.core, Opening::client(0), &[Slot::of(key.as_ref())])?;
        turn.make_revocable();
        let result = f(&mut turn)?;
        let committed = turn.commit();
        self.wait_for(self.core.options.ack(), committed.offset).map_err(CommandError::from)?;
        Ok(result)
    }

    /// Applies effects: RESP multibulks of commands, as a batch holds them. Used by replay, by replicas and by imports.
    ///
    /// The commands run in one turn over the slots of their keys, in database `db`. `MULTI` and `EXEC` are framing and do
    /// not belong here.
    pub fn apply(&self, origin: Origin, db: u16, commands: &[&[&[u8]]]) -> Result<(), CommandError> {
        crate::turn::apply::apply(&self.core, origin, db, commands)
    }

    /// Asks for the memory that a later lookup of `key` will read. A hint.
    pub(crate) fn prefetch_key(&self, slot: Slot, hash: u64) {
        if let Some(guard) = self.core.slots.try_lock(slot) {
            if let Some(shard) = guard.state.shard(0) {
                shard.for_each_candidate(hash, |entry| {
                    prefetch(entry);
                    prefetch(entry.wrapping_add(64));
                });
            }
        }
    }

    /// The journal's end, 0 without a journal.
    pub fn position(&self) -> Offset {
        self.core.journal_end()
    }

    /// Waits until the journal up to `offset` has reached `level`.
    pub fn wait_for(&self, level: Ack, offset: Offset) -> Result<(), OutcomeUnknown> {
        let (Some(sink), true) = (self.core.sink(), level > Ack::Memory) else { return Ok(()) };
        let waker = thread_waker();
        loop {
            match sink.poll_reached(level, offset, &waker) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    fn wait_for_room(&self) -> Result<(), CommandError> {
        let Some(sink) = self.core.sink() else { return Ok(()) };
        if let Poll::Ready(outcome) = sink.poll_room(Waker::noop()) {
            return outcome.map_err(CommandError::from);
        }
        let waker = thread_waker();
        loop {
            match sink.poll_room(&waker) {
                Poll::Ready(outcome) => return outcome.map_err(CommandError::from),
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// Does what is due at `now`: deletes expired keys and ends pauses. At most about `budget` entries are looked at, so
    /// that a call takes a bounded time (about 50 ns for each). Call it ten times a second, more often when it says `more`.
    pub fn tick(&self, now: UnixMillis, budget: usize) -> TickReport {
        self.core.clients.paused(|| now);
        crate::turn::expire_cycle::run(&self.core, now, budget)
    }
}

/// Whether a verb may change something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// It only looks.
    Read,
    /// It may record effects.
    Write,
}

impl From<OutcomeUnknown> for CommandError {
    fn from(_: OutcomeUnknown) -> Self {
        Self::OutcomeUnknown
    }
}

impl From<NotWritable> for CommandError {
    fn from(error: NotWritable) -> Self {
        Self::NotWritable(error.reason)
    }
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker that unparks this thread.
fn thread_waker() -> Waker {
    thread_local! {
        static WAKER: Waker = Arc::new(ThreadWaker(std::thread::current())).into();
    }
    WAKER.with(Waker::clone)
}
