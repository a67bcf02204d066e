//! Which keys became large: noted where they grow, measured when somebody asks.
//!
//! A key is noted when its size passes [`OVERSIZED_BYTES_MIN`] or a doubling of it, so a large value that changes often costs
//! one comparison each time. Of those noted the [`NOTED_MAX`] largest are kept. A note is a hint: the key may be gone, or have
//! grown by less than a doubling since.

use crate::slot::Slot;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A key that was large when it was noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Note {
    pub(crate) slot: Slot,
    pub(crate) db: u16,
    pub(crate) key: Box<[u8]>,
    bytes: usize,
}

/// The notes of an engine. A leaf among the locks, taken while a slot is held.
#[derive(Default)]
pub(crate) struct Oversized {
    notes: Mutex<Vec<Note>>,
    count: AtomicUsize,
    /// While there is no room for another note, what is smaller is none.
    smallest: AtomicUsize,
}

impl Oversized {
    /// Says that a value has grown from `before` bytes to `after`.
    #[inline]
    pub(crate) fn note_growth(&self, slot: Slot, db: u16, key: &[u8], (before, after): (usize, usize)) {
        if after >= OVERSIZED_BYTES_MIN && (before < OVERSIZED_BYTES_MIN || before.ilog2() < after.ilog2()) {
            self.note(slot, db, key, after);
        }
    }

    #[cold]
    fn note(&self, slot: Slot, db: u16, key: &[u8], bytes: usize) {
        if bytes < self.smallest.load(Ordering::Relaxed) {
            return;
        }
        let mut notes = self.notes.lock();
        match notes.iter_mut().find(|note| note.db == db && *note.key == *key) {
            Some(note) => note.bytes = bytes,
            None => notes.push(Note { slot, db, key: key.into(), bytes }),
        }
        if notes.len() > NOTED_MAX {
            let smallest = notes.iter().enumerate().min_by_key(|(_, note)| note.bytes).map_or(0, |(at, _)| at);
            notes.swap_remove(smallest);
            let bound = notes.iter().map(|note| note.bytes).min().unwrap_or(0);
            self.smallest.store(bound, Ordering::Relaxed);
        }
        self.count.store(notes.len(), Ordering::Relaxed);
    }

    /// All that is noted.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.notes.lock().clone()
    }

    /// Says that a value of this many bytes is gone, or small again.
    #[inline]
    pub(crate) fn note_end(&self, db: u16, key: &[u8], bytes: usize) {
        if bytes >= OVERSIZED_BYTES_MIN {
            self.forget(|note| note.db == db && *note.key == *key);
        }
    }

    /// Says that all keys of a slot's database are gone.
    pub(crate) fn note_emptied(&self, slot: Slot, db: u16) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.forget(|note| (note.slot, note.db) == (slot, db));
        }
    }

    #[cold]
    fn forget(&self, is_gone: impl Fn(&Note) -> bool) {
        let mut notes = self.notes.lock();
        notes.retain(|note| !is_gone(note));
        if notes.len() < NOTED_MAX {
            self.smallest.store(0, Ordering::Relaxed);
        }
        self.count.store(notes.len(), Ordering::Relaxed);
    }
}

/// Values of fewer bytes are not worth a note.
pub(crate) const OVERSIZED_BYTES_MIN: usize = 1 << 20;

/// So many keys are noted.
pub(crate) const NOTED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(oversized: &Oversized) -> Vec<String> {
        let mut names: Vec<String> =
            oversized.notes().iter().map(|note| String::from_utf8_lossy(&note.key).into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_key_is_noted_when_it_becomes_large_and_forgotten_when_it_ends() {
        let oversized = Oversized::default();
        let min = OVERSIZED_BYTES_MIN;
        oversized.note_growth(Slot::FIRST, 0, b"small", (0, min - 1));
        oversized.note_growth(Slot::FIRST, 0, b"grown", (min - 1, min));
        oversized.note_growth(Slot::FIRST, 0, b"steady", (min, min + 1));
        oversized.note_growth(Slot::FIRST, 0, b"doubled", (2 * min - 1, 2 * min));
        assert_eq!(names(&oversized), ["doubled", "grown"]);
        oversized.note_end(0, b"doubled", min);
        oversized.note_end(1, b"grown", min);
        assert_eq!(names(&oversized), ["grown"]);
        oversized.note_emptied(Slot::FIRST, 0);
        assert_eq!(names(&oversized), Vec::<String>::new());
    }

    #[test]
    fn the_largest_are_kept_and_there_is_room_again_when_one_goes() {
        let oversized = Oversized::default();
        let grow = |number: usize| {
            let key = format!("{number:03}");
            oversized.note_growth(Slot::FIRST, 0, key.as_bytes(), (0, OVERSIZED_BYTES_MIN + number));
        };
        (0..NOTED_MAX + 10).for_each(grow);
        assert_eq!(names(&oversized).first().map(String::as_str), Some("010"));
        grow(3);
        assert_eq!(oversized.notes().len(), NOTED_MAX);
        assert!(!names(&oversized).contains(&"003".to_owned()));
        oversized.note_end(0, b"020", OVERSIZED_BYTES_MIN);
        grow(3);
        assert!(names(&oversized).contains(&"003".to_owned()));
    }
}
