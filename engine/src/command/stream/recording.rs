//! A whole stream as effects: for commands that bring one from elsewhere. In bounded pieces: one effect for each entry and
//! for each pending entry.
//!
//! An entry can be pending and gone from the stream. Such a one is added, handed over and removed again: trimmed off if it
//! lies before all others, else deleted.

use super::claims::{record_claim, record_consumer};
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::{IdBuffer, Stream};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Records that `key` holds `stream`, whatever was there. O(stream).
pub(in crate::command) fn record_stream(turn: &mut Turn<'_>, key: &Key<'_>, stream: &Stream) {
    turn.record(&[b"DEL", key.bytes]);
    let mut gone: BTreeSet<StreamId> = BTreeSet::new();
    for (_, group) in stream.groups() {
        let ids = group.pending_from(StreamId::MIN).map(|(id, _)| *id);
        gone.extend(ids.filter(|id| stream.entry(*id).is_none()));
    }
    record_entries(turn, key, stream, &gone);
    record_groups(turn, key, stream);
    let first = if stream.len() == 0 { StreamId::MAX } else { stream.first_id() };
    for id in gone.range(first..) {
        turn.record(&[b"XDEL", key.bytes, id.text(&mut IdBuffer::new())]);
    }
    if stream.len() == 0 {
        turn.record(&[b"XTRIM", key.bytes, b"MAXLEN", b"=", b"0"]);
    } else if gone.first().is_some_and(|id| *id < first) {
        turn.record(&[b"XTRIM", key.bytes, b"MINID", b"=", first.text(&mut IdBuffer::new())]);
    }
    let [last, added, deleted] =
        [stream.last_id().to_string(), stream.entries_added().to_string(), stream.max_deleted_id().to_string()];
    turn.record(&[
        b"XSETID",
        key.bytes,
        last.as_bytes(),
        b"ENTRIESADDED",
        added.as_bytes(),
        b"MAXDELETEDID",
        deleted.as_bytes(),
    ]);
}

/// Adds all entries, those that are gone among them. There is at least one: it makes the stream.
fn record_entries(turn: &mut Turn<'_>, key: &Key<'_>, stream: &Stream, gone: &BTreeSet<StreamId>) {
    let mut gone = gone.iter().copied().peekable();
    let stand_in = |turn: &mut Turn<'_>, id: StreamId| {
        turn.record(&[b"XADD", key.bytes, id.text(&mut IdBuffer::new()), b"x", b"y"]);
    };
    if stream.len() == 0 && gone.peek().is_none() {
        stand_in(turn, StreamId::new(0, 1));
    }
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        while let Some(id) = gone.next_if(|id| *id < entry.id) {
            stand_in(turn, id);
        }
        let mut id = IdBuffer::new();
        let pairs: Vec<Vec<u8>> = entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
        let mut effect: SmallVec<[&[u8]; 16]> = SmallVec::new();
        effect.extend_from_slice(&[b"XADD", key.bytes, entry.id.text(&mut id)]);
        effect.extend(pairs.iter().map(Vec::as_slice));
        turn.record(&effect);
    }
    gone.for_each(|id| stand_in(turn, id));
}

fn record_groups(turn: &mut Turn<'_>, key: &Key<'_>, stream: &Stream) {
    for (name, group) in stream.groups() {
        let (last, read) = (group.last_id.to_string(), group.entries_read.map_or(-1, |read| read as i64).to_string());
        let (last, read) = (last.as_bytes(), read.as_bytes());
        turn.record(&[b"XGROUP", b"CREATE", key.bytes, name, last, b"ENTRIESREAD", read]);
        for (consumer, _) in group.consumers() {
            record_consumer(turn, key, name, consumer);
        }
        for (id, pending) in group.pending_from(StreamId::MIN) {
            record_claim(turn, key, name, (*id, pending), group.last_id);
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
