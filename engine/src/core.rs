//! What all doors of an engine share: the slots and what surrounds them.
//!
//! Thread safety: every field may be used from any thread. Locks order: slots (ascending) before everything else; the
//! other locks here are leaves, held for a few instructions and never across a call out.

use crate::acl::{Catalog, ChannelDefault, Users};
use crate::client::{Deadlines, Registry};
use crate::effect::{EffectSink, Offset};
use crate::gate::Gate;
use crate::host::Host;
use crate::keyspace::EntryRef;
use crate::keyspace::candidates::Candidates;
use crate::keyspace::eras::Eras;
use crate::keyspace::expiry_walk::ExpireCycle;
use crate::keyspace::frequency;
use crate::keyspace::reclaim::Reclaim;
use crate::keyspace::shard::Surroundings;
use crate::keyspace::slots::SlotArray;
use crate::keyspace::totals::Totals;
use crate::keyspace::traffic::Traffic;
use crate::library::Shelf;
use crate::options::{Options, SlotMode};
use crate::pubsub::{Event, Monitors, Post, PubSub, Woken};
use crate::slot::Slot;
use crate::stats::Stats;
use crate::table::KeyHasher;
use crate::time::{Clock, UnixMillis};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

/// The shared inside of an [`Engine`](crate::Engine).
pub(crate) struct Core {
    pub(crate) slots: SlotArray,
    pub(crate) eras: Eras,
    pub(crate) totals: Totals,
    pub(crate) traffic: Traffic,
    pub(crate) reclaim: Reclaim,
    pub(crate) hasher: KeyHasher,
    pub(crate) gate: Gate,
    pub(crate) options: Options,
    pub(crate) stats: Stats,
    pub(crate) clients: Registry,
    pub(crate) users: Users,
    pub(crate) pubsub: PubSub,
    pub(crate) monitors: Monitors,
    pub(crate) libraries: Shelf,
    pub(crate) deadlines: Deadlines,
    clock: Box<dyn Clock>,
    sink: OnceLock<Arc<dyn EffectSink>>,
    /// The sink is there and is given nothing.
    sink_rests: AtomicBool,
    host: OnceLock<Arc<dyn Host>>,
    /// The clock of the access bits, in seconds. Moved by whoever reads the time.
    access_clock: AtomicU32,
    random: AtomicU64,
    /// What secrets are made from, and how many pieces of them were.
    secret: [u8; 32],
    secrets_made: AtomicU64,
    pub(crate) expire_cycle: ExpireCycle,
    pub(crate) candidates: Candidates,
    expiry_forbidden: AtomicBool,
    /// How often a whole database was emptied.
    pub(crate) clears: AtomicU64,
    /// Keyspace events in the order in which they were announced.
    #[cfg(test)]
    pub(crate) announced: parking_lot::Mutex<Vec<String>>,
}

impl Core {
    pub(crate) fn new(clock: Box<dyn Clock>, seed: u64, secret: [u8; 32], catalog: &'static dyn Catalog) -> Self {
        let core = Self {
            slots: SlotArray::new(),
            eras: Eras::new(),
            totals: Totals::new(),
            traffic: Traffic::default(),
            reclaim: Reclaim::default(),
            hasher: KeyHasher::new(seed),
            gate: Gate::default(),
            options: Options::default(),
            stats: Stats::new(catalog.count()),
            clients: Registry::default(),
            users: Users::new(catalog),
            pubsub: PubSub::default(),
            monitors: Monitors::default(),
            libraries: Shelf::default(),
            deadlines: Deadlines::default(),
            clock,
            sink: OnceLock::new(),
            sink_rests: AtomicBool::new(false),
            host: OnceLock::new(),
            access_clock: AtomicU32::new(0),
            random: AtomicU64::new(seed),
            secret,
            secrets_made: AtomicU64::new(0),
            expire_cycle: ExpireCycle::default(),
            candidates: Candidates::default(),
            expiry_forbidden: AtomicBool::new(false),
            clears: AtomicU64::new(0),
            #[cfg(test)]
            announced: parking_lot::Mutex::default(),
        };
        core.stats.started_ms.store(core.now().0, Ordering::Relaxed);
        core
    }

    /// The time by the host's clock.
    #[inline]
    pub(crate) fn now(&self) -> UnixMillis {
        let now = self.clock.now();
        let seconds = now.seconds() as u32;
        if self.access_clock.load(Ordering::Relaxed) != seconds {
            self.access_clock.store(seconds, Ordering::Relaxed);
        }
        now
    }

    /// Nanoseconds of the host's steady clock, for durations.
    #[inline]
    pub(crate) fn monotonic_ns(&self) -> u64 {
        self.clock.monotonic_ns()
    }

    /// Seconds of the access clock, 24 bits.
    #[inline]
    pub(crate) fn access_seconds(&self) -> u32 {
        self.access_clock.load(Ordering::Relaxed) & 0x00ff_ffff
    }

    /// Minutes of the access clock, 16 bits.
    pub(crate) fn access_minutes(&self) -> u32 {
        (self.access_clock.load(Ordering::Relaxed) / 60) & 0xffff
    }

    /// Seconds since an entry was used, where the access bits tell that.
    pub(crate) fn idle_seconds(&self, entry: &EntryRef) -> u32 {
        self.access_seconds().wrapping_sub(entry.access()) & 0x00ff_ffff
    }

    /// The access bits of an entry that is made now.
    pub(crate) fn fresh_access(&self) -> u32 {
        match self.options.lfu.load(Ordering::Relaxed) {
            true => frequency::fresh(self.access_minutes()),
            false => self.access_seconds(),
        }
    }

    /// Marks an entry as used now that comes into the keyspace.
    pub(crate) fn mark_new(&self, entry: &EntryRef) {
        match entry.access() {
            0 => entry.set_access(self.fresh_access()),
            _ => self.touch(entry),
        }
    }

    #[cold]
    fn count_use(&self, entry: &EntryRef) {
        let access = entry.access();
        let used = frequency::used(access, self.access_minutes(), self.options.lfu_pace(), || self.random());
        if used != access {
            entry.set_access(used);
        }
    }

    /// Marks an entry as used now.
    #[inline]
    pub(crate) fn touch(&self, entry: &EntryRef) {
        if self.options.lfu.load(Ordering::Relaxed) {
            return self.count_use(entry);
        }
        let seconds = self.access_seconds();
        if entry.access() != seconds {
            entry.set_access(seconds);
        }
    }

    /// What operations on a slot's keys need to know.
    #[inline]
    pub(crate) fn surroundings(&self, slot: Slot, db: u16) -> Surroundings<'_> {
        Surroundings { hasher: &self.hasher, totals: &self.totals, slot, db }
    }

    /// Whether a request may name keys of one slot only.
    #[inline]
    pub(crate) fn wants_one_slot(&self) -> bool {
        match self.options.slot_mode() {
            SlotMode::Standard => self.gate.is_cluster(),
            SlotMode::Strict => true,
            SlotMode::Lenient => false,
        }
    }

    /// Whether a request has to name every key that it reads.
    pub(crate) fn wants_named_keys(&self) -> bool {
        self.gate.is_cluster() || self.wants_one_slot()
    }

    /// A random number. The sequence follows from the seed as long as one thread asks.
    pub(crate) fn random(&self) -> u64 {
        // SplitMix64: a counter and a finaliser, so that threads need no lock.
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Bytes that nobody can guess who does not know the secret: the SHA-256 of it and of a number that does not come again.
    pub(crate) fn secret_bytes(&self) -> [u8; 32] {
        let number = self.secrets_made.fetch_add(1, Ordering::Relaxed);
        Sha256::new().chain_update(self.secret).chain_update(number.to_le_bytes()).finalize().into()
    }

    /// Which channels a new user has.
    pub(crate) fn channel_default(&self) -> ChannelDefault {
        match self.options.acl_all_channels.load(Ordering::Relaxed) {
            true => ChannelDefault::All,
            false => ChannelDefault::Nothing,
        }
    }

    /// A random number below `below`, which is not 0.
    pub(crate) fn random_below(&self, below: usize) -> usize {
        ((u128::from(self.random()) * below as u128) >> 64) as usize
    }

    #[inline]
    pub(crate) fn sink(&self) -> Option<&Arc<dyn EffectSink>> {
        self.sink.get().filter(|_| !self.sink_rests.load(Ordering::Acquire))
    }

    /// Attaches the journal, or goes on with it; false if there is another one already. Every turn that comes after this
    /// records.
    pub(crate) fn attach_sink(&self, sink: Arc<dyn EffectSink>) -> bool {
        let mut is_new = false;
        let attached = self.sink.get_or_init(|| {
            is_new = true;
            Arc::clone(&sink)
        });
        if !Arc::ptr_eq(attached, &sink) {
            return false;
        }
        if self.sink_rests.swap(false, Ordering::AcqRel) || is_new {
            self.pass_slots();
        }
        true
    }

    /// Gives the journal nothing from here on. Every turn that recorded has ended when this returns.
    pub(crate) fn detach_sink(&self) {
        self.sink_rests.store(true, Ordering::Release);
        self.pass_slots();
    }

    /// Holds every slot for a moment: what was stored before is seen by every turn that begins after this, and those that
    /// began before have ended.
    fn pass_slots(&self) {
        Slot::all().for_each(|slot| drop(self.slots.lock_as_is(slot)));
    }

    pub(crate) fn host(&self) -> Option<&Arc<dyn Host>> {
        self.host.get()
    }

    /// Attaches the host; false if there is one already.
    pub(crate) fn attach_host(&self, host: Arc<dyn Host>) -> bool {
        self.host.set(host).is_ok()
    }

    /// What goes with a message that tells of the journal up to `offset`.
    pub(crate) fn post<'w>(&self, offset: Offset, woken: &'w mut Woken) -> Post<'w> {
        Post { offset, waiting_bytes_max: self.options.subscriber_bytes_max.load(Ordering::Relaxed), woken }
    }

    /// Announces a keyspace event, while the key's slot is held.
    pub(crate) fn announce(&self, db: u16, name: &'static str, key: &[u8], offset: Offset, woken: &mut Woken) {
        let classes = self.options.keyspace_events();
        #[cfg(test)]
        self.announced.lock().push(format!("{db} {name} {}", String::from_utf8_lossy(key)));
        let event = Event { db, name, key, by_key: classes.by_key(), by_event: classes.by_event() };
        self.pubsub.announce(event, &mut self.post(offset, woken));
    }

    /// How many keys of a database clients can see, and how many of those have an expiry: not those of slots that are copied here.
    /// O(1), and O(slots that are copied here).
    pub(crate) fn shown_keys(&self, db: u16) -> (u64, u64) {
        self.totals.hidden().fold((self.totals.keys(db), self.totals.expires(db)), |(keys, expires), slot| {
            let guard = self.slots.lock_as_is(slot);
            let (len, timed) = guard.state.shard(db).map_or((0, 0), |shard| (shard.len(), shard.expires()));
            (keys.saturating_sub(len as u64), expires.saturating_sub(timed as u64))
        })
    }

    /// Bytes that the data and the buffers of clients take: what `maxmemory` bounds.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.totals.bytes() + self.stats.buffer_bytes.load(Ordering::Relaxed)
    }

    /// How much more they may take; `None` if they take too much.
    #[inline]
    pub(crate) fn memory_left(&self) -> Option<u64> {
        match self.options.maxmemory.load(Ordering::Relaxed) {
            0 => Some(u64::MAX),
            bound => bound.checked_sub(self.used_bytes()),
        }
    }

    /// The journal's end, 0 without a journal.
    pub(crate) fn journal_end(&self) -> Offset {
        self.sink().map_or(Offset(0), |sink| sink.end())
    }

    /// Whether expired keys may be deleted by this engine on its own account: not while writes are refused or paused, nor
    /// before the data is all there.
    #[inline]
    pub(crate) fn may_expire(&self, now: UnixMillis) -> bool {
        !self.expiry_forbidden.load(Ordering::Relaxed)
            && !self.clients.is_paused(now)
            && !self.is_read_only()
            && !self.options.loading.load(Ordering::Relaxed)
    }

    /// Whether the journal takes no writes any more.
    fn is_read_only(&self) -> bool {
        self.sink().is_some_and(|sink| matches!(sink.poll_room(Waker::noop()), Poll::Ready(Err(_))))
    }

    /// Forbids or allows deleting expired keys: where others decide about them, or while writes are refused, they are
    /// hidden instead. A pause of the clients forbids it by itself.
    pub(crate) fn forbid_expiry(&self, forbid: bool) {
        self.expiry_forbidden.store(forbid, Ordering::Relaxed);
    }
}
