//! Any bytes as an RDB: never a panic, the same whether bytes come at once or in pieces, memory within the input's size, and
//! what can be loaded is written and loaded again to the same.
//!
//! The first byte chooses how the rest is cut into pieces. The checksum of the input is put right, so that what stands below it
//! is reached.

use keyslot_engine::payload::crc64;
use keyslot_engine::{Engine, ManualClock, UnixMillis};
use keyslot_persistence::rdb::{RdbLoadError, RdbLoaded, RdbLoader, RdbOptions, write_view};

pub(crate) fn run(data: &[u8]) {
    let Some((&cut, input)) = data.split_first() else { return };
    let file = summed(input);
    let db = engine();
    let whole = load(&db, &file, file.len().max(1));
    let pieces = load(&engine(), &file, usize::from(cut) + 1);
    assert_eq!(whole.is_ok(), pieces.is_ok(), "{whole:?}, {pieces:?}");
    let Ok(loaded) = whole else { return };
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
