//! Requests that wait for entries, and who serves them.

use super::group_tests::assert_groups_replay;
use crate::command::testing::{Bench, Client};
use crate::resp::Value;
use crate::{ReadFrom, ReadOptions, StreamId};

fn read(key: &str, id: &str) -> String {
    format!("*1\r\n*2\r\n$1\r\n{key}\r\n*1\r\n*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n")
}

#[test]
fn every_reader_gets_what_is_added_after_its_id() {
    let bench = Bench::new();
    bench.run("XADD s 1 f v");
    let mut last = Client::waiting(&bench.db, "XREAD BLOCK 0 STREAMS t s $ $");
    let mut later = Client::waiting(&bench.db, "XREAD BLOCK 0 STREAMS s 5");
    bench.run("XADD s 2 f v");
    assert_eq!(last.served(), read("s", "2-0"));
    later.expect_waiting();
    bench.run("SET t value");
    bench.run("DEL t");
    bench.run("XADD s 6 f v");
    assert_eq!(later.served(), read("s", "6-0"));
    assert_eq!(bench.ask("XREAD BLOCK 0 STREAMS s 5"), read("s", "6-0"));
}

#[test]
fn a_new_key_and_a_time_that_is_over() {
    let bench = Bench::new();
    let mut client = Client::waiting(&bench.db, "XREAD BLOCK 100 STREAMS s $");
    bench.run("XGROUP CREATE s g $ MKSTREAM");
    client.expect_waiting();
    bench.advance_ms(101);
    bench.db.tick(bench.db.now(), 100);
    assert_eq!(client.served(), "*-1\r\n");
    assert_eq!(bench.db.call(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]), Value::Nil);
}

#[test]
fn consumers_of_a_group_share_what_is_added() {
    let bench = Bench::new();
    bench.run("XGROUP CREATE s g $ MKSTREAM");
    let mut ada = Client::waiting(&bench.db, "XREADGROUP GROUP g ada BLOCK 0 STREAMS s >");
    let mut bob = Client::waiting(&bench.db, "XREADGROUP GROUP g bob BLOCK 0 STREAMS s >");
    bench.effects();
    bench.run("XADD s 1 f v");
    assert_eq!(ada.served(), read("s", "1-0"));
    bob.expect_waiting();
    bench.run("XADD s 2 f v");
    assert_eq!(bob.served(), read("s", "2-0"));
    let effects = bench.effects();
    assert_eq!(effects[0], "XADD s 1-0 f v");
    assert!(effects[1].starts_with("XCLAIM s g ada 0 1-0 TIME"), "{effects:?}");
    assert_eq!(effects[2], "XGROUP SETID s g 1-0 ENTRIESREAD 1");
    assert_groups_replay(&bench);
}

#[test]
fn consumers_are_told_when_their_group_or_stream_goes() {
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    for (line, reply) in [
        ("XGROUP DESTROY s g", gone),
        ("DEL s", gone),
        ("RENAME s other", gone),
        ("SET s value", wrong),
        ("FLUSHALL", gone),
    ] {
        let bench = Bench::new();
        bench.run("XGROUP CREATE s g $ MKSTREAM");
        let mut client = Client::waiting(&bench.db, "XREADGROUP GROUP g ada BLOCK 0 STREAMS s >");
        bench.run("XGROUP CREATE s other $");
        client.expect_waiting();
        bench.run(line);
        assert_eq!(client.served(), reply, "{line}");
    }
}

#[test]
fn an_embedder_waits_for_an_entry() {
    let bench = Bench::new();
    let db = bench.db.clone();
    let options = ReadOptions { block_ms: Some(0), count: Some(1), ..ReadOptions::default() };
    db.xadd("s", StreamId::new(1, 0), &[("f", "v")]).unwrap();
    let read = db.xread_options(&["s"], &[ReadFrom::After(StreamId::MIN)], &options).unwrap();
    assert_eq!(read[0].entries[0].value("f").map(|value| &value[..]), Some(&b"v"[..]));
    let adder = std::thread::spawn(move || {
        while db.xlen("s").unwrap() < 3 {
            db.xadd("s", crate::AddId::Auto, &[("f", "v")]).unwrap();
        }
    });
    let read = bench.db.xread_options(&["s"], &[ReadFrom::After(StreamId::new(1, 0))], &options).unwrap();
    assert_eq!(read[0].entries.len(), 1);
    adder.join().unwrap();
}
