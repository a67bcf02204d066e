//! The server itself: what it tells about its state, and switches for operators and tests.
//!
//! What concerns the process, its files and its settings is done by the host: those rows say so.

pub(crate) mod debug;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
pub(crate) mod monitor;
mod process;
mod replication;
mod role;
mod save;
mod slowlog;
mod time;

use super::row::Row;

/// Rows of the family.
pub(super) const ROWS: &[Row] = &[
    save::BGREWRITEAOF,
    save::BGSAVE,
    process::CONFIG,
    debug::DEBUG,
    replication::FAILOVER,
    info::INFO,
    save::LASTSAVE,
    latency::LATENCY,
    lolwut::LOLWUT,
    memory::MEMORY,
    module::MODULE,
    replication::PSYNC,
    replication::REPLCONF,
    replication::REPLICAOF,
    role::ROLE,
    monitor::MONITOR,
    save::SAVE,
    process::SHUTDOWN,
    replication::SLAVEOF,
    slowlog::SLOWLOG,
    replication::SYNC,
    time::TIME,
    replication::WAIT,
    replication::WAITAOF,
];

#[cfg(test)]
mod tests;
