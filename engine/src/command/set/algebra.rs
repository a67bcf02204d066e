//! What intersection, union and difference have in common: sets in, a result out or stored.

use super::{limits, record_set};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::StrRef;
use crate::value::set::{NewSet, SetRef};

/// The sets of some keys, shared with the keyspace while they are worked with.
pub(super) struct Sources(Vec<Option<EntryRef>>);

impl Sources {
    /// Reads keys in order; what is missing is a set without members.
    pub(super) fn read(turn: &mut Turn<'_>, keys: &[impl AsRef<[u8]>]) -> Result<Self, CommandError> {
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let key = turn.key(key.as_ref())?;
            let entry = turn.read(&key).map(|entry| EntryRef::clone(&entry));
            if entry.as_ref().is_some_and(|entry| entry.as_set().is_none()) {
                return Err(CommandError::WrongType);
            }
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    /// The sets that are there.
    pub(super) fn present(&self) -> Vec<SetRef<'_>> {
        self.0.iter().filter_map(|entry| entry.as_ref()?.as_set()).collect()
    }

    /// The first set, and those of the others that are there.
    pub(super) fn first_and_rest(&self) -> (Option<SetRef<'_>>, Vec<SetRef<'_>>) {
        let first = self.0.first().and_then(|entry| entry.as_ref()?.as_set());
        let rest = self.0.iter().skip(1).filter_map(|entry| entry.as_ref()?.as_set()).collect();
        (first, rest)
    }

    /// Whether some key is missing.
    pub(super) fn has_gap(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }
}

/// Writes a result whose size shows when it is complete.
pub(super) fn write_result(reply: &mut ReplyWriter<'_>, each: impl FnOnce(&mut dyn FnMut(StrRef<'_>))) {
    let result = reply.begin_set();
    let mut count = 0;
    each(&mut |member| {
        member.with_bytes(|member| reply.bulk(member));
        count += 1;
    });
    reply.end_set(result, count);
}

/// An empty set for a result.
pub(super) fn new_result(turn: &Turn<'_>) -> NewSet {
    NewSet::of_results(limits(turn), &turn.core().hasher)
}

/// Puts a result in the place of what is at `destination`; says how many members it has. Without members it is no key.
pub(super) fn store(
    turn: &mut Turn<'_>,
    destination: &[u8],
    result: NewSet,
    event: &'static str,
) -> Result<usize, CommandError> {
    let key = turn.key(destination)?;
    let old = turn.find(&key);
    if result.is_empty() {
        if let Some(spot) = old {
            turn.discard(&key, spot);
            turn.record(&[b"DEL", key.bytes]);
            turn.notify(EventClass::Generic, "del", key.bytes);
        }
        return Ok(0);
    }
    let entry = result.into_entry(key.bytes, None);
    turn.put(&key, old, entry.clone());
    let set = entry.as_set().expect("a set was made");
    record_set(turn, key.bytes, set);
    turn.notify(EventClass::Set, event, key.bytes);
    Ok(set.len())
}
