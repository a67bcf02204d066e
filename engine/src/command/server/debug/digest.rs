//! DEBUG DIGEST and DEBUG DIGEST-VALUE: a number that is the same for the same data, whatever the order it is kept in,
//! and the same as a Redis server with that data gives.
//!
//! ```text
//! everything = for each database that holds keys: mix(number), then xor of every pair
//! pair       = mix(key), mix(type), the value's own mix, and xor("!!expire!!") if it has an expiry
//! mix(x)     = digest = SHA1(digest xor SHA1(x))          xor(x) = digest = digest xor SHA1(x)
//! ```

use crate::command::sorted_set;
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::{DATABASE_COUNT, EntryRef};
use crate::text::{DoubleBuffer, format_f64_g17};
use crate::turn::Turn;
use crate::value::hash::HashRef;
use crate::value::{StreamId, ValueType, Walk};
use sha1::{Digest as _, Sha1};
use std::fmt::Write;

/// The digest of all databases. Visits the slots one at a time: stands still only while nobody writes. O(bytes).
pub(super) fn of_everything(core: &Core) -> String {
    let mut whole = Digest::default();
    core.slots.warm_all();
    for db in (0..DATABASE_COUNT).filter(|db| core.totals.keys(*db) > 0) {
        whole.mix(&u32::from(db).to_be_bytes());
        for slot in core.totals.occupied_or_hidden(db) {
            let guard = core.slots.lock(slot);
            for entry in guard.state.shard(db).into_iter().flat_map(|shard| shard.iter()) {
                let mut pair = Digest::default();
                pair.mix(entry.key());
                pair.mix_value(&entry);
                whole.xor(&pair.0);
            }
        }
    }
    whole.to_hex()
}

/// The digest of the value of one key, all zeros if there is none.
pub(super) fn of_value(turn: &mut Turn<'_>, key: &[u8]) -> Result<String, CommandError> {
    let mut digest = Digest::default();
    let key = turn.key(key)?;
    if let Some(spot) = turn.find(&key) {
        digest.mix_value(&turn.entry(&key, spot));
    }
    Ok(digest.to_hex())
}

/// The digest of the value of one entry.
#[cfg(test)]
pub(crate) fn of_entry(entry: &EntryRef) -> String {
    let mut digest = Digest::default();
    digest.mix_value(entry);
    digest.to_hex()
}

#[derive(Default)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place among others does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(bytes).into();
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    /// Adds something whose place among others matters.
    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn mix_value(&mut self, entry: &EntryRef) {
        self.mix(&(entry.value_type() as u32).to_be_bytes());
        match entry.value_type() {
            ValueType::String => {
                if let Some(value) = entry.as_string() {
                    value.with_bytes(|bytes| self.mix(bytes));
                }
            }
            ValueType::List => {
                if let Some(list) = entry.as_list() {
                    list.walk_from(0, |element| {
                        element.with_bytes(|bytes| self.mix(bytes));
                        Walk::On
                    });
                }
            }
            ValueType::Set => {
                if let Some(set) = entry.as_set() {
                    set.for_each(|member| member.with_bytes(|member| self.xor(member)));
                }
            }
            ValueType::Hash => {
                for field in entry.as_hash().into_iter().flat_map(HashRef::iter) {
                    let mut pair = Self::default();
                    field.field.with_bytes(|field| pair.mix(field));
                    field.value.with_bytes(|value| pair.mix(value));
                    if field.expiry.is_some() {
                        pair.xor(b"!!hexpire!!");
                    }
                    self.xor(&pair.0);
                }
            }
            ValueType::SortedSet => self.xor_members_and_scores(entry),
            ValueType::Stream => {
                for entry in entry.as_stream().into_iter().flat_map(|stream| stream.range(StreamId::MIN, StreamId::MAX))
                {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (field, value) in entry.fields() {
                        field.with_bytes(|bytes| self.mix(bytes));
                        value.with_bytes(|bytes| self.mix(bytes));
                    }
                }
            }
        }
        if entry.has_expiry() {
            self.xor(b"!!expire!!");
        }
    }

    fn xor_members_and_scores(&mut self, entry: &EntryRef) {
        let Ok(set) = sorted_set::read(entry) else { return };
        for (member, score) in set.iter() {
            let mut pair = Digest::default();
            member.with_bytes(|bytes| pair.mix(bytes));
            pair.mix(format_f64_g17(score, &mut DoubleBuffer::new()));
            self.xor(&pair.0);
        }
    }

    fn to_hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
