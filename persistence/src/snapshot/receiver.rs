//! Takes a snapshot that is sent: bytes in, keys stored.
//!
//! ```text
//! bytes -> sections, whole -+-> checked and stored here                     without loaders of its own
//!                           '-> batches -> loaders, which check and store    each on a thread of its own
//! ```
//!
//! Invariants
//! - Memory follows the bytes that came, whatever they claim: one section that is not whole, and a few batches.
//! - A section is stored only if its checksum is right; its slot and its keys are held against each other.
//! - When a receiver is gone, its loaders are.

use super::batches::{Batch, Batches, flush, load_section};
use super::error::{Damage, FormatError, Place, TransferError};
use super::header::SnapshotHeader;
use super::section::{SECTION_HEAD_BYTES, SectionHead, Subject};
use super::stream::{Frame, StreamEnd};
use crate::driver::staff::Staff;
use keyslot_engine::{Engine, Loaded, Loader, SlotSet};
use std::sync::Arc;

/// Fills an engine that serves nobody from what a [`SnapshotExport`](super::SnapshotExport) gives, in pieces of any size.
pub struct SnapshotReceiver {
    header: SnapshotHeader,
    /// The beginning of a section that is not whole.
    kept: Vec<u8>,
    /// Where in the stream the next frame begins.
    at: u64,
    seen: StreamEnd,
    end: Option<StreamEnd>,
    store: Store,
    /// What may come; anything, if nothing is said.
    only: Option<SlotSet>,
}

/// What was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// What was stored.
    pub loaded: Loaded,
    /// The database that the journal has selected at the snapshot's offset.
    pub selected: u16,
}

/// Who stores what comes.
enum Store {
    Here(Box<Loader>),
    Loaders(Loaders),
}

struct Loaders {
    open: Batch,
    batches: Arc<Batches>,
    staff: Staff,
}

impl SnapshotReceiver {
    /// Of a snapshot with this header, which [was read](SnapshotHeader::read) before. So many loaders store what comes, on threads
    /// of their own; without any, it is stored as it is fed.
    pub fn new(engine: &Engine, header: SnapshotHeader, loaders: usize) -> Self {
        let batches = Batches::new(header.id);
        let (shared, target) = (Arc::clone(&batches), engine.clone());
        let staff = Staff::start(loaders, move || shared.work(&target));
        let store = match staff.count() {
            0 => Store::Here(Box::new(engine.loader())),
            _ => Store::Loaders(Loaders { open: Batch::default(), batches, staff }),
        };
        let at = super::header::HEADER_BYTES as u64;
        Self { header, kept: Vec::new(), at, seen: StreamEnd::default(), end: None, store, only: None }
    }

    /// Of slots that move in, and of nothing else: what comes is [recorded](Engine::importer), and the engine may serve others
    /// meanwhile.
    pub fn importing(engine: &Engine, header: SnapshotHeader, slots: SlotSet) -> Self {
        let store = Store::Here(Box::new(engine.importer()));
        let at = super::header::HEADER_BYTES as u64;
        Self { header, kept: Vec::new(), at, seen: StreamEnd::default(), end: None, store, only: Some(slots) }
    }

    /// Whether the end was reached.
    pub fn is_finished(&self) -> bool {
        self.end.is_some()
    }

    /// Takes bytes. Returns how many were used: fewer than given only when the end was reached. O(bytes). Waits for the loaders
    /// while they are behind.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, TransferError> {
        let mut used = 0;
        while self.end.is_none() {
            let rest = &bytes[used..];
            if self.kept.is_empty() {
                match self.whole(rest)? {
                    Ok(frame) => used += self.take(frame, rest)?,
                    Err(_) => {
                        self.kept.extend_from_slice(rest);
                        return Ok(bytes.len());
                    }
                }
                continue;
            }
            // What is kept gets as much as it lacks.
            match self.whole(&self.kept)? {
                Ok(frame) => {
                    let kept = std::mem::take(&mut self.kept);
                    let taken = self.take(frame, &kept);
                    self.kept = kept;
                    self.kept.clear();
                    self.kept.shrink_to(KEPT_BYTES_MAX);
                    taken?;
                }
                Err(lacks) if rest.is_empty() || lacks == 0 => return Ok(bytes.len()),
                Err(lacks) => {
                    let count = lacks.min(rest.len());
                    self.kept.extend_from_slice(&rest[..count]);
                    used += count;
                }
            }
        }
        Ok(used)
    }

    /// The frame at the beginning of `bytes` if it is whole; else how many bytes it lacks, as far as that is known.
    fn whole(&self, bytes: &[u8]) -> Result<Result<Frame, usize>, Damage> {
        let Some(head) = bytes.first_chunk() else { return Ok(Err(SECTION_HEAD_BYTES - bytes.len())) };
        let frame = Frame::decode(head, self.header.id, self.at)?;
        let size = frame.size().ok_or_else(|| {
            Damage::new(Place::Section, self.at + 16, "a section that fits into memory", "a longer one")
        })?;
        Ok(if size <= bytes.len() { Ok(frame) } else { Err(size - bytes.len()) })
    }

    /// Takes a frame, with which `bytes` begin. Returns its size.
    fn take(&mut self, frame: Frame, bytes: &[u8]) -> Result<usize, TransferError> {
        let size = frame.size().unwrap_or(bytes.len());
        match frame {
            Frame::Section(head) => {
                self.expect(&head)?;
                self.seen.sections += 1;
                self.seen.entries = self.seen.entries.saturating_add(head.entries);
                match &mut self.store {
                    Store::Here(loader) => {
                        let payload_at = self.at + SECTION_HEAD_BYTES as u64;
                        load_section(loader, &head, &bytes[SECTION_HEAD_BYTES..], self.header.id, payload_at)?;
                    }
                    Store::Loaders(loaders) => {
                        loaders.open.add(head, &bytes[..size], self.at);
                        if loaders.open.is_full() {
                            loaders.open = loaders.batches.pass(std::mem::take(&mut loaders.open))?;
                        }
                    }
                }
            }
            Frame::End(end) => {
                let Self { seen, .. } = *self;
                if (end.sections, end.entries) != (seen.sections, seen.entries) {
                    let expected = format!("an end behind {} sections with {} entries", seen.sections, seen.entries);
                    let found = format!("{} and {}", end.sections, end.entries);
                    return Err(Damage::new(Place::End, self.at, expected, found).into());
                }
                self.end = Some(end);
            }
        }
        self.at += size as u64;
        Ok(size)
    }

    /// Whether a section is one of those that may come.
    fn expect(&self, head: &SectionHead) -> Result<(), Damage> {
        let is_wanted = match (&self.only, head.subject) {
            (None, _) => true,
            (Some(slots), Subject::Slot(slot)) => slots.contains(slot),
            (Some(_), Subject::Libraries) => false,
        };
        match is_wanted {
            true => Ok(()),
            false => Err(Damage::new(Place::Section, self.at, "a section of a slot that moves in", "another")),
        }
    }

    /// Says that no more bytes come, and waits until all is stored. An error unless the end was reached.
    pub fn finish(mut self) -> Result<Received, TransferError> {
        let Some(end) = self.end else {
            let found = format!("the end of what was sent after {} bytes", self.at + self.kept.len() as u64);
            return Err(Damage::new(Place::End, self.at, "the end of the snapshot", found).into());
        };
        let loaded = match &mut self.store {
            Store::Here(loader) => flush(loader)?,
            Store::Loaders(Loaders { open, batches, staff }) => {
                batches.pass(std::mem::take(open))?;
                batches.end();
                staff.join();
                batches.outcome()?
            }
        };
        Ok(Received { loaded, selected: end.selected })
    }
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.batches.stop();
    }
}

impl SnapshotHeader {
    /// Reads a header at the beginning of a stream, and its size. `None` if more bytes are needed.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, FormatError> {
        match Self::decode(bytes) {
            Ok(header) => Ok(Some((header, super::header::HEADER_BYTES))),
            Err(_) if Self::may_go_on(bytes) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Memory that is kept for sections that come in parts.
const KEPT_BYTES_MAX: usize = 8 << 20;
