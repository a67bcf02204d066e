//! When to save by itself: Redis's `save <seconds> <changes>`.

use super::SavingStatus;

/// Save after so many seconds if there were so many changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    /// Seconds since the newest file.
    pub seconds: u64,
    /// Changes since then.
    pub changes: u64,
}

impl SavePoint {
    /// Whether it is time for one of `points`. After a failure there is a pause of five seconds, as in Redis.
    pub fn is_due(points: &[Self], status: &SavingStatus, now_ms: i64) -> bool {
        let past = &status.snapshots;
        let elapsed_ms = now_ms - past.last_success_ms;
        let is_reached = |point: &Self| {
            let wait_ms = i64::try_from(point.seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
            status.unsaved_changes >= point.changes && elapsed_ms > wait_ms
        };
        status.running.is_none() && !past.failed_lately(now_ms) && points.iter().any(is_reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saving::{PastSaves, RunningSave, SaveKind};

    #[test]
    fn a_point_needs_its_time_and_its_changes() {
        let points = [SavePoint { seconds: 3600, changes: 1 }, SavePoint { seconds: 60, changes: 100 }];
        let mut status = SavingStatus {
            running: None,
            snapshots: PastSaves { last_success_ms: 1_000, ..PastSaves::default() },
            rewrites: PastSaves::default(),
            unsaved_changes: 99,
        };
        assert!(!SavePoint::is_due(&points, &status, 1_000 + 61_000));
        assert!(SavePoint::is_due(&points, &status, 1_000 + 3_601_000));
        status.unsaved_changes = 100;
        assert!(SavePoint::is_due(&points, &status, 1_000 + 61_000));
        assert!(!SavePoint::is_due(&[], &status, i64::MAX / 2));
        status.snapshots.last_error = Some("no space".into());
        status.snapshots.last_try_ms = Some(60_000);
        assert!(!SavePoint::is_due(&points, &status, 1_000 + 61_000));
        assert!(SavePoint::is_due(&points, &status, 65_000));
        status.running = Some(RunningSave { kind: SaveKind::Snapshot, began_ms: 0, keys_done: 0, keys_total: 0 });
        assert!(!SavePoint::is_due(&points, &status, 65_000));
    }
}
