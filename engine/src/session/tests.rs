//! Sessions from the outside: bytes in, bytes out.

use crate::{Engine, PeerInfo, Session};
use std::task::Waker;

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo::default())
}

fn ask(session: &mut Session, request: &[u8]) -> String {
    session.feed(request);
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let mut request = Vec::new();
    let mut expected = String::new();
    for n in 0..100 {
        request.extend_from_slice(format!("SET k{n} v{n}\r\nGET k{n}\r\n").as_bytes());
        expected.push_str(&format!("+OK\r\n${}\r\nv{n}\r\n", format!("v{n}").len()));
    }
    assert_eq!(ask(&mut s, &request), expected);
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let mut out = String::new();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nGET k\r\nGET \"k\"\r\n" {
        out.push_str(&ask(&mut s, &[*byte]));
    }
    assert_eq!(out, "+OK\r\n$5\r\nhello\r\n$5\r\nhello\r\n");
}

#[test]
fn errors_name_what_was_wrong() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    assert_eq!(ask(&mut s, b"NOPE a b\r\n"), "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b' \r\n");
    assert_eq!(ask(&mut s, b"GET\r\n"), "-ERR wrong number of arguments for 'get' command\r\n");
    assert_eq!(ask(&mut s, b"SET k v NX XX\r\n"), "-ERR syntax error\r\n");
    assert_eq!(ask(&mut s, b"SET k v EX 0\r\n"), "-ERR invalid expire time in 'set' command\r\n");
    assert_eq!(ask(&mut s, b"*1\r\nx\r\n"), "-ERR Protocol error: expected '$', got 'x'\r\n");
}

#[test]
fn a_protocol_error_in_a_pipeline_comes_after_the_replies_before_it() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    assert_eq!(
        ask(&mut s, b"SET k v\r\nGET k\r\n*1\r\nx\r\nGET k\r\n"),
        "+OK\r\n$1\r\nv\r\n-ERR Protocol error: expected '$', got 'x'\r\n"
    );
}
