//! Points in time, as arguments. Nothing here reads a clock: see [`crate::system`] for the only default.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z, as Redis stores expiry times.
///
/// Signed, because a client may ask for an expiry before the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole seconds, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved by `ms` milliseconds, held at the ends of the range.
    #[must_use]
    pub fn saturating_add(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Debug for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Where a host gets the time from. One implementation is the system's ([`crate::system::SystemClock`]), one is
/// [`ManualClock`]; a simulation brings its own.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time. Used for expiry; may jump.
    fn now(&self) -> UnixMillis;
    /// Nanoseconds of a clock that never goes back. Used for durations only.
    fn monotonic_ns(&self) -> u64;
}

/// A clock that stands still until it is told to move. Clones share one time.
///
/// ```
/// use keyslot_engine::{Clock, ManualClock, UnixMillis};
/// let clock = ManualClock::at(UnixMillis(1_000));
/// clock.advance(std::time::Duration::from_secs(2));
/// assert_eq!(clock.now(), UnixMillis(3_000));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    now_ms: std::sync::Arc<std::sync::atomic::AtomicI64>,
    start_ms: i64,
}

impl ManualClock {
    /// A clock that shows `start` until it is advanced.
    pub fn at(start: UnixMillis) -> Self {
        Self { now_ms: std::sync::Arc::new(start.0.into()), start_ms: start.0 }
    }

    /// Moves the time forward by `by`, rounded down to milliseconds.
    pub fn advance(&self, by: std::time::Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.fetch_add(ms, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.now_ms.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.now().0 - self.start_ms).unwrap_or(0).saturating_mul(1_000_000)
    }
}
