//! The figures of INFO's persistence section.

use std::fmt::Write as _;

/// What INFO says about files, where it differs from a server without any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PersistenceInfo {
    /// Whether the log takes writes.
    pub aof_last_write_ok: bool,
    /// The size of the log, bytes.
    pub aof_current_size: u64,
    /// What that was when the store was opened.
    pub aof_base_size: u64,
    /// Journal bytes that are not written yet.
    pub aof_buffer_length: u64,
    /// Whether somebody waits for an fsync: 0 or 1.
    pub aof_pending_bio_fsync: u64,
    /// How often the fsync of `everysec` came more than a second late.
    pub aof_delayed_fsync: u64,
    /// Effects recorded since the store was opened.
    pub changes_since_last_save: u64,
}

impl PersistenceInfo {
    /// Appends all lines of the section in Redis's order, `field:value\r\n`.
    pub fn append_to(&self, out: &mut String) {
        let write_status = if self.aof_last_write_ok { "ok" } else { "err" };
        let fields: [(&str, &dyn std::fmt::Display); 32] = [
            ("loading", &0),
            ("async_loading", &0),
            ("current_cow_peak", &0),
            ("current_cow_size", &0),
            ("current_cow_size_age", &0),
            ("current_fork_perc", &"0.00"),
            ("current_save_keys_processed", &0),
            ("current_save_keys_total", &0),
            ("rdb_changes_since_last_save", &self.changes_since_last_save),
            ("rdb_bgsave_in_progress", &0),
            ("rdb_last_save_time", &0),
            ("rdb_last_bgsave_status", &"ok"),
            ("rdb_last_bgsave_time_sec", &-1),
            ("rdb_current_bgsave_time_sec", &-1),
            ("rdb_saves", &0),
            ("rdb_last_cow_size", &0),
            ("rdb_last_load_keys_expired", &0),
            ("rdb_last_load_keys_loaded", &0),
            ("aof_enabled", &1),
            ("aof_rewrite_in_progress", &0),
            ("aof_rewrite_scheduled", &0),
            ("aof_last_rewrite_time_sec", &-1),
            ("aof_current_rewrite_time_sec", &-1),
            ("aof_last_bgrewrite_status", &"ok"),
            ("aof_rewrites", &0),
            ("aof_last_write_status", &write_status),
            ("aof_current_size", &self.aof_current_size),
            ("aof_base_size", &self.aof_base_size),
            ("aof_pending_rewrite", &0),
            ("aof_buffer_length", &self.aof_buffer_length),
            ("aof_pending_bio_fsync", &self.aof_pending_bio_fsync),
            ("aof_delayed_fsync", &self.aof_delayed_fsync),
        ];
        for (field, value) in fields {
            write!(out, "{field}:{value}\r\n").expect("writing to a string never fails");
        }
    }
}
