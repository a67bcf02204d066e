//! Files of the data: SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, and what `save` and `auto-aof-rewrite-*` ask for by themselves.

use super::Node;
use super::shutdown::ShutdownMode;
use crate::settings::Values;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{Ack, Asker, Origin};
use keyslot::persistence::rdb::RdbOptions;
use keyslot::persistence::snapshot::WriteOptions;
use keyslot::persistence::{CompactionPolicy, LogBase, SaveError, SaveKind, SavePoint};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Saves that were asked for while another ran.
#[derive(Default)]
pub(super) struct Scheduled {
    snapshot: AtomicBool,
    pub(super) rewrite: AtomicBool,
}

impl Node {
    /// SAVE: on a thread of its own, where the client can wait for it.
    pub(super) fn save(&self, asker: Asker<'_>, reply: &mut ReplyWriter<'_>) {
        self.do_later("save", asker, reply, Self::save_now);
    }

    fn save_now(&self, reply: &mut ReplyWriter<'_>) {
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

    /// Does what takes long on a thread of its own; at once where a reply is wanted at once.
    pub(super) fn do_later(
        &self,
        name: &str,
        asker: Asker<'_>,
        reply: &mut ReplyWriter<'_>,
        work: impl FnOnce(&Self, &mut ReplyWriter<'_>) + Send + 'static,
    ) {
        let (Some(node), true) = (self.this.upgrade(), !asker.in_exec) else { return work(self, reply) };
        let Some(later) = asker.reply_later() else { return work(self, reply) };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let given = later.clone();
        if let Err(error) = thread.spawn(move || given.give(|reply| work(&node, reply))) {
            tracing::warn!("{name}: no thread could be started: {error}");
            later.give(|reply| reply.error("ERR"));
        }
    }

    /// `BGSAVE [SCHEDULE]`. One in a transaction waits for the next round, as in Redis.
    pub(super) fn save_in_background(&self, asker: Asker<'_>, words: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let may_wait = match words {
            [] => false,
            [word] if word.eq_ignore_ascii_case(b"schedule") => true,
            _ => return reply.error("ERR syntax error"),
        };
        let running = self.data.saver().status().running.map(|running| running.kind);
        let started = match running {
            Some(running) => Err(SaveError::Busy { running }),
            None if asker.in_exec => {
                self.scheduled.snapshot.store(true, Relaxed);
                return reply.simple("Background saving scheduled");
            }
            None => self.start_snapshot(),
        };
        match started {
            Ok(()) => reply.simple("Background saving started"),
            Err(SaveError::Busy { running: SaveKind::Snapshot }) => {
                reply.error("ERR Background save already in progress");
            }
            Err(SaveError::Busy { .. }) if may_wait || asker.in_exec => {
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

    /// BGREWRITEAOF. One in a transaction waits for the next round, as in Redis.
    pub(super) fn rewrite_log(&self, asker: Asker<'_>, reply: &mut ReplyWriter<'_>) {
        let running = self.data.saver().status().running.map(|running| running.kind);
        let started = match running {
            Some(running) => Some(Err(SaveError::Busy { running })),
            None if asker.in_exec && self.data.is_durable() => {
                self.scheduled.rewrite.store(true, Relaxed);
                return reply.simple("Background append only file rewriting scheduled");
            }
            None => self.data.start_compaction(),
        };
        match started {
            Some(Ok(())) => {
                tracing::info!("Background append only file rewriting started");
                reply.simple("Background append only file rewriting started");
            }
            Some(Err(SaveError::Busy { running: SaveKind::Rewrite })) => {
                reply.error("ERR Background append only file rewriting already in progress");
            }
            Some(Err(SaveError::Busy { .. })) if self.data.is_durable() => {
                self.scheduled.rewrite.store(true, Relaxed);
                reply.simple("Background append only file rewriting scheduled");
            }
            Some(Err(error)) if self.data.is_durable() => {
                tracing::warn!("The log is not rewritten: {error}");
                reply.error(
                    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
                );
            }
            _ => reply.error("ERR this node keeps no log to rewrite: appendonly is off"),
        }
    }

    /// `DEBUG RELOAD [NOSAVE|NOFLUSH|MERGE ...]`: writes the data to its file and reads it back. Meanwhile other clients are
    /// told that the data is being loaded.
    pub(super) fn reload(&self, asker: Asker<'_>, words: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let has = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()));
        if words
            .iter()
            .any(|word| !["nosave", "noflush", "merge"].iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())))
        {
            return reply.error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
        }
        let (saves, empties) = (!has("nosave"), !has("noflush") && !has("merge"));
        self.do_later("reload", asker, reply, move |node, reply| node.reload_now(saves, empties, reply));
    }

    fn reload_now(&self, saves: bool, empties: bool, reply: &mut ReplyWriter<'_>) {
        let values = self.settings.values();
        if saves && let Err(error) = self.data.saver().save_rdb(&rdb_path(&values), rdb_options(&values)) {
            tracing::warn!("DEBUG RELOAD: {error}");
            return reply.error("ERR");
        }
        self.data.begin_loading();
        let emptied = match empties {
            true => self.engine.apply(Origin::Replay, 0, &[&[b"FLUSHALL"], &[b"FUNCTION", b"FLUSH"]]),
            false => Ok(()),
        };
        let loaded = emptied.map_err(|error| error.to_string());
        let loaded = loaded.and_then(|()| self.data.load_rdb(&rdb_path(&values)).map_err(|error| error.to_string()));
        self.end_loading();
        match loaded {
            Ok(()) => {
                tracing::warn!("DB reloaded by DEBUG RELOAD");
                reply.ok();
            }
            Err(error) => {
                tracing::warn!("DEBUG RELOAD: {error}");
                reply.error("ERR Error trying to load the RDB dump, check server logs.");
            }
        }
    }

    /// `DEBUG LOADAOF`: reads the log into the place of all data. Meanwhile other clients are told that the data is being
    /// loaded.
    pub(super) fn reload_log(&self, asker: Asker<'_>, reply: &mut ReplyWriter<'_>) {
        self.do_later("reload", asker, reply, |node, reply| {
            node.data.begin_loading();
            let loaded = node.data.load_log();
            node.end_loading();
            match loaded {
                Ok(()) => {
                    tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
                    reply.ok();
                }
                Err(error) => {
                    tracing::warn!("DEBUG LOADAOF: {error}");
                    reply.error("ERR Error trying to load the AOF files, check server logs.");
                }
            }
        });
    }

    /// Begins or ends the log, as `appendonly` says. The text of an error is for the client.
    pub(super) fn set_log(&self, values: &Values) -> Result<(), String> {
        // Whoever loads asks again at the end.
        if self.data.is_loading() || values.switch("appendonly") == self.data.is_durable() {
            return Ok(());
        }
        self.replication.begin_anew(self);
        if values.switch("appendonly") {
            self.data.begin_log(values).map_err(|error| {
                tracing::warn!("The log cannot be begun: {error}");
                "Unable to turn on AOF. Check server logs.".to_owned()
            })?;
            self.set_compaction(values);
            self.set_durability(values);
            return Ok(());
        }
        self.scheduled.rewrite.store(false, Relaxed);
        if let Some(Ack::Replicas(_)) = values.write_ack() {
            // What is written between two journals no replica would get.
            self.data.begin_loading();
        }
        if let Err(error) = self.data.end_log() {
            tracing::warn!("The log was not ended in good order: {error}");
        }
        self.replication.end_log_waits();
        self.set_durability(values);
        self.data.end_loading();
        Ok(())
    }

    /// Takes over what replies wait for.
    pub(super) fn set_durability(&self, values: &Values) {
        if let Some(Ack::Replicas(_)) = values.write_ack() {
            // Where nobody has followed yet, whoever does must get what is written from here on.
            self.replication.begin_stream(self);
        }
        self.data.set_durability(values);
    }

    fn start_snapshot(&self) -> Result<(), SaveError> {
        let values = self.settings.values();
        self.data.saver().start_rdb(rdb_path(&values), rdb_options(&values))
    }

    /// Begins what is scheduled, or due by `save`.
    pub(super) fn save_what_is_due(&self) {
        let status = self.data.saver().status();
        if status.running.is_some() || self.data.is_loading() {
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
        if self.data.is_loading() {
            return Ok(());
        }
        if self.data.waits_for_base() && !mode.force {
            return Err("Writing initial AOF, can't exit.".to_owned());
        }
        let values = self.settings.values();
        let saver = self.data.saver();
        saver.cancel();
        saver.wait();
        let is_wanted = mode.save || !save_points(&values).is_empty();
        if mode.no_save || !is_wanted {
            return Ok(());
        }
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let saved = saver.save_rdb_first(&rdb_path(&values), rdb_options(&values));
        saved.inspect(|()| tracing::info!("DB saved on disk")).map_err(|error| error.to_string())
    }

    /// Takes over how the log is compacted.
    pub(super) fn set_compaction(&self, values: &Values) {
        let policy = CompactionPolicy {
            growth_percent: values.number("auto-aof-rewrite-percentage"),
            size_bytes_min: values.number("auto-aof-rewrite-min-size"),
        };
        self.data.set_compaction(policy, log_base(values));
    }
}

/// How bases of the log are written.
pub(crate) fn log_base(values: &Values) -> LogBase {
    match (values.choice("aof-base-format"), values.switch("aof-use-rdb-preamble")) {
        ("snapshot", _) => LogBase::Snapshot(WriteOptions::default()),
        ("rdb", _) | ("auto", true) => LogBase::Rdb(rdb_options(values)),
        _ => LogBase::Commands,
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
