//! How a whole set is recorded.

use crate::effect::Recorder;
use crate::turn::Pieces;
use crate::value::set::SetRef;

/// Records that `key` holds these members and nothing else: `DEL`, then `SADD` in pieces of bounded size.
pub(crate) fn record_set(to: &mut impl Recorder, key: &[u8], set: SetRef<'_>) {
    to.record(&[b"DEL", key]);
    if !to.is_recording() {
        return;
    }
    let head: &[&[u8]] = &[b"SADD", key];
    let mut pieces = Pieces::default();
    set.for_each(|member| {
        member.with_bytes(|member| pieces.push(member));
        if pieces.is_full() {
            pieces.record(to, head);
        }
    });
    pieces.record(to, head);
}

/// Records the `n`-th part of what [`record_set`] records behind `DEL`; false, and nothing, behind the last.
pub(crate) fn record_set_part(to: &mut impl Recorder, key: &[u8], set: SetRef<'_>, n: usize) -> bool {
    let Some(members) = set.part(n) else { return false };
    let mut pieces = Pieces::default();
    members.for_each(|member| member.with_bytes(|member| pieces.push(member)));
    pieces.record(to, &[b"SADD", key]);
    true
}

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
