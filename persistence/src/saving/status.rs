//! What is known of saves: the one that runs, and those before.

use super::error::SaveError;
use super::kind::SaveKind;

/// How saving goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavingStatus {
    /// What is being written now.
    pub running: Option<RunningSave>,
    /// Files of the data.
    pub snapshots: PastSaves,
    /// New bases of the log.
    pub rewrites: PastSaves,
    /// Changes that the newest file of the data does not hold.
    pub unsaved_changes: u64,
}

impl SavingStatus {
    /// Whether the newest new base of the log failed a short while ago, or something is being written.
    pub(crate) fn rests(&self, now_ms: i64) -> bool {
        self.running.is_some() || self.rewrites.failed_lately(now_ms)
    }
}

/// A save that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunningSave {
    /// What it writes.
    pub kind: SaveKind,
    /// When it began, Unix milliseconds.
    pub began_ms: i64,
    /// Keys written so far.
    pub keys_done: u64,
    /// Keys to write; 0 before that is known.
    pub keys_total: u64,
}

/// Saves of one kind that ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PastSaves {
    /// How many failed since the last that succeeded.
    pub failures_in_a_row: u64,
    /// How many succeeded.
    pub count: u64,
    /// When the newest success ended, or when the saver was made, Unix milliseconds.
    pub last_success_ms: i64,
    /// When the newest try ended, whatever came of it.
    pub last_try_ms: Option<i64>,
    /// How long the newest took.
    pub last_duration_ms: Option<u64>,
    /// Why the newest failed; `None` if it succeeded or there was none. One that was cancelled does not count.
    pub last_error: Option<String>,
}

impl PastSaves {
    /// Whether the newest failed and another try should wait: for five seconds, as in Redis.
    pub(super) fn failed_lately(&self, now_ms: i64) -> bool {
        self.last_error.is_some() && self.last_try_ms.is_some_and(|tried| now_ms - tried < RETRY_PAUSE_MS)
    }

    pub(super) fn note(&mut self, now_ms: i64, began_ms: i64, outcome: Result<(), &SaveError>) {
        match outcome {
            Err(SaveError::Cancelled) => return,
            Err(error) => {
                self.last_error = Some(error.to_string());
                self.failures_in_a_row += 1;
            }
            Ok(()) => {
                self.failures_in_a_row = 0;
                self.last_error = None;
                self.last_success_ms = now_ms;
                self.count += 1;
            }
        }
        self.last_try_ms = Some(now_ms);
        self.last_duration_ms = Some(u64::try_from(now_ms - began_ms).unwrap_or(0));
    }
}

const RETRY_PAUSE_MS: i64 = 5_000;
