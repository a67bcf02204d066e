//! A whole stream as effects: for commands that bring one from elsewhere. In bounded pieces: one effect for each entry and
//! for each pending entry.
//!
//! An entry can be pending and gone from the stream. Such a one is added, handed over and removed again: trimmed off if it
//! lies before all others, else deleted.

use super::claims::{record_claim, record_consumer};
use crate::effect::Recorder;
use crate::value::StreamId;
use crate::value::stream::{IdBuffer, Stream};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Records that `key` holds `stream`, whatever was there. O(stream).
pub(in crate::command) fn record_stream(to: &mut impl Recorder, key: &[u8], stream: &Stream) {
    to.record(&[b"DEL", key]);
    let mut gone: BTreeSet<StreamId> = BTreeSet::new();
    for (_, group) in stream.groups() {
        let ids = group.pending_from(StreamId::MIN).map(|(id, _)| *id);
        gone.extend(ids.filter(|id| stream.entry(*id).is_none()));
    }
    record_entries(to, key, stream, &gone);
    record_groups(to, key, stream);
    let first = if stream.len() == 0 { StreamId::MAX } else { stream.first_id() };
    for id in gone.range(first..) {
        to.record(&[b"XDEL", key, id.text(&mut IdBuffer::new())]);
    }
    if stream.len() == 0 {
        to.record(&[b"XTRIM", key, b"MAXLEN", b"=", b"0"]);
    } else if gone.first().is_some_and(|id| *id < first) {
        to.record(&[b"XTRIM", key, b"MINID", b"=", first.text(&mut IdBuffer::new())]);
    }
    let [last, added, deleted] =
        [stream.last_id().to_string(), stream.entries_added().to_string(), stream.max_deleted_id().to_string()];
    to.record(&[
        b"XSETID",
        key,
        last.as_bytes(),
        b"ENTRIESADDED",
        added.as_bytes(),
        b"MAXDELETEDID",
        deleted.as_bytes(),
    ]);
}

/// Adds all entries, those that are gone among them. There is at least one: it makes the stream.
fn record_entries(to: &mut impl Recorder, key: &[u8], stream: &Stream, gone: &BTreeSet<StreamId>) {
    let mut gone = gone.iter().copied().peekable();
    if stream.len() == 0 && gone.peek().is_none() {
        stand_in(to, key, StreamId::new(0, 1));
    }
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        while let Some(id) = gone.next_if(|id| *id < entry.id) {
            stand_in(to, key, id);
        }
        let mut id = IdBuffer::new();
        let pairs: Vec<Vec<u8>> = entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
        let mut effect: SmallVec<[&[u8]; 16]> = SmallVec::new();
        effect.extend_from_slice(&[b"XADD", key, entry.id.text(&mut id)]);
        effect.extend(pairs.iter().map(Vec::as_slice));
        to.record(&effect);
    }
    gone.for_each(|id| stand_in(to, key, id));
}

/// Adds an entry that will be gone.
fn stand_in(to: &mut impl Recorder, key: &[u8], id: StreamId) {
    to.record(&[b"XADD", key, id.text(&mut IdBuffer::new()), b"x", b"y"]);
}

fn record_groups(to: &mut impl Recorder, key: &[u8], stream: &Stream) {
    for (name, group) in stream.groups() {
        let (last, read) = (group.last_id.to_string(), group.entries_read.map_or(-1, |read| read as i64).to_string());
        let (last, read) = (last.as_bytes(), read.as_bytes());
        to.record(&[b"XGROUP", b"CREATE", key, name, last, b"ENTRIESREAD", read]);
        for (consumer, _) in group.consumers() {
            record_consumer(to, key, name, consumer);
        }
        for (id, pending) in group.pending_from(StreamId::MIN) {
            record_claim(to, key, name, (*id, pending), group.last_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::stream::group_tests::assert_groups_replay;
    use crate::command::testing::Bench;

    #[test]
    fn a_copied_stream_replays_with_its_groups() {
        let bench = Bench::new();
        for n in 1..=120 {
            bench.run(&format!("XADD from {n} f v{n} other {n}"));
        }
        bench.run("XGROUP CREATE from g 0");
        bench.run("XREADGROUP GROUP g ada COUNT 20 STREAMS from >");
        bench.run("XGROUP CREATECONSUMER from g bob");
        bench.run("XGROUP CREATE from h 5");
        bench.run("COPY from s");
        assert_groups_replay(&bench);
        bench.run("XTRIM from MINID 3");
        bench.run("COPY from s REPLACE");
        assert_groups_replay(&bench);
        bench.run("XDEL from 7 11 20");
        bench.run("COPY from s REPLACE");
        assert_groups_replay(&bench);
        bench.run("XTRIM from MAXLEN 0");
        bench.run("COPY from s REPLACE");
        assert_groups_replay(&bench);
    }

    #[test]
    fn an_empty_stream_is_recorded_too() {
        let bench = Bench::new();
        bench.run("XGROUP CREATE empty g $ MKSTREAM");
        bench.run("COPY empty s");
        let expected = [
            "XGROUP CREATE empty g 0-0 MKSTREAM",
            "DEL s",
            "XADD s 0-1 x y",
            "XGROUP CREATE s g 0-0 ENTRIESREAD -1",
            "XTRIM s MAXLEN = 0",
            "XSETID s 0-0 ENTRIESADDED 0 MAXDELETEDID 0-0",
        ];
        assert_eq!(bench.effects(), expected);
        assert_groups_replay(&bench);
    }
}
