//! The node as its users meet it: a process, sockets, signals, files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clients;
mod node;
mod persistence;
mod process;
mod settings;
