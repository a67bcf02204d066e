//! Handing entries to a consumer of a group: new ones, or once more those that are pending for it.
//!
//! New entries become pending, unless they need no acknowledgement, and the group goes on after them. Each is recorded as one
//! XCLAIM, and how far the group has read as one XGROUP SETID. Entries that are handed out again are recorded, too: their
//! time and count are part of what is kept.

use super::claims::{ensure_consumer, record_claim, record_consumer, record_progress};
use super::lookup::edit_beside;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::{Entry, Pending, Stream};

/// Where entries go.
pub(super) trait Delivery {
    /// Entries of this stream follow.
    fn begin_stream(&mut self, key: &[u8]);
    /// One entry.
    fn entry(&mut self, entry: &Entry<'_>);
    /// An entry that is pending but gone from the stream.
    fn gone(&mut self, id: StreamId);
    /// No more of this stream.
    fn end_stream(&mut self);
}

/// Who reads for which group, and how.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    pub(super) count: usize,
    /// Entries need no acknowledgement.
    pub(super) no_ack: bool,
}

impl Reader<'_> {
    /// Delivers entries that the group has not read yet; says whether there were any. The group is there.
    pub(super) fn deliver_new(&self, turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, to: &mut impl Delivery) -> bool {
        let created = ensure_consumer(turn, key, spot, self.group, self.consumer);
        let entry = turn.entry(key, spot);
        let parts = entry.as_stream().and_then(|stream| Some((stream, stream.group(self.group)?)));
        let Some((stream, group)) = parts else { return false };
        let (last_id, mut entries_read) = (group.last_id, group.entries_read);
        let mut ids: Vec<StreamId> = Vec::new();
        if stream.last_id() > last_id {
            for entry in stream.range(last_id.next().unwrap_or(StreamId::MAX), StreamId::MAX).take(self.count) {
                if ids.is_empty() {
                    to.begin_stream(key.bytes);
                }
                to.entry(&entry);
                entries_read = stream.entries_read_at(entries_read, entry.id);
                ids.push(entry.id);
            }
        }
        if created && (self.no_ack || ids.is_empty()) {
            record_consumer(turn, key.bytes, self.group, self.consumer);
        }
        if ids.is_empty() {
            return false;
        }
        to.end_stream();
        self.note_new(turn, key, spot, &ids, entries_read);
        true
    }

    fn note_new(&self, turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, ids: &[StreamId], entries_read: Option<u64>) {
        let now_ms = turn.now().0;
        let last_id = ids.last().copied().unwrap_or_default();
        edit_beside(turn, key, spot, |stream| {
            stream.edit_group(self.group, |group| {
                (group.last_id, group.entries_read) = (last_id, entries_read);
                if !self.no_ack {
                    ids.iter().for_each(|id| group.assign(*id, self.consumer, now_ms, 1));
                    group.activate(self.consumer, now_ms);
                }
            })
        });
        if !self.no_ack {
            let pending = Pending { consumer: self.consumer.into(), delivered_ms: now_ms, delivery_count: 1 };
            for id in ids {
                record_claim(turn, key.bytes, self.group, (*id, &pending), *id);
            }
        }
        record_progress(turn, key, self.group, last_id, entries_read);
    }

    /// Delivers once more what is pending for the consumer after `id`. The group is there.
    pub(super) fn deliver_pending(
        &self,
        turn: &mut Turn<'_>,
        key: &Key<'_>,
        spot: Spot,
        id: StreamId,
        to: &mut impl Delivery,
    ) {
        if ensure_consumer(turn, key, spot, self.group, self.consumer) {
            record_consumer(turn, key.bytes, self.group, self.consumer);
        }
        to.begin_stream(key.bytes);
        let entry = turn.entry(key, spot);
        let again = entry.as_stream().map(|stream| self.show_pending(stream, id, to)).unwrap_or_default();
        let last_id =
            entry.as_stream().and_then(|stream| stream.group(self.group)).map_or(StreamId::MIN, |group| group.last_id);
        to.end_stream();
        if again.is_empty() {
            return;
        }
        let now_ms = turn.now().0;
        edit_beside(turn, key, spot, |stream| {
            stream.edit_group(self.group, |group| {
                again.iter().for_each(|(id, count)| group.assign(*id, self.consumer, now_ms, *count));
            })
        });
        for (id, delivery_count) in again {
            let pending = Pending { consumer: self.consumer.into(), delivered_ms: now_ms, delivery_count };
            record_claim(turn, key.bytes, self.group, (id, &pending), last_id);
        }
    }

    /// Shows what is pending after `id`; returns what is still there, with how often it was handed out, this time included.
    fn show_pending(&self, stream: &Stream, id: StreamId, to: &mut impl Delivery) -> Vec<(StreamId, u64)> {
        let mut again = Vec::new();
        let Some(group) = stream.group(self.group) else { return again };
        let (Some(consumer), Some(start)) = (group.consumer(self.consumer), id.next()) else { return again };
        for id in consumer.pending_from(start).take(self.count) {
            match stream.entry(id) {
                None => to.gone(id),
                Some(entry) => {
                    to.entry(&entry);
                    let count = group.pending(id).map_or(0, |pending| pending.delivery_count);
                    again.push((id, count.wrapping_add(1)));
                }
            }
        }
        again
    }
}
