//! Writing a value as Redis serialises it, in the form that the oldest reader understands.
//!
//! ```text
//! value                              type    since RDB version
//! string                             0       1
//! list: a node for each chunk        18      10
//! set of integers                    11      2
//! set, compact                       2       1      20 for a reader of version 11
//! set, table                         2       1
//! sorted set, compact | large        17 | 5  10 | 8
//! hash, compact | table              16 | 4  10 | 1
//! hash with expiries of fields       25 | 24 12
//! stream                             19      10     21 for a reader of version 11: with active times of consumers
//! ```
//!
//! Invariants
//! - What is written is what the value holds, fields that are due included; the reader drops what it does not want.
//! - A hash whose last field expiry is gone is written as one that never had any.

mod stream;

use super::input::{push_number, push_text};
use super::listpack::Builder;
use crate::keyspace::EntryRef;
use crate::text::{DoubleBuffer, StrRef, format_f64};
use crate::time::UnixMillis;
use crate::value::hash::{Field, HashRef};
use crate::value::list::Node;
use crate::value::set::SetRef;
use crate::value::sorted_set::{Direction, SortedSetRef};
use crate::value::{ListRef, Object, ValueType};

/// The version of RDB that all of it can be written in but expiries of fields: that of Redis 7.0.
pub const VERSION_MIN: u16 = 10;

/// How values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// The newest version of RDB that the reader knows, at least [`VERSION_MIN`]. Expiries of fields are written whatever it
    /// knows: see [`version_of`].
    pub version: u16,
    /// Whether strings of more than 20 bytes are compressed where that makes them shorter.
    pub compress: bool,
    /// Whether expiries of fields are written; else a reader that does not know them gets the fields without.
    pub field_expiry: bool,
}

impl Default for Style {
    /// What Redis 7.0 reads, uncompressed.
    fn default() -> Self {
        Self { version: VERSION_MIN, compress: false, field_expiry: true }
    }
}

/// The version of RDB that a reader must know to read values of the type with this number, at least [`VERSION_MIN`].
pub fn version_of(number: u8) -> u16 {
    match number {
        0..=19 => VERSION_MIN,
        20 | 21 => 11,
        _ => 12,
    }
}

/// Appends the value of an entry and returns the number of its type. O(value).
pub(crate) fn encode(entry: &EntryRef, style: Style, out: &mut Vec<u8>) -> u8 {
    match entry.value_type() {
        ValueType::String => {
            push_text(out, entry.as_string().unwrap_or(StrRef::Bytes(b"")), style.compress);
            STRING
        }
        ValueType::List => entry.as_list().map_or(LIST, |list| push_list(out, list, style)),
        ValueType::Set => entry.as_set().map_or(SET, |set| push_set(out, set, style)),
        ValueType::SortedSet => push_sorted_set(out, entry, style),
        ValueType::Hash => entry.as_hash().map_or(HASH, |hash| push_hash(out, hash, style)),
        ValueType::Stream => entry.as_stream().map_or(stream::COUNTED, |stream| stream::push(out, stream, style)),
    }
}

/// Appends a string that `fill` appends the bytes of.
fn push_blob(out: &mut Vec<u8>, style: Style, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // Most are of 64 to 16383 bytes: then the length takes two.
    out.extend_from_slice(&[0; 2]);
    fill(out);
    let len = out.len() - start - 2;
    if !style.compress && (0x40..0x4000).contains(&len) {
        out[start] = 0x40 | (len >> 8) as u8;
        out[start + 1] = len as u8;
        return;
    }
    let bytes = out.split_off(start + 2);
    out.truncate(start);
    push_text(out, StrRef::Bytes(&bytes), style.compress);
}

fn push_list(out: &mut Vec<u8>, list: ListRef<'_>, style: Style) -> u8 {
    push_number(out, list.node_count() as u64);
    list.for_each_node(|node| match node {
        Node::Plain(element) => {
            push_number(out, NODE_PLAIN);
            push_text(out, element, style.compress);
        }
        Node::Packed { bytes, count } => {
            push_number(out, NODE_PACKED);
            push_blob(out, style, |out| Builder::push_whole(out, &[bytes], count));
        }
    });
    LIST
}

fn push_set(out: &mut Vec<u8>, set: SetRef<'_>, style: Style) -> u8 {
    match set {
        SetRef::Integers(integers) => {
            push_blob(out, style, |out| {
                out.extend_from_slice(&(integers.width().byte_count() as u32).to_le_bytes());
                out.extend_from_slice(&(integers.len() as u32).to_le_bytes());
                out.extend_from_slice(integers.as_bytes());
            });
            SET_INTEGERS
        }
        SetRef::Packed(_) if style.version >= version_of(SET_LISTPACK) => {
            push_blob(out, style, |out| {
                let mut listpack = Builder::begin(out);
                set.for_each(|member| listpack.push(member));
                listpack.end();
            });
            SET_LISTPACK
        }
        SetRef::Packed(_) | SetRef::Table(_) => {
            push_number(out, set.len() as u64);
            set.for_each(|member| push_text(out, member, style.compress));
            SET
        }
    }
}

fn push_sorted_set(out: &mut Vec<u8>, entry: &EntryRef, style: Style) -> u8 {
    let set = match (entry.as_object(), entry.packed()) {
        (Some(Object::SortedSet(set)), _) => SortedSetRef::Large(set),
        (_, bytes) => SortedSetRef::Compact(bytes.unwrap_or_default()),
    };
    match set {
        SortedSetRef::Compact(_) => {
            push_blob(out, style, |out| {
                let mut listpack = Builder::begin(out);
                for (member, score) in set.iter() {
                    listpack.push(member);
                    listpack.push_score(score);
                }
                listpack.end();
            });
            SORTED_SET_LISTPACK
        }
        SortedSetRef::Large(_) => {
            push_number(out, set.len() as u64);
            // From the highest score down, as Redis writes: whoever inserts one by one does it at the front.
            for (member, score) in set.walk(set.len().saturating_sub(1), usize::MAX, Direction::Down) {
                push_text(out, member, style.compress);
                out.extend_from_slice(&score.to_le_bytes());
            }
            SORTED_SET
        }
    }
}

fn push_hash(out: &mut Vec<u8>, hash: HashRef<'_>, style: Style) -> u8 {
    let expiry = |field: &Field<'_>| field.expiry.map_or(0, |UnixMillis(ms)| ms);
    let earliest = match hash.next_expiry() {
        None => None,
        Some(_) if !style.field_expiry => None,
        Some(_) => hash.iter().filter_map(|field| field.expiry).min(),
    };
    match (hash, earliest) {
        (HashRef::Compact(_), None) => {
            push_blob(out, style, |out| {
                let mut listpack = Builder::begin(out);
                for field in hash.iter() {
                    listpack.push(field.field);
                    listpack.push(field.value);
                }
                listpack.end();
            });
            HASH_LISTPACK
        }
        (HashRef::Compact(_), Some(UnixMillis(earliest))) => {
            out.extend_from_slice(&earliest.to_le_bytes());
            // In the order of their expiries, as the reader keeps them; those without one last.
            let mut fields: Vec<Field<'_>> = hash.iter().collect();
            fields.sort_by_key(|field| field.expiry.map_or(i64::MAX, |UnixMillis(ms)| ms));
            push_blob(out, style, |out| {
                let mut listpack = Builder::begin(out);
                for field in &fields {
                    listpack.push(field.field);
                    listpack.push(field.value);
                    listpack.push(StrRef::Int(expiry(field)));
                }
                listpack.end();
            });
            HASH_LISTPACK_TIMED
        }
        (HashRef::Table(_), None) => {
            push_number(out, hash.len() as u64);
            for field in hash.iter() {
                push_text(out, field.field, style.compress);
                push_text(out, field.value, style.compress);
            }
            HASH
        }
        (HashRef::Table(_), Some(UnixMillis(earliest))) => {
            out.extend_from_slice(&earliest.to_le_bytes());
            push_number(out, hash.len() as u64);
            for field in hash.iter() {
                // Counted from one before the earliest, so that 0 says none.
                let after = field.expiry.map_or(0, |UnixMillis(ms)| ms.wrapping_sub(earliest).wrapping_add(1));
                push_number(out, after as u64);
                push_text(out, field.field, style.compress);
                push_text(out, field.value, style.compress);
            }
            HASH_TIMED
        }
    }
}

impl Builder<'_> {
    /// Appends a score: an integer if it is one, else text.
    fn push_score(&mut self, score: f64) {
        let mut buffer = DoubleBuffer::new();
        self.push(StrRef::of(format_f64(score, &mut buffer)));
    }
}

const STRING: u8 = 0;
const SET: u8 = 2;
const HASH: u8 = 4;
const SORTED_SET: u8 = 5;
const SET_INTEGERS: u8 = 11;
const HASH_LISTPACK: u8 = 16;
const SORTED_SET_LISTPACK: u8 = 17;
const LIST: u8 = 18;
const SET_LISTPACK: u8 = 20;
const HASH_TIMED: u8 = 24;
const HASH_LISTPACK_TIMED: u8 = 25;

const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;
