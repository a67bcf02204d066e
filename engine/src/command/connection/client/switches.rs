//! `CLIENT NO-EVICT ON | OFF` and `CLIENT NO-TOUCH ON | OFF`.
//!
//! Reply: OK. NO-EVICT is kept and shown: no connection is closed for want of memory. With NO-TOUCH the connection's
//! commands leave the idle time of keys alone, TOUCH excepted.

use crate::client::Connection;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const NO_EVICT: Row = Row::new("client|no-evict", 3, Run::Connection(no_evict))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Sets the client eviction mode of the connection.")
    .docs(Group::Connection, "7.0.0", "O(1)")
    .args("enabled:oneof{on=ON off=OFF}");

pub(super) const NO_TOUCH: Row = Row::new("client|no-touch", 3, Run::Connection(no_touch))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Controls whether commands sent by the client affect the LRU/LFU of accessed keys.")
    .docs(Group::Connection, "7.2.0", "O(1)")
    .args("enabled:oneof{on=ON off=OFF}");

fn no_evict(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    switch(&connection.client.no_evict, args[2], reply)
}

fn no_touch(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    switch(&connection.client.no_touch, args[2], reply)
}

fn switch(place: &AtomicBool, word: &[u8], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let on = match word.to_ascii_uppercase().as_slice() {
        b"ON" => true,
        b"OFF" => false,
        _ => return Err(CommandError::Syntax),
    };
    place.store(on, Ordering::Relaxed);
    reply.ok();
    Ok(())
}
