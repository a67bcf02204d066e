//! The journal: the one ordered stream of effects of a node, addressed by [`Offset`].
//!
//! The stream is what a Redis primary sends to its replicas: effects as RESP multibulks, a `SELECT` where the database
//! changes, `MULTI` and `EXEC` around a batch of several effects. An offset counts its bytes. [`Journal`] takes batches
//! from any number of threads into memory; the driver writes them to the log.
//!
//! ```text
//!     append (turns)                      driver: one step at a time
//!        |                                   |
//!        v                                   v
//!   [ backlog | unwritten ] --take--> groups --write--> log file --fsync--> disk
//!             ^written ....^end                 `written` rises     `durable` rises, waiters wake
//! ```
//!
//! Invariants
//! - `durable <= written <= end`, and each only grows. Their order of bytes is the order of the locks' release in `append`.
//! - An append copies once, under one short lock, and touches no device.
//! - A write or sync that failed poisons the journal for good: nothing is tried again, whoever waits gets
//!   [`OutcomeUnknown`], and no room is given. Opening the store anew finds out what is there.
//! - A waiter is asked about only after it was entered, and entered only under the lock that wakers take: no wake is lost.

mod chunk;
mod reader;
pub(crate) mod tail;
mod wake_queue;

pub use reader::{JournalHold, JournalReader, JournalSlice};

use crate::log::{LogFiles, LogReader};
use crate::storage::FileError;
use crossbeam_utils::CachePadded;
use keyslot_engine::effect::{NotWritable, OutcomeUnknown, Unreadable};
use keyslot_engine::{Ack, Batch, EffectSink, Offset};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use tail::{Tail, TailLimits, Taken};
use wake_queue::WakeQueue;

/// When the log is fsynced without anybody asking. Whoever waits for [`Ack::Durable`] is served at once in all three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fsync {
    /// After every write: what was written together is synced together (group commit).
    Always,
    /// At most a second after a write.
    #[default]
    EverySecond,
    /// When the system likes.
    Never,
}

/// How the journal uses memory and time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalOptions {
    /// When to fsync.
    pub fsync: Fsync,
    /// Turns wait for room when more than this many bytes are not written yet.
    pub unwritten_size_bytes_max: u64,
    /// How many written bytes are kept for readers, chunks being rounded up.
    pub backlog_size_bytes_max: usize,
    /// How many bytes are kept at most, without a log, for readers that have not read them yet: a slower one loses its place.
    pub held_size_bytes_max: usize,
    /// The size of one piece of the backlog. A larger batch gets a piece of its own size.
    pub chunk_size_bytes: usize,
    /// Batches share one checksum up to this many bytes.
    pub group_size_bytes: u64,
    /// How long an append waits for company before it is written, when nobody waits for it.
    pub write_interval_ms: u64,
    /// More unwritten bytes than this are written without waiting further.
    pub write_early_size_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            fsync: Fsync::default(),
            unwritten_size_bytes_max: 32 << 20,
            backlog_size_bytes_max: 16 << 20,
            held_size_bytes_max: 256 << 20,
            chunk_size_bytes: 1 << 20,
            group_size_bytes: 64 << 10,
            write_interval_ms: 10,
            write_early_size_bytes: 1 << 20,
        }
    }
}

/// Takes batches, hands them to the driver, tells who waits how far they got.
#[derive(Debug)]
pub struct Journal {
    appended: CachePadded<Appended>,
    reached: CachePadded<Reached>,
    waiting: Mutex<Waiting>,
    /// The log's files, while it has a log.
    files: Mutex<Option<Arc<LogFiles>>>,
    driver: Mutex<Option<Waker>>,
    failure: Mutex<Option<Failure>>,
    options: JournalOptions,
}

/// What every append writes.
#[derive(Debug)]
struct Appended {
    tail: Mutex<Tail>,
    /// The tail's end, stored under its lock.
    end: AtomicU64,
    /// Whether followers are to be woken by the turn that appended, once it holds no slot.
    is_followed: AtomicBool,
}

/// What the driver writes and turns read.
#[derive(Debug)]
struct Reached {
    written: AtomicU64,
    durable: AtomicU64,
    /// Whether somebody writes it to a log.
    is_written: AtomicBool,
    /// Set after `failure`.
    failed: AtomicBool,
    /// Whether the driver was woken since its last step began.
    wake_asked: AtomicBool,
    fsync: AtomicU8,
    /// The highest offsets that somebody waits for.
    logged_wanted: AtomicU64,
    durable_wanted: AtomicU64,
    replicas_wanted: AtomicU64,
    log_size_bytes: AtomicU64,
    delayed_fsyncs: AtomicU64,
}

#[derive(Default, Debug)]
struct Waiting {
    logged: WakeQueue,
    durable: WakeQueue,
    room: WakeQueue,
    /// Readers at the end.
    more: WakeQueue,
    /// Those who wait for replicas.
    replicas: WakeQueue,
    /// Up to where each replica has the stream, by its own account, the furthest first.
    confirmed: Vec<Offset>,
}

/// Why the journal takes no more writes.
#[derive(Clone, Debug)]
struct Failure {
    /// As `NotWritable` says it.
    reason: String,
    /// With file and operation, for people.
    detail: String,
}

impl Journal {
    /// A journal whose next batch begins at `start`, up to where the log is durable.
    pub(crate) fn new(start: Offset, options: JournalOptions) -> Self {
        let limits = TailLimits {
            chunk_size: options.chunk_size_bytes.max(1),
            group_size: options.group_size_bytes.max(1),
            backlog_size_bytes_max: options.backlog_size_bytes_max,
            held_size_bytes_max: options.held_size_bytes_max.max(options.backlog_size_bytes_max),
        };
        Self {
            appended: CachePadded::new(Appended {
                tail: Mutex::new(Tail::new(start.0, limits)),
                end: AtomicU64::new(start.0),
                is_followed: AtomicBool::new(false),
            }),
            reached: CachePadded::new(Reached {
                written: AtomicU64::new(start.0),
                durable: AtomicU64::new(start.0),
                is_written: AtomicBool::new(true),
                failed: AtomicBool::new(false),
                wake_asked: AtomicBool::new(false),
                fsync: AtomicU8::new(options.fsync as u8),
                logged_wanted: AtomicU64::new(0),
                durable_wanted: AtomicU64::new(0),
                replicas_wanted: AtomicU64::new(0),
                log_size_bytes: AtomicU64::new(0),
                delayed_fsyncs: AtomicU64::new(0),
            }),
            waiting: Mutex::default(),
            files: Mutex::new(None),
            driver: Mutex::default(),
            failure: Mutex::default(),
            options,
        }
    }

    /// A journal that nobody writes to a log: it keeps its backlog and nothing else. What waits for more than memory waits for
    /// nothing.
    pub fn in_memory(start: Offset, options: JournalOptions) -> Self {
        let journal = Self::new(start, options);
        journal.appended.tail.lock().set_written(false);
        journal.reached.is_written.store(false, Ordering::Release);
        journal
    }

    /// Goes on at `start` without anything of before, in this database: what a replica does whose data is another now. Nobody
    /// may write it to a log, and nobody append meanwhile.
    pub fn restart_at(&self, start: Offset, selected: u16) {
        self.set_confirmed(Vec::new());
        let mut tail = self.appended.tail.lock();
        tail.restart(start.0, selected);
        self.appended.end.store(start.0, Ordering::Release);
        self.reached.written.store(start.0, Ordering::Release);
        self.reached.durable.store(start.0, Ordering::Release);
        self.reached.replicas_wanted.store(0, Ordering::Release);
        drop(tail);
        // Who reads finds out that what it reads is gone.
        self.wake_all_followers();
    }

    /// Changes [how much is held](JournalOptions::held_size_bytes_max) for readers that are late.
    pub fn set_held_size(&self, size_bytes_max: usize) {
        self.appended.tail.lock().set_held_size(size_bytes_max);
    }

    /// Says up to where each replica has the stream, by its own account.
    pub fn set_confirmed(&self, mut offsets: Vec<Offset>) {
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        let furthest = offsets.first().map_or(0, |offset| offset.0);
        let mut woken = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            waiting.confirmed = offsets;
            // Some of them may need more replicas than one: they ask again.
            waiting.replicas.take_reached(furthest, &mut woken);
        }
        woken.drain(..).for_each(Waker::wake);
    }

    /// Has all who wait for replicas look again: this node leads no more, or in another way.
    pub fn wake_waiting_for_replicas(&self) {
        let mut woken = Vec::new();
        self.waiting.lock().replicas.take_all(&mut woken);
        woken.drain(..).for_each(Waker::wake);
    }

    /// Up to where somebody waits for replicas: they are to be asked how far they are once they have that.
    pub fn wanted_of_replicas(&self) -> Offset {
        Offset(self.reached.replicas_wanted.load(Ordering::Acquire)).min(self.end())
    }

    /// Whether so many replicas have everything up to `offset`. `Pending`: `waker` is woken when more of them may.
    fn poll_confirmed(&self, count: u8, offset: Offset, waker: &Waker) -> Poll<()> {
        let mut woken = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            let Some(at) = usize::from(count).checked_sub(1) else { return Poll::Ready(()) };
            if waiting.confirmed.get(at).is_some_and(|confirmed| *confirmed >= offset) {
                return Poll::Ready(());
            }
            waiting.replicas.insert(offset.0, waker);
            if self.reached.replicas_wanted.fetch_max(offset.0, Ordering::AcqRel) < offset.0 {
                waiting.more.take_all(&mut woken);
            }
        }
        woken.drain(..).for_each(Waker::wake);
        Poll::Pending
    }

    /// The oldest offset that can be read from memory.
    pub fn oldest(&self) -> Offset {
        Offset(self.appended.tail.lock().oldest())
    }

    /// The oldest offset that can be read from the log, if there is one.
    pub fn oldest_logged(&self) -> Option<Offset> {
        self.files.lock().as_ref().and_then(|files| files.oldest()).map(Offset)
    }

    /// Says in which files it is written to, so that it can be read back.
    pub(crate) fn set_files(&self, files: Arc<LogFiles>) {
        *self.files.lock() = Some(files);
    }

    fn open_log(&self, at: Offset) -> Option<LogReader> {
        let files = self.files.lock().clone()?;
        let opened = LogReader::open(&files, at.0);
        opened.inspect_err(|error| tracing::warn!(%error, "the log cannot be read back")).ok()?
    }

    /// Says which database is selected at the end of the stream, where the log does not: it ends with another node's bytes.
    pub fn note_selected(&self, db: u16) {
        self.appended.tail.lock().set_selected(db);
    }

    /// The database that is selected at the end of the stream.
    pub fn selected(&self) -> u16 {
        self.appended.tail.lock().selected()
    }

    /// Up to where the log holds the journal.
    pub fn written(&self) -> Offset {
        Offset(self.reached.written.load(Ordering::Acquire))
    }

    /// Up to where the log is fsynced.
    pub fn durable(&self) -> Offset {
        Offset(self.reached.durable.load(Ordering::Acquire))
    }

    /// Up to where the log is fsynced, if there is one that a start would read: `None` for a journal in memory, and until the
    /// first base of a log that was begun in a running process is there.
    pub fn durable_log(&self) -> Option<Offset> {
        let is_aside = self.files.lock().as_ref().is_some_and(|files| files.is_aside());
        (self.is_written() && !is_aside).then(|| self.durable())
    }

    /// When the log is fsynced without anybody asking.
    pub fn fsync(&self) -> Fsync {
        match self.reached.fsync.load(Ordering::Relaxed) {
            value if value == Fsync::Always as u8 => Fsync::Always,
            value if value == Fsync::Never as u8 => Fsync::Never,
            _ => Fsync::EverySecond,
        }
    }

    /// Changes when the log is fsynced, from now on.
    pub fn set_fsync(&self, fsync: Fsync) {
        self.reached.fsync.store(fsync as u8, Ordering::Relaxed);
        self.wake_driver();
    }

    /// What went wrong with the log, with file and operation, if anything did.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().as_ref().map(|failure| failure.detail.clone())
    }

    /// Whether somebody waits for an fsync.
    pub(crate) fn is_fsync_awaited(&self) -> bool {
        self.wanted().1 > self.durable().0
    }

    pub(crate) fn options(&self) -> &JournalOptions {
        &self.options
    }

    pub(crate) fn log_size_bytes(&self) -> u64 {
        self.reached.log_size_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn delayed_fsyncs(&self) -> u64 {
        self.reached.delayed_fsyncs.load(Ordering::Relaxed)
    }

    /// Who is to be woken when there is something to do.
    pub(crate) fn set_driver(&self, waker: Waker) {
        *self.driver.lock() = Some(waker);
    }

    pub(crate) fn wake_driver(&self) {
        if !self.reached.wake_asked.swap(true, Ordering::AcqRel)
            && let Some(driver) = &*self.driver.lock()
        {
            driver.wake_by_ref();
        }
    }

    /// Wakes that are asked for from here on lead to another step.
    pub(crate) fn step_begins(&self) {
        // What was wanted before a wake that found this set is seen by the step that begins.
        self.reached.wake_asked.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.reached.failed.load(Ordering::Acquire)
    }

    /// The highest offset that somebody wants written, and the highest that somebody wants durable.
    pub(crate) fn wanted(&self) -> (u64, u64) {
        let end = self.end().0;
        let logged = self.reached.logged_wanted.load(Ordering::Acquire).min(end);
        let durable = self.reached.durable_wanted.load(Ordering::Acquire).min(end);
        (logged, durable)
    }

    /// Moves the unwritten part into `taken`. With `forget_db`, what is appended later begins with a `SELECT`.
    pub(crate) fn take(&self, taken: &mut Taken, forget_db: bool) {
        let written = self.written().0;
        let mut tail = self.appended.tail.lock();
        tail.take(written, taken);
        tail.set_wake_at(taken.end + self.options.write_early_size_bytes);
        if forget_db {
            tail.forget_db();
        }
    }

    /// Has what is appended next begin with a `SELECT`, if the journal ends at `end`.
    pub(crate) fn forget_db_at(&self, end: u64) -> bool {
        let mut tail = self.appended.tail.lock();
        let is_there = tail.end() == end;
        if is_there {
            tail.forget_db();
        }
        is_there
    }

    /// Tells the journal that nobody will look at it before it wakes the driver. False, and the driver must go on, if
    /// something is unwritten.
    pub(crate) fn driver_sleeps(&self) -> bool {
        let mut tail = self.appended.tail.lock();
        let nothing_to_do = tail.end() == self.reached.written.load(Ordering::Relaxed);
        if nothing_to_do {
            tail.set_wake_at(0);
        }
        nothing_to_do
    }

    /// Tells the journal that the driver looks again by itself after a while, unless much is appended before.
    pub(crate) fn driver_naps(&self) {
        let mut tail = self.appended.tail.lock();
        tail.set_wake_at(self.reached.written.load(Ordering::Relaxed) + self.options.write_early_size_bytes);
    }

    pub(crate) fn set_written(&self, offset: u64, log_size_bytes: u64) {
        self.reached.written.store(offset, Ordering::Release);
        self.reached.log_size_bytes.store(log_size_bytes, Ordering::Relaxed);
        let mut woken = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            waiting.logged.take_reached(offset, &mut woken);
            if self.unwritten() <= self.options.unwritten_size_bytes_max {
                waiting.room.take_all(&mut woken);
            }
        }
        woken.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn set_durable(&self, offset: u64) {
        self.reached.durable.store(offset, Ordering::Release);
        let mut woken = Vec::new();
        self.waiting.lock().durable.take_reached(offset, &mut woken);
        woken.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn count_delayed_fsync(&self) {
        self.reached.delayed_fsyncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fail(&self, error: &FileError) {
        tracing::error!(%error, durable = self.durable().0, "the log takes no more writes until the store is opened again");
        self.end_with(Failure { reason: error.system_text(), detail: error.to_string() });
    }

    /// Takes writes again, for a log that begins where the journal ends and has a base that holds all before it. Nobody
    /// appends meanwhile.
    pub(crate) fn reopen(&self) {
        let mut tail = self.appended.tail.lock();
        tail.begin_anew();
        tail.set_written(true);
        self.reached.is_written.store(true, Ordering::Release);
        self.reached.written.store(tail.end(), Ordering::Release);
        self.reached.durable.store(tail.end(), Ordering::Release);
        self.reached.wake_asked.store(false, Ordering::Release);
        *self.failure.lock() = None;
        self.reached.failed.store(false, Ordering::Release);
    }

    /// Goes on without a log. What was not written yet is written by nobody.
    pub fn keep_in_memory(&self) {
        let mut tail = self.appended.tail.lock();
        tail.begin_anew();
        tail.set_written(false);
        self.reached.is_written.store(false, Ordering::Release);
        *self.files.lock() = None;
        *self.failure.lock() = None;
        self.reached.failed.store(false, Ordering::Release);
    }

    /// No more writes, because the store is closed.
    pub(crate) fn close(&self) {
        let reason = "the store is closed".to_owned();
        self.end_with(Failure { detail: reason.clone(), reason });
    }

    fn end_with(&self, failure: Failure) {
        self.failure.lock().get_or_insert(failure);
        self.reached.failed.store(true, Ordering::Release);
        let mut woken = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            waiting.logged.take_all(&mut woken);
            waiting.durable.take_all(&mut woken);
            waiting.room.take_all(&mut woken);
        }
        woken.drain(..).for_each(Waker::wake);
    }

    #[inline]
    fn is_written(&self) -> bool {
        self.reached.is_written.load(Ordering::Relaxed)
    }

    fn unwritten(&self) -> u64 {
        if !self.is_written() {
            return 0;
        }
        let end = self.appended.end.load(Ordering::Acquire);
        end.saturating_sub(self.reached.written.load(Ordering::Acquire))
    }

    fn not_writable(&self) -> NotWritable {
        let reason = self.failure.lock().as_ref().map_or_else(String::new, |failure| failure.reason.clone());
        NotWritable { reason }
    }

    #[cold]
    fn wake_all_followers(&self) {
        let mut woken = Vec::new();
        self.waiting.lock().more.take_all(&mut woken);
        woken.drain(..).for_each(Waker::wake);
    }

    #[cold]
    fn wait_for_room(&self, waker: &Waker) -> Poll<Result<(), NotWritable>> {
        let mut waiting = self.waiting.lock();
        if self.has_failed() {
            return Poll::Ready(Err(self.not_writable()));
        }
        if self.unwritten() <= self.options.unwritten_size_bytes_max {
            return Poll::Ready(Ok(()));
        }
        waiting.room.insert(0, waker);
        drop(waiting);
        self.wake_driver();
        Poll::Pending
    }
}

impl EffectSink for Journal {
    #[inline]
    fn append(&self, batch: &Batch<'_>) -> Offset {
        let mut tail = self.appended.tail.lock();
        let end = tail.append(batch, || {
            // A journal that failed writes nothing any more; its backlog still has its bound.
            if self.has_failed() || !self.is_written() {
                u64::MAX
            } else {
                self.reached.written.load(Ordering::Acquire)
            }
        });
        self.appended.end.store(end, Ordering::Release);
        let wakes = end >= tail.wake_at();
        if wakes {
            if tail.is_followed() {
                self.appended.is_followed.store(true, Ordering::Release);
            }
            tail.woke();
        }
        drop(tail);
        if wakes {
            self.wake_driver();
        }
        Offset(end)
    }

    #[inline]
    fn wake_followers(&self) {
        // Whoever appended sees its own store; if another turn was faster, that one wakes.
        if self.appended.is_followed.load(Ordering::Acquire) && self.appended.is_followed.swap(false, Ordering::AcqRel)
        {
            self.wake_all_followers();
        }
    }

    #[inline]
    fn poll_room(&self, waker: &Waker) -> Poll<Result<(), NotWritable>> {
        let has_room = self.unwritten() <= self.options.unwritten_size_bytes_max;
        if has_room && !self.has_failed() { Poll::Ready(Ok(())) } else { self.wait_for_room(waker) }
    }

    fn poll_reached(&self, level: Ack, offset: Offset, waker: &Waker) -> Poll<Result<(), OutcomeUnknown>> {
        // What is behind the end was there before the data was replaced by another's.
        let offset = offset.min(self.end());
        let (reached, wanted) = match level {
            Ack::Memory => return Poll::Ready(Ok(())),
            Ack::Logged => (&self.reached.written, &self.reached.logged_wanted),
            Ack::Durable => (&self.reached.durable, &self.reached.durable_wanted),
            Ack::Replicas(count) => {
                let confirmed = self.poll_confirmed(count, offset, waker);
                let logged = match self.fsync() {
                    Fsync::Always => self.poll_reached(Ack::Durable, offset, waker),
                    Fsync::EverySecond | Fsync::Never => Poll::Ready(Ok(())),
                };
                return match (confirmed, logged) {
                    (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Pending,
                    (_, logged) => logged,
                };
            }
        };
        if reached.load(Ordering::Acquire) >= offset.0 || !self.is_written() {
            return Poll::Ready(Ok(()));
        }
        let mut waiting = self.waiting.lock();
        if reached.load(Ordering::Acquire) >= offset.0 {
            return Poll::Ready(Ok(()));
        }
        if self.has_failed() {
            return Poll::Ready(Err(OutcomeUnknown::LogFailed));
        }
        let queue = if level == Ack::Logged { &mut waiting.logged } else { &mut waiting.durable };
        queue.insert(offset.0, waker);
        wanted.fetch_max(offset.0, Ordering::AcqRel);
        drop(waiting);
        self.wake_driver();
        Poll::Pending
    }

    fn end(&self) -> Offset {
        Offset(self.appended.end.load(Ordering::Acquire))
    }

    fn read(&self, from: Offset, out: &mut Vec<u8>) -> Result<Offset, Unreadable> {
        let slice = self.read_from(from)?;
        out.extend_from_slice(slice.bytes());
        Ok(slice.end())
    }

    fn poll_more(&self, offset: Offset, waker: &Waker) -> Poll<()> {
        let mut tail = self.appended.tail.lock();
        if tail.end() > offset.0 {
            return Poll::Ready(());
        }
        // Under the tail's lock: the next append finds the waker.
        self.waiting.lock().more.insert(0, waker);
        tail.follow();
        Poll::Pending
    }
}
