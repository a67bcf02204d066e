//! Logs that begin and end while the node serves, data that is read again, and what clients are told meanwhile.

use crate::node::{Client, Node};
use crate::redis::{PROGRAM, Redis, has};
use std::time::{Duration, Instant};

const OPTIONS: &[&str] = &["--save", "", "--enable-debug-command", "yes"];
const LOADING: &str = "-LOADING Redis is loading the dataset in memory";

fn digest(client: &mut Client) -> String {
    let digest = client.ask(&["DEBUG", "DIGEST"]);
    assert_eq!(digest.len(), 41, "{digest}");
    digest
}

/// Waits until INFO persistence holds all of `fields`.
fn wait_until(client: &mut Client, fields: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let info = client.ask(&["INFO", "persistence"]);
        if fields.iter().all(|field| info.contains(field)) {
            return;
        }
        assert!(Instant::now() < deadline, "{fields:?} do not come: {info}");
        std::thread::yield_now();
    }
}

const REWRITTEN: &[&str] = &["aof_enabled:1\r\n", "aof_rewrite_in_progress:0\r\n", "aof_rewrite_scheduled:0\r\n"];

fn end(mut node: Node) {
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0), "{}", node.log());
}

#[test]
fn a_log_begins_and_ends_while_clients_write() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), OPTIONS);
    let mut client = node.client();
    let mut expected = String::new();
    for round in 0..3 {
        client.ask(&["RPUSH", "before", &round.to_string()]);
        client.ask(&["SELECT", "3"]);
        assert_eq!(client.ask(&["CONFIG", "SET", "appendonly", "yes"]), "+OK");
        client.ask(&["RPUSH", "during", &round.to_string()]);
        wait_until(&mut client, REWRITTEN);
        client.ask(&["SELECT", "0"]);
        client.ask(&["RPUSH", "after", &round.to_string()]);
        expected = digest(&mut client);
        assert_eq!(client.ask(&["DEBUG", "LOADAOF"]), "+OK");
        assert_eq!(digest(&mut client), expected);
        client.ask(&["INCR", "n"]);
        expected = digest(&mut client);
        assert_eq!(client.ask(&["CONFIG", "SET", "appendonly", "no"]), "+OK");
        assert_eq!(client.ask(&["CONFIG", "SET", "appendonly", "no"]), "+OK");
        assert!(client.ask(&["INFO", "persistence"]).contains("aof_enabled:0\r\n"));
        assert!(client.ask(&["DEBUG", "LOADAOF"]).starts_with("-ERR Error trying to load the AOF files"));
        client.ask(&["SET", "unlogged", "1"]);
        client.ask(&["DEL", "unlogged"]);
    }
    assert_eq!(client.ask(&["LRANGE", "during", "0", "-1"]), "", "it is in database 3");
    client.ask(&["SET", "unlogged", "1"]);
    end(node);
    let node = Node::start(folder.path(), &[OPTIONS, &["--appendonly", "yes"]].concat());
    assert_eq!(digest(&mut node.client()), expected);
    end(node);
    if has(PROGRAM) {
        let server = Redis::start(folder.path(), &["--appendonly", "yes", "--enable-debug-command", "yes"]);
        assert_eq!(digest(&mut Client::on(&server.socket())), expected);
    }
}

#[test]
fn a_log_that_cannot_be_begun_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), OPTIONS);
    let mut client = node.client();
    client.ask(&["SET", "k", "v"]);
    // A file stands where the directory should be.
    std::fs::write(folder.path().join("appendonlydir"), "x").unwrap();
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.";
    assert_eq!(client.ask(&["CONFIG", "SET", "appendonly", "yes"]), refused);
    assert_eq!(client.ask(&["CONFIG", "GET", "appendonly"]), "appendonly no");
    std::fs::remove_file(folder.path().join("appendonlydir")).unwrap();
    assert_eq!(client.ask(&["CONFIG", "SET", "appendonly", "yes"]), "+OK");
    wait_until(&mut client, REWRITTEN);
}

#[test]
fn clients_are_told_that_the_data_is_being_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let with_log = [OPTIONS, &["--appendonly", "yes"]].concat();
    for options in [OPTIONS, &with_log] {
        let node = Node::start(folder.path(), options);
        assert_eq!(node.client().ask(&["DEBUG", "POPULATE", "150000", "key", "50"]), "+OK");
        assert_eq!(node.client().ask(&["SAVE"]), "+OK");
        end(node);
        let mut node = Node::start_loading(folder.path(), options);
        let mut client = node.client();
        assert_eq!(client.ask(&["PING"]), LOADING);
        assert_eq!(client.ask(&["GET", "key:1"]), LOADING);
        assert_eq!(client.ask(&["BGSAVE"]), LOADING);
        assert_eq!(client.ask(&["SELECT", "1"]), "+OK");
        let info = client.ask(&["INFO", "persistence"]);
        assert!(info.contains("\nloading:1\r\n") && info.contains("\nasync_loading:0\r\n"), "{info}");
        let enabled = options.len() > OPTIONS.len();
        assert!(info.contains(&format!("\naof_enabled:{}\r\n", u8::from(enabled))), "{info}");
        let fields = ["start_time", "total_bytes", "rdb_used_mem", "loaded_bytes", "loaded_perc", "eta_seconds"];
        let places = fields.map(|field| info.find(&format!("\nloading_{field}:")).unwrap_or(0));
        assert!(places.is_sorted() && places[0] > info.find("\naof_enabled:").unwrap(), "{info}");
        node.wait_for_log("Ready to accept connections");
        assert_eq!(client.ask(&["SELECT", "0"]), "+OK");
        assert_eq!(client.ask(&["DBSIZE"]), ":150000");
        let info = client.ask(&["INFO", "persistence"]);
        assert!(info.contains("\nloading:0\r\n") && !info.contains("loading_start_time"), "{info}");
        end(node);
        // One that is stopped while it loads stops at once, and saves nothing.
        let mut node = Node::start_loading(folder.path(), &[options, &["--save", "3600 1"]].concat());
        node.signal("TERM");
        assert_eq!(node.wait(), Some(0), "{}", node.log());
    }
}

#[test]
fn a_save_in_a_transaction_waits_for_the_next_round() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[OPTIONS, &["--appendonly", "yes"]].concat());
    let mut client = node.client();
    client.ask(&["MULTI"]);
    client.ask(&["SET", "k", "v"]);
    client.ask(&["BGSAVE"]);
    client.ask(&["BGREWRITEAOF"]);
    let replies = "+OK +Background saving scheduled +Background append only file rewriting scheduled";
    assert_eq!(client.ask(&["EXEC"]), replies);
    wait_until(&mut client, &["rdb_saves:1\r\n", "aof_rewrites:1\r\n", "aof_rewrite_scheduled:0\r\n"]);
    client.ask(&["MULTI"]);
    assert_eq!(client.ask(&["SAVE"]), "-ERR Command not allowed inside a transaction");
}
