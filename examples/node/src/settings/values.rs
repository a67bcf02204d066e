//! One value for every row of the table, and typed reading of the keys that the node acts on.

use super::composite::{BufferLimits, SavePoint};
use super::kind::Value;
use super::table::{ROWS, RowIndex, find};
use keyslot::engine::{Ack, EventClasses};
use std::sync::Arc;

/// A value for every key. Cheap enough to copy whenever CONFIG SET changes something.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// Parallel to [`ROWS`], each of its row's kind.
    values: Arc<Vec<Value>>,
    /// Rows that a file or the command line named.
    given: Arc<Vec<bool>>,
}

impl Values {
    /// What a node uses that was told nothing.
    pub(crate) fn standard() -> Self {
        let values = ROWS.iter().map(|row| {
            let words = [row.standard.as_bytes()];
            let value = row.kind.read(row.name, &words, &Value::Switch(false));
            value.expect("a test reads every row's standard value")
        });
        Self { values: Arc::new(values.collect()), given: Arc::new(vec![false; ROWS.len()]) }
    }

    pub(crate) fn value(&self, index: RowIndex) -> &Value {
        &self.values[index.0]
    }

    pub(super) fn replace(&mut self, index: RowIndex, value: Value) {
        Arc::make_mut(&mut self.values)[index.0] = value;
    }

    pub(super) fn mark_given(&mut self, index: RowIndex) {
        Arc::make_mut(&mut self.given)[index.0] = true;
    }

    pub(super) fn was_given(&self, index: RowIndex) -> bool {
        self.given[index.0]
    }

    /// Whether a file or the command line named this key.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.was_given(row_of(name))
    }

    /// The value as CONFIG GET prints it.
    pub(crate) fn show(&self, index: RowIndex) -> Vec<u8> {
        index.row().kind.show(self.value(index))
    }

    /// A `yes` or `no`.
    pub(crate) fn switch(&self, name: &str) -> bool {
        match self.named(name) {
            Value::Switch(on) => *on,
            other => unreachable!("{name} is no switch but {other:?}"),
        }
    }

    /// An integer or an amount of bytes that cannot be negative.
    pub(crate) fn number(&self, name: &str) -> u64 {
        match self.named(name) {
            Value::Integer(number) => u64::try_from(*number).unwrap_or(0),
            Value::Memory(bytes) => *bytes,
            other => unreachable!("{name} is no number but {other:?}"),
        }
    }

    /// An integer that may be negative.
    pub(crate) fn signed(&self, name: &str) -> i64 {
        match self.named(name) {
            Value::Integer(number) => *number,
            other => unreachable!("{name} is no integer but {other:?}"),
        }
    }

    /// The word chosen from a list, as the table spells it.
    pub(crate) fn choice(&self, name: &str) -> &'static str {
        let index = row_of(name);
        match (index.row().kind, self.value(index)) {
            (super::kind::Kind::Choice(names), Value::Choice(choice)) => names[*choice],
            (_, other) => unreachable!("{name} is no choice but {other:?}"),
        }
    }

    /// What replies wait for; `None`: by `appendfsync`.
    pub(crate) fn write_ack(&self) -> Option<Ack> {
        match self.named("write-ack") {
            Value::WriteAck(ack) => *ack,
            other => unreachable!("write-ack is no level but {other:?}"),
        }
    }

    /// Any bytes.
    pub(crate) fn text(&self, name: &str) -> &[u8] {
        match self.named(name) {
            Value::Text(text) => text,
            other => unreachable!("{name} is no text but {other:?}"),
        }
    }

    /// Text as a path; `None` when empty.
    pub(crate) fn path(&self, name: &str) -> Option<std::path::PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        let text = self.text(name);
        (!text.is_empty()).then(|| std::ffi::OsStr::from_bytes(text).into())
    }

    /// Sets a text that the node found out by itself.
    pub(crate) fn set_text(&mut self, name: &str, text: &[u8]) {
        self.replace(row_of(name), Value::Text(text.to_vec()));
    }

    /// Sets words that the node was told otherwise than by a setting.
    pub(super) fn set_words(&mut self, name: &str, words: Vec<Vec<u8>>) {
        self.replace(row_of(name), Value::Words(words));
    }

    pub(crate) fn words(&self, name: &str) -> &[Vec<u8>] {
        match self.named(name) {
            Value::Words(words) => words,
            other => unreachable!("{name} is no list of words but {other:?}"),
        }
    }

    pub(crate) fn buffer_limits(&self) -> BufferLimits {
        match self.named("client-output-buffer-limit") {
            Value::BufferLimits(limits) => *limits,
            other => unreachable!("not buffer limits but {other:?}"),
        }
    }

    pub(crate) fn save_points(&self) -> &[SavePoint] {
        match self.named("save") {
            Value::SavePoints(points) => points,
            other => unreachable!("not save points but {other:?}"),
        }
    }

    pub(crate) fn percentiles(&self) -> &[f64] {
        match self.named("latency-tracking-info-percentiles") {
            Value::Percentiles(percentiles) => percentiles,
            other => unreachable!("not percentiles but {other:?}"),
        }
    }

    pub(crate) fn events(&self) -> EventClasses {
        match self.named("notify-keyspace-events") {
            Value::Events(events) => *events,
            other => unreachable!("no event classes but {other:?}"),
        }
    }

    fn named(&self, name: &str) -> &Value {
        self.value(row_of(name))
    }
}

fn row_of(name: &str) -> RowIndex {
    find(name.as_bytes()).unwrap_or_else(|| unreachable!("{name} is not in the table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_reading_gives_redis_s_standard_values() {
        let values = Values::standard();
        assert_eq!(values.number("port"), 6379);
        assert_eq!(values.number("proto-max-bulk-len"), 512 << 20);
        assert_eq!(values.signed("slowlog-log-slower-than"), 10_000);
        assert!(values.switch("protected-mode"));
        assert_eq!(values.choice("appendfsync"), "everysec");
        assert_eq!(values.words("bind"), [b"*".to_vec(), b"-::*".to_vec()]);
        assert_eq!(values.path("logfile"), None);
        assert_eq!(values.buffer_limits().pubsub.hard_bytes, 32 << 20);
    }

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut values = Values::standard();
        let copy = values.clone();
        values.replace(find(b"port").unwrap(), Value::Integer(1));
        assert_eq!((values.number("port"), copy.number("port")), (1, 6379));
    }
}
