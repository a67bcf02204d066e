//! Files of a few entries: written in every way, read back, bent at every bit and cut at every byte.

use super::check::{SnapshotCheck, check_snapshot};
use super::encoder::{Assembly, Piece, SectionEncoder};
use super::entry::{Access, EntryHead};
use super::error::{FormatError, Place, SnapshotError};
use super::header::SnapshotHeader;
use super::layout::{Layout, Section, Tolerance};
use super::progress::SnapshotProgress;
use super::reader::Snapshot;
use super::section::Subject;
use super::write::{Compression, Source, WriteOptions, write_source};
use crate::storage::{Fault, Loss, MemoryStorage, Storage};
use keyslot_engine::{Offset, SLOT_COUNT, Slot, SlotSet, StrRef, UnixMillis, ValueType};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;

type Keys = BTreeMap<(Slot, u16, Vec<u8>), (Option<i64>, Held)>;

/// A value of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Held {
    Text(Vec<u8>),
    Int(i64),
    /// A number of RDB and bytes.
    Payload(u8, Vec<u8>),
}

/// Entries to be written.
#[derive(Default)]
struct Model {
    keys: Keys,
    slots: SlotSet,
    libraries: Vec<Vec<u8>>,
}

impl Model {
    fn with(keys: usize) -> Self {
        let mut model = Self { libraries: vec![b"#!lua name=lib\n".to_vec()], ..Self::default() };
        for number in 0..keys {
            let key = format!("key:{number}").into_bytes();
            let held = match number % 4 {
                0 => Held::Int(number as i64 * 1_000_003),
                1 => Held::Payload(2, b"\x02\x01a\x01b".to_vec()),
                _ => Held::Text(format!("value of {number}").into_bytes()),
            };
            let db = if number % 5 == 4 { 9 } else { 0 };
            model.put(db, key, (number % 3 == 0).then_some(number as i64 + 1_700_000_000_000), held);
        }
        model
    }

    fn put(&mut self, db: u16, key: Vec<u8>, expiry: Option<i64>, held: Held) {
        self.slots.insert(Slot::of(&key));
        self.keys.insert((Slot::of(&key), db, key), (expiry, held));
    }
}

impl Source for Model {
    fn era(&self) -> u64 {
        3
    }

    fn offset(&self) -> Offset {
        Offset(77)
    }

    fn time(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000)
    }

    fn encode_libraries(&self, encoder: &mut SectionEncoder<'_>) {
        self.libraries.iter().for_each(|text| encoder.library(text));
    }

    fn encode_slot(&self, slot: Slot, encoder: &mut SectionEncoder<'_>) {
        if !self.slots.contains(slot) {
            return;
        }
        for ((_, db, key), (expiry, held)) in self.keys.range((slot, 0, Vec::new())..).take_while(|(k, _)| k.0 == slot)
        {
            let head = EntryHead { key, expiry: expiry.map(UnixMillis), access: Access::Unknown };
            match held {
                Held::Text(text) => encoder.string(*db, &head, StrRef::Bytes(text)),
                Held::Int(n) => encoder.string(*db, &head, StrRef::Int(*n)),
                Held::Payload(number, bytes) => encoder.payload(*db, &head, |out| {
                    out.extend_from_slice(bytes);
                    *number
                }),
            }
        }
    }
}

/// Writes the model to a disk in memory and returns the file.
fn written(model: &Model, options: &WriteOptions) -> Vec<u8> {
    let disk = MemoryStorage::new(1);
    disk.create_dir(Path::new("/d")).unwrap();
    let path = Path::new("/d/snapshot");
    let report = write_source(model, &disk, path, options, &SnapshotProgress::new()).unwrap();
    let file = disk.contents(path).unwrap();
    assert_eq!(report.size_bytes, file.len() as u64);
    assert_eq!(report.entries, (model.keys.len() + model.libraries.len()) as u64);
    assert_eq!(disk.files().len(), 1, "nothing is left beside it");
    file
}

/// Everything that a sound file holds.
fn contents(file: &[u8]) -> (Keys, Vec<Vec<u8>>) {
    let layout = Layout::read(file, Tolerance::Strict).unwrap();
    let (mut keys, mut libraries) = (Keys::new(), Vec::new());
    for named in &layout.sections {
        let section = Section::open(file, layout.header.id, named).unwrap();
        let Subject::Slot(slot) = section.subject else {
            let keep = |text: &[u8]| {
                libraries.push(text.to_vec());
                Ok::<_, super::Damage>(())
            };
            section.for_each_library(keep).unwrap();
            continue;
        };
        section
            .for_each(|entry, spot| {
                spot.expect_slot(entry.key)?;
                let held = match entry.value {
                    super::Value::String(StrRef::Int(n)) => Held::Int(n),
                    super::Value::String(StrRef::Bytes(text)) => Held::Text(text.to_vec()),
                    super::Value::Payload { number, bytes } => Held::Payload(number, bytes.to_vec()),
                };
                keys.insert((slot, entry.db, entry.key.to_vec()), (entry.expiry.map(|at| at.0), held));
                Ok::<_, super::Damage>(())
            })
            .unwrap();
    }
    (keys, libraries)
}

#[test]
fn what_is_written_is_read_back_however_it_was_written() {
    let mut model = Model::with(3000);
    for number in 0..22u32 {
        // A slot that takes several sections, in two databases.
        let text = number.to_le_bytes().repeat(100_000);
        model.put(if number < 11 { 0 } else { 300 }, format!("{{big}}{number}").into_bytes(), None, Held::Text(text));
    }
    let mut plain = None;
    for (threads, compression) in
        [(0, Compression::None), (1, Compression::None), (3, Compression::None), (2, Compression::Lz4)]
    {
        let options = WriteOptions { threads, compression, ..WriteOptions::default() };
        let file = written(&model, &options);
        assert_eq!(contents(&file), (model.keys.clone(), model.libraries.clone()));
        let check = check_snapshot(&file).unwrap();
        assert!(check.is_sound(), "{check:?}");
        assert_eq!(check.keys.all, model.keys.len() as u64);
        assert_eq!(check.keys.of(ValueType::Set), 750);
        assert_eq!((check.libraries, check.header.offset, check.header.era), (1, Offset(77), 3));
        let layout = Layout::read(&file, Tolerance::Strict).unwrap();
        assert!(layout.of_slot(Slot::of(b"{big}1")).len() > 1);
        if compression == Compression::None {
            assert_eq!(plain.get_or_insert(file.clone()), &file, "the same bytes with any number of threads");
        } else {
            assert!(file.len() < plain.as_ref().unwrap().len() / 10);
        }
    }
}

#[test]
fn nothing_makes_a_file_too() {
    let file = written(&Model::default(), &WriteOptions::default());
    assert_eq!(file.len(), 112 + 48);
    assert!(check_snapshot(&file).unwrap().is_sound());
}

#[test]
fn the_example_is_as_drawn() {
    let mut model = Model::default();
    model.put(0, b"foo".to_vec(), None, Held::Text(b"bar".to_vec()));
    model.put(0, b"n".to_vec(), Some(1_700_000_000_000), Held::Int(7));
    let header = SnapshotHeader { id: 1, era: 1, ..SnapshotHeader::default() };
    let file = assembled(&model, &header);
    assert_eq!(file[..24], *b"KSLOTSNP\x01\0\0\0\x70\0\0\0\x01\0\0\0\0\0\0\0");
    assert_eq!(file[112..121], *b"SL\x68\x0d\0\0\0\0\x01");
    assert_eq!(file[144..156], *b"\xa1\0\x68\xe5\xcf\x8b\x01\0\0\x01n\x07");
    assert_eq!(file[156..165], *b"SL\x96\x2f\0\0\0\0\x01");
    assert_eq!(file[188..197], *b"\x20\x03foo\x03bar");
    assert_eq!(file.len(), 197 + 2 * 32 + 48);
}

/// The file of a model, without a disk.
fn assembled(model: &Model, header: &SnapshotHeader) -> Vec<u8> {
    let (mut assembly, first) = Assembly::begin(header);
    let mut file = first.to_vec();
    let mut sink = |piece: Piece| {
        assembly.add(&piece);
        file.extend_from_slice(&piece.bytes);
        Vec::new()
    };
    let mut encoder = SectionEncoder::new(header, Vec::new(), &mut sink);
    encoder.begin(Subject::Libraries);
    model.encode_libraries(&mut encoder);
    encoder.end();
    for slot in Slot::all() {
        encoder.begin(Subject::Slot(slot));
        model.encode_slot(slot, &mut encoder);
        encoder.end();
    }
    encoder.finish();
    file.extend_from_slice(&assembly.end());
    file
}

fn small_files() -> [Vec<u8>; 2] {
    let mut model = Model::with(12);
    model.put(0, b"compressible".to_vec(), None, Held::Text(vec![b'x'; 300]));
    [false, true].map(|may_be_compressed| {
        let header = SnapshotHeader { id: 0xfeed_beef, may_be_compressed, ..SnapshotHeader::default() };
        assembled(&model, &header)
    })
}

#[test]
fn every_flipped_bit_is_noticed_named_and_costs_one_section_at_most() {
    for file in small_files() {
        let sound = check_snapshot(&file).unwrap();
        assert!(sound.is_sound());
        let (index_at, slots) = (file.len() - 48 - 32 * (sound.slots.len() + 1), sound.slots.len());
        for bit in 0..file.len() * 8 {
            let mut bent = file.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let at = bit / 8;
            let strict = Layout::read(&bent, Tolerance::Strict);
            let check = match check_snapshot(&bent) {
                Ok(check) => check,
                Err(error) => {
                    assert!(at < 112, "byte {at}: {error}");
                    assert!(at < 8 || matches!(&error, FormatError::Damaged(d) if d.place == Place::Header), "{error}");
                    continue;
                }
            };
            assert!(at >= 112 && !check.is_sound(), "byte {at}");
            if at < index_at {
                let [broken] = &check.broken[..] else { panic!("byte {at}: {check:?}") };
                let damage = &broken.damage;
                assert!(strict.is_ok() && check.damages.is_empty());
                let is_near = damage.at.abs_diff(at as u64) <= 400;
                assert!(is_near && damage.place != Place::Section, "byte {at}: {damage}");
                assert!(check.slots.len() + 1 >= slots, "byte {at}: other slots are as they were");
            } else {
                assert!(strict.is_err());
                let place = check.damages[0].place;
                assert!(matches!(place, Place::Index | Place::End), "byte {at}: {place}");
                assert_eq!((check.damages.len(), check.broken.len()), (1, 0), "byte {at}: {check:?}");
                assert_eq!(check.keys, sound.keys, "all is found without the index");
            }
        }
    }
}

#[test]
fn every_cut_is_noticed_and_what_is_whole_is_found() {
    for file in small_files() {
        let sound = check_snapshot(&file).unwrap();
        let sections = Layout::read(&file, Tolerance::Strict).unwrap().sections;
        for len in 0..file.len() {
            let cut = &file[..len];
            assert!(Layout::read(cut, Tolerance::Strict).is_err());
            if len < 112 {
                assert!(check_snapshot(cut).is_err());
                continue;
            }
            let check = check_snapshot(cut).unwrap();
            assert_eq!(check.damages[0].place, Place::End, "cut at {len}");
            let whole = sections.iter().filter(|section| section.end().unwrap() <= len as u64);
            let keys = whole.filter(|section| section.subject != Subject::Libraries).map(|section| section.entries);
            assert_eq!(check.keys.all, keys.sum::<u64>(), "cut at {len}: {check:?}");
            assert!(check.keys.all + check.broken.iter().map(|b| b.legible).sum::<u64>() <= sound.keys.all + 1);
        }
    }
}

#[test]
fn sections_behind_a_damaged_head_are_found_without_the_index() {
    let file = &small_files()[0];
    let sections = Layout::read(file, Tolerance::Strict).unwrap().sections;
    let mut bent = file[..file.len() - 10].to_vec();
    bent[sections[3].at as usize + 20] ^= 1;
    let check = check_snapshot(&bent).unwrap();
    let places: Vec<_> = check.damages.iter().map(|damage| (damage.place, damage.at)).collect();
    assert_eq!(places[1], (Place::Section, sections[3].at + 28));
    assert_eq!((check.damages.len(), check.slots.len()), (2, sections.len() - 2));
}

#[test]
fn bytes_that_were_changed_with_their_checksums_do_not_panic() {
    // Each byte of each payload, sealed anew: the checks below the checksums.
    let mut model = Model::with(8);
    model.libraries.clear();
    let header = SnapshotHeader { id: 5, ..SnapshotHeader::default() };
    let file = assembled(&model, &header);
    let sections = Layout::read(&file, Tolerance::Strict).unwrap().sections;
    let mut noticed = 0;
    for named in &sections {
        let payload = &file[named.at as usize + 32..named.end().unwrap() as usize];
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut bent = payload.to_vec();
                bent[at] ^= 1 << bit;
                let Subject::Slot(slot) = named.subject else { continue };
                let sealed = super::compose(&header, &[(Some(slot), named.entries, &bent)]);
                let check = check_snapshot(&sealed).unwrap();
                assert!(check.damages.is_empty());
                noticed += check.broken.len();
            }
        }
    }
    assert!(noticed > 100);
}

#[test]
fn any_call_of_the_disk_may_fail_and_the_old_file_stays() {
    let (path, model) = (Path::new("/d/snapshot"), Model::with(20));
    let write = |disk: &MemoryStorage| {
        write_source(
            &model,
            disk,
            path,
            &WriteOptions { threads: 0, ..WriteOptions::default() },
            &SnapshotProgress::new(),
        )
    };
    let sound = MemoryStorage::new(1);
    sound.put(path, b"old");
    write(&sound).unwrap();
    for call in 0..sound.calls() {
        for fault in
            [Fault::CallFails(call), Fault::CallFindsDiskFull(call), Fault::PowerFails(call), Fault::SyncFails(call)]
        {
            for loss in [Loss::All, Loss::Random] {
                let disk = MemoryStorage::new(call);
                disk.put(path, b"old");
                disk.plan(fault);
                let outcome = write(&disk);
                disk.crash(loss);
                let file = disk.contents(path).unwrap();
                let is_new = file != b"old";
                assert!(is_new || outcome.is_err(), "{fault:?}: said to be written");
                assert!(
                    !is_new || check_snapshot(&file).is_ok_and(|c| c.is_sound()),
                    "{fault:?}, {loss:?}: half a file"
                );
            }
        }
    }
    assert!(sound.calls() >= 5);
}

#[test]
fn a_stop_is_heard_and_leaves_nothing() {
    for threads in [0, 2] {
        let disk = MemoryStorage::new(1);
        disk.create_dir(Path::new("/d")).unwrap();
        let progress = SnapshotProgress::new();
        progress.stop();
        let options = WriteOptions { threads, ..WriteOptions::default() };
        let outcome = write_source(&Model::with(10), &disk, Path::new("/d/s"), &options, &progress);
        assert!(matches!(outcome, Err(SnapshotError::Stopped)));
        assert!(disk.files().is_empty());
    }
}

#[test]
fn a_rate_is_kept_and_progress_is_told() {
    let disk = MemoryStorage::new(1);
    disk.create_dir(Path::new("/d")).unwrap();
    let mut model = Model::default();
    for number in 0..8 {
        model.put(0, format!("key{number}").into_bytes(), None, Held::Text(vec![number; 1 << 20]));
    }
    let options =
        WriteOptions { rate_bytes_per_second: NonZeroU64::new(64 << 20), threads: 2, ..WriteOptions::default() };
    let progress = SnapshotProgress::new();
    let report = write_source(&model, &disk, Path::new("/d/s"), &options, &progress).unwrap();
    assert!(report.elapsed.as_millis() >= 110, "{:?}", report.elapsed);
    assert_eq!((progress.slots_done(), progress.bytes_done()), (SLOT_COUNT, report.size_bytes));
}

#[test]
fn other_files_are_told_apart() {
    let found = |bytes: &[u8]| check_snapshot(bytes).unwrap_err().to_string();
    assert!(found(b"REDIS0011\xfa").starts_with("this is no snapshot of Keyslot"), "{}", found(b"REDIS0011\xfa"));
    assert!(found(b"").contains("a header of 112 bytes"));
    assert_eq!(SnapshotCheck::default().keys.to_string(), "0 keys");
}

#[test]
fn an_open_file_tells_what_it_holds_slot_by_slot() {
    let disk = MemoryStorage::new(1);
    let path = Path::new("/d/s");
    let mut file = written(&Model::with(50), &WriteOptions::default());
    disk.put(path, &file);
    let snapshot = Snapshot::open(&disk, path, Tolerance::Strict).unwrap();
    assert_eq!((snapshot.entries(), snapshot.size_bytes()), (50, file.len() as u64));
    assert_eq!(snapshot.check(), check_snapshot(&file).unwrap());
    let slot = Slot::of(b"key:7");
    assert_eq!(snapshot.entries_of(slot), 1);
    let mut seen = Vec::new();
    let see = |entry: &super::Entry<'_>| {
        seen.push((entry.key.to_vec(), entry.value == super::Value::String(StrRef::Bytes(b"value of 7"))));
        Ok::<_, SnapshotError>(())
    };
    snapshot.for_each(slot, see).unwrap();
    assert_eq!(seen, [(b"key:7".to_vec(), true)]);
    assert!(matches!(snapshot.for_each(slot, |_| Err(SnapshotError::Stopped)), Err(SnapshotError::Stopped)));
    // Damage is told with the file's name.
    let at = file.windows(10).position(|bytes| bytes == b"value of 7").unwrap();
    file[at] ^= 1;
    disk.put(path, &file);
    let snapshot = Snapshot::open(&disk, path, Tolerance::Strict).unwrap();
    let error = snapshot.for_each(slot, |_| Ok::<_, SnapshotError>(())).unwrap_err().to_string();
    assert!(error.starts_with(&format!("/d/s: slot {slot}, byte ")), "{error}");
    let missing = Snapshot::open(&disk, Path::new("/d/none"), Tolerance::Strict).unwrap_err();
    assert!(matches!(missing, SnapshotError::Io(_)));
}
