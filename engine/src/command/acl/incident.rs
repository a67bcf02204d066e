//! `ACL LOG [count | RESET]`: what was denied of late, and how it gets there.
//!
//! Replies: an array of maps, the newest first; OK.

use super::too_many_words;
use crate::acl::{Context, Incident, Reason};
use crate::client::Connection;
use crate::command::connection::client::listing::write_line;
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use std::sync::atomic::Ordering;

pub(super) const LOG: Row = Row::new("acl|log", -2, Run::Connection(log))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Lists recent security events generated due to ACL rules.")
    .docs(Group::Server, "6.0.0", "O(N) with N being the number of entries shown.")
    .history(&[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")])
    .args("operation:oneof?{count:integer reset=RESET}");

fn log(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let count = match args {
        [_, _] => COUNT_DEFAULT,
        [_, _, word] if word.eq_ignore_ascii_case(b"RESET") => {
            core.users.log.lock().clear();
            reply.ok();
            return Ok(());
        }
        [_, _, count] => {
            let count = parse_i64(count).ok_or(CommandError::NotInteger)?;
            usize::try_from(count).unwrap_or(0)
        }
        _ => return Err(too_many_words(args[1])),
    };
    let now = core.now();
    let log = core.users.log.lock();
    reply.array(log.entries().len().min(count));
    for entry in log.entries().take(count) {
        let last = &entry.last;
        reply.map(10);
        let mut field = |name: &str| reply.bulk(name.as_bytes());
        field("count");
        reply.integer(entry.count as i64);
        for (name, value) in [
            ("reason", last.reason.name().as_bytes()),
            ("context", last.context.name().as_bytes()),
            ("object", &last.object),
            ("username", &last.user),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        }
        reply.bulk(b"age-seconds");
        reply.double((now.0 - last.at.0) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(last.client.as_bytes());
        for (name, value) in [
            ("entry-id", entry.id as i64),
            ("timestamp-created", entry.created.0),
            ("timestamp-last-updated", last.at.0),
        ] {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
    }
    Ok(())
}

/// What was denied to a client.
pub(crate) struct Denial<'a> {
    pub(crate) reason: Reason,
    pub(crate) context: Context,
    /// The command, key or channel; the command that a password came with.
    pub(crate) object: &'a [u8],
    /// Who the client said it was; `None`: who it is.
    pub(crate) user: Option<&'a [u8]>,
}

/// Counts and logs what was denied. O(1), for the log is bounded.
#[cold]
pub(crate) fn note(core: &Core, connection: &Connection, denial: Denial<'_>) {
    core.users.count_denial(denial.reason);
    let now = core.now();
    let mut client = String::new();
    write_line(&connection.client, now, &mut client);
    client.truncate(client.trim_end().len());
    let own = connection.credentials.account();
    let incident = Incident {
        reason: denial.reason,
        context: denial.context,
        object: denial.object.to_vec(),
        user: denial.user.or(own.map(|account| account.name())).unwrap_or_default().to_vec(),
        client,
        at: now,
    };
    let count_max = core.options.acl_log_count_max.load(Ordering::Relaxed);
    core.users.log.lock().add(incident, count_max);
}

/// Entries shown when no count is given.
const COUNT_DEFAULT: usize = 10;
