//! How far opening got, for people who wait.

use crate::recovery::Size;
use std::fmt;

/// How far opening got.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes read.
    pub done_bytes: u64,
    /// Bytes to read.
    pub total_bytes: u64,
    /// Since the beginning.
    pub elapsed_ms: u64,
}

impl Progress {
    /// How many percent are read, rounded down.
    pub fn percent(&self) -> u64 {
        self.done_bytes.saturating_mul(100).checked_div(self.total_bytes).unwrap_or(100)
    }

    /// Bytes per second so far; `None` while there is nothing to tell it from.
    pub fn rate_bytes_per_second(&self) -> Option<u64> {
        self.done_bytes.saturating_mul(1000).checked_div(self.elapsed_ms).filter(|rate| *rate > 0)
    }

    /// Seconds until all is read if it goes on like this, rounded up.
    pub fn eta_seconds(&self) -> Option<u64> {
        Some(self.total_bytes.saturating_sub(self.done_bytes).div_ceil(self.rate_bytes_per_second()?))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loading {}% of {}", self.percent(), Size(self.total_bytes))?;
        if let (Some(rate), Some(left_s)) = (self.rate_bytes_per_second(), self.eta_seconds()) {
            write!(f, " {}/s eta {left_s} s", Size(rate))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_names_rate_and_end() {
        let half = Progress { done_bytes: 1 << 30, total_bytes: 2 << 30, elapsed_ms: 1000 };
        assert_eq!(half.to_string(), "loading 50% of 2.0 GiB 1.0 GiB/s eta 1 s");
        let nothing = Progress::default();
        assert_eq!(nothing.to_string(), "loading 100% of 0 B");
        assert_eq!((nothing.rate_bytes_per_second(), nothing.eta_seconds()), (None, None));
    }
}
