//! Any bytes as a serialised value: never a panic, memory within the bounds that `payload` states, and what can be read is
//! written, read and written again to the same.
//!
//! The first byte is the number of the type. The bytes are given to RESTORE as well, footer and all.

use crate::allowance::{of_making, within};
use keyslot_engine::payload::{check_payload, crc64};
use keyslot_engine::resp::Value;
use keyslot_engine::{Attributes, Engine, ManualClock, RestoreOptions, UnixMillis};

thread_local! {
    /// At the beginning of time nothing is due, so that a value stays as it was read.
    static ENGINE: Engine = Engine::builder().clock(ManualClock::at(UnixMillis(0))).seed(1).in_memory();
}

pub(crate) fn run(data: &[u8]) {
    ENGINE.with(|db| {
        let options = RestoreOptions { replace: true, ..RestoreOptions::default() };
        let restore = |key, payload: &[u8]| within(of_value(payload), || db.restore(key, payload, options));
        let _ = restore("k", data);
        let sealed = sealed(data);
        let _ = within(of_making(&sealed, 8), || check_payload(&sealed));
        if read(db, data) {
            let payload = db.dump("k").expect("a key is dumped").expect("it was read");
            check_payload(&payload).expect("what was written is sound");
            restore("copy", &payload).expect("what was written is read");
            assert_eq!(digest(db, "k"), digest(db, "copy"));
        }
        db.del_many(&["k", "copy"]).expect("keys are deleted");
    });
}

/// Reads the value into `k`; false if there is none.
pub(crate) fn read(db: &Engine, data: &[u8]) -> bool {
    let Some((&number, body)) = data.split_first() else { return false };
    db.del("k").expect("keys are deleted");
    let mut loader = db.loader();
    let used = within(of_value(data), || loader.value(0, b"k", Attributes::default(), number, body));
    assert!(used.is_ok_and(|used| used <= body.len()) || loader.loaded().keys == 0);
    loader.finish().is_ok_and(|loaded| loaded.keys == 1)
}

/// What a value may take in memory, by its bytes, the first of which is the number of its type.
pub(crate) fn of_value(data: &[u8]) -> usize {
    of_making(data, times_of(data.first().copied().unwrap_or(0)))
}

/// How many times its size a value of this type may take.
pub(crate) fn times_of(number: u8) -> usize {
    match number {
        3 | 5 | 11 | 12 | 17 => 16,
        15 | 19 | 21 => 40,
        _ => 8,
    }
}

/// With a footer of the version that all readers know.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut payload = [data, &10u16.to_le_bytes()].concat();
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    payload
}

fn digest(db: &Engine, key: &str) -> Value {
    db.call(&["DEBUG", "DIGEST-VALUE", key])
}
