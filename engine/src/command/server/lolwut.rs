//! `LOLWUT [VERSION version]`: the version. Its art is left to the original.
//!
//! Reply: verbatim text.

use crate::client::Connection;
use crate::command::REDIS_VERSION;
use crate::command::row::flag::{FAST, READONLY};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;

pub(super) const LOLWUT: Row = Row::new("lolwut", -1, Run::Connection(lolwut))
    .flags(READONLY | FAST)
    .summary("Displays computer art and the Redis version")
    .docs(Group::Server, "5.0.0", "")
    .args("version:integer?=VERSION");

fn lolwut(_: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if let [_, word, version, ..] = args
        && word.eq_ignore_ascii_case(b"version")
        && parse_i64(version).is_none()
    {
        return Err(CommandError::NotInteger);
    }
    let text = format!("Keyslot {}\nRedis ver. {REDIS_VERSION}\n", env!("CARGO_PKG_VERSION"));
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}
