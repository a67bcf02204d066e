//! `CLIENT ID`, `CLIENT GETNAME`, `CLIENT SETNAME name`, `CLIENT SETINFO LIB-NAME | LIB-VER value`.
//!
//! Replies: the id; the name or null; OK.

use crate::client::Connection;
use crate::command::row::flag::{LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::borrow::Cow;

pub(super) const ID: Row = Row::new("client|id", 2, Run::Connection(id))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Returns the unique client ID of the connection.")
    .docs(Group::Connection, "5.0.0", "O(1)");

pub(super) const GETNAME: Row = Row::new("client|getname", 2, Run::Connection(get_name))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Returns the name of the connection.")
    .docs(Group::Connection, "2.6.9", "O(1)");

pub(super) const SETNAME: Row = Row::new("client|setname", 3, Run::Connection(set_name_of))
    .flags(NOSCRIPT | LOADING | STALE)
    .tips("request_policy:all_nodes response_policy:all_succeeded")
    .summary("Sets the connection name.")
    .docs(Group::Connection, "2.6.9", "O(1)")
    .args("connection-name:string");

pub(super) const SETINFO: Row = Row::new("client|setinfo", 4, Run::Connection(set_info))
    .flags(NOSCRIPT | LOADING | STALE)
    .tips("request_policy:all_nodes response_policy:all_succeeded")
    .summary("Sets information specific to the client or connection.")
    .docs(Group::Connection, "7.2.0", "O(1)")
    .args("attr:oneof{libname:string=LIB-NAME libver:string=LIB-VER}");

fn id(_: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.integer(connection.client.id as i64);
    Ok(())
}

fn get_name(_: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match connection.client.text.lock().name.as_slice() {
        [] => reply.null(),
        name => reply.bulk(name),
    }
    Ok(())
}

fn set_name_of(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    check_word(args[2], "Client names")?;
    set_name(connection, args[2]);
    reply.ok();
    Ok(())
}

fn set_info(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let is_name = match args[2].to_ascii_lowercase().as_slice() {
        b"lib-name" => true,
        b"lib-ver" => false,
        _ => return Err(CommandError::quoting("ERR Unrecognized option '", args[2], "'")),
    };
    check_word(args[3], &String::from_utf8_lossy(args[2]))?;
    let mut text = connection.client.text.lock();
    let place = if is_name { &mut text.lib_name } else { &mut text.lib_version };
    *place = args[3].to_vec();
    reply.ok();
    Ok(())
}

/// Gives the connection a name that was checked.
pub(in crate::command::connection) fn set_name(connection: &Connection, name: &[u8]) {
    connection.client.text.lock().name = name.to_vec();
}

/// Checks that CLIENT LIST can show a word: printable ASCII without blanks. `what` names it in the error.
pub(in crate::command::connection) fn check_word(word: &[u8], what: &str) -> Result<(), CommandError> {
    if word.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(CommandError::Text(Cow::Owned(format!("ERR {what} cannot contain spaces, newlines or special characters."))))
}
