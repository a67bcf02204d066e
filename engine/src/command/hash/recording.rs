//! How hashes and expiries of fields are recorded.

use crate::effect::Recorder;
use crate::time::UnixMillis;
use crate::turn::{Key, PIECE_WORDS, Pieces, Turn};
use crate::value::hash::{Field, HashRef};
use std::collections::BTreeMap;

/// Records that `key` holds these fields and nothing else: `DEL`, then `HSET` in pieces of bounded size, then `HPEXPIREAT`
/// for each time at which fields are due.
pub(crate) fn record_hash(to: &mut impl Recorder, key: &[u8], hash: HashRef<'_>) {
    to.record(&[b"DEL", key]);
    if to.is_recording() {
        record_fields(to, key, hash.iter());
    }
}

/// Records the `n`-th part of what [`record_hash`] records behind `DEL`; false, and nothing, behind the last.
pub(crate) fn record_hash_part(to: &mut impl Recorder, key: &[u8], hash: HashRef<'_>, n: usize) -> bool {
    let Some(fields) = hash.part(n) else { return false };
    record_fields(to, key, fields);
    true
}

fn record_fields<'f>(to: &mut impl Recorder, key: &[u8], fields: impl Iterator<Item = Field<'f>>) {
    let head: &[&[u8]] = &[b"HSET", key];
    let mut pieces = Pieces::default();
    let mut timed: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for Field { field, value, expiry } in fields {
        field.with_bytes(|field| pieces.push(field));
        value.with_bytes(|value| pieces.push(value));
        if let Some(UnixMillis(ms)) = expiry {
            timed.entry(ms).or_default().push(field.to_vec());
        }
        if pieces.is_full() {
            pieces.record(to, head);
        }
    }
    pieces.record(to, head);
    for (ms, fields) in timed {
        for fields in fields.chunks(PIECE_WORDS) {
            record_expiry(to, key, UnixMillis(ms), fields);
        }
    }
}

/// Records the expiry that a field has, if it has one.
pub(super) fn record_field_expiry(turn: &mut Turn<'_>, key: &Key<'_>, field: &[u8]) {
    let expiry = turn.find(key).and_then(|spot| turn.entry(key, spot).as_hash()?.get(field)?.expiry);
    if let Some(expiry) = expiry {
        record_expiry(turn, key.bytes, expiry, &[field]);
    }
}

/// Records that fields are due at a time.
pub(super) fn record_expiry(to: &mut impl Recorder, key: &[u8], at: UnixMillis, fields: &[impl AsRef<[u8]>]) {
    let (mut ms, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut effect: Vec<&[u8]> =
        vec![b"HPEXPIREAT", key, ms.format(at.0).as_bytes(), b"FIELDS", count.format(fields.len()).as_bytes()];
    effect.extend(fields.iter().map(AsRef::as_ref));
    to.record(&effect);
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{Bench, assert_totals};

    #[test]
    fn a_hash_that_is_copied_or_renamed_across_slots_replays() {
        let bench = Bench::new();
        bench.run("HSET small a 1 b 2");
        bench.run("HSET b old 1");
        let pairs: Vec<_> = (0..1_000).map(|n| (format!("f{n}"), format!("v{n}"))).collect();
        bench.db.hset_multiple("large", &pairs).unwrap();
        bench.run("EXPIRE large 100");
        bench.effects();
        bench.run("COPY small b REPLACE");
        assert_eq!(bench.effects(), ["DEL b", "HSET b a 1 b 2"]);
        bench.run("COPY large c");
        bench.run("COPY large c DB 2");
        bench.run("HSET c x 1 f1 changed");
        bench.run("RENAME large d");
        bench.run("MOVE d 1");
        assert_eq!(bench.db.hlen("c").unwrap(), 1_001);
        assert_totals(&bench.db);
        bench.assert_replays();
    }
}
