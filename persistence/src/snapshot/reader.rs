//! A snapshot file that is open for reading.

use super::check::{SnapshotCheck, check_layout};
use super::entry::Entry;
use super::error::{Damage, SnapshotError};
use super::header::SnapshotHeader;
use super::index::IndexEntry;
use super::layout::{Layout, Section, Tolerance};
use super::section::Subject;
use crate::storage::{FileError, Storage, StorageMap};
use keyslot_engine::Slot;
use std::path::{Path, PathBuf};

/// A snapshot file, mapped. Nobody may change the file while this lives; it may be renamed and removed.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    map: Box<dyn StorageMap>,
    layout: Layout,
}

impl Snapshot {
    /// Opens the file at `path` and reads header and index: O(sections). Of the sections themselves only under
    /// [`Tolerance::Salvage`] and only if the index is damaged anything is read.
    pub fn open(storage: &dyn Storage, path: &Path, tolerance: Tolerance) -> Result<Self, SnapshotError> {
        let map = storage.map(path).map_err(|error| FileError::new("map", path, error))?;
        let layout = Layout::read(map.bytes(), tolerance).map_err(|source| SnapshotError::of(path, source))?;
        Ok(Self { path: path.to_owned(), map, layout })
    }

    /// Where the file was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is of.
    pub fn header(&self) -> &SnapshotHeader {
        &self.layout.header
    }

    /// The size of the file.
    pub fn size_bytes(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    /// How many entries the slots hold, by the index.
    pub fn entries(&self) -> u64 {
        let of_slots = self.layout.sections.iter().filter(|section| section.subject != Subject::Libraries);
        of_slots.map(|section| section.entries).sum()
    }

    /// How many entries this slot holds, by the index. O(log sections).
    pub fn entries_of(&self, slot: Slot) -> u64 {
        self.layout.of_slot(slot).iter().map(|section| section.entries).sum()
    }

    /// What is wrong with index, end and heads of sections.
    pub fn damages(&self) -> &[Damage] {
        &self.layout.damages
    }

    /// Reads all of it: every checksum and every value. O(bytes).
    pub fn check(&self) -> SnapshotCheck {
        check_layout(self.map.bytes(), &self.layout)
    }

    /// Gives the entries of a slot to `f`, whose error ends it. O(bytes of the slot).
    pub fn for_each<E: From<SnapshotError>>(
        &self,
        slot: Slot,
        mut f: impl FnMut(&Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for named in self.layout.of_slot(slot) {
            let section = self.section(named).map_err(|damage| SnapshotError::of(&self.path, damage))?;
            let mut outcome = Ok(());
            let read = section.for_each(|entry, spot| {
                spot.expect_slot(entry.key)?;
                f(entry).map_err(|error| {
                    outcome = Err(error);
                    // Only ends the reading.
                    Ended::Outcome
                })
            });
            outcome?;
            match read {
                Err(Ended::Damage(damage)) => return Err(SnapshotError::of(&self.path, damage).into()),
                Err(Ended::Outcome) | Ok(()) => {}
            }
        }
        Ok(())
    }

    pub(super) fn map(&self) -> &dyn StorageMap {
        &*self.map
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A section, checked.
    pub(super) fn section(&self, named: &IndexEntry) -> Result<Section<'_>, Damage> {
        Section::open(self.map.bytes(), self.layout.header.id, named)
    }
}

/// Why reading a section ended before its end.
enum Ended {
    Damage(Damage),
    /// What was called wanted it.
    Outcome,
}

impl From<Damage> for Ended {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}
