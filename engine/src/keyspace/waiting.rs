//! Requests that wait for a key of a slot: BLPOP and its kin.
//!
//! ```text
//! Waiting, in every slot:   key -> database -> waiters, first come first served
//!
//! Waiter:   waiting --claim--> claimed --finish--> done        (whoever claims it decides how it ends)
//!              ^---- release ----'
//! ```
//!
//! Nothing here serves anybody: `turn` does, while it holds the slots of the request.
//!
//! Invariants
//! - A waiter is claimed by one party at most, by compare-and-swap: the turn that serves it, its time, CLIENT UNBLOCK, or
//!   the end of its connection.
//! - A waiter stands once in the queue of each of its keys. One that is done may still stand there for a while; it cannot
//!   be claimed any more.

use super::admission::Standing;
use crate::effect::Offset;
use crate::error::CommandError;
use crate::resp::RespVersion;
use crate::slot::Slot;
use crate::time::UnixMillis;
use crate::value::ValueType;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

/// How the wait of a request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was run; this is its reply, which tells of the journal up to `offset`.
    Served {
        /// The reply.
        reply: Vec<u8>,
        /// What the reply may have to wait for.
        offset: Offset,
        /// Whether it is an error.
        failed: bool,
    },
    /// Its time was over: it answers a null array, whatever it would have answered.
    TimedOut,
    /// It was told to answer this.
    Refused(CommandError),
    /// It has to be run again by its own session: who found it ready did not hold all its slots.
    Again,
    /// Its connection ended.
    Gone,
}

/// A request that waits. See the module.
pub(crate) struct Waiter {
    state: AtomicU8,
    outcome: Mutex<Option<Outcome>>,
    terms: Terms,
}

/// What a [`Waiter`] waits for, and how its request is run then.
pub(crate) struct Terms {
    pub(crate) waker: Waker,
    pub(crate) db: u16,
    pub(crate) resp: RespVersion,
    /// The request that is run when a key is ready.
    pub(crate) request: Vec<Box<[u8]>>,
    /// The keys that it waits for, each once.
    pub(crate) keys: Vec<Box<[u8]>>,
    /// The slots that the request needs, ascending: of those keys and of the ones that it writes to.
    pub(crate) slots: SmallVec<[Slot; 2]>,
    /// What has to be at a key.
    pub(crate) wanted: ValueType,
    /// Whether it is run again, too, when a key is deleted or gets another type.
    pub(crate) on_removal: bool,
    pub(crate) deadline: Option<UnixMillis>,
    /// What its client is to the gate.
    pub(crate) standing: Standing,
    /// The newest change of users by which its user may ask for this.
    pub(crate) rights_seen: u64,
    /// How the request is run. Only `turn` knows its type.
    pub(crate) work: Box<dyn Any + Send + Sync>,
}

/// The terms do not change, so they are read as the waiter's own.
impl Deref for Waiter {
    type Target = Terms;

    fn deref(&self) -> &Terms {
        &self.terms
    }
}

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const DONE: u8 = 2;

impl Waiter {
    pub(crate) fn new(terms: Terms) -> Self {
        Self { state: AtomicU8::new(WAITING), outcome: Mutex::new(None), terms }
    }

    /// Whether nobody claimed it so far.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// Whether it was told how it ends.
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Takes the right to say how it ends. False if somebody else did.
    pub(crate) fn claim(&self) -> bool {
        self.state.compare_exchange(WAITING, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Gives that right back: it goes on waiting.
    pub(crate) fn release(&self) {
        self.state.store(WAITING, Ordering::Release);
    }

    /// Ends what was claimed and wakes its session.
    pub(crate) fn finish(&self, outcome: Outcome) {
        *self.outcome.lock() = Some(outcome);
        self.state.store(DONE, Ordering::Release);
        self.waker.wake_by_ref();
    }

    /// Claims it and ends it. False if somebody else claimed it.
    pub(crate) fn end(&self, outcome: Outcome) -> bool {
        let is_mine = self.claim();
        if is_mine {
            self.finish(outcome);
        }
        is_mine
    }

    /// How it ended, once.
    pub(crate) fn take_outcome(&self) -> Option<Outcome> {
        match self.state.load(Ordering::Acquire) {
            DONE => self.outcome.lock().take(),
            _ => None,
        }
    }

    /// Whether its time is over.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("db", &self.db).field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

type Queue = VecDeque<Arc<Waiter>>;
type Queues = BTreeMap<Box<[u8]>, SmallVec<[(u16, Queue); 1]>>;

/// The waiters of one slot. One pointer, null while nobody waits.
#[derive(Default)]
pub(crate) struct Waiting(Option<Box<Everybody>>);

/// Queues by key, and how many of those in them are special.
#[derive(Default)]
struct Everybody {
    queues: Queues,
    /// Places in queues of waiters that need more than one slot.
    wide: usize,
    /// Places in queues of waiters that are run again when a key goes, too.
    on_removal: usize,
}

impl Waiting {
    pub(crate) const NOBODY: Self = Self(None);

    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Queues a waiter at a key.
    pub(crate) fn enter(&mut self, key: &[u8], waiter: &Arc<Waiter>) {
        let everybody = self.0.get_or_insert_default();
        everybody.wide += usize::from(waiter.slots.len() > 1);
        everybody.on_removal += usize::from(waiter.on_removal);
        let databases = everybody.queues.entry(key.into()).or_default();
        match databases.iter_mut().find(|(db, _)| *db == waiter.db) {
            Some((_, queue)) => queue.push_back(Arc::clone(waiter)),
            None => databases.push((waiter.db, Queue::from([Arc::clone(waiter)]))),
        }
    }

    /// Takes a waiter out of the queues of its keys in this slot. O(its keys * (log keys + queue)).
    pub(crate) fn leave(&mut self, waiter: &Waiter) {
        let Some(everybody) = &mut self.0 else { return };
        let Everybody { queues, wide, on_removal } = &mut **everybody;
        for key in &waiter.keys {
            let Some(databases) = queues.get_mut(key) else { continue };
            for (_, queue) in databases.iter_mut().filter(|(db, _)| *db == waiter.db) {
                if let Some(at) = queue.iter().position(|other| std::ptr::eq(&**other, waiter)) {
                    queue.remove(at);
                    *wide -= usize::from(waiter.slots.len() > 1);
                    *on_removal -= usize::from(waiter.on_removal);
                }
            }
            databases.retain(|(_, queue)| !queue.is_empty());
            if databases.is_empty() {
                queues.remove(key);
            }
        }
        if queues.is_empty() {
            self.0 = None;
        }
    }

    /// Those who wait at a key, in the order in which they came.
    pub(crate) fn at(&self, db: u16, key: &[u8]) -> impl Iterator<Item = &Arc<Waiter>> {
        let databases = self.0.as_ref().and_then(|everybody| everybody.queues.get(key));
        databases.into_iter().flatten().filter(move |(of, _)| *of == db).flat_map(|(_, queue)| queue)
    }

    /// Who stands at a place in the queue of a key. O(log keys).
    pub(crate) fn nth(&self, db: u16, key: &[u8], place: usize) -> Option<&Arc<Waiter>> {
        let databases = self.0.as_ref()?.queues.get(key)?;
        databases.iter().find(|(of, _)| *of == db)?.1.get(place)
    }

    /// Whether somebody needs more than one slot.
    pub(crate) fn has_wide(&self) -> bool {
        self.0.as_ref().is_some_and(|everybody| everybody.wide > 0)
    }

    /// Whether somebody is run again when a key goes, too.
    pub(crate) fn has_on_removal(&self) -> bool {
        self.0.as_ref().is_some_and(|everybody| everybody.on_removal > 0)
    }

    /// The keys of a database at which somebody waits.
    pub(crate) fn keys(&self, db: u16) -> impl Iterator<Item = &[u8]> {
        let queues = self.0.iter().flat_map(|everybody| everybody.queues.iter());
        queues.filter(move |(_, databases)| databases.iter().any(|(of, _)| *of == db)).map(|(key, _)| &**key)
    }

    /// Everybody; who waits at several keys may come several times.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Waiter>> {
        let queues = self.0.iter().flat_map(|everybody| everybody.queues.values());
        queues.flatten().flat_map(|(_, queue)| queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(db: u16, keys: &[&[u8]]) -> Arc<Waiter> {
        Arc::new(Waiter::new(Terms {
            waker: Waker::noop().clone(),
            db,
            resp: RespVersion::V2,
            request: Vec::new(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
            slots: SmallVec::new(),
            wanted: ValueType::String,
            on_removal: false,
            deadline: Some(UnixMillis(5)),
            rights_seen: 0,
            standing: Standing::default(),
            work: Box::new(()),
        }))
    }

    #[test]
    fn queues_keep_their_order_and_vanish_when_empty() {
        let mut waiting = Waiting::default();
        let (a, b, c) = (waiter(0, &[b"k", b"l"]), waiter(0, &[b"k"]), waiter(1, &[b"k"]));
        waiting.enter(b"k", &a);
        waiting.enter(b"l", &a);
        waiting.enter(b"k", &b);
        waiting.enter(b"k", &c);
        let at = |waiting: &Waiting, db, key: &[u8]| waiting.at(db, key).map(Arc::as_ptr).collect::<Vec<_>>();
        assert_eq!(at(&waiting, 0, b"k"), [Arc::as_ptr(&a), Arc::as_ptr(&b)]);
        assert_eq!(at(&waiting, 1, b"k"), [Arc::as_ptr(&c)]);
        assert_eq!(waiting.keys(1).collect::<Vec<_>>(), [b"k"]);
        assert_eq!(waiting.all().count(), 4);
        waiting.leave(&a);
        assert_eq!(at(&waiting, 0, b"k"), [Arc::as_ptr(&b)]);
        assert!(at(&waiting, 0, b"l").is_empty());
        waiting.leave(&b);
        waiting.leave(&c);
        assert!(waiting.is_empty());
    }

    #[test]
    fn only_one_party_ends_a_wait() {
        let waiter = waiter(0, &[b"k"]);
        assert!(waiter.claim() && !waiter.claim());
        assert!(!waiter.end(Outcome::TimedOut) && waiter.take_outcome().is_none());
        waiter.release();
        assert!(waiter.is_waiting() && waiter.end(Outcome::TimedOut));
        assert!(matches!(waiter.take_outcome(), Some(Outcome::TimedOut)) && waiter.take_outcome().is_none());
        assert!(!waiter.is_due(UnixMillis(4)) && waiter.is_due(UnixMillis(5)));
    }
}
