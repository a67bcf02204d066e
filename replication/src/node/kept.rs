//! What a node keeps of its place in a history while it is stopped: one line of text.
//!
//! ```text
//! keyslot-history 1 id=<40 digits> offset=9001 selected=0 previous=<40 digits>:8000 end
//! ```
//!
//! `previous` is absent where there is none. The line is written when a log was stopped in good order, and it is removed before
//! the log is gone on with: a node that was killed finds none, and takes a new name.

use crate::link::{History, ReplicationId};
use keyslot_engine::Offset;

/// Where a node stopped, in which history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptHistory {
    /// What its stream is called.
    pub history: History,
    /// Where the stream ends.
    pub offset: Offset,
    /// The database that is selected there.
    pub selected: u16,
}

impl KeptHistory {
    /// The line.
    pub fn encode(&self) -> String {
        let Self { history, offset, selected } = self;
        let previous = history.previous().map(|(id, end)| format!(" previous={id}:{end}")).unwrap_or_default();
        format!("{MAGIC} id={} offset={offset} selected={selected}{previous} end\n", history.id())
    }

    /// Reads the line. `None` if it is not whole.
    pub fn decode(text: &str) -> Option<Self> {
        let fields = text.strip_prefix(MAGIC)?.strip_prefix(' ')?.strip_suffix(" end\n")?;
        let (mut id, mut offset, mut selected, mut previous) = (None, None, None, None);
        for field in fields.split(' ') {
            match field.split_once('=')? {
                ("id", value) => id = Some(ReplicationId::parse(value.as_bytes())?),
                ("offset", value) => offset = Some(Offset(value.parse().ok()?)),
                ("selected", value) => selected = Some(value.parse().ok()?),
                ("previous", value) => {
                    let (name, end) = value.split_once(':')?;
                    previous = Some((ReplicationId::parse(name.as_bytes())?, Offset(end.parse().ok()?)));
                }
                _ => return None,
            }
        }
        let history = match previous {
            Some((name, end)) => {
                let mut history = History::new(name);
                history.shift(id?, end);
                history
            }
            None => History::new(id?),
        };
        Some(Self { history, offset: offset?, selected: selected? })
    }

    /// What the notes in an RDB say of the data in it (`repl-id`, `repl-offset`, `repl-stream-db`), if they do.
    pub fn of_notes(notes: &[(String, String)]) -> Option<Self> {
        let find = |name: &str| notes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let history = History::new(ReplicationId::parse(find("repl-id")?.as_bytes())?);
        let offset = Offset(find("repl-offset")?.parse().ok()?);
        // A primary that had no replicas left says -1.
        let selected = find("repl-stream-db").and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Self { history, offset, selected })
    }

    /// The notes for an RDB of the data up to here.
    pub fn notes(&self) -> Vec<(String, String)> {
        let notes = [
            ("repl-stream-db", self.selected.to_string()),
            ("repl-id", self.history.id().to_string()),
            ("repl-offset", self.offset.to_string()),
        ];
        notes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

const MAGIC: &str = "keyslot-history 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_nothing_else_is() {
        let [a, b] = [1, 2].map(|n| ReplicationId::from_chance([n, n << 40, 7]));
        let mut kept = KeptHistory { history: History::new(a), offset: Offset(9001), selected: 3 };
        assert_eq!(KeptHistory::decode(&kept.encode()), Some(kept));
        assert_eq!(KeptHistory::of_notes(&kept.notes()), Some(kept));
        kept.history.shift(b, Offset(77));
        let text = kept.encode();
        assert_eq!(KeptHistory::decode(&text), Some(kept));
        for len in 0..text.len() {
            assert_eq!(KeptHistory::decode(&text[..len]), None);
        }
        assert_eq!(KeptHistory::decode(&text.replace("id=", "name=")), None);
        assert_eq!(KeptHistory::of_notes(&[("repl-id".to_owned(), a.to_string())]), None);
    }
}
