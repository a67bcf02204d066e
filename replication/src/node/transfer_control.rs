//! CLUSTER MIGRATESLOTS, GETSLOTMIGRATIONS and CANCELSLOTMIGRATIONS: the transfers of a node as clients begin, see and end them.
//!
//! The replies are those of Valkey 9; times are in seconds.

use super::transfers::{Direction, TransferReport, Transfers};
use crate::cluster::member::Member;
use crate::cluster::view::ClusterCommand;
use keyslot_engine::resp::ReplyWriter;
use keyslot_engine::{SlotSet, UnixMillis};

/// Does such a command; false for another one.
pub fn control_transfers(
    transfers: &mut Transfers,
    member: &mut Member,
    command: &ClusterCommand,
    reply: &mut ReplyWriter<'_>,
    now: UnixMillis,
) -> bool {
    match command {
        ClusterCommand::MigrateSlots(moves) => match transfers.begin_all(member, moves, now) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(&error),
        },
        ClusterCommand::CancelSlotMigrations => match transfers.cancel(member, now) {
            0 => reply.error("ERR No migrations ongoing"),
            _ => reply.ok(),
        },
        ClusterCommand::GetSlotMigrations => {
            let reports: Vec<&TransferReport> = transfers.reports().collect();
            reply.array(reports.len());
            // The newest first.
            reports.into_iter().rev().for_each(|report| show(report, reply));
        }
        _ => return false,
    }
    true
}

fn show(report: &TransferReport, reply: &mut ReplyWriter<'_>) {
    reply.map(12);
    let operation = match report.direction {
        Direction::Export => "EXPORT",
        Direction::Import => "IMPORT",
    };
    let texts = [
        ("name", report.name.to_string()),
        ("operation", operation.to_owned()),
        ("slot_ranges", ranges(&report.slots)),
        ("target_node", report.target.to_string()),
        ("source_node", report.source.to_string()),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    let times = [("create_time", report.begun), ("last_update_time", report.changed), ("last_ack_time", report.heard)];
    for (name, at) in times {
        reply.bulk(name.as_bytes());
        reply.integer(at.0 / 1000);
    }
    for (name, text) in [("state", report.state.word()), ("message", &report.message)] {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    // Nothing is copied but what writers change meanwhile, which is not counted.
    for (name, number) in [("cow_size", 0), ("remaining_repl_size", report.remaining_bytes as i64)] {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
}

/// `0-9 20-29`.
fn ranges(slots: &SlotSet) -> String {
    let ranges: Vec<String> = slots.ranges().map(|range| format!("{}-{}", range.start(), range.end())).collect();
    ranges.join(" ")
}
