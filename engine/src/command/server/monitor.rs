//! `MONITOR`: the client is shown every request that is done from here on, its own included, until RESET or its end.
//!
//! Reply: OK, and then a line for each request of any client, in the order in which they were done here: when it was done, the database
//! and the address of the client, and its words. Passwords are not shown, nor requests that administrate, nor what the host or
//! a primary does by itself. A request that waits for a key is shown when it begins to wait. Follows Redis 7.2, with times in whole
//! milliseconds.

use crate::client::Connection;
use crate::command::redaction::{REDACTED, secrets};
use crate::command::row::flag::{ADMIN, LOADING, NOSCRIPT, SKIP_MONITOR, STALE};
use crate::command::row::{Group, Row};
use crate::command::table::Command;
use crate::command::{CommandResult, Run};
use crate::core::Core;
use crate::effect::Offset;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::time::UnixMillis;
use std::io::Write;

pub(super) const MONITOR: Row = Row::new("monitor", 1, Run::Connection(monitor))
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Listens for all requests received by the server in real-time.")
    .docs(Group::Server, "1.0.0", "");

fn monitor(core: &Core, connection: &mut Connection, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    if !connection.takes_pushes || connection.executes {
        return Err(CommandError::Text("ERR MONITOR isn't allowed for DENY BLOCKING client".into()));
    }
    connection.listens = true;
    core.monitors.add(&connection.client);
    reply.ok();
    Ok(())
}

/// Shows a request that was done to everyone who watches. O(bytes x watchers).
#[cold]
pub(crate) fn show(core: &Core, connection: &mut Connection, command: &Command, args: &[&[u8]], now: UnixMillis) {
    if command.flags.has(ADMIN | SKIP_MONITOR) || connection.is_inner || !connection.takes_pushes {
        return;
    }
    let client = &connection.client;
    let address = if client.peer.is_unix_socket { "unix:" } else { "" };
    let mut line = Vec::new();
    let (seconds, ms) = (now.0.div_euclid(1000), now.0.rem_euclid(1000));
    let _ = write!(line, "{seconds}.{ms:03}000 [{} {address}{}]", connection.db, client.peer.addr);
    let is_secret = secrets(args);
    for (at, arg) in args.iter().enumerate() {
        line.extend_from_slice(b" \"");
        match is_secret(at) {
            true => line.extend_from_slice(REDACTED),
            false => quote(&mut line, arg),
        }
        line.push(b'"');
    }
    line.extend_from_slice(b"\r\n");
    core.monitors.show(&line, &mut core.post(Offset(0), &mut connection.woken));
}

/// Appends bytes as they stand between quotes.
fn quote(line: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', *byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(*byte),
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{ask, session};
    use crate::time::UnixMillis;
    use crate::{Engine, ManualClock, Session};

    fn engine() -> Engine {
        Engine::builder().clock(ManualClock::at(UnixMillis(1_700_000_000_123))).in_memory()
    }

    /// What a session is sent, without the time and the address of each line.
    fn sent(session: &mut Session) -> Vec<String> {
        let mut out = Vec::new();
        session.poll_output(&mut out);
        let text = String::from_utf8(out).unwrap();
        let shown = |line: &str| match line.strip_prefix("+1700000000.123000 [") {
            Some(rest) => {
                let (place, words) = rest.split_once("] ").unwrap();
                format!("{} {words}", place.split(' ').next().unwrap())
            }
            None => line.to_owned(),
        };
        text.split_terminator("\r\n").map(shown).collect()
    }

    #[test]
    fn every_request_is_shown_but_what_administrates_and_passwords() {
        let db = engine();
        let (mut watcher, mut client) = (session(&db), session(&db));
        assert_eq!(ask(&mut watcher, "MONITOR"), "+OK\r\n");
        assert_eq!(ask(&mut watcher, "MONITOR"), "+OK\r\n");
        for request in [
            r#"SET k "a\n\x01\"\xff""#,
            "GET k\r\nGET k\r\nGET k",
            "MULTI",
            "INCR n",
            "PING",
            "EXEC",
            "GET",
            "NOPE",
            "INCR k",
            "AUTH secret",
            "CONFIG GET x",
            "CLIENT LIST",
            "SELECT 3",
        ] {
            ask(&mut client, request);
        }
        assert_eq!(
            sent(&mut watcher),
            [
                r#"0 "SET" "k" "a\n\x01\"\xff""#,
                r#"0 "GET" "k""#,
                r#"0 "GET" "k""#,
                r#"0 "GET" "k""#,
                r#"0 "MULTI""#,
                r#"0 "INCR" "n""#,
                r#"0 "PING""#,
                r#"0 "EXEC""#,
                r#"0 "INCR" "k""#,
                r#"0 "AUTH" "(redacted)""#,
                r#"3 "SELECT" "3""#,
            ]
        );
        db.call(&["SET", "of", "the host"]);
        assert_eq!(sent(&mut watcher), [""; 0]);
        assert!(ask(&mut client, "CLIENT LIST").contains(" flags=O "));
    }

    #[test]
    fn a_watcher_sees_its_own_requests_behind_their_replies_until_it_is_reset() {
        let db = engine();
        let (mut watcher, mut client) = (session(&db), session(&db));
        ask(&mut watcher, "MONITOR");
        watcher.feed(b"PING\r\nECHO x\r\n");
        assert_eq!(sent(&mut watcher), ["+PONG", "0 \"PING\"", "$1", "x", "0 \"ECHO\" \"x\""]);
        assert_eq!(ask(&mut watcher, "RESET"), "+RESET\r\n");
        ask(&mut client, "PING");
        assert_eq!(sent(&mut watcher), [""; 0]);
        assert!(!db.core.monitors.is_any());
        ask(&mut watcher, "MONITOR");
        drop(watcher);
        assert!(!db.core.monitors.is_any());
    }

    #[test]
    fn who_waits_is_shown_when_it_begins_and_once() {
        let db = engine();
        let (mut watcher, mut waiter, mut client) = (session(&db), session(&db), session(&db));
        ask(&mut watcher, "MONITOR");
        waiter.feed(b"BLPOP k 0\r\n");
        assert_eq!(sent(&mut watcher), ["0 \"BLPOP\" \"k\" \"0\""]);
        ask(&mut client, "RPUSH k a");
        assert_eq!(sent(&mut waiter), ["*2", "$1", "k", "$1", "a"]);
        assert_eq!(sent(&mut watcher), ["0 \"RPUSH\" \"k\" \"a\""]);
    }

    #[test]
    fn it_cannot_be_queued() {
        let db = engine();
        let mut client = session(&db);
        ask(&mut client, "MULTI");
        ask(&mut client, "MONITOR");
        assert_eq!(ask(&mut client, "EXEC"), "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
        assert!(!db.core.monitors.is_any());
    }
}
