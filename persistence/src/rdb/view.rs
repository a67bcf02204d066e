//! A whole view as an RDB: slot by slot, on several threads where there is much of it.
//!
//! ```text
//! encoders (threads)     slots of a run -> entries -> pieces with their checksums
//! this thread            pieces in order -> `take`; the checksums joined
//! ```

use super::writer::{FIELD_EXPIRY_VERSION, RdbOptions, RdbWriter, RdbWritten, push_database, push_entry};
use crate::driver::crew::with_crew;
use crate::snapshot::relay::{Parcel, Relay, StopOnPanic};
use keyslot_engine::payload::Checksum;
use keyslot_engine::{DATABASE_COUNT, SLOT_COUNT, Sizes, Slot, View};
use std::convert::Infallible;

/// Takes a piece of an RDB, and hears how many keys are written with it.
pub type Take<'t, E> = dyn FnMut(&[u8], u64) -> Result<(), E> + 't;

/// Writes a whole view, slot by slot, and gives each slot's memory back as soon as it is written. `take` gets the bytes, in
/// pieces of about 64 KiB or one key, and how many keys are written; its error ends the writing. The version is raised to the
/// one that carries all values.
pub fn write_view<E>(
    view: &View,
    mut options: RdbOptions,
    notes: &[(&str, &str)],
    take: &mut Take<'_, E>,
) -> Result<RdbWritten, E> {
    let sizes: Vec<Sizes> = (0..DATABASE_COUNT).map(|db| view.sizes(db)).collect();
    if sizes.iter().any(|sizes| sizes.timed_hashes > 0) {
        options.version = options.version.max(FIELD_EXPIRY_VERSION);
    }
    let mut writer = RdbWriter::new(options);
    let mut out = Vec::with_capacity(PIECE_BYTES * 2);
    writer.begin(&mut out, notes);
    view.libraries().for_each(|text| writer.library(&mut out, text));
    let is_worth_threads = sizes.iter().map(|sizes| sizes.keys).sum::<u64>() >= THREADS_KEYS_MIN;
    let threads = if is_worth_threads { options.threads } else { 0 };
    let mut untold: Vec<Option<Sizes>> = sizes.into_iter().map(Some).collect();
    if threads > 0 {
        // Said before all keys, so that no piece needs to know what the others hold.
        for (db, sizes) in (0..).zip(untold.drain(..).flatten()).filter(|(_, sizes)| sizes.keys > 0) {
            writer.select(&mut out, db, Some(sizes));
        }
    }
    take(&out, 0)?;
    let mut put = |piece: &Piece| {
        writer.append(&piece.bytes, &piece.checksum, piece.keys, piece.expires);
        take(&piece.bytes, writer.written().keys)
    };
    let relay = Relay::new(RUNS);
    let work = |_| {
        let guard = StopOnPanic(&relay);
        let mut encoder = Encoder::new(view, options, Vec::new());
        while let Some(run) = relay.take() {
            // What comes before it in the file is not known here.
            encoder.selected = None;
            let Ok(()) = encoder.run(run, &mut |piece| Ok::<_, Infallible>(relay.pass(run, piece)));
            relay.end(run);
        }
        std::mem::forget(guard);
    };
    with_crew(threads, work, |started| {
        if started == 0 {
            let mut encoder = Encoder::new(view, options, untold);
            let mut sink = |piece: Piece| {
                put(&piece)?;
                let mut buffer = piece.bytes;
                buffer.clear();
                Ok(buffer)
            };
            return (0..RUNS).try_for_each(|run| encoder.run(run, &mut sink));
        }
        let _guard = StopOnPanic(&relay);
        while let Some(piece) = relay.next() {
            put(&piece)?;
            relay.recycle(piece.bytes);
        }
        Ok(())
    })?;
    out.clear();
    let written = writer.end(&mut out);
    take(&out, written.keys)?;
    Ok(written)
}

/// Entries as bytes, one after another.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    checksum: Checksum,
    keys: u64,
    expires: u64,
}

impl Parcel for Piece {
    fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// Makes pieces of slots.
struct Encoder<'v> {
    view: &'v View,
    options: RdbOptions,
    piece: Piece,
    /// The database of the last entry.
    selected: Option<u16>,
    /// For each database, how many keys it has, if that is to be said before its first one.
    untold: Vec<Option<Sizes>>,
}

impl<'v> Encoder<'v> {
    fn new(view: &'v View, options: RdbOptions, untold: Vec<Option<Sizes>>) -> Self {
        Self { view, options, piece: Piece::default(), selected: None, untold }
    }

    /// Makes the pieces of a run of slots; each slot is let go of when it is done. `sink` takes a piece and gives memory for
    /// the next.
    fn run<E>(&mut self, run: usize, sink: &mut dyn FnMut(Piece) -> Result<Vec<u8>, E>) -> Result<(), E> {
        for slot in Slot::all().skip(run * RUN_SLOTS).take(RUN_SLOTS) {
            let slot = self.view.take_slot(slot);
            for entry in slot.iter() {
                let piece = &mut self.piece;
                if self.selected != Some(entry.db()) {
                    let sizes = self.untold.get_mut(usize::from(entry.db())).and_then(Option::take);
                    push_database(&mut piece.bytes, entry.db(), sizes);
                    self.selected = Some(entry.db());
                }
                push_entry(&self.options, &mut piece.bytes, &entry)
                    .expect("the version carries all that the view holds");
                piece.keys += 1;
                piece.expires += u64::from(entry.expiry().is_some());
                if piece.bytes.len() >= PIECE_BYTES {
                    self.pass(sink)?;
                }
            }
        }
        if self.piece.bytes.is_empty() { Ok(()) } else { self.pass(sink) }
    }

    fn pass<E>(&mut self, sink: &mut dyn FnMut(Piece) -> Result<Vec<u8>, E>) -> Result<(), E> {
        if self.options.checksum {
            self.piece.checksum.update(&self.piece.bytes);
        }
        let bytes = sink(std::mem::take(&mut self.piece))?;
        self.piece.bytes = bytes;
        Ok(())
    }
}

const PIECE_BYTES: usize = 64 << 10;

/// So many slots are encoded by one thread before it takes others.
const RUN_SLOTS: usize = 16;
const RUNS: usize = SLOT_COUNT / RUN_SLOTS;

/// Fewer keys are written before threads are started.
const THREADS_KEYS_MIN: u64 = 10_000;
