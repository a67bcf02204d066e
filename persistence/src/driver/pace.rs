//! Keeping to a rate, and measuring one.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Bytes per second, kept by waiting.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    rate: Option<NonZeroU64>,
    /// When the bytes counted so far are allowed to be done.
    due: Instant,
}

impl Pace {
    /// Starts now. Without a rate nothing ever waits.
    pub(crate) fn start(rate_bytes_per_second: Option<NonZeroU64>) -> Self {
        let start = Instant::now();
        Self { start, rate: rate_bytes_per_second, due: start }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Counts bytes as done and waits until they may be, or until `stop` says so. Time that was lost is made up for at
    /// most a tenth of a second.
    pub(crate) fn spend(&mut self, bytes: u64, stop: impl Fn() -> bool) {
        let Some(rate) = self.rate else { return };
        let earliest = Instant::now().checked_sub(CATCH_UP_MAX).unwrap_or(self.start);
        self.due = self.due.max(earliest) + Duration::from_secs_f64(bytes as f64 / rate.get() as f64);
        loop {
            let left = self.due.saturating_duration_since(Instant::now());
            if left.is_zero() || stop() {
                return;
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

const CATCH_UP_MAX: Duration = Duration::from_millis(100);
/// So soon a wish to stop is heard.
const NAP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_their_time_unless_stopped() {
        let mut pace = Pace::start(NonZeroU64::new(1_000_000));
        pace.spend(30_000, || false);
        assert!(pace.elapsed() >= Duration::from_millis(29));
        pace.spend(u64::MAX / 2, || true);
        Pace::start(None).spend(u64::MAX, || false);
    }
}
