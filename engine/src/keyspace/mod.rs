//! The keyspace: entries, segments, tables, and the array of slots that hold them.

pub(crate) mod entry;
pub(crate) mod segment;
pub(crate) mod table;
