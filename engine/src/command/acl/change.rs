//! `ACL SETUSER name [rule ...]` and `ACL DELUSER name [name ...]`: users come, change and go.
//!
//! Replies: OK; how many were there. Clients that listen to a channel which their user may not hear any more are closed, and so are
//! those of users that are gone.

use super::revocation::{close_all, close_listeners};
use crate::acl::{ChannelDefault, DEFAULT_USER, SetUserError, Users};
use crate::client::Connection;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::table::table;
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ReplyWriter;

pub(super) const SETUSER: Row = Row::new("acl|setuser", -3, Run::Connection(set_user))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .tips("request_policy:all_nodes response_policy:all_succeeded")
    .summary("Creates and modifies an ACL user and its rules.")
    .docs(Group::Server, "6.0.0", "O(N). Where N is the number of rules provided.")
    .history(&[("6.2.0", "Added Pub/Sub channel patterns."), ("7.0.0", "Added selectors and key based permissions.")])
    .args("username:string rule:string?*");

pub(super) const DELUSER: Row = Row::new("acl|deluser", -3, Run::Connection(delete_users))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .tips("request_policy:all_nodes response_policy:all_succeeded")
    .summary("Deletes ACL users, and terminates their connections.")
    .docs(Group::Server, "6.0.0", "O(1) amortized time considering the typical user.")
    .args("username:string*");

fn set_user(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    set(core, Some(connection), args[2], &args[3..])
        .map_err(|error| CommandError::Quoting([b"ERR ", &error.text()[..]].concat()))?;
    reply.ok();
    Ok(())
}

fn delete_users(
    core: &Core,
    connection: &mut Connection,
    args: &[&[u8]],
    reply: &mut ReplyWriter<'_>,
) -> CommandResult {
    if args[2..].contains(&DEFAULT_USER) {
        return Err(CommandError::text("ERR The 'default' user cannot be removed"));
    }
    reply.integer(delete(core, Some(connection), &args[2..]) as i64);
    Ok(())
}

/// `asker` is closed after its reply, not at once, if it is one of those that have to go.
fn set(core: &Core, asker: Option<&mut Connection>, name: &[u8], words: &[&[u8]]) -> Result<(), SetUserError> {
    let changed = core.users.set(name, words, core.channel_default())?;
    if let Some(before) = &changed.before {
        close_listeners(core, asker, &changed.account, before);
    }
    Ok(())
}

fn delete(core: &Core, mut asker: Option<&mut Connection>, names: &[&[u8]]) -> usize {
    let mut count = 0;
    for account in names.iter().filter_map(|name| core.users.remove(name)) {
        close_all(core, asker.as_deref_mut(), &account);
        count += 1;
    }
    count
}

impl Engine {
    /// Makes a user, or changes it, by rules as ACL SETUSER takes them: all of them count, or none. A new user is off and may do
    /// nothing. Clients feel it with their next request. O(rules). Follows ACL SETUSER of Redis 7.2; records nothing.
    ///
    /// ```
    /// use keyslot_engine::{Engine, PeerInfo};
    /// let db = Engine::in_memory();
    /// db.acl_setuser_rules("ada", &["on", ">secret", "~app:*", "+@read", "(%W~log:* +rpush)"])?;
    /// assert!(db.acl_setuser_rules("ada", &["+nonsense"]).is_err());
    /// assert!(db.acl_dryrun("ada", &["GET", "app:1"]).is_ok() && db.acl_dryrun("ada", &["SET", "app:1", "x"]).is_err());
    ///
    /// let mut session = db.session(std::task::Waker::noop().clone(), PeerInfo::default());
    /// session.feed(b"AUTH ada secret\r\nRPUSH log:1 hi\r\nLRANGE log:1 0 -1\r\n");
    /// let mut out = Vec::new();
    /// session.poll_output(&mut out);
    /// assert_eq!(out, b"+OK\r\n:1\r\n-NOPERM No permissions to access a key\r\n");
    /// # Ok::<(), keyslot_engine::SetUserError>(())
    /// ```
    pub fn acl_setuser_rules(&self, user: impl AsRef<[u8]>, rules: &[impl AsRef<[u8]>]) -> Result<(), SetUserError> {
        let rules: Vec<&[u8]> = rules.iter().map(AsRef::as_ref).collect();
        set(&self.core, None, user.as_ref(), &rules)
    }

    /// Whether a user could be made by these rules; no engine is asked. O(rules).
    pub fn check_user_rules(user: impl AsRef<[u8]>, rules: &[impl AsRef<[u8]>]) -> Result<(), SetUserError> {
        let rules: Vec<&[u8]> = rules.iter().map(AsRef::as_ref).collect();
        Users::new(table()).set(user.as_ref(), &rules, ChannelDefault::Nothing).map(drop)
    }

    /// Takes users away and closes their clients; says how many there were. The default user stays. O(users + clients). Follows
    /// ACL DELUSER of Redis 7.2; records nothing.
    pub fn acl_deluser(&self, users: &[impl AsRef<[u8]>]) -> usize {
        let users: Vec<&[u8]> = users.iter().map(AsRef::as_ref).collect();
        delete(&self.core, None, &users)
    }

    /// The default user's only password from here on; without one it needs none. Clients that are there stay (`requirepass`).
    pub fn set_password(&self, password: Option<&[u8]>) {
        let word = match password {
            Some(password) => [b">", password].concat(),
            None => b"nopass".to_vec(),
        };
        self.core
            .users
            .set(DEFAULT_USER, &[b"resetpass", &word], self.core.channel_default())
            .expect("these words are rules");
    }

    /// Whether the default user has a password, or none that would open it.
    pub fn wants_password(&self) -> bool {
        !self.core.users.default_account().user().takes_any_password
    }
}
