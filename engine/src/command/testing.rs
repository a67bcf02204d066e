//! What the tests of command families share: an engine that remembers its effects, and a way to play them back.

use crate::effect::{Ack, Batch, BatchKind, EffectSink, NotWritable, Offset, OutcomeUnknown};
use crate::keyspace::EntryRef;
use crate::resp::{Value, parse_reply};
use crate::slot::{SLOT_COUNT, Slot};
use crate::text::split_args;
use crate::{DATABASE_COUNT, Engine, ManualClock, Origin, PeerInfo, Session, SessionState, StrRef, UnixMillis};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

/// One batch, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) kind: BatchKind,
    pub(crate) db: u16,
    pub(crate) slots: Vec<Slot>,
    pub(crate) era: u64,
    pub(crate) effects: Vec<Vec<Vec<u8>>>,
}

/// A sink that keeps every batch.
#[derive(Default)]
pub(crate) struct KeepingSink {
    kept: Mutex<Vec<Kept>>,
    /// The newest offset that anybody waited for.
    awaited: AtomicU64,
}

impl EffectSink for KeepingSink {
    fn append(&self, batch: &Batch<'_>) -> Offset {
        let effects = split(batch.bytes);
        assert_eq!(effects.len(), batch.count as usize, "a batch tells how many effects it has");
        let mut kept = self.kept.lock();
        kept.push(Kept { kind: batch.kind, db: batch.db, slots: batch.slots.to_vec(), era: batch.era, effects });
        Offset(kept.len() as u64)
    }

    fn poll_room(&self, _waker: &Waker) -> Poll<Result<(), NotWritable>> {
        Poll::Ready(Ok(()))
    }

    fn poll_reached(&self, _level: Ack, offset: Offset, _waker: &Waker) -> Poll<Result<(), OutcomeUnknown>> {
        self.awaited.fetch_max(offset.0, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn end(&self) -> Offset {
        Offset(self.kept.lock().len() as u64)
    }
}

/// An engine whose effects are kept and whose clock stands still until it is moved.
pub(crate) struct Bench {
    pub(crate) db: Engine,
    pub(crate) clock: ManualClock,
    sink: Arc<KeepingSink>,
    seen: Mutex<usize>,
}

/// Where the clock of a [`Bench`] starts.
pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

impl Bench {
    pub(crate) fn new() -> Self {
        let (db, clock) = quiet();
        let sink = Arc::new(KeepingSink::default());
        assert!(db.attach_sink(Arc::<KeepingSink>::clone(&sink)));
        Self { db, clock, sink, seen: Mutex::new(0) }
    }

    /// Moves the time forward.
    pub(crate) fn advance_ms(&self, ms: u64) {
        self.clock.advance(std::time::Duration::from_millis(ms));
    }

    /// Runs an inline request in a session of its own, in RESP2; words may be quoted.
    pub(crate) fn ask(&self, request: &str) -> String {
        ask(&mut session(&self.db), request)
    }

    /// Runs a request written as one line and returns its reply in RESP3 shapes; words may be quoted.
    pub(crate) fn run(&self, request: &str) -> Value {
        self.db.call(&split_args(request.as_bytes()).expect("quotes are balanced"))
    }

    /// Runs a request and returns the text of the error that it answers.
    pub(crate) fn error(&self, request: &str) -> String {
        match self.run(request) {
            Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{request} gave {other:?} and no error"),
        }
    }

    /// The newest offset that anybody waited for.
    pub(crate) fn awaited(&self) -> u64 {
        self.sink.awaited.load(Ordering::Relaxed)
    }

    /// Batches since the last call.
    pub(crate) fn batches(&self) -> Vec<Kept> {
        let kept = self.sink.kept.lock();
        let mut seen = self.seen.lock();
        let new = kept[*seen..].to_vec();
        *seen = kept.len();
        new
    }

    /// Effects since the last call, words joined by blanks.
    pub(crate) fn effects(&self) -> Vec<String> {
        self.batches().iter().flat_map(|batch| &batch.effects).map(|effect| text(effect)).collect()
    }

    /// Keyspace events since the last call: database, event, key. None unless the option asks for them.
    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.db.core.announced.lock())
    }

    /// Plays all batches so far into a fresh engine and demands the same keys, values and expiries.
    pub(crate) fn assert_replays(&self) {
        assert_eq!(contents(&self.replayed()), contents(&self.db));
    }

    /// A fresh engine that all batches so far were played into.
    pub(crate) fn replayed(&self) -> Engine {
        self.replayed_to(Offset(u64::MAX))
    }

    /// A fresh engine that the batches before `end` were played into.
    pub(crate) fn replayed_to(&self, end: Offset) -> Engine {
        let (copy, _) = quiet();
        for batch in self.kept().iter().take(end.0 as usize) {
            replay(&copy, batch);
        }
        copy
    }

    /// All batches so far.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.sink.kept.lock().clone()
    }
}

/// An engine without a sink on a clock of its own.
pub(crate) fn quiet() -> (Engine, ManualClock) {
    let clock = ManualClock::at(START);
    (Engine::builder().clock(clock.clone()).seed(7).in_memory(), clock)
}

/// A session without a host.
pub(crate) fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

/// Feeds one inline request and returns all output.
pub(crate) fn ask(session: &mut Session, request: &str) -> String {
    session.feed(request.as_bytes());
    session.feed(b"\r\n");
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Applies one batch as a replay of the log does.
pub(crate) fn replay(db: &Engine, batch: &Kept) {
    let effects: Vec<Vec<&[u8]>> = batch.effects.iter().map(|e| e.iter().map(Vec::as_slice).collect()).collect();
    let effects: Vec<&[&[u8]]> = effects.iter().map(Vec::as_slice).collect();
    db.apply(Origin::Replay, batch.db, &effects).expect("a recorded effect applies");
}

/// Keys by database, with the bytes of strings, the digests of other values, and expiries.
pub(crate) type Contents = BTreeMap<(u16, Vec<u8>), (Vec<u8>, Option<UnixMillis>)>;

/// Every key of every database, expired ones that are still there included: its value and its expiry.
pub(crate) fn contents(db: &Engine) -> Contents {
    let mut all = BTreeMap::new();
    for slot in Slot::all() {
        let guard = db.core.slots.lock(slot);
        for number in 0..DATABASE_COUNT {
            for entry in guard.state.shard(number).into_iter().flat_map(|shard| shard.iter()) {
                add_content(&mut all, number, &entry);
                assert_eq!(Slot::of(entry.key()), slot, "a key lies in its slot");
            }
        }
    }
    all
}

/// Adds one key to the contents of an engine or of a view.
pub(crate) fn add_content(all: &mut Contents, db: u16, entry: &EntryRef) {
    let digest = || crate::command::server::debug::digest::of_entry(entry).into_bytes();
    let value = entry.as_string().map_or_else(digest, StrRef::to_vec);
    let before = all.insert((db, entry.key().to_vec()), (value, entry.expiry()));
    assert!(before.is_none(), "a key is there once");
}

/// Demands that the striped totals agree with what is there.
pub(crate) fn assert_totals(db: &Engine) {
    let (mut bytes, totals) = (0, &db.core.totals);
    for number in 0..DATABASE_COUNT {
        let (mut keys, mut expires) = (0, 0);
        for slot in Slot::all() {
            let guard = db.core.slots.lock(slot);
            let Some(shard) = guard.state.shard(number) else { continue };
            let volatile = shard.iter().filter(|entry| entry.has_expiry()).count();
            assert_eq!((shard.len(), shard.expires()), (shard.iter().count(), volatile), "counts of {slot:?}");
            keys += shard.len() as u64;
            expires += volatile as u64;
            bytes += shard.iter().map(|entry| entry.heap_bytes()).sum::<usize>() + shard.line_bytes();
        }
        assert_eq!(totals.keys(number), keys, "keys of database {number}");
        assert_eq!(totals.expires(number), expires, "expiries of database {number}");
    }
    assert_eq!(totals.bytes() as usize - SLOT_COUNT * 128, bytes, "bytes");
}

fn text(effect: &[Vec<u8>]) -> String {
    effect.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ")
}

fn split(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut effects = Vec::new();
    while !bytes.is_empty() {
        let (effect, size) = parse_reply(bytes).expect("effects are well formed").expect("effects are whole");
        let words = effect.as_slice().expect("an effect is an array").iter();
        effects.push(words.map(|word| word.as_bytes().expect("of bulk strings").to_vec()).collect());
        bytes = &bytes[size..];
    }
    effects
}

/// A session that counts how often it was woken.
pub(crate) struct Client {
    pub(crate) session: Session,
    woken: Arc<Bell>,
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Client {
    pub(crate) fn new(db: &Engine) -> Self {
        let woken = Arc::new(Bell::default());
        let session = db.session(Waker::from(Arc::clone(&woken)), PeerInfo::default());
        Self { session, woken }
    }

    /// A session that sends a request which waits.
    #[track_caller]
    pub(crate) fn waiting(db: &Engine, request: &str) -> Self {
        let mut client = Self::new(db);
        client.session.feed(format!("{request}\r\n").as_bytes());
        client.expect_waiting();
        client
    }

    /// Sends a request and returns what comes back at once.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.session.feed(format!("{request}\r\n").as_bytes());
        self.poll().0
    }

    /// What comes now, and how the session stands.
    pub(crate) fn poll(&mut self) -> (String, SessionState) {
        let mut out = Vec::new();
        let state = self.session.poll_output(&mut out);
        (String::from_utf8(out).expect("text"), state)
    }

    /// What comes now that it was woken.
    #[track_caller]
    pub(crate) fn served(&mut self) -> String {
        assert!(self.woken.0.swap(0, Ordering::SeqCst) > 0, "it was woken");
        self.poll().0
    }

    /// Fails if it was woken or has something to say.
    #[track_caller]
    pub(crate) fn expect_waiting(&mut self) {
        assert_eq!((self.woken.0.load(Ordering::SeqCst), self.poll()), (0, (String::new(), SessionState::Parked)));
    }
}
