//! How a whole set is recorded.

use crate::turn::{Key, Turn};
use crate::value::set::SetRef;

/// Records that `key` holds these members and nothing else: `DEL`, then `SADD` in pieces of bounded size.
pub(crate) fn record_set(turn: &mut Turn<'_>, key: &Key<'_>, set: SetRef<'_>) {
    turn.record(&[b"DEL", key.bytes]);
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    let mut flush = |text: &mut Vec<u8>, ends: &mut Vec<usize>| {
        let mut args: Vec<&[u8]> = vec![b"SADD", key.bytes];
        let mut start = 0;
        for end in ends.iter() {
            args.push(&text[start..*end]);
            start = *end;
        }
        turn.record(&args);
        text.clear();
        ends.clear();
    };
    set.for_each(|member| {
        member.with_bytes(|member| text.extend_from_slice(member));
        ends.push(text.len());
        if ends.len() == PIECE_MEMBERS || text.len() >= PIECE_BYTES {
            flush(&mut text, &mut ends);
        }
    });
    if !ends.is_empty() {
        flush(&mut text, &mut ends);
    }
}

/// Members of one effect, at most: few enough that a replayed piece keeps a compact set compact.
const PIECE_MEMBERS: usize = 128;

/// Bytes after which a piece ends.
const PIECE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn a_set_that_is_copied_or_renamed_across_slots_replays() {
        let bench = Bench::new();
        bench.run("SADD small 1 2");
        bench.run("SADD b old");
        let members: Vec<String> = (0..1_000).map(|n| format!("m{n}")).collect();
        bench.db.sadd_many("large", &members).unwrap();
        bench.run("EXPIRE large 100");
        bench.effects();
        bench.run("COPY small b REPLACE");
        assert_eq!(bench.effects(), ["DEL b", "SADD b 1 2"]);
        bench.run("COPY large c");
        bench.run("COPY large c DB 2");
        bench.run("SADD c x");
        bench.run("RENAME large d");
        bench.run("MOVE d 1");
        assert_eq!(bench.db.scard("c").unwrap(), 1_001);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
