//! `ACL DRYRUN user command [arg ...]`: whether a user may ask for something; it is not done.
//!
//! Reply: OK, or a text that says why not.

use crate::acl::{Reason, User};
use crate::client::Connection;
use crate::command::permission::check;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::table::{Command, table};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::error::{CommandError, Denied};
use crate::resp::ReplyWriter;
use std::borrow::Cow;

pub(super) const DRYRUN: Row = Row::new("acl|dryrun", -4, Run::Connection(dry_run))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Simulates the execution of a command by a user, without executing the command.")
    .docs(Group::Server, "7.0.0", "O(1).")
    .args("username:string command:string arg:string?*");

fn dry_run(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (name, request) = (args[2], &args[3..]);
    let account = core.users.find(name).ok_or_else(|| CommandError::quoting("ERR User '", name, "' not found"))?;
    let command = resolve(request)?;
    match check(&account.user(), command, request) {
        Ok(()) => reply.ok(),
        Err(refused) => reply.bulk(&match refused.reason {
            Reason::Command | Reason::Auth => denied(name, command, refused.reason).bytes(),
            Reason::Key => named(name, request[refused.at], "key"),
            Reason::Channel => named(name, request[refused.at], "channel"),
        }),
    }
    Ok(())
}

fn resolve(request: &[&[u8]]) -> Result<&'static Command, CommandError> {
    let command = table().lookup(request);
    let command = command.map_err(|_| CommandError::quoting("ERR Command '", request[0], "' not found"))?;
    match command.accepts(request.len()) {
        true => Ok(command),
        false => Err(CommandError::WrongArity(Cow::Borrowed(command.row.name))),
    }
}

fn named(user: &[u8], what: &[u8], kind: &str) -> Vec<u8> {
    [b"User ", user, b" has no permissions to access the '", what, b"' ", kind.as_bytes()].concat()
}

fn denied(user: &[u8], command: &Command, reason: Reason) -> Denied {
    match reason {
        Reason::Command | Reason::Auth => Denied::Command { user: user.to_vec(), command: command.row.name },
        Reason::Key => Denied::Key,
        Reason::Channel => Denied::Channel,
    }
}

impl Engine {
    /// Whether a user may ask for `request`; nothing is done. Of a user that does not exist, of a command that does not exist and of
    /// too few or too many arguments it is the error that ACL DRYRUN of Redis 7.2 answers, else a [`CommandError::Denied`].
    /// O(rules x keys).
    ///
    /// ```
    /// use keyslot_engine::{CommandError, Denied, Engine};
    /// let db = Engine::in_memory();
    /// db.acl_setuser_rules("ada", &["%R~cart:*", "+get", "+set"]).unwrap();
    /// assert_eq!(db.acl_dryrun("ada", &["SET", "cart:1", "x"]), Err(CommandError::Denied(Denied::Key)));
    /// ```
    pub fn acl_dryrun(&self, user: impl AsRef<[u8]>, request: &[impl AsRef<[u8]>]) -> Result<(), CommandError> {
        let (name, request): (_, Vec<&[u8]>) = (user.as_ref(), request.iter().map(AsRef::as_ref).collect());
        if request.is_empty() {
            return Err(CommandError::Syntax);
        }
        let account = self.core.users.find(name);
        let account = account.ok_or_else(|| CommandError::quoting("ERR User '", name, "' not found"))?;
        let command = resolve(&request)?;
        let user: &User = &account.user();
        check(user, command, &request).map_err(|refused| CommandError::Denied(denied(name, command, refused.reason)))
    }
}
