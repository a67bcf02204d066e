//! Connections: pipelines, limits, who is let in.

use crate::node::{Node, free_port, request};
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

#[test]
fn a_long_pipeline_is_answered_in_order_while_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let mut client = node.client();
    client.ask(&["SET", "big", &"x".repeat(10_000)]);
    let mut pipeline = Vec::new();
    for number in 0..2000 {
        pipeline.extend(request(&["SET", "k", &number.to_string()]));
        pipeline.extend(request(&["GET", "k"]));
        pipeline.extend(request(&["GET", "big"]));
    }
    client.write(&pipeline);
    for number in 0..2000 {
        assert_eq!(client.reply(), "+OK");
        assert_eq!(client.reply(), number.to_string());
        assert_eq!(client.reply().len(), 10_000);
    }
}

#[test]
fn a_large_value_travels_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let value = "0123456789abcdef".repeat(1 << 18);
    let mut client = node.client();
    assert_eq!(client.ask(&["SET", "k", &value]), "+OK");
    assert_eq!(client.ask(&["GET", "k"]), value);
}

#[test]
fn clients_of_all_threads_see_each_other_s_writes() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let node = Node::start(folder.path(), &["--port", &port]);
    let mut clients: Vec<_> = (0..8).map(|_| node.tcp_client(port.parse().unwrap())).collect();
    for number in 0..8 {
        let name = number.to_string();
        assert_eq!(clients[number].ask(&["SET", "k", &name]), "+OK");
        assert_eq!(clients[(number + 1) % 8].ask(&["GET", "k"]), name);
    }
}

#[test]
fn a_client_too_many_is_told_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--maxclients", "2"]);
    let mut first = node.client();
    let mut second = node.client();
    assert_eq!(first.ask(&["PING"]), "+PONG");
    assert_eq!(second.ask(&["PING"]), "+PONG");
    let mut third = node.client();
    assert_eq!(third.reply(), "-ERR max number of clients reached");
    assert!(third.is_closed());
    drop(second);
    // The place is free as soon as the node has seen the end of the connection.
    while !node.client().is_served() {}
}

#[test]
fn a_password_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--requirepass", "a b"]);
    let mut client = node.client();
    assert_eq!(client.ask(&["GET", "k"]), "-NOAUTH Authentication required.");
    assert_eq!(client.ask(&["AUTH", "x"]), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask(&["AUTH", "a b"]), "+OK");
    assert_eq!(client.ask(&["GET", "k"]), "(nil)");
}

#[test]
fn a_password_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "geheim\r\n").unwrap();
    let node = Node::start(folder.path(), &["--requirepass-file", "secret"]);
    assert_eq!(node.client().ask(&["AUTH", "geheim"]), "+OK");
}

#[test]
fn a_reader_that_is_too_slow_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut client = node.client();
    client.ask(&["SET", "big", &"x".repeat(100_000)]);
    let mut slow = node.client();
    // At once: it may be let go before all is answered.
    slow.write(&request(&["GET", "big"]).repeat(100));
    let mut node = node;
    node.wait_for_log("hard limit of waiting output");
    assert_eq!(client.ask(&["PING"]), "+PONG");
}

#[test]
fn an_idle_client_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--timeout", "1"]);
    let mut client = node.client();
    assert_eq!(client.ask(&["PING"]), "+PONG");
    assert!(client.is_closed());
}

#[test]
fn what_is_no_request_ends_the_connection_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let mut client = node.client();
    client.write(b"*1\r\nx\r\n");
    assert_eq!(client.reply(), "-ERR Protocol error: expected '$', got 'x'");
    assert!(client.is_closed());
}

#[test]
fn a_killed_client_is_let_go_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let mut victim = node.client();
    let id = victim.ask(&["CLIENT", "ID"]);
    assert_eq!(node.client().ask(&["CLIENT", "KILL", "ID", &id[1..]]), ":1");
    assert!(victim.is_closed());
}

#[test]
fn a_paused_client_is_answered_when_the_pause_ends() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let (mut one, mut other) = (node.client(), node.client());
    assert_eq!(one.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]), "+OK");
    other.write(&request(&["SET", "k", "v"]));
    assert_eq!(one.ask(&["GET", "k"]), "(nil)");
    assert_eq!(one.ask(&["CLIENT", "UNPAUSE"]), "+OK");
    assert_eq!(other.reply(), "+OK");
    assert_eq!(one.ask(&["GET", "k"]), "v");
}

#[test]
fn what_one_client_did_not_take_never_reaches_another() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--io-threads", "1"]);
    let mut other = node.client();
    other.ask(&["SET", "secret", "of others"]);
    for _ in 0..20 {
        let mut leaver = UnixStream::connect(node.folder().join("node.sock")).unwrap();
        leaver.shutdown(Shutdown::Read).unwrap();
        leaver.write_all(&request(&["GET", "secret"])).unwrap();
        // The node ends the connection once its reply is not taken.
        while leaver.write_all(b"\r\n").is_ok() {}
        assert_eq!(other.ask(&["ECHO", "mine"]), "mine");
    }
}
