//! The loader: fills an engine that serves nobody yet, without turns, effects or events.
//!
//! ```text
//! string ----------------+-> [ key key key ... ]  -> slots
//! begin -> part* -> end -+     a group, whose lines are asked for before they are needed
//! ```
//!
//! A loader that fills one slot apart gives its tables to whoever holds the slot: see [`hydration`](crate::hydration).
//!
//! Several loaders may fill one engine at once, each on a thread of its own; they meet in slots only, and those that keep to
//! slots of their own never wait for each other.
//!
//! Invariants
//! - A key comes once: a second one is an error, and the first stays.
//! - Values take the forms that the engine's options ask for, as if commands had made them.
//! - Nothing is recorded, announced or expired. What is loaded counts as used now, unless something else was said.
//! - Memory follows the bytes that came, whatever they claim.

use crate::command::keyspace::recording::record_value;
use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::keyspace::shard::{Filled, Shard};
use crate::keyspace::{DATABASE_COUNT, EntryRef};
use crate::library::Collision;
use crate::payload::{Build, Decoder, Dialect, Forms, Input, Part, PayloadError};
use crate::slot::Slot;
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::turn::{Opening, Origin, Turn, bring};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Fills an engine. See the module.
pub struct Loader {
    core: Arc<Core>,
    build: Build,
    /// The key of the value that is being built.
    open: Option<Open>,
    key: Vec<u8>,
    group: Vec<Waiting>,
    filled: Filled,
    report: Loaded,
    /// Slot, database and number of the keys that come next.
    expected: Option<(Slot, u16, usize)>,
    place: Place,
    /// Bytes of the group, where it is recorded; and an empty buffer for effects.
    group_bytes: usize,
    buffer: Vec<u8>,
}

/// Where entries go.
enum Place {
    /// Into the slots of the engine, each locked for a moment.
    Slots,
    /// Into tables of one slot, which nobody sees yet.
    Apart(Apart),
    /// Into the slots of the engine, in turns that record what they store.
    Turns,
}

/// Tables of one slot, one for each database that has keys. They are counted in the engine's totals.
struct Apart {
    core: Arc<Core>,
    slot: Slot,
    shards: Vec<(u16, Shard)>,
}

impl Apart {
    fn shard_mut(&mut self, db: u16) -> &mut Shard {
        let at = self.shards.iter().position(|(of, _)| *of == db).unwrap_or_else(|| {
            self.shards.push((db, Shard::default()));
            self.shards.len() - 1
        });
        &mut self.shards[at].1
    }
}

impl Drop for Apart {
    /// Whoever wanted the tables took them.
    fn drop(&mut self) {
        for (db, shard) in &mut self.shards {
            let mut taken = shard.take(self.core.surroundings(self.slot, *db));
            while taken.free_part(self.slot, &self.core.totals, &mut Vec::new()) > 0 {}
        }
    }
}

/// What is known of a key besides its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes {
    /// When it expires.
    pub expiry: Option<UnixMillis>,
    /// Seconds since it was used; without it, it counts as used now.
    pub idle_seconds: Option<u64>,
    /// Its access frequency counter, where the policy for eviction counts that.
    pub frequency: Option<u8>,
}

/// What a loader stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// Keys.
    pub keys: u64,
    /// Of which so many have an expiry.
    pub expires: u64,
    /// Collections without elements, which are not stored.
    pub empty: u64,
    /// Libraries of functions.
    pub libraries: u64,
}

/// Why something cannot be loaded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The key was there already.
    #[error("key {key:?} is there twice in database {db}")]
    Twice {
        /// The database.
        db: u16,
        /// The key, as far as it is text.
        key: String,
    },
    /// There is no database of this number.
    #[error("there is no database {0}")]
    NoDatabase(u64),
    /// A value contradicts itself.
    #[error(transparent)]
    Value(#[from] PayloadError),
    /// The key does not belong to the slot that is loaded.
    #[error("key {key:?} belongs to slot {slot}")]
    OtherSlot {
        /// Where it belongs.
        slot: Slot,
        /// The key, as far as it is text.
        key: String,
    },
    /// A library of functions cannot be used.
    #[error("a library of functions: {0}")]
    Library(CommandError),
}

struct Open {
    db: u16,
    attributes: Attributes,
}

/// An entry on its way into its slot.
struct Waiting {
    entry: EntryRef,
    hash: u64,
    slot: Slot,
    db: u16,
}

impl Engine {
    /// A loader for this engine, which must serve nobody yet: what it does is seen at once, key by key.
    ///
    /// ```
    /// use keyslot_engine::{Engine, StrRef};
    /// let db = Engine::in_memory();
    /// let mut loader = db.loader();
    /// loader.string(0, b"user:1", StrRef::Bytes(b"ada"), None)?;
    /// assert_eq!(loader.finish()?.keys, 1);
    /// assert_eq!(db.get("user:1")?.as_deref(), Some(&b"ada"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn loader(&self) -> Loader {
        Loader::new(&self.core, Place::Slots)
    }
}

impl Loader {
    fn new(core: &Arc<Core>, place: Place) -> Self {
        // Moves the access clock.
        core.now();
        Self {
            core: Arc::clone(core),
            build: Build::new(Forms::of(&core.options), &core.hasher),
            open: None,
            key: Vec::new(),
            group: Vec::with_capacity(GROUP_KEYS),
            filled: Filled::default(),
            report: Loaded::default(),
            expected: None,
            place,
            group_bytes: 0,
            buffer: Vec::new(),
        }
    }

    /// A loader that fills tables for one slot.
    pub(crate) fn apart(core: &Arc<Core>, slot: Slot) -> Self {
        Self::new(core, Place::Apart(Apart { core: Arc::clone(core), slot, shards: Vec::new() }))
    }

    /// A loader that stores in turns: what it stores is recorded.
    pub(crate) fn in_turns(core: &Arc<Core>) -> Self {
        Self::new(core, Place::Turns)
    }

    /// The tables of a loader that fills them [apart](Self::apart), by database.
    pub(crate) fn into_shards(mut self) -> Result<Vec<(u16, Shard)>, LoadError> {
        self.flush()?;
        match &mut self.place {
            Place::Apart(apart) => Ok(std::mem::take(&mut apart.shards)),
            Place::Slots | Place::Turns => Ok(Vec::new()),
        }
    }

    /// Stores a string. O(key + value).
    #[inline]
    pub fn string(
        &mut self,
        db: u16,
        key: &[u8],
        value: StrRef<'_>,
        expiry: Option<UnixMillis>,
    ) -> Result<(), LoadError> {
        let value = match value {
            StrRef::Int(_) => value,
            StrRef::Bytes(bytes) => StrRef::of(bytes),
        };
        let entry = EntryRef::string(key, value, false, expiry);
        entry.set_access(self.core.fresh_access());
        self.store(db, entry)
    }

    /// Begins a value. One that was begun before and not ended is forgotten.
    pub fn begin(&mut self, db: u16, key: &[u8], attributes: Attributes) -> Result<(), LoadError> {
        self.abandon();
        check(db)?;
        self.key.clear();
        self.key.extend_from_slice(key);
        self.open = Some(Open { db, attributes });
        Ok(())
    }

    /// Adds a part of the value that was begun. After an error it is forgotten.
    pub fn part(&mut self, part: Part<'_>) -> Result<(), LoadError> {
        let outcome = self.build.part(part);
        if outcome.is_err() {
            self.abandon();
        }
        Ok(outcome?)
    }

    /// Ends the value that was begun and stores it; false if it is a collection without elements, which is nothing.
    pub fn end(&mut self) -> Result<bool, LoadError> {
        let Some(Open { db, attributes }) = self.open.take() else { return Ok(false) };
        let Some(entry) = self.build.end(&self.key, attributes.expiry)? else {
            self.report.empty += 1;
            return Ok(false);
        };
        entry.set_access(attributes.access(&self.core));
        self.store(db, entry)?;
        Ok(true)
    }

    /// Forgets the value that was begun.
    pub fn abandon(&mut self) {
        self.open = None;
        self.build.abandon();
    }

    /// Stores the value that `bytes` begin with, of the type with this number, as `payload` draws them; returns how many
    /// bytes it takes.
    pub fn value(
        &mut self,
        db: u16,
        key: &[u8],
        attributes: Attributes,
        number: u8,
        bytes: &[u8],
    ) -> Result<usize, LoadError> {
        let mut input = Input::new(bytes);
        if number == STRING && attributes.idle_seconds.is_none() && attributes.frequency.is_none() {
            let text = input.text()?.ok_or_else(|| cut(bytes))?;
            self.string(db, key, text.as_str(), attributes.expiry)?;
            return Ok(input.position());
        }
        self.begin(db, key, attributes)?;
        let build = &mut self.build;
        let complete = Decoder::new(number, Dialect::Redis)?.feed(&mut input, &mut |part| build.part(part));
        match complete {
            Ok(true) => self.end()?,
            Ok(false) => {
                self.abandon();
                return Err(cut(bytes).into());
            }
            Err(error) => {
                self.abandon();
                return Err(error.into());
            }
        };
        Ok(input.position())
    }

    /// Adds a library of functions.
    pub fn library(&mut self, text: &[u8]) -> Result<(), LoadError> {
        self.core.libraries.write().load(text, Collision::Refuse).map_err(LoadError::Library)?;
        self.report.libraries += 1;
        Ok(())
    }

    /// Says that so many keys of this slot and database come next, so that room is made for all of them at once: for at most a
    /// thousand, and when the first of them comes. A hint, which saves time.
    pub fn expect(&mut self, slot: Slot, db: u16, keys: usize) {
        self.expected = Some((slot, db, keys));
    }

    /// What was stored so far.
    pub fn loaded(&self) -> Loaded {
        self.report
    }

    /// [Flushes](Self::flush), and says what was stored. A loader that is dropped flushes, too, and tells nobody.
    pub fn finish(mut self) -> Result<Loaded, LoadError> {
        self.flush()?;
        Ok(self.report)
    }

    #[inline]
    fn store(&mut self, db: u16, entry: EntryRef) -> Result<(), LoadError> {
        check(db)?;
        let (slot, hash) = (Slot::of(entry.key()), self.core.hasher.hash(entry.key()));
        if db == 0 {
            self.core.totals.hints.prefetch(slot, hash);
        }
        self.core.slots.prefetch_slot(slot);
        let is_full = match self.place {
            Place::Turns => {
                self.group_bytes += entry.heap_bytes();
                self.group.len() + 1 >= TURN_KEYS || self.group_bytes >= TURN_BYTES
            }
            Place::Slots | Place::Apart(_) => self.group.len() + 1 >= GROUP_KEYS,
        };
        self.group.push(Waiting { entry, hash, slot, db });
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Stores what is still on its way.
    pub fn flush(&mut self) -> Result<(), LoadError> {
        let Self { core, group, filled, report, expected, place, buffer, .. } = self;
        self.group_bytes = 0;
        let mut fault = None;
        let mut group = group.drain(..).peekable();
        while let Some(first) = group.peek() {
            let (slot, db) = (first.slot, first.db);
            let around = core.surroundings(slot, db);
            let mut run = std::iter::from_fn(|| group.next_if(|waiting| (waiting.slot, waiting.db) == (slot, db)));
            let room = expected.take_if(|(of, number, _)| (*of, *number) == (slot, db)).map(|(.., keys)| keys);
            let mut put = |shard: &mut Shard, run: &mut dyn Iterator<Item = Waiting>| {
                if let Some(keys) = room {
                    shard.reserve(keys, around);
                }
                for Waiting { entry, hash, .. } in run {
                    if shard.find(hash, entry.key()).is_some() {
                        fault.get_or_insert(LoadError::Twice { db, key: name(entry.key()) });
                    } else {
                        report.keys += 1;
                        report.expires += u64::from(entry.has_expiry());
                        shard.fill(hash, entry, around, filled);
                    }
                }
            };
            match place {
                Place::Turns => {
                    let buffer_taken = std::mem::take(buffer);
                    let opening = Opening { origin: Origin::Import, buffer: buffer_taken, ..Opening::client(db) };
                    let mut turn = Turn::over(core, opening, core.slots.lock(slot));
                    if let Some(keys) = room {
                        turn.make_room(keys);
                    }
                    for Waiting { entry, hash, .. } in run {
                        if turn.holds(hash, entry.key()) {
                            fault.get_or_insert(LoadError::Twice { db, key: name(entry.key()) });
                            continue;
                        }
                        report.keys += 1;
                        report.expires += u64::from(entry.has_expiry());
                        record_value(&mut turn, entry.key(), &entry);
                        turn.bring_in(hash, entry, filled);
                    }
                    // Before others may take some of it out again.
                    filled.settle(&core.totals);
                    *buffer = turn.commit().buffer;
                    buffer.shrink_to(TURN_BYTES);
                }
                Place::Slots => {
                    let mut guard = core.slots.lock(slot);
                    bring(core, &mut guard, core.eras.current());
                    put(guard.state.shard_mut(db), &mut run);
                }
                Place::Apart(apart) if apart.slot == slot => put(apart.shard_mut(db), &mut run),
                Place::Apart(_) => {
                    let strays = run.map(|waiting| name(waiting.entry.key())).last();
                    let key = strays.unwrap_or_default();
                    fault.get_or_insert(LoadError::OtherSlot { slot, key });
                }
            }
        }
        drop(group);
        self.filled.settle(&self.core.totals);
        fault.map_or(Ok(()), Err)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish`.
        let _ = self.flush();
    }
}

impl Attributes {
    /// The access bits of an entry with these.
    pub(crate) fn access(&self, core: &Core) -> u32 {
        let seconds = core.access_seconds();
        match (core.options.lfu.load(Relaxed), self.frequency, self.idle_seconds) {
            (true, Some(frequency), _) => core.access_minutes() << 8 | u32::from(frequency),
            (false, _, Some(idle)) => {
                seconds.wrapping_sub(u32::try_from(idle).unwrap_or(u32::MAX).min(IDLE_SECONDS_MAX))
            }
            _ => core.fresh_access(),
        }
    }
}

fn check(db: u16) -> Result<(), LoadError> {
    if db < DATABASE_COUNT { Ok(()) } else { Err(LoadError::NoDatabase(db.into())) }
}

fn name(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

#[cold]
fn cut(bytes: &[u8]) -> PayloadError {
    PayloadError::corrupt(bytes.len(), "the rest of a value")
}

/// Keys whose places are asked for together.
const GROUP_KEYS: usize = 32;

/// Keys that are recorded in one batch,
const TURN_KEYS: usize = 128;
/// unless they take so many bytes.
const TURN_BYTES: usize = 256 << 10;

/// The access bits hold 24 bits of seconds; what was idle for longer counts as idle for half of that.
const IDLE_SECONDS_MAX: u32 = 1 << 23;

const STRING: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{assert_totals, contents, quiet};
    use crate::payload::{Style, encode};

    #[test]
    fn what_is_loaded_is_what_commands_would_have_made() {
        let (db, _) = quiet();
        for request in
            ["SET s text EX 100", "RPUSH l a b 1", "SADD t 1 2", "ZADD z 1 a 2 b", "HSET h f v", "XADD x 1-1 f v"]
        {
            db.call(&request.split(' ').collect::<Vec<_>>());
        }
        (0..3_000).for_each(|n| drop(db.set(format!("key:{n}"), n)));
        let (copy, _) = quiet();
        let mut loader = copy.loader();
        for (number, key) in contents(&db).keys() {
            let slot = Slot::of(key);
            let guard = db.core.slots.lock(slot);
            let entry = guard.state.shard(*number).and_then(|shard| {
                let spot = shard.find(db.core.hasher.hash(key), key)?;
                Some(shard.get(spot).clone())
            });
            let entry = entry.expect("it was listed");
            let mut bytes = Vec::new();
            let kind = encode(&entry, Style::default(), &mut bytes);
            let attributes = Attributes { expiry: entry.expiry(), ..Attributes::default() };
            assert_eq!(loader.value(0, key, attributes, kind, &bytes), Ok(bytes.len()));
        }
        let loaded = loader.finish().expect("no key twice");
        assert_eq!(loaded, Loaded { keys: 3_006, expires: 1, empty: 0, libraries: 0 });
        assert_eq!(contents(&copy), contents(&db));
        assert_totals(&copy);
    }

    #[test]
    fn several_loaders_fill_one_engine() {
        let (db, _) = quiet();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let mut loader = db.loader();
                scope.spawn(move || {
                    for n in 0..2_000 {
                        let key = format!("{thread}:{n}");
                        loader.string(n % 2, key.as_bytes(), StrRef::Bytes(b"12"), None).expect("keys differ");
                    }
                    assert_eq!(loader.finish().map(|loaded| loaded.keys), Ok(2_000));
                });
            }
        });
        assert_eq!((db.core.totals.keys(0), db.core.totals.keys(1)), (4_000, 4_000));
        assert_eq!(db.get_int("3:1998"), Ok(Some(12)));
        assert_totals(&db);
    }

    #[test]
    fn room_that_is_made_at_once_is_what_would_have_grown() {
        for keys in [1, 7, 40, 300, 1_500] {
            let bytes = [false, true].map(|is_expected| {
                let (db, _) = quiet();
                let mut loader = db.loader();
                if is_expected {
                    loader.expect(Slot::of(b"a"), 0, keys);
                }
                for n in 0..keys {
                    loader.string(0, format!("{{a}}{n}").as_bytes(), StrRef::Bytes(b"x"), None).expect("keys differ");
                }
                assert_eq!(loader.finish().map(|loaded| loaded.keys), Ok(keys as u64));
                assert_totals(&db);
                db.core.totals.bytes()
            });
            assert!(keys > 1_000 || bytes[0] == bytes[1], "{keys} keys: {bytes:?}");
        }
        // What never comes takes nothing.
        let (db, _) = quiet();
        let before = db.core.totals.bytes();
        db.loader().expect(Slot::of(b"a"), 0, usize::MAX);
        assert_eq!(db.core.totals.bytes(), before);
    }

    #[test]
    fn what_cannot_be_is_refused_and_the_rest_stays() {
        let (db, _) = quiet();
        let mut loader = db.loader();
        let none = Attributes::default();
        let member = |text| Part::Member(StrRef::Bytes(text));
        loader.begin(0, b"s", none).unwrap();
        loader.part(member(b"a")).unwrap();
        assert!(matches!(loader.part(member(b"a")), Err(LoadError::Value(PayloadError::Contradiction { .. }))));
        assert_eq!(loader.end(), Ok(false), "it is forgotten");
        loader.begin(0, b"empty", none).unwrap();
        assert_eq!((loader.end(), loader.loaded().empty), (Ok(false), 1));
        assert_eq!(loader.begin(16, b"k", none), Err(LoadError::NoDatabase(16)));
        assert!(loader.value(0, b"k", none, 2, b"\x02\x01a").is_err());
        assert!(loader.value(0, b"k", none, 0, b"\x05a").is_err());
        assert!(loader.value(0, b"k", none, 99, b"\x05a").is_err());
        loader.string(0, b"k", StrRef::Int(1), None).unwrap();
        loader.string(0, b"k", StrRef::Int(2), None).unwrap();
        assert_eq!(loader.finish(), Err(LoadError::Twice { db: 0, key: "k".into() }));
        assert_eq!((db.get_int("k"), db.core.totals.keys(0)), (Ok(Some(1)), 1));
    }

    #[test]
    fn libraries_and_idle_times_are_kept() {
        let (db, _) = quiet();
        let mut loader = db.loader();
        let library = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        loader.library(library).unwrap();
        assert!(matches!(loader.library(library), Err(LoadError::Library(_))));
        let attributes = Attributes { idle_seconds: Some(500), ..Attributes::default() };
        loader.value(0, b"k", attributes, 0, b"\x01x").unwrap();
        assert_eq!(loader.finish().map(|loaded| (loaded.libraries, loaded.keys)), Ok((1, 1)));
        assert_eq!(db.object_idletime("k"), Ok(Some(500)));
    }
}
