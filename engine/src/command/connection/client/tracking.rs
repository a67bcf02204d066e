//! `CLIENT TRACKING`, `CLIENT TRACKINGINFO`, `CLIENT GETREDIR`, `CLIENT CACHING`: client-side caching.
//!
//! No connection is tracked: it can be asked for, and switched off.

use crate::client::Connection;
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const TRACKING: Row = Row::new("client|tracking", -3, Run::Connection(tracking))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Controls server-assisted client-side caching for the connection.")
    .docs(Group::Connection, "6.0.0", "O(1). Some options may introduce additional complexity.")
    .args(
        "status:oneof{on=ON off=OFF} client-id:integer?=REDIRECT prefix:string?*+=PREFIX bcast?=BCAST \
         optin?=OPTIN optout?=OPTOUT noloop?=NOLOOP",
    );

pub(super) const TRACKINGINFO: Row = Row::new("client|trackinginfo", 2, Run::Connection(tracking_info))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Returns information about server-assisted client-side caching for the connection.")
    .docs(Group::Connection, "6.2.0", "O(1)");

pub(super) const GETREDIR: Row = Row::new("client|getredir", 2, Run::Connection(get_redirection))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Returns the client ID to which the connection's tracking notifications are redirected.")
    .docs(Group::Connection, "6.0.0", "O(1)");

pub(super) const CACHING: Row = Row::new("client|caching", 3, Run::Connection(caching))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Instructs the server whether to track the keys in the next request.")
    .docs(Group::Connection, "6.0.0", "O(1)")
    .args("mode:oneof{yes=YES no=NO}");

fn tracking(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut words = args[3..].iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"BCAST" | b"OPTIN" | b"OPTOUT" | b"NOLOOP" => {}
            b"REDIRECT" | b"PREFIX" if words.next().is_some() => {}
            _ => return Err(CommandError::Syntax),
        }
    }
    match args[2].to_ascii_uppercase().as_slice() {
        b"OFF" => reply.ok(),
        b"ON" => return Err(CommandError::text("ERR client-side caching is not offered by this server")),
        _ => return Err(CommandError::Syntax),
    }
    Ok(())
}

fn tracking_info(_: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(1);
    reply.bulk(b"off");
    reply.bulk(b"redirect");
    reply.integer(-1);
    reply.bulk(b"prefixes");
    reply.array(0);
    Ok(())
}

fn get_redirection(_: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(-1);
    Ok(())
}

fn caching(_: &Core, _: &mut Connection, _: &[&[u8]], _: &mut ReplyWriter<'_>) -> CommandResult {
    Err(CommandError::text(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))
}
