//! `ACL SAVE` and `ACL LOAD`: users in a file. Files are the host's; the texts of users are read and made here.
//!
//! Reply: OK. A text that is wrong anywhere changes nothing.

use super::revocation::close_all;
use crate::acl::LoadUsersError;
use crate::client::Connection;
use crate::command::host_request::ask_host;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const LOAD: Row = Row::new("acl|load", 2, Run::Connection(by_host))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Reloads the rules from the configured ACL file.")
    .docs(Group::Server, "6.0.0", "O(N). Where N is the number of configured users.");

pub(super) const SAVE: Row = Row::new("acl|save", 2, Run::Connection(by_host))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .tips("request_policy:all_nodes response_policy:all_succeeded")
    .summary("Saves the effective ACL rules in the configured ACL file.")
    .docs(Group::Server, "6.0.0", "O(N). Where N is the number of configured users.");

fn by_host(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut out = Vec::new();
    ask_host(core, connection, args, &mut ReplyWriter::new(&mut out, connection.resp))
        .map_err(|_| CommandError::text(NO_FILE))?;
    if let Some(error) = out.strip_prefix(b"-") {
        return Err(CommandError::Quoting(error.trim_ascii_end().to_vec()));
    }
    reply.encoded(&out);
    // LOAD may have left the asker's own user out: it gets the reply first, as whoever deletes itself does.
    if connection.credentials.account().is_some_and(|account| account.is_gone()) {
        connection.log_out(&core.users);
        connection.closing = true;
    }
    Ok(())
}

impl Engine {
    /// Puts the users of a text in the place of those that there are: a line each, `user name rules...`, as
    /// [`acl_list`](Self::acl_list) gives them and Redis's `aclfile` holds them. The default user becomes what the text says, or may
    /// do everything if it says nothing; clients of all other users are closed, but for `asker`, whose session sees to that itself.
    /// A text that is wrong anywhere changes nothing. `file` is what errors call it. O(users + clients). Follows ACL LOAD of Redis
    /// 7.2.
    pub fn acl_load(&self, text: impl AsRef<[u8]>, file: &str, asker: Option<u64>) -> Result<(), LoadUsersError> {
        let old = self.core.users.load(text.as_ref(), file, self.core.channel_default())?;
        for account in old {
            match asker.and_then(|id| self.core.clients.find(id)).filter(|client| client.is_user(&account)) {
                None => close_all(&self.core, None, &account),
                Some(asker) => {
                    let clients = self.core.clients.all();
                    let others = clients.iter().filter(|client| client.id != asker.id && client.is_user(&account));
                    others.for_each(|client| self.core.clients.kill(client));
                }
            }
        }
        Ok(())
    }
}

const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
     SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in \
     the Redis configuration.";
