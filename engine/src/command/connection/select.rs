//! `SELECT index`: changes the connection's database.
//!
//! Reply: OK. In cluster mode there is database 0 only.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;

pub(super) const SELECT: Row = Row::new("select", 2, Run::Connection(select))
    .flags(LOADING | STALE | FAST)
    .summary("Changes the selected database.")
    .docs(Group::Connection, "1.0.0", "O(1)")
    .args("index:integer");

fn select(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let index = parse_i64(args[1]).ok_or(CommandError::NotInteger)?;
    let Ok(index) = i32::try_from(index) else {
        return Err(CommandError::text("ERR value is out of range, value must between -2147483648 and 2147483647"));
    };
    if core.gate.is_cluster() && index != 0 {
        return Err(CommandError::SelectInCluster);
    }
    match u16::try_from(index) {
        Ok(db) if db < DATABASE_COUNT => connection.select(db),
        _ => return Err(CommandError::DatabaseOutOfRange),
    }
    reply.ok();
    Ok(())
}
