//! Any bytes as a snapshot, or as what one section of a snapshot holds: never a panic, memory within the input's size, and
//! what can be loaded is written and loaded again to the same.
//!
//! The first byte says what the others are: even, a file; odd, the payload of a section, which is sealed with right checksums
//! so that what stands below the checksums is reached.

use crate::allowance::{of_making, within};
use keyslot_engine::{Engine, Slot, ValueType};
use keyslot_persistence::MemoryStorage;
use keyslot_persistence::snapshot::{
    Entries, LoadOptions, Snapshot, SnapshotCheck, SnapshotHeader, SnapshotProgress, SnapshotReceiver, Tolerance,
    WriteOptions, check_snapshot, compose, write,
};
use std::path::Path;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, input)) = data.split_first() else { return };
    let file = if kind % 2 == 0 { input.to_vec() } else { sealed(input) };
    let checked = within(of_making(&file, 8) + of_lz4(&file), || check_snapshot(&file));
    received(&file);
    let (disk, path) = (MemoryStorage::new(1), Path::new("/d/s"));
    disk.put(path, &file);
    for tolerance in [Tolerance::Strict, Tolerance::Salvage] {
        let Ok(snapshot) = Snapshot::open(&disk, path, tolerance) else { continue };
        let checked = checked.as_ref().expect("what opens can be checked");
        let db = Engine::in_memory();
        let options = LoadOptions { tolerance, ..LoadOptions::default() };
        let bytes = of_making(&file, times_of(checked)) + of_lz4(&file);
        let loaded = within(bytes, || snapshot.load(&db, &options, &SnapshotProgress::new()));
        let Ok(report) = loaded else { continue };
        if tolerance == Tolerance::Strict {
            assert!(checked.is_sound() && report.keys <= checked.keys.all, "{report:?}, {checked:?}");
        }
        let before = digest(&db);
        let options = WriteOptions { threads: 0, ..WriteOptions::default() };
        write(db.view(), &disk, path, &options, &SnapshotProgress::new()).expect("a sound disk");
        let again = Snapshot::open(&disk, path, Tolerance::Strict).expect("it was just written");
        assert!(again.check().is_sound());
        let other = Engine::in_memory();
        again.load(&other, &LoadOptions::default(), &SnapshotProgress::new()).expect("what was loaded loads again");
        assert_eq!(before, digest(&other));
        disk.put(path, &file);
    }
}

/// The same bytes as they would come over a connection, in two pieces: as far as the sections go.
fn received(file: &[u8]) {
    let Ok(Some((header, size))) = SnapshotHeader::read(file) else { return };
    let db = Engine::in_memory();
    within(of_making(file, 40) + of_lz4(file), || {
        let mut receiver = SnapshotReceiver::new(&db, header, 0);
        let (first, rest) = file[size..].split_at((file.len() - size) / 2);
        let taken = receiver.feed(first).and_then(|_| receiver.feed(rest));
        drop(taken.and_then(|_| receiver.finish()));
    });
}

/// How many times its size the file may take: by the values that are in it.
fn times_of(checked: &SnapshotCheck) -> usize {
    let has = |value_type| checked.keys.of(value_type) > 0;
    match () {
        // Of a section that is broken nothing is known.
        () if has(ValueType::Stream) || !checked.is_sound() => 40,
        () if has(ValueType::SortedSet) || has(ValueType::Set) => 16,
        () => 8,
    }
}

/// What the LZ4 sections of the file may take: whatever looks like the head of one counts.
fn of_lz4(file: &[u8]) -> usize {
    let heads = (0..file.len()).filter(|at| file[*at..].starts_with(b"SL"));
    let sizes = heads.filter_map(|at| {
        let (form, size) = (file.get(at + 4)?, file.get(at + 32..)?.first_chunk()?);
        let size = usize::try_from(u64::from_le_bytes(*size)).ok()?;
        (*form == 1 && size / 255 <= file.len()).then(|| 24 * size)
    });
    sizes.sum()
}

/// A file whose only section holds this, for the slot of its first key.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut entries = Entries::new(payload);
    let (mut slot, mut count) = (Slot::of(b""), 0);
    while let Ok(Some(entry)) = entries.next() {
        if count == 0 {
            slot = Slot::of(entry.key);
        }
        count += 1;
    }
    compose(&SnapshotHeader::default(), &[(Some(slot), count, payload)])
}

fn digest(db: &Engine) -> String {
    format!("{:?}", db.call(&["DEBUG", "DIGEST"]))
}
