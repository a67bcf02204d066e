//! Opening a damaged log: never a panic, and what opens holds a beginning of what was written.
//!
//! A sound log of numbered writes is damaged as the input says; then it is opened, strictly and for salvage.

#![no_main]

use arbitrary::Arbitrary;
use keyslot_persistence::{MemoryStorage, Recovery, Store};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;

#[derive(Arbitrary, Debug)]
struct Scenario {
    /// How many writes the log holds, and whether it was closed in good order.
    writes: u8,
    is_closed: bool,
    file: u8,
    damage: Vec<Damage>,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    /// The byte at this place, in 65536ths of the file, is changed.
    Flip(u16, u8),
    /// The file ends here.
    Cut(u16),
    /// Bytes are put in.
    Insert(u16, Vec<u8>),
    /// Bytes are added at the end.
    Append(Vec<u8>),
    /// The whole file is replaced.
    Replace(Vec<u8>),
}

fuzz_target!(|scenario: Scenario| {
    let storage = MemoryStorage::new(1);
    let writes = u32::from(scenario.writes % 32);
    let store = open(&storage, Recovery::Strict).expect("an empty disk opens");
    for number in 0..writes {
        store.set(format!("k{number}"), format!("value {number}")).expect("memory takes writes");
        if number % 5 == 4 {
            store.step(u64::from(number) * 2_000_000_000);
        }
    }
    if scenario.is_closed {
        store.close().expect("a sound disk");
    } else {
        store.step(u64::from(writes) * 2_000_000_000);
        drop(store);
    }
    let files: Vec<PathBuf> =
        storage.files().into_iter().filter(|file| file.starts_with("/db/appendonlydir")).collect();
    let Some(file) = files.get(usize::from(scenario.file) % files.len().max(1)) else { return };
    let mut bytes = storage.contents(file).expect("it was listed");
    for damage in &scenario.damage {
        apply(damage, &mut bytes);
    }
    let is_log = file.extension().is_some_and(|extension| extension == "aof");
    // Bytes that are put in may be commands of their own; then there is no model to compare with.
    let has_model = is_log && scenario.damage.iter().all(|d| matches!(d, Damage::Flip(..) | Damage::Cut(_)));
    for recovery in [Recovery::Strict, Recovery::Salvage] {
        let disk = storage.fork(2);
        disk.put(file, &bytes);
        let Ok(store) = open(&disk, recovery) else { continue };
        if has_model {
            let there: Vec<bool> = (0..writes)
                .map(|number| {
                    let value = store.get(format!("k{number}")).expect("a string");
                    assert!(value.as_ref().is_none_or(|value| **value == *format!("value {number}").as_bytes()));
                    value.is_some()
                })
                .collect();
            assert!(there.is_sorted_by(|a, b| a >= b), "a hole in what was written: {there:?}");
        }
        store.set("after", "1").expect("what opens takes writes");
        store.close().expect("a sound disk");
        let again = open(&disk, Recovery::Strict).expect("what was opened and closed opens again");
        assert!(again.get("after").expect("a string").is_some());
    }
});

fn open(storage: &MemoryStorage, recovery: Recovery) -> Result<Store, keyslot_persistence::OpenError> {
    Store::builder().storage(storage.clone()).recovery(recovery).without_thread().open("/db")
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    let place = |at: u16, len: usize| usize::from(at) * len / 65536;
    match damage {
        Damage::Flip(at, with) => {
            let at = place(*at, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= with | 1;
            }
        }
        Damage::Cut(at) => bytes.truncate(place(*at, bytes.len() + 1)),
        Damage::Insert(at, new) => {
            let at = place(*at, bytes.len() + 1);
            bytes.splice(at..at, new.iter().copied());
        }
        Damage::Append(new) => bytes.extend_from_slice(new),
        Damage::Replace(new) => *bytes = new.clone(),
    }
}
