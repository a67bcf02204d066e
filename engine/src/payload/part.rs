//! What a value consists of, one part after another, whatever form it was written in.

use super::pairs::{Names, Pairs};
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::StreamId;

/// A part of a value. Parts of one value come in its own order.
#[derive(Clone, PartialEq, Debug)]
pub enum Part<'a> {
    /// The whole of a string.
    String(StrRef<'a>),
    /// The next element of a list.
    Element(StrRef<'a>),
    /// A member of a set.
    Member(StrRef<'a>),
    /// A member of a sorted set.
    Scored(StrRef<'a>, f64),
    /// A field of a hash, its value, and when it expires.
    Field(StrRef<'a>, StrRef<'a>, Option<UnixMillis>),
    /// A node of a stream begins: the entries up to the next one stand in it.
    Node {
        /// What the ids of its entries are counted from.
        id: StreamId,
        /// The fields that its entries need not name again.
        fields: Names<'a>,
        /// The size of its listpack.
        size_bytes: usize,
    },
    /// An entry of a stream.
    Entry(StreamId, Pairs<'a>),
    /// What a stream knows of itself.
    Stream {
        /// How many entries it holds.
        length: u64,
        /// The newest id it ever had.
        last: StreamId,
        /// The id of its first entry; absent in old forms.
        first: Option<StreamId>,
        /// The highest id that was deleted; absent in old forms.
        max_deleted: Option<StreamId>,
        /// How many entries were ever added; absent in old forms.
        added: Option<u64>,
    },
    /// A consumer group: the parts that follow are its own.
    Group {
        /// Its name.
        name: &'a [u8],
        /// The id that it delivered last.
        last: StreamId,
        /// How many entries it has read, if known.
        read: Option<u64>,
    },
    /// An entry that the group delivered and nobody acknowledged.
    Pending {
        /// The entry.
        id: StreamId,
        /// When it was delivered last.
        delivered: UnixMillis,
        /// How often.
        count: u64,
    },
    /// A consumer of the group: the owned entries that follow are its own.
    Consumer {
        /// Its name.
        name: &'a [u8],
        /// When it was seen last.
        seen: UnixMillis,
        /// When it last got something; absent in old forms.
        active: Option<UnixMillis>,
    },
    /// A pending entry of the group that this consumer owns.
    Owned(StreamId),
}
