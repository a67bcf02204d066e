//! `PFADD key [element...]`: counts elements in.
//!
//! Reply: 1 if a register changed or the key was made, else 0. Effect: `PFADD key element...`, with the elements from the
//! first on that changed something.

use super::{counter_of, sparse_bytes_max};
use crate::command::row::flag::{DENYOOM, FAST, WRITE};
use crate::command::row::{Group, KeySpec, Row};
use crate::command::{CommandResult, Run};
use crate::engine::{Access, Engine};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::hyperloglog::{Corrupt, Form, Sighting, empty, invalidate, raise, would_change};

pub(super) const PFADD: Row = Row::new("pfadd", -2, Run::Turn(pf_add))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::index(1).rw().insert()])
    .summary("Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.")
    .docs(Group::Hyperloglog, "2.8.9", "O(1) to add every element.")
    .args("key:key#0 element:string?*");

fn pf_add(turn: &mut Turn<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let changed = turn.pfadd(args[1], &args[2..])?;
    reply.integer(changed.into());
    Ok(())
}

impl Turn<'_> {
    /// Counts elements in; says whether that changed the HyperLogLog at `key`, which is made if missing. O(elements) on
    /// a dense one, O(elements * length) on a sparse one.
    pub fn pfadd<V: AsRef<[u8]>>(&mut self, key: impl AsRef<[u8]>, elements: &[V]) -> Result<bool, CommandError> {
        let key = self.key(key.as_ref())?;
        let bytes_max = sparse_bytes_max(self);
        let Some(spot) = self.find(&key) else {
            let mut bytes = empty();
            raise_all(&mut bytes, elements, bytes_max)?;
            self.put(&key, None, EntryRef::string(key.bytes, StrRef::Bytes(&bytes), true, None));
            self.end_pfadd(key.bytes, elements);
            return Ok(true);
        };
        let first = {
            let entry = self.entry(&key, spot);
            let (bytes, form) = counter_of(&entry)?;
            first_change(bytes, form, elements)?
        };
        let Some(first) = first else { return Ok(false) };
        let elements = &elements[first..];
        self.edit_string(&key, spot, |bytes| {
            // Only the sparse form, which is short, can turn out to be corrupt.
            let before = (bytes.len() <= SPARSE_BYTES_KEPT).then(|| bytes.clone());
            let raised = raise_all(bytes, elements, bytes_max);
            if let (Err(_), Some(before)) = (raised, before) {
                *bytes = before;
            }
            raised
        })?;
        self.end_pfadd(key.bytes, elements);
        Ok(true)
    }

    fn end_pfadd<V: AsRef<[u8]>>(&mut self, key: &[u8], elements: &[V]) {
        let mut effect: Vec<&[u8]> = vec![b"PFADD", key];
        effect.extend(elements.iter().map(AsRef::as_ref));
        self.record(&effect);
        self.notify(EventClass::String, "pfadd", key);
    }
}

/// The first element that would change something: up to there nothing is touched.
fn first_change<V: AsRef<[u8]>>(bytes: &[u8], form: Form, elements: &[V]) -> Result<Option<usize>, Corrupt> {
    for (at, element) in elements.iter().enumerate() {
        if would_change(bytes, form, Sighting::of(element.as_ref()))? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn raise_all<V: AsRef<[u8]>>(bytes: &mut Vec<u8>, elements: &[V], bytes_max: usize) -> Result<(), Corrupt> {
    for element in elements {
        raise(bytes, Sighting::of(element.as_ref()), bytes_max)?;
    }
    invalidate(bytes);
    Ok(())
}

/// Sparse strings up to this length are put back as they were when they turn out to be corrupt.
const SPARSE_BYTES_KEPT: usize = 64 * 1024;

impl Engine {
    /// Counts elements in; says whether that changed the HyperLogLog at `key`, which is made if missing. Fails with
    /// WRONGTYPE on other types and other strings, and with INVALIDOBJ on one that contradicts itself. O(elements) on a
    /// dense one, O(elements * length) on a sparse one (up to `hll-sparse-max-bytes`). Follows PFADD of Redis 7.2; records
    /// `PFADD`.
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// assert!(db.pfadd("visitors", &["ada", "grace"])?);
    /// assert!(!db.pfadd("visitors", &["ada"])?);
    /// assert_eq!(db.pfcount(&["visitors"])?, 2);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn pfadd<V: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, elements: &[V]) -> Result<bool, CommandError> {
        let key = key.as_ref();
        self.on_key(key, Access::Grow, |turn| turn.pfadd(key, elements))
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;
    use std::sync::atomic::Ordering;

    #[test]
    fn only_what_changes_something_is_recorded() {
        let bench = Bench::new();
        assert_eq!(bench.run("PFADD k"), Value::Integer(1));
        assert_eq!(bench.run("PFADD k"), Value::Integer(0));
        assert_eq!(bench.run("PFADD k a b c"), Value::Integer(1));
        assert_eq!(bench.run("PFADD k b a"), Value::Integer(0));
        assert_eq!(bench.run("PFADD k a d e"), Value::Integer(1));
        assert_eq!(bench.run("OBJECT ENCODING k"), Value::bulk("raw"));
        assert_eq!(bench.effects(), ["PFADD k", "PFADD k a b c", "PFADD k d e"]);
        bench.assert_replays();
    }

    #[test]
    fn bytes_are_those_of_redis() {
        let bench = Bench::new();
        bench.run("PFADD k a b c");
        let bytes = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
        assert_eq!(bench.db.get("k").unwrap().unwrap(), &bytes[..]);
    }

    #[test]
    fn a_long_one_becomes_dense() {
        let bench = Bench::new();
        let names: Vec<String> = (0..3000).map(|n| format!("element:{n}")).collect();
        for names in names.chunks(7) {
            bench.db.pfadd("k", names).unwrap();
        }
        assert_eq!(bench.db.strlen("k").unwrap(), 12304);
        bench.db.options().hll_sparse_bytes_max.store(40, Ordering::Relaxed);
        bench.db.pfadd("short", &names[..12]).unwrap();
        assert_eq!(bench.db.strlen("short").unwrap(), 12304);
        let count = bench.db.pfcount(&["k"]).unwrap();
        assert!((2950..3050).contains(&count), "{count}");
    }

    #[test]
    fn other_strings_are_refused_and_corrupt_ones_are_left_alone() {
        let bench = Bench::new();
        let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80".to_vec();
        let refused = "WRONGTYPE Key is not a valid HyperLogLog string value.";
        for bytes in [&b"12"[..], b"", b"HYLL", &header[..15], b"HYLK\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff"] {
            bench.db.set("k", bytes).unwrap();
            assert_eq!(bench.error("PFADD k a"), refused, "{bytes:?}");
        }
        for (form, len) in [(0u8, 12303), (0, 12305), (2, 100)] {
            let mut bytes = header.clone();
            bytes[4] = form;
            bytes.resize(len, 0);
            bench.db.set("k", &bytes).unwrap();
            assert_eq!(bench.error("PFADD k a"), refused);
        }
        for runs in [&b""[..], b"\x00", b"\x40\x00\x80", b"\xfc"] {
            let bytes = [&header[..], runs].concat();
            bench.db.set("k", &bytes).unwrap();
            bench.effects();
            assert_eq!(bench.error("PFADD k a b c"), "INVALIDOBJ Corrupted HLL object detected", "{runs:?}");
            assert_eq!(bench.db.get("k").unwrap().unwrap(), bytes);
            assert!(bench.effects().is_empty());
        }
    }
}
