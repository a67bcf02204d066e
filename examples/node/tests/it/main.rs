//! The node as its users meet it: a process, sockets, signals, files.

mod clients;
mod node;
mod persistence;
mod process;
