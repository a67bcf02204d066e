//! Files of the data: SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, and what `save` and `auto-aof-rewrite-*` ask for by themselves.

use super::Node;
use super::shutdown::ShutdownMode;
use crate::settings::Values;
use keyslot::engine::Origin;
use keyslot::engine::resp::ReplyWriter;
use keyslot::persistence::rdb::RdbOptions;
use keyslot::persistence::saving::load_rdb;
use keyslot::persistence::{CompactionPolicy, LogBase, RealStorage, SaveError, SaveKind, SavePoint};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Saves that were asked for while another ran.
#[derive(Default)]
pub(super) struct Scheduled {
    snapshot: AtomicBool,
    rewrite: AtomicBool,
}

impl Node {
    /// SAVE: on this thread, whose other clients wait.
    pub(super) fn save(&self, reply: &mut ReplyWriter<'_>) {
        let values = self.settings.values();
        match self.data.saver().save_rdb(&rdb_path(&values), rdb_options(&values)) {
            Ok(()) => {
                tracing::info!("DB saved on disk");
                reply.ok();
            }
            Err(SaveError::Busy { .. }) => reply.error("ERR Background save already in progress"),
            Err(error) => {
                tracing::warn!("Error saving the database on disk: {error}");
                reply.error("ERR");
            }
        }
    }

    /// `BGSAVE [SCHEDULE]`.
    pub(super) fn save_in_background(&self, words: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let may_wait = match words {
            [] => false,
            [word] if word.eq_ignore_ascii_case(b"schedule") => true,
            _ => return reply.error("ERR syntax error"),
        };
        match self.start_snapshot() {
            Ok(()) => reply.simple("Background saving started"),
            Err(SaveError::Busy { running: SaveKind::Snapshot }) => {
                reply.error("ERR Background save already in progress");
            }
            Err(SaveError::Busy { .. }) if may_wait => {
                self.scheduled.snapshot.store(true, Relaxed);
                reply.simple("Background saving scheduled");
            }
            Err(SaveError::Busy { .. }) => reply.error(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                 schedule a BGSAVE whenever possible.",
            ),
            Err(error) => {
                tracing::warn!("Can't save in background: {error}");
                reply.error("ERR");
            }
        }
    }

    /// LASTSAVE.
    pub(super) fn last_save(&self, reply: &mut ReplyWriter<'_>) {
        reply.integer(self.data.saver().status().snapshots.last_success_ms / 1000);
    }

    /// BGREWRITEAOF.
    pub(super) fn rewrite_log(&self, reply: &mut ReplyWriter<'_>) {
        match self.data.start_compaction() {
            Some(Ok(())) => {
                tracing::info!("Background append only file rewriting started");
                reply.simple("Background append only file rewriting started");
            }
            Some(Err(SaveError::Busy { running: SaveKind::Rewrite })) => {
                reply.error("ERR Background append only file rewriting already in progress");
            }
            Some(Err(SaveError::Busy { .. })) => {
                self.scheduled.rewrite.store(true, Relaxed);
                reply.simple("Background append only file rewriting scheduled");
            }
            Some(Err(error)) => {
                tracing::warn!("The log is not rewritten: {error}");
                reply.error(
                    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
                );
            }
            None => reply.error("ERR this node keeps no log to rewrite: appendonly is off"),
        }
    }

    /// `DEBUG RELOAD [NOSAVE|NOFLUSH|MERGE ...]`: writes the data to its file and reads it back. Meanwhile other clients see a
    /// part of it: it is for tests.
    pub(super) fn reload(&self, words: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let has = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()));
        if words
            .iter()
            .any(|word| !["nosave", "noflush", "merge"].iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())))
        {
            return reply.error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
        }
        let values = self.settings.values();
        if !has("nosave")
            && let Err(error) = self.data.saver().save_rdb(&rdb_path(&values), rdb_options(&values))
        {
            tracing::warn!("DEBUG RELOAD: {error}");
            return reply.error("ERR");
        }
        if !has("noflush") && !has("merge") {
            let flushed = self.engine.apply(Origin::Replay, 0, &[&[b"FLUSHALL"], &[b"FUNCTION", b"FLUSH"]]);
            if let Err(error) = flushed {
                return reply.error(&error.to_string());
            }
        }
        match load_rdb(&self.engine, &RealStorage, &rdb_path(&values)) {
            Ok(_) => {
                self.data.saver().note_loaded();
                tracing::warn!("DB reloaded by DEBUG RELOAD");
                reply.ok();
            }
            Err(error) => {
                tracing::warn!("DEBUG RELOAD: {error}");
                reply.error("ERR Error trying to load the RDB dump, check server logs.");
            }
        }
    }

    fn start_snapshot(&self) -> Result<(), SaveError> {
        let values = self.settings.values();
        self.data.saver().start_rdb(rdb_path(&values), rdb_options(&values))
    }

    /// Begins what is scheduled, or due by `save`.
    pub(super) fn save_what_is_due(&self) {
        let status = self.data.saver().status();
        if status.running.is_some() {
            return;
        }
        if self.scheduled.rewrite.swap(false, Relaxed) {
            if let Some(Err(error)) = self.data.start_compaction() {
                tracing::warn!("The log is not rewritten: {error}");
            }
            return;
        }
        let is_due = || SavePoint::is_due(&save_points(&self.settings.values()), &status, self.engine.now().0);
        if self.scheduled.snapshot.swap(false, Relaxed) || is_due() {
            tracing::info!("{} changes since the last save. Saving...", status.unsaved_changes);
            if let Err(error) = self.start_snapshot() {
                tracing::warn!("Can't save in background: {error}");
            }
        }
        let values = self.settings.values();
        let has_failed = status.snapshots.last_error.is_some() && !save_points(&values).is_empty();
        let stops = has_failed && values.switch("stop-writes-on-bgsave-error");
        self.engine.options().save_failed.store(stops, Relaxed);
    }

    /// Writes the data once more before the node ends, if that is wanted. An error if it could not be written.
    pub(super) fn save_at_end(&self, mode: ShutdownMode) -> Result<(), String> {
        let values = self.settings.values();
        let saver = self.data.saver();
        saver.cancel();
        saver.wait();
        let is_wanted = mode.save || !save_points(&values).is_empty();
        if mode.no_save || !is_wanted {
            return Ok(());
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let saved = saver.save_rdb(&rdb_path(&values), rdb_options(&values));
        saved.inspect(|()| tracing::info!("DB saved on disk")).map_err(|error| error.to_string())
    }

    /// Takes over how the log is compacted.
    pub(super) fn set_compaction(&self, values: &Values) {
        let policy = CompactionPolicy {
            growth_percent: values.number("auto-aof-rewrite-percentage"),
            size_bytes_min: values.number("auto-aof-rewrite-min-size"),
        };
        let base = match values.switch("aof-use-rdb-preamble") {
            true => LogBase::Rdb(rdb_options(values)),
            false => LogBase::Commands,
        };
        self.data.set_compaction(policy, base);
    }
}

/// Where RDB files go: relative to the current folder, which is `dir`.
pub(crate) fn rdb_path(values: &Values) -> PathBuf {
    values.path("dbfilename").unwrap_or_else(|| "dump.rdb".into())
}

fn rdb_options(values: &Values) -> RdbOptions {
    RdbOptions {
        compress: values.switch("rdbcompression"),
        checksum: values.switch("rdbchecksum"),
        ..RdbOptions::default()
    }
}

fn save_points(values: &Values) -> Vec<SavePoint> {
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    let point =
        |point: &crate::settings::SavePoint| SavePoint { seconds: whole(point.seconds), changes: whole(point.changes) };
    values.save_points().iter().map(point).collect()
}
