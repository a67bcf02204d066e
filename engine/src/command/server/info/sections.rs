//! What the engine itself knows for each section of INFO, and the order in which Redis prints the fields.

use super::calls;
use super::hotspots;
use super::lines::Lines;
use crate::acl::Reason;
use crate::client::Kind;
use crate::command::REDIS_VERSION;
use crate::core::Core;
use crate::host::InfoSection;
use crate::keyspace::DATABASE_COUNT;
use crate::keyspace::waiting::Waiter;
use crate::slot::{SLOT_COUNT, Slot};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Gives a section the engine's lines.
pub(super) fn write(core: &Core, section: InfoSection, lines: &mut Lines) {
    match section {
        InfoSection::Server => server(core, lines),
        InfoSection::Clients => clients(core, lines),
        InfoSection::Memory => memory(core, lines),
        InfoSection::Persistence => persistence(core, lines),
        InfoSection::Stats => stats(core, lines),
        InfoSection::Replication => replication(core, lines),
        InfoSection::Cpu | InfoSection::Modules => {}
        InfoSection::Commandstats => calls::commands(core, lines),
        InfoSection::Errorstats => calls::errors(core, lines),
        InfoSection::Latencystats => calls::latencies(core, lines),
        InfoSection::Cluster => lines.set("cluster_enabled", u8::from(core.gate.is_cluster())),
        InfoSection::Keyspace => keyspace(core, lines),
        InfoSection::Hotspots => hotspots::write(core, lines),
    }
}

fn server(core: &Core, lines: &mut Lines) {
    let now = core.now();
    let uptime_seconds = (now.0 - core.stats.started_ms.load(Relaxed)).max(0) / 1000;
    lines.set("redis_version", REDIS_VERSION);
    lines.set("server_name", "keyslot");
    lines.set("keyslot_version", env!("CARGO_PKG_VERSION"));
    lines.set("redis_mode", if core.gate.is_cluster() { "cluster" } else { "standalone" });
    lines.set("arch_bits", usize::BITS);
    lines.set("server_time_usec", now.0.saturating_mul(1000));
    lines.set("uptime_in_seconds", uptime_seconds);
    lines.set("uptime_in_days", uptime_seconds / 86_400);
    lines.set("hz", 10);
    lines.set("configured_hz", 10);
    lines.set("lru_clock", core.access_seconds());
}

fn clients(core: &Core, lines: &mut Lines) {
    let all = core.clients.all();
    let blocked = all.iter().filter(|client| client.is_blocked()).count();
    let waiters: Vec<_> = all.iter().filter_map(|client| client.waiter()).collect();
    let keys = |waiters: &mut dyn Iterator<Item = &Arc<Waiter>>| -> usize {
        let keys = waiters.flat_map(|waiter| waiter.keys.iter().map(|key| (waiter.db, key)));
        keys.collect::<BTreeSet<_>>().len()
    };
    let input = all.iter().map(|client| client.query_buffer_bytes.load(Relaxed)).max();
    let output = all.iter().map(|client| client.output_buffer_bytes.load(Relaxed)).max();
    lines.set("connected_clients", all.len());
    lines.set("cluster_connections", 0);
    lines.set("client_recent_max_input_buffer", input.unwrap_or(0));
    lines.set("client_recent_max_output_buffer", output.unwrap_or(0));
    lines.set("blocked_clients", blocked);
    lines.set("tracking_clients", 0);
    lines.set("clients_in_timeout_table", waiters.iter().filter(|waiter| waiter.deadline.is_some()).count());
    lines.set("total_blocking_keys", keys(&mut waiters.iter()));
    lines.set("total_blocking_keys_on_nokey", keys(&mut waiters.iter().filter(|waiter| waiter.on_removal)));
}

fn memory(core: &Core, lines: &mut Lines) {
    let (tables, buffers) = (table_bytes(core), core.clients.buffer_bytes());
    core.stats.buffer_bytes.store(buffers, Relaxed);
    lines.set("used_memory", core.used_bytes());
    lines.set("used_memory_overhead", STARTUP_BYTES + tables + buffers);
    lines.set("used_memory_startup", STARTUP_BYTES);
    lines.set("maxmemory", core.options.maxmemory.load(Relaxed));
    lines.set("maxmemory_policy", core.options.eviction_policy().name());
    lines.set("number_of_functions", core.libraries.read().function_count());
    lines.set("number_of_libraries", core.libraries.read().len());
    lines.set("mem_not_counted_for_evict", 0);
    lines.set("mem_replication_backlog", 0);
    lines.set("mem_total_replication_buffers", 0);
    lines.set("mem_clients_slaves", 0);
    lines.set("mem_clients_normal", buffers);
    lines.set("mem_cluster_links", 0);
    lines.set("mem_aof_buffer", 0);
    lines.set("active_defrag_running", 0);
    lines.set("lazyfree_pending_objects", core.reclaim.pending());
    lines.set("lazyfreed_objects", core.reclaim.freed());
}

/// Sets the figures that follow from others, whoever gave those.
pub(super) fn derive_memory(core: &Core, lines: &mut Lines) {
    let used = lines.number("used_memory");
    let peak = core.stats.memory_peak.fetch_max(used, Relaxed).max(used);
    let startup = lines.number("used_memory_startup");
    let dataset = used.saturating_sub(lines.number("used_memory_overhead"));
    lines.set("used_memory_peak", peak);
    lines.set("used_memory_peak_perc", percent(used, peak));
    lines.set("used_memory_dataset", dataset);
    lines.set("used_memory_dataset_perc", percent(dataset, used.saturating_sub(startup)));
    for field in ["used_memory", "used_memory_rss", "used_memory_peak", "total_system_memory", "maxmemory"] {
        let bytes = lines.number(field);
        if field == "maxmemory" || bytes > 0 {
            lines.set(&format!("{field}_human"), human(bytes));
        }
    }
}

fn persistence(core: &Core, lines: &mut Lines) {
    lines.set("loading", u8::from(core.options.loading.load(Relaxed)));
    lines.set("async_loading", 0);
    lines.set("rdb_changes_since_last_save", core.stats.changes());
    lines.set("rdb_bgsave_in_progress", 0);
    lines.set("aof_enabled", u8::from(core.sink().is_some()));
    lines.set("aof_rewrite_in_progress", 0);
}

fn stats(core: &Core, lines: &mut Lines) {
    let stats = &core.stats;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
    let [commands, input, output] = stats.rates.lock().averages();
    let (hits, misses) = lookups(core);
    lines.set("total_connections_received", count(&stats.connections_received));
    lines.set("total_commands_processed", stats.commands_processed());
    lines.set("instantaneous_ops_per_sec", commands);
    lines.set("total_net_input_bytes", count(&stats.input_bytes));
    lines.set("total_net_output_bytes", count(&stats.output_bytes));
    lines.set("total_net_repl_input_bytes", 0);
    lines.set("total_net_repl_output_bytes", 0);
    lines.set("instantaneous_input_kbps", format_args!("{:.2}", input as f64 / 1024.0));
    lines.set("instantaneous_output_kbps", format_args!("{:.2}", output as f64 / 1024.0));
    lines.set("rejected_connections", count(&stats.connections_rejected));
    lines.set("expired_keys", count(&stats.expired_keys));
    let (over_ms, over_now_ms) = stats.over_maxmemory_ms(core.monotonic_ns());
    lines.set("evicted_keys", count(&stats.evicted_keys));
    lines.set("total_eviction_exceeded_time", over_ms);
    lines.set("current_eviction_exceeded_time", over_now_ms);
    lines.set("keyspace_hits", hits);
    lines.set("keyspace_misses", misses);
    for (field, reason) in [
        ("acl_access_denied_auth", Reason::Auth),
        ("acl_access_denied_cmd", Reason::Command),
        ("acl_access_denied_key", Reason::Key),
        ("acl_access_denied_channel", Reason::Channel),
    ] {
        lines.set(field, core.users.denials(reason));
    }
    lines.set("total_error_replies", count(&stats.error_replies));
    lines.set("pubsub_channels", core.pubsub.active_count(Kind::Channel));
    lines.set("pubsub_patterns", core.pubsub.active_count(Kind::Pattern));
    lines.set("pubsubshard_channels", core.pubsub.active_count(Kind::Shard));
    for field in [
        "sync_full",
        "sync_partial_ok",
        "sync_partial_err",
        "evicted_clients",
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
    ] {
        lines.set(field, 0);
    }
}

fn replication(core: &Core, lines: &mut Lines) {
    lines.set("role", "master");
    lines.set("connected_slaves", 0);
    lines.set("master_failover_state", "no-failover");
    lines.set("master_repl_offset", core.journal_end().0);
    lines.set("second_repl_offset", -1);
    lines.set("repl_backlog_active", 0);
    lines.set("repl_backlog_size", 0);
    lines.set("repl_backlog_first_byte_offset", 0);
    lines.set("repl_backlog_histlen", 0);
}

fn keyspace(core: &Core, lines: &mut Lines) {
    for db in 0..DATABASE_COUNT {
        let (keys, expires) = core.shown_keys(db);
        if keys > 0 {
            let mean_ttl_ms = core.totals.mean_ttl_ms(db);
            lines.add(format!("db{db}"), format!("keys={keys},expires={expires},avg_ttl={mean_ttl_ms}"));
        }
    }
}

/// Lookups for reading that found a key, and that found none.
fn lookups(core: &Core) -> (u64, u64) {
    Slot::all().fold((0, 0), |(hits, misses), slot| {
        let guard = core.slots.lock_as_is(slot);
        (hits + guard.state.hits(), misses + guard.state.misses)
    })
}

/// Bytes of the tables that find the entries.
pub(in crate::command::server) fn table_bytes(core: &Core) -> u64 {
    let of_slot = |slot| {
        let guard = core.slots.lock_as_is(slot);
        let shards = (0..DATABASE_COUNT).filter_map(|db| guard.state.shard(db));
        shards.map(|shard| shard.table_bytes() as u64).sum::<u64>()
    };
    Slot::all().map(of_slot).sum()
}

/// Bytes in the unit that people read, rounded as Redis does.
pub(in crate::command::server) fn human(bytes: u64) -> String {
    const UNITS: [(u32, &str); 5] = [(50, "P"), (40, "T"), (30, "G"), (20, "M"), (10, "K")];
    match UNITS.iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{:.2}{unit}", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes}B"),
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

/// The array of slots, there from the start.
pub(in crate::command::server) const STARTUP_BYTES: u64 = (SLOT_COUNT * 128) as u64;

/// Names of a section's fields in Redis's order. Fields that are not named follow the one before them.
pub(super) fn field_order(section: InfoSection) -> &'static str {
    match section {
        InfoSection::Server => {
            "redis_version server_name keyslot_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os \
             arch_bits monotonic_clock multiplexing_api atomicvar_api gcc_version process_id process_supervised run_id \
             tcp_port server_time_usec uptime_in_seconds uptime_in_days hz configured_hz lru_clock executable \
             config_file io_threads_active"
        }
        InfoSection::Clients => {
            "connected_clients cluster_connections maxclients client_recent_max_input_buffer \
             client_recent_max_output_buffer blocked_clients tracking_clients pubsub_clients clients_in_timeout_table \
             total_blocking_keys total_blocking_keys_on_nokey"
        }
        InfoSection::Memory => {
            "used_memory used_memory_human used_memory_rss used_memory_rss_human used_memory_peak \
             used_memory_peak_human used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset \
             used_memory_dataset_perc allocator_allocated allocator_active allocator_resident total_system_memory \
             total_system_memory_human used_memory_lua used_memory_vm_eval used_memory_lua_human \
             used_memory_scripts_eval number_of_cached_scripts number_of_functions number_of_libraries \
             used_memory_vm_functions used_memory_vm_total used_memory_vm_total_human used_memory_functions \
             used_memory_scripts used_memory_scripts_human maxmemory maxmemory_human maxmemory_policy \
             allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio allocator_rss_bytes rss_overhead_ratio \
             rss_overhead_bytes mem_fragmentation_ratio mem_fragmentation_bytes mem_not_counted_for_evict \
             mem_replication_backlog mem_total_replication_buffers mem_clients_slaves mem_clients_normal \
             mem_cluster_links mem_aof_buffer mem_allocator active_defrag_running lazyfree_pending_objects \
             lazyfreed_objects"
        }
        InfoSection::Persistence => {
            "loading async_loading current_cow_peak current_cow_size \
             current_cow_size_age current_fork_perc current_save_keys_processed current_save_keys_total \
             rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status \
             rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size \
             rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress \
             aof_rewrite_scheduled aof_last_rewrite_time_sec aof_current_rewrite_time_sec aof_last_bgrewrite_status \
             aof_rewrites aof_rewrites_consecutive_failures aof_last_write_status aof_last_cow_size \
             module_fork_in_progress module_fork_last_cow_size aof_current_size aof_base_size \
             aof_pending_rewrite aof_buffer_length aof_pending_bio_fsync aof_delayed_fsync loading_start_time \
             loading_total_bytes loading_rdb_used_mem loading_loaded_bytes loading_loaded_perc loading_eta_seconds"
        }
        InfoSection::Stats => {
            "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
             total_net_output_bytes total_net_repl_input_bytes total_net_repl_output_bytes instantaneous_input_kbps \
             instantaneous_output_kbps instantaneous_input_repl_kbps instantaneous_output_repl_kbps \
             rejected_connections sync_full sync_partial_ok sync_partial_err expired_keys expired_stale_perc \
             expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys evicted_clients \
             total_eviction_exceeded_time current_eviction_exceeded_time keyspace_hits keyspace_misses \
             pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec total_forks \
             migrate_cached_sockets slave_expires_tracked_keys active_defrag_hits active_defrag_misses \
             active_defrag_key_hits active_defrag_key_misses total_active_defrag_time current_active_defrag_time \
             tracking_total_keys tracking_total_items tracking_total_prefixes unexpected_error_replies \
             total_error_replies dump_payload_sanitizations total_reads_processed total_writes_processed \
             io_threaded_reads_processed io_threaded_writes_processed reply_buffer_shrinks reply_buffer_expands \
             eventloop_cycles eventloop_duration_sum eventloop_duration_cmd_sum \
             instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec acl_access_denied_auth \
             acl_access_denied_cmd acl_access_denied_key acl_access_denied_channel"
        }
        InfoSection::Replication => {
            "role master_host master_port master_link_status master_last_io_seconds_ago master_sync_in_progress \
             slave_read_repl_offset slave_repl_offset master_sync_total_bytes master_sync_read_bytes \
             master_sync_left_bytes master_sync_perc master_sync_last_io_seconds_ago master_link_down_since_seconds \
             slave_priority slave_read_only replica_announced connected_slaves min_slaves_good_slaves \
             master_failover_state master_replid master_replid2 master_repl_offset second_repl_offset \
             repl_backlog_active repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen"
        }
        InfoSection::Cpu => {
            "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children used_cpu_sys_main_thread \
             used_cpu_user_main_thread"
        }
        InfoSection::Modules
        | InfoSection::Commandstats
        | InfoSection::Errorstats
        | InfoSection::Latencystats
        | InfoSection::Cluster
        | InfoSection::Keyspace
        | InfoSection::Hotspots => "",
    }
}
