//! Writing a stream: drawn in the module that reads them.

use super::super::input::{push_number, push_text};
use super::super::listpack::Builder;
use super::{Style, push_blob, version_of};
use crate::text::StrRef;
use crate::value::StreamId;
use crate::value::stream::{Consumer, Group, Name, Stream};

/// Appends a stream and returns the number of its type.
pub(super) fn push(out: &mut Vec<u8>, stream: &Stream, style: Style) -> u8 {
    let number = if style.version >= version_of(ACTIVE) { ACTIVE } else { COUNTED };
    push_number(out, stream.node_count() as u64);
    for (id, node) in stream.nodes() {
        push_number(out, RAW_ID_BYTES);
        push_raw_id(out, id);
        let (counts, rest) = node.listpack();
        push_blob(out, style, |out| Builder::push_whole(out, &[&counts, rest], node.element_count()));
    }
    push_number(out, stream.len());
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted_id()] {
        push_number(out, id.ms);
        push_number(out, id.seq);
    }
    push_number(out, stream.entries_added());
    push_number(out, stream.group_count() as u64);
    for (name, group) in stream.groups() {
        push_group(out, name, group, number, style);
    }
    number
}

fn push_group(out: &mut Vec<u8>, name: &Name, group: &Group, number: u8, style: Style) {
    push_text(out, StrRef::Bytes(name), style.compress);
    push_number(out, group.last_id.ms);
    push_number(out, group.last_id.seq);
    // Redis keeps -1 for a number that is not known.
    push_number(out, group.entries_read.unwrap_or(u64::MAX));
    push_number(out, group.pending_count() as u64);
    for (id, pending) in group.pending_from(StreamId::MIN) {
        push_raw_id(out, *id);
        out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        push_number(out, pending.delivery_count);
    }
    push_number(out, group.consumer_count() as u64);
    for (name, consumer) in group.consumers() {
        push_consumer(out, name, consumer, number, style);
    }
}

fn push_consumer(out: &mut Vec<u8>, name: &Name, consumer: &Consumer, number: u8, style: Style) {
    push_text(out, StrRef::Bytes(name), style.compress);
    out.extend_from_slice(&consumer.seen_ms().to_le_bytes());
    if number == ACTIVE {
        // Redis keeps -1 for never.
        out.extend_from_slice(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
    }
    push_number(out, consumer.pending_count() as u64);
    for id in consumer.pending_from(StreamId::MIN) {
        push_raw_id(out, id);
    }
}

fn push_raw_id(out: &mut Vec<u8>, id: StreamId) {
    out.extend_from_slice(&id.ms.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
}

const RAW_ID_BYTES: u64 = 16;

/// A stream with counters.
pub(super) const COUNTED: u8 = 19;
/// As that, with the active times of consumers.
const ACTIVE: u8 = 21;
