//! Handing pending entries over: what XCLAIM, XAUTOCLAIM and XREADGROUP do to a group, and what they record.
//!
//! What is to be done is planned on the stream as it is; a plan without a step changes nothing and records nothing. Each
//! step is recorded as one XCLAIM, which makes the same pending entry whatever is there:
//!
//! ```text
//! XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id
//! ```

use super::lookup::edit_beside;
use crate::effect::Recorder;
use crate::event::EventClass;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::{Group, IdBuffer, Pending};

/// What becomes of one entry.
pub(super) enum ClaimStep {
    /// It is handed to the claimer.
    Hand {
        /// Its id.
        id: StreamId,
        /// How often it was handed out, this time included.
        delivery_count: u64,
    },
    /// It is gone from the stream, and so it is not pending any more.
    Settle(StreamId),
}

impl ClaimStep {
    pub(super) fn id(&self) -> StreamId {
        match self {
            Self::Hand { id, .. } | Self::Settle(id) => *id,
        }
    }
}

/// A claim, planned.
pub(super) struct Claims<'a> {
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    pub(super) steps: &'a [ClaimStep],
    pub(super) delivered_ms: i64,
    /// Where the group goes on reading, if it has not come so far.
    pub(super) last_id: StreamId,
}

impl Claims<'_> {
    /// Does the steps on a group that the caller has seen. The consumer is made if need be.
    pub(super) fn apply(&self, turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot) {
        let moves = match turn.entry(key, spot).as_stream().and_then(|stream| stream.group(self.group)) {
            None => return,
            Some(group) => self.last_id > group.last_id,
        };
        let created = ensure_consumer(turn, key, spot, self.group, self.consumer);
        if !moves && self.steps.is_empty() {
            if created {
                record_consumer(turn, key.bytes, self.group, self.consumer);
            }
            return;
        }
        let now_ms = turn.now().0;
        let told = edit_beside(turn, key, spot, |stream| {
            stream.edit_group(self.group, |group| {
                group.last_id = group.last_id.max(self.last_id);
                (self.hand_over(group, now_ms), group.last_id, group.entries_read)
            })
        });
        let Some((told, last_id, entries_read)) = told else { return };
        let hands_any = self.steps.iter().any(|step| matches!(step, ClaimStep::Hand { .. }));
        if created && !hands_any {
            record_consumer(turn, key.bytes, self.group, self.consumer);
        }
        for (id, pending) in &told {
            record_claim(turn, key.bytes, self.group, (*id, pending), last_id);
        }
        if told.is_empty() {
            record_progress(turn, key, self.group, last_id, entries_read);
        }
    }

    /// Changes the group; returns what each step left, or took away.
    fn hand_over(&self, group: &mut Group, now_ms: i64) -> Vec<(StreamId, Pending)> {
        let mut told = Vec::with_capacity(self.steps.len());
        let mut hands_any = false;
        for step in self.steps {
            let pending = match step {
                ClaimStep::Settle(id) => group.settle(*id),
                ClaimStep::Hand { id, delivery_count } => {
                    group.assign(*id, self.consumer, self.delivered_ms, *delivery_count);
                    hands_any = true;
                    group.pending(*id).cloned()
                }
            };
            told.extend(pending.map(|pending| (step.id(), pending)));
        }
        if hands_any {
            group.activate(self.consumer, now_ms);
        }
        told
    }
}

/// Makes a consumer if there is none of the name, and notes that it asks; says whether it was made. Nothing is recorded.
pub(super) fn ensure_consumer(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot, group: &[u8], consumer: &[u8]) -> bool {
    let now_ms = turn.now().0;
    let entry = turn.entry(key, spot);
    let found = entry.as_stream().and_then(|stream| stream.group(group)?.consumer(consumer));
    if let Some(consumer) = found {
        consumer.see(now_ms);
        return false;
    }
    edit_beside(turn, key, spot, |stream| {
        stream.edit_group(group, |group| group.create_consumer(consumer, now_ms));
    });
    turn.notify(EventClass::Stream, "xgroup-createconsumer", key.bytes);
    true
}

/// Records one pending entry.
pub(super) fn record_claim(
    to: &mut impl Recorder,
    key: &[u8],
    group: &[u8],
    (id, pending): (StreamId, &Pending),
    last_id: StreamId,
) {
    let (mut text, mut last) = (IdBuffer::new(), IdBuffer::new());
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    to.record(&[
        b"XCLAIM",
        key,
        group,
        &pending.consumer,
        b"0",
        id.text(&mut text),
        b"TIME",
        time.format(pending.delivered_ms).as_bytes(),
        b"RETRYCOUNT",
        count.format(pending.delivery_count).as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.text(&mut last),
    ]);
}

/// Records how far a group has read.
pub(super) fn record_progress(turn: &mut Turn<'_>, key: &Key<'_>, group: &[u8], id: StreamId, read: Option<u64>) {
    let mut text = IdBuffer::new();
    let mut number = itoa::Buffer::new();
    let read = number.format(read.map_or(-1, |read| read as i64)).as_bytes();
    turn.record(&[b"XGROUP", b"SETID", key.bytes, group, id.text(&mut text), b"ENTRIESREAD", read]);
}

/// Records that a consumer was made.
pub(super) fn record_consumer(to: &mut impl Recorder, key: &[u8], group: &[u8], consumer: &[u8]) {
    to.record(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
}
