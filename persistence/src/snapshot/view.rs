//! A view as what a snapshot is made from.

use super::encoder::SectionEncoder;
use super::entry::{Access, EntryHead};
use super::error::SnapshotError;
use super::progress::SnapshotProgress;
use super::write::{Source, WriteOptions, WriteReport, write_aside, write_source};
use crate::storage::Storage;
use keyslot_engine::payload::{Style, VERSION_MAX};
use keyslot_engine::{Offset, Slot, UnixMillis, View, ViewEntry};
use std::path::Path;

/// Writes everything that the view holds to the file at `path`, replacing one that is there, and returns when it is durable.
/// Each slot of the view is given up as it is written. What is due is written too. O(bytes); memory is bounded by a few
/// megabytes for each thread, or by the largest value.
pub fn write(
    view: View,
    storage: &dyn Storage,
    path: &Path,
    options: &WriteOptions,
    progress: &SnapshotProgress,
) -> Result<WriteReport, SnapshotError> {
    write_source(&ViewSource { view, keeps_access: options.keeps_access }, storage, path, options, progress)
}

/// As [`write`], to a new file whose name is the caller's business.
pub(crate) fn write_unnamed(
    view: View,
    storage: &dyn Storage,
    path: &Path,
    options: &WriteOptions,
    progress: &SnapshotProgress,
) -> Result<WriteReport, SnapshotError> {
    write_aside(&ViewSource { view, keeps_access: options.keeps_access }, storage, path, options, progress)
}

struct ViewSource {
    view: View,
    keeps_access: bool,
}

impl Source for ViewSource {
    fn era(&self) -> u64 {
        self.view.era()
    }

    fn offset(&self) -> Offset {
        self.view.offset()
    }

    fn time(&self) -> UnixMillis {
        self.view.now()
    }

    fn encode_libraries(&self, encoder: &mut SectionEncoder<'_>) {
        self.view.libraries().for_each(|text| encoder.library(text));
    }

    fn encode_slot(&self, slot: Slot, encoder: &mut SectionEncoder<'_>) {
        let slot = self.view.take_slot(slot);
        slot.iter().for_each(|entry| encode_entry(encoder, &entry, self.keeps_access));
    }
}

/// Adds an entry of a view to the section that is being made.
#[inline]
pub(super) fn encode_entry(encoder: &mut SectionEncoder<'_>, entry: &ViewEntry<'_>, keeps_access: bool) {
    let access = if keeps_access { Access::IdleSeconds(entry.idle_seconds()) } else { Access::Unknown };
    let head = EntryHead { key: entry.key(), expiry: entry.expiry(), access };
    match entry.as_string() {
        Some(value) => encoder.string(entry.db(), &head, value),
        None => encoder.payload(entry.db(), &head, |out| entry.encode(STYLE, out)),
    }
}

/// The newest forms, which any reader of this file knows, as compact as in memory.
const STYLE: Style = Style { version: VERSION_MAX, compress: false, field_expiry: true };
