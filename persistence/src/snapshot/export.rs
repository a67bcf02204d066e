//! A view as a snapshot that is sent, piece by piece, whenever somebody wants the next.

use super::encoder::{Piece, SectionEncoder};
use super::header::SnapshotHeader;
use super::section::Subject;
use super::stream::StreamEnd;
use super::view::encode_entry;
use keyslot_engine::{SlotSet, SlotView, View, ViewEffects};
use std::collections::VecDeque;

/// Gives the bytes of a snapshot of a whole view, as [`SnapshotReceiver`](super::SnapshotReceiver) takes them: the header and the
/// sections of the file, and an end of its own. Each slot of the view is given up when it is written.
///
/// Of [some slots](Self::of_slots) it gives no libraries of functions, and large values apart, as effects.
pub struct SnapshotExport {
    view: View,
    header: SnapshotHeader,
    end: StreamEnd,
    at: At,
    /// Of some slots only.
    is_partial: bool,
    /// Large values of those, which are given before anything else.
    large: VecDeque<ViewEffects>,
}

/// What comes next.
enum At {
    Header,
    Libraries,
    Before(usize),
    /// A slot that was begun, and its next part, by database.
    Within(SlotView, u16, usize),
    Done,
}

impl SnapshotExport {
    /// Of everything that the view holds. `id` tells it from all others; `selected` is the database that the journal has selected
    /// at the view's offset.
    pub fn new(view: View, id: u64, replication_id: String, selected: u16) -> Self {
        let header = SnapshotHeader {
            id,
            era: view.era(),
            offset: view.offset(),
            time: view.now(),
            may_be_compressed: false,
            replication_id,
            writer: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let end = StreamEnd { selected, ..StreamEnd::default() };
        Self { view, header, end, at: At::Header, is_partial: false, large: VecDeque::new() }
    }

    /// Of the keys of these slots. What takes 64 KiB of memory or more is left to [`take_effects`](Self::take_effects). The view
    /// gives up the other slots.
    pub fn of_slots(view: View, slots: &SlotSet, id: u64, replication_id: String) -> Self {
        view.keep_only(slots);
        Self { is_partial: true, ..Self::new(view, id, replication_id, 0) }
    }

    /// The next effects, about 64 KiB, of those that make the large values that were met. While there are some, [`fill`](Self::fill)
    /// gives no more.
    pub fn take_effects(&mut self) -> Vec<u8> {
        let mut effects = Vec::new();
        while effects.len() < LARGE_BYTES
            && let Some(value) = self.large.front_mut()
        {
            if !value.append_part(&mut effects) {
                self.large.pop_front();
            }
        }
        effects
    }

    /// Appends about `budget` bytes to `out`, more for a large value. True once all was given. O(bytes).
    pub fn fill(&mut self, out: &mut Vec<u8>, budget: usize) -> bool {
        let until = out.len().saturating_add(budget);
        while out.len() < until && self.large.is_empty() && !matches!(self.at, At::Done) {
            self.next(out);
        }
        matches!(self.at, At::Done)
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        self.at = match std::mem::replace(&mut self.at, At::Done) {
            At::Header => {
                out.extend_from_slice(&self.header.encode());
                if self.is_partial { At::Before(0) } else { At::Libraries }
            }
            At::Libraries => {
                let Self { header, end, view, .. } = self;
                section(header, end, out, Subject::Libraries, |encoder| {
                    view.libraries().for_each(|text| encoder.library(text));
                });
                At::Before(0)
            }
            At::Before(number) => match self.view.next_held(number).map(|slot| self.view.take_slot(slot)) {
                Some(slot) => {
                    let (db, _) = slot.databases().next().expect("something of the slot is held");
                    At::Within(slot, db, 0)
                }
                None => {
                    out.extend_from_slice(&self.end.encode(self.header.id));
                    At::Done
                }
            },
            At::Within(slot, db, part) => self.part(slot, db, part, out),
            At::Done => At::Done,
        }
    }

    /// Gives a part of a slot as a section.
    fn part(&mut self, slot: SlotView, db: u16, part: usize, out: &mut Vec<u8>) -> At {
        let Self { header, end, is_partial, large, .. } = self;
        let is_there = match slot.part(db, part) {
            Some(entries) => {
                section(header, end, out, Subject::Slot(slot.slot()), |encoder| {
                    for entry in entries {
                        match *is_partial && entry.heap_bytes() >= LARGE_BYTES {
                            true => large.push_back(entry.effects()),
                            false => encode_entry(encoder, &entry, false),
                        }
                    }
                });
                true
            }
            None => false,
        };
        let next = slot.databases().map(|(db, _)| db).find(|next| *next > db);
        match next {
            _ if is_there => At::Within(slot, db, part + 1),
            Some(next) => At::Within(slot, next, 0),
            None => At::Before(slot.slot().index() + 1),
        }
    }
}

/// A value that takes as much memory is moved in pieces.
const LARGE_BYTES: usize = 64 << 10;

/// Appends a section of what `add` adds, or several if it is much.
fn section(
    header: &SnapshotHeader,
    end: &mut StreamEnd,
    out: &mut Vec<u8>,
    subject: Subject,
    add: impl FnOnce(&mut SectionEncoder<'_>),
) {
    let mut pieces = Vec::new();
    // The encoder goes on behind what is there; the first piece brings that back.
    let mut sink = |piece: Piece| {
        end.sections += piece.sections.len() as u64;
        end.entries += piece.sections.iter().map(|section| section.entries).sum::<u64>();
        match pieces.is_empty() {
            true => pieces = piece.bytes,
            false => pieces.extend_from_slice(&piece.bytes),
        }
        Vec::new()
    };
    let mut encoder = SectionEncoder::new(header, std::mem::take(out), &mut sink);
    encoder.begin(subject);
    add(&mut encoder);
    let rest = encoder.finish();
    *out = if pieces.is_empty() { rest } else { pieces };
}
