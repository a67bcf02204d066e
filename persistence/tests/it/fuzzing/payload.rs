//! Any bytes as a serialised value: never a panic, memory within the input's size, and what can be read is written, read and
//! written again to the same.
//!
//! The first byte is the number of the type. The bytes are given to RESTORE as well, footer and all.

use keyslot_engine::resp::Value;
use keyslot_engine::{Attributes, Engine, ManualClock, RestoreOptions, UnixMillis};

thread_local! {
    /// At the beginning of time nothing is due, so that a value stays as it was read.
    static ENGINE: Engine = Engine::builder().clock(ManualClock::at(UnixMillis(0))).seed(1).in_memory();
}

pub(crate) fn run(data: &[u8]) {
    ENGINE.with(|db| {
        let options = RestoreOptions { replace: true, ..RestoreOptions::default() };
        let _ = db.restore("k", data, options);
        if read(db, data) {
            let payload = db.dump("k").expect("a key is dumped").expect("it was read");
            db.restore("copy", &payload, options).expect("what was written is read");
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
    let used = loader.value(0, b"k", Attributes::default(), number, body);
    assert!(used.is_ok_and(|used| used <= body.len()) || loader.loaded().keys == 0);
    loader.finish().is_ok_and(|loaded| loaded.keys == 1)
}

fn digest(db: &Engine, key: &str) -> Value {
    db.call(&["DEBUG", "DIGEST-VALUE", key])
}
