//! Sorts a log by slots instead of applying it, for a store that opens before it is loaded.
//!
//! ```text
//! commands of the log, in order      SET a   SET b   DEL a   SET c
//! sorted                             slot of a: SET a, DEL a   slot of b: SET b   slot of c: SET c
//! ```
//!
//! What concerns more than one slot, or none, cannot wait for a slot to be touched. Such a command, an RDB, or a log of more
//! than [`SORTED_BYTES_MAX`] ends the sorting: what was sorted so far is loaded and applied at once, and so is the rest.

use super::dispatch::Dispatcher;
use super::receiver::{LateRefusal, Receiver, Refused, ReplayBatch};
use crate::rdb::RdbEvent;
use crate::snapshot::{LoadReport, Snapshot, SnapshotError, Tolerance};
use keyslot_engine::{ApplyChange, CommandError, Engine, Route, SLOT_COUNT, Slot};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Receives a log and sorts it, as long as that can be.
pub(crate) struct Sorter<'e> {
    engine: &'e Engine,
    dispatcher: Dispatcher<'e>,
    /// None once sorting has ended.
    sorting: Option<Sorting>,
}

#[derive(Default)]
struct Sorting {
    snapshot: Option<Arc<Snapshot>>,
    bytes: Arena,
    records: Vec<Record>,
    /// Files, and how many records stand before each.
    files: Vec<(PathBuf, usize)>,
}

/// All commands: for each its number of arguments, and for each argument its size and its bytes. In pieces, so that nothing is
/// moved when there is more; a command lies in one of them.
#[derive(Default, Debug)]
struct Arena {
    pieces: Vec<Vec<u8>>,
    size_bytes: usize,
}

/// Where a command begins: the number of the piece, and the byte in it.
#[derive(Clone, Copy, Default, Debug)]
struct Place {
    piece: u32,
    byte: u32,
}

impl Arena {
    fn push(&mut self, args: &[&[u8]]) -> Place {
        let size = size_of_command(args);
        if self.pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < size) {
            self.pieces.push(Vec::with_capacity(size.max(PIECE_BYTES)));
        }
        self.size_bytes += size;
        let number = self.pieces.len() - 1;
        let piece = &mut self.pieces[number];
        let place = Place { piece: number as u32, byte: piece.len() as u32 };
        piece.extend_from_slice(&(args.len() as u32).to_le_bytes());
        for arg in args {
            piece.extend_from_slice(&(arg.len() as u32).to_le_bytes());
            piece.extend_from_slice(arg);
        }
        place
    }

    /// Everything from a place to the end of its piece.
    fn at(&self, place: Place) -> &[u8] {
        &self.pieces[place.piece as usize][place.byte as usize..]
    }
}

fn size_of_command(args: &[&[u8]]) -> usize {
    NUMBER_BYTES + args.iter().map(|arg| arg.len() + NUMBER_BYTES).sum::<usize>()
}

/// Where a command is.
#[derive(Clone, Copy)]
struct Record {
    place: Place,
    slot: Slot,
    db: u16,
    /// Where its batch begins in its file.
    at: u64,
}

/// A base and what changed since, by slots.
#[derive(Debug)]
pub(crate) struct Sorted {
    snapshot: Option<Arc<Snapshot>>,
    bytes: Arena,
    /// Databases and places of commands, slot by slot.
    commands: Vec<(u16, Place)>,
    /// Where the commands of each slot begin, and where those of the last one end.
    starts: Vec<u32>,
}

impl<'e> Sorter<'e> {
    /// Sorts what fits; what does not goes through the dispatcher.
    pub(crate) fn new(engine: &'e Engine, dispatcher: Dispatcher<'e>) -> Self {
        Self { engine, dispatcher, sorting: Some(Sorting::default()) }
    }

    /// What was sorted, if all of it was. To be asked after [`finish`](Receiver::finish).
    pub(crate) fn into_sorted(self) -> Option<Sorted> {
        self.sorting.map(Sorting::sort)
    }

    /// Loads and applies what was sorted, and does so from here on with what comes.
    #[cold]
    fn give_up(&mut self) -> Result<(), Refused> {
        let Some(sorting) = self.sorting.take() else { return Ok(()) };
        if let Some(snapshot) = &sorting.snapshot {
            let refused = |error: SnapshotError| Refused { what: "the base".to_owned(), reason: error.to_string() };
            self.dispatcher.snapshot(snapshot).map_err(refused)?;
        }
        let mut files = sorting.files.iter().peekable();
        for (number, record) in sorting.records.iter().enumerate() {
            while let Some((path, _)) = files.next_if(|(_, before)| *before <= number) {
                self.dispatcher.begin_file(path);
            }
            let mut args = Vec::new();
            read_command(sorting.bytes.at(record.place), &mut args);
            self.dispatcher.batch(&ReplayBatch { db: record.db, commands: &[&args], at: record.at })?;
        }
        files.for_each(|(path, _)| self.dispatcher.begin_file(path));
        Ok(())
    }
}

impl Receiver for Sorter<'_> {
    fn begin_file(&mut self, path: &Path) {
        match &mut self.sorting {
            Some(sorting) => sorting.files.push((path.to_owned(), sorting.records.len())),
            None => self.dispatcher.begin_file(path),
        }
    }

    fn batch(&mut self, batch: &ReplayBatch<'_>) -> Result<(), Refused> {
        let Some(sorting) = &mut self.sorting else { return self.dispatcher.batch(batch) };
        for (number, args) in batch.commands.iter().enumerate() {
            match self.engine.route(args).map_err(|error| Refused::new(args, error))? {
                Route::Slot(slot) if sorting.has_room(args) => sorting.add(slot, batch, args),
                _ => {
                    self.give_up()?;
                    return self.dispatcher.batch(&ReplayBatch { commands: &batch.commands[number..], ..*batch });
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: RdbEvent<'_>) -> Result<(), Refused> {
        self.give_up()?;
        self.dispatcher.event(event)
    }

    fn snapshot(&mut self, snapshot: &Arc<Snapshot>) -> Result<LoadReport, SnapshotError> {
        match &mut self.sorting {
            Some(sorting) => {
                sorting.snapshot = Some(snapshot.clone());
                Ok(LoadReport { keys: snapshot.entries(), ..LoadReport::default() })
            }
            None => self.dispatcher.snapshot(snapshot),
        }
    }

    fn tolerance(&self) -> Tolerance {
        self.dispatcher.tolerance()
    }

    fn miss_base(&mut self) {
        self.dispatcher.miss_base();
    }

    fn passed_over(&self) -> u64 {
        self.dispatcher.passed_over()
    }

    fn finish(&mut self) -> Result<(), LateRefusal> {
        self.dispatcher.finish()
    }
}

impl Sorting {
    fn has_room(&self, args: &[&[u8]]) -> bool {
        self.bytes.size_bytes + size_of_command(args) <= SORTED_BYTES_MAX
    }

    fn add(&mut self, slot: Slot, batch: &ReplayBatch<'_>, args: &[&[u8]]) {
        let place = self.bytes.push(args);
        self.records.push(Record { place, slot, db: batch.db, at: batch.at });
    }

    fn sort(self) -> Sorted {
        let mut starts = vec![0u32; SLOT_COUNT + 1];
        for record in &self.records {
            starts[record.slot.index() + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut commands = vec![(0, Place::default()); self.records.len()];
        for record in &self.records {
            let at = &mut next[record.slot.index()];
            commands[*at as usize] = (record.db, record.place);
            *at += 1;
        }
        Sorted { snapshot: self.snapshot, bytes: self.bytes, commands, starts }
    }
}

impl Sorted {
    /// The base, if it is a snapshot.
    pub(crate) fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// The slots that have keys in the base or commands behind it.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let of_log = Slot::all().filter(|slot| !self.commands_of(*slot).is_empty());
        of_log.chain(self.snapshot.iter().flat_map(|snapshot| snapshot.slots()))
    }

    fn commands_of(&self, slot: Slot) -> &[(u16, Place)] {
        let (from, to) = (self.starts[slot.index()], self.starts[slot.index() + 1]);
        &self.commands[from as usize..to as usize]
    }

    /// Gives the commands of a slot to `apply`, in order.
    pub(crate) fn replay(&self, slot: Slot, apply: &mut ApplyChange<'_>) -> Result<(), String> {
        let commands = self.commands_of(slot);
        // They stand far apart: all are asked for before the first is waited for.
        std::hint::black_box(commands.iter().fold(0, |sum, (_, place)| sum ^ self.bytes.at(*place)[0]));
        let mut args = Vec::new();
        for (db, place) in commands {
            args.clear();
            read_command(self.bytes.at(*place), &mut args);
            apply(*db, &args).map_err(|error| refusal(&args, &error))?;
        }
        Ok(())
    }
}

#[cold]
fn refusal(args: &[&[u8]], error: &CommandError) -> String {
    let Refused { what, reason } = Refused::new(args, error);
    format!("the log has {what}, which is refused: {reason}")
}

/// Finds the arguments of a command.
fn read_command<'b>(bytes: &'b [u8], args: &mut Vec<&'b [u8]>) {
    let mut rest = bytes;
    let number = |rest: &mut &'b [u8]| {
        let (number, behind) = rest.split_first_chunk().expect("it was written whole");
        *rest = behind;
        u32::from_le_bytes(*number) as usize
    };
    for _ in 0..number(&mut rest) {
        let size = number(&mut rest);
        let (arg, behind) = rest.split_at(size);
        args.push(arg);
        rest = behind;
    }
}

/// Sorted commands are held in memory until their slots are loaded.
const SORTED_BYTES_MAX: usize = 1 << 30;
const PIECE_BYTES: usize = 1 << 20;
const NUMBER_BYTES: usize = size_of::<u32>();
