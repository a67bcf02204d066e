//! Requests that the engine hands on to its host.

use super::CommandResult;
use crate::client::Connection;
use crate::core::Core;
use crate::error::CommandError;
use crate::host::Asker;
use crate::resp::ReplyWriter;

/// Has the host do a command, or says that it does not offer it. The host may note in the connection that its reply comes
/// later.
pub(crate) fn ask_host(
    core: &Core,
    connection: &Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let client = &connection.client;
    // EXEC goes on when the reply is there; but for MIGRATE, what a transaction asks of the host is done at once.
    let may_come_later = !connection.executes || args[0].eq_ignore_ascii_case(b"migrate");
    let can_wait = connection.takes_pushes && may_come_later;
    let asker = Asker {
        client_id: client.id,
        addr: &client.peer.addr,
        db: connection.db,
        in_exec: connection.executes,
        later: can_wait.then_some(&connection.awaited),
        resp: connection.resp,
        waker: &client.waker,
    };
    match core.host() {
        Some(host) if host.control(asker, args, reply) => Ok(()),
        _ => Err(CommandError::NotOffered(String::from_utf8_lossy(args[0]).to_ascii_lowercase())),
    }
}
