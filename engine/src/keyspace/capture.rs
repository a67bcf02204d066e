//! What a view holds: the tables of the slots that had keys, in pages of 64 slots that are made when the first of them comes in.
//!
//! Thread safety: a slot is entered by whoever holds it, and taken out by whoever reads the view.

use super::shard::Shard;
use crate::slot::{SLOT_COUNT, Slot};
use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// What a view holds of one slot: its tables that are not empty, shared with the slot until either changes.
pub(crate) struct SlotCopy(pub(crate) SmallVec<[(u16, Shard); 1]>);

type Page = Box<[Mutex<Option<Arc<SlotCopy>>>; PAGE_SLOTS]>;

/// What a view holds.
pub(crate) struct Capture {
    libraries: OnceLock<Vec<Bytes>>,
    pages: Box<[OnceLock<Page>; SLOT_COUNT / PAGE_SLOTS]>,
}

impl Capture {
    pub(super) fn new() -> Self {
        Self { libraries: OnceLock::new(), pages: Box::new([const { OnceLock::new() }; SLOT_COUNT / PAGE_SLOTS]) }
    }

    fn page(&self, slot: Slot) -> &OnceLock<Page> {
        &self.pages[slot.index() / PAGE_SLOTS]
    }

    /// Enters what a slot has, which is something.
    pub(super) fn enter(&self, slot: Slot, copy: SlotCopy) {
        let page = self.page(slot).get_or_init(|| Box::new([const { Mutex::new(None) }; PAGE_SLOTS]));
        *page[slot.index() % PAGE_SLOTS].lock() = Some(Arc::new(copy));
    }

    /// The slot's keys, if it had any.
    pub(crate) fn slot(&self, slot: Slot) -> Option<Arc<SlotCopy>> {
        self.page(slot).get()?[slot.index() % PAGE_SLOTS].lock().clone()
    }

    /// The slot's keys, which the view does not hold any longer.
    pub(crate) fn take(&self, slot: Slot) -> Option<Arc<SlotCopy>> {
        self.page(slot).get()?[slot.index() % PAGE_SLOTS].lock().take()
    }

    /// The slots of which something is held, ascending from `from` on. O(pages) and O(1) a slot of a page that was made.
    pub(crate) fn held(&self, from: usize) -> impl Iterator<Item = Slot> {
        let first = from / PAGE_SLOTS;
        let pages = self.pages.iter().enumerate().skip(first).filter_map(|(at, page)| Some((at, page.get()?)));
        let slots =
            pages.flat_map(|(at, page)| page.iter().enumerate().map(move |(n, held)| (at * PAGE_SLOTS + n, held)));
        slots.filter(move |(at, held)| *at >= from && held.lock().is_some()).filter_map(|(at, _)| Slot::new(at as u16))
    }

    /// The texts of the libraries of functions, which `make` gives when the first slot is handed over.
    pub(super) fn set_libraries(&self, make: impl FnOnce() -> Vec<Bytes>) {
        self.libraries.get_or_init(make);
    }

    /// The texts of the libraries of functions.
    pub(crate) fn libraries(&self) -> &[Bytes] {
        self.libraries.get().map_or(&[], Vec::as_slice)
    }
}

const PAGE_SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_found_from_any_slot_on_until_it_is_taken() {
        let capture = Capture::new();
        let slot = |number| Slot::new(number).expect("a slot");
        for number in [0, 63, 64, 700, 16383] {
            capture.enter(slot(number), SlotCopy(SmallVec::new()));
        }
        let held = |from| capture.held(from).map(Slot::number).collect::<Vec<_>>();
        assert_eq!(held(0), [0, 63, 64, 700, 16383]);
        assert_eq!((held(63), held(65), held(16384)), (vec![63, 64, 700, 16383], vec![700, 16383], vec![]));
        assert!(
            capture.slot(slot(64)).is_some() && capture.take(slot(64)).is_some() && capture.take(slot(64)).is_none()
        );
        assert_eq!(held(1), [63, 700, 16383]);
        assert!(capture.slot(slot(5000)).is_none(), "no slot of its page was entered");
    }
}
