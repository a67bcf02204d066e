//! What the tests of groups share.

use crate::Engine;
use crate::command::testing::Bench;
use crate::resp::Value;

/// Plays all effects into a fresh engine and demands the same stream at `s`: its marks, its groups and what is pending in
/// them. Only the times at which consumers asked are not recorded.
pub(super) fn assert_groups_replay(bench: &Bench) {
    bench.assert_replays();
    assert_eq!(described(&bench.replayed()), described(&bench.db));
}

fn described(db: &Engine) -> String {
    let mut text = String::new();
    describe(&db.call(&["XINFO", "STREAM", "s", "FULL", "COUNT", "0"]), &mut text);
    text
}

fn describe(value: &Value, text: &mut String) {
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                if !matches!(name.as_bytes(), Some(b"seen-time" | b"active-time")) {
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
