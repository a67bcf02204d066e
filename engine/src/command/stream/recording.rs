//! A whole stream as effects: for commands that bring one from elsewhere. In bounded pieces: one effect for each entry and
//! for each pending entry.

use super::claims::{record_claim, record_consumer};
use crate::turn::{Key, Turn};
use crate::value::StreamId;
use crate::value::stream::{IdBuffer, Stream};
use smallvec::SmallVec;

/// Records that `key` holds `stream`, where nothing was before. O(stream).
pub(in crate::command) fn record_stream(turn: &mut Turn<'_>, key: &Key<'_>, stream: &Stream) {
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let mut id = IdBuffer::new();
        let pairs: Vec<Vec<u8>> = entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
        let mut effect: SmallVec<[&[u8]; 16]> = SmallVec::new();
        effect.extend_from_slice(&[b"XADD", key.bytes, entry.id.text(&mut id)]);
        effect.extend(pairs.iter().map(Vec::as_slice));
        turn.record(&effect);
    }
    if stream.len() == 0 {
        // An entry that is gone at once leaves an empty stream.
        turn.record(&[b"XADD", key.bytes, b"MAXLEN", b"=", b"0", b"0-1", b"x", b"y"]);
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
    record_groups(turn, key, stream);
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
            if stream.entry(*id).is_some() {
                record_claim(turn, key, name, (*id, pending), group.last_id);
            }
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
        bench.run("XDEL from 7");
        bench.run("XGROUP CREATE from g 0");
        bench.run("XREADGROUP GROUP g ada COUNT 20 STREAMS from >");
        bench.run("XGROUP CREATECONSUMER from g bob");
        bench.run("XGROUP CREATE from h 5");
        bench.run("COPY from s");
        assert_groups_replay(&bench);
        bench.run("DEL s");
        bench.run("XGROUP CREATE empty g $ MKSTREAM");
        bench.run("COPY empty s");
        assert_groups_replay(&bench);
    }
}
