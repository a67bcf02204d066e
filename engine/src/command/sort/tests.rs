use super::*;
use crate::command::testing::Bench;
use crate::resp::Value;

fn texts(value: Value) -> Vec<String> {
    let Value::Array(values) = value else { panic!("no array: {value:?}") };
    let text = |value: &Value| value.as_bytes().map_or("-".into(), |text| String::from_utf8_lossy(text).into_owned());
    values.iter().map(text).collect()
}

fn sorted(bench: &Bench, request: &str) -> String {
    texts(bench.run(request)).join(" ")
}

#[test]
fn numbers_and_texts_are_put_in_order() {
    let bench = Bench::new();
    bench.run("RPUSH l 3 10 -1.5 2 10");
    assert_eq!(sorted(&bench, "SORT l"), "-1.5 2 3 10 10");
    assert_eq!(sorted(&bench, "SORT l desc"), "10 10 3 2 -1.5");
    assert_eq!(sorted(&bench, "SORT l ALPHA"), "-1.5 10 10 2 3");
    assert_eq!(sorted(&bench, "SORT l LIMIT 1 2"), "2 3");
    assert_eq!(sorted(&bench, "SORT l LIMIT 1 2 DESC"), "10 3");
    assert_eq!(sorted(&bench, "SORT_RO l ALPHA LIMIT -5 2"), "-1.5 10");
    assert_eq!(sorted(&bench, "SORT l LIMIT 9 2"), "");
    assert_eq!(sorted(&bench, "SORT none"), "");
    bench.run("SADD s 3 1 2");
    bench.run("ZADD z 1 30 2 20 3 10");
    assert_eq!((sorted(&bench, "SORT s"), sorted(&bench, "SORT z")), ("1 2 3".into(), "10 20 30".into()));
    assert_eq!(
        bench.db.sort("l", &SortOptions { limit: Some((0, 1)), ..Default::default() }).unwrap(),
        [Some("-1.5".into())]
    );
}

#[test]
fn without_a_mark_in_the_pattern_members_stay_as_they_are() {
    let bench = Bench::new();
    bench.run("RPUSH l c a d b");
    bench.run("ZADD z 1 x 2 w 3 y 4 v");
    assert_eq!(sorted(&bench, "SORT l BY nosort"), "c a d b");
    assert_eq!(sorted(&bench, "SORT l BY nosort DESC LIMIT 1 2"), "d a");
    assert_eq!(sorted(&bench, "SORT z BY nosort LIMIT 1 2"), "w y");
    assert_eq!(sorted(&bench, "SORT z BY nosort DESC LIMIT 1 2"), "y w");
    assert_eq!(sorted(&bench, "SORT z BY # DESC"), "v y w x");
    // What is stored of a set has an order whatever the request says.
    bench.run("SADD s c a b");
    assert_eq!(bench.run("SORT s BY nosort STORE d"), Value::Integer(3));
    assert_eq!(texts(bench.run("LRANGE d 0 -1")), ["a", "b", "c"]);
}

#[test]
fn patterns_lead_to_other_keys_in_any_slot() {
    let bench = Bench::new();
    bench.run("RPUSH l 1 2 3");
    bench.run("MSET w1 30 w2 10 w3 20 name1 one name3 three");
    assert_eq!(sorted(&bench, "SORT l BY w*"), "2 3 1");
    assert_eq!(sorted(&bench, "SORT l BY w* LIMIT 0 2 DESC"), "1 3");
    assert_eq!(sorted(&bench, "SORT l ALPHA BY name* DESC"), "3 1 2");
    bench.run("HSET h1 f 5 g a");
    bench.run("HSET h2 f 4 g c");
    assert_eq!(sorted(&bench, "SORT l BY h*->f"), "3 2 1");
    assert_eq!(sorted(&bench, "SORT l ALPHA BY h*->g DESC"), "2 1 3");
    assert_eq!(sorted(&bench, "SORT l BY w* GET # GET name* GET h*->g GET x"), "2 - c - 3 three - - 1 one a -");
    assert_eq!(bench.error("SORT l BY name*"), "ERR One or more scores can't be converted into double");
    let options = SortOptions { by: Some(b"w*".to_vec()), get: vec![b"name*".to_vec()], ..Default::default() };
    assert_eq!(bench.db.sort_store("l", "d", &options).unwrap(), 3);
    assert_eq!(texts(bench.run("LRANGE d 0 -1")), ["", "three", "one"]);
    bench.assert_replays();
}

#[test]
fn the_stored_list_takes_the_place_of_whatever_was_there() {
    let bench = Bench::new();
    bench.run("RPUSH l 3 1 2");
    bench.run("SET d x PX 5000");
    bench.effects();
    assert_eq!(bench.run("SORT l STORE d"), Value::Integer(3));
    assert_eq!(bench.effects(), ["DEL d", "RPUSH d 1 2 3"]);
    assert_eq!(bench.run("PTTL d"), Value::Integer(-1));
    assert_eq!(bench.run("SORT l STORE l LIMIT 0 1"), Value::Integer(1));
    assert_eq!(bench.run("SORT none STORE d"), Value::Integer(0));
    assert_eq!(bench.run("SORT none STORE d"), Value::Integer(0));
    assert_eq!(bench.effects(), ["DEL l", "RPUSH l 1", "DEL d"]);
    bench.assert_replays();
}

#[test]
fn errors() {
    let bench = Bench::new();
    bench.run("RPUSH l 1 x");
    bench.run("SET s x");
    assert_eq!(bench.error("SORT l"), "ERR One or more scores can't be converted into double");
    assert_eq!(bench.error("SORT l LIMIT 0 0"), "ERR One or more scores can't be converted into double");
    assert_eq!(bench.error("SORT s"), "WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_eq!(bench.error("SORT l LIMIT a 1"), "ERR value is not an integer or out of range");
    for words in ["LIMIT 1", "BY", "GET", "STORE", "FOO"] {
        assert_eq!(bench.error(&format!("SORT l {words}")), "ERR syntax error", "{words}");
    }
    assert_eq!(bench.error("SORT_RO l STORE d"), "ERR syntax error");
}

#[test]
fn fields_of_hashes_are_weights_and_values() {
    let bench = Bench::new();
    for long in ["v".to_owned(), "v".repeat(100)] {
        bench.run("DEL l h:1 h:2");
        bench.run("RPUSH l 1 2 3");
        bench.run(&format!("HSET h:1 weight 20 name one more {long}"));
        bench.run(&format!("HSET h:2 weight 10 name two more {long}"));
        let reply = bench.ask("SORT l BY h:*->weight GET # GET h:*->name");
        let expected = "*6\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$3\r\ntwo\r\n$1\r\n1\r\n$3\r\none\r\n";
        assert_eq!(reply, expected);
    }
}
