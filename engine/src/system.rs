//! The only file of this crate that asks the operating system for time or chance: defaults for embedders who give none.

use crate::time::{Clock, UnixMillis};
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    if getrandom::fill(&mut secret).is_err() {
        // A system that gives none: what seeds its hash maps is the best there is.
        secret.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random_seed().to_le_bytes()));
    }
    secret
}

/// A seed that differs from process to process.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}
