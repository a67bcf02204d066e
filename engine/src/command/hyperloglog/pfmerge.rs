//! `PFMERGE destination [source...]`: makes one HyperLogLog of several, the destination's own elements included.
//!
//! Reply: OK. Effect: `SET destination bytes`, with `PXAT ms` where it has an expiry, so that it reads no other slot.

use super::{counter_of, sparse_bytes_max};
use crate::command::row::flag::{DENYOOM, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::Engine;
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::hyperloglog::{Form, REGISTERS, Sighting, empty, invalidate, make_dense, merge_into, raise};

pub(super) const PFMERGE: Row = Row::new("pfmerge", -2, Run::Turn(pf_merge))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::index(1).rw().access().insert(), KeySpec::index(2).range(-1, 1).ro().access()])
    .summary("Merges one or more HyperLogLog values into a single key.")
    .docs(Group::Hyperloglog, "2.8.9", "O(N) to merge N HyperLogLogs, but with high constant times.")
    .args("destkey:key#0 sourcekey:key#1?*");

fn pf_merge(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    turn.pfmerge(args[1], &args[2..])?;
    reply.ok();
    Ok(())
}

impl Turn<'_> {
    /// Counts into the HyperLogLog at `destination`, which is made if missing, all that was counted into `sources`.
    /// O(sources).
    pub fn pfmerge<K: AsRef<[u8]>>(
        &mut self,
        destination: impl AsRef<[u8]>,
        sources: &[K],
    ) -> Result<(), CommandError> {
        let destination = self.key(destination.as_ref())?;
        let mut ranks = [0; REGISTERS];
        let mut has_dense = false;
        for key in std::iter::once(destination.bytes).chain(sources.iter().map(AsRef::as_ref)) {
            let key = self.key(key)?;
            if let Some(entry) = self.read(&key) {
                let (bytes, form) = counter_of(&entry)?;
                merge_into(&mut ranks, bytes, form)?;
                has_dense |= form == Form::Dense;
            }
        }
        let old = self.find(&destination);
        let (mut bytes, expiry) = match old {
            None => (empty(), None),
            Some(spot) => {
                let entry = self.entry(&destination, spot);
                (counter_of(&entry)?.0.to_vec(), entry.expiry())
            }
        };
        if has_dense {
            make_dense(&mut bytes)?;
        }
        let bytes_max = sparse_bytes_max(self);
        for (register, &rank) in ranks.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            raise(&mut bytes, Sighting { register, rank }, bytes_max)?;
        }
        invalidate(&mut bytes);
        match old {
            Some(spot) => self.edit_string(&destination, spot, |old| old.clone_from(&bytes)),
            None => {
                let entry = EntryRef::string(destination.bytes, StrRef::Bytes(&bytes), true, None);
                self.put(&destination, None, entry);
            }
        }
        match expiry {
            None => self.record(&[b"SET", destination.bytes, &bytes]),
            Some(at) => {
                let at = at.0.to_string();
                self.record(&[b"SET", destination.bytes, &bytes, b"PXAT", at.as_bytes()]);
            }
        }
        self.notify(EventClass::String, "pfadd", destination.bytes);
        Ok(())
    }
}

impl Engine {
    /// Counts into the HyperLogLog at `destination`, which is made if missing, all that was counted into `sources`. Fails
    /// with WRONGTYPE on other types and other strings, with INVALIDOBJ on one that contradicts itself, and in a cluster
    /// on keys of several slots. O(sources). Follows PFMERGE of Redis 7.2; records `SET`.
    pub fn pfmerge<K: AsRef<[u8]>>(&self, destination: impl AsRef<[u8]>, sources: &[K]) -> Result<(), CommandError> {
        let destination = destination.as_ref();
        self.on_target(destination, sources, |turn| turn.pfmerge(destination, sources))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_destination_keeps_its_own_and_its_expiry() {
        let bench = Bench::new();
        bench.run("PFADD d a b");
        bench.run("PFADD s b c");
        bench.run("PEXPIRE d 5000");
        assert_eq!(bench.run("PFMERGE d s none"), Value::Ok);
        assert_eq!(bench.db.pfcount(&["d"]).unwrap(), 3);
        assert_eq!(bench.run("PTTL d"), Value::Integer(5000));
        bench.run("PFADD all a b c");
        bench.run("PFADD all");
        bench.run("PFCOUNT all");
        assert_eq!(bench.run("PFMERGE new d"), Value::Ok);
        assert_eq!(bench.db.pfcount(&["new"]).unwrap(), 3);
        assert_eq!(bench.db.get("new").unwrap(), bench.db.get("all").unwrap());
        assert_eq!(bench.run("PFMERGE fresh"), Value::Ok);
        assert_eq!(bench.db.strlen("fresh").unwrap(), 18);
        bench.assert_replays();
    }

    #[test]
    fn one_dense_source_makes_the_destination_dense() {
        let bench = Bench::new();
        bench.run("PFADD d a b");
        bench.run("PFADD s b c");
        assert_eq!(bench.run("PFDEBUG TODENSE s"), Value::Integer(1));
        bench.db.pfmerge("d", &["s"]).unwrap();
        assert_eq!(bench.run("PFDEBUG ENCODING d"), Value::Simple("dense".into()));
        assert_eq!(bench.db.pfcount(&["d"]).unwrap(), 3);
        bench.assert_replays();
    }

    #[test]
    fn a_source_of_another_kind_changes_nothing() {
        let bench = Bench::new();
        bench.run("SET s x");
        bench.effects();
        assert_eq!(bench.error("PFMERGE d none s"), "WRONGTYPE Key is not a valid HyperLogLog string value.");
        assert_eq!(bench.run("EXISTS d"), Value::Integer(0));
        assert!(bench.effects().is_empty());
    }
}
