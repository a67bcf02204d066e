//! How far opening got, for people who wait.

use crate::recovery::Size;
use std::fmt;

/// How far opening got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Log bytes read.
    pub done_bytes: u64,
    /// Log bytes to read.
    pub total_bytes: u64,
    /// Since the beginning.
    pub elapsed_ms: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.done_bytes.saturating_mul(100).checked_div(self.total_bytes).unwrap_or(100);
        write!(f, "loading log {percent}% of {}", Size(self.total_bytes))?;
        if let Some(rate) = self.done_bytes.saturating_mul(1000).checked_div(self.elapsed_ms).filter(|rate| *rate > 0) {
            let left_s = self.total_bytes.saturating_sub(self.done_bytes).div_ceil(rate);
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
        assert_eq!(half.to_string(), "loading log 50% of 2.0 GiB 1.0 GiB/s eta 1 s");
        let nothing = Progress { done_bytes: 0, total_bytes: 0, elapsed_ms: 0 };
        assert_eq!(nothing.to_string(), "loading log 100% of 0 B");
    }
}
