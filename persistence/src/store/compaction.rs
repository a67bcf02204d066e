//! Compaction: a new base in the place of the log's older files, by hand or when the log has grown.
//!
//! The base is a snapshot; or an RDB or commands, so that `redis-server` boots from the directory, too. It is written from a view on a thread of its own,
//! while the log goes on; how files change places is drawn in [`rebase`](super::rebase).

use super::rebase::rebase;
use crate::journal::Journal;
use crate::log::{GoesOn, LogFiles};
use crate::saving::{LogBase, SaveError, SaveKind, SaveProgress, Saver, whole_view};
use keyslot_engine::Engine;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// When the log is compacted without anybody asking (Redis: `auto-aof-rewrite-percentage`, `auto-aof-rewrite-min-size`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompactionPolicy {
    /// When it has grown by so many percent since the last time, or since the store was opened; 0 for never.
    pub growth_percent: u64,
    /// And is larger than this.
    pub size_bytes_min: u64,
}

impl Default for CompactionPolicy {
    /// As Redis: when it has doubled, and is larger than 64 MiB.
    fn default() -> Self {
        Self { growth_percent: 100, size_bytes_min: 64 << 20 }
    }
}

impl CompactionPolicy {
    /// Whether a log of `size` bytes that had `base` bytes after the last compaction is to be compacted.
    pub fn is_due(&self, size: u64, base: u64) -> bool {
        let growth = u128::from(size.saturating_sub(base)) * 100;
        self.growth_percent > 0
            && size > self.size_bytes_min
            && growth >= u128::from(self.growth_percent) * u128::from(base.max(1))
    }
}

/// Compacts the log of one store. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Compactor {
    saver: Saver,
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    journal: Arc<Journal>,
    files: Arc<LogFiles>,
    settings: Mutex<(CompactionPolicy, LogBase)>,
    /// The log's size after the last compaction, or at opening.
    base_size_bytes: AtomicU64,
}

impl Compactor {
    pub(super) fn new(saver: Saver, engine: Engine, journal: Arc<Journal>, files: Arc<LogFiles>) -> Self {
        let base_size_bytes = AtomicU64::new(journal.log_size_bytes());
        let settings = Mutex::new((CompactionPolicy::default(), LogBase::default()));
        Self { saver, shared: Arc::new(Shared { engine, journal, files, settings, base_size_bytes }) }
    }

    pub(super) fn set_policy(&self, policy: CompactionPolicy) {
        self.shared.settings.lock().0 = policy;
    }

    pub(super) fn set_base(&self, base: LogBase) {
        self.shared.settings.lock().1 = base;
    }

    #[cfg(test)]
    pub(super) fn files(&self) -> &LogFiles {
        &self.shared.files
    }

    pub(super) fn base_size_bytes(&self) -> u64 {
        self.shared.base_size_bytes.load(Ordering::Relaxed)
    }

    /// Compacts the log and waits for it. `step` is that of [`rebase`].
    pub(super) fn run(&self, step: impl FnOnce() -> bool) -> Result<(), SaveError> {
        self.saver.run(SaveKind::Rewrite, |progress| self.shared.compact(step, progress))
    }

    /// Begins to compact the log on a thread of its own.
    pub(super) fn start(&self) -> Result<(), SaveError> {
        let shared = self.shared.clone();
        self.saver.start(SaveKind::Rewrite, move |progress| shared.compact(|| false, progress))
    }

    /// Whether the log was begun for an engine full of data and waits for its first base.
    pub(super) fn has_no_base(&self) -> bool {
        self.shared.files.is_aside()
    }

    /// Begins to compact the log if it has grown enough, or has no base yet. Says whether to look again though nothing
    /// happens.
    pub(super) fn look(&self) -> bool {
        let policy = self.shared.settings.lock().0;
        let rests = || self.saver.status().rests(self.shared.engine.now().0);
        let has_no_base = self.has_no_base();
        let is_due = has_no_base || policy.is_due(self.shared.journal.log_size_bytes(), self.base_size_bytes());
        if is_due && !rests() {
            tracing::info!(
                "the log {}",
                if has_no_base { "gets its first base" } else { "has grown: it is compacted" }
            );
            if let Err(error) = self.start() {
                tracing::warn!(%error, "the log was not compacted");
            }
        }
        has_no_base
    }
}

impl Shared {
    fn compact(&self, step: impl FnOnce() -> bool, progress: &SaveProgress) -> Result<(), SaveError> {
        let base = self.settings.lock().1.clone();
        let take_view = || {
            let view = whole_view(&self.engine)?;
            let goes_on = GoesOn { offset: view.offset().0, era: view.era() };
            Ok((view, goes_on))
        };
        rebase(&self.files, &self.journal, step, base.kind(), take_view, |view, _, storage, path| {
            base.write(view, storage, path, progress)
        })?;
        self.base_size_bytes.store(self.files.older_size_bytes(), Ordering::Relaxed);
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compactor").field("files", &self.files).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_due_when_it_has_grown_and_is_large() {
        let policy = CompactionPolicy { growth_percent: 100, size_bytes_min: 1000 };
        for (size, base, due) in
            [(999, 0, false), (1001, 0, true), (1999, 1000, false), (2000, 1000, true), (u64::MAX, u64::MAX, false)]
        {
            assert_eq!(policy.is_due(size, base), due, "{size} {base}");
        }
        assert!(!CompactionPolicy { growth_percent: 0, ..policy }.is_due(u64::MAX, 0));
    }
}
