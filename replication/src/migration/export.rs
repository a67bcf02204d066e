//! The source's side of a transfer: what the slots hold, and what becomes of that.
//!
//! ```text
//! Snapshot -----> Tail -----> Ending (up to one offset of the journal) -----> Ended
//! ```

use super::filter::{FilterError, SlotFilter};
use super::frame::{EFFECTS, Frame, FrameError, FrameReader, FrameWriter, SNAPSHOT};
use keyslot_engine::effect::Unreadable;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{EffectSink, Engine, Offset};
use keyslot_persistence::snapshot::SnapshotExport;
use keyslot_persistence::{Journal, JournalHold, JournalReader};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Gives the keys of some slots and all that changes them from then on. See the [module](super).
pub struct Export {
    engine: Engine,
    journal: Arc<Journal>,
    /// Keeps the journal behind the view until it is read.
    hold: Option<JournalHold>,
    phase: Phase,
    filter: SlotFilter,
    writer: FrameWriter,
    reader: FrameReader,
    progress: ExportProgress,
    /// Journal bytes on their way through the filter.
    scratch: Vec<u8>,
}

enum Phase {
    Snapshot(Box<SnapshotExport>, Offset),
    Tail(JournalReader),
    Ending { reader: JournalReader, end: Offset, epoch: u64 },
    Ended,
}

/// How far an export is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExportProgress {
    /// Whether all of the view was given.
    pub is_tailing: bool,
    /// Bytes that were given.
    pub sent_bytes: u64,
    /// Frames that were given, and those that the target has stored.
    pub sent_frames: u64,
    /// See there.
    pub stored_frames: u64,
}

/// What the target says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportEvent {
    /// The slots are its own in this epoch.
    Claimed {
        /// The epoch that [`end`](Export::end) gave.
        epoch: u64,
    },
    /// It gave up, and claims nothing.
    Refused(String),
}

/// Why an export cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The target sent what makes no sense.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The target is too far behind: what it needs next is gone.
    #[error("the target is too far behind: {0}")]
    Lagged(#[from] Unreadable),
    /// Something happened that cannot be passed on.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

impl Export {
    /// Of these slots of an engine, whose journal this is. Takes a view: O(slots), about a millisecond.
    pub fn new(engine: Engine, journal: Arc<Journal>, slots: SlotSet) -> Self {
        // Before the view is taken: the journal is read on behind it.
        let hold = Some(journal.hold(journal.end()));
        let view = engine.view();
        let (offset, id) = (view.offset(), view.era());
        let snapshot = SnapshotExport::of_slots(view, &slots, id, "0".repeat(40));
        Self {
            engine,
            journal,
            hold,
            phase: Phase::Snapshot(Box::new(snapshot), offset),
            filter: SlotFilter::new(slots),
            writer: FrameWriter::default(),
            reader: FrameReader::default(),
            progress: ExportProgress::default(),
            scratch: Vec::new(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> ExportProgress {
        ExportProgress { sent_frames: self.writer.count(), ..self.progress }
    }

    /// Bytes of the journal that are not looked at, and how many frames the target has not stored; `None` while the view is given.
    pub fn lag(&self) -> Option<(u64, u64)> {
        match &self.phase {
            Phase::Snapshot(..) => None,
            Phase::Tail(reader) | Phase::Ending { reader, .. } => {
                Some((reader.unread_bytes(), self.writer.count() - self.progress.stored_frames))
            }
            Phase::Ended => Some((0, self.writer.count() - self.progress.stored_frames)),
        }
    }

    /// Has it end at the journal's end, which the slots must not get beyond any more: the target is to claim them in this epoch.
    /// False while the view is given.
    pub fn end(&mut self, epoch: u64) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Tail(reader) => {
                self.phase = Phase::Ending { reader, end: self.journal.end(), epoch };
                true
            }
            phase => {
                self.phase = phase;
                false
            }
        }
    }

    /// Appends about `budget` bytes for the target, nothing if there is nothing.
    pub fn poll_output(&mut self, out: &mut Vec<u8>, budget: usize) -> Result<(), ExportError> {
        let start = out.len();
        while out.len() - start < budget {
            let before = out.len();
            let goes_on = self.step(out, budget - (before - start))?;
            self.progress.sent_bytes += (out.len() - before) as u64;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    /// One step; false if there is nothing to give.
    fn step(&mut self, out: &mut Vec<u8>, budget: usize) -> Result<bool, ExportError> {
        match &mut self.phase {
            Phase::Snapshot(snapshot, offset) => {
                let at = self.writer.begin(out);
                let is_done = snapshot.fill(out, budget);
                self.writer.end(out, at, SNAPSHOT);
                let effects = snapshot.take_effects();
                // A large value, in frames that each take a bounded time.
                for piece in pieces(&effects) {
                    self.writer.write(out, &Frame::Effects(piece));
                }
                if is_done {
                    let reader = JournalReader::new(Arc::clone(&self.journal), *offset)?;
                    self.phase = Phase::Tail(reader);
                    self.hold = None;
                    self.progress.is_tailing = true;
                }
                Ok(true)
            }
            Phase::Tail(reader) => {
                let at = reader.position();
                tail(&self.engine, &mut self.filter, &mut self.writer, reader, &mut self.scratch, (out, budget))?;
                Ok(reader.position() != at)
            }
            Phase::Ending { reader, end, epoch } => {
                if reader.position() < *end {
                    let budget = budget.min((end.0 - reader.position().0) as usize);
                    tail(&self.engine, &mut self.filter, &mut self.writer, reader, &mut self.scratch, (out, budget))?;
                    return Ok(true);
                }
                self.writer.write(out, &Frame::Final { epoch: *epoch });
                self.phase = Phase::Ended;
                Ok(true)
            }
            Phase::Ended => Ok(false),
        }
    }

    /// Whether there is more to give; `waker` is woken when there is.
    pub fn poll_more(&self, waker: &Waker) -> Poll<()> {
        match &self.phase {
            Phase::Snapshot(..) | Phase::Ending { .. } => Poll::Ready(()),
            Phase::Tail(reader) => reader.poll_more(waker),
            Phase::Ended => Poll::Pending,
        }
    }

    /// Says that the source is there.
    pub fn say_alive(&mut self, out: &mut Vec<u8>) {
        self.writer.write(out, &Frame::Alive);
    }

    /// Says that the source gave up.
    pub fn say_given_up(&mut self, why: &str, out: &mut Vec<u8>) {
        self.writer.write(out, &Frame::GivenUp(why.to_owned()));
    }

    /// Takes what the target sent.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<Option<ExportEvent>, ExportError> {
        self.reader.feed(bytes);
        let mut event = None;
        while let Some(frame) = self.reader.next()? {
            match frame {
                Frame::Progress { frames } if frames <= self.writer.count() => self.progress.stored_frames = frames,
                Frame::Claimed { epoch } => event = Some(ExportEvent::Claimed { epoch }),
                Frame::GivenUp(why) => event = Some(ExportEvent::Refused(why)),
                Frame::Alive => {}
                other => {
                    let found = format!("{other:?}").chars().take(80).collect();
                    let (number, expected) = (self.reader.count(), "what a target says");
                    return Err(FrameError { number, expected, found }.into());
                }
            }
        }
        Ok(event)
    }
}

/// Passes a part of the journal on.
fn tail(
    engine: &Engine,
    filter: &mut SlotFilter,
    writer: &mut FrameWriter,
    reader: &mut JournalReader,
    scratch: &mut Vec<u8>,
    (out, budget): (&mut Vec<u8>, usize),
) -> Result<(), ExportError> {
    scratch.clear();
    reader.read(scratch, budget.min(TAIL_BYTES))?;
    let at = writer.begin(out);
    filter.pass(engine, scratch, out)?;
    writer.end(out, at, EFFECTS);
    Ok(())
}

/// Whole effects, of about [`TAIL_BYTES`] each time.
fn pieces(effects: &[u8]) -> impl Iterator<Item = &[u8]> {
    use keyslot_engine::resp::{Decoded, Limits, RequestDecoder};
    let mut decoder = RequestDecoder::new(Limits::default());
    let (mut from, mut ranges) = (0, Vec::new());
    std::iter::from_fn(move || {
        let start = from;
        while from < effects.len() && from - start < TAIL_BYTES {
            ranges.clear();
            match decoder.decode_from(effects, from, &mut ranges) {
                Ok(Decoded::Request { consumed, .. } | Decoded::Empty { consumed }) => from += consumed,
                Ok(Decoded::Incomplete) | Err(_) => from = effects.len(),
            }
        }
        (start < from).then(|| &effects[start..from])
    })
}

/// Journal bytes that are looked at at once.
const TAIL_BYTES: usize = 64 << 10;
