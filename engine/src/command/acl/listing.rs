//! `ACL LIST`, `ACL USERS`, `ACL GETUSER name` and `ACL WHOAMI`: who there is.
//!
//! Replies: lines as rules; names; a map, or null; a name.

use crate::acl::Selector;
use crate::client::Connection;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::engine::Engine;
use crate::resp::ReplyWriter;

const COMPLEXITY: &str = "O(N). Where N is the number of configured users.";

pub(super) const LIST: Row = Row::new("acl|list", 2, Run::Connection(list))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Dumps the effective rules in ACL file format.")
    .docs(Group::Server, "6.0.0", COMPLEXITY);

pub(super) const USERS: Row = Row::new("acl|users", 2, Run::Connection(users))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Lists all ACL users.")
    .docs(Group::Server, "6.0.0", COMPLEXITY);

pub(super) const GETUSER: Row = Row::new("acl|getuser", 3, Run::Connection(user))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Lists the ACL rules of a user.")
    .docs(
        Group::Server,
        "6.0.0",
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
    )
    .history(&[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        (
            "7.0.0",
            "Added selectors and changed the format of key and channel patterns from a list to their rule representation.",
        ),
    ])
    .args("username:string");

pub(super) const WHOAMI: Row = Row::new("acl|whoami", 2, Run::Connection(who_am_i))
    .flags(NOSCRIPT | LOADING | STALE)
    .summary("Returns the authenticated username of the current connection.")
    .docs(Group::Server, "6.0.0", "O(1)");

fn list(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let lines = core.users.lines();
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.bulk(line));
    Ok(())
}

fn users(core: &Core, _: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let accounts = core.users.all();
    reply.array(accounts.len());
    accounts.iter().for_each(|account| reply.bulk(account.name()));
    Ok(())
}

fn user(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let Some(account) = core.users.find(args[2]) else {
        reply.null();
        return Ok(());
    };
    let user = account.user();
    reply.map(6);
    reply.bulk(b"flags");
    let switches = user.switches();
    reply.set(switches.len());
    switches.iter().for_each(|switch| reply.bulk(switch.as_bytes()));
    reply.bulk(b"passwords");
    let passwords = user.passwords();
    reply.array(passwords.len());
    passwords.for_each(|hash| reply.bulk(hash.as_bytes()));
    let (own, others) = user.selectors().split_first().expect("a user has a selector of its own");
    write_selector(own, reply);
    reply.bulk(b"selectors");
    reply.array(others.len());
    for selector in others {
        reply.map(3);
        write_selector(selector, reply);
    }
    Ok(())
}

fn write_selector(selector: &Selector, reply: &mut ReplyWriter<'_>) {
    for (name, shown) in [
        ("commands", selector.commands_shown()),
        ("keys", selector.keys_shown()),
        ("channels", selector.channels_shown()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(&shown);
    }
}

fn who_am_i(_: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    match connection.credentials.account() {
        Some(account) => reply.bulk(account.name()),
        None => reply.null(),
    }
    Ok(())
}

impl Engine {
    /// All users, a line each: `user ada on sanitize-payload #... ~app:* resetchannels -@all +@read`. Passwords are shown as their
    /// SHA-256. [`acl_load`](Self::acl_load) reads them back. O(users). Follows ACL LIST of Redis 7.2.
    pub fn acl_list(&self) -> Vec<Vec<u8>> {
        self.core.users.lines()
    }

    /// The names of all users, sorted. O(users). Follows ACL USERS of Redis 7.2.
    pub fn acl_users(&self) -> Vec<Vec<u8>> {
        self.core.users.all().iter().map(|account| account.name().to_vec()).collect()
    }
}
