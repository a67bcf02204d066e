//! Entries in replies, and for embedders.

use crate::resp::ReplyWriter;
use crate::value::StreamId;
use crate::value::stream::{Entry, IdBuffer};
use bytes::Bytes;

/// An entry of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamEntry {
    /// Its id.
    pub id: StreamId,
    /// Fields and values, in the order in which they were given.
    pub fields: Vec<(Bytes, Bytes)>,
}

impl StreamEntry {
    pub(super) fn of(entry: Entry<'_>) -> Self {
        let bytes = |text: crate::value::StrRef<'_>| text.with_bytes(Bytes::copy_from_slice);
        Self { id: entry.id, fields: entry.fields().map(|(field, value)| (bytes(field), bytes(value))).collect() }
    }

    /// The value of a field, if the entry has it.
    pub fn value(&self, field: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.fields.iter().find(|(other, _)| other == field.as_ref()).map(|(_, value)| value)
    }
}

pub(super) fn write_id(id: StreamId, reply: &mut ReplyWriter<'_>) {
    reply.bulk(id.text(&mut IdBuffer::new()));
}

/// An entry: its id, then fields and values.
pub(super) fn write_entry(entry: &Entry<'_>, reply: &mut ReplyWriter<'_>) {
    reply.array(2);
    write_id(entry.id, reply);
    reply.array(2 * entry.field_count());
    for (field, value) in entry.fields() {
        field.with_bytes(|bytes| reply.bulk(bytes));
        value.with_bytes(|bytes| reply.bulk(bytes));
    }
}

/// An array of entries.
pub(super) fn write_entries<'a>(entries: impl Iterator<Item = Entry<'a>>, reply: &mut ReplyWriter<'_>) {
    let array = reply.begin_array();
    let mut count = 0;
    for entry in entries {
        write_entry(&entry, reply);
        count += 1;
    }
    reply.end_array(array, count);
}
