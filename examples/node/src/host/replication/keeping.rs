//! The history of the data over a restart: kept beside the log by a stop in good order, and in every RDB of a node that has replicas
//! or a primary.
//!
//! ```text
//! appendonlydir/keyslot.history   written behind the end of the log, removed before the log is gone on with
//! dump.rdb                        its notes: repl-id, repl-offset, repl-stream-db, as Redis writes and reads them
//! ```
//!
//! A node that leads takes a new name, as Redis does, and answers to the old one up to there: a copy of the files may go on elsewhere,
//! or the node may have gone on after an RDB was written. A node that follows asks its primary for what comes behind.

use super::{State, fresh_id};
use crate::data::log_names;
use crate::host::Node;
use crate::settings::Values;
use keyslot::engine::{EffectSink, View};
use keyslot::persistence::Journal;
use keyslot::replication::link::ReplicaState;
use keyslot::replication::node::KeptHistory;
use parking_lot::MutexGuard;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

impl Node {
    /// Goes on with the history that the data is a part of, once the data is loaded and before anybody is served.
    pub(in crate::host) fn resume_history(&self) {
        let values = self.settings.values();
        let follows = super::target_of(values.words("replicaof")).is_some() && self.cluster.is_none();
        if let Some(journal) = self.data.log_journal() {
            let kept = take_kept(&values);
            let kept = kept.filter(|kept| self.data.was_stopped_cleanly() && kept.offset == journal.end());
            if let Some(kept) = kept {
                journal.note_selected(kept.selected);
                drop(self.take_up(&kept, follows));
            }
        } else if let Some(kept) = KeptHistory::of_notes(&self.data.take_notes()) {
            let mut state = self.take_up(&kept, follows);
            let journal = state.stream(self).journal().clone();
            journal.restart_at(kept.offset, kept.selected);
        }
    }

    fn take_up(&self, kept: &KeptHistory, follows: bool) -> MutexGuard<'_, State> {
        let mut history = kept.history;
        if !follows {
            history.shift(fresh_id(), kept.offset);
        }
        tracing::info!("The data is history {} up to {}.", kept.history.id(), kept.offset);
        let mut state = self.replication.state.lock();
        (state.history, state.is_kept) = (history, true);
        state
    }

    /// Keeps the history of a log that was stopped in good order. `journal` is the log's.
    pub(in crate::host) fn keep_history(&self, journal: &Journal) -> io::Result<()> {
        let state = self.replication.state.lock();
        if state.stream.as_ref().is_some_and(|stream| !stream.is_known()) {
            return Ok(());
        }
        let kept = KeptHistory { history: state.history(), offset: journal.end(), selected: journal.selected() };
        let values = self.settings.values();
        let (path, folder) = (kept_path(&values), log_names(&values).dir);
        let temporary = path.with_extension("temp");
        let mut file = File::create(&temporary)?;
        file.write_all(kept.encode().as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    }

    /// Notes for an RDB of this view: which part of which history it is, if the stream ends where the view does.
    pub(in crate::host) fn history_notes(&self, view: &View) -> Vec<(String, String)> {
        let state = self.replication.state.lock();
        let Some(stream) = state.stream.as_ref().filter(|stream| stream.is_known()) else { return Vec::new() };
        let journal = stream.journal();
        let selected = journal.selected();
        match journal.end() == view.offset() {
            true => KeptHistory { history: stream.history(), offset: view.offset(), selected }.notes(),
            false => Vec::new(),
        }
    }

    /// Before the node stops: holds writes, and waits until its replicas have everything, for `shutdown-timeout` at most.
    pub(in crate::host) fn settle_replicas(&self) {
        self.replication.is_stopping.store(true, Relaxed);
        self.engine.hold_writes();
        let limit = Duration::from_secs(self.settings.values().number("shutdown-timeout"));
        let began = Instant::now();
        {
            let state = self.replication.state.lock();
            if state.lagging() > 0
                && let Some(stream) = &state.stream
            {
                stream.primary().ask_acks();
            }
        }
        loop {
            let lagging = self.replication.state.lock().lagging();
            if lagging == 0 {
                return;
            }
            if began.elapsed() >= limit {
                return tracing::warn!("{lagging} replicas have not everything when this node stops.");
            }
            std::thread::sleep(SETTLE_INTERVAL);
        }
    }

    /// The node does not stop.
    pub(in crate::host) fn unsettle(&self) {
        self.replication.is_stopping.store(false, Relaxed);
        self.engine.release_writes();
    }
}

impl State {
    /// How many replicas follow the stream and have not all of it.
    fn lagging(&self) -> usize {
        let Some(stream) = self.stream.as_ref().filter(|_| self.upstream.is_none()) else { return 0 };
        let end = stream.journal().end();
        let lags = stream.primary().replicas().filter(|it| it.state == ReplicaState::Stream && it.acked < end);
        lags.count()
    }
}

/// Takes what is kept: whoever is killed from here on finds nothing. `None`, too, if it cannot be removed.
fn take_kept(values: &Values) -> Option<KeptHistory> {
    let path = kept_path(values);
    let text = fs::read_to_string(&path).ok()?;
    let removed = fs::remove_file(&path).and_then(|()| File::open(log_names(values).dir)?.sync_all());
    if let Err(error) = removed {
        tracing::warn!("{} cannot be removed, and is not used: {error}", path.display());
        return None;
    }
    KeptHistory::decode(&text)
}

fn kept_path(values: &Values) -> PathBuf {
    PathBuf::from(log_names(values).dir).join("keyslot.history")
}

const SETTLE_INTERVAL: Duration = Duration::from_millis(5);
