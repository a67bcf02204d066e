//! What redis-cli and redis-benchmark do with a running cluster.

use super::{Nodes, cli, run};
use crate::redis::{PROGRAM, has};
use crate::replication::Peer;

#[test]
fn redis_cli_mends_slots_that_nobody_serves_and_slots_half_moved() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::form();
    nodes.write("one");
    let first = nodes.address(0);
    // Two slots are served by nobody: one of them is empty, one holds a key.
    let holder = nodes.primary_of("key:7");
    let full = nodes.0[holder].ask(&["CLUSTER", "KEYSLOT", "key:7"]);
    let full = full.trim_start_matches(':');
    let empty = nodes.0[0].ask(&["CLUSTER", "KEYSLOT", "nobody's"]);
    let empty = empty.trim_start_matches(':');
    for node in 0..6 {
        assert_eq!(nodes.0[node].ask(&["CLUSTER", "DELSLOTS", full, empty]), "+OK");
    }
    let check = cli(&["--cluster", "check", &first]);
    assert!(check.contains("[ERR] Not all 16384 slots are covered by nodes."), "{check}");
    let fix = run("redis-cli", &["--cluster", "fix", &first], "yes\nyes\n");
    assert!(fix.contains("Covering slot"), "{fix}");
    nodes.settle();
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    assert_eq!(nodes.primary_of("key:7"), holder, "it is served where its key is");
    nodes.assert_all("one");
    // An empty slot is being moved, and whoever moved it went away.
    let (source, target) = (nodes.primary_of("nobody's"), (nodes.primary_of("nobody's") + 1) % 3);
    let names = [source, target].map(|node| nodes.0[node].ask(&["CLUSTER", "MYID"]));
    assert_eq!(nodes.0[target].ask(&["CLUSTER", "SETSLOT", empty, "IMPORTING", &names[0]]), "+OK");
    assert_eq!(nodes.0[source].ask(&["CLUSTER", "SETSLOT", empty, "MIGRATING", &names[1]]), "+OK");
    let check = cli(&["--cluster", "check", &first]);
    assert!(check.contains(&format!("has slots in importing state {empty}")), "{check}");
    assert!(check.contains(&format!("has slots in migrating state {empty}")), "{check}");
    cli(&["--cluster", "fix", &first]);
    nodes.settle();
    let check = cli(&["--cluster", "check", &first]);
    assert_eq!(check.matches("[OK]").count(), 3, "{check}");
    assert!(!check.contains("state"), "{check}");
    nodes.assert_all("one");
}

#[test]
fn redis_cli_brings_the_keys_of_a_server() {
    if !has("redis-cli") || !has(PROGRAM) {
        return;
    }
    let mut nodes = Nodes::form();
    let mut source = Peer::redis(&[]);
    for number in 0..200 {
        let (key, value) = (format!("import:{number}"), format!("value {number}"));
        assert_eq!(source.ask(&["SET", &key, &value]), "+OK");
    }
    source.ask(&["RPUSH", "import:list", "a", "b", "c"]);
    source.ask(&["ZADD", "import:zset", "1.5", "member"]);
    source.ask(&["HSET", "import:hash", "field", "value"]);
    source.ask(&["SET", "import:due", "v", "PX", "600000"]);
    let (first, from) = (nodes.address(0), format!("127.0.0.1:{}", source.port));
    let import = ["--cluster", "import", &first, "--cluster-from", &from];
    // A copy leaves the keys where they were; a second one has to replace, else it is refused.
    let told = cli(&[&import[..], &["--cluster-copy"]].concat());
    assert!(!told.contains("ERR"), "{told}");
    assert_eq!(source.ask(&["DBSIZE"]), ":204");
    let told = cli(&[&import[..], &["--cluster-copy"]].concat());
    assert!(told.contains("BUSYKEY"), "{told}");
    let told = cli(&[&import[..], &["--cluster-replace"]].concat());
    assert!(!told.contains("ERR"), "{told}");
    assert_eq!(source.ask(&["DBSIZE"]), ":0");
    for number in 0..200 {
        assert_eq!(nodes.follow(&["GET", &format!("import:{number}")]), format!("value {number}"));
    }
    assert_eq!(nodes.follow(&["LRANGE", "import:list", "0", "-1"]), "a b c");
    assert_eq!(nodes.follow(&["ZSCORE", "import:zset", "member"]), "1.5");
    assert_eq!(nodes.follow(&["HGET", "import:hash", "field"]), "value");
    let left: u64 = nodes.follow(&["PTTL", "import:due"]).trim_start_matches(':').parse().unwrap();
    assert!((1..=600_000).contains(&left), "{left}");
    let sizes: Vec<String> = (0..3).map(|node| nodes.0[node].ask(&["DBSIZE"])).collect();
    assert_eq!(sizes.iter().map(|size| size[1..].parse::<usize>().unwrap()).sum::<usize>(), 204, "{sizes:?}");
}

#[test]
fn commands_are_sent_to_all_and_followed_to_one() {
    if !has("redis-cli") {
        return;
    }
    let mut nodes = Nodes::form();
    let first = nodes.address(0);
    let call =
        |more: &[&str]| cli(&[&["--cluster", "call", &first, "config", "get", "cluster-enabled"], more].concat());
    assert_eq!(call(&[]).matches("cluster-enabled\nyes").count(), 6);
    assert_eq!(call(&["--cluster-only-masters"]).matches("cluster-enabled\nyes").count(), 3);
    assert_eq!(call(&["--cluster-only-replicas"]).matches("cluster-enabled\nyes").count(), 3);
    // From any node to the one that serves the key, and within a transaction.
    let port = nodes.0[4].port.to_string();
    for number in 0..10 {
        let key = format!("key:{number}");
        assert_eq!(cli(&["-c", "-p", &port, "SET", &key, "v"]).trim(), "OK");
        assert_eq!(nodes.follow(&["GET", &key]), "v");
    }
    let script = "get {t}a\nmulti\nset {t}a 1\nincr {t}a\nexec\nget {t}a\n";
    let told = run("redis-cli", &["-c", "-p", &port], script);
    assert!(told.trim_end().ends_with("2\n2"), "{told}");
}

#[test]
fn redis_benchmark_finds_all_primaries() {
    if !has("redis-benchmark") {
        return;
    }
    let mut nodes = Nodes::form();
    let port = nodes.0[1].port.to_string();
    let words =
        ["--cluster", "-p", &port, "-t", "set,get,incr,lpush", "-n", "6000", "-c", "12", "-r", "500", "-P", "4", "-q"];
    let told = run("redis-benchmark", &words, "");
    assert!(told.contains("Cluster has 3 master nodes"), "{told}");
    for name in ["SET: ", "GET: ", "INCR: ", "LPUSH: "] {
        assert!(told.contains(name), "{told}");
    }
    assert!(!told.to_lowercase().contains("error"), "{told}");
    for node in 0..3 {
        assert_ne!(nodes.0[node].ask(&["DBSIZE"]), ":0");
        assert!(nodes.0[node].field("commandstats", "cmdstat_set").starts_with("calls="));
    }
}
