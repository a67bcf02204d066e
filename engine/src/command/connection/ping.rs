//! `PING [message]` and `ECHO message`.
//!
//! Replies: PONG or the message; the message.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::borrow::Cow;

pub(super) const PING: Row = Row::new("ping", -1, Run::Connection(ping))
    .flags(FAST)
    .tips("request_policy:all_shards response_policy:all_succeeded")
    .summary("Returns the server's liveliness response.")
    .docs(Group::Connection, "1.0.0", "O(1)")
    .args("message:string?");

pub(super) const ECHO: Row = Row::new("echo", 2, Run::Connection(echo))
    .flags(LOADING | STALE | FAST)
    .summary("Returns the given string.")
    .docs(Group::Connection, "1.0.0", "O(1)")
    .args("message:string");

fn ping(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match args {
        [_] => reply.simple("PONG"),
        [_, message] => reply.bulk(message),
        _ => return Err(CommandError::WrongArity(Cow::Borrowed("ping"))),
    }
    Ok(())
}

fn echo(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    reply.bulk(args[1]);
    Ok(())
}
