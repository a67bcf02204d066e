//! `LATENCY HISTOGRAM [command ...]`: for each command its calls, and how many took up to how many microseconds.
//!
//! Reply: a map of names to maps. Counts are cumulative; a step without a call of its own is left out. A container
//! stands for its sub-commands; what is no command, or was never timed, is left out.

use crate::client::Connection;
use crate::command::CommandResult;
use crate::command::table::{Command, table};
use crate::core::Core;
use crate::resp::ReplyWriter;
use crate::stats::{HISTOGRAM_BUCKETS, histogram_limit_ns};
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn histogram(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let map = reply.begin_map();
    let mut len = 0;
    let mut write = |command: &Command| {
        let counts: [u64; HISTOGRAM_BUCKETS] =
            std::array::from_fn(|of| core.stats.commands[usize::from(command.id)].histogram[of].load(Relaxed));
        if counts.iter().any(|count| *count > 0) {
            write_one(command.row.name, &counts, reply);
            len += 1;
        }
    };
    let mut write_all = |command: &Command| {
        write(command);
        table().subcommands(command).iter().for_each(&mut write);
    };
    match &args[2..] {
        [] => table().top().iter().for_each(write_all),
        names => names.iter().filter_map(|name| table().find_full(name)).for_each(&mut write_all),
    }
    reply.end_map(map, len);
    Ok(())
}

fn write_one(name: &str, counts: &[u64; HISTOGRAM_BUCKETS], reply: &mut ReplyWriter<'_>) {
    reply.bulk(name.as_bytes());
    reply.map(2);
    reply.bulk(b"calls");
    reply.integer(counts.iter().sum::<u64>() as i64);
    reply.bulk(b"histogram_usec");
    reply.map(counts.iter().filter(|count| **count > 0).count());
    let mut sum = 0;
    for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        sum += count;
        reply.integer((printed_limit_ns(histogram_limit_ns(bucket)) / 1000) as i64);
        reply.integer(sum as i64);
    }
}

/// A limit as Redis prints it: the largest number that shares its eight leading bits.
fn printed_limit_ns(limit: u64) -> u64 {
    let low_bits = (64 - limit.leading_zeros()).saturating_sub(8);
    limit | ((1 << low_bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_that_redis_prints() {
        let limits: Vec<u64> = (0..12).map(|bucket| printed_limit_ns(histogram_limit_ns(bucket)) / 1000).collect();
        assert_eq!(limits, [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113]);
    }
}
