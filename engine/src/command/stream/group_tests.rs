//! What the tests of groups share.

use crate::Engine;
use crate::command::testing::Bench;
use crate::resp::Value;

/// Plays all effects into a fresh engine and demands the same stream at `s`: its marks, its groups and what is pending in
/// them. Only the times at which consumers asked are not recorded, and not where nodes begin.
pub(super) fn assert_groups_replay(bench: &Bench) {
    bench.assert_replays();
    assert_eq!(described(&bench.replayed()), described(&bench.db));
}

/// Everything that is known of the stream at `s`, but nodes and the times at which consumers asked.
pub(super) fn described(db: &Engine) -> String {
    let mut text = String::new();
    describe(&db.call(&["XINFO", "STREAM", "s", "FULL", "COUNT", "0"]), &mut text);
    text
}

fn describe(value: &Value, text: &mut String) {
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                let is_told = |name: &[u8]| !name.starts_with(b"radix-tree") && !name.ends_with(b"-time");
                if name.as_bytes().is_some_and(is_told) {
                    describe(name, text);
                    describe(value, text);
                }
            }
        }
        Value::Array(values) => {
            text.push('[');
            values.iter().for_each(|value| describe(value, text));
            text.push(']');
        }
        other => text.push_str(&format!("{other:?} ")),
    }
}
