//! A turn: one atomic execution over locked slots.
//!
//! ```text
//! lock slots -> gate -> [ find (expire lazily) -> verb -> enter the era -> record effects ]* -> append to the journal -> unlock
//! ```
//!
//! Commands, replay, imports and embedders all change data through a turn, and only through it.
//!
//! Invariants
//! - Slots are locked in ascending order, once, and held to the end: nothing else is waited for meanwhile.
//! - Every change of an entry goes through [`Turn::update`], [`Turn::put`] or [`Turn::remove`], which keep counts and,
//!   where the turn may be given up, what was there before.
//! - What a turn changed it recorded as effects before it ends; they reach the journal while the slots are still held, so
//!   the journal has them in the order in which they happened.
//! - Before its first change a turn [enters](era) the current era, which hands its slots to a view that is being taken.
//! - Who waits for a key that changed is served before the turn ends: see [`waiting`].
//! - A verb checks first and changes last. A turn that runs several verbs is [revocable](Turn::make_revocable).

mod ahead;
mod commit;
mod departure;
mod discard;
mod drop;
mod era;
pub(crate) mod expire_cycle;
mod field_expiry;
mod import;
mod look;
mod look_group;
mod notice;
mod overwrite;
mod pieces;
mod presence;
mod undo;
pub(crate) mod waiting;
pub(crate) mod watching;

use crate::core::Core;
use crate::effect::{BatchKind, Offset};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::gate::Caller;
use crate::keyspace::admission::Keys;
use crate::keyspace::shard::{Shard, Surroundings};
use crate::keyspace::slots::{SlotGuard, SlotState};
use crate::keyspace::watching::Change;
use crate::keyspace::{EntryRef, GateState};
use crate::slot::{SLOT_COUNT, Slot};
use crate::table::{Lent, Spot};
use crate::time::UnixMillis;
use crate::value::StrRef;
pub(crate) use commit::Committed;
pub(crate) use departure::Parting;
use discard::Discarded;
pub(crate) use drop::drop_keys;
pub(crate) use era::bring;
pub(crate) use look::{Looked, Seen, look_held, seek, try_look, try_look_replicated};
use notice::Notice;
pub(crate) use overwrite::{overwrite, overwrite_recorded};
pub(crate) use pieces::{PIECE_WORDS, Pieces};
pub(crate) use presence::presence;
use smallvec::SmallVec;
use std::cell::Cell;
use undo::UndoLog;
use waiting::{Attendance, Patience};

pub(crate) use ahead::GROUP_KEYS;
pub(crate) use look_group::look_group;

/// A part of a primary's stream, framing included.
#[derive(Debug)]
pub(crate) struct Verbatim<'a> {
    pub(crate) bytes: &'a [u8],
    /// The database that it leaves selected.
    pub(crate) selected: u16,
}

/// Who asks for a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client or an embedder: expired keys are deleted, the gate applies.
    Client,
    /// The stream of the primary: its decisions are followed, expired keys are still there until it says so.
    Primary,
    /// The log of this store, read back. Nothing is recorded.
    Replay,
    /// A slot that moves in.
    Import,
}

/// A key on its way through a turn: its bytes, where it belongs, and its hash, all worked out once.
#[derive(Clone, Copy)]
pub(crate) struct Key<'k> {
    pub(crate) bytes: &'k [u8],
    hash: u64,
    /// Which of the turn's guards.
    guard: u32,
}

/// One atomic execution. See the module.
pub struct Turn<'e> {
    core: &'e Core,
    db: u16,
    origin: Origin,
    now: Cell<Option<UnixMillis>>,
    guards: Guards<'e>,
    known: Option<KnownKey>,
    touch: Touch,
    /// The newest journal offset of slots that were visited.
    seen: Cell<Offset>,
    recording: bool,
    /// Whether what is recorded is encoded, too.
    encoding: bool,
    /// The era it is in; 0 before its first change.
    era: u64,
    /// Whether a due key was hidden instead of deleted: it is still there.
    hid: bool,
    kind: BatchKind,
    /// The batch's database, and the one that its effects select at their end.
    home_db: u16,
    effect_db: u16,
    effects: Vec<u8>,
    effect_count: u32,
    select_count: u32,
    /// What stands for its effects.
    verbatim: Option<&'e Verbatim<'e>>,
    undo: Option<UndoLog>,
    /// Whether a command may block, and who waits for what this turn does.
    may_block: bool,
    /// Whether commands may read keys that their requests do not name.
    may_look_up: bool,
    attendance: Option<Box<Attendance>>,
    /// Keyspace events, announced at the end.
    notices: Vec<Notice>,
    /// What is freed after the slots are released.
    discarded: Option<Box<Discarded>>,
}

/// The slots of a turn, locked, ascending.
pub(crate) type Guards<'e> = SmallVec<[SlotGuard<'e>; 1]>;

/// Who a turn runs for, and how.
pub(crate) struct Opening {
    pub(crate) db: u16,
    pub(crate) origin: Origin,
    /// The time, if the caller has one; else the clock is asked when a turn needs it.
    pub(crate) now: Option<UnixMillis>,
    /// A key that was hashed before.
    pub(crate) known: Option<KnownKey>,
    pub(crate) touch: Touch,
    /// An empty buffer for effects.
    pub(crate) buffer: Vec<u8>,
}

impl Opening {
    pub(crate) fn client(db: u16) -> Self {
        Self { db, origin: Origin::Client, now: None, known: None, touch: Touch::Mark, buffer: Vec::new() }
    }
}

/// What a verb is about: where a slot is on its way to another node, its keys decide.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'a> {
    /// These keys.
    Keys(&'a [&'a [u8]]),
    /// Keys that will show.
    Unknown,
    /// Everything that the turn holds.
    Nothing,
}

/// Whether a turn marks the entries that it uses as used now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Touch {
    /// It does.
    Mark,
    /// Their idle time goes on (CLIENT NO-TOUCH).
    Keep,
}

/// A key that was hashed ahead of its turn, recognised by where its bytes lie. Holds while they stay there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownKey {
    pub(crate) address: usize,
    pub(crate) len: usize,
    pub(crate) slot: Slot,
    pub(crate) hash: u64,
}

impl<'e> Turn<'e> {
    /// Locks `slots` (ascending, without repeats), waiting for others as long as it takes.
    #[inline]
    pub(crate) fn begin(core: &'e Core, opening: Opening, slots: &[Slot]) -> Result<Self, CommandError> {
        Self::begin_on(core, opening, slots, Named::Unknown)
    }

    /// As [`begin`](Self::begin), for a verb of which it is known what it is about.
    #[inline]
    pub(crate) fn begin_on(
        core: &'e Core,
        opening: Opening,
        slots: &[Slot],
        named: Named<'_>,
    ) -> Result<Self, CommandError> {
        debug_assert!(slots.is_sorted_by(|a, b| a < b));
        let mut guards: Guards<'e> = match slots {
            [slot] => Guards::from_buf([core.slots.lock(*slot)]),
            slots => slots.iter().map(|slot| core.slots.lock(*slot)).collect(),
        };
        if is_awaited(&guards) {
            guards = waiting::widen(core, guards, Patience::Unlimited).expect("it waits as long as it takes");
        }
        check_gate(core, opening.origin, &guards, named)?;
        Ok(Self::open(core, opening, guards))
    }

    /// Locks `slots` (ascending, without repeats) unless that would mean to wait: `None`.
    #[inline]
    pub(crate) fn try_lock(core: &'e Core, slots: &[Slot]) -> Option<Guards<'e>> {
        debug_assert!(slots.is_sorted_by(|a, b| a < b));
        let guards = match slots {
            [slot] => Guards::from_buf([try_lock(core, *slot)?]),
            slots => {
                let mut guards = Guards::new();
                for slot in slots {
                    guards.push(try_lock(core, *slot)?);
                }
                guards
            }
        };
        if is_awaited(&guards) {
            return waiting::widen(core, guards, Patience::Moment);
        }
        Some(guards)
    }

    /// A turn over one slot that is held already.
    pub(crate) fn over(core: &'e Core, opening: Opening, guard: SlotGuard<'e>) -> Self {
        Self::open(core, opening, Guards::from_buf([guard]))
    }

    /// A turn over slots that are held already, whose gates were asked.
    #[inline]
    pub(crate) fn open(core: &'e Core, opening: Opening, guards: Guards<'e>) -> Self {
        let Opening { db, origin, now, known, touch, buffer } = opening;
        debug_assert!(buffer.is_empty(), "what is left of another turn would be recorded again");
        let is_heard = |origin| origin != Origin::Client || !core.options.follows();
        let recording = origin != Origin::Replay && core.sink().is_some() && is_heard(origin);
        Self {
            core,
            db,
            origin,
            now: Cell::new(now),
            guards,
            known,
            touch,
            seen: Cell::new(Offset(0)),
            recording,
            encoding: recording,
            era: 0,
            hid: false,
            kind: BatchKind::Slots,
            home_db: db,
            effect_db: db,
            effects: buffer,
            effect_count: 0,
            select_count: 0,
            verbatim: None,
            undo: None,
            may_block: false,
            may_look_up: true,
            attendance: None,
            notices: Vec::new(),
            discarded: None,
        }
    }

    /// The turn's time: one reading for all of it.
    #[inline]
    pub(crate) fn now(&self) -> UnixMillis {
        if let Some(now) = self.now.get() {
            return now;
        }
        let now = self.core.now();
        self.now.set(Some(now));
        now
    }

    /// The time for whom due parts of values are hidden; `None` where decisions are only followed.
    pub(crate) fn sight(&self) -> Option<UnixMillis> {
        (self.origin == Origin::Client).then(|| self.now())
    }

    pub(crate) fn core(&self) -> &'e Core {
        self.core
    }

    pub(crate) fn db(&self) -> u16 {
        self.db
    }

    /// Works in another database from here on.
    pub(crate) fn select(&mut self, db: u16) {
        self.db = db;
    }

    /// Says whether commands may read keys that their requests do not name.
    pub(crate) fn allow_lookups(&mut self, may: bool) {
        self.may_look_up = may;
    }

    /// Whether a command may read keys that its request does not name.
    pub(crate) fn may_look_up(&self) -> bool {
        self.may_look_up
    }

    /// Says whether it marks what it uses from here on.
    pub(crate) fn set_touch(&mut self, touch: Touch) {
        self.touch = touch;
    }

    /// Marks what it uses from here on, whatever the client asked for: TOUCH is for that.
    pub(crate) fn mark_used(&mut self) {
        self.touch = Touch::Mark;
    }

    /// Whether decisions were made elsewhere and are only followed here: expired keys stay until a DEL comes, and an
    /// expiry in the past is stored.
    pub(crate) fn follows(&self) -> bool {
        self.origin != Origin::Client
    }

    /// Works out where a key belongs. An error if its slot is not among those the turn holds.
    #[inline]
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> Result<Key<'k>, CommandError> {
        let (slot, hash) = match self.known {
            Some(known) if known.address == bytes.as_ptr() as usize && known.len == bytes.len() => {
                (known.slot, known.hash)
            }
            _ => (Slot::of(bytes), self.core.hasher.hash(bytes)),
        };
        let guard = match &self.guards[..] {
            [only] if only.slot() == slot => 0,
            // Ascending and without repeats, so all of them lie in their own places.
            guards if guards.len() == SLOT_COUNT => u32::from(slot.number()),
            guards => match guards.binary_search_by_key(&slot, SlotGuard::slot) {
                Ok(guard) => guard as u32,
                Err(_) => return Err(self.foreign(slot, bytes)),
            },
        };
        Ok(Key { bytes, hash, guard })
    }

    /// Whether two keys of this turn lie in one slot.
    pub(crate) fn share_slot(&self, a: &Key<'_>, b: &Key<'_>) -> bool {
        a.guard == b.guard
    }

    #[cold]
    fn foreign(&self, found: Slot, key: &[u8]) -> CommandError {
        let expected = self.guards.first().map_or(found, SlotGuard::slot);
        CommandError::CrossSlot { expected, found, key: key.to_vec() }
    }

    #[inline]
    fn state(&self, key: &Key<'_>) -> &SlotState {
        &self.guards[key.guard as usize].state
    }

    #[inline]
    fn surroundings(&self, key: &Key<'_>) -> Surroundings<'e> {
        let slot = self.guards[key.guard as usize].slot();
        self.core.surroundings(slot, self.db)
    }

    /// Finds a key. An expired one is deleted (with its effect), or hidden where deleting is somebody else's decision.
    #[inline]
    pub(crate) fn find(&mut self, key: &Key<'_>) -> Option<Spot> {
        let shard = self.state(key).shard(self.db)?;
        let spot = shard.find(key.hash, key.bytes)?;
        match shard.get(spot).next_due() {
            Some(due) if self.origin == Origin::Client && due < self.now() => self.delete_due(key, spot),
            _ => Some(spot),
        }
    }

    /// Deletes a key that is due, or fields of it that are. What is left of it is found.
    #[cold]
    fn delete_due(&mut self, key: &Key<'_>, spot: Spot) -> Option<Spot> {
        let is_due = self.entry(key, spot).is_due(self.now());
        if !self.core.may_expire(self.now()) {
            self.hid = is_due;
            return (!is_due).then_some(spot);
        }
        if !is_due {
            return self.delete_due_fields(key, spot, FOUND_FIELDS);
        }
        self.discard(key, spot);
        self.record(&[b"DEL", key.bytes]);
        self.notify(EventClass::Expired, "expired", key.bytes);
        self.core.stats.expired_keys.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        None
    }

    /// Whether an entry is to be treated as gone: for commands that walk over entries.
    pub(crate) fn is_hidden(&self, entry: &EntryRef) -> bool {
        entry.has_expiry() && self.origin == Origin::Client && entry.is_due(self.now())
    }

    /// The entry at a spot.
    #[inline]
    pub(crate) fn entry(&self, key: &Key<'_>, spot: Spot) -> Lent<'_, EntryRef> {
        self.state(key).shard(self.db).expect("a spot was found in it").get(spot)
    }

    /// Finds a key for reading: counts a hit or a miss and marks the entry as used.
    #[inline]
    pub(crate) fn read(&mut self, key: &Key<'_>) -> Option<Lent<'_, EntryRef>> {
        let found = self.find(key);
        let state = &mut self.guards[key.guard as usize].state;
        let Some(spot) = found else {
            state.misses += 1;
            self.notify(EventClass::KeyMiss, "keymiss", key.bytes);
            return None;
        };
        state.count_hit();
        let entry = self.entry(key, spot);
        if self.touch == Touch::Mark {
            self.core.touch(&entry);
        }
        Some(entry)
    }

    /// Finds a key for looking at it: counts a hit or a miss, and does not mark the entry as used.
    pub(crate) fn peek(&mut self, key: &Key<'_>) -> Option<Lent<'_, EntryRef>> {
        let found = self.count_look(key);
        if found.is_none() {
            self.notify(EventClass::KeyMiss, "keymiss", key.bytes);
        }
        Some(self.entry(key, found?))
    }

    /// As [`peek`](Self::peek), and a key that is not there is no event: for OBJECT.
    pub(crate) fn inspect(&mut self, key: &Key<'_>) -> Option<Lent<'_, EntryRef>> {
        let found = self.count_look(key);
        Some(self.entry(key, found?))
    }

    fn count_look(&mut self, key: &Key<'_>) -> Option<Spot> {
        let found = self.find(key);
        let state = &mut self.guards[key.guard as usize].state;
        match found {
            None => state.misses += 1,
            Some(_) => state.count_hit(),
        }
        found
    }

    /// Finds a string for reading; `f` sees it.
    #[inline]
    pub(crate) fn read_string<R>(
        &mut self,
        key: &Key<'_>,
        f: impl FnOnce(Option<StrRef<'_>>) -> R,
    ) -> Result<R, CommandError> {
        match self.read(key) {
            None => Ok(f(None)),
            Some(entry) => match entry.as_string() {
                None => Err(CommandError::WrongType),
                string => Ok(f(string)),
            },
        }
    }

    /// Finds a string for changing. No hit or miss is counted.
    pub(crate) fn find_string(&mut self, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
        let Some(spot) = self.find(key) else { return Ok(None) };
        match self.entry(key, spot).as_string() {
            None => Err(CommandError::WrongType),
            Some(_) => Ok(Some(spot)),
        }
    }

    /// Changes the entry at a spot, and marks it as used; `f` keeps its key.
    #[inline]
    pub(crate) fn update<R>(&mut self, key: &Key<'_>, spot: Spot, f: impl FnOnce(&mut EntryRef) -> R) -> R {
        self.announce_change(key);
        self.update_unannounced(key, spot, f)
    }

    /// Tells those who wait for a key or watch it that it changes.
    #[inline]
    pub(crate) fn announce_change(&mut self, key: &Key<'_>) {
        if self.state(key).has_audience() {
            self.note_change(key, Change::Other);
        }
    }

    /// As [`update`](Self::update), and those who watch the key are not told: for what Redis does not count as a change of it.
    #[inline]
    pub(crate) fn update_unannounced<R>(&mut self, key: &Key<'_>, spot: Spot, f: impl FnOnce(&mut EntryRef) -> R) -> R {
        if self.state(key).has_audience() {
            self.note_ready(key);
        }
        self.enter();
        if self.undo.is_some() {
            let entry = self.entry(key, spot).clone();
            self.keep(key, Some(entry));
        }
        let around = self.surroundings(key);
        let shard = self.guards[key.guard as usize].state.shard_mut(self.db);
        let (core, touch) = (self.core, self.touch);
        shard.update(spot, around, |entry| {
            let access = entry.access();
            let result = f(entry);
            match touch {
                Touch::Mark => core.touch(entry),
                Touch::Keep => entry.set_access(access),
            }
            result
        })
    }

    /// Stores an entry under a key, in the place of `old` if there is one.
    pub(crate) fn put(&mut self, key: &Key<'_>, old: Option<Spot>, entry: EntryRef) {
        debug_assert_eq!(entry.key(), key.bytes);
        if let Some(spot) = old {
            if entry.access() == 0 {
                entry.set_access(self.entry(key, spot).access());
            }
            let old = self.update(key, spot, |place| std::mem::replace(place, entry));
            return self.leave(old);
        }
        self.announce_change(key);
        self.add_unannounced(key, entry);
    }

    /// Stores an entry under a key that is not there, and those who watch the key are not told.
    pub(crate) fn add_unannounced(&mut self, key: &Key<'_>, entry: EntryRef) {
        self.enter();
        if self.hid {
            self.remove_hidden(key);
        }
        if self.undo.is_some() {
            self.keep(key, None);
        }
        self.core.mark_new(&entry);
        let around = self.surroundings(key);
        self.guards[key.guard as usize].state.shard_mut(self.db).insert(key.hash, entry, around);
        self.notify(EventClass::New, "new", key.bytes);
    }

    /// Stores a string under a key, in the place of `old` if there is one.
    #[inline]
    pub(crate) fn put_string(
        &mut self,
        key: &Key<'_>,
        old: Option<Spot>,
        value: StrRef<'_>,
        raw: bool,
        expiry: Option<UnixMillis>,
    ) {
        match old {
            Some(spot) if self.entry(key, spot).is_long_to_free() => {
                self.put(key, old, EntryRef::string(key.bytes, value, raw, expiry));
            }
            Some(spot) => self.update(key, spot, |entry| entry.set_string(value, raw, expiry)),
            None => self.put(key, None, EntryRef::string(key.bytes, value, raw, expiry)),
        }
    }

    /// Changes the bytes of the string at a spot: see [`EntryRef::edit_string`].
    pub(crate) fn edit_string<R>(&mut self, key: &Key<'_>, spot: Spot, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.update(key, spot, |entry| entry.edit_string(f))
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &Key<'_>, spot: Spot) -> EntryRef {
        self.enter();
        if self.state(key).has_audience() {
            self.note_change(key, Change::Removal);
        }
        let around = self.surroundings(key);
        let entry = self.guards[key.guard as usize].state.shard_mut(self.db).remove(spot, around);
        if self.undo.is_some() {
            self.keep(key, Some(entry.clone()));
        }
        entry
    }

    /// Deletes a due key that was hidden when this turn looked for it, so that another can take its place.
    #[cold]
    fn remove_hidden(&mut self, key: &Key<'_>) {
        let hidden = self.state(key).shard(self.db).and_then(|shard| shard.find(key.hash, key.bytes));
        if let Some(spot) = hidden {
            self.discard(key, spot);
            self.record(&[b"DEL", key.bytes]);
            self.notify(EventClass::Expired, "expired", key.bytes);
        }
    }

    /// Looks at one slot of the turn's database: one that the turn holds, or any other, which is locked for the moment.
    pub(crate) fn visit<R>(&self, slot: Slot, f: impl FnOnce(Option<&Shard>) -> R) -> R {
        match self.guards.binary_search_by_key(&slot, SlotGuard::slot) {
            Ok(at) => f(self.guards[at].state.shard(self.db)),
            Err(_) => {
                let guard = self.core.slots.lock(slot);
                self.note_seen(guard.state.last_offset);
                f(guard.state.shard(self.db))
            }
        }
    }

    /// Says that the turn's reply tells of the journal up to `offset`.
    pub(crate) fn note_seen(&self, offset: Offset) {
        self.seen.set(self.seen.get().max(offset));
    }

    /// Deletes keys of a slot that were due when the turn [visited](Self::visit) it, in a turn of their own. A turn that
    /// holds slots leaves them hidden.
    pub(crate) fn delete_met(&self, slot: Slot, keys: &[Vec<u8>]) {
        if !keys.is_empty() && self.guards.is_empty() && self.origin == Origin::Client {
            self.note_seen(expire_cycle::delete_met(self.core, slot, self.db, self.now(), keys));
        }
    }

    /// The slots that the turn holds.
    pub(crate) fn guards(&self) -> &[SlotGuard<'e>] {
        &self.guards
    }

    /// Everything about the slots that the turn holds, for whole-store commands.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = (Slot, &mut SlotState)> {
        self.guards.iter_mut().map(|guard| (guard.slot(), &mut *guard.state))
    }
}

/// A client's turn needs slots that are open; any turn needs their keys.
#[inline]
fn check_gate(core: &Core, origin: Origin, guards: &Guards<'_>, named: Named<'_>) -> Result<(), CommandError> {
    guards
        .iter()
        .filter(|guard| !guard.state.admission.is_open())
        .try_for_each(|guard| refuse(core, origin, guard, named))
}

#[cold]
fn refuse(core: &Core, origin: Origin, guard: &SlotGuard<'_>, named: Named<'_>) -> Result<(), CommandError> {
    let (slot, admission) = (guard.slot(), guard.state.admission);
    match origin {
        _ if admission.keys() == Keys::Unreadable => {
            Err(CommandError::SlotUnreadable { slot, reason: core.slots.why_unreadable(slot) })
        }
        // What is done with all that is here is done whoever serves it.
        Origin::Client if matches!(named, Named::Nothing) && core.gate.is_cluster() => Ok(()),
        Origin::Client if admission.gate() != GateState::Open => {
            let keys = match named {
                Named::Keys(keys) => keys,
                Named::Unknown | Named::Nothing => &[],
            };
            // An embedder's verb: it may write, and nobody sent it here.
            let caller = Caller { writes: true, ..Caller::default() };
            let present = || presence(core, guard, keys.iter().copied());
            core.gate.decide(&core.options, slot, admission.gate(), caller, present)
        }
        _ => Ok(()),
    }
}

/// Whether somebody waits for a key in these slots.
#[inline]
fn is_awaited(guards: &Guards<'_>) -> bool {
    guards.iter().any(|guard| guard.state.is_awaited())
}

/// Takes a slot's lock, trying for a moment.
#[inline]
pub(crate) fn try_lock(core: &Core, slot: Slot) -> Option<SlotGuard<'_>> {
    for _ in 0..LOCK_TRIES_MAX {
        if let Some(guard) = core.slots.try_lock(slot) {
            return Some(guard);
        }
        std::hint::spin_loop();
    }
    None
}

/// Fields of a large hash that are looked at where it is found and some are due.
const FOUND_FIELDS: usize = 64;

/// How often a slot's lock is tried before a session is parked instead.
const LOCK_TRIES_MAX: u32 = 200;
