//! `AUTH [username] password`: says who the client is.
//!
//! Reply: OK. Without a name it is the default user's password.

use crate::acl::{Context, DEFAULT_USER, Reason};
use crate::client::Connection;
use crate::command::acl::incident::{Denial, note};
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const AUTH: Row = Row::new("auth", -2, Run::Connection(auth))
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
    .summary("Authenticates the connection.")
    .docs(Group::Connection, "1.0.0", "O(N) where N is the number of passwords defined for the user")
    .history(&[("6.0.0", "Added ACL style (username and password).")])
    .args("username:string@6.0.0? password:string");

fn auth(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match args {
        [word, password] => {
            if core.users.default_account().user().takes_any_password {
                return Err(CommandError::NoPasswordConfigured);
            }
            authenticate(core, connection, word, (DEFAULT_USER, password))?;
        }
        [word, user, password] => authenticate(core, connection, word, (user, password))?,
        _ => return Err(CommandError::Syntax),
    }
    reply.ok();
    Ok(())
}

/// Lets the client in if name and password are right. A wrong one changes nothing, and is logged with the `word` that it came
/// behind. One SHA-256.
pub(super) fn authenticate(
    core: &Core,
    connection: &mut Connection,
    word: &[u8],
    (user, password): (&[u8], &[u8]),
) -> Result<(), CommandError> {
    match core.users.authenticate(user, password) {
        Some(account) => {
            connection.log_in(&core.users, &account);
            Ok(())
        }
        None => {
            let context = if connection.executes { Context::Multi } else { Context::TopLevel };
            note(core, connection, Denial { reason: Reason::Auth, context, object: word, user: Some(user) });
            Err(CommandError::WrongPassword)
        }
    }
}
