//! `AUTH [username] password`: says who the client is.
//!
//! Reply: OK. The host knows the passwords; without one configured everybody is the default user.

use crate::client::Connection;
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
        [_, password] => {
            if !core.host().is_some_and(|host| host.needs_password()) {
                return Err(CommandError::NoPasswordConfigured);
            }
            authenticate(core, connection, DEFAULT_USER, password)?;
        }
        [_, user, password] => authenticate(core, connection, user, password)?,
        _ => return Err(CommandError::Syntax),
    }
    reply.ok();
    Ok(())
}

/// Lets the client in if name and password are right. A wrong one changes nothing.
pub(super) fn authenticate(
    core: &Core,
    connection: &mut Connection,
    user: &[u8],
    password: &[u8],
) -> Result<(), CommandError> {
    let verdict = core.host().and_then(|host| host.check_password(user, password));
    if !verdict.unwrap_or(user == DEFAULT_USER) {
        return Err(CommandError::WrongPassword);
    }
    connection.authenticated = true;
    Ok(())
}

/// The one user there is.
pub(super) const DEFAULT_USER: &[u8] = b"default";
