//! `HELLO [protover [AUTH username password] [SETNAME clientname]]`: greets the server and picks the protocol version.
//!
//! Reply: a map about the server and the connection, in the version picked.

use super::auth::authenticate;
use super::client::{check_word, set_name};
use crate::client::Connection;
use crate::command::row::flag::{ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, REDIS_VERSION, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::{ReplyWriter, RespVersion};
use crate::text::parse_i64;

pub(super) const HELLO: Row = Row::new("hello", -1, Run::Connection(hello))
    .flags(NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY)
    .summary("Handshakes with the Redis server.")
    .docs(Group::Connection, "6.0.0", "O(1)")
    .history(&[(
        "6.2.0",
        "`protover` made optional; when called without arguments the command reports the current connection's \
         context.",
    )])
    .args(
        "arguments:block?{protover:integer auth:block?=AUTH{username:string password:string} \
         clientname:string?=SETNAME}",
    );

fn hello(core: &Core, connection: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let version = match args.get(1).map(|version| parse_i64(version)) {
        None => None,
        Some(Some(2)) => Some(RespVersion::V2),
        Some(Some(3)) => Some(RespVersion::V3),
        Some(Some(_)) => return Err(CommandError::UnsupportedProtocol),
        Some(None) => return Err(CommandError::text("ERR Protocol version is not an integer or out of range")),
    };
    let (mut user, mut name) = (None, None);
    let mut words = args.get(2..).unwrap_or_default();
    while let [word, rest @ ..] = words {
        words = match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"AUTH", [username, password, rest @ ..]) => {
                user = Some((username, password));
                rest
            }
            (b"SETNAME", [wanted, rest @ ..]) => {
                check_word(wanted, "Client names")?;
                name = Some(wanted);
                rest
            }
            _ => return Err(CommandError::quoting("ERR Syntax error in HELLO option '", word, "'")),
        };
    }
    if let Some((user, password)) = user {
        authenticate(core, connection, args[0], (user, password))?;
    }
    connection.credentials.refresh(&core.users);
    if connection.credentials.is_stranger() {
        return Err(CommandError::text(NOT_AUTHENTICATED));
    }
    if let Some(name) = name {
        set_name(connection, name);
    }
    if let Some(version) = version {
        connection.speak(version);
    }
    greet(core, connection, reply);
    Ok(())
}

fn greet(core: &Core, connection: &Connection, reply: &mut ReplyWriter<'_>) {
    reply.set_version(connection.resp);
    let mode = if core.gate.is_cluster() { "cluster" } else { "standalone" };
    reply.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(match connection.resp {
        RespVersion::V2 => 2,
        RespVersion::V3 => 3,
    });
    reply.bulk(b"id");
    reply.integer(connection.client.id as i64);
    for (field, value) in [("mode", mode), ("role", "master")] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

const NOT_AUTHENTICATED: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
     HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
     version at the same time";
