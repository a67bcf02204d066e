//! What a group of requests took, added to the engine's counters once per group.

use super::execute::Failure;
use super::sampler::{Sampler, book_queued};
use crate::client::Connection;
use crate::command::redaction::{REDACTED, secrets};
use crate::command::row::flag;
use crate::command::table::{Command, Work};
use crate::core::Core;
use crate::stats::{HISTOGRAM_BUCKETS, SlowEntry, histogram_bucket};
use crate::time::UnixMillis;
use std::sync::atomic::Ordering;

/// Calls of one command that follow each other.
///
/// Reading the clock costs as much as a tenth of a pipelined GET. So commands whose work is [bounded](Work) are timed
/// together, as long as they follow each other, and each is booked with their mean; so are those whose work goes by a reply
/// that is short. All others are timed one by one, and so is everything while the slow log or the latency monitor asks for
/// times below a millisecond.
#[derive(Default, Debug)]
pub(super) struct Tally {
    command: Option<u16>,
    /// The clock when the calls that are not timed yet began.
    since: u64,
    untimed: u64,
    calls: u64,
    nanos: u64,
    rejected: u64,
    failed: u64,
    histogram: [u32; HISTOGRAM_BUCKETS],
    sampler: Sampler,
}

impl Tally {
    /// Starts the clock for a group of requests.
    #[inline]
    pub(super) fn begin(&mut self, core: &Core) {
        self.since = core.monotonic_ns();
    }

    /// Says which command runs next, so that a command that shows the counters finds the calls before it there.
    #[inline]
    pub(super) fn turn_to(&mut self, command: Option<&Command>, core: &Core) {
        let command = command.map(|command| command.id);
        if self.command != command {
            self.flush(core);
            self.command = command;
        }
    }

    /// Notes a request of the command that was turned to, and how many bytes it answered.
    #[inline]
    pub(super) fn add(
        &mut self,
        core: &Core,
        connection: &Connection,
        command: &Command,
        args: &[&[u8]],
        (failure, reply_bytes): (Failure, usize),
        now: UnixMillis,
    ) {
        match failure {
            Failure::None | Failure::Failed => {}
            Failure::Rejected => {
                self.rejected += 1;
                return;
            }
            Failure::Queued => {
                self.sampler.note(core, command, args, reply_bytes);
                self.since = core.monotonic_ns();
                return;
            }
        }
        self.calls += 1;
        self.untimed += 1;
        self.failed += u64::from(failure == Failure::Failed);
        self.sampler.note(core, command, args, reply_bytes);
        if is_timed_alone(core, command, reply_bytes) {
            let nanos = self.time(core);
            self.sampler.note_time_of(core, command, args, nanos);
            note_long(core, connection, command, args, nanos / 1000, now);
        }
    }

    /// Books the time since the last reading on the calls since then; returns it.
    #[inline]
    fn time(&mut self, core: &Core) -> u64 {
        let now = core.monotonic_ns();
        let nanos = now.saturating_sub(self.since);
        self.since = now;
        if core.options.latency_tracking.load(Ordering::Relaxed) {
            self.histogram[histogram_bucket(nanos / self.untimed.max(1))] += self.untimed as u32;
        }
        self.nanos += nanos;
        self.untimed = 0;
        nanos
    }

    /// Adds what was noted to the engine's counters.
    pub(super) fn flush(&mut self, core: &Core) {
        let Some(command) = self.command.take() else { return };
        if self.untimed > 0 {
            let nanos = self.time(core);
            self.sampler.note_time(core, nanos);
        }
        let counters = &core.stats.commands[usize::from(command)];
        for (counter, count) in [
            (&counters.calls, &mut self.calls),
            (&counters.nanos, &mut self.nanos),
            (&counters.rejected, &mut self.rejected),
            (&counters.failed, &mut self.failed),
        ] {
            if *count > 0 {
                counter.fetch_add(std::mem::take(count), Ordering::Relaxed);
            }
        }
        for (counter, count) in counters.histogram.iter().zip(&mut self.histogram) {
            if *count > 0 {
                counter.fetch_add(u64::from(std::mem::take(count)), Ordering::Relaxed);
            }
        }
    }
}

/// Counts a request that EXEC ran, and how many bytes it answered.
pub(super) fn book(
    core: &Core,
    connection: &Connection,
    command: &Command,
    args: &[&[u8]],
    (nanos, failure, reply_bytes): (u64, Failure, usize),
    now: UnixMillis,
) {
    book_queued(core, command, args, nanos, reply_bytes);
    let counters = &core.stats.commands[usize::from(command.id)];
    counters.calls.fetch_add(1, Ordering::Relaxed);
    counters.nanos.fetch_add(nanos, Ordering::Relaxed);
    counters.failed.fetch_add(u64::from(failure == Failure::Failed), Ordering::Relaxed);
    if core.options.latency_tracking.load(Ordering::Relaxed) {
        counters.histogram[histogram_bucket(nanos)].fetch_add(1, Ordering::Relaxed);
    }
    note_long(core, connection, command, args, nanos / 1000, now);
}

#[inline]
fn is_timed_alone(core: &Core, command: &Command, reply_bytes: usize) -> bool {
    let slow_us = core.options.slowlog_slower_than_us.load(Ordering::Relaxed);
    let is_short = match command.work {
        Work::Bounded => true,
        Work::Reply => reply_bytes <= SHORT_REPLY_BYTES_MAX,
        Work::Data => false,
    };
    !is_short
        || (0..GROUP_TIMED_US_MIN).contains(&slow_us)
        || core.options.latency_threshold_ms.load(Ordering::Relaxed) == 1
}

/// Tells the slow log and the latency monitor of a command that took long.
#[inline]
fn note_long(core: &Core, connection: &Connection, command: &Command, args: &[&[u8]], micros: u64, now: UnixMillis) {
    let slow_us = core.options.slowlog_slower_than_us.load(Ordering::Relaxed);
    if slow_us >= 0 && micros as i64 >= slow_us && !command.flags.has(flag::SKIP_SLOWLOG) {
        note_slow(core, connection, args, micros, now);
    }
    let threshold_ms = core.options.latency_threshold_ms.load(Ordering::Relaxed);
    if threshold_ms > 0 && micros / 1000 >= threshold_ms {
        let event = if command.flags.has(flag::FAST) { "fast-command" } else { "command" };
        core.stats.add_latency(event, now, micros / 1000);
    }
}

#[cold]
fn note_slow(core: &Core, connection: &Connection, args: &[&[u8]], micros: u64, now: UnixMillis) {
    let shown = if args.len() > ARGS_SHOWN_MAX { ARGS_SHOWN_MAX - 1 } else { args.len() };
    let is_secret = secrets(args);
    let mut kept: Vec<Vec<u8>> = args[..shown]
        .iter()
        .enumerate()
        .map(|(at, arg)| match arg.len().checked_sub(ARG_BYTES_SHOWN_MAX) {
            _ if is_secret(at) => REDACTED.to_vec(),
            Some(more @ 1..) => {
                let mut text = arg[..ARG_BYTES_SHOWN_MAX].to_vec();
                text.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                text
            }
            _ => arg.to_vec(),
        })
        .collect();
    if shown < args.len() {
        kept.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
    }
    let entry = SlowEntry {
        id: 0,
        at: now,
        micros,
        args: kept,
        peer: connection.client.peer.addr.clone(),
        name: connection.client.text.lock().name.clone(),
    };
    core.stats.add_slow(entry, core.options.slowlog_count_max.load(Ordering::Relaxed));
}

/// Most arguments that SLOWLOG GET shows.
const ARGS_SHOWN_MAX: usize = 32;

/// Most bytes of an argument that SLOWLOG GET shows.
const ARG_BYTES_SHOWN_MAX: usize = 128;

/// A reply up to this length took microseconds.
const SHORT_REPLY_BYTES_MAX: usize = 4 * 1024;

/// While the slow log asks for times below this, every command is timed alone.
const GROUP_TIMED_US_MIN: i64 = 1000;
