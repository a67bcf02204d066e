//! Commands over several slots, over all of them and over none, from many threads at once.

use crate::command::testing::{Bench, assert_totals};
use std::thread;

#[test]
fn turns_over_some_all_and_no_slots_end_and_leave_the_counts_right() {
    let bench = Bench::new();
    let db = &bench.db;
    thread::scope(|scope| {
        for t in 0..3 {
            scope.spawn(move || {
                for n in 0..1500 {
                    let (a, b) = (format!("k{}", (n + t) % 40), format!("k{}", (n * 7 + t) % 40));
                    db.set(&a, n).unwrap();
                    if n % 3 == 0 {
                        db.pexpire(&a, if n % 2 == 0 { -1 } else { 100_000 }).unwrap();
                    }
                    drop(db.rename(&a, &b));
                    drop(db.copy(&b, &a, super::CopyOptions::default()));
                    drop(db.move_key(&b, 1 + n as u16 % 3));
                }
            });
        }
        scope.spawn(|| {
            for n in 0..30 {
                match n % 3 {
                    0 => db.flushall().unwrap(),
                    1 => db.flushall_options(super::FlushMode::Async).unwrap(),
                    _ => db.swap_db(0, 2).unwrap(),
                }
                db.tick(db.now(), 5000);
            }
        });
        scope.spawn(|| {
            for _ in 0..200 {
                assert!(db.scan().count() <= 40);
                db.random_key().unwrap();
                db.keys("*").unwrap();
            }
        });
    });
    while db.tick(db.now(), 1 << 20).more {}
    assert_totals(db);
    bench.assert_replays();
}
