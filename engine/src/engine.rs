//! The handle that embedders hold, and the way from a typed verb into a turn.
//!
//! The typed verbs stand beside their commands, in `command/`; the other doors (sessions, raw calls, replay, time) in
//! [`doors`](crate::doors).

use crate::core::Core;
use crate::effect::{Ack, NotWritable, Offset, OutcomeUnknown, Promise};
use crate::error::CommandError;
use crate::eviction::{self, Memory};
use crate::keyspace::EntryRef;
use crate::slot::Slot;
use crate::text::StrRef;
use crate::turn::{KnownKey, Looked, Named, Opening, Seen, Touch, Turn, overwrite, seek};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    /// What callers of this handle are promised, if not what the options say.
    pub(crate) ack: Option<Ack>,
}

impl Engine {
    /// Runs a typed verb on one key. `writes` asks the journal for room first.
    pub(crate) fn on_key<R>(
        &self,
        key: &[u8],
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let slot = Slot::of(key);
        let hash = self.core.hasher.hash(key);
        self.core.totals.hints.prefetch(slot, hash);
        self.reserve(access)?;
        let promise = self.promise();
        let known = KnownKey { address: key.as_ptr() as usize, len: key.len(), slot, hash };
        let opening = Opening { known: Some(known), buffer: spare_buffer(access), ..Opening::client(0) };
        let mut turn = Turn::begin_on(&self.core, opening, &[slot], Named::Keys(&[key]))?;
        let result = f(&mut turn);
        let mut committed = turn.commit();
        keep_buffer(std::mem::take(&mut committed.buffer));
        if promise.level > Ack::Memory {
            self.keep(promise, committed.offset)?;
        }
        result
    }

    /// Lends the entry at a key to `f`: a typed verb that only reads one key. Without a turn where that will do.
    #[inline]
    pub(crate) fn on_entry<R>(
        &self,
        key: &[u8],
        f: impl FnOnce(Option<&EntryRef>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let slot = Slot::of(key);
        let hash = self.core.hasher.hash(key);
        self.core.totals.hints.prefetch(slot, hash);
        let promise = self.promise();
        let mut guard = self.core.slots.lock(slot);
        let looked = Looked { key, hash, db: 0, touch: Touch::Mark };
        let result = match seek(&self.core, &guard.state, looked, || self.core.now()) {
            Seen::Entry(entry) => {
                let result = f(Some(&entry));
                guard.state.count_hit();
                result
            }
            Seen::Missing => {
                guard.state.misses += 1;
                f(None)
            }
            Seen::Unsure => {
                drop(guard);
                return self.on_key(key, Access::Read, |turn| {
                    let key = turn.key(key)?;
                    match turn.read(&key) {
                        None => f(None),
                        Some(entry) => f(Some(&entry)),
                    }
                });
            }
        };
        if promise.level > Ack::Memory {
            let offset = guard.state.last_offset;
            drop(guard);
            self.keep(promise, offset)?;
        }
        result
    }

    /// Stores a string in the place of one of the same length. False, and nothing is changed, if this takes a turn.
    #[inline]
    pub(crate) fn overwrite(&self, key: &[u8], value: StrRef<'_>) -> bool {
        if self.core.sink().is_some() {
            return false;
        }
        let slot = Slot::of(key);
        let hash = self.core.hasher.hash(key);
        self.core.totals.hints.prefetch(slot, hash);
        let mut guard = self.core.slots.lock(slot);
        overwrite(&self.core, &mut guard, Looked { key, hash, db: 0, touch: Touch::Mark }, value)
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
        if self.core.wants_one_slot() && slots.len() > 1 {
            return Err(CommandError::CrossSlot { expected: slots[0], found: slots[1], key: Vec::new() });
        }
        self.in_turn_on(&slots, Named::Keys(keys), access, f)
    }

    /// Runs a typed verb that stores at `destination` what it makes of `keys`.
    pub(crate) fn on_target<R>(
        &self,
        destination: &[u8],
        keys: &[impl AsRef<[u8]>],
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        let held: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).chain([destination]).collect();
        self.on_keys(&held, Access::Grow, f)
    }

    /// Runs `f` in a turn over `slots`, for what concerns all that is there.
    pub(crate) fn in_turn<R>(
        &self,
        slots: &[Slot],
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        self.in_turn_on(slots, Named::Nothing, access, f)
    }

    fn in_turn_on<R>(
        &self,
        slots: &[Slot],
        named: Named<'_>,
        access: Access,
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, CommandError>,
    ) -> Result<R, CommandError> {
        self.reserve(access)?;
        let promise = self.promise();
        let opening = Opening { buffer: spare_buffer(access), ..Opening::client(0) };
        let mut turn = Turn::begin_on(&self.core, opening, slots, named)?;
        let result = f(&mut turn);
        let mut committed = turn.commit();
        keep_buffer(std::mem::take(&mut committed.buffer));
        self.keep(promise, committed.offset)?;
        result
    }

    /// Runs several verbs on keys of one slot as one turn: all of it happens, or none if `f` returns an error or panics.
    /// `key` decides the slot; a key of another slot is a [`CommandError::CrossSlot`]. Use `tx` only: a verb of the engine
    /// itself would wait for the slot that is held here, for ever. Evicts where `maxmemory` asks for it, but is not refused for
    /// want of memory. In a cluster it is a [`CommandError::TryAgain`] while the slot is on its way to another node: which keys `f` asks
    /// for nobody knows before.
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
        self.atomic_over(&[Slot::of(key.as_ref())], f)
    }

    /// As [`atomic`](Self::atomic), over the slots of all `keys`: they are locked in order, and what happens is one batch of
    /// the journal, which survives a crash as a whole or not at all. In a cluster the keys must share a slot, unless the
    /// [mode](crate::SlotMode) is lenient.
    ///
    /// ```
    /// use keyslot_engine::{CommandError, Engine};
    /// let db = Engine::in_memory();
    /// db.set("ada", 10)?;
    /// db.atomic_many(&["ada", "grace"], |tx| {
    ///     tx.decr("ada", 3)?;
    ///     tx.incr("grace", 3)
    /// })?;
    /// assert_eq!((db.get_int("ada")?, db.get_int("grace")?), (Some(7), Some(3)));
    /// # Ok::<(), CommandError>(())
    /// ```
    pub fn atomic_many<R, E: From<CommandError>>(
        &self,
        keys: &[impl AsRef<[u8]>],
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut slots: Vec<Slot> = keys.iter().map(|key| Slot::of(key.as_ref())).collect();
        slots.sort_unstable();
        slots.dedup();
        if self.core.wants_one_slot()
            && let [expected, found, ..] = slots[..]
        {
            return Err(CommandError::CrossSlot { expected, found, key: Vec::new() }.into());
        }
        self.atomic_over(&slots, f)
    }

    fn atomic_over<R, E: From<CommandError>>(
        &self,
        slots: &[Slot],
        f: impl FnOnce(&mut Turn<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.reserve(Access::Write)?;
        let promise = self.promise();
        let mut turn = Turn::begin(&self.core, Opening::client(0), slots)?;
        turn.make_revocable();
        let result = f(&mut turn)?;
        let committed = turn.commit();
        self.keep(promise, committed.offset).map_err(CommandError::from)?;
        Ok(result)
    }

    /// The journal's end, 0 without a journal.
    pub fn position(&self) -> Offset {
        self.core.journal_end()
    }

    /// A handle whose verbs return once what they tell of has reached `level`, whatever [`Options::ack`] says.
    ///
    /// ```
    /// use keyslot_engine::{Ack, Engine};
    /// let db = Engine::in_memory();
    /// db.with_ack(Ack::Durable).set("ledger", "42")?; // waits for the log, if there is one
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    ///
    /// [`Options::ack`]: crate::Options::ack
    #[must_use]
    pub fn with_ack(&self, level: Ack) -> Self {
        Self { core: Arc::clone(&self.core), ack: Some(level) }
    }

    /// Ends the waits of all clients that block for a key, with an error: what they wait for is another node's to give.
    pub fn unblock_all(&self) {
        self.core.clients.unblock_all(&CommandError::LeadsNoMore);
    }

    /// What is promised to who begins something now.
    #[inline]
    pub(crate) fn promise(&self) -> Promise {
        self.core.options.promise(self.ack)
    }

    /// Waits until the journal up to `offset` has reached `level`.
    pub fn wait_for(&self, level: Ack, offset: Offset) -> Result<(), OutcomeUnknown> {
        self.keep(self.core.options.promise(Some(level)), offset)
    }

    /// Waits until the journal up to `offset` is where it was promised to be.
    pub(crate) fn keep(&self, promise: Promise, offset: Offset) -> Result<(), OutcomeUnknown> {
        if promise.level == Ack::Memory {
            return Ok(());
        }
        let waker = thread_waker();
        loop {
            if self.core.options.is_void(promise) {
                return Err(OutcomeUnknown::LeadsNoMore);
            }
            if promise.waits_for_nothing() {
                return Ok(());
            }
            let Some(sink) = self.core.sink() else {
                return if let Ack::Replicas(_) = promise.level { Err(OutcomeUnknown::LeadsNoMore) } else { Ok(()) };
            };
            match sink.poll_reached(promise.level, offset, &waker) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// Sees to it that there is memory, and room in the journal, for a turn that is about to begin.
    #[inline]
    pub(crate) fn reserve(&self, access: Access) -> Result<(), CommandError> {
        if access == Access::Read {
            return Ok(());
        }
        if self.core.options.maxmemory.load(Ordering::Relaxed) > 0 {
            let memory = eviction::make_room(&self.core, self.core.now());
            if access == Access::Grow && memory == Memory::Short {
                return Err(CommandError::OutOfMemory);
            }
        }
        self.wait_for_room()
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
}

/// Whether a verb may change something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// It only looks.
    Read,
    /// It may record effects.
    Write,
    /// It may record effects, and the data may take more memory after it.
    Grow,
}

impl From<OutcomeUnknown> for CommandError {
    fn from(error: OutcomeUnknown) -> Self {
        match error {
            OutcomeUnknown::LogFailed => Self::OutcomeUnknown,
            OutcomeUnknown::LeadsNoMore => Self::LeadsNoMore,
        }
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
pub(crate) fn thread_waker() -> Waker {
    thread_local! {
        static WAKER: Waker = Arc::new(ThreadWaker(std::thread::current())).into();
    }
    WAKER.with(Waker::clone)
}

thread_local! {
    /// This thread's spare buffer for effects, so that a typed verb allocates none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[inline]
fn spare_buffer(access: Access) -> Vec<u8> {
    match access {
        Access::Read => Vec::new(),
        Access::Write | Access::Grow => SPARE.take(),
    }
}

#[inline]
fn keep_buffer(buffer: Vec<u8>) {
    if (1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) {
        SPARE.set(buffer);
    }
}

/// A thread keeps no larger buffer than this.
const SPARE_BYTES_MAX: usize = 64 * 1024;
