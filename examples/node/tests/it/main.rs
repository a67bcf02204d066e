//! The node as its users meet it: a process, sockets, signals, files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod acks;
mod clients;
mod cluster;
mod differential;
mod failover;
mod full_disk;
mod full_sync;
mod kill;
mod libraries;
mod linearizable;
mod live_log;
mod matrix;
mod node;
mod persistence;
mod process;
mod proxy;
mod redis;
mod replication;
mod restarts;
mod saving;
mod sentinel;
mod settings;
mod side_by_side;
mod watch;
mod wire;
