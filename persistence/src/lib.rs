//! The files of Keyslot: the journal and the log that holds it, recovery, and the [`Store`], which is an engine with both.
//!
//! ```text
//!   Engine --append--> journal (memory) --driver--> log (files)       while the store is open
//!   Engine --view----> saving: RDB files, new bases of the log        now and then, on a thread of its own
//!   Engine <--apply--- recovery <------- base, then log (files)       when it is opened
//! ```
//!
//! The log is in the form of Redis 7's append-only file. Every byte of every file is drawn in [`formats`].
//!
//! Architecture Invariant: only `storage` opens, reads and writes files; only the `driver` room starts threads and
//! reads a clock. Everything else takes a [`Storage`] and a time, so that a test can fail any call of a disk and a simulation can
//! run many nodes in one thread.
//!
//! Architecture Invariant: the bytes that the engine encoded are the bytes in the log. Values are encoded by the engine's
//! `payload`; `rdb`, `snapshot` and `aof` put them into files.
//!
//! Architecture Invariant: unsafe code stands in `journal::chunk` and `storage::map` only.

pub mod aof;
mod driver;
mod error;
pub mod formats;
pub mod journal;
mod log;
mod progress;
pub mod rdb;
pub mod recovery;
pub mod saving;
pub mod snapshot;
pub mod storage;
pub mod store;

pub use error::OpenError;
pub use journal::{Fsync, Journal, JournalHold, JournalOptions, JournalReader};
pub use log::{LogNames, LogOptions, Preallocation};
pub use progress::Progress;
pub use recovery::{BaseReport, Cut, Recovery, RecoveryReport};
pub use saving::{LogBase, SaveError, SaveKind, SavePoint, Saver, SavingStatus};
pub use storage::{MemoryStorage, RealStorage, Storage};
pub use store::{
    CloseError, CompactionPolicy, Durability, LoadingInfo, LogInfo, PersistenceInfo, ReloadError, Store, StoreBuilder,
};
