//! `CLIENT LIST [TYPE t | ID id ...]` and `CLIENT INFO`: a line for each client, `field=value` parted by blanks.
//!
//! Reply: verbatim text. Memory figures are those of this implementation: a session holds its undecoded input and its
//! waiting replies, and nothing else that grows.

use crate::client::{Client, Connection};
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::command::row::{Group, Row};
use crate::command::table::table;
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::text::parse_i64;
use crate::time::UnixMillis;
use std::fmt::Write;
use std::sync::atomic::Ordering;

pub(super) const LIST: Row = Row::new("client|list", -2, Run::Connection(list))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .tips("nondeterministic_output")
    .summary("Lists open connections.")
    .docs(Group::Connection, "2.4.0", "O(N) where N is the number of client connections")
    .history(&[
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
    ])
    .args(
        "client-type:oneof@5.0.0?=TYPE{normal=NORMAL master=MASTER replica=REPLICA pubsub=PUBSUB} \
         client-id:integer@6.2.0?*=ID",
    );

pub(super) const INFO: Row = Row::new("client|info", 2, Run::Connection(info))
    .flags(NOSCRIPT | LOADING | STALE)
    .tips("nondeterministic_output")
    .summary("Returns information about the connection.")
    .docs(Group::Connection, "6.2.0", "O(1)");

/// The kinds of client that TYPE tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClientType {
    Normal,
    Primary,
    Replica,
    Pubsub,
}

impl ClientType {
    pub(super) fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"master" => Ok(Self::Primary),
            b"slave" | b"replica" => Ok(Self::Replica),
            b"pubsub" => Ok(Self::Pubsub),
            _ => Err(CommandError::quoting("ERR Unknown client type '", word, "'")),
        }
    }

    pub(super) fn of(client: &Client) -> Self {
        match () {
            () if client.is_replica.load(Ordering::Relaxed) => Self::Replica,
            () if client.is_primary.load(Ordering::Relaxed) => Self::Primary,
            () if client.subscriptions.is_any() => Self::Pubsub,
            () => Self::Normal,
        }
    }
}

fn list(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let option = args.get(2).map(|word| word.to_ascii_uppercase());
    let (mut kind, mut ids) = (None, None);
    match (option.as_deref(), &args[2..]) {
        (None, _) => {}
        (Some(b"TYPE"), [_, word]) => kind = Some(ClientType::parse(word)?),
        (Some(b"ID"), [_, wanted @ ..]) if !wanted.is_empty() => {
            let wanted: Option<Vec<i64>> = wanted.iter().map(|id| parse_i64(id)).collect();
            ids = Some(wanted.ok_or(CommandError::text("ERR Invalid client ID"))?);
        }
        _ => return Err(CommandError::Syntax),
    }
    let now = core.now();
    let mut text = String::new();
    let mut all = core.clients.all();
    if let Some(ids) = ids {
        let find = |id: i64| all.iter().find(|client| client.id as i64 == id).cloned();
        all = ids.into_iter().filter_map(find).collect();
    }
    for client in all.iter().filter(|client| kind.is_none_or(|kind| kind == ClientType::of(client))) {
        write_line(client, now, &mut text);
    }
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn info(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let mut text = String::new();
    write_line(&connection.client, core.now(), &mut text);
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Appends the line of a client, with its end.
pub(in crate::command) fn write_line(client: &Client, now: UnixMillis, out: &mut String) {
    let load = Ordering::Relaxed;
    let text = client.text.lock().clone();
    let command = u16::try_from(client.last_row.load(load))
        .ok()
        .and_then(|id| table().by_id(id))
        .map_or("NULL", |command| command.row.name);
    let (input, output) = (client.query_buffer_bytes.load(load), client.output_buffer_bytes.load(load));
    let seconds_since = |then: i64| (now.0 - then).max(0) / 1000;
    let _ = writeln!(
        out,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={} \
         qbuf-free=0 argv-mem=0 multi-mem=0 rbs={} rbp={} obl={} oll=0 omem=0 tot-mem={} events=r cmd={} user={} \
         redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.peer.addr,
        client.peer.laddr,
        client.peer.fd,
        String::from_utf8_lossy(&text.name),
        seconds_since(client.connected_at.0),
        seconds_since(client.last_used_ms.load(load)),
        flags(client),
        client.db.load(load),
        client.subscriptions.channels.load(load),
        client.subscriptions.patterns.load(load),
        client.subscriptions.shard_channels.load(load),
        client.multi.load(load),
        input,
        output,
        output,
        output,
        CLIENT_BYTES + input + output,
        command,
        user(client),
        client.resp.load(load),
        String::from_utf8_lossy(&text.lib_name),
        String::from_utf8_lossy(&text.lib_version),
    );
}

/// The user's name; what this node follows may do everything.
fn user(client: &Client) -> String {
    let account = client.account.lock().clone();
    match account.filter(|_| !client.is_primary.load(Ordering::Relaxed)) {
        Some(account) => String::from_utf8_lossy(account.name()).into_owned(),
        None => "(superuser)".to_owned(),
    }
}

/// One letter for each thing that is so, `N` if nothing is.
fn flags(client: &Client) -> String {
    let load = Ordering::Relaxed;
    let letters: String = [
        (client.monitors.load(load), 'O'),
        (client.is_primary.load(load), 'M'),
        (client.is_replica.load(load), 'S'),
        (client.subscriptions.is_any(), 'P'),
        (client.multi.load(load) >= 0, 'x'),
        (client.is_blocked(), 'b'),
        (client.killed.load(load), 'A'),
        (client.peer.is_unix_socket, 'U'),
        (client.readonly.load(load), 'r'),
        (client.no_evict.load(load), 'e'),
        (client.no_touch.load(load), 'T'),
    ]
    .into_iter()
    .filter_map(|(is_so, letter)| is_so.then_some(letter))
    .collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}

/// What a client takes besides its buffers: what others see of it and what its session alone knows, about.
const CLIENT_BYTES: u64 = (size_of::<Client>() + 2 * size_of::<Connection>()) as u64;
