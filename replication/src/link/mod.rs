//! Replication between a primary and its replicas: PSYNC in both roles, bytes in and bytes out.
//!
//! ```text
//! primary                                       replica
//!   <- PING, AUTH, REPLCONF .., PSYNC id offset    what it has, and how far
//!   -> +CONTINUE id                                the rest of the stream is still here
//!   -> +FULLRESYNC id offset, snapshot             or everything up to the offset: an RDB, or between Keyslot nodes its own form
//!   -> the stream from the offset on               what the journal holds, byte for byte
//!   <- REPLCONF ACK offset                         each second, and when asked
//! ```
//!
//! An offset counts the bytes of the stream since its history began; it is the offset of the journal. A replica keeps the stream
//! as it comes, so it can go on under another primary of the same history, and be one itself.
//!
//! [`Primary`] holds all links of one node to its replicas, [`ReplicaLink`] the one to its primary. Neither opens sockets or reads
//! clocks: the host moves bytes and says what time it is. What a host has to do is listed at each.
//!
//! Invariants
//! - While the data of a node is replaced it serves no replica: what it has then is of no history.
//! - The bytes that a replica has up to its offset are the primary's up to there: whatever is in doubt ends in a full resync.
//! - A view is the journal up to one offset, so the stream behind a snapshot begins exactly where the snapshot ends.

mod confirmation;
mod export;
mod history;
mod primary;
mod profile;
mod reception;
mod replica;
mod stream;
#[cfg(test)]
mod tests;
mod translation;

pub use confirmation::Quorum;
pub use history::{History, ReplicationId};
pub use primary::{
    HandOver, LagLimits, LinkError, LinkId, Primary, PrimaryOptions, ReplicaState, ReplicaStatus, SyncCounts,
    SyncRequest,
};
pub use profile::{Configured, ReplicaProfile, SyncScope};
pub use reception::{Arrival, Called, Reception};
pub use replica::{ReplicaError, ReplicaEvent, ReplicaLink, ReplicaOptions, ReplicaPhase, SnapshotForm};
pub use stream::note;
