//! The crate from outside: crashes, damage, and real servers reading the files.

#![allow(clippy::unwrap_used)]

mod allowance;
mod crash;
mod crash_saving;
mod damage;
mod dataset;
mod formats;
mod fuzzing;
mod kill;
mod rdb;
mod redis;
mod server;
mod snapshot;
mod takeover;
