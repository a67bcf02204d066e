//! The files of Keyslot.

mod driver;
pub mod journal;
mod log;
pub mod storage;

pub use journal::{Fsync, Journal, JournalOptions};
pub use log::{LogOptions, Preallocation};
