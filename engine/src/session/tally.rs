//! What a group of requests took, added to the engine's counters once per group.

use super::execute::Failure;
use crate::client::Connection;
use crate::command::row::flag;
use crate::command::table::Command;
use crate::core::Core;
use crate::stats::{HISTOGRAM_BUCKETS, SlowEntry, Stats};
use crate::time::UnixMillis;
use std::sync::atomic::Ordering;

/// Calls of one command that follow each other.
#[derive(Default, Debug)]
pub(super) struct Tally {
    command: Option<u16>,
    calls: u64,
    nanos: u64,
    rejected: u64,
    failed: u64,
    processed: u64,
    histogram: [u32; HISTOGRAM_BUCKETS],
}

impl Tally {
    /// Notes one request.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add(
        &mut self,
        core: &Core,
        connection: &Connection,
        command: &Command,
        args: &[&[u8]],
        nanos: u64,
        failure: Failure,
        now: UnixMillis,
    ) {
        if self.command != Some(command.id) {
            self.flush(&core.stats);
            self.command = Some(command.id);
        }
        if failure == Failure::Rejected {
            self.rejected += 1;
            return;
        }
        self.calls += 1;
        self.processed += 1;
        self.nanos += nanos;
        self.failed += u64::from(failure == Failure::Failed);
        let micros = nanos / 1000;
        let bucket = (64 - micros.leading_zeros()).min(HISTOGRAM_BUCKETS as u32 - 1);
        self.histogram[bucket as usize] += 1;
        let slow = core.options.slowlog_slower_than_us.load(Ordering::Relaxed);
        if slow >= 0 && micros as i64 >= slow && !command.flags.has(flag::SKIP_SLOWLOG) {
            note_slow(core, connection, args, micros, now);
        }
        let threshold_ms = core.options.latency_threshold_ms.load(Ordering::Relaxed);
        if threshold_ms > 0 && micros / 1000 >= threshold_ms {
            let event = if command.flags.has(flag::FAST) { "fast-command" } else { "command" };
            core.stats.add_latency(event, now, micros / 1000);
        }
    }

    /// Adds what was noted to the engine's counters.
    pub(super) fn flush(&mut self, stats: &Stats) {
        let Some(command) = self.command.take() else { return };
        let counters = &stats.commands[usize::from(command)];
        for (counter, count) in [
            (&counters.calls, self.calls),
            (&counters.nanos, self.nanos),
            (&counters.rejected, self.rejected),
            (&counters.failed, self.failed),
            (&stats.commands_processed, self.processed),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        for (counter, count) in counters.histogram.iter().zip(&self.histogram) {
            if *count > 0 {
                counter.fetch_add(u64::from(*count), Ordering::Relaxed);
            }
        }
        *self = Self::default();
    }
}

#[cold]
fn note_slow(core: &Core, connection: &Connection, args: &[&[u8]], micros: u64, now: UnixMillis) {
    let shown = if args.len() > ARGS_SHOWN_MAX { ARGS_SHOWN_MAX - 1 } else { args.len() };
    let mut kept: Vec<Vec<u8>> = args[..shown]
        .iter()
        .map(|arg| match arg.len().checked_sub(ARG_BYTES_SHOWN_MAX) {
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
