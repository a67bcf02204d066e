//! RESTORE: what it takes, refuses, records and announces.

use super::*;
use crate::command::testing::{Bench, START, assert_totals, contents};
use crate::payload::seal;
use crate::resp::Value;

fn restore(bench: &Bench, key: &str, ttl: &str, payload: &[u8], options: &str) -> Value {
    let words = ["RESTORE", key, ttl].map(|word| word.as_bytes().to_vec());
    let options = options.split_whitespace().map(|word| word.as_bytes().to_vec());
    bench.db.call(&words.into_iter().chain([payload.to_vec()]).chain(options).collect::<Vec<_>>())
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut payload = body.to_vec();
    seal(&mut payload, 10);
    payload
}

#[test]
fn every_type_and_form_comes_back_equal() {
    let bench = Bench::new();
    let long = "x".repeat(9000);
    let many = |text: &str| (0..700).map(|n| text.replace('#', &n.to_string())).collect::<String>();
    let requests = [
        "SET k 12".to_owned(),
        "SET k text".to_owned(),
        format!("SET k {long}"),
        "RPUSH k a 1 b -5000".to_owned(),
        format!("RPUSH k a {long} b {long}"),
        format!("RPUSH k{}", many(" element-number-#")),
        "SADD k 1 2 300000".to_owned(),
        "SADD k x 1 2".to_owned(),
        format!("SADD k{}", many(" #")),
        format!("SADD k{}", many(" m#")),
        "ZADD k 1 a 2.5 b -inf c 0.1 d 1e300 e".to_owned(),
        format!("ZADD k{}", many(" # m#")),
        format!("ZADD k{}", many(" 1.# m#")),
        "HSET k f v 1 2".to_owned(),
        format!("HSET k f {long} 1 2"),
        format!("HSET k{}", many(" f# #")),
        "XADD k 1-1 f v g 2".to_owned(),
    ];
    for request in &requests {
        bench.ask("DEL k copy");
        bench.ask(request);
        bench.ask("HPEXPIREAT k 1700000005000 FIELDS 1 f");
        let payload = bench.db.dump("k").unwrap().unwrap();
        assert_eq!(restore(&bench, "copy", "0", &payload, ""), Value::Ok, "{}", &request[..20.min(request.len())]);
        let all = contents(&bench.db);
        assert_eq!(all[&(0, b"k".to_vec())], all[&(0, b"copy".to_vec())]);
        assert_eq!(bench.ask("OBJECT ENCODING k"), bench.ask("OBJECT ENCODING copy"), "{}", &request[..10]);
        assert_totals(&bench.db);
    }
    bench.assert_replays();
}

#[test]
fn a_stream_comes_back_with_its_groups() {
    let bench = Bench::new();
    (1..=300).for_each(|n| drop(bench.ask(&format!("XADD k {n}-1 a {n} b x"))));
    bench.ask("XGROUP CREATE k g 0");
    bench.ask("XREADGROUP GROUP g c1 COUNT 30 STREAMS k >");
    bench.advance_ms(500);
    bench.ask("XREADGROUP GROUP g c2 COUNT 5 STREAMS k >");
    bench.ask("XACK k g 3-1 4-1");
    bench.ask("XDEL k 7-1 300-1");
    bench.ask("XGROUP CREATE k idle $");
    let payload = bench.db.dump("k").unwrap().unwrap();
    assert_eq!(restore(&bench, "copy", "0", &payload, ""), Value::Ok);
    let all = contents(&bench.db);
    assert_eq!(all[&(0, b"k".to_vec())], all[&(0, b"copy".to_vec())]);
    for request in ["XINFO GROUPS k", "XPENDING k g", "XPENDING k g - + 100", "XRANGE k - + COUNT 12"] {
        assert_eq!(bench.ask(request), bench.ask(&request.replacen(" k", " copy", 1)), "{request}");
    }
    bench.assert_replays();
}

#[test]
fn options_are_followed_and_the_effect_names_the_moment() {
    let bench = Bench::new();
    bench.db.options().set_keyspace_events("KEAn".parse().unwrap());
    bench.ask("SET k 12");
    let payload = bench.db.dump("k").unwrap().unwrap();
    bench.effects();
    bench.events();
    assert_eq!(restore(&bench, "new", "5000", &payload, ""), Value::Ok);
    assert_eq!(bench.ask("PTTL new"), ":5000\r\n");
    let effect = bench.effects().remove(0);
    assert!(effect.starts_with(&format!("RESTORE new {} ", START.0 + 5000)) && effect.ends_with(" ABSTTL"), "{effect}");
    assert_eq!(bench.events(), ["0 new new", "0 restore new"]);

    let busy = Value::Error(b"BUSYKEY Target key name already exists.".to_vec().into());
    assert_eq!(restore(&bench, "new", "0", &payload, ""), busy);
    assert_eq!(restore(&bench, "new", &(START.0 + 9).to_string(), &payload, "replace absttl"), Value::Ok);
    assert_eq!(bench.ask("PTTL new"), ":9\r\n");
    assert!(bench.effects().remove(0).ends_with(" REPLACE ABSTTL"));
    bench.assert_replays();

    // What comes too late only takes away what was there.
    bench.events();
    assert_eq!(restore(&bench, "new", "1", &payload, "ABSTTL REPLACE"), Value::Ok);
    assert_eq!((bench.effects(), bench.events()), (vec!["DEL new".to_owned()], vec!["0 del new".to_owned()]));
    assert_eq!(restore(&bench, "new", "1", &payload, "ABSTTL"), Value::Ok);
    assert_eq!(restore(&bench, "new", &i64::MAX.to_string(), &payload, ""), Value::Ok);
    assert_eq!((bench.ask("EXISTS new"), bench.effects().len()), (":0\r\n".to_owned(), 0));

    assert_eq!(restore(&bench, "idle", "0", &payload, "IDLETIME 1000"), Value::Ok);
    assert_eq!(bench.ask("OBJECT IDLETIME idle"), ":1000\r\n");
    bench.db.options().lfu.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(restore(&bench, "used", "0", &payload, "FREQ 77"), Value::Ok);
    assert_eq!(bench.ask("OBJECT FREQ used"), ":77\r\n");
    bench.assert_replays();
}

#[test]
fn errors_are_worded_as_in_redis() {
    let bench = Bench::new();
    bench.ask("SET k 12");
    let payload = bench.db.dump("k").unwrap().unwrap();
    bench.effects();
    let number = "ERR value is not an integer or out of range";
    let wrong = "ERR DUMP payload version or checksum are wrong";
    for (key, ttl, payload, options, expected) in [
        ("new", "-1", &payload[..], "", "ERR Invalid TTL value, must be >= 0"),
        ("new", "x", &payload, "", number),
        ("k", "x", &payload, "", "BUSYKEY Target key name already exists."),
        ("k", "0", b"", "BADOPTION", "ERR syntax error"),
        ("new", "0", b"", "", wrong),
        ("new", "0", &payload[..9], "", wrong),
        ("new", "0", &payload, "IDLETIME", "ERR syntax error"),
        ("new", "0", &payload, "IDLETIME x", number),
        ("new", "0", &payload, "IDLETIME -1", "ERR Invalid IDLETIME value, must be >= 0"),
        ("new", "0", &payload, "FREQ -1", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("new", "0", &payload, "FREQ 256", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("new", "0", &payload, "FREQ 1 IDLETIME 1", "ERR syntax error"),
    ] {
        assert_eq!(
            restore(&bench, key, ttl, payload, options),
            Value::Error(expected.as_bytes().to_vec().into()),
            "{options}"
        );
    }
    assert!(bench.effects().is_empty());
}

#[test]
fn values_that_contradict_themselves_are_refused_and_nothing_changes() {
    let bench = Bench::new();
    bench.ask("SET k 12");
    bench.effects();
    let bad = Value::Error(b"ERR Bad data format".to_vec().into());
    for body in [
        &b""[..],
        b"\x00",
        b"\x06",
        b"\x63\x01x",
        b"\x01\x00",
        b"\x02\x00",
        b"\x04\x00",
        b"\x05\x00",
        b"\x02\x02\x01x\x01x",
        b"\x04\x02\x01x\x01a\x01x\x01b",
        b"\x05\x02\x01x\0\0\0\0\0\0\0\0\x01x\0\0\0\0\0\0\0\0",
        b"\x05\x01\x01x\x01\0\0\0\0\0\xf0\x7f",
        b"\x01\x05\x01x",
        b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00",
        b"\x10\x09\x09\x00\x00\x00\x01\x00\x05\x01\xff",
    ] {
        assert_eq!(restore(&bench, "k", "0", &sealed(body), "REPLACE"), bad, "{body:?}");
    }
    assert_eq!((bench.ask("GET k"), bench.effects().len()), ("$2\r\n12\r\n".to_owned(), 0));
}

#[test]
fn a_turn_that_is_given_up_puts_back_what_was_replaced() {
    let bench = Bench::new();
    bench.ask("RPUSH k a b");
    let payload = bench.db.dump("k").unwrap().unwrap();
    bench.ask("SET k old EX 100");
    let before = contents(&bench.db);
    let given_up = bench.db.atomic("k", |tx| {
        tx.restore("k", &payload, RestoreOptions { replace: true, ..RestoreOptions::default() })?;
        assert_eq!(tx.llen("k"), Ok(2));
        Err::<(), _>(CommandError::NoSuchKey)
    });
    assert!(given_up.is_err());
    assert_eq!(contents(&bench.db), before);
    assert_totals(&bench.db);
}

#[test]
fn a_payload_that_older_servers_cannot_read_is_recorded_as_what_it_holds() {
    let bench = Bench::new();
    bench.ask("HSET h timed 2");
    bench.ask(&format!("HPEXPIREAT h {} FIELDS 1 timed", START.0 + 5000));
    bench.ask("SET s text");
    let hash = bench.db.dump("h").unwrap().unwrap();
    // A later server seals even what it could say as before.
    let mut text = bench.db.dump("s").unwrap().unwrap().to_vec();
    text.truncate(text.len() - 10);
    crate::payload::seal(&mut text, crate::payload::VERSION_MIN + 1);
    bench.effects();
    assert_eq!(restore(&bench, "other", "0", &hash, ""), Value::Ok);
    assert_eq!(restore(&bench, "s", "9000", &text, "REPLACE"), Value::Ok);
    let expected = [
        "DEL other".to_owned(),
        "HSET other timed 2".to_owned(),
        format!("HPEXPIREAT other {} FIELDS 1 timed", START.0 + 5000),
        format!("SET s text PXAT {}", START.0 + 9000),
    ];
    assert_eq!(bench.effects(), expected);
    bench.assert_replays();
}
