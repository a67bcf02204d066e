//! LATENCY: spikes of latency by event, and how long commands take.
//!
//! Spikes are kept while `latency-monitor-threshold` is above 0; the histograms while `latency-tracking` is on.

mod graph;
mod histogram;

use crate::client::Connection;
use crate::command::introspection::help;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const LATENCY: Row = Row::container("latency", Run::Host, LATENCY_SUBCOMMANDS, LATENCY_HELP)
    .summary("A container for latency diagnostics commands.")
    .docs(Group::Server, "2.8.13", "Depends on subcommand.");

const LATENCY_SUBCOMMANDS: &[Row] = &[
    Row::new("latency|doctor", 2, Run::Connection(doctor))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("nondeterministic_output request_policy:all_nodes response_policy:special")
        .summary("Returns a human-readable latency analysis report.")
        .docs(Group::Server, "2.8.13", "O(1)"),
    Row::new("latency|graph", 3, Run::Connection(graph::graph))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("nondeterministic_output request_policy:all_nodes response_policy:special")
        .summary("Returns a latency graph for an event.")
        .docs(Group::Server, "2.8.13", "O(1)")
        .args("event:string"),
    Row::new("latency|help", 2, Run::Connection(help))
        .flags(LOADING | STALE)
        .summary("Returns helpful text about the different subcommands.")
        .docs(Group::Server, "2.8.13", "O(1)"),
    Row::new("latency|histogram", -2, Run::Connection(histogram::histogram))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("nondeterministic_output request_policy:all_nodes response_policy:special")
        .summary("Returns the cumulative distribution of latencies of a subset or all commands.")
        .docs(
            Group::Server,
            "7.0.0",
            "O(N) where N is the number of commands with latency information being retrieved.",
        )
        .args("command:string?*"),
    Row::new("latency|history", 3, Run::Connection(history))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("nondeterministic_output request_policy:all_nodes response_policy:special")
        .summary("Returns timestamp-latency samples for an event.")
        .docs(Group::Server, "2.8.13", "O(1)")
        .args("event:string"),
    Row::new("latency|latest", 2, Run::Connection(latest))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("nondeterministic_output request_policy:all_nodes response_policy:special")
        .summary("Returns the latest latency samples for all events.")
        .docs(Group::Server, "2.8.13", "O(1)"),
    Row::new("latency|reset", -2, Run::Connection(reset))
        .flags(ADMIN | NOSCRIPT | LOADING | STALE)
        .tips("request_policy:all_nodes response_policy:agg_sum")
        .summary("Resets the latency data for one or more events.")
        .docs(Group::Server, "2.8.13", "O(1)")
        .args("event:string?*"),
];

/// HELP of LATENCY.
const LATENCY_HELP: &[&str] = &[
    "DOCTOR",
    "    Return a human readable latency analysis report.",
    "GRAPH <event>",
    "    Return an ASCII latency graph for the <event> class.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class.",
    "LATEST",
    "    Return the latest latency samples for all events.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "    (default: reset all data for all event classes)",
    "HISTOGRAM [COMMAND ...]",
    "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
    "    If no commands are specified then all histograms are replied.",
];

/// `LATENCY LATEST`: an array of events: name, second of the latest spike, its milliseconds, the worst milliseconds.
fn latest(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let events = core.stats.latency.lock();
    reply.array(events.len());
    for (name, event) in &*events {
        let (second, ms) = event.samples.back().copied().unwrap_or_default();
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.integer(second);
        reply.integer(ms as i64);
        reply.integer(event.worst_ms as i64);
    }
    Ok(())
}

/// `LATENCY HISTORY event`: an array of spikes, oldest first: second and milliseconds.
fn history(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let events = core.stats.latency.lock();
    let event = events.iter().find(|(name, _)| name.as_bytes() == args[2]).map(|(_, event)| event);
    let samples = event.map(|event| &event.samples);
    reply.array(samples.map_or(0, std::collections::VecDeque::len));
    for (second, ms) in samples.into_iter().flatten() {
        reply.array(2);
        reply.integer(*second);
        reply.integer(*ms as i64);
    }
    Ok(())
}

/// `LATENCY RESET [event ...]`: forgets spikes; replies with the number of events forgotten.
fn reset(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut events = core.stats.latency.lock();
    let before = events.len();
    match &args[2..] {
        [] => events.clear(),
        names => events.retain(|name, _| !names.contains(&name.as_bytes())),
    }
    reply.integer((before - events.len()) as i64);
    Ok(())
}

/// `LATENCY DOCTOR`: a report in words.
fn doctor(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut text = String::new();
    let events = core.stats.latency.lock();
    if events.is_empty() {
        text.push_str(match core.options.latency_threshold_ms.load(Relaxed) {
            0 => "Latency monitoring is off. Set latency-monitor-threshold above 0 to have spikes recorded.\n",
            _ => "No spike was recorded since the start or since the last LATENCY RESET.\n",
        });
    }
    for (name, event) in &*events {
        let count = event.samples.len().max(1) as u64;
        let mean = event.samples.iter().map(|(_, ms)| ms).sum::<u64>() / count;
        let _ = writeln!(text, "{name}: {count} spikes kept, {mean} ms on average, {} ms at worst.", event.worst_ms);
    }
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}
