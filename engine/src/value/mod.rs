//! Values: one data structure per file. Knows no command, no RESP, no slot.
//!
//! Small collections are kept [`packed`], inside their entry's block; large ones are an [`Object`]. A set, a hash and the
//! index of a sorted set keep their members in a [`MemberTable`].

mod bit_field;
pub(crate) mod bits;
pub(crate) mod geohash;
pub(crate) mod hash;
pub(crate) mod hyperloglog;
pub(crate) mod list;
pub(crate) mod listpack;
mod member;
pub(crate) mod packed;
mod seen;
pub(crate) mod set;
pub(crate) mod sorted_set;
pub(crate) mod stream;

pub use crate::text::{AsValue, StrRef};
pub use bit_field::{FieldType, Overflow};
pub(crate) use bits::{BitOperation, BitSource};
pub(crate) use hash::{FieldExpiry, FieldTable};
pub use list::End;
pub(crate) use list::{List, ListRef, Walk};
pub(crate) use member::{Member, MemberTable};
pub use stream::{InvalidStreamId, StreamId, TrimTo};

use crate::table::Boxed;
use std::sync::Arc;

/// The type of a value, as TYPE names it. The numbers are Redis's, and are kept in four bits of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ValueType {
    /// Bytes, or an integer kept as a number.
    String = 0,
    /// A sequence of strings.
    List = 1,
    /// Strings without order or repetition.
    Set = 2,
    /// Strings in the order of their scores.
    SortedSet = 3,
    /// Fields with values.
    Hash = 4,
    /// An append-only sequence of entries with consumer groups.
    Stream = 6,
}

impl ValueType {
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            1 => Self::List,
            2 => Self::Set,
            3 => Self::SortedSet,
            4 => Self::Hash,
            6 => Self::Stream,
            _ => Self::String,
        }
    }

    /// The word that TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
        }
    }
}

/// A value with a block of its own. Cloning shares it; changing a shared one copies what is changed.
#[derive(Clone)]
pub(crate) enum Object {
    /// Bytes too many for the entry's block: a long string, or a long collection in its compact form.
    Bytes(Arc<Vec<u8>>),
    /// A list in chunks.
    List(Arc<List>),
    /// A stream.
    Stream(Arc<stream::Stream>),
    /// The members of a large set.
    Set(Arc<MemberTable>),
    /// The fields of a large hash.
    Hash(Arc<FieldTable>),
    /// A large sorted set.
    SortedSet(Arc<sorted_set::SortedSet>),
}

impl Boxed for Object {
    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Arc::new(bytes))
    }

    fn as_bytes(&self) -> Option<&Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::List(_) | Self::Stream(_) | Self::Set(_) | Self::Hash(_) | Self::SortedSet(_) => None,
        }
    }

    fn bytes_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(Arc::make_mut(bytes)),
            Self::List(_) | Self::Stream(_) | Self::Set(_) | Self::Hash(_) | Self::SortedSet(_) => None,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => shared_vec_bytes(bytes),
            Self::List(list) => list.heap_bytes(),
            Self::Stream(stream) => stream.heap_bytes(),
            Self::Set(members) => TABLE_BYTES + members.heap_bytes(),
            Self::Hash(table) => TABLE_BYTES + table.fields().heap_bytes(),
            Self::SortedSet(set) => SHARED_SET_BYTES + set.heap_bytes(),
        }
    }
}

impl Object {
    /// Whether it has elements that are freed one by one.
    pub(crate) fn is_collection(&self) -> bool {
        !matches!(self, Self::Bytes(_))
    }

    /// Frees a part of a value that was taken out, about a thousand elements: nothing can be looked up in it any more. Returns
    /// how many elements; 0 when none is left, or when others share it, whose it is then.
    pub(crate) fn free_part(&mut self) -> usize {
        match self {
            Self::Bytes(_) => 0,
            Self::List(list) => Arc::get_mut(list).map_or(0, List::drain_part),
            Self::Set(members) => Arc::get_mut(members).map_or(0, MemberTable::drain_part),
            Self::Hash(table) => Arc::get_mut(table).map_or(0, FieldTable::drain_part),
            Self::SortedSet(set) => Arc::get_mut(set).map_or(0, sorted_set::SortedSet::free_part),
            Self::Stream(stream) => Arc::get_mut(stream).map_or(0, stream::Stream::free_part),
        }
    }
}

/// What a table of members takes besides what hangs on it: itself and the counts of its owners.
const TABLE_BYTES: usize = (size_of::<MemberTable>() + 16).next_multiple_of(16);

/// Bytes of heap behind a shared vector, spare capacity included.
fn shared_vec_bytes(bytes: &Vec<u8>) -> usize {
    48 + bytes.capacity().next_multiple_of(16)
}

/// The shared part of a large sorted set.
const SHARED_SET_BYTES: usize = (size_of::<sorted_set::SortedSet>() + 16).next_multiple_of(16);
