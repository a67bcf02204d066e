//! `PING [message]` and `ECHO message`.
//!
//! Replies: PONG or the message; the message. To a client of RESP2 that listens: the word `pong` and the message.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::{ReplyWriter, RespVersion};
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

fn ping(_: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    // A listening client of RESP2 is answered as if by a message.
    if connection.listens && connection.resp == RespVersion::V2 && connection.client.subscriptions.is_any() {
        let ([_] | [_, _]) = args else { return Err(CommandError::WrongArity(Cow::Borrowed("ping"))) };
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(args.get(1).copied().unwrap_or_default());
        return Ok(());
    }
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
