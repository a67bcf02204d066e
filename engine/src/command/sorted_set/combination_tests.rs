//! ZUNION, ZINTER, ZDIFF and their store forms.

use crate::command::testing::{Bench, assert_totals};
use crate::resp::Value;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.ask("ZADD {k}a 1 x 2 y 3 z");
    bench.ask("ZADD {k}b 10 y 20 z 30 7");
    bench.effects();
    bench
}

fn flat(reply: &str) -> String {
    reply.split("\r\n").filter(|line| !line.starts_with(['$', '*']) && !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn members_and_scores_are_combined() {
    let bench = bench();
    for (request, expected) in [
        ("ZUNION 2 {k}a {k}b WITHSCORES", "x 1 y 12 z 23 7 30"),
        ("ZUNION 2 {k}a {k}b", "x y z 7"),
        ("ZUNION 3 {k}a {k}none {k}b WEIGHTS 2 1 0.5 AGGREGATE MAX WITHSCORES", "x 2 y 5 z 10 7 15"),
        ("ZINTER 2 {k}a {k}b WITHSCORES", "y 12 z 23"),
        ("ZINTER 2 {k}a {k}b AGGREGATE MIN WITHSCORES", "y 2 z 3"),
        ("ZINTER 2 {k}a {k}none WITHSCORES", ""),
        ("ZINTER 2 {k}a {k}a WEIGHTS 1 2 WITHSCORES", "x 3 y 6 z 9"),
        ("ZDIFF 2 {k}a {k}b WITHSCORES", "x 1"),
        ("ZDIFF 2 {k}none {k}b", ""),
        ("ZDIFF 1 {k}b", "y z 7"),
    ] {
        assert_eq!(flat(&bench.ask(request)), expected, "{request}");
    }
    let pair = Value::Array(vec![Value::bulk("x"), Value::Double(1.0)]);
    assert_eq!(bench.run("ZDIFF 2 {k}a {k}b WITHSCORES"), Value::Array(vec![pair]));
    assert_eq!(bench.ask("ZINTERCARD 2 {k}a {k}b"), ":2\r\n");
    assert_eq!(bench.ask("ZINTERCARD 2 {k}a {k}b LIMIT 1"), ":1\r\n");
    assert!(bench.effects().is_empty());
}

#[test]
fn members_of_plain_sets_have_score_one() {
    let bench = bench();
    bench.ask("SADD {k}set y 7 new");
    bench.ask("SADD {k}numbers 7 8");
    for (request, expected) in [
        ("ZUNION 2 {k}a {k}set WITHSCORES", "new 1 x 1 7 1 y 3 z 3"),
        ("ZINTER 2 {k}set {k}b WEIGHTS 3 1 WITHSCORES", "y 13 7 33"),
        ("ZDIFF 2 {k}set {k}numbers WITHSCORES", "new 1 y 1"),
        ("ZINTER 2 {k}set {k}numbers WITHSCORES", "7 2"),
    ] {
        let mut words: Vec<_> = expected.split(' ').collect();
        let reply = flat(&bench.ask(request));
        let mut found: Vec<_> = reply.split(' ').collect();
        words.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, words, "{request}");
    }
    bench.assert_replays();
}

#[test]
fn results_are_stored_as_members_and_an_empty_one_removes() {
    let bench = bench();
    assert_eq!(bench.ask("ZUNIONSTORE {k}d 2 {k}a {k}b"), ":4\r\n");
    assert_eq!(bench.ask("ZINTERSTORE {k}d 2 {k}a {k}b WEIGHTS 0 inf"), ":2\r\n");
    assert_eq!(bench.ask("ZDIFFSTORE {k}a 2 {k}a {k}b"), ":1\r\n");
    assert_eq!(bench.ask("ZDIFFSTORE {k}a 2 {k}none {k}b"), ":0\r\n");
    let expected =
        ["ZADD {k}d 1 x 12 y 23 z 30 7", "DEL {k}d", "ZADD {k}d inf y inf z", "DEL {k}a", "ZADD {k}a 1 x", "DEL {k}a"];
    assert_eq!(bench.effects(), expected);
    bench.assert_replays();
    assert_totals(&bench.db);
}

#[test]
fn large_results_are_what_single_changes_would_make() {
    let bench = Bench::new();
    for (key, step) in [("{k}a", 2), ("{k}b", 3)] {
        let pairs: Vec<_> = (0..3_000).step_by(step).map(|n| (f64::from(n), format!("m{n}"))).collect();
        bench.db.zadd_multiple(key, &pairs).unwrap();
    }
    assert_eq!(bench.db.zunionstore("{k}u", &["{k}a", "{k}b"]).unwrap(), 2_000);
    assert_eq!(bench.db.zinterstore("{k}i", &["{k}a", "{k}b"]).unwrap(), 500);
    assert_eq!(bench.db.zscore("{k}i", "m6").unwrap(), Some(12.0));
    assert_eq!(bench.db.zrank("{k}u", "m3").unwrap(), Some(2));
    bench.assert_replays();
    assert_totals(&bench.db);
}

#[test]
fn errors_are_worded_as_in_redis() {
    let bench = bench();
    bench.ask("SET {k}s x");
    for (request, error) in [
        ("ZUNION 0 {k}a", "ERR at least 1 input key is needed for 'zunion' command"),
        ("ZUNIONSTORE {k}d 0 {k}a", "ERR at least 1 input key is needed for 'zunionstore' command"),
        ("ZINTERCARD 0 {k}a", "ERR at least 1 input key is needed for 'zintercard' command"),
        ("ZUNION x {k}a", "ERR value is not an integer or out of range"),
        ("ZUNION 2 {k}a", "ERR syntax error"),
        ("ZUNION 1 {k}a WEIGHTS", "ERR syntax error"),
        ("ZUNION 1 {k}a WEIGHTS x", "ERR weight value is not a float"),
        ("ZUNION 1 {k}a AGGREGATE avg", "ERR syntax error"),
        ("ZDIFF 1 {k}a WEIGHTS 1", "ERR syntax error"),
        ("ZUNIONSTORE {k}d 1 {k}a WITHSCORES", "ERR syntax error"),
        ("ZINTERCARD 1 {k}a LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 {k}a LIMIT", "ERR syntax error"),
        ("ZINTER 1 {k}s FOO", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        assert_eq!(bench.error(request), error, "{request}");
    }
}
