//! `ROLE`: what part this node plays.
//!
//! Reply: what the host says; without one `master`, the end of the journal, and no replicas: an engine by itself is a primary.

use crate::client::Connection;
use crate::command::host_request::ask_host;
use crate::command::row::flag::{FAST, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row, category};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;

pub(super) const ROLE: Row = Row::new("role", 1, Run::Connection(role))
    .flags(NOSCRIPT | LOADING | STALE | FAST)
    .categories(category::ADMIN | category::DANGEROUS)
    .summary("Returns the replication role.")
    .docs(Group::Server, "2.8.12", "O(1)");

fn role(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if ask_host(core, connection, args, reply).is_ok() {
        return Ok(());
    }
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(core.journal_end().0 as i64);
    reply.array(0);
    Ok(())
}
