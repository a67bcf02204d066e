//! The guard of the last copy: a primary that came up empty does not give its emptiness to replicas that have data. What is decided is
//! decided by [`EmptyPrimary`].
//!
//! That it had replicas a node knows by a file in its folder, written when the first one is served: `keyslot.replicated`.

use super::State;
use crate::host::Node;
use keyslot::engine::{DATABASE_COUNT, EffectSink, Offset};
use keyslot::replication::link::SyncRequest;
use keyslot::replication::node::{EMPTY_PRIMARY_TEXT, EmptyPrimary, StartedWith};
use std::sync::atomic::Ordering::Relaxed;

impl Node {
    /// Finds out what the node started with, once the data is loaded.
    pub(in crate::host) fn note_start(&self) {
        let had_replicas = std::fs::exists(MARK).unwrap_or(false);
        self.replication.is_marked.store(had_replicas, Relaxed);
        let mut state = self.replication.state.lock();
        let journal = self.data.log_journal();
        let has_log = journal.is_some_and(|journal| journal.end() > Offset(0));
        let view = self.engine.view();
        let has_keys = (0..DATABASE_COUNT).any(|db| view.sizes(db).keys > 0);
        state.started = match (state.is_kept || has_log || has_keys, had_replicas) {
            (true, _) => StartedWith::Data,
            (false, true) => StartedWith::Loss,
            (false, false) => StartedWith::Nothing,
        };
        drop(state);
        self.note_whole(has_log);
    }

    /// Whether a replica is told to come again, as it has data and this node may have lost its own. What it is told.
    pub(super) fn refuse_replica(&self, state: &State, request: SyncRequest) -> Option<&'static str> {
        let guard = self.empty_primary();
        if state.upstream.is_some() || !guard.refuses(state.started, request, &state.history()) {
            return None;
        }
        tracing::warn!(
            "A replica that has data is refused: this node started without any. If it is to be emptied, CONFIG SET \
             empty-primary-guard no; if it is to lead, REPLICAOF NO ONE there."
        );
        Some(EMPTY_PRIMARY_TEXT)
    }

    /// Notes in the folder that there are replicas.
    pub(super) fn mark_replicated(&self) {
        if !self.replication.is_marked.swap(true, Relaxed)
            && let Err(error) = std::fs::write(MARK, MARK_TEXT)
        {
            tracing::warn!("{MARK} cannot be written, a loss of the data will not be noticed: {error}");
        }
    }

    /// For INFO: whether replicas with data are refused.
    pub(super) fn is_guarding(&self, state: &State) -> bool {
        let guards = match self.empty_primary() {
            EmptyPrimary::Serves => false,
            EmptyPrimary::Refuses => state.started != StartedWith::Data,
            EmptyPrimary::RefusesIfBereft => state.started == StartedWith::Loss,
        };
        guards && state.upstream.is_none()
    }

    fn empty_primary(&self) -> EmptyPrimary {
        match self.settings.values().choice("empty-primary-guard") {
            "yes" => EmptyPrimary::Refuses,
            "no" => EmptyPrimary::Serves,
            _ => EmptyPrimary::RefusesIfBereft,
        }
    }
}

const MARK: &str = "keyslot.replicated";
const MARK_TEXT: &str =
    "This node had replicas. If it starts without data, it does not empty them: see empty-primary-guard.\n";
