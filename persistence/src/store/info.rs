//! The figures of INFO's persistence section.

use crate::saving::{PastSaves, SaveKind, SavingStatus};
use std::fmt::{Display, Write as _};

/// What INFO says about files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersistenceInfo {
    /// How saving goes.
    pub saving: SavingStatus,
    /// The time, Unix milliseconds.
    pub now_ms: i64,
    /// The log, if there is one.
    pub log: Option<LogInfo>,
}

/// What INFO says about the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogInfo {
    /// Whether the log takes writes.
    pub last_write_ok: bool,
    /// The size of the log, bytes.
    pub current_size: u64,
    /// What that was after the last compaction, or when the store was opened.
    pub base_size: u64,
    /// Journal bytes that are not written yet.
    pub buffer_length: u64,
    /// Whether somebody waits for an fsync: 0 or 1.
    pub pending_bio_fsync: u64,
    /// How often the fsync of `everysec` came more than a second late.
    pub delayed_fsync: u64,
}

impl PersistenceInfo {
    /// Appends all lines of the section in Redis's order, `field:value\r\n`.
    pub fn append_to(&self, out: &mut String) {
        let mut line = |field: &str, value: &dyn Display| {
            write!(out, "{field}:{value}\r\n").expect("writing to a string never fails");
        };
        let SavingStatus { running, snapshots, rewrites, unsaved_changes } = &self.saving;
        let runs = |kind| running.filter(|running| running.kind == kind);
        let elapsed = |kind| runs(kind).map_or(-1, |running| (self.now_ms - running.began_ms) / 1000);
        line("loading", &0);
        line("async_loading", &0);
        line("current_cow_peak", &0);
        line("current_cow_size", &0);
        line("current_cow_size_age", &0);
        line("current_fork_perc", &"0.00");
        line("current_save_keys_processed", &running.map_or(0, |running| running.keys_done));
        line("current_save_keys_total", &running.map_or(0, |running| running.keys_total));
        line("rdb_changes_since_last_save", unsaved_changes);
        line("rdb_bgsave_in_progress", &u8::from(runs(SaveKind::Snapshot).is_some()));
        line("rdb_last_save_time", &(snapshots.last_success_ms / 1000));
        line("rdb_last_bgsave_status", &status(snapshots));
        line("rdb_last_bgsave_time_sec", &seconds(snapshots));
        line("rdb_current_bgsave_time_sec", &elapsed(SaveKind::Snapshot));
        line("rdb_saves", &snapshots.count);
        line("rdb_last_cow_size", &0);
        line("rdb_last_load_keys_expired", &0);
        line("rdb_last_load_keys_loaded", &0);
        line("aof_enabled", &u8::from(self.log.is_some()));
        line("aof_rewrite_in_progress", &u8::from(runs(SaveKind::Rewrite).is_some()));
        line("aof_rewrite_scheduled", &0);
        line("aof_last_rewrite_time_sec", &seconds(rewrites));
        line("aof_current_rewrite_time_sec", &elapsed(SaveKind::Rewrite));
        line("aof_last_bgrewrite_status", &status(rewrites));
        line("aof_rewrites", &rewrites.count);
        line("aof_rewrites_consecutive_failures", &rewrites.failures_in_a_row);
        line("aof_last_write_status", &if self.log.is_none_or(|log| log.last_write_ok) { "ok" } else { "err" });
        line("aof_last_cow_size", &0);
        line("module_fork_in_progress", &0);
        line("module_fork_last_cow_size", &0);
        let Some(log) = &self.log else { return };
        line("aof_current_size", &log.current_size);
        line("aof_base_size", &log.base_size);
        line("aof_pending_rewrite", &0);
        line("aof_buffer_length", &log.buffer_length);
        line("aof_pending_bio_fsync", &log.pending_bio_fsync);
        line("aof_delayed_fsync", &log.delayed_fsync);
    }
}

fn status(past: &PastSaves) -> &'static str {
    if past.last_error.is_none() { "ok" } else { "err" }
}

/// How long the newest took.
fn seconds(past: &PastSaves) -> i64 {
    past.last_duration_ms.map_or(-1, |ms| i64::try_from(ms / 1000).unwrap_or(i64::MAX))
}
