//! The target's side of a transfer: stores what comes, where nobody sees it.

use super::frame::{Frame, FrameError, FrameReader, FrameWriter};
use keyslot_engine::resp::{ArgRange, Decoded, Limits, ProtocolError, RequestDecoder};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, LoggedCommand, Origin, RefusedCommand, Route};
use keyslot_persistence::snapshot::{FormatError, SnapshotHeader, SnapshotReceiver, TransferError};

/// Takes what an [`Export`](super::Export) gives. See the [module](super).
///
/// Its slots are to be [staged](keyslot_engine::GateState::Staged), and empty.
pub struct Import {
    engine: Engine,
    slots: SlotSet,
    clears: u64,
    snapshot: Snapshot,
    reader: FrameReader,
    writer: FrameWriter,
    progress: ImportProgress,
}

enum Snapshot {
    /// Its header is not whole.
    Awaited(Vec<u8>),
    Coming(Box<SnapshotReceiver>),
    Whole,
}

/// How far an import is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ImportProgress {
    /// Keys that the snapshot brought.
    pub keys: u64,
    /// Effects that were applied.
    pub effects: u64,
    /// Bytes that came.
    pub received_bytes: u64,
}

/// What the source says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImportEvent {
    /// All is here: the slots are to be claimed in this epoch, or [refused](Import::refuse).
    Complete {
        /// The epoch.
        epoch: u64,
    },
    /// It gave up.
    GivenUp(String),
}

/// Why an import cannot go on. What is here of the slots is to be dropped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// What came is no part of a transfer.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It begins with something else than a snapshot.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A part of the snapshot is damaged, or cannot be stored.
    #[error(transparent)]
    Snapshot(#[from] TransferError),
    /// What came is no effect.
    #[error("an effect cannot be read: {0}")]
    Protocol(#[from] ProtocolError),
    /// An effect that cannot be applied.
    #[error("an effect cannot be applied: {0}")]
    Refused(String),
    /// It concerns other slots.
    #[error("{0} concerns other slots than those that move in")]
    Stray(String),
    /// Somebody emptied the database here.
    #[error("the database was emptied here meanwhile")]
    Cleared,
    /// The end came before that of the snapshot.
    #[error("the source ended before its snapshot did")]
    Early,
}

impl Import {
    /// Into an engine that has no key in these slots.
    pub fn new(engine: Engine, slots: SlotSet) -> Self {
        let clears = engine.clears();
        Self {
            engine,
            slots,
            clears,
            snapshot: Snapshot::Awaited(Vec::new()),
            reader: FrameReader::default(),
            writer: FrameWriter::default(),
            progress: ImportProgress::default(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> ImportProgress {
        self.progress
    }

    /// Takes bytes, stores what is whole, and appends to `out` what the source is told. O(bytes).
    pub fn handle_input(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<ImportEvent>, ImportError> {
        self.progress.received_bytes += bytes.len() as u64;
        if self.engine.clears() != self.clears {
            return Err(ImportError::Cleared);
        }
        let Self { engine, slots, snapshot, reader, progress, .. } = self;
        let (before, mut event) = (reader.count(), None);
        reader.feed(bytes);
        while let Some(frame) = reader.next()? {
            match frame {
                Frame::Snapshot(bytes) => snapshot.take(engine, slots, bytes, progress)?,
                Frame::Effects(bytes) => progress.effects += apply(engine, slots, bytes)?,
                Frame::Final { epoch } if snapshot.is_whole() => event = Some(ImportEvent::Complete { epoch }),
                Frame::Final { .. } => return Err(ImportError::Early),
                Frame::GivenUp(why) => event = Some(ImportEvent::GivenUp(why)),
                Frame::Alive => {}
                other @ (Frame::Progress { .. } | Frame::Claimed { .. }) => {
                    let (found, expected) = (format!("{other:?}"), "what a source says");
                    return Err(FrameError { number: before, expected, found }.into());
                }
            }
        }
        if self.reader.count() > before {
            self.writer.write(out, &Frame::Progress { frames: self.reader.count() });
        }
        Ok(event)
    }

    /// Whether the data is as the source gave it: nobody emptied the database.
    pub fn is_sound(&self) -> bool {
        self.engine.clears() == self.clears
    }

    /// Says that the target is there.
    pub fn say_alive(&mut self, out: &mut Vec<u8>) {
        self.writer.write(out, &Frame::Alive);
    }

    /// Says that the slots are the target's.
    pub fn say_claimed(&mut self, epoch: u64, out: &mut Vec<u8>) {
        self.writer.write(out, &Frame::Claimed { epoch });
    }

    /// Says that the target gave up, and claims nothing.
    pub fn refuse(&mut self, why: &str, out: &mut Vec<u8>) {
        self.writer.write(out, &Frame::GivenUp(why.to_owned()));
    }
}

impl Snapshot {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    fn take(
        &mut self,
        engine: &Engine,
        slots: &SlotSet,
        bytes: &[u8],
        progress: &mut ImportProgress,
    ) -> Result<(), ImportError> {
        let owned;
        let mut bytes = bytes;
        if let Self::Awaited(head) = self {
            head.extend_from_slice(bytes);
            let Some((header, size)) = SnapshotHeader::read(head)? else { return Ok(()) };
            owned = head.split_off(size);
            bytes = &owned;
            *self = Self::Coming(Box::new(SnapshotReceiver::importing(engine, header, slots.clone())));
        }
        let Self::Coming(receiver) = self else { return Err(ImportError::Early) };
        receiver.feed(bytes)?;
        if receiver.is_finished()
            && let Self::Coming(receiver) = std::mem::replace(self, Self::Whole)
        {
            progress.keys = receiver.finish()?.loaded.keys;
        }
        Ok(())
    }
}

/// Applies effects, and says how many.
fn apply(engine: &Engine, slots: &SlotSet, bytes: &[u8]) -> Result<u64, ImportError> {
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut from, mut ranges, mut commands) = (0, Vec::<ArgRange>::new(), Vec::new());
    while from < bytes.len() {
        match decoder.decode_from(bytes, from, &mut ranges)? {
            Decoded::Request { consumed, args, .. } => {
                from += consumed;
                commands.push(args);
            }
            Decoded::Empty { consumed } => from += consumed,
            Decoded::Incomplete => return Err(ImportError::Refused("it is cut".to_owned())),
        }
    }
    let words: Vec<&[u8]> = ranges.iter().map(|range| range.of(bytes)).collect();
    let commands: Vec<LoggedCommand<'_>> =
        commands.into_iter().map(|args| LoggedCommand { db: 0, args: &words[args] }).collect();
    for command in &commands {
        let name = || String::from_utf8_lossy(&command.args[0][..command.args[0].len().min(64)]).into_owned();
        match engine.route(command.args) {
            Ok(Route::Slot(slot)) if slots.contains(slot) => {}
            Ok(_) => return Err(ImportError::Stray(name())),
            Err(error) => return Err(ImportError::Refused(error.to_string())),
        }
    }
    let refused = |RefusedCommand { error, .. }| ImportError::Refused(error.to_string());
    engine.apply_each(Origin::Import, &commands).map_err(refused)?;
    Ok(commands.len() as u64)
}
