//! Sections on their way from who receives them to who loads them.
//!
//! ```text
//! receiver   pass(batch) .. pass(batch) .. end       waits while many wait
//! loaders    work()                                  each takes the next batch; the checksums are theirs to check
//! ```
//!
//! Invariants
//! - At most [`WAITING_MAX`] batches wait; each has about [`BATCH_BYTES`], more for a large section.
//! - After the first error, or a stop, nothing more is loaded, and nobody waits.

use super::error::{Place, TransferError};
use super::fill::{Refusal, fill};
use super::layout::Section;
use super::section::{SECTION_HEAD_BYTES, SectionHead};
use keyslot_engine::{Engine, LoadError, Loaded, Loader, UnixMillis};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;

/// Whole sections, unchecked.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    /// Their heads, where they stand in `bytes`, and where in the stream.
    sections: Vec<(SectionHead, usize, u64)>,
}

impl Batch {
    /// Adds a section with its head, which stands at `at` of the stream.
    pub(crate) fn add(&mut self, head: SectionHead, section: &[u8], at: u64) {
        self.sections.push((head, self.bytes.len(), at));
        self.bytes.extend_from_slice(section);
    }

    /// Whether it is worth to be passed on.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES
    }

    fn load(&self, loader: &mut Loader, id: u64) -> Result<(), TransferError> {
        self.sections.iter().try_for_each(|(head, from, at)| {
            let payload = &self.bytes[from + SECTION_HEAD_BYTES..];
            load_section(loader, head, payload, id, *at + SECTION_HEAD_BYTES as u64)
        })
    }
}

/// Where the receiver and the loaders meet.
#[derive(Debug)]
pub(crate) struct Batches {
    id: u64,
    state: Mutex<State>,
    /// Loaders wait here.
    arrived: Condvar,
    /// The receiver waits here.
    room: Condvar,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Batch>,
    /// Batches that may be filled again.
    spare: Vec<Batch>,
    has_ended: bool,
    is_stopped: bool,
    outcome: Result<Loaded, TransferError>,
}

impl Batches {
    /// Of the snapshot with this id.
    pub(crate) fn new(id: u64) -> Arc<Self> {
        let state = State {
            waiting: VecDeque::new(),
            spare: Vec::new(),
            has_ended: false,
            is_stopped: false,
            outcome: Ok(Loaded::default()),
        };
        Arc::new(Self { id, state: Mutex::new(state), arrived: Condvar::new(), room: Condvar::new() })
    }

    /// Leaves a batch for the loaders, and gives an empty one. Waits while there are too many. An error of a loader comes here.
    pub(crate) fn pass(&self, batch: Batch) -> Result<Batch, TransferError> {
        let mut state = self.state.lock();
        while state.waiting.len() >= WAITING_MAX && !state.is_stopped {
            self.room.wait(&mut state);
        }
        state.outcome.clone()?;
        state.waiting.push_back(batch);
        self.arrived.notify_one();
        Ok(state.spare.pop().unwrap_or_default())
    }

    /// Says that no more come.
    pub(crate) fn end(&self) {
        self.state.lock().has_ended = true;
        self.arrived.notify_all();
    }

    /// Ends all waiting and loading.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.arrived.notify_all();
        self.room.notify_all();
    }

    /// What was loaded, once the loaders have ended.
    pub(crate) fn outcome(&self) -> Result<Loaded, TransferError> {
        self.state.lock().outcome.clone()
    }

    /// Loads batches until there are no more.
    pub(crate) fn work(&self, engine: &Engine) {
        // Nobody waits for a loader that panicked.
        let guard = StopOnPanic(self);
        let mut loader = engine.loader();
        let mut outcome = Ok(());
        while let Some(mut batch) = self.take() {
            outcome = batch.load(&mut loader, self.id);
            batch.bytes.clear();
            batch.sections.clear();
            let mut state = self.state.lock();
            match &outcome {
                Ok(()) => state.spare.push(batch),
                Err(_) => break,
            }
        }
        let loaded = outcome.and_then(|()| flush(&mut loader));
        let mut state = self.state.lock();
        match (&mut state.outcome, loaded) {
            (Ok(all), Ok(loaded)) => add(all, loaded),
            (Ok(_), Err(error)) => {
                state.outcome = Err(error);
                state.is_stopped = true;
            }
            (Err(_), _) => {}
        }
        drop(state);
        self.arrived.notify_all();
        self.room.notify_all();
        std::mem::forget(guard);
    }

    fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(batch) = state.waiting.pop_front() {
                self.room.notify_one();
                return Some(batch);
            }
            if state.has_ended {
                return None;
            }
            self.arrived.wait(&mut state);
        }
    }
}

struct StopOnPanic<'a>(&'a Batches);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Checks a section and stores what is in it. `payload` is what stands behind its head, at `at` of the stream.
pub(crate) fn load_section(
    loader: &mut Loader,
    head: &SectionHead,
    payload: &[u8],
    id: u64,
    at: u64,
) -> Result<(), TransferError> {
    let section = Section::of(head, payload, id, at)?;
    match fill(loader, &section, UnixMillis(i64::MIN)) {
        Ok(_) => Ok(()),
        Err(Refusal::Damage(damage)) => Err(damage.into()),
        Err(Refusal::Load { key, error }) => Err(refused(head.subject.place(), &key, &error)),
    }
}

/// Ends what a loader has begun.
pub(crate) fn flush(loader: &mut Loader) -> Result<Loaded, TransferError> {
    loader.flush().map_err(|error| refused(Place::Section, b"", &error))?;
    Ok(loader.loaded())
}

fn refused(place: Place, key: &[u8], error: &LoadError) -> TransferError {
    TransferError::Refused { place, key: String::from_utf8_lossy(key).into_owned(), reason: error.to_string() }
}

fn add(all: &mut Loaded, more: Loaded) {
    all.keys += more.keys;
    all.expires += more.expires;
    all.empty += more.empty;
    all.libraries += more.libraries;
}

const BATCH_BYTES: usize = 256 << 10;
const WAITING_MAX: usize = 4;
