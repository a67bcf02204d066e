//! What may be tuned while an engine runs. Every field may be read and written from any thread.

use crate::effect::Ack;
use crate::event::EventClasses;
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Live options of an engine. Names follow Redis's configuration.
#[derive(Debug)]
#[non_exhaustive]
pub struct Options {
    /// Longest argument and longest string, bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: AtomicUsize,
    /// Longest sparse HyperLogLog, bytes (`hll-sparse-max-bytes`).
    pub hll_sparse_bytes_max: AtomicUsize,
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
    /// Whether `maxmemory-policy` is one of the LFU policies: what the access bits of entries mean.
    pub lfu: AtomicBool,
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
    ack: AtomicU8,
    keyspace_events: AtomicU32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bulk_bytes_max: AtomicUsize::new(512 << 20),
            hll_sparse_bytes_max: AtomicUsize::new(3000),
            query_buffer_bytes_max: AtomicUsize::new(1 << 30),
            slowlog_slower_than_us: AtomicI64::new(10_000),
            slowlog_count_max: AtomicUsize::new(128),
            latency_threshold_ms: AtomicU64::new(0),
            active_expire: AtomicBool::new(true),
            lfu: AtomicBool::new(false),
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
            ack: AtomicU8::new(Ack::Memory as u8),
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
            _ => Ack::Durable,
        }
    }

    /// Sets the level that writes must reach before sessions show their replies.
    pub fn set_ack(&self, ack: Ack) {
        self.ack.store(ack as u8, Ordering::Relaxed);
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
