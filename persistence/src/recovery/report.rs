//! What recovery found and did, as data and as one readable paragraph.

use keyslot_engine::Offset;
use std::fmt;
use std::path::PathBuf;

/// What opening a log found and did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecoveryReport {
    /// What the log stands on, if it stands on something.
    pub base: Option<BaseReport>,
    /// How many files were read, the base included.
    pub files: usize,
    /// Their size up to where they are sound.
    pub log_size_bytes: u64,
    /// How many batches were applied.
    pub batches: u64,
    /// How many commands those held.
    pub commands: u64,
    /// Where the journal goes on.
    pub end: Offset,
    /// The highest era of a batch.
    pub era: u64,
    /// Whether the log had been stopped in good order, or was new.
    pub clean: bool,
    /// Zeros at the end of the last file, written ahead by a process that was killed, and cut off.
    pub zeros_size_bytes: u64,
    /// What was cut off, if anything was, and what the base lacks. The last one is the newest.
    pub cuts: Vec<Cut>,
    /// Keys of a damaged base and commands of the log that did not fit what is left of the base.
    pub passed_over: u64,
    /// How many slots are loaded when they are first touched, or by and by: see [`StoreBuilder::instant`](crate::StoreBuilder::instant).
    pub cold_slots: usize,
    /// How long reading took, by the engine's clock; 0 if nobody measured it.
    pub elapsed_ms: u64,
}

/// The base that a log stands on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BaseReport {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// What it is.
    pub kind: BaseKind,
    /// Keys that it holds.
    pub keys: u64,
    /// Libraries of functions.
    pub libraries: u64,
}

/// What a base is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BaseKind {
    /// Commands, as in a log.
    #[default]
    Commands,
    /// An RDB, perhaps with commands behind it.
    Rdb {
        /// Its version.
        version: u32,
    },
    /// A snapshot of ours.
    Snapshot,
}

/// Bytes that were cut off a log file, or that a base lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// The first byte that was cut off.
    pub at: u64,
    /// How many bytes; 0 where damage costs nothing but itself.
    pub size_bytes: u64,
    /// What should have stood there, if the cut is where the damage is.
    pub expected: String,
    /// What stood there.
    pub found: String,
    /// Whether the log itself says that these bytes had been durable: then data that had been acknowledged is lost.
    pub loses_durable: bool,
    /// Where the bytes are kept.
    pub kept_in: Option<PathBuf>,
    /// Groups of the log that are intact in what was cut off, in its order; the first thousand of them.
    pub legible: Vec<Legible>,
}

/// A group of the log, line and bytes, that is intact though it stands behind a damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Legible {
    /// Where its commands begin in the file.
    pub at: u64,
    /// How many bytes they take.
    pub size_bytes: u64,
    /// The journal offset of the first of them.
    pub offset: Offset,
    /// How many commands.
    pub commands: u64,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.files == 0 {
            return write!(f, "new log");
        }
        if let Some(base) = &self.base {
            write!(f, "{base}; ")?;
        }
        write!(
            f,
            "log {} in {} ({}, {}), journal offset {}",
            Size(self.log_size_bytes),
            Count(self.files as u64, "file"),
            Count(self.batches, "batch"),
            Count(self.commands, "command"),
            self.end,
        )?;
        if let Some(rate) = self.commands.saturating_mul(1000).checked_div(self.elapsed_ms).filter(|rate| *rate > 0) {
            write!(f, " at {rate} commands/s")?;
        }
        if self.cold_slots > 0 {
            write!(f, ", {} to load when they are touched", Count(self.cold_slots as u64, "slot"))?;
        }
        f.write_str(if self.clean { ", stopped cleanly" } else { ", not stopped cleanly" })?;
        if self.zeros_size_bytes > 0 {
            write!(f, "; {} of unused space cut off", Size(self.zeros_size_bytes))?;
        }
        for cut in &self.cuts {
            write!(f, "; {cut}")?;
        }
        if self.passed_over > 0 {
            write!(f, "; {} passed over that did not fit what is left", Count(self.passed_over, "command"))?;
        }
        Ok(())
    }
}

impl fmt::Display for BaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().and_then(|n| n.to_str()).unwrap_or("?");
        write!(f, "base {name}, {}", Size(self.size_bytes))?;
        match self.kind {
            BaseKind::Rdb { version } => write!(f, ", RDB version {version}, {}", Count(self.keys, "key"))?,
            BaseKind::Snapshot => write!(f, ", snapshot, {}", Count(self.keys, "key"))?,
            BaseKind::Commands => f.write_str(" of commands")?,
        }
        if self.libraries > 0 {
            write!(f, ", {}", Count(self.libraries, "function library"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.loses_durable { "damaged" } else { "torn" };
        let name = self.path.file_name().and_then(|n| n.to_str()).unwrap_or("?");
        match self.size_bytes {
            0 => write!(f, "damage at {name}:{}", self.at)?,
            size => write!(f, "{size} {kind} bytes cut at {name}:{}", self.at)?,
        }
        write!(f, " (expected {}, found {})", self.expected, self.found)?;
        if let Some(kept) = &self.kept_in {
            write!(f, ", kept in {}", kept.display())?;
        }
        if let (Some(first), Some(last)) = (self.legible.first(), self.legible.last()) {
            let commands = self.legible.iter().map(|group| group.commands).sum();
            let (groups, commands) = (Count(self.legible.len() as u64, "group"), Count(commands, "command"));
            let (from, to) = (first.offset, Offset(last.offset.0 + last.size_bytes));
            write!(f, ", legible in it {groups} of {commands}, journal offsets {from} to {to}")?;
        }
        f.write_str(if self.loses_durable {
            ": acknowledged data is lost"
        } else {
            ": normal after a crash, nothing that was confirmed as durable is lost"
        })
    }
}

struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = match self.1 {
            _ if self.0 == 1 => "",
            word if word.ends_with("ch") => "es",
            word if word.ends_with('y') && !word.ends_with("ey") => "ies",
            _ => "s",
        };
        let stem = if plural == "ies" { self.1.trim_end_matches('y') } else { self.1 };
        write!(f, "{} {stem}{plural}", self.0)
    }
}

/// A size as people say it.
pub(crate) struct Size(pub(crate) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        for (unit, shift) in units {
            if self.0 >= 1 << shift {
                return write!(f, "{:.1} {unit}", self.0 as f64 / (1u64 << shift) as f64);
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_sentence() {
        assert_eq!(RecoveryReport::default().to_string(), "new log");
        let report = RecoveryReport {
            files: 2,
            log_size_bytes: 92_274_688,
            batches: 1,
            commands: 12,
            end: Offset(77),
            cuts: vec![Cut {
                path: "d/appendonly.aof.2.incr.aof".into(),
                at: 88_213_441,
                size_bytes: 41,
                expected: "a group of 64 bytes".into(),
                found: "20 bytes up to the end of the file".into(),
                loses_durable: false,
                kept_in: Some("d/quarantine-x".into()),
                legible: vec![Legible { at: 88_213_600, size_bytes: 30, offset: Offset(141), commands: 1 }],
            }],
            ..RecoveryReport::default()
        };
        assert_eq!(
            report.to_string(),
            "log 88.0 MiB in 2 files (1 batch, 12 commands), journal offset 77, not stopped cleanly; 41 torn bytes cut at \
             appendonly.aof.2.incr.aof:88213441 (expected a group of 64 bytes, found 20 bytes up to the end of the file), \
             kept in d/quarantine-x, legible in it 1 group of 1 command, journal offsets 141 to 171: normal after a crash, nothing that was confirmed as durable is lost"
        );
    }
}
