//! Following what changes: the journal's effects, batch by batch, from any position that is still in memory.
//!
//! ```text
//! db.effects() -> from(position) -> slots(range) -> open() -> next_timeout() -> FeedBatch { position, effects }
//!                                                             behind the oldest -> Lagged: take a snapshot, start anew
//! ```
//!
//! A [`Store`](https://docs.rs/keyslot)'s feed reads its journal, as far back as that is in memory. An engine without a journal
//! keeps the newest effects for its feeds from the first [`Engine::effects`] on.
//!
//! Invariants
//! - A batch comes whole or not at all, in the order of the journal; a position lies between batches.
//! - Reading on from a batch's position gives what came after it, also in another process that has the same journal.

use crate::command::keys::Include;
use crate::command::table::table;
use crate::core::Core;
use crate::effect::{EffectSink, Framing, Offset, Ring, Unreadable};
use crate::engine::{Engine, thread_waker};
use crate::resp::{Value, parse_reply};
use crate::slot::{Slot, SlotSet};
use bytes::Bytes;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Where to read on. The database is part of it because the stream names it only where it changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FeedPosition {
    /// Byte position in the journal.
    pub offset: Offset,
    /// The database that the stream is in there.
    pub db: u16,
}

/// One change, as a command that reproduces it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedEffect {
    /// The database that it applies to.
    pub db: u16,
    /// The command: its name, then its arguments.
    pub args: Vec<Bytes>,
}

/// The effects of one turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedBatch {
    /// Where the next batch begins.
    pub position: FeedPosition,
    /// Its effects, without those of slots that were not asked for; never empty.
    pub effects: Vec<FeedEffect>,
}

/// Why a feed cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The position asked for is no longer in memory: take a snapshot and start from there.
    #[error("the feed fell behind: the oldest position that is still there is {oldest}")]
    Lagged {
        /// The oldest offset that can be read.
        oldest: Offset,
    },
    /// The position lies behind the end of the journal: it belongs to another one.
    #[error("the position lies behind the end of the journal, {end}")]
    Ahead {
        /// The journal's end.
        end: Offset,
    },
    /// The keeper of this engine's journal does not keep it for readers.
    #[error("the journal of this engine is not kept for readers")]
    NotKept,
    /// The position lies inside of a batch, or the journal is not one.
    #[error("the journal cannot be read at {offset}")]
    Unreadable {
        /// Where it was tried.
        offset: Offset,
    },
}

impl From<Unreadable> for FeedError {
    fn from(error: Unreadable) -> Self {
        match error {
            Unreadable::NotKept => Self::NotKept,
            Unreadable::Lagged { oldest } => Self::Lagged { oldest },
            Unreadable::Ahead { end } => Self::Ahead { end },
        }
    }
}

/// How a feed is opened.
#[must_use = "nothing is followed before it is opened"]
pub struct FeedBuilder {
    core: Arc<Core>,
    from: Option<FeedPosition>,
    slots: Option<SlotSet>,
}

/// A feed of effects. See [`Engine::effects`].
pub struct EffectFeed {
    core: Arc<Core>,
    sink: Arc<dyn EffectSink>,
    slots: Option<SlotSet>,
    position: FeedPosition,
    /// Bytes of the stream from `position` on, from `at` on not looked at.
    bytes: Vec<u8>,
    at: usize,
}

impl Engine {
    /// Follows what changes, as deterministic effects: SPOP arrives as SREM, EXPIRE as PEXPIREAT.
    ///
    /// ```
    /// use keyslot_engine::Engine;
    /// use std::time::Duration;
    /// let db = Engine::in_memory();
    /// let mut feed = db.effects().open()?;
    /// db.set_ex("otp", "1234", 30).unwrap();
    /// let batch = feed.next_timeout(Duration::from_secs(1))?.expect("something changed");
    /// assert_eq!(batch.effects[0].args[..3], ["SET", "otp", "1234"]);
    /// let mut resumed = db.effects().from(batch.position).slots(0..=16383).open()?;
    /// assert_eq!(resumed.try_next()?, None);
    /// # Ok::<(), keyslot_engine::FeedError>(())
    /// ```
    pub fn effects(&self) -> FeedBuilder {
        if self.core.sink().is_none() {
            // Somebody else may be faster; then theirs is as good.
            self.core.attach_sink(Arc::new(Ring::new(RING_SIZE_BYTES)));
        }
        FeedBuilder { core: Arc::clone(&self.core), from: None, slots: None }
    }
}

impl FeedBuilder {
    /// Begins where a batch ended; otherwise at the journal's end.
    pub fn from(self, position: FeedPosition) -> Self {
        Self { from: Some(position), ..self }
    }

    /// Leaves out effects that concern none of these slots. Numbers beyond the last slot mean nothing.
    pub fn slots(mut self, range: RangeInclusive<u16>) -> Self {
        let slots = Slot::all().filter(|slot| range.contains(&slot.number()));
        self.slots.get_or_insert_with(SlotSet::default).extend(slots);
        self
    }

    /// Opens the feed. Fails if the position is no longer there, or not yet.
    pub fn open(self) -> Result<EffectFeed, FeedError> {
        let sink = Arc::clone(self.core.sink().ok_or(FeedError::NotKept)?);
        let position = self.from.unwrap_or_else(|| FeedPosition { offset: sink.end(), db: 0 });
        let mut feed = EffectFeed { core: self.core, sink, slots: self.slots, position, bytes: Vec::new(), at: 0 };
        match self.from {
            Some(_) => feed.fill()?,
            // What comes next says its database only if it is another one than that of the last batch, which nobody saw.
            None => feed.skip_to_end()?,
        }
        Ok(feed)
    }
}

impl EffectFeed {
    /// Where the next batch begins.
    pub fn position(&self) -> FeedPosition {
        self.position
    }

    /// The next batch that is there already.
    pub fn try_next(&mut self) -> Result<Option<FeedBatch>, FeedError> {
        loop {
            if self.at == self.bytes.len() {
                self.fill()?;
                if self.bytes.is_empty() {
                    return Ok(None);
                }
            }
            if let Some(batch) = self.take_batch()? {
                return Ok(Some(batch));
            }
        }
    }

    /// The next batch, or `Pending`: then `waker` is woken when there may be one.
    pub fn poll_next(&mut self, waker: &Waker) -> Poll<Result<FeedBatch, FeedError>> {
        loop {
            match self.try_next() {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(Some(batch)) => return Poll::Ready(Ok(batch)),
                Ok(None) if self.sink.poll_more(self.position.offset, waker).is_pending() => return Poll::Pending,
                Ok(None) => {}
            }
        }
    }

    /// The next batch, waiting for it at most so long by the engine's clock; `None` if there was none.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<FeedBatch>, FeedError> {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let deadline = self.core.monotonic_ns().saturating_add(nanos);
        loop {
            if let Poll::Ready(batch) = self.poll_next(&thread_waker()) {
                return batch.map(Some);
            }
            match deadline.saturating_sub(self.core.monotonic_ns()) {
                0 => return Ok(None),
                left => std::thread::park_timeout(Duration::from_nanos(left)),
            }
        }
    }

    /// Reads on behind what was looked at.
    fn fill(&mut self) -> Result<(), FeedError> {
        self.bytes.clear();
        self.at = 0;
        self.sink.read(self.position.offset, &mut self.bytes)?;
        Ok(())
    }

    /// Goes to the end, and learns the database on the way from what is still there.
    fn skip_to_end(&mut self) -> Result<(), FeedError> {
        let end = self.position.offset;
        let mut oldest = Offset(0);
        if let Err(Unreadable::Lagged { oldest: found }) = self.sink.read(oldest, &mut self.bytes) {
            oldest = found;
        }
        self.position.offset = oldest;
        self.fill()?;
        while self.position.offset < end {
            if self.at == self.bytes.len() {
                self.fill()?;
            }
            self.take_batch()?;
        }
        Ok(())
    }

    /// One batch out of the bytes at hand; `None` if it was only framing or concerns other slots.
    fn take_batch(&mut self) -> Result<Option<FeedBatch>, FeedError> {
        let mut effects = Vec::new();
        let mut is_open = false;
        let mut db = self.position.db;
        loop {
            let unreadable = FeedError::Unreadable { offset: self.position.offset };
            let Ok(Some((command, len))) = parse_reply(&self.bytes[self.at..]) else { return Err(unreadable) };
            let args = words(command).ok_or(unreadable)?;
            self.at += len;
            self.position.offset.0 += len as u64;
            match Framing::of(&args) {
                Framing::Multi => is_open = true,
                Framing::Exec => is_open = false,
                Framing::Select(selected) => db = selected.ok_or(unreadable)?,
                Framing::Effect if self.concerns(&args) => effects.push(FeedEffect { db, args }),
                Framing::Effect | Framing::Message => {}
            }
            if !is_open {
                break;
            }
        }
        self.position.db = db;
        let position = self.position;
        Ok((!effects.is_empty()).then_some(FeedBatch { position, effects }))
    }

    /// Whether an effect touches one of the slots asked for. What has no keys touches all.
    fn concerns(&self, args: &[Bytes]) -> bool {
        let Some(slots) = &self.slots else { return true };
        let Ok(command) = table().lookup(args) else { return true };
        let keys = command.keys(args, Include::Keys);
        keys.is_empty() || keys.iter().any(|key| slots.contains(Slot::of(&args[key.index as usize])))
    }
}

fn words(command: Value) -> Option<Vec<Bytes>> {
    let Value::Array(words) = command else { return None };
    let word = |word| match word {
        Value::Bulk(bytes) => Some(bytes),
        _ => None,
    };
    words.into_iter().map(word).collect::<Option<Vec<Bytes>>>().filter(|words| !words.is_empty())
}

/// What an engine without a journal keeps for its feeds.
const RING_SIZE_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{ask, quiet, session};

    fn lines(feed: &mut EffectFeed) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(batch) = feed.try_next().unwrap() {
            let line = |e: &FeedEffect| {
                let words: Vec<_> = e.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
                format!("{}> {}", e.db, words.join(" "))
            };
            lines.push(batch.effects.iter().map(line).collect::<Vec<_>>().join("; "));
        }
        lines
    }

    /// A waker that uses the engine at once.
    struct Greedy(Engine, std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Greedy {
        fn wake(self: Arc<Self>) {
            assert_eq!(self.0.get("k").unwrap().as_deref(), Some(&b"v"[..]));
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn who_is_woken_may_use_the_slot_that_changed() {
        let (db, _) = quiet();
        let mut feed = db.effects().open().unwrap();
        let greedy = Arc::new(Greedy(db.clone(), std::sync::atomic::AtomicUsize::new(0)));
        assert!(feed.poll_next(&Arc::clone(&greedy).into()).is_pending());
        db.set("k", "v").unwrap();
        assert_eq!(greedy.1.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(lines(&mut feed), ["0> SET k v"]);
    }

    #[test]
    fn a_feed_that_begins_late_knows_the_database() {
        let (db, _) = quiet();
        let _first = db.effects().open().unwrap();
        let mut s = session(&db);
        ask(&mut s, "SELECT 3");
        let long = "x".repeat(1 << 20);
        for _ in 0..40 {
            let reply = ask(&mut s, &format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{long}", long.len()));
            assert_eq!(reply, "+OK\r\n");
        }
        let mut feed = db.effects().open().unwrap();
        ask(&mut s, "SET k short");
        assert_eq!(lines(&mut feed), ["3> SET k short"]);
    }

    #[test]
    fn batches_come_whole_with_their_databases() {
        let (db, clock) = quiet();
        let mut feed = db.effects().open().unwrap();
        let mut s = session(&db);
        ask(&mut s, "MSET a 1 b 2");
        ask(&mut s, "SELECT 3\r\nSET c 3\r\nMULTI\r\nSET d 4\r\nSELECT 0\r\nDEL a\r\nEXEC\r\nFLUSHALL");
        let expected = ["0> SET a 1; 0> SET b 2", "3> SET c 3", "3> SET d 4; 0> DEL a", "0> FLUSHALL"];
        assert_eq!(lines(&mut feed), expected);
        db.set_ex("otp", "1", 30).unwrap();
        clock.advance(Duration::from_secs(31));
        assert_eq!(db.get("otp").unwrap(), None);
        assert_eq!(lines(&mut feed), ["0> SET otp 1 PXAT 1700000030000", "0> DEL otp"]);
    }

    #[test]
    fn a_feed_goes_on_where_a_batch_ended() {
        let (db, _) = quiet();
        let mut feed = db.effects().open().unwrap();
        let mut s = session(&db);
        ask(&mut s, "SELECT 5\r\nSET a 1\r\nSET b 2");
        let first = feed.try_next().unwrap().unwrap();
        assert_eq!(first.position.db, 5);
        let mut resumed = db.effects().from(first.position).open().unwrap();
        assert_eq!(lines(&mut resumed), ["5> SET b 2"]);
        // One that begins at the end knows the database that the stream is in.
        let mut late = db.effects().open().unwrap();
        ask(&mut s, "SET c 3");
        assert_eq!(lines(&mut late), ["5> SET c 3"]);
    }

    #[test]
    fn only_effects_of_the_slots_come() {
        let (db, _) = quiet();
        let slot = Slot::of(b"a").number();
        let mut feed = db.effects().slots(slot..=slot).open().unwrap();
        db.mset(&[("a", "1"), ("b", "2")]).unwrap();
        db.set("b", "3").unwrap();
        db.flushall().unwrap();
        assert_eq!(lines(&mut feed), ["0> SET a 1", "0> FLUSHALL"]);
    }

    #[test]
    fn a_feed_that_falls_behind_is_told() {
        let (db, _) = quiet();
        db.attach_sink(Arc::new(Ring::new(100_000)));
        let mut feed = db.effects().open().unwrap();
        let start = feed.position();
        for n in 0..5000 {
            db.set("k", format!("{n:0100}")).unwrap();
        }
        let Err(FeedError::Lagged { oldest }) = feed.try_next() else { panic!("it is too far behind") };
        assert!(oldest > start.offset && oldest < db.position());
        let mut again = db.effects().from(FeedPosition { offset: oldest, db: 0 }).open().unwrap();
        assert!(lines(&mut again).len() > 100);
        let beyond = FeedPosition { offset: Offset(db.position().0 + 1), db: 0 };
        assert!(matches!(db.effects().from(beyond).open(), Err(FeedError::Ahead { .. })));
        let inside = FeedPosition { offset: Offset(oldest.0 + 1), db: 0 };
        assert!(matches!(
            db.effects().from(inside).open().and_then(|mut feed| feed.try_next()),
            Err(FeedError::Unreadable { .. })
        ));
    }

    #[test]
    fn a_thread_that_waits_is_woken() {
        let (db, _) = quiet();
        let mut feed = db.effects().open().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| db.set("k", "v"));
            let batch = feed.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
            assert_eq!(batch.effects[0].args, ["SET", "k", "v"]);
        });
    }
}
