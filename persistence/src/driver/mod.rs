//! Moves the journal to the log: what is appended is written, what is written is fsynced, who waits is woken.
//!
//! [`Driver::step`] does one round of work and says when to call it next; it knows no thread and no clock, so a test or
//! a simulation can be the driver's thread. [`DriverThread`] is the thread of an embedded store; `job`, `crew` and `staff` start those that
//! write and load files.
//!
//! ```text
//!                  unwritten bytes?                      unsynced bytes?
//!   write now if:  somebody waits for them,              sync now if:  somebody waits for Durable,
//!                  or they are many,                                   or the policy is Always,
//!                  or the oldest are 10 ms old                         or EverySecond and the oldest are 1 s old
//! ```
//!
//! Invariants
//! - `durable` is raised only after a sync that began after the bytes were written.
//! - After a failure the log is never touched again.
//! - Before `step` says [`Next::Idle`] it has made sure that the next append wakes the driver.

pub(crate) mod crew;

mod job;
pub(crate) mod pace;
pub(crate) mod staff;
mod thread;

pub(crate) use job::spawn;
pub(crate) use thread::DriverThread;

use crate::journal::tail::Taken;
use crate::journal::{Fsync, Journal};
use crate::log::{FirstLine, Group, LogFiles, LogWriter};
use crate::storage::FileError;
use keyslot_engine::EffectSink;
use std::sync::Arc;

/// Writes and fsyncs the log of one journal.
#[derive(Debug)]
pub(crate) struct Driver {
    journal: Arc<Journal>,
    log: LogWriter,
    taken: Taken,
    /// When the oldest unwritten bytes were first seen.
    unwritten_since_ns: Option<u64>,
    /// When the oldest unsynced bytes were first seen.
    unsynced_since_ns: Option<u64>,
    /// Until when to look again without being woken.
    linger_until_ns: u64,
    /// Era and time of the newest group.
    newest: FirstLine,
}

/// When to call [`Driver::step`] again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// At this time, or when the driver is woken. It may be in the past.
    At(u64),
    /// When the driver is woken.
    Idle,
}

impl Driver {
    pub(crate) fn new(journal: Arc<Journal>, log: LogWriter, newest: FirstLine) -> Self {
        journal.set_written(journal.end().0, log.size_bytes());
        Self {
            journal,
            log,
            taken: Taken::default(),
            unwritten_since_ns: None,
            unsynced_since_ns: None,
            linger_until_ns: 0,
            newest,
        }
    }

    pub(crate) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    pub(crate) fn files(&self) -> &Arc<LogFiles> {
        self.log.files()
    }

    /// Does what is due at `now_ns` (any clock that does not go back) and says when there is more.
    pub(crate) fn step(&mut self, now_ns: u64) -> Next {
        self.journal.step_begins();
        if self.journal.has_failed() {
            return Next::Idle;
        }
        match self.advance(now_ns) {
            Ok(next) => next,
            Err(error) => {
                self.journal.fail(&error);
                self.log.files().wake(true);
                Next::Idle
            }
        }
    }

    /// Writes what is there and begins the file that somebody asks for, whatever the time.
    pub(crate) fn catch_up(&mut self) {
        if self.journal.has_failed() {
            return;
        }
        if let Err(error) = self.write(0).and_then(|()| self.begin_if_asked()) {
            self.journal.fail(&error);
            self.log.files().wake(true);
        }
    }

    /// Writes and fsyncs everything, says so in the log, and takes no more writes.
    pub(crate) fn stop(&mut self) -> Result<(), FileError> {
        if self.journal.has_failed() {
            return Ok(());
        }
        let stopped = self.finish();
        self.log.files().wake(true);
        match &stopped {
            Ok(()) => self.journal.close(),
            Err(error) => self.journal.fail(error),
        }
        stopped
    }

    fn finish(&mut self) -> Result<(), FileError> {
        self.write(0)?;
        self.sync()?;
        self.newest.offset = self.journal.durable().0;
        self.log.stop(self.newest)
    }

    fn advance(&mut self, now_ns: u64) -> Result<Next, FileError> {
        let options = *self.journal.options();
        let write_interval_ns = options.write_interval_ms * 1_000_000;
        let (logged_wanted, durable_wanted) = self.journal.wanted();
        let (written, end) = (self.journal.written().0, self.journal.end().0);
        if end > written {
            let since_ns = *self.unwritten_since_ns.get_or_insert(now_ns);
            let due = logged_wanted.max(durable_wanted) > written
                || self.log.files().start_asked().is_some()
                || end - written > options.write_early_size_bytes
                || now_ns >= since_ns + write_interval_ns;
            if due {
                self.write(since_ns)?;
                self.linger_until_ns = now_ns + LINGER_NS;
            }
        }
        let (written, durable) = (self.journal.written().0, self.journal.durable().0);
        let policy = self.journal.fsync();
        if written > durable {
            let since_ns = *self.unsynced_since_ns.get_or_insert(now_ns);
            let age_ns = now_ns.saturating_sub(since_ns);
            let due = durable_wanted > durable
                || policy == Fsync::Always
                || (policy == Fsync::EverySecond && age_ns >= SECOND_NS);
            if due {
                if age_ns >= 2 * SECOND_NS && policy == Fsync::EverySecond {
                    self.journal.count_delayed_fsync();
                }
                self.sync()?;
            }
        }
        self.begin_if_asked()?;
        Ok(self.next(now_ns, write_interval_ns))
    }

    /// Begins a file where the log ends, if that is wanted.
    fn begin_if_asked(&mut self) -> Result<(), FileError> {
        let written = self.journal.written().0;
        // What is appended behind the offset begins an era and is split off when it is written.
        if self.log.files().start_asked() == Some(written) && !self.log.is_empty() && self.journal.forget_db_at(written)
        {
            self.newest.offset = written;
            self.log.rotate(self.newest)?;
            self.unsynced_since_ns = None;
            self.journal.set_durable(written);
        }
        self.log.files().wake(false);
        Ok(())
    }

    fn next(&mut self, now_ns: u64, write_interval_ns: u64) -> Next {
        let mut next_ns = self.unwritten_since_ns.map(|since| since + write_interval_ns);
        if let (Some(since), Fsync::EverySecond) = (self.unsynced_since_ns, self.journal.fsync()) {
            next_ns = Some(next_ns.unwrap_or(u64::MAX).min(since + SECOND_NS));
        }
        if now_ns < self.linger_until_ns {
            next_ns = Some(next_ns.unwrap_or(u64::MAX).min(now_ns + write_interval_ns));
        }
        match next_ns {
            None if self.journal.driver_sleeps() => Next::Idle,
            None => Next::At(now_ns),
            Some(at) => {
                self.journal.driver_naps();
                Next::At(at)
            }
        }
    }

    /// Writes all that was appended so far and begins a new file if this one is full.
    fn write(&mut self, since_ns: u64) -> Result<(), FileError> {
        let unwritten = self.journal.end().0 - self.journal.written().0;
        let rotates = self.log.is_full_with(unwritten);
        self.journal.take(&mut self.taken, rotates);
        // Read after the groups were taken: who turned this on did it before the era that they may begin.
        let splits = self.log.files().splits_at_eras();
        let taken = std::mem::take(&mut self.taken);
        let groups = groups_of(&taken);
        for run in groups.chunk_by(|a, b| !splits || a.era == b.era) {
            let (first, newest) = (run[0], run[run.len() - 1]);
            if splits && first.era != self.newest.era && !self.log.is_empty() {
                self.newest.offset = first.offset;
                self.log.rotate(FirstLine { era: first.era, ..self.newest })?;
                self.unsynced_since_ns = None;
                self.journal.set_written(first.offset, self.log.size_bytes());
                self.journal.set_durable(first.offset);
            }
            let end = newest.offset + newest.bytes.len() as u64;
            self.newest = FirstLine { offset: end, era: newest.era, time_ms: newest.time_ms };
            self.log.write(run, self.journal.durable().0)?;
            self.unsynced_since_ns.get_or_insert(since_ns);
        }
        drop(groups);
        self.taken = taken;
        let end = self.taken.end;
        self.taken.chunks.clear();
        self.unwritten_since_ns = None;
        self.journal.set_written(end, self.log.size_bytes());
        if rotates {
            self.newest.offset = end;
            self.log.rotate(self.newest)?;
            self.unsynced_since_ns = None;
            self.journal.set_durable(end);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        let written = self.journal.written().0;
        self.log.sync()?;
        self.unsynced_since_ns = None;
        self.journal.set_durable(written);
        Ok(())
    }
}

/// The groups that the marks describe, with their bytes.
fn groups_of(taken: &Taken) -> Vec<Group<'_>> {
    let mut chunk_index = 0;
    let ends = taken.marks.iter().skip(1).map(|mark| mark.start).chain([taken.end]);
    let group_of = |(mark, end): (&crate::journal::tail::Mark, u64)| {
        while taken.chunks[chunk_index].end() <= mark.start {
            chunk_index += 1;
        }
        let chunk = &taken.chunks[chunk_index];
        let from = (mark.start - chunk.start()) as usize;
        let to = (end - chunk.start()) as usize;
        Group {
            offset: mark.start,
            era: mark.era,
            db: mark.db,
            time_ms: mark.time_ms,
            global: mark.global,
            bytes: &chunk.published()[from..to],
        }
    };
    taken.marks.iter().zip(ends).map(group_of).collect()
}

const SECOND_NS: u64 = 1_000_000_000;
/// For so long after a write the driver looks again by itself, so that appends in a busy time wake nobody.
const LINGER_NS: u64 = 200_000_000;

#[cfg(test)]
mod tests;
