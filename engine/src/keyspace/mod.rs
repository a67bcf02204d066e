//! The keyspace: entries, segments, tables, and the array of slots that hold them.
//!
//! From the bottom: [`entry`] is one key with its value in one block; [`shard`] is the table of one database in one slot
//! with its counts and its expiry hint; [`admission`] says whether a slot
//! takes requests; [`slots`] is the array of locked slots; [`waiting`] holds
//! requests that wait for a key; [`leaving`] keys that are on their way to another server; [`eras`] keeps views apart from changes, [`capture`] is what one holds;
//! [`hints`] helps prefetching; [`traffic`] counts what requests took by slot, [`oversized`] knows which keys are large. Nothing here
//! knows a command, a turn or an effect.

pub(crate) mod admission;
pub(crate) mod candidates;
pub(crate) mod capture;
pub(crate) mod entry;
pub(crate) mod eras;
pub(crate) mod expiry_walk;
pub(crate) mod frequency;
pub(crate) mod hints;
pub(crate) mod leaving;
pub(crate) mod lifetime;
pub(crate) mod oversized;
pub(crate) mod reclaim;
pub(crate) mod shard;
pub(crate) mod slots;
pub(crate) mod totals;
pub(crate) mod traffic;
pub(crate) mod waiting;
pub(crate) mod watching;

pub use admission::GateState;
pub(crate) use entry::EntryRef;
pub use slots::DATABASE_COUNT;
