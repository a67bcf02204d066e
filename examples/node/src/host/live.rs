//! The settings that every connection looks at, as plain atomics; and who is told when a key changes.

use super::Node;
use super::listen::{self, ListenError};
use crate::settings::{BufferLimit, RowIndex, Values, os_message};
use keyslot::engine::{EvictionPolicy, Options, SlotMode};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Live settings of the host, and the clock that idle times are measured by.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) clients_max: AtomicU64,
    /// Seconds; 0 for never.
    pub(crate) idle_seconds_max: AtomicU32,
    /// Seconds; 0 for none.
    pub(crate) keepalive_seconds: AtomicU32,
    pub(crate) is_protected: AtomicBool,
    pub(crate) query_buffer_bytes_max: AtomicU64,
    /// Limits of waiting output: of clients that listen to channels, and of all others.
    pub(crate) subscriber_output: OutputLimit,
    pub(crate) output: OutputLimit,
    /// Background rounds in a second.
    pub(crate) hz: AtomicU32,
    /// Seconds since the node started, moved by the background rounds.
    pub(crate) uptime_seconds: AtomicU32,
}

impl Live {
    /// Takes over every live setting.
    pub(crate) fn take_all(&self, values: &Values) {
        for name in NAMES {
            self.take(name, values);
        }
    }

    /// Takes over one setting. False if the host has no such setting.
    fn take(&self, name: &str, values: &Values) -> bool {
        let seconds = |name| u32::try_from(values.number(name)).unwrap_or(u32::MAX);
        match name {
            "maxclients" => self.clients_max.store(values.number(name), Relaxed),
            "timeout" => self.idle_seconds_max.store(seconds(name), Relaxed),
            "tcp-keepalive" => self.keepalive_seconds.store(seconds(name), Relaxed),
            "protected-mode" => self.is_protected.store(values.switch(name), Relaxed),
            "client-query-buffer-limit" => self.query_buffer_bytes_max.store(values.number(name), Relaxed),
            "client-output-buffer-limit" => {
                self.output.take(&values.buffer_limits().normal);
                self.subscriber_output.take(&values.buffer_limits().pubsub);
            }
            "hz" => self.hz.store(seconds(name).clamp(1, 500), Relaxed),
            _ => return false,
        }
        true
    }
}

/// How much output may wait for a client of one class.
#[derive(Default)]
pub(crate) struct OutputLimit {
    /// Bytes; 0 for any.
    pub(crate) hard_bytes_max: AtomicU64,
    /// Bytes that may wait for `soft_seconds`; 0 for any.
    pub(crate) soft_bytes_max: AtomicU64,
    pub(crate) soft_seconds: AtomicU32,
}

impl OutputLimit {
    fn take(&self, limit: &BufferLimit) {
        self.hard_bytes_max.store(limit.hard_bytes, Relaxed);
        self.soft_bytes_max.store(limit.soft_bytes, Relaxed);
        self.soft_seconds.store(u32::try_from(limit.soft_seconds).unwrap_or(u32::MAX), Relaxed);
    }
}

const NAMES: [&str; 7] = [
    "maxclients",
    "timeout",
    "tcp-keepalive",
    "protected-mode",
    "client-query-buffer-limit",
    "client-output-buffer-limit",
    "hz",
];

/// Takes over one of the engine's options. False if it has no such option.
fn take_engine_option(options: &Options, name: &str, values: &Values) -> bool {
    let size = |name| usize::try_from(values.number(name)).unwrap_or(usize::MAX);
    let small = |name| u32::try_from(values.number(name)).unwrap_or(u32::MAX);
    match name {
        "proto-max-bulk-len" => options.bulk_bytes_max.store(size(name), Relaxed),
        "client-query-buffer-limit" => options.query_buffer_bytes_max.store(size(name), Relaxed),
        "hll-sparse-max-bytes" => options.hll_sparse_bytes_max.store(size(name), Relaxed),
        "slowlog-log-slower-than" => options.slowlog_slower_than_us.store(values.signed(name), Relaxed),
        "slowlog-max-len" => options.slowlog_count_max.store(size(name), Relaxed),
        "latency-monitor-threshold" => options.latency_threshold_ms.store(values.number(name), Relaxed),
        "latency-tracking-info-percentiles" => *options.latency_percentiles.write() = values.percentiles().to_vec(),
        "list-max-listpack-size" => options.list_max_listpack_size.store(values.signed(name), Relaxed),
        "latency-tracking" => options.latency_tracking.store(values.switch(name), Relaxed),
        "notify-keyspace-events" => options.set_keyspace_events(values.events()),
        "stream-node-max-bytes" => options.stream_node_bytes_max.store(size(name), Relaxed),
        "stream-node-max-entries" => options.stream_node_entries_max.store(size(name), Relaxed),
        "client-output-buffer-limit" => {
            options.subscriber_bytes_max.store(values.buffer_limits().pubsub.hard_bytes, Relaxed);
        }
        "cluster-allow-reads-when-down" => options.cluster_reads_when_down.store(values.switch(name), Relaxed),
        "cluster-allow-pubsubshard-when-down" => {
            options.cluster_channels_when_down.store(values.switch(name), Relaxed);
        }
        "slot-mode" => options.set_slot_mode(SlotMode::of_name(values.choice(name)).unwrap_or_default()),
        "cluster-proxy" => options.cluster_proxy.store(values.switch(name), Relaxed),
        "acllog-max-len" => options.acl_log_count_max.store(size(name), Relaxed),
        "acl-pubsub-default" => options.acl_all_channels.store(values.choice(name) == "allchannels", Relaxed),
        "maxmemory" => options.maxmemory.store(values.number(name), Relaxed),
        "maxmemory-policy" => {
            options.set_eviction_policy(EvictionPolicy::of_name(values.choice(name)).unwrap_or_default());
        }
        "maxmemory-samples" => options.eviction_samples.store(size(name), Relaxed),
        "maxmemory-eviction-tenacity" => options.eviction_tenacity.store(small(name), Relaxed),
        "lfu-log-factor" => options.lfu_log_factor.store(small(name), Relaxed),
        "lfu-decay-time" => options.lfu_decay_minutes.store(small(name), Relaxed),
        "hash-max-listpack-entries" => options.hash_listpack_entries_max.store(size(name), Relaxed),
        "hash-max-listpack-value" => options.hash_listpack_value_max.store(size(name), Relaxed),
        "set-max-intset-entries" => options.set_intset_entries_max.store(size(name), Relaxed),
        "set-max-listpack-entries" => options.set_listpack_entries_max.store(size(name), Relaxed),
        "set-max-listpack-value" => options.set_listpack_value_max.store(size(name), Relaxed),
        "rdbcompression" => options.rdb_compression.store(values.switch(name), Relaxed),
        "zset-max-listpack-entries" => options.zset_compact_entries_max.store(size(name), Relaxed),
        "zset-max-listpack-value" => options.zset_compact_value_bytes_max.store(size(name), Relaxed),
        _ => return false,
    }
    true
}

/// Takes over all of the engine's options.
pub(crate) fn take_engine_options(options: &Options, values: &Values) {
    for name in ENGINE_NAMES {
        take_engine_option(options, name, values);
    }
    let debug = values.choice("enable-debug-command");
    options.debug_commands.store(debug == "yes", Relaxed);
    options.debug_commands_local.store(debug != "no", Relaxed);
}

const ENGINE_NAMES: &[&str] = &[
    "list-max-listpack-size",
    "rdbcompression",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "set-max-intset-entries",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "hll-sparse-max-bytes",
    "latency-tracking-info-percentiles",
    "proto-max-bulk-len",
    "client-query-buffer-limit",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "latency-monitor-threshold",
    "latency-tracking",
    "cluster-allow-reads-when-down",
    "cluster-proxy",
    "acllog-max-len",
    "acl-pubsub-default",
    "slot-mode",
    "cluster-allow-pubsubshard-when-down",
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "maxmemory-eviction-tenacity",
    "lfu-log-factor",
    "lfu-decay-time",
    "notify-keyspace-events",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "client-output-buffer-limit",
];

impl Node {
    /// Acts on a key that CONFIG SET is changing. The text of an error is for the client.
    pub(super) fn apply(&self, index: RowIndex, values: &Values) -> Result<(), String> {
        let name = index.row().name;
        if !index.row().is_live() {
            tracing::warn!("{name}: accepted, but without effect in this node");
        }
        if name == "maxclients" {
            self.reserve_descriptors(values.number(name))?;
        }
        self.live.take(name, values);
        take_engine_option(self.engine.options(), name, values);
        match name {
            "maxmemory" => self.warn_of_bound(values.number(name)),
            "loglevel" => self.log.set_level(values.choice(name)),
            "appendfsync" | "write-ack" => self.set_durability(values),
            "appendonly" => self.set_log(values)?,
            "rdbcompression" | "rdbchecksum" | "aof-use-rdb-preamble" | "aof-base-format" => {
                self.set_compaction(values)
            }
            name if name.starts_with("auto-aof-rewrite-") => self.set_compaction(values),
            "replica-read-only" => self.set_read_only(values),
            name if name.starts_with("min-replicas-") || name == "replica-serve-stale-data" => {
                self.replication.judge(self, values)
            }
            "requirepass" => self.engine.set_password(Some(values.text(name)).filter(|password| !password.is_empty())),
            "dir" => {
                let path = std::ffi::OsStr::from_bytes(values.text(name));
                std::env::set_current_dir(path).map_err(|error| os_message(&error))?;
            }
            name if name.starts_with("cluster-") => {
                if let Some(cluster) = &self.cluster {
                    cluster.settle(&self.engine, values)?;
                }
            }
            "port" | "bind" => {
                let listeners = listen::tcp_listeners(values).map_err(|error| {
                    tracing::warn!("{error}");
                    refusal(name, &error)
                })?;
                self.request(super::Request::Listen(listeners))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Says so if the data takes more than it may from now on.
    fn warn_of_bound(&self, bound: u64) {
        let used = self.engine.used_memory();
        if bound > 0 && bound < used {
            tracing::warn!(
                "WARNING: the new maxmemory value set via CONFIG SET ({bound}) is smaller than the current memory usage \
                 ({used}). This will result in key eviction and/or the inability to accept new write commands depending on \
                 the maxmemory-policy."
            );
        }
    }

    fn reserve_descriptors(&self, clients_max: u64) -> Result<(), String> {
        let possible = super::process::reserve_descriptors(clients_max);
        if possible < clients_max {
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ));
        }
        Ok(())
    }
}

fn refusal(name: &str, error: &ListenError) -> String {
    match (name, error) {
        ("port", ListenError::Bind { .. }) => "Unable to listen on this port. Check server logs.".into(),
        _ => "Failed to bind to specified addresses.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_name_is_taken_over() {
        let (live, values) = (Live::default(), Values::standard());
        for name in NAMES {
            assert!(live.take(name, &values), "{name}");
        }
        assert_eq!(live.clients_max.load(Relaxed), 10_000);
        assert_eq!(live.query_buffer_bytes_max.load(Relaxed), 1 << 30);
        assert_eq!(live.hz.load(Relaxed), 10);
        assert!(!live.take("activedefrag", &values));
        let options = Options::default();
        for name in ENGINE_NAMES {
            assert!(take_engine_option(&options, name, &values), "{name}");
        }
    }
}
