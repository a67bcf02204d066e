//! MIGRATE between nodes and redis-server: what goes, what stays, and what is said.

use crate::redis::{PROGRAM, has};
use crate::replication::Peer;

/// A node and a redis-server, each with keys of every type.
fn pair() -> [Peer; 2] {
    let mut pair = [Peer::node(&[]), Peer::redis(&[])];
    for peer in &mut pair {
        for words in [
            &["SET", "text", "value"][..],
            &["SET", "due", "v", "PX", "600000"],
            &["RPUSH", "list", "a", "b", "c"],
            &["SADD", "numbers", "1", "2", "3"],
            &["SADD", "set", "x"],
            &["ZADD", "zset", "1.5", "member"],
            &["HSET", "hash", "field", "value"],
            &["XADD", "stream", "1-1", "f", "v"],
        ] {
            assert!(!peer.ask(words).starts_with('-'), "{words:?}");
        }
    }
    pair
}

const KEYS: [&str; 8] = ["text", "due", "list", "numbers", "set", "zset", "hash", "stream"];

/// Moves keys from one to the other.
fn migrate(pair: &mut [Peer; 2], from: usize, words: &[&str]) -> String {
    let port = pair[1 - from].port.to_string();
    pair[from].ask(&[&["MIGRATE", "127.0.0.1", &port], words].concat())
}

#[test]
fn keys_of_every_type_go_to_redis_server_and_come_back() {
    if !has(PROGRAM) {
        return;
    }
    let mut pair = pair();
    let digests = [0, 1].map(|peer| KEYS.map(|key| pair[peer].ask(&["DEBUG", "DIGEST-VALUE", key])));
    assert_eq!(digests[0], digests[1]);
    for from in [0, 1] {
        assert_eq!(pair[1 - from].ask(&["FLUSHALL"]), "+OK");
        let words = [&["", "0", "60000", "KEYS", "nobody's"][..], &KEYS].concat();
        assert_eq!(migrate(&mut pair, from, &words), "+OK");
        assert_eq!(pair[from].ask(&["DBSIZE"]), ":0");
        assert_eq!(KEYS.map(|key| pair[1 - from].ask(&["DEBUG", "DIGEST-VALUE", key])), digests[0]);
        let left: i64 = pair[1 - from].ask(&["PTTL", "due"]).trim_start_matches(':').parse().unwrap();
        assert!((500_000..=600_000).contains(&left), "{left}");
        assert_eq!(pair[1 - from].ask(&["PTTL", "text"]), ":-1");
    }
}

#[test]
fn what_is_asked_amiss_is_said_as_redis_server_says_it() {
    if !has(PROGRAM) {
        return;
    }
    let mut pair = pair();
    for from in [0, 1] {
        assert_eq!(migrate(&mut pair, from, &["nobody's", "0", "60000"]), "+NOKEY");
        assert_eq!(
            migrate(&mut pair, from, &["text", "0", "60000"]),
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists."
        );
        assert_eq!(migrate(&mut pair, from, &["text", "0", "60000", "COPY", "REPLACE"]), "+OK");
        assert_eq!(pair[from].ask(&["GET", "text"]), "value");
        assert_eq!(
            migrate(&mut pair, from, &["text", "99", "60000"]),
            "-ERR Target instance replied with error: ERR DB index is out of range"
        );
        assert_eq!(migrate(&mut pair, from, &["text", "0"]), "-ERR wrong number of arguments for 'migrate' command");
        assert_eq!(migrate(&mut pair, from, &["text", "0", "soon"]), "-ERR value is not an integer or out of range");
        assert_eq!(migrate(&mut pair, from, &["text", "0", "60000", "AUTH"]), "-ERR syntax error");
        assert_eq!(
            migrate(&mut pair, from, &["text", "0", "60000", "KEYS", "set"]),
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
        );
        let refused = migrate(&mut pair, from, &["text", "0", "60000", "AUTH", "secret"]);
        assert!(
            refused.starts_with("-ERR Target instance replied with error: ERR AUTH <password> called"),
            "{refused}"
        );
        let nowhere = pair[from].ask(&["MIGRATE", "127.0.0.1", "1", "text", "0", "60000"]);
        assert_eq!(nowhere, "-IOERR error or timeout writing to target instance");
        // In a transaction, too.
        assert_eq!(pair[from].ask(&["MULTI"]), "+OK");
        assert_eq!(migrate(&mut pair, from, &["hash", "0", "60000", "REPLACE"]), "+QUEUED");
        assert_eq!(pair[from].ask(&["EXEC"]), "+OK");
        assert_eq!(pair[from].ask(&["EXISTS", "hash"]), ":0");
    }
    // Some of several that are refused stay, the others go.
    assert_eq!(pair[0].ask(&["SET", "new", "v"]), "+OK");
    let refused = migrate(&mut pair, 0, &["", "0", "60000", "KEYS", "new", "set"]);
    assert!(refused.contains("BUSYKEY"), "{refused}");
    assert_eq!(pair[0].ask(&["EXISTS", "new", "set"]), ":1");
    assert_eq!(pair[1].ask(&["GET", "new"]), "v");
}
