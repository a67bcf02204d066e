//! Files of the data: what SAVE, BGSAVE and BGREWRITEAOF write is what the node and `redis-server` read.

use crate::node::{Client, Node};
use crate::redis::{PROGRAM, Redis, has};
use std::path::Path;
use std::time::{Duration, Instant};

const RDB_ONLY: &[&str] = &["--save", "", "--enable-debug-command", "yes"];
const WITH_LOG: &[&str] = &["--save", "", "--appendonly", "yes", "--enable-debug-command", "yes"];

/// Values of every type, small and large, in two databases.
fn fill(client: &mut Client) {
    for n in 0..300 {
        let (n, big) = (n.to_string(), "x".repeat(70 + n));
        for request in [
            &["SET", &format!("string:{n}"), &big][..],
            &["RPUSH", "list", &big, &n],
            &["SADD", "set", &n, &format!("member:{n}")],
            &["SADD", "numbers", &n],
            &["HSET", "hash", &n, &big],
            &["ZADD", "sorted", &n, &format!("member:{n}")],
            &["XADD", "stream", &format!("{n}-1"), "field", &big],
        ] {
            assert!(!client.ask(request).starts_with('-'), "{request:?}");
        }
    }
    for request in [
        &["RPUSH", "short", "a", "1"][..],
        &["HSET", "few", "f", "v"],
        &["ZADD", "pair", "1.5", "a", "-inf", "b"],
        &["SADD", "words", "a", "b"],
        &["XGROUP", "CREATE", "stream", "group", "5-1"],
        &["XREADGROUP", "GROUP", "group", "ada", "COUNT", "3", "STREAMS", "stream", ">"],
        &["SET", "volatile", "v", "EX", "1000000"],
        &["PFADD", "sketch", "a", "b"],
        &["COPY", "hash", "hash", "DB", "3"],
        &["FUNCTION", "LOAD", "#!lua name=one\nredis.register_function('f', function() return 1 end)"],
    ] {
        assert!(!client.ask(request).starts_with('-'), "{request:?}");
    }
}

fn digest(client: &mut Client) -> String {
    let digest = client.ask(&["DEBUG", "DIGEST"]);
    assert_eq!(digest.len(), 41, "{digest}");
    digest
}

fn wait_until(client: &mut Client, field: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !client.ask(&["INFO", "persistence"]).contains(field) {
        assert!(Instant::now() < deadline, "{field} does not come");
        std::thread::yield_now();
    }
}

fn end(mut node: Node) {
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0), "{}", node.log());
}

/// Boots `redis-server` in the folder and demands the same data.
fn check_redis(folder: &Path, options: &[&str], expected: &str) {
    if !has(PROGRAM) {
        return;
    }
    let server = Redis::start(folder, &[options, &["--enable-debug-command", "yes"]].concat());
    let mut client = Client::on(&server.socket());
    assert_eq!(digest(&mut client), expected);
    assert!(client.ask(&["FUNCTION", "LIST"]).contains("one"));
}

#[test]
fn what_is_saved_is_loaded_here_and_by_redis_server() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), RDB_ONLY);
    let mut client = node.client();
    fill(&mut client);
    let expected = digest(&mut client);
    assert_eq!(client.ask(&["SAVE"]), "+OK");
    assert!(client.ask(&["INFO", "persistence"]).contains("rdb_changes_since_last_save:0\r\n"));
    assert_eq!(client.ask(&["DEBUG", "RELOAD"]), "+OK");
    assert_eq!(digest(&mut client), expected);
    client.ask(&["DEL", "list"]);
    assert_eq!(client.ask(&["BGSAVE", "x"]), "-ERR syntax error");
    assert_eq!(client.ask(&["BGSAVE"]), "+Background saving started");
    wait_until(&mut client, "rdb_bgsave_in_progress:0\r\n");
    let expected = digest(&mut client);
    let info = client.ask(&["INFO", "persistence"]);
    assert!(info.contains("rdb_last_bgsave_status:ok\r\n") && info.contains("rdb_saves:3\r\n"), "{info}");
    end(node);
    check_redis(folder.path(), &[], &expected);
    let node = Node::start(folder.path(), RDB_ONLY);
    assert!(node.log().contains("DB loaded from disk"), "{}", node.log());
    assert_eq!(digest(&mut node.client()), expected);
}

#[test]
fn what_redis_server_saved_is_loaded() {
    if !has(PROGRAM) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Redis::start(folder.path(), &["--enable-debug-command", "yes"]);
    let mut client = Client::on(&server.socket());
    fill(&mut client);
    let expected = digest(&mut client);
    assert_eq!(client.ask(&["SAVE"]), "+OK");
    drop(server);
    let node = Node::start(folder.path(), RDB_ONLY);
    assert_eq!(digest(&mut node.client()), expected);
}

#[test]
fn a_rewritten_log_is_read_here_and_by_redis_server() {
    rewrite_and_read("rdb", &[]);
    rewrite_and_read("aof", &["--aof-use-rdb-preamble", "no"]);
}

fn rewrite_and_read(kind: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[WITH_LOG, more].concat());
    let mut client = node.client();
    fill(&mut client);
    for round in 0..3 {
        assert_eq!(client.ask(&["BGREWRITEAOF"]), "+Background append only file rewriting started");
        client.ask(&["RPUSH", "after", &round.to_string()]);
        wait_until(&mut client, "aof_rewrite_in_progress:0\r\n");
        client.ask(&["INCR", "counter"]);
    }
    let info = client.ask(&["INFO", "persistence"]);
    assert!(info.contains("aof_last_bgrewrite_status:ok\r\n") && info.contains("aof_rewrites:3\r\n"), "{info}");
    let expected = digest(&mut client);
    end(node);
    let manifest = std::fs::read_to_string(folder.path().join("appendonlydir/appendonly.aof.manifest")).unwrap();
    assert!(manifest.contains(&format!(".base.{kind} ")), "{manifest}");
    let node = Node::start(folder.path(), WITH_LOG);
    assert_eq!(digest(&mut node.client()), expected);
    end(node);
    check_redis(folder.path(), &["--appendonly", "yes"], &expected);
}

#[test]
fn a_log_that_grows_is_rewritten_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        [WITH_LOG, &["--auto-aof-rewrite-min-size", "100kb", "--auto-aof-rewrite-percentage", "100"]].concat();
    let node = Node::start(folder.path(), &options);
    let mut client = node.client();
    let value = "v".repeat(1000);
    for _ in 0..400 {
        client.ask(&["SET", "k", &value]);
    }
    wait_until(&mut client, "aof_rewrites:1\r\n");
    assert_eq!(client.ask(&["GET", "k"]), value);
    end(node);
    let node = Node::start(folder.path(), &options);
    assert_eq!(node.client().ask(&["GET", "k"]), value);
}

#[test]
fn save_points_and_the_end_write_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &["--save", "1 2"]);
    let mut client = node.client();
    client.ask(&["MSET", "a", "1", "b", "2"]);
    wait_until(&mut client, "rdb_saves:1\r\n");
    client.ask(&["SET", "c", "3"]);
    end(node);
    let node = Node::start(folder.path(), &["--save", ""]);
    let mut client = node.client();
    assert_eq!(client.ask(&["DBSIZE"]), ":3");
    client.ask(&["SET", "lost", "1"]);
    end(node);
    let mut node = Node::start(folder.path(), &["--save", ""]);
    let mut client = node.client();
    assert_eq!(client.ask(&["DBSIZE"]), ":3");
    client.ask(&["SET", "kept", "1"]);
    client.write(&crate::node::request(&["SHUTDOWN", "SAVE"]));
    assert_eq!(node.wait(), Some(0));
    let node = Node::start(folder.path(), &["--save", ""]);
    assert_eq!(node.client().ask(&["DBSIZE"]), ":4");
}

#[test]
fn a_file_that_cannot_be_written_stops_writes_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--save", "3600 1", "--dbfilename", "sub.rdb", "--enable-protected-configs", "yes"];
    let node = Node::start(folder.path(), &options);
    let mut client = node.client();
    client.ask(&["SET", "k", "v"]);
    // A folder of that name stands in the way of the rename.
    let target = folder.path().join("sub.rdb");
    std::fs::create_dir_all(target.join("x")).unwrap();
    assert_eq!(client.ask(&["BGSAVE"]), "+Background saving started");
    wait_until(&mut client, "rdb_last_bgsave_status:err\r\n");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !client.ask(&["SET", "k", "w"]).starts_with("-MISCONF Redis is configured to save RDB snapshots") {
        assert!(Instant::now() < deadline, "writes go on");
        std::thread::yield_now();
    }
    assert!(!client.ask(&["GET", "k"]).starts_with('-'), "reads go on");
    assert_eq!(client.ask(&["SHUTDOWN"]), "-ERR Errors trying to SHUTDOWN. Check logs.");
    node.signal("TERM");
    // Once for the command, once for the signal.
    while node.log().matches("can't exit").count() < 2 {
        assert!(Instant::now() < deadline, "{}", node.log());
        std::thread::yield_now();
    }
    std::fs::remove_dir_all(&target).unwrap();
    // The node may still be trying to save for its end.
    while client.ask(&["BGSAVE"]) != "+Background saving started" {
        assert!(Instant::now() < deadline, "something is saved for ever");
        std::thread::yield_now();
    }
    wait_until(&mut client, "rdb_last_bgsave_status:ok\r\n");
    while client.ask(&["SET", "k", "x"]) != "+OK" {
        assert!(Instant::now() < deadline, "writes are refused still");
        std::thread::yield_now();
    }
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!files.iter().any(|file| file.to_string_lossy().starts_with("temp-")), "{files:?}");
}

#[test]
fn a_node_serves_before_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "--appendonly",
        "yes",
        "--save",
        "",
        "--aof-base-format",
        "snapshot",
        "--instant-open",
        "yes",
        "--enable-debug-command",
        "yes",
    ];
    let mut node = Node::start(folder.path(), &options);
    let mut client = node.client();
    for n in 0..500 {
        client.ask(&["SET", &format!("key:{n}"), &n.to_string()]);
        client.ask(&["RPUSH", &format!("list:{}", n % 50), "x"]);
    }
    assert_eq!(client.ask(&["BGREWRITEAOF"]), "+Background append only file rewriting started");
    wait_until(&mut client, "aof_rewrite_in_progress:0\r\n");
    (0..100).for_each(|n| drop(client.ask(&["APPEND", &format!("key:{n}"), "+"])));
    let digest = client.ask(&["DEBUG", "DIGEST"]);
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    let node = Node::start(folder.path(), &options);
    assert!(node.log().contains("to load when they are touched"), "{}", node.log());
    let mut client = node.client();
    assert_eq!(client.ask(&["GET", "key:7"]), "7+");
    assert_eq!(client.ask(&["DBSIZE"]), ":550");
    wait_until(&mut client, "cold_slots:0\r\n");
    assert_eq!(client.ask(&["DEBUG", "DIGEST"]), digest);
}
