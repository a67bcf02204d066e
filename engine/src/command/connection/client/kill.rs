//! `CLIENT KILL ip:port`, or `CLIENT KILL [ID id] [TYPE t] [USER u] [ADDR a] [LADDR a] [SKIPME YES | NO] [MAXAGE s]`.
//!
//! Reply: OK or an error in the first form; in the second the number of clients that are to close. A client that kills
//! itself still gets the reply.

use super::listing::ClientType;
use crate::acl::Account;
use crate::client::{Client, Connection};
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use std::sync::Arc;

pub(super) const KILL: Row = Row::new("client|kill", -3, Run::Connection(kill))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Terminates open connections.")
    .docs(Group::Connection, "2.4.0", "O(N) where N is the number of client connections")
    .history(&[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
        ("6.2.0", "`LADDR` option."),
    ])
    .args(
        "filter:oneof{old-format<ip:port>:string~2.8.12 new-format:oneof*{client-id:integer@2.8.12?=ID \
         client-type:oneof@2.8.12?=TYPE{normal=NORMAL master@3.2.0=MASTER slave=SLAVE replica@5.0.0=REPLICA \
         pubsub=PUBSUB} username:string?=USER addr<ip:port>:string?=ADDR laddr<ip:port>:string@6.2.0?=LADDR \
         skipme:oneof?=SKIPME{yes=YES no=NO}}}",
    );

fn kill(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if let [_, _, addr] = args {
        let filter = Filter { addr: Some(*addr), skip_me: false, ..Filter::default() };
        return match close(core, connection, &filter) {
            0 => Err(CommandError::text("ERR No such client")),
            _ => {
                reply.ok();
                Ok(())
            }
        };
    }
    let filter = Filter::parse(core, &args[2..])?;
    reply.integer(close(core, connection, &filter));
    Ok(())
}

/// Closes the clients that pass, this one after its reply. Returns how many.
fn close(core: &Core, connection: &mut Connection, filter: &Filter<'_>) -> i64 {
    let now = core.now();
    let mut count = 0;
    for client in core.clients.all() {
        let is_me = client.id == connection.client.id;
        if is_me && filter.skip_me || !filter.passes(&client, now) {
            continue;
        }
        match is_me {
            true => connection.closing = true,
            false => core.clients.kill(&client),
        }
        count += 1;
    }
    count
}

/// Which clients to close: those that pass everything that is given.
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<ClientType>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    account: Option<Arc<Account>>,
    age_seconds_min: Option<i64>,
    skip_me: bool,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Self { id: None, kind: None, addr: None, laddr: None, account: None, age_seconds_min: None, skip_me: true }
    }
}

impl<'a> Filter<'a> {
    fn parse(core: &Core, words: &[&'a [u8]]) -> Result<Self, CommandError> {
        let mut filter = Self::default();
        let (pairs, rest) = words.as_chunks::<2>();
        for [word, value] in pairs {
            match word.to_ascii_uppercase().as_slice() {
                b"ID" => {
                    let id = parse_i64(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                    filter.id = Some(id.ok_or(CommandError::text("ERR client-id should be greater than 0"))?);
                }
                b"TYPE" => filter.kind = Some(ClientType::parse(value)?),
                b"ADDR" => filter.addr = Some(value),
                b"LADDR" => filter.laddr = Some(value),
                b"USER" => {
                    let account = core.users.find(value);
                    filter.account =
                        Some(account.ok_or_else(|| CommandError::quoting("ERR No such user '", value, "'"))?);
                }
                b"SKIPME" => {
                    filter.skip_me = match value.to_ascii_uppercase().as_slice() {
                        b"YES" => true,
                        b"NO" => false,
                        _ => return Err(CommandError::Syntax),
                    };
                }
                b"MAXAGE" => match parse_i64(value) {
                    Some(age @ 1..) => filter.age_seconds_min = Some(age),
                    Some(_) => return Err(CommandError::text("ERR maxage should be greater than 0")),
                    None => return Err(CommandError::text("ERR maxage is not an integer or out of range")),
                },
                _ => return Err(CommandError::Syntax),
            }
        }
        if rest.is_empty() { Ok(filter) } else { Err(CommandError::Syntax) }
    }

    fn passes(&self, client: &Client, now: UnixMillis) -> bool {
        let age_seconds = (now.0 - client.connected_at.0) / 1000;
        self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind == ClientType::of(client))
            && self.addr.is_none_or(|addr| addr == client.peer.addr.as_bytes())
            && self.laddr.is_none_or(|laddr| laddr == client.peer.laddr.as_bytes())
            && self.account.as_ref().is_none_or(|account| client.is_user(account))
            && self.age_seconds_min.is_none_or(|age| age_seconds >= age)
    }
}
