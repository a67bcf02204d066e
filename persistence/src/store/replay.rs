//! Reading a log into an engine, on several threads where that is worth it.

use crate::driver::crew::with_crew;
use crate::error::OpenError;
use crate::log::LogPlace;
use crate::progress::Progress;
use crate::recovery::{Dispatcher, Inspection, Lanes, Listing, Sorted, Sorter, inspect};
use crate::snapshot::Tolerance;
use crate::storage::Storage;
use keyslot_engine::Engine;

/// What is read, and on how many threads besides the one that reads.
pub(super) struct ReplayPlan<'p> {
    pub(super) storage: &'p dyn Storage,
    pub(super) place: &'p LogPlace,
    pub(super) threads: usize,
    /// Whether the log is sorted by slots, as far as that is possible, and applied later.
    pub(super) is_instant: bool,
    /// What is done about a base that is damaged.
    pub(super) tolerance: Tolerance,
}

/// Applies a log to an engine that serves nobody, or sorts it. The files are left as they are. `told` hears how far it got.
pub(super) fn replay(
    engine: &Engine,
    plan: &ReplayPlan<'_>,
    mut told: Option<&mut (dyn FnMut(&Progress) + 'static)>,
) -> Result<(Inspection, Option<Sorted>), OpenError> {
    let start_ms = engine.now().0;
    let mut told_bytes = 0;
    let mut watch = |done_bytes: u64, total_bytes: u64| {
        let is_due = done_bytes >= told_bytes + PROGRESS_STEP_BYTES || done_bytes == total_bytes;
        if let (Some(told), true) = (&mut told, is_due) {
            told_bytes = done_bytes;
            let elapsed_ms = u64::try_from(engine.now().0 - start_ms).unwrap_or(0);
            told(&Progress { done_bytes, total_bytes, elapsed_ms });
        }
    };
    let listing = Listing::read(plan.storage, plan.place)?;
    let is_worth_threads = listing.size_bytes() >= THREADS_SIZE_BYTES_MIN && plan.threads > 1;
    let threads = if is_worth_threads { plan.threads } else { 0 };
    let lanes = Lanes::new(threads);
    let work = |number| lanes.work(number, engine);
    with_crew(threads, work, |running| {
        let _closing = lanes.closing();
        let mut dispatcher = Dispatcher::new(engine, &lanes, running).tolerating(plan.tolerance);
        if !plan.is_instant {
            return Ok((inspect(plan.storage, listing, &mut dispatcher, &mut watch)?, None));
        }
        let mut sorter = Sorter::new(engine, dispatcher);
        let inspection = inspect(plan.storage, listing, &mut sorter, &mut watch)?;
        Ok((inspection, sorter.into_sorted()))
    })
}

/// A smaller log is replayed before threads are started.
const THREADS_SIZE_BYTES_MIN: u64 = 1 << 20;
const PROGRESS_STEP_BYTES: u64 = 4 << 20;
