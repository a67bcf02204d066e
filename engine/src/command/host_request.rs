//! Requests that the engine hands on to its host.

use super::CommandResult;
use crate::client::Connection;
use crate::core::Core;
use crate::error::CommandError;
use crate::host::Asker;
use crate::resp::ReplyWriter;

/// Has the host do a command, or says that it does not offer it.
pub(crate) fn ask_host(
    core: &Core,
    connection: &Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    let client = &connection.client;
    let asker = Asker { client_id: client.id, addr: &client.peer.addr, db: connection.db };
    match core.host() {
        Some(host) if host.control(asker, args, reply) => Ok(()),
        _ => Err(CommandError::NotOffered(String::from_utf8_lossy(args[0]).to_ascii_lowercase())),
    }
}
