//! Lanes: threads that store the strings of an RDB while another reads it. Each has slots of its own, so that they never wait
//! for each other.
//!
//! ```text
//!   the reader: RDB -> strings -> lots --+--> lane 0: slots 0, 2, 4 ..
//!                  \-> the rest, itself  +--> lane 1: slots 1, 3, 5 ..
//! ```
//!
//! Invariants
//! - A lane holds at most [`LOTS_MAX`] lots; the reader waits for room.
//! - What a lane refuses is reported at its end; what comes after that is dropped.

use keyslot_engine::{Engine, LoadError, Loaded, Slot, StrRef, UnixMillis};
use parking_lot::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The lanes' side.
pub(crate) struct Lanes {
    ends: Vec<Mutex<Option<Receiver<Lot>>>>,
    outcome: Mutex<Result<Loaded, LoadError>>,
}

/// The reader's side.
pub(crate) struct LaneSenders {
    senders: Vec<SyncSender<Lot>>,
    open: Vec<Lot>,
}

/// Strings for one lane: the bytes of all keys and values, one after the other.
#[derive(Default)]
struct Lot {
    bytes: Vec<u8>,
    strings: Vec<LotString>,
}

struct LotString {
    db: u16,
    key_end: usize,
    value_end: usize,
    expiry: Option<UnixMillis>,
}

/// Lanes that are to be [worked](Lanes::work), and who sends to them.
pub(crate) fn lanes(count: usize) -> (Lanes, LaneSenders) {
    let (senders, ends): (Vec<_>, Vec<_>) = (0..count).map(|_| sync_channel(LOTS_MAX)).unzip();
    let ends = ends.into_iter().map(|end| Mutex::new(Some(end))).collect();
    let open = senders.iter().map(|_| Lot::default()).collect();
    (Lanes { ends, outcome: Mutex::new(Ok(Loaded::default())) }, LaneSenders { senders, open })
}

impl Lanes {
    /// Does the work of one lane until nobody can send it more.
    pub(crate) fn work(&self, number: usize, engine: &Engine) {
        let Some(lots) = self.ends[number].lock().take() else { return };
        let mut loader = engine.loader();
        let mut stored = Ok(());
        for lot in lots {
            stored = stored.and_then(|()| lot.store(&mut loader));
        }
        let loaded = stored.and_then(|()| loader.finish());
        let mut outcome = self.outcome.lock();
        match (&mut *outcome, loaded) {
            (Ok(all), Ok(Loaded { keys, expires, .. })) => {
                all.keys += keys;
                all.expires += expires;
            }
            (Ok(_), Err(error)) => *outcome = Err(error),
            (Err(_), _) => {}
        }
    }

    /// Has nobody wait for lanes from this one on, whose threads were not started.
    pub(crate) fn give_up_from(&self, number: usize) {
        self.ends[number..].iter().for_each(|end| drop(end.lock().take()));
    }

    /// What all lanes stored, once they have ended.
    pub(crate) fn outcome(self) -> Result<Loaded, LoadError> {
        self.outcome.into_inner()
    }
}

impl LaneSenders {
    /// Leaves only the first lanes, at least one.
    pub(crate) fn keep(&mut self, count: usize) {
        self.senders.truncate(count);
        self.open.truncate(count);
    }

    /// Hands on a string.
    #[inline]
    pub(super) fn string(&mut self, db: u16, key: &[u8], value: StrRef<'_>, expiry: Option<UnixMillis>) {
        let number = usize::from(Slot::of(key).number()) % self.open.len();
        let lot = &mut self.open[number];
        lot.bytes.extend_from_slice(key);
        let key_end = lot.bytes.len();
        value.with_bytes(|value| lot.bytes.extend_from_slice(value));
        lot.strings.push(LotString { db, key_end, value_end: lot.bytes.len(), expiry });
        if lot.bytes.len() >= LOT_BYTES {
            self.send(number);
        }
    }

    /// Hands on what is left, and ends the lanes.
    pub(super) fn finish(mut self) {
        (0..self.open.len()).for_each(|number| self.send(number));
    }

    fn send(&mut self, number: usize) {
        let lot =
            Lot { bytes: Vec::with_capacity(LOT_BYTES + LOT_BYTES / 8), strings: Vec::with_capacity(LOT_STRINGS) };
        let full = std::mem::replace(&mut self.open[number], lot);
        // A lane that is gone panicked, and that goes on where it was started.
        let _ = self.senders[number].send(full);
    }
}

impl Lot {
    fn store(&self, loader: &mut keyslot_engine::Loader) -> Result<(), LoadError> {
        let mut start = 0;
        for string in &self.strings {
            let (key, value) = (&self.bytes[start..string.key_end], &self.bytes[string.key_end..string.value_end]);
            loader.string(string.db, key, StrRef::Bytes(value), string.expiry)?;
            start = string.value_end;
        }
        Ok(())
    }
}

/// Lots that wait for a lane.
const LOTS_MAX: usize = 4;
const LOT_BYTES: usize = 256 << 10;
/// For so many strings a lot has room at first.
const LOT_STRINGS: usize = 4096;
