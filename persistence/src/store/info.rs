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
    /// Whether a new base of the log is to be written as soon as nothing else is.
    pub is_rewrite_scheduled: bool,
    /// How loading goes, while the data is being loaded.
    pub loading: Option<LoadingInfo>,
    /// Keys that were loaded from the newest file that was read, and keys of it that had expired.
    pub loaded: (u64, u64),
}

/// What INFO says while the data is being loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadingInfo {
    /// When it began, Unix milliseconds.
    pub start_ms: i64,
    /// Bytes to read; 0 before that is known.
    pub total_bytes: u64,
    /// Bytes read.
    pub loaded_bytes: u64,
}

impl LoadingInfo {
    /// The lines at the end of the section, with Redis's estimates.
    fn append_to(&self, now_ms: i64, line: &mut dyn FnMut(&str, &dyn Display)) {
        let Self { start_ms, total_bytes, loaded_bytes } = *self;
        let percent = if total_bytes == 0 { 0.0 } else { loaded_bytes as f64 / total_bytes as f64 * 100.0 };
        let left = if total_bytes == 0 { 1 } else { total_bytes.saturating_sub(loaded_bytes) };
        let elapsed_s = now_ms / 1000 - start_ms / 1000;
        // Redis's word for "not known yet" is one second.
        let eta = match u64::try_from(elapsed_s) {
            Ok(0) | Err(_) => 1,
            Ok(elapsed_s) => elapsed_s.saturating_mul(left) / (loaded_bytes + 1),
        };
        line("loading_start_time", &(start_ms / 1000));
        line("loading_total_bytes", &total_bytes);
        line("loading_rdb_used_mem", &0);
        line("loading_loaded_bytes", &loaded_bytes);
        line("loading_loaded_perc", &format_args!("{percent:.2}"));
        line("loading_eta_seconds", &eta);
    }
}

/// What INFO says about the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
    /// Whether it has a base, or needs none: until it has one it is no log for who opens the directory.
    pub has_base: bool,
}

impl PersistenceInfo {
    /// What there is to say of an engine without a log.
    pub fn without_log(saving: SavingStatus, now_ms: i64) -> Self {
        Self { saving, now_ms, log: None, is_rewrite_scheduled: false, loading: None, loaded: (0, 0) }
    }

    /// Appends all lines of the section in Redis's order, `field:value\r\n`.
    pub fn append_to(&self, out: &mut String) {
        let mut line = |field: &str, value: &dyn Display| {
            write!(out, "{field}:{value}\r\n").expect("writing to a string never fails");
        };
        let SavingStatus { running, snapshots, rewrites, unsaved_changes } = &self.saving;
        let runs = |kind| running.filter(|running| running.kind == kind);
        let elapsed = |kind| runs(kind).map_or(-1, |running| (self.now_ms - running.began_ms) / 1000);
        line("loading", &u8::from(self.loading.is_some()));
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
        line("rdb_last_load_keys_expired", &self.loaded.1);
        line("rdb_last_load_keys_loaded", &self.loaded.0);
        line("aof_enabled", &u8::from(self.log.is_some()));
        line("aof_rewrite_in_progress", &u8::from(runs(SaveKind::Rewrite).is_some()));
        let rewrites_now = runs(SaveKind::Rewrite).is_some();
        let waits_for_base = self.log.is_some_and(|log| !log.has_base);
        let is_scheduled = self.is_rewrite_scheduled || waits_for_base && !rewrites_now;
        line("aof_rewrite_scheduled", &u8::from(is_scheduled));
        line("aof_last_rewrite_time_sec", &seconds(rewrites));
        line("aof_current_rewrite_time_sec", &elapsed(SaveKind::Rewrite));
        line("aof_last_bgrewrite_status", &status(rewrites));
        line("aof_rewrites", &rewrites.count);
        line("aof_rewrites_consecutive_failures", &rewrites.failures_in_a_row);
        line("aof_last_write_status", &if self.log.is_none_or(|log| log.last_write_ok) { "ok" } else { "err" });
        line("aof_last_cow_size", &0);
        line("module_fork_in_progress", &0);
        line("module_fork_last_cow_size", &0);
        if let Some(log) = &self.log {
            line("aof_current_size", &log.current_size);
            line("aof_base_size", &log.base_size);
            line("aof_pending_rewrite", &0);
            line("aof_buffer_length", &log.buffer_length);
            line("aof_pending_bio_fsync", &log.pending_bio_fsync);
            line("aof_delayed_fsync", &log.delayed_fsync);
        }
        if let Some(loading) = &self.loading {
            loading.append_to(self.now_ms, &mut line);
        }
    }
}

fn status(past: &PastSaves) -> &'static str {
    if past.last_error.is_none() { "ok" } else { "err" }
}

/// How long the newest took.
fn seconds(past: &PastSaves) -> i64 {
    past.last_duration_ms.map_or(-1, |ms| i64::try_from(ms / 1000).unwrap_or(i64::MAX))
}
