//! SCAN's replies and its guarantee.

use super::{ScanCursor, ScanOptions};
use crate::command::testing::{Bench, ask, session};
use crate::resp::Value;
use crate::{Ack, DueKeys};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Runs SCAN to its end and counts how often each key came. `between` is called after every step.
fn scan_all(bench: &Bench, options: &ScanOptions, mut between: impl FnMut(usize)) -> BTreeMap<Vec<u8>, usize> {
    let mut seen = BTreeMap::new();
    let mut cursor = ScanCursor::default();
    for step in 0.. {
        let (next, keys) = bench.db.scan_step(cursor, options);
        for key in keys {
            *seen.entry(key.to_vec()).or_default() += 1;
        }
        assert!(next.0 < 1 << 53, "clients keep cursors in doubles");
        if next.is_end() {
            break;
        }
        assert!(next.0 > cursor.0, "a scan goes forward");
        cursor = next;
        between(step);
    }
    seen
}

#[test]
fn a_scan_returns_every_key_once() {
    let bench = Bench::new();
    for n in 0..3000 {
        bench.db.set(format!("k{n}"), n).unwrap();
        bench.db.set(format!("{{crowd}}{n}"), n).unwrap();
    }
    for count in [1, 10, 1000, usize::MAX] {
        let seen = scan_all(&bench, &ScanOptions { count, ..ScanOptions::default() }, |_| {});
        assert_eq!(seen.len(), 6000);
        assert!(seen.values().all(|times| *times == 1));
    }
    assert_eq!(bench.db.scan().count(), 6000);
    assert_eq!(bench.db.scan_match("{crowd}1?").count(), 10);
}

#[test]
fn count_bounds_what_a_call_looks_at() {
    let bench = Bench::new();
    for n in 0..1000 {
        bench.db.set(format!("k{n}"), n).unwrap();
    }
    for count in [1, 10, 100] {
        let (_, keys) = bench.db.scan_step(ScanCursor::default(), &ScanOptions { count, ..ScanOptions::default() });
        assert_eq!(keys.len(), count);
    }
}

#[test]
fn due_keys_are_not_returned_and_deleted_where_that_is_allowed() {
    let bench = Bench::new();
    for n in 0..100 {
        bench.ask(&format!("SET k{n} v PX {}", if n % 2 == 0 { 10 } else { 1000 }));
    }
    bench.advance_ms(11);
    bench.db.set_due_keys(DueKeys::Hide);
    assert_eq!(scan_all(&bench, &ScanOptions::default(), |_| {}).len(), 50);
    assert_eq!(bench.db.db_size(), 100);
    bench.db.set_due_keys(DueKeys::Delete);
    bench.batches();
    assert_eq!(scan_all(&bench, &ScanOptions::default(), |_| {}).len(), 50);
    assert_eq!(bench.db.db_size(), 50);
    let batches = bench.batches();
    assert!(batches.len() == 50 && batches.iter().all(|batch| batch.effects.len() == 1), "no transaction around them");
    bench.assert_replays();
}

#[test]
fn match_and_type_filter_and_cursors_are_read_as_redis_reads_them() {
    let bench = Bench::new();
    bench.db.set("a1", "v").unwrap();
    let hit = "*2\r\n$1\r\n0\r\n*1\r\n$2\r\na1\r\n";
    let miss = "*2\r\n$1\r\n0\r\n*0\r\n";
    for (request, reply) in [
        ("SCAN 0", hit),
        ("SCAN +0", hit),
        ("SCAN \"\"", hit),
        ("SCAN -0", hit),
        ("SCAN 0 MATCH *", hit),
        ("SCAN 0 match a? count 1000 type STRING", hit),
        ("SCAN 0 MATCH b*", miss),
        ("SCAN 0 TYPE hash", miss),
        ("SCAN 0 TYPE nonsense", miss),
        ("SCAN 0 COUNT 9223372036854775807", hit),
        ("SCAN -1", miss),
        ("SCAN 18446744073709551615", miss),
        ("SCAN 9007199254740991", miss),
        ("SCAN 18446744073709551616", "-ERR invalid cursor\r\n"),
        ("SCAN x", "-ERR invalid cursor\r\n"),
        ("SCAN -", "-ERR invalid cursor\r\n"),
        ("SCAN \" 1\"", "-ERR invalid cursor\r\n"),
        ("SCAN 1x", "-ERR invalid cursor\r\n"),
        ("SCAN 0 COUNT 0", "-ERR syntax error\r\n"),
        ("SCAN 0 COUNT -5", "-ERR syntax error\r\n"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
        ("SCAN 0 MATCH", "-ERR syntax error\r\n"),
        ("SCAN 0 NOVALUES", "-ERR syntax error\r\n"),
        ("SCAN 0 FOO bar", "-ERR syntax error\r\n"),
    ] {
        assert_eq!(bench.ask(request), reply, "{request}");
    }
}

#[test]
fn an_empty_keyspace_is_scanned_in_one_call_also_after_it_was_full() {
    let bench = Bench::new();
    for n in 0..500 {
        bench.db.set(format!("k{n}"), n).unwrap();
    }
    for n in 0..500 {
        bench.db.del(format!("k{n}")).unwrap();
    }
    assert_eq!(bench.ask("SCAN 0 COUNT 1"), "*2\r\n$1\r\n0\r\n*0\r\n");
    assert_eq!(bench.db.core.totals.occupied(0).count(), 0, "the scan noticed which slots are empty");
}

#[test]
fn each_database_is_scanned_by_itself() {
    let bench = Bench::new();
    bench.ask("SET a v");
    bench.ask("COPY a b DB 4");
    bench.ask("SWAPDB 0 4");
    let mut s = session(&bench.db);
    assert_eq!(ask(&mut s, "SCAN 0"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
    assert!(matches!(bench.db.call(&["SCAN", "0"]), Value::Array(parts) if parts.len() == 2));
}

#[test]
fn a_reply_waits_for_the_newest_change_of_what_it_tells() {
    for request in [&["SCAN", "0"][..], &["KEYS", "*"], &["RANDOMKEY"], &["DBSIZE"]] {
        let bench = Bench::new();
        bench.db.set("a", 1).unwrap();
        bench.db.set("b", 2).unwrap();
        bench.db.set("a", 3).unwrap();
        bench.db.options().set_ack(Ack::Durable);
        assert_eq!(bench.awaited(), 0);
        bench.db.call(request);
        let oldest = if request == ["RANDOMKEY"] { 2 } else { 3 };
        assert!(bench.awaited() >= oldest, "{request:?} waited for {}", bench.awaited());
    }
}

#[derive(Clone, Debug)]
enum Change {
    /// Adds so many keys, of one slot or of many.
    Grow { count: usize, crowd: bool },
    /// Deletes the keys that were added before.
    Shrink,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1usize..400, any::<bool>()).prop_map(|(count, crowd)| Change::Grow { count, crowd }),
        Just(Change::Shrink),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_stays_comes_exactly_once_while_tables_grow_and_shrink(
        stay in 1usize..1500,
        count in 1usize..120,
        changes in prop::collection::vec(change(), 1..12),
    ) {
        let bench = Bench::new();
        let name = |n: usize, tag: &str| if n.is_multiple_of(2) { format!("{{crowd}}{tag}{n}") } else { format!("{tag}{n}") };
        for n in 0..stay {
            bench.db.set(name(n, "stay"), 0).unwrap();
        }
        let mut passing: Vec<String> = Vec::new();
        let mut serial = 0;
        let options = ScanOptions { count, ..ScanOptions::default() };
        let seen = scan_all(&bench, &options, |step| match &changes[step % changes.len()] {
            Change::Grow { count, crowd } if serial < 20_000 => for _ in 0..*count {
                serial += 1;
                let key = if *crowd { format!("{{crowd}}pass{serial}") } else { format!("pass{serial}") };
                bench.db.set(&key, 0).unwrap();
                passing.push(key);
            },
            _ => for key in passing.drain(..) {
                bench.db.del(key).unwrap();
            },
        });
        for n in 0..stay {
            prop_assert_eq!(seen.get(name(n, "stay").as_bytes()), Some(&1), "key {}", n);
        }
    }
}
