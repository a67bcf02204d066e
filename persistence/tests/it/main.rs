//! The crate from outside: crashes, damage, and real servers reading the files.

#![allow(clippy::unwrap_used)]

mod crash;
mod damage;
mod dataset;
mod kill;
mod rdb;
mod redis;
mod server;
mod takeover;
