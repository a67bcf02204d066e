//! A line that tells a person how far a long job got.

use std::io::{IsTerminal, Write as _};

/// See the module. Nothing is shown where nobody looks.
pub(crate) struct Bar {
    is_seen: bool,
    shown: u64,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self { is_seen: std::io::stderr().is_terminal(), shown: u64::MAX }
    }

    pub(crate) fn show(&mut self, done: u64, total: u64) {
        let percent = (done.saturating_mul(100)).checked_div(total).unwrap_or(100);
        if self.is_seen && percent != self.shown {
            self.shown = percent;
            let filled = (percent / 4) as usize;
            // Nobody is lost if it cannot be shown.
            let _ =
                write!(std::io::stderr(), "\r[{}{}] {percent}%", "#".repeat(filled), " ".repeat(25 - filled.min(25)));
        }
    }

    pub(crate) fn end(&self) {
        if self.is_seen && self.shown != u64::MAX {
            let _ = writeln!(std::io::stderr());
        }
    }
}
