//! `TIME`: the host's clock.
//!
//! Reply: seconds since the epoch and microseconds within the second; the clock itself counts milliseconds.

use crate::client::Connection;
use crate::command::row::flag::{FAST, LOADING, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::resp::ReplyWriter;

pub(super) const TIME: Row = Row::new("time", 1, Run::Connection(time))
    .flags(LOADING | STALE | FAST)
    .tips("nondeterministic_output")
    .summary("Returns the server time.")
    .docs(Group::Server, "2.6.0", "O(1)");

fn time(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let now = core.now();
    reply.array(2);
    reply.bulk_i64(now.seconds());
    reply.bulk_i64(now.0.rem_euclid(1000) * 1000);
    Ok(())
}
