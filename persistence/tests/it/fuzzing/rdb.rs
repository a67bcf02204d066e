//! Any bytes as an RDB: never a panic, the same whether bytes come at once or in pieces, memory within the bounds that
//! `payload` states, and what can be loaded is written and loaded again to the same.
//!
//! The first byte chooses how the rest is cut into pieces. The checksum of the input is put right, so that what stands below it
//! is reached.

use crate::allowance::{of_making, within};
use keyslot_engine::payload::{Part, crc64};
use keyslot_engine::{Engine, ManualClock, StrRef, UnixMillis};
use keyslot_persistence::rdb::{
    RdbError, RdbEvent, RdbLoadError, RdbLoaded, RdbLoader, RdbOptions, RdbReader, check_rdb, write_view,
};

pub(crate) fn run(data: &[u8]) {
    let Some((&cut, input)) = data.split_first() else { return };
    let file = summed(input);
    let checked = within(of_making(&file, 8), || check_rdb(&file));
    let bytes = of_making(&file, times_of(&file));
    let db = engine();
    let whole = within(bytes, || load(&db, &file, file.len().max(1)));
    let other = engine();
    let pieces = within(bytes, || load(&other, &file, usize::from(cut) + 1));
    assert_eq!(whole.is_ok(), pieces.is_ok(), "{whole:?}, {pieces:?}");
    let Ok(loaded) = whole else { return };
    let checked = checked.expect("what can be loaded is sound");
    assert_eq!((checked.version, checked.size_bytes), (loaded.version, loaded.bytes));
    let mut again = Vec::new();
    let mut keep = |piece: &[u8], _: u64| {
        again.extend_from_slice(piece);
        Ok::<(), ()>(())
    };
    let written = write_view(&db.view(), RdbOptions::default(), &[], &mut keep).expect("memory takes all");
    assert_eq!(written.keys, loaded.keys);
    let other = engine();
    load(&other, &again, again.len()).expect("what was written is read");
    assert_eq!(digest(&db), digest(&other));
}

/// At the beginning of time nothing is due, so that values stay as they were read.
fn engine() -> Engine {
    Engine::builder().clock(ManualClock::at(UnixMillis(0))).seed(1).in_memory()
}

pub(crate) fn load(db: &Engine, bytes: &[u8], piece: usize) -> Result<RdbLoaded, RdbLoadError> {
    let mut loader = RdbLoader::new(db, None);
    for piece in bytes.chunks(piece) {
        loader.feed(piece)?;
    }
    loader.finish()
}

/// How many times its size the RDB may take: by the values that are in it, as far as it can be read.
fn times_of(file: &[u8]) -> usize {
    let mut times = 8;
    let _ = RdbReader::new().feed(file, &mut |event| {
        times = times.max(match event {
            RdbEvent::Part(Part::Stream { .. }) => 40,
            RdbEvent::Part(Part::Scored(..) | Part::Member(StrRef::Int(_))) => 16,
            _ => 8,
        });
        Ok::<_, RdbError>(())
    });
    times
}

/// The input with the right checksum in its last eight bytes, if they stand behind an end mark.
fn summed(input: &[u8]) -> Vec<u8> {
    let mut file = input.to_vec();
    if let Some(end) = file.len().checked_sub(8).filter(|end| file[..*end].last() == Some(&0xff)) {
        let sum = crc64(&file[..end]);
        file[end..].copy_from_slice(&sum.to_le_bytes());
    }
    file
}

fn digest(db: &Engine) -> String {
    format!("{:?}", db.call(&["DEBUG", "DIGEST"]))
}
