//! Commandstats, Latencystats and Errorstats: how often commands were called, how long they took, how they failed.

use super::lines::Lines;
use crate::command::table::{Command, table};
use crate::core::Core;
use crate::stats::{CommandCounters, histogram_limit_ns};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn commands(core: &Core, lines: &mut Lines) {
    for (command, counters) in counted(core) {
        let [calls, rejected, failed] =
            [&counters.calls, &counters.rejected, &counters.failed].map(|count| count.load(Relaxed));
        if calls + rejected + failed == 0 {
            continue;
        }
        let usec = counters.nanos.load(Relaxed) / 1000;
        let mean = if calls == 0 { 0.0 } else { usec as f64 / calls as f64 };
        lines.add(
            format!("cmdstat_{}", command.row.name),
            format!(
                "calls={calls},usec={usec},usec_per_call={mean:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

pub(super) fn latencies(core: &Core, lines: &mut Lines) {
    let percentiles = core.options.latency_percentiles.read().clone();
    for (command, counters) in counted(core) {
        let histogram: Vec<u64> = counters.histogram.iter().map(|count| count.load(Relaxed)).collect();
        if histogram.iter().all(|count| *count == 0) {
            continue;
        }
        let figures: Vec<String> = percentiles
            .iter()
            .map(|percent| format!("p{percent}={:.3}", percentile_ns(&histogram, *percent) as f64 / 1000.0))
            .collect();
        lines.add(format!("latency_percentiles_usec_{}", command.row.name), figures.join(","));
    }
}

pub(super) fn errors(core: &Core, lines: &mut Lines) {
    for (code, count) in &*core.stats.errors.lock() {
        lines.add(format!("errorstat_{code}"), format!("count={count}"));
    }
}

/// Every command and sub-command with its counters.
fn counted(core: &Core) -> impl Iterator<Item = (&'static Command, &CommandCounters)> {
    let every = table().top().iter().flat_map(|command| std::iter::once(command).chain(table().subcommands(command)));
    every.map(|command| (command, &core.stats.commands[usize::from(command.id)]))
}

/// The time that so many percent of the calls stayed within, nanoseconds; within a bucket the calls are taken as evenly
/// spread.
fn percentile_ns(histogram: &[u64], percent: f64) -> u64 {
    let total: u64 = histogram.iter().sum();
    let rank = ((total as f64 * percent / 100.0).ceil() as u64).clamp(1, total.max(1));
    let mut before = 0;
    for (bucket, &count) in histogram.iter().enumerate() {
        if before + count >= rank {
            let lowest = if bucket == 0 { 0 } else { histogram_limit_ns(bucket - 1) };
            let share = (rank - before) as f64 / count as f64;
            return lowest + ((histogram_limit_ns(bucket) - lowest) as f64 * share) as u64;
        }
        before += count;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_within_the_bucket_that_holds_them() {
        let histogram = [0, 90, 0, 10];
        assert_eq!(percentile_ns(&histogram, 45.0), 1024 + 512);
        assert_eq!(percentile_ns(&histogram, 90.0), 2048);
        assert_eq!(percentile_ns(&histogram, 95.0), 4096 + 2048);
        assert_eq!(percentile_ns(&histogram, 99.9), 8192);
        assert_eq!(percentile_ns(&[0, 0], 50.0), 0);
    }
}
