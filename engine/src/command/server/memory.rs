//! MEMORY: what keys and the engine take.
//!
//! Figures are those of this implementation: every entry and table accounts for its bytes as the allocator sees them.

use super::info::{STARTUP_BYTES, table_bytes};
use crate::client::Connection;
use crate::command::introspection::help;
use crate::command::row::flag::{LOADING, READONLY, STALE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::turn::Turn;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const MEMORY: Row = Row::container("memory", Run::Host, MEMORY_SUBCOMMANDS, MEMORY_HELP)
    .summary("A container for memory diagnostics commands.")
    .docs(Group::Server, "4.0.0", "Depends on subcommand.");

const MEMORY_SUBCOMMANDS: &[Row] = &[
    Row::new("memory|doctor", 2, Run::Connection(doctor))
        .tips("nondeterministic_output request_policy:all_shards response_policy:special")
        .summary("Outputs a memory problems report.")
        .docs(Group::Server, "4.0.0", "O(1)"),
    Row::new("memory|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Server, "4.0.0", "O(1)"),
    Row::new("memory|malloc-stats", 2, Run::Connection(malloc_stats))
        .tips("nondeterministic_output request_policy:all_shards response_policy:special")
        .summary("Returns the allocator statistics.")
        .docs(Group::Server, "4.0.0", "Depends on how much memory is allocated, could be slow"),
    Row::new("memory|purge", 2, Run::Connection(purge))
        .tips("request_policy:all_shards response_policy:all_succeeded")
        .summary("Asks the allocator to release memory.")
        .docs(Group::Server, "4.0.0", "Depends on how much memory is allocated, could be slow"),
    Row::new("memory|stats", 2, Run::Connection(stats))
        .tips("nondeterministic_output request_policy:all_shards response_policy:special")
        .summary("Returns details about memory usage.")
        .docs(Group::Server, "4.0.0", "O(1)"),
    Row::new("memory|usage", -3, Run::Turn(usage))
        .flags(READONLY)
        .keys(&[KeySpec::index(2).ro()])
        .summary("Estimates the memory usage of a key.")
        .docs(Group::Server, "4.0.0", "O(N) where N is the number of samples.")
        .args("key:key#0 count:integer?=SAMPLES"),
];

/// HELP of MEMORY.
const MEMORY_HELP: &[&str] = &[
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
];

/// `MEMORY USAGE key [SAMPLES count]`: the bytes behind a key, or null. Nothing is sampled: sizes are kept.
fn usage(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut words = args[3..].iter();
    while let Some(word) = words.next() {
        let (true, Some(count)) = (word.eq_ignore_ascii_case(b"samples"), words.next()) else {
            return Err(CommandError::Syntax);
        };
        if parse_i64(count).ok_or(CommandError::NotInteger)? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let key = turn.key(args[2])?;
    match turn.find(&key) {
        Some(spot) => reply.integer(turn.entry(&key, spot).heap_bytes() as i64),
        None => reply.null(),
    }
    Ok(())
}

/// `MEMORY STATS`: a map of figures; those of things that do not exist here are 0.
fn stats(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let used = core.totals.bytes();
    let peak = core.stats.memory_peak.fetch_max(used, Relaxed).max(used);
    let (tables, buffers) = (table_bytes(core), core.clients.buffer_bytes());
    let overhead = STARTUP_BYTES + tables + buffers;
    let dataset = used.saturating_sub(overhead);
    let databases: Vec<u16> = (0..DATABASE_COUNT).filter(|db| core.totals.keys(*db) > 0).collect();
    let keys: u64 = databases.iter().map(|db| core.totals.keys(*db)).sum();
    let net = used.saturating_sub(STARTUP_BYTES);
    let number = |name: &str, value: u64, reply: &mut ReplyWriter<'_>| {
        reply.bulk(name.as_bytes());
        reply.integer(value as i64);
    };
    reply.map(27 + databases.len());
    number("peak.allocated", peak, reply);
    number("total.allocated", used, reply);
    number("startup.allocated", STARTUP_BYTES, reply);
    for name in ["replication.backlog", "clients.slaves"] {
        number(name, 0, reply);
    }
    number("clients.normal", buffers, reply);
    for name in ["cluster.links", "aof.buffer", "lua.caches", "functions.caches"] {
        number(name, 0, reply);
    }
    for db in databases {
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(3);
        number("overhead.hashtable.main", database_table_bytes(core, db), reply);
        number("overhead.hashtable.expires", 0, reply);
        number("overhead.hashtable.slot-to-keys", 0, reply);
    }
    number("overhead.total", overhead, reply);
    number("keys.count", keys, reply);
    number("keys.bytes-per-key", net.checked_div(keys).unwrap_or(0), reply);
    number("dataset.bytes", dataset, reply);
    ratio("dataset.percentage", dataset as f64 * 100.0, net, reply);
    ratio("peak.percentage", used as f64 * 100.0, peak, reply);
    for name in ["allocator.allocated", "allocator.active", "allocator.resident"] {
        number(name, used, reply);
    }
    for name in ["allocator-fragmentation", "allocator-rss", "rss-overhead"] {
        ratio(&format!("{name}.ratio"), 1.0, 1, reply);
        number(&format!("{name}.bytes"), 0, reply);
    }
    ratio("fragmentation", 1.0, 1, reply);
    number("fragmentation.bytes", 0, reply);
    Ok(())
}

fn ratio(name: &str, part: f64, whole: u64, reply: &mut ReplyWriter<'_>) {
    reply.bulk(name.as_bytes());
    reply.double(if whole == 0 { 0.0 } else { part / whole as f64 });
}

fn database_table_bytes(core: &Core, db: u16) -> u64 {
    let of_slot = |slot| core.slots.lock_as_is(slot).state.shard(db).map_or(0, |shard| shard.table_bytes() as u64);
    crate::slot::Slot::all().map(of_slot).sum()
}

/// `MEMORY DOCTOR`: a report in words.
fn doctor(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let used = core.totals.bytes();
    let buffers = core.clients.buffer_bytes();
    let text = match () {
        () if used < SMALL_BYTES => "The data set is small: there is nothing to say about it.\n",
        () if buffers > used / 2 => "Clients hold more than half as much memory in buffers as the data set takes.\n",
        () => "No memory problem was found.\n",
    };
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// `MEMORY PURGE`: OK. The engine keeps nothing that it could give back.
fn purge(_: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}

/// `MEMORY MALLOC-STATS`: the engine does not know which allocator it runs on.
fn malloc_stats(_: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.bulk(b"Stats not supported for the current allocator");
    Ok(())
}

/// Below this much the doctor has nothing to say.
const SMALL_BYTES: u64 = 5 << 20;
