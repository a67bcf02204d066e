//! `PFCOUNT key...`: about how many different elements were counted in, in all of the keys together.
//!
//! Reply: the number. A single key keeps it in its string until the next change. Effect: `PFCOUNT key` when it was kept
//! anew.

use super::counter_of;
use crate::command::row::flag::{MAY_REPLICATE, READONLY};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::hyperloglog::{REGISTERS, cache, cached, estimate, estimate_ranks, merge_into};

pub(super) const PFCOUNT: Row = Row::new("pfcount", -2, Run::Turn(pf_count))
    .flags(READONLY | MAY_REPLICATE)
    .keys(&[KeySpec::index(1)
        .range(-1, 1)
        .rw()
        .access()
        .notes("RW because it may change the internal representation of the key, and propagate to replicas")])
    .summary("Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).")
    .docs(
        Group::Hyperloglog,
        "2.8.9",
        "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of \
         keys, and much bigger constant times, when called with multiple keys.",
    )
    .args("key:key#0*");

fn pf_count(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = turn.pfcount(&args[1..])?;
    reply.integer(count as i64);
    Ok(())
}

impl Turn<'_> {
    /// About how many different elements were counted in, in all of `keys` together. O(1) for one key that did not
    /// change since, O(keys) otherwise.
    pub fn pfcount<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<u64, CommandError> {
        match keys {
            [key] => count_one(self, key.as_ref()),
            keys => count_union(self, keys),
        }
    }
}

fn count_one(turn: &mut Turn<'_>, key: &[u8]) -> Result<u64, CommandError> {
    let key = turn.key(key)?;
    let count = {
        let Some(entry) = turn.read(&key) else { return Ok(0) };
        let (bytes, form) = counter_of(&entry)?;
        if let Some(count) = cached(bytes) {
            return Ok(count);
        }
        estimate(bytes, form)?
    };
    if let Some(spot) = turn.find(&key) {
        turn.edit_string(&key, spot, |bytes| cache(bytes, count));
        turn.record(&[b"PFCOUNT", key.bytes]);
    }
    Ok(count)
}

fn count_union<K: AsRef<[u8]>>(turn: &mut Turn<'_>, keys: &[K]) -> Result<u64, CommandError> {
    let mut ranks = [0; REGISTERS];
    for key in keys {
        let key = turn.key(key.as_ref())?;
        if let Some(entry) = turn.read(&key) {
            let (bytes, form) = counter_of(&entry)?;
            merge_into(&mut ranks, bytes, form)?;
        }
    }
    Ok(estimate_ranks(&ranks))
}

impl Engine {
    /// About how many different elements were counted in, in all of `keys` together; a missing key has none. The error is
    /// about 0.8 %. Fails with WRONGTYPE on other types and other strings, with INVALIDOBJ on one that contradicts itself,
    /// and in a cluster on keys of several slots. O(1) for one key that did not change since, O(keys) otherwise. Follows
    /// PFCOUNT of Redis 7.2; records `PFCOUNT` where one key's number is kept anew.
    pub fn pfcount<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<u64, CommandError> {
        let names: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        self.on_keys(&names, Access::Write, |turn| turn.pfcount(keys))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn one_key_keeps_its_number_until_it_changes() {
        let bench = Bench::new();
        bench.run("PFADD k a b c");
        bench.effects();
        assert_eq!(bench.run("PFCOUNT k"), Value::Integer(3));
        assert_eq!(bench.effects(), ["PFCOUNT k"]);
        assert_eq!(bench.run("PFCOUNT k"), Value::Integer(3));
        assert!(bench.effects().is_empty());
        bench.run("PFADD k a");
        assert_eq!(bench.run("PFCOUNT k none"), Value::Integer(3));
        assert!(bench.effects().is_empty());
        bench.run("PFADD k d");
        assert_eq!(bench.run("PFCOUNT k"), Value::Integer(4));
        assert_eq!(bench.effects(), ["PFADD k d", "PFCOUNT k"]);
        assert_eq!(bench.run("PFCOUNT none"), Value::Integer(0));
        bench.assert_replays();
    }

    #[test]
    fn a_union_counts_sparse_and_dense_together() {
        let bench = Bench::new();
        let names: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        bench.db.pfadd("a", &names[..15_000]).unwrap();
        bench.db.pfadd("b", &names[5000..]).unwrap();
        bench.db.pfadd("c", &names[..10]).unwrap();
        let count = bench.db.pfcount(&["a", "b", "c", "none"]).unwrap();
        assert!((19_500..20_500).contains(&count), "{count}");
        assert_eq!(bench.db.pfcount(&["c", "none"]).unwrap(), 10);
    }

    #[test]
    fn errors() {
        let bench = Bench::new();
        bench.run("SET s x");
        let refused = "WRONGTYPE Key is not a valid HyperLogLog string value.";
        assert_eq!(bench.error("PFCOUNT s"), refused);
        assert_eq!(bench.error("PFCOUNT none s"), refused);
        bench.run("SET s \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\\x7f\"");
        bench.effects();
        for request in ["PFCOUNT s", "PFCOUNT none s"] {
            assert_eq!(bench.error(request), "INVALIDOBJ Corrupted HLL object detected");
        }
        assert!(bench.effects().is_empty());
    }
}
