//! Changing sorted sets, and the effects of it.
//!
//! A sorted set begins compact and grows into the large form where an option says so; it never turns back. What a verb
//! changed is recorded as `ZADD key score member ...` and `ZREM key member ...`, in pieces of bounded size.

use super::read;
use crate::core::Core;
use crate::effect::Recorder;
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::table::Spot;
use crate::text::{DoubleBuffer, format_f64};
use crate::turn::{Key, Pieces, Turn};
use crate::value::sorted_set::tree::order;
use crate::value::sorted_set::{CompactMax, Placed, SortedSet, SortedSetRef, compact};
use crate::value::{Object, ValueType};
use std::ops::Range;
use std::sync::Arc;

/// Finds the sorted set at a key for changing. No hit or miss is counted.
pub(super) fn find(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(None) };
    read(&turn.entry(key, spot))?;
    Ok(Some(spot))
}

/// A new sorted set that is about to get `count` members, the first of so many bytes.
pub(super) fn new_entry(core: &Core, key: &[u8], count: usize, first_bytes: usize) -> EntryRef {
    if CompactMax::of(&core.options).admits(count, first_bytes) {
        return EntryRef::compact(key, ValueType::SortedSet, 0, &[], None);
    }
    let set = SortedSet::new(core.hasher.clone());
    EntryRef::object(key, Object::SortedSet(Arc::new(set)), ValueType::SortedSet, None)
}

/// Turns a compact sorted set into a large one.
pub(super) fn outgrow(core: &Core, entry: &mut EntryRef) {
    if let Some(bytes) = entry.packed() {
        let set = SortedSet::from_compact(core.hasher.clone(), bytes);
        entry.outgrow(Object::SortedSet(Arc::new(set)));
    }
}

/// Gives members scores, in order; shows `placed` what became of each.
pub(super) fn set_all<'a>(
    core: &Core,
    entry: &mut EntryRef,
    members: &mut dyn Iterator<Item = (&'a [u8], f64)>,
    mut placed: impl FnMut(&'a [u8], f64, Placed),
) {
    let max = CompactMax::of(&core.options);
    let mut waiting = members.next();
    if entry.packed().is_some() {
        entry.edit_packed(|bytes| {
            while let Some((member, score)) = waiting {
                let located = compact::locate(bytes, member, score);
                match &located.old {
                    Some((old, _)) if *old == score => placed(member, score, Placed::Kept),
                    Some(_) => {
                        compact::set(bytes, &located, member, score);
                        placed(member, score, Placed::Moved);
                    }
                    None if !max.admits(located.count + 1, member.len()) => break,
                    None => {
                        compact::set(bytes, &located, member, score);
                        placed(member, score, Placed::Added);
                    }
                }
                waiting = members.next();
            }
        });
    }
    if waiting.is_none() {
        return;
    }
    outgrow(core, entry);
    let Some(Object::SortedSet(set)) = entry.object_mut() else { return };
    let set = Arc::make_mut(set);
    while let Some((member, score)) = waiting {
        let outcome = set.set(member, score);
        placed(member, score, outcome);
        waiting = members.next();
    }
}

/// Gives one member of a compact set at `spot` a score, if it stays compact then; says what became of it. `decide` is asked
/// whether the member, which has a score or none, gets another.
pub(super) fn set_one(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    member: &[u8],
    score: f64,
    decide: impl FnOnce(Option<f64>) -> bool,
) -> Option<Placed> {
    let located = compact::locate(turn.entry(key, spot).packed()?, member, score);
    let old = located.old.as_ref().map(|(old, _)| *old);
    let is_new = old.is_none();
    if old == Some(score) || !decide(old) {
        return Some(Placed::Kept);
    }
    // A set at its limit outgrows the compact form also when no member is new.
    if !CompactMax::of(&turn.core().options).admits(located.count + 1, if is_new { member.len() } else { 0 }) {
        return None;
    }
    turn.update(key, spot, |entry| entry.edit_packed(|bytes| compact::set(bytes, &located, member, score)));
    Some(if is_new { Placed::Added } else { Placed::Moved })
}

/// Records one member with its score.
pub(super) fn record_one(turn: &mut Turn<'_>, key: &Key<'_>, member: &[u8], score: f64) {
    let mut buffer = DoubleBuffer::new();
    let score: &[u8] = if turn.is_recording() { format_f64(score, &mut buffer) } else { b"" };
    turn.record(&[b"ZADD", key.bytes, score, member]);
}

/// Takes the members of a range of ranks out of the set at `spot`, which has them, records it, and announces it under a name.
/// Shows each to `taken`. A set that is left empty is removed.
pub(super) fn remove_ranks(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    ranks: Range<usize>,
    event: &'static str,
    mut taken: impl FnMut(&[u8], f64),
) {
    let set_len = read(&turn.entry(key, spot)).map_or(0, SortedSetRef::len);
    if ranks.len() >= set_len {
        if let Ok(set) = read(&turn.entry(key, spot)) {
            set.iter().for_each(|(member, score)| member.with_bytes(|member| taken(member, score)));
        }
        turn.notify(EventClass::SortedSet, event, key.bytes);
        remove_emptied(turn, key, spot);
        return;
    }
    let mut gone = Pieces::default();
    let mut see = |member: &[u8], score: f64| {
        taken(member, score);
        gone.push(member);
    };
    turn.update(key, spot, |entry| {
        if entry.packed().is_some() {
            entry.edit_packed(|bytes| {
                let place = compact::place(bytes, ranks);
                for pair in compact::pairs(&bytes[place.clone()]) {
                    pair.member.with_bytes(|member| see(member, pair.score));
                }
                bytes.drain(place);
            });
        } else if let Some(Object::SortedSet(set)) = entry.object_mut() {
            Arc::make_mut(set).remove_range(ranks, see);
        }
    });
    gone.record(turn, &[b"ZREM", key.bytes]);
    turn.notify(EventClass::SortedSet, event, key.bytes);
}

/// Removes a set that has no members any more, or none that anybody wants.
pub(super) fn remove_emptied(turn: &mut Turn<'_>, key: &Key<'_>, spot: Spot) {
    turn.discard(key, spot);
    turn.record(&[b"DEL", key.bytes]);
    turn.notify(EventClass::Generic, "del", key.bytes);
}

/// The value of a result, all members of which differ; `None` if it has none.
pub(crate) fn whole(core: &Core, key: &[u8], mut members: Vec<(&[u8], f64)>) -> Option<EntryRef> {
    let longest = members.iter().map(|(member, _)| member.len()).max()?;
    if CompactMax::of(&core.options).admits(members.len(), longest) {
        members.sort_unstable_by(|a, b| order((a.1, a.0), (b.1, b.0)));
        let mut bytes = Vec::new();
        members.iter().for_each(|(member, score)| compact::push(&mut bytes, member, *score));
        return Some(EntryRef::compact(key, ValueType::SortedSet, 0, &bytes, None));
    }
    let set = SortedSet::from_members(core.hasher.clone(), members.into_iter());
    Some(EntryRef::object(key, Object::SortedSet(Arc::new(set)), ValueType::SortedSet, None))
}

/// Stores a [`whole`] value at `key`, whatever was there; where there is none, the key is removed. Returns how many members
/// it has.
pub(crate) fn store_whole(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    entry: Option<EntryRef>,
    event: &'static str,
) -> Result<usize, CommandError> {
    let old = turn.find(key);
    let Some(entry) = entry else {
        if let Some(spot) = old {
            remove_emptied(turn, key, spot);
        }
        return Ok(0);
    };
    if let Some(spot) = old {
        turn.discard(key, spot);
        turn.record(&[b"DEL", key.bytes]);
    }
    record_members(turn, key.bytes, read(&entry)?);
    let count = read(&entry)?.len();
    turn.put(key, None, entry);
    turn.notify(EventClass::SortedSet, event, key.bytes);
    Ok(count)
}

/// Records that `key` gets the members of a set.
pub(crate) fn record_members(to: &mut impl Recorder, key: &[u8], set: SortedSetRef<'_>) {
    if !to.is_recording() {
        return to.record(&[b"ZADD", key]);
    }
    let head: &[&[u8]] = &[b"ZADD", key];
    let mut pieces = Pieces::default();
    for (member, score) in set.iter() {
        member.with_bytes(|member| push_scored(&mut pieces, member, score));
        if pieces.is_full() {
            pieces.record(to, head);
        }
    }
    pieces.record(to, head);
}

/// Adds a score with its member, as ZADD takes them.
pub(super) fn push_scored(pieces: &mut Pieces, member: &[u8], score: f64) {
    pieces.push(format_f64(score, &mut DoubleBuffer::new()));
    pieces.push(member);
}
