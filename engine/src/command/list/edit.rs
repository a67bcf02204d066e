//! How every command of the family finds a list and changes it.

use super::list_of;
use super::recording::record_list;
use crate::error::CommandError;
use crate::event::EventClass;
use crate::keyspace::EntryRef;
use crate::table::Spot;
use crate::turn::{Key, Turn};
use crate::value::list::{Limits, compact};
use crate::value::{End, List, ListRef, Object, StrRef, ValueType, Walk};
use std::sync::Arc;

fn limits(turn: &Turn<'_>) -> Limits {
    Limits::of(&turn.core().options)
}

/// Finds a list for changing. No hit or miss is counted.
#[inline]
pub(super) fn find_list(turn: &mut Turn<'_>, key: &Key<'_>) -> Result<Option<Spot>, CommandError> {
    let Some(spot) = turn.find(key) else { return Ok(None) };
    list_of(&turn.entry(key, spot))?;
    Ok(Some(spot))
}

/// How long the list at a spot is.
#[inline]
pub(super) fn len_at(turn: &Turn<'_>, key: &Key<'_>, spot: Spot) -> usize {
    turn.entry(key, spot).as_list().map_or(0, ListRef::len)
}

/// Adds elements at an end, one after another, to a list or to a new one. Returns how many there are then.
pub(super) fn push(turn: &mut Turn<'_>, key: &Key<'_>, spot: Option<Spot>, end: End, elements: &[StrRef<'_>]) -> usize {
    let limits = limits(turn);
    match spot {
        Some(spot) => turn.update(key, spot, |entry| push_into(entry, end, elements, limits)),
        None => {
            let mut entry = EntryRef::compact(key.bytes, ValueType::List, 0, compact::EMPTY, None);
            let len = push_into(&mut entry, end, elements, limits);
            turn.put(key, None, entry);
            len
        }
    }
}

/// Stores a list of these elements in the place of whatever is there, and records it. Announces nothing.
pub(crate) fn replace_list(turn: &mut Turn<'_>, key: &Key<'_>, elements: &[StrRef<'_>]) {
    let mut entry = EntryRef::compact(key.bytes, ValueType::List, 0, compact::EMPTY, None);
    push_into(&mut entry, End::Right, elements, limits(turn));
    if let Some(list) = entry.as_list() {
        record_list(turn, key.bytes, list);
    }
    let old = turn.find(key);
    turn.put(key, old, entry);
}

fn push_into(entry: &mut EntryRef, end: End, elements: &[StrRef<'_>], limits: Limits) -> usize {
    let bytes = || elements.iter().map(|element| element.byte_len()).sum();
    if let Some(packed) = entry.packed() {
        let len = compact::len(packed) + elements.len();
        if compact::fits(packed, elements, limits) {
            entry.edit_packed(|packed| elements.iter().for_each(|element| compact::push(packed, end, *element)));
            return len;
        }
        let mut list = compact::to_list(packed);
        list.prepare(bytes(), elements.len(), limits);
        elements.iter().for_each(|element| list.push(end, *element, limits));
        entry.outgrow(Object::List(Arc::new(list)));
        return len;
    }
    let Some(list) = list_mut(entry) else { return 0 };
    if !list.is_quick() {
        list.prepare(bytes(), elements.len(), limits);
    }
    elements.iter().for_each(|element| list.push(end, *element, limits));
    list.len()
}

#[inline]
fn list_mut(entry: &mut EntryRef) -> Option<&mut List> {
    match entry.object_mut() {
        Some(Object::List(list)) => Some(Arc::make_mut(list)),
        _ => None,
    }
}

/// Takes `count` elements, or as many as there are, from an end and shows them to `f`. Returns whether the list is gone.
pub(super) fn pop(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    end: End,
    count: usize,
    mut f: impl FnMut(StrRef<'_>),
) -> Emptied {
    if count >= len_at(turn, key, spot) {
        let mut see = |element: StrRef<'_>| {
            f(element);
            Walk::On
        };
        if let Some(list) = turn.entry(key, spot).as_list() {
            match end {
                End::Left => list.walk_from(0, &mut see),
                End::Right => list.walk_back(&mut see),
            }
        }
        turn.discard(key, spot);
        return Emptied::Yes;
    }
    let limits = limits(turn);
    turn.update(key, spot, |entry| {
        if entry.packed().is_some() {
            return entry.edit_packed(|packed| {
                for _ in 0..count {
                    let Some((element, size)) = compact::peek(packed, end) else { break };
                    f(element);
                    compact::pop(packed, end, size);
                }
            });
        }
        let Some(list) = list_mut(entry) else { return };
        for _ in 0..count {
            let Some((element, size)) = list.peek(end) else { break };
            f(element);
            list.pop(end, size);
        }
        list.relax(limits);
    });
    Emptied::No
}

/// Whether a change took the last element, and so the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Emptied {
    Yes,
    No,
}

impl Emptied {
    /// Announces that the key is gone, if it is.
    #[inline]
    pub(super) fn notify(self, turn: &mut Turn<'_>, key: &Key<'_>) {
        if self == Self::Yes {
            turn.notify(EventClass::Generic, "del", key.bytes);
        }
    }
}

/// Changes a list in any way; one that is left without elements is deleted. `grows_by` is what may be added: bytes and
/// elements.
pub(super) fn change<R>(
    turn: &mut Turn<'_>,
    key: &Key<'_>,
    spot: Spot,
    grows_by: Option<usize>,
    f: impl FnOnce(&mut List, Limits) -> R,
) -> (R, Emptied) {
    let limits = limits(turn);
    let apply = |list: &mut List| {
        if let Some(bytes) = grows_by {
            list.prepare(bytes, 1, limits);
        }
        let result = f(list, limits);
        list.relax(limits);
        result
    };
    let (result, len) = turn.update(key, spot, |entry| {
        if let Some(list) = list_mut(entry) {
            return (apply(list), list.len());
        }
        let mut list = entry.packed().map(compact::to_list).unwrap_or_default();
        let result = apply(&mut list);
        let len = list.len();
        match compact::from_list(&list) {
            Some(bytes) => entry.edit_packed(|packed| *packed = bytes),
            None => entry.outgrow(Object::List(Arc::new(list))),
        }
        (result, len)
    });
    if len > 0 {
        return (result, Emptied::No);
    }
    turn.discard(key, spot);
    (result, Emptied::Yes)
}
