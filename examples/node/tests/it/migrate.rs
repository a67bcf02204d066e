//! MIGRATE between nodes and redis-server: what goes, what stays, and what is said.

use crate::node::{Client, request};
use crate::redis::{PROGRAM, has};
use crate::replication::Peer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

#[test]
fn a_target_with_a_password_is_told_it_each_time() {
    let (mut source, mut target) = (Peer::node(&[]), Peer::node(&["--requirepass", "secret"]));
    assert_eq!(target.ask(&["AUTH", "secret"]), "+OK");
    assert_eq!(source.ask(&["MSET", "a", "1", "b", "2", "c", "3", "d", "4"]), "+OK");
    let port = target.port.to_string();
    let mut migrate =
        |key: &str, words: &[&str]| source.ask(&[&["MIGRATE", "127.0.0.1", &port, key, "0", "60000"], words].concat());
    assert_eq!(migrate("a", &["AUTH", "secret"]), "+OK");
    assert_eq!(migrate("b", &["AUTH2", "default", "secret"]), "+OK");
    let refused = migrate("c", &["AUTH", "wrong"]);
    assert!(refused.starts_with("-ERR Target instance replied with error: WRONGPASS"), "{refused}");
    let refused = migrate("c", &[]);
    assert!(refused.starts_with("-ERR Target instance replied with error: NOAUTH"), "{refused}");
    assert_eq!(migrate("c", &["COPY", "AUTH", "secret"]), "+OK");
    assert_eq!(source.ask(&["EXISTS", "a", "b", "c", "d"]), ":2");
    assert_eq!(target.ask(&["MGET", "a", "b", "c", "d"]), "1 2 3 (nil)");
}

#[test]
fn a_frozen_target_is_given_up_and_what_it_says_later_is_nobodys_reply() {
    let (mut source, mut target) = (Peer::node(&[]), Peer::node(&[]));
    assert_eq!(source.ask(&["MSET", "a", "1", "b", "2", "c", "3"]), "+OK");
    let port = target.port.to_string();
    let words = |key: &'static str| ["MIGRATE", "127.0.0.1", &port, key, "0", "300", "REPLACE"].map(str::to_owned);
    let ask = |source: &mut Peer, key| source.ask(&words(key).each_ref().map(String::as_str));
    // The connection is kept.
    assert_eq!(ask(&mut source, "a"), "+OK");
    target.node.as_ref().unwrap().signal("STOP");
    let mut other = source.node.as_ref().unwrap().client();
    source.client.write(&request(&words("b").each_ref().map(String::as_str)));
    other.write(&request(&["APPEND", "b", "x"]));
    other.write(&request(&["GET", "b"]));
    assert_eq!(source.client.reply(), "-IOERR error or timeout reading to target instance");
    // Who wanted the key meanwhile is answered, and no error.
    assert_eq!([other.reply(), other.reply()], [":2", "2x"]);
    target.node.as_ref().unwrap().signal("CONT");
    assert_eq!(ask(&mut source, "nobody's"), "+NOKEY");
    assert_eq!(ask(&mut source, "b"), "+OK");
    assert_eq!(ask(&mut source, "c"), "+OK");
    assert_eq!(source.ask(&["DBSIZE"]), ":0");
    assert_eq!(target.ask(&["MGET", "a", "b", "c"]), "1 2x 3");
}

#[test]
fn nobody_finds_a_key_at_both_places_and_no_write_is_lost_or_done_twice() {
    let (source, mut target) = (Peer::node(&[]), Peer::node(&[]));
    let stop = Arc::new(AtomicBool::new(false));
    let (from, to) = (source.port, target.port);
    let writer = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let (mut client, mut count) = (Client::reach(from).unwrap(), 0_u64);
            while !stop.load(Ordering::Relaxed) {
                assert!(client.ask(&["INCR", "counter"]).starts_with(':'));
                count += 1;
            }
            count
        }
    });
    let reader = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let (mut here, mut there) = (Client::reach(from).unwrap(), Client::reach(to).unwrap());
            while !stop.load(Ordering::Relaxed) {
                let found = there.ask(&["GET", "value"]);
                assert!(found == "(nil)" || here.ask(&["GET", "value"]) != found, "{found} is at both places");
            }
        }
    });
    let (mut moved, port) = (0, to.to_string());
    let mut client = Client::reach(from).unwrap();
    for round in 0..ROUNDS {
        assert_eq!(client.ask(&["SET", "value", &round.to_string()]), "+OK");
        let told =
            client.ask(&["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "REPLACE", "KEYS", "value", "counter"]);
        assert_eq!(told, "+OK");
        moved += target.ask(&["GETDEL", "counter"]).parse::<u64>().unwrap_or(0);
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    let count = writer.join().unwrap();
    let left = client.ask(&["GET", "counter"]).parse::<u64>().unwrap_or(0);
    assert_eq!(moved + left, count);
}

/// How often keys go.
const ROUNDS: usize = 300;

#[test]
fn replicas_and_the_log_know_which_keys_left() {
    let (mut source, mut target) = (Peer::node(&["--appendonly", "yes"]), Peer::node(&[]));
    let mut replica = Peer::node(&[]);
    let (port, to) = (source.port.to_string(), target.port.to_string());
    assert_eq!(replica.ask(&["REPLICAOF", "127.0.0.1", &port]), "+OK");
    assert_eq!(source.ask(&["MSET", "a", "1", "b", "2", "c", "3"]), "+OK");
    let told = source.ask(&["MIGRATE", "127.0.0.1", &to, "", "0", "60000", "KEYS", "a", "c"]);
    assert_eq!(told, "+OK");
    assert_eq!(source.ask(&["WAIT", "1", "60000"]), ":1");
    assert_eq!(replica.ask(&["MGET", "a", "b", "c"]), "(nil) 2 (nil)");
    assert_eq!(source.ask(&["WAITAOF", "1", "0", "60000"]), ":1 :0");
    source.kill();
    source.restart();
    assert_eq!(source.ask(&["MGET", "a", "b", "c"]), "(nil) 2 (nil)");
    assert_eq!(target.ask(&["MGET", "a", "b", "c"]), "1 (nil) 3");
}

#[test]
fn a_transaction_waits_for_its_migrate_and_the_rest_of_it_comes_after_that() {
    let (mut source, mut target) = (Peer::node(&[]), Peer::node(&[]));
    assert_eq!(source.ask(&["MSET", "a", "1", "b", "2"]), "+OK");
    let port = target.port.to_string();
    for words in [
        &["MULTI"][..],
        &["SET", "before", "v"],
        &["MIGRATE", "127.0.0.1", &port, "a", "0", "60000"],
        &["EXISTS", "a"],
        &["MIGRATE", "127.0.0.1", &port, "b", "0", "60000", "COPY"],
        &["APPEND", "b", "x"],
    ] {
        assert!(!source.ask(words).starts_with('-'), "{words:?}");
    }
    assert_eq!(source.ask(&["EXEC"]), "+OK +OK :0 +OK :2");
    assert_eq!(target.ask(&["MGET", "a", "b"]), "1 2");
    assert_eq!(source.ask(&["MGET", "a", "b", "before"]), "(nil) 2x v");
}

/// Collections that are too large to go at once.
fn fill(peer: &mut Peer) {
    for from in (0..LARGE).step_by(500) {
        let numbers: Vec<String> = (from..from + 500).map(|number| format!("{number:020}")).collect();
        let words = |name: &'static str, key: &'static str| {
            [&[name, key][..], &numbers.iter().map(String::as_str).collect::<Vec<_>>()].concat()
        };
        for (name, key) in [("HSET", "hash"), ("RPUSH", "list"), ("SADD", "set"), ("ZADD", "zset")] {
            assert!(peer.ask(&words(name, key)).starts_with(':'), "{key}");
        }
    }
    assert_eq!(peer.ask(&["SET", "text", &"x".repeat(1 << 20)]), "+OK");
    assert_eq!(peer.ask(&["PEXPIRE", "set", "600000"]), ":1");
    assert_eq!(peer.ask(&["HSET", "small", "f", "v"]), ":1");
}

/// Elements of a large list; a hash and a sorted set have half as many fields and members.
const LARGE: usize = 20_000;

const LARGE_KEYS: [&str; 6] = ["hash", "list", "set", "zset", "text", "small"];

#[test]
fn large_values_arrive_whole_between_nodes() {
    let (mut source, mut target) = (Peer::node(&[]), Peer::node(&[]));
    fill(&mut source);
    let digests = LARGE_KEYS.map(|key| source.ask(&["DEBUG", "DIGEST-VALUE", key]));
    let stop = Arc::new(AtomicBool::new(false));
    let to = target.port;
    let reader = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut client = Client::reach(to).unwrap();
            while !stop.load(Ordering::Relaxed) {
                let length = client.ask(&["HLEN", "hash"]);
                assert!(length == ":0" || length == format!(":{}", LARGE / 2), "{length}");
            }
        }
    });
    let port = to.to_string();
    let words = [&["MIGRATE", "127.0.0.1", &port, "", "0", "60000", "KEYS"][..], &LARGE_KEYS].concat();
    assert_eq!(source.ask(&words), "+OK");
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert_eq!(source.ask(&["DBSIZE"]), ":0");
    assert_eq!(LARGE_KEYS.map(|key| target.ask(&["DEBUG", "DIGEST-VALUE", key])), digests);
    let left: i64 = target.ask(&["PTTL", "set"])[1..].parse().unwrap();
    assert!((500_000..=600_000).contains(&left), "{left}");
    assert_eq!(["hash", "list", "zset"].map(|key| target.ask(&["PTTL", key])), [":-1"; 3]);
    // One that is there already stays.
    fill(&mut source);
    let refused = source.ask(&["MIGRATE", "127.0.0.1", &port, "hash", "0", "60000"]);
    assert!(refused.contains("BUSYKEY"), "{refused}");
    assert_eq!(source.ask(&["MIGRATE", "127.0.0.1", &port, "hash", "0", "60000", "COPY", "REPLACE"]), "+OK");
    assert_eq!(source.ask(&["EXISTS", "hash"]), ":1");
    assert_eq!(target.ask(&["DEBUG", "DIGEST-VALUE", "hash"]), digests[0]);
}

#[test]
fn a_large_value_that_is_refused_half_way_stays() {
    let (mut source, mut target) = (Peer::node(&[]), Peer::node(&[]));
    for from in (0..120_000).step_by(500) {
        let numbers: Vec<String> = (from..from + 500).map(|number| format!("{number:020}")).collect();
        let words = [&["HSET", "hash"][..], &numbers.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        assert_eq!(source.ask(&words), ":250");
    }
    let digest = source.ask(&["DEBUG", "DIGEST-VALUE", "hash"]);
    let memory = target.ask(&["INFO", "memory"]);
    let used: usize =
        memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap();
    assert_eq!(target.ask(&["CONFIG", "SET", "maxmemory", &(used + (1 << 20)).to_string()]), "+OK");
    let refused = source.ask(&["MIGRATE", "127.0.0.1", &target.port.to_string(), "hash", "0", "60000"]);
    assert!(refused.contains("OOM"), "{refused}");
    assert_eq!(source.ask(&["DEBUG", "DIGEST-VALUE", "hash"]), digest);
    assert_eq!(source.ask(&["HSET", "hash", "nobody waits", "v"]), ":1");
    assert_eq!(target.ask(&["HLEN", "hash"]), ":0");
}

#[test]
fn large_values_go_to_redis_server_and_come_back() {
    if !has(PROGRAM) {
        return;
    }
    let mut pair = [Peer::node(&[]), Peer::redis(&[])];
    fill(&mut pair[0]);
    let digests = LARGE_KEYS.map(|key| pair[0].ask(&["DEBUG", "DIGEST-VALUE", key]));
    for from in [0, 1] {
        let words = [&["", "0", "60000", "KEYS"][..], &LARGE_KEYS].concat();
        assert_eq!(migrate(&mut pair, from, &words), "+OK");
        assert_eq!(pair[from].ask(&["DBSIZE"]), ":0");
        assert_eq!(LARGE_KEYS.map(|key| pair[1 - from].ask(&["DEBUG", "DIGEST-VALUE", key])), digests);
    }
}
