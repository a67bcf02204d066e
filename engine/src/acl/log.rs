//! What was denied of late: ACL LOG.
//!
//! Incidents that are alike and follow each other within a minute are one entry that counts them, as in Redis.

use crate::time::UnixMillis;
use std::collections::VecDeque;

/// Why something was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// The command.
    Command,
    /// A key.
    Key,
    /// A wrong password, or a user that is off or not there.
    Auth,
    /// A channel.
    Channel,
}

impl Reason {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Auth => "auth",
            Self::Channel => "channel",
        }
    }
}

/// Where a request stood that was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
}

impl Context {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Multi => "multi",
        }
    }
}

/// Something that was denied.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) reason: Reason,
    pub(crate) context: Context,
    /// The command, key or channel; the command that a password came with.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// The client's line of CLIENT LIST.
    pub(crate) client: String,
    pub(crate) at: UnixMillis,
}

/// An incident and those like it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) count: u64,
    /// When the first one was.
    pub(crate) created: UnixMillis,
    /// The newest one.
    pub(crate) last: Incident,
}

/// Entries, the one that changed last first.
#[derive(Default, Debug)]
pub(crate) struct DenialLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl DenialLog {
    /// Takes an incident; at most `count_max` entries stay. O(entries looked at).
    pub(crate) fn add(&mut self, incident: Incident, count_max: usize) {
        let known = self.entries.iter().take(ENTRIES_LOOKED_AT).position(|entry| is_alike(&entry.last, &incident));
        match known.and_then(|at| self.entries.remove(at)) {
            Some(entry) => self.entries.push_front(Entry { count: entry.count + 1, last: incident, ..entry }),
            None => {
                let (id, created) = (self.next_id, incident.at);
                self.next_id += 1;
                self.entries.push_front(Entry { id, count: 1, created, last: incident });
            }
        }
        self.entries.truncate(count_max);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
}

fn is_alike(known: &Incident, incident: &Incident) -> bool {
    known.reason == incident.reason
        && known.context == incident.context
        && (incident.at.0 - known.at.0).abs() <= ALIKE_WITHIN_MS
        && known.object == incident.object
        && known.user == incident.user
}

/// Entries among which one that is alike is looked for.
const ENTRIES_LOOKED_AT: usize = 10;
const ALIKE_WITHIN_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(object: &str, at: i64) -> Incident {
        Incident {
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"me".to_vec(),
            client: String::new(),
            at: UnixMillis(at),
        }
    }

    fn shown(log: &DenialLog) -> Vec<(u64, u64, String, i64, i64)> {
        let text = |entry: &Entry| String::from_utf8(entry.last.object.clone()).unwrap();
        log.entries().map(|e| (e.id, e.count, text(e), e.created.0, e.last.at.0)).collect()
    }

    #[test]
    fn what_is_alike_is_counted_in_one_entry_that_comes_first_again() {
        let mut log = DenialLog::default();
        for (object, at) in [("a", 0), ("b", 10), ("a", 60_000), ("a", 120_001)] {
            log.add(incident(object, at), 100);
        }
        let a = || "a".to_owned();
        let expected = [(2, 1, a(), 120_001, 120_001), (0, 2, a(), 0, 60_000), (1, 1, "b".to_owned(), 10, 10)];
        assert_eq!(shown(&log), expected);
        log.add(Incident { context: Context::Multi, ..incident("a", 120_001) }, 100);
        assert_eq!(log.entries().len(), 4);
    }

    #[test]
    fn it_is_bounded_and_ids_go_on_when_it_is_cleared() {
        let mut log = DenialLog::default();
        (0..9).for_each(|at| log.add(incident(&at.to_string(), at), 5));
        assert_eq!(log.entries().len(), 5);
        log.clear();
        log.add(incident("x", 1), 5);
        assert_eq!(shown(&log)[0].0, 9);
        log.add(incident("y", 1), 0);
        assert_eq!(log.entries().len(), 0);
    }

    #[test]
    fn only_the_newest_entries_are_compared() {
        let mut log = DenialLog::default();
        (0..11).for_each(|at| log.add(incident(&at.to_string(), at), 100));
        log.add(incident("0", 11), 100);
        assert_eq!(log.entries().len(), 12);
    }
}
