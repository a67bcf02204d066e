//! What may be tuned while an engine runs. Every field may be read and written from any thread.

use crate::effect::{Ack, Promise};
use crate::event::EventClasses;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Live options of an engine. Names follow Redis's configuration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Longest argument and longest string, bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: AtomicUsize,
    /// Longest sparse HyperLogLog, bytes (`hll-sparse-max-bytes`).
    pub hll_sparse_bytes_max: AtomicUsize,
    /// How many entries ACL LOG keeps (`acllog-max-len`).
    pub acl_log_count_max: AtomicUsize,
    /// Whether users have all channels until a rule says otherwise (`acl-pubsub-default allchannels`).
    pub acl_all_channels: AtomicBool,
    /// Longest undecoded input of one session, bytes (`client-query-buffer-limit`).
    pub query_buffer_bytes_max: AtomicUsize,
    /// Commands that took longer are logged, microseconds; negative: none (`slowlog-log-slower-than`).
    pub slowlog_slower_than_us: AtomicI64,
    /// How many slow commands are kept (`slowlog-max-len`).
    pub slowlog_count_max: AtomicUsize,
    /// Events that took at least so long are kept by LATENCY, milliseconds; 0: none (`latency-monitor-threshold`).
    pub latency_threshold_ms: AtomicU64,
    /// Whether `tick` deletes expired keys (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// Most bytes that the data may take; 0: any (`maxmemory`).
    pub maxmemory: AtomicU64,
    /// Keys that are looked at for each that is evicted (`maxmemory-samples`).
    pub eviction_samples: AtomicUsize,
    /// How long a request may be held up by eviction: 50 microseconds for each up to 10, then 15 % more for each; 100: until
    /// it is done (`maxmemory-eviction-tenacity`).
    pub eviction_tenacity: AtomicU32,
    /// How slowly the counters of LFU policies grow (`lfu-log-factor`).
    pub lfu_log_factor: AtomicU32,
    /// Minutes without use in which they fall by one; 0: never (`lfu-decay-time`).
    pub lfu_decay_minutes: AtomicU32,
    /// How large a node of a list may become: a number of elements, or -1 to -5 for 4, 8, 16, 32 or 64 KiB
    /// (`list-max-listpack-size`).
    pub list_max_listpack_size: AtomicI64,
    /// List elements of so many bytes have a node of their own (DEBUG QUICKLIST-PACKED-THRESHOLD).
    pub quicklist_packed_threshold: AtomicUsize,
    /// Most members of a set that is kept as sorted integers (`set-max-intset-entries`).
    pub set_intset_entries_max: AtomicUsize,
    /// Most members of a set that is kept in its compact form (`set-max-listpack-entries`).
    pub set_listpack_entries_max: AtomicUsize,
    /// Longest member of a set in its compact form, bytes (`set-max-listpack-value`).
    pub set_listpack_value_max: AtomicUsize,
    /// Most fields of a hash that is kept in its compact form (`hash-max-listpack-entries`).
    pub hash_listpack_entries_max: AtomicUsize,
    /// Longest field or value of a hash in its compact form, bytes (`hash-max-listpack-value`).
    pub hash_listpack_value_max: AtomicUsize,
    /// Whether per-command latency histograms are kept (`latency-tracking`).
    pub latency_tracking: AtomicBool,
    /// Percentiles that INFO latencystats shows, 0 to 100 (`latency-tracking-info-percentiles`).
    pub latency_percentiles: RwLock<Vec<f64>>,
    /// Whether DEBUG is allowed.
    pub debug_commands: AtomicBool,
    /// Whether DEBUG is allowed at least for clients of this machine.
    pub debug_commands_local: AtomicBool,
    /// Sorted sets of more members are not kept compact (`zset-max-listpack-entries`).
    pub zset_compact_entries_max: AtomicUsize,
    /// Sorted sets with longer members are not kept compact, bytes (`zset-max-listpack-value`).
    pub zset_compact_value_bytes_max: AtomicUsize,
    /// Most bytes of a stream's node; 0: no limit (`stream-node-max-bytes`).
    pub stream_node_bytes_max: AtomicUsize,
    /// Most entries of a stream's node; 0: no limit (`stream-node-max-entries`).
    pub stream_node_entries_max: AtomicUsize,
    /// Whether long strings in payloads of DUMP are compressed (`rdbcompression`).
    pub rdb_compression: AtomicBool,
    /// Bytes of messages that may wait for a subscriber before it is cut off; 0: any (`client-output-buffer-limit pubsub`).
    pub subscriber_bytes_max: AtomicU64,
    /// Whether writes are refused because the data could not be saved (`stop-writes-on-bgsave-error`).
    pub save_failed: AtomicBool,
    /// Whether sessions refuse writes, because a primary's stream is what changes the data (`replica-read-only`).
    pub read_only: AtomicBool,
    /// Whether the data may be old and is not to be shown: commands that could see it are refused.
    pub stale: AtomicBool,
    /// Whether writes are refused because too few replicas follow (`min-replicas-to-write`).
    pub lacks_replicas: AtomicBool,
    /// Whether clients may read from a cluster that is down (`cluster-allow-reads-when-down`).
    pub cluster_reads_when_down: AtomicBool,
    /// Whether shard channels are served while the cluster is down (`cluster-allow-pubsubshard-when-down`).
    pub cluster_channels_when_down: AtomicBool,
    /// Whether requests of clients that know nothing of the cluster are done at the nodes that serve them, by
    /// [`Host::relay`](crate::Host::relay) (`cluster-proxy`).
    pub cluster_proxy: AtomicBool,
    slot_mode: AtomicU8,
    /// Whether turns of clients record nothing: the journal is a primary's stream.
    follows: AtomicBool,
    /// Whether the data is being loaded: clients get LOADING for every command that could see a part of it.
    pub loading: AtomicBool,
    /// Whether the policy is one of the LFU policies: what the access bits of entries mean.
    pub(crate) lfu: AtomicBool,
    eviction_policy: AtomicU8,
    ack: AtomicU16,
    /// How often this node began or ceased to follow.
    term: AtomicU32,
    keyspace_events: AtomicU32,
}

/// How counters grow and fall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The higher, the more uses a step takes (`lfu-log-factor`).
    pub(crate) log_factor: u32,
    /// Minutes without use that cost a step; 0: it never falls (`lfu-decay-time`).
    pub(crate) decay_minutes: u32,
}

/// Of how many slots a request may name keys, and a transaction, and a typed verb over several keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SlotMode {
    /// As in Redis: of one in a cluster, of any number without one (`standard`).
    #[default]
    Standard,
    /// Of one, also without a cluster: what would fail in a cluster fails while it is developed (`strict`).
    Strict,
    /// Of any number, also in a cluster, as long as this node serves all of them (`lenient`). Who names slots that all belong to one
    /// other node is sent there; of slots at several nodes nobody can serve the request: CROSSSLOT. While one of the slots is on its
    /// way, and a key of it is not here: TRYAGAIN.
    Lenient,
}

impl SlotMode {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Strict, Self::Lenient];

    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Lenient => "lenient",
        }
    }

    /// The mode of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }
}

/// Which keys go when the data takes more than `maxmemory`. Of several that may go, those looked at being samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EvictionPolicy {
    /// Of keys with an expiry, those unused for the longest time (`volatile-lru`).
    VolatileLru,
    /// Of keys with an expiry, those used least often (`volatile-lfu`).
    VolatileLfu,
    /// Any key with an expiry (`volatile-random`).
    VolatileRandom,
    /// Of keys with an expiry, those that are due first (`volatile-ttl`).
    VolatileTtl,
    /// Those unused for the longest time (`allkeys-lru`).
    AllKeysLru,
    /// Those used least often (`allkeys-lfu`).
    AllKeysLfu,
    /// Any key (`allkeys-random`).
    AllKeysRandom,
    /// None: what would take more memory is refused (`noeviction`).
    #[default]
    NoEviction,
}

impl EvictionPolicy {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
        Self::AllKeysLru,
        Self::AllKeysLfu,
        Self::AllKeysRandom,
        Self::NoEviction,
    ];

    /// Its name in Redis's configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VolatileLru => "volatile-lru",
            Self::VolatileLfu => "volatile-lfu",
            Self::VolatileRandom => "volatile-random",
            Self::VolatileTtl => "volatile-ttl",
            Self::AllKeysLru => "allkeys-lru",
            Self::AllKeysLfu => "allkeys-lfu",
            Self::AllKeysRandom => "allkeys-random",
            Self::NoEviction => "noeviction",
        }
    }

    /// The policy of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(name))
    }

    pub(crate) const fn is_volatile(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }

    pub(crate) const fn is_random(self) -> bool {
        matches!(self, Self::VolatileRandom | Self::AllKeysRandom)
    }

    const fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllKeysLfu)
    }

    /// Whether it goes by when or how often keys are used.
    pub(crate) const fn goes_by_use(self) -> bool {
        matches!(self, Self::VolatileLru | Self::AllKeysLru) || self.is_lfu()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bulk_bytes_max: AtomicUsize::new(512 << 20),
            hll_sparse_bytes_max: AtomicUsize::new(3000),
            acl_log_count_max: AtomicUsize::new(128),
            acl_all_channels: AtomicBool::new(false),
            query_buffer_bytes_max: AtomicUsize::new(1 << 30),
            slowlog_slower_than_us: AtomicI64::new(10_000),
            slowlog_count_max: AtomicUsize::new(128),
            latency_threshold_ms: AtomicU64::new(0),
            active_expire: AtomicBool::new(true),
            maxmemory: AtomicU64::new(0),
            eviction_samples: AtomicUsize::new(5),
            eviction_tenacity: AtomicU32::new(10),
            lfu_log_factor: AtomicU32::new(10),
            lfu_decay_minutes: AtomicU32::new(1),
            list_max_listpack_size: AtomicI64::new(-2),
            quicklist_packed_threshold: AtomicUsize::new(1 << 30),
            set_intset_entries_max: AtomicUsize::new(512),
            set_listpack_entries_max: AtomicUsize::new(128),
            set_listpack_value_max: AtomicUsize::new(64),
            hash_listpack_entries_max: AtomicUsize::new(512),
            hash_listpack_value_max: AtomicUsize::new(64),
            latency_tracking: AtomicBool::new(true),
            latency_percentiles: RwLock::new(vec![50.0, 99.0, 99.9]),
            debug_commands: AtomicBool::new(true),
            debug_commands_local: AtomicBool::new(true),
            zset_compact_entries_max: AtomicUsize::new(128),
            zset_compact_value_bytes_max: AtomicUsize::new(64),
            stream_node_bytes_max: AtomicUsize::new(4096),
            stream_node_entries_max: AtomicUsize::new(100),
            rdb_compression: AtomicBool::new(true),
            subscriber_bytes_max: AtomicU64::new(32 << 20),
            save_failed: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            lacks_replicas: AtomicBool::new(false),
            cluster_reads_when_down: AtomicBool::new(false),
            cluster_channels_when_down: AtomicBool::new(true),
            cluster_proxy: AtomicBool::new(false),
            slot_mode: AtomicU8::new(SlotMode::Standard as u8),
            follows: AtomicBool::new(false),
            loading: AtomicBool::new(false),
            lfu: AtomicBool::new(false),
            eviction_policy: AtomicU8::new(EvictionPolicy::NoEviction as u8),
            ack: AtomicU16::new(0),
            term: AtomicU32::new(0),
            keyspace_events: AtomicU32::new(0),
        }
    }
}

impl Options {
    /// The level that writes must reach before sessions show their replies.
    #[inline]
    pub fn ack(&self) -> Ack {
        match self.ack.load(Ordering::Relaxed) {
            0 => Ack::Memory,
            1 => Ack::Logged,
            2 => Ack::Durable,
            replicas => Ack::Replicas((replicas - REPLICAS) as u8),
        }
    }

    /// Sets the level that writes must reach before sessions show their replies.
    pub fn set_ack(&self, ack: Ack) {
        let number = match ack {
            Ack::Memory => 0,
            Ack::Logged => 1,
            Ack::Durable => 2,
            Ack::Replicas(count) => REPLICAS + u16::from(count),
        };
        self.ack.store(number, Ordering::Relaxed);
    }

    /// Says whether the data is that of another node from here on. Whoever waits for replicas of this one then is told that it
    /// leads no more.
    pub fn set_follows(&self, follows: bool) {
        self.follows.store(follows, Ordering::Release);
        self.term.fetch_add(1, Ordering::AcqRel);
    }

    /// What a caller is promised whose turn begins now; `level` where it asks for one of its own.
    #[inline]
    pub(crate) fn promise(&self, level: Option<Ack>) -> Promise {
        let term = self.term.load(Ordering::Acquire);
        Promise { level: level.unwrap_or_else(|| self.ack()), term, is_follower: self.follows() }
    }

    /// Whether the data is that of another node.
    #[inline]
    pub fn follows(&self) -> bool {
        self.follows.load(Ordering::Acquire)
    }

    /// Whether nobody can find out any more if this promise is kept.
    #[inline]
    pub(crate) fn is_void(&self, promise: Promise) -> bool {
        matches!(promise.level, Ack::Replicas(_)) && promise.term != self.term.load(Ordering::Acquire)
    }

    /// Of how many slots a request may name keys.
    #[inline]
    pub fn slot_mode(&self) -> SlotMode {
        SlotMode::ALL[usize::from(self.slot_mode.load(Ordering::Relaxed))]
    }

    /// Says of how many slots a request may name keys from now on.
    pub fn set_slot_mode(&self, mode: SlotMode) {
        self.slot_mode.store(mode as u8, Ordering::Relaxed);
    }

    /// Which keys go when the data takes more than [`maxmemory`](Self::maxmemory) (`maxmemory-policy`).
    pub fn eviction_policy(&self) -> EvictionPolicy {
        EvictionPolicy::ALL[usize::from(self.eviction_policy.load(Ordering::Relaxed))]
    }

    /// Says which keys go from now on. Between policies that go by time and by frequency of use, what is known of the keys
    /// takes some time to become right.
    pub fn set_eviction_policy(&self, policy: EvictionPolicy) {
        self.eviction_policy.store(policy as u8, Ordering::Relaxed);
        self.lfu.store(policy.is_lfu(), Ordering::Relaxed);
    }

    /// How counters of use grow and fall.
    pub(crate) fn lfu_pace(&self) -> Pace {
        Pace {
            log_factor: self.lfu_log_factor.load(Ordering::Relaxed),
            decay_minutes: self.lfu_decay_minutes.load(Ordering::Relaxed),
        }
    }

    /// Which keyspace events are announced (`notify-keyspace-events`).
    #[inline]
    pub fn keyspace_events(&self) -> EventClasses {
        EventClasses::of_bits(self.keyspace_events.load(Ordering::Relaxed))
    }

    /// Says which keyspace events are announced from now on.
    pub fn set_keyspace_events(&self, classes: EventClasses) {
        self.keyspace_events.store(classes.bits(), Ordering::Relaxed);
    }
}

/// The number of `Ack::Replicas(0)`.
const REPLICAS: u16 = 3;
