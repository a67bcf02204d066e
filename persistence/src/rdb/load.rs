//! Loading an RDB into an engine that serves nobody yet: bytes in, keys stored, a report at the end.
//!
//! Strings, which a large RDB has most of, may be stored by [lanes](super::lanes) on other threads; everything else is stored
//! here.

use super::error::RdbError;
use super::lanes::LaneSenders;
use super::reader::{RdbEvent, RdbReader};
use keyslot_engine::payload::Part;
use keyslot_engine::{Attributes, DATABASE_COUNT, Engine, LoadError, Loader, UnixMillis};

/// Fills an engine from an RDB that comes in pieces of any size.
pub struct RdbLoader {
    reader: RdbReader,
    target: Target,
}

/// What was loaded from an RDB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RdbLoaded {
    /// The version that the header names.
    pub version: u32,
    /// Its length.
    pub bytes: u64,
    /// Keys that were stored.
    pub keys: u64,
    /// Of which so many have an expiry.
    pub expires: u64,
    /// Keys that had expired and were dropped.
    pub expired: u64,
    /// Collections without elements, which old servers left behind: dropped.
    pub empty: u64,
    /// Libraries of functions.
    pub libraries: u64,
    /// What the writer noted: name and text.
    pub notes: Vec<(String, String)>,
}

/// Why an RDB cannot be loaded. What was stored until then stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbLoadError {
    /// It cannot be read.
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// A key or a library cannot be stored.
    #[error("key {key:?}, near byte {at}: {source}")]
    Key {
        /// The key, as far as it is text; empty for what is none.
        key: String,
        /// Where it is, or where its value goes on.
        at: u64,
        /// What is wrong.
        source: LoadError,
    },
}

/// Where what is read goes.
struct Target {
    loader: Loader,
    /// Who stores strings, if that is not the loader.
    lanes: Option<LaneSenders>,
    db: u16,
    /// Keys that expired before this moment are dropped.
    now: Option<UnixMillis>,
    key: Vec<u8>,
    state: State,
    loaded: RdbLoaded,
}

/// What is done with the parts that come.
#[derive(Clone, Copy)]
enum State {
    /// The first part will tell.
    Fresh(Attributes),
    /// They are handed on.
    Begun,
    /// The key is stored, or dropped.
    Done,
}

impl RdbLoader {
    /// A loader for this engine. A primary drops keys that had expired at `now`; a replica, and whoever has a log to apply
    /// behind it, gives none and keeps them.
    pub fn new(engine: &Engine, now: Option<UnixMillis>) -> Self {
        Self::over(engine, now, None)
    }

    /// A loader that leaves strings to lanes. What these report is not in its own report.
    pub(crate) fn over(engine: &Engine, now: Option<UnixMillis>, lanes: Option<LaneSenders>) -> Self {
        let target = Target {
            loader: engine.loader(),
            lanes,
            db: 0,
            now,
            key: Vec::new(),
            state: State::Done,
            loaded: RdbLoaded::default(),
        };
        Self { reader: RdbReader::new(), target }
    }

    /// Takes bytes. Returns how many were used: fewer than given only when the end was reached. O(bytes).
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, RdbLoadError> {
        let Self { reader, target } = self;
        reader.feed(bytes, &mut |event| target.take(event)).map_err(|stop| match stop {
            Stop::Rdb(error) => error.into(),
            Stop::Load(source) => self.refused(source),
        })
    }

    /// Whether the end was reached.
    pub fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }

    /// How many bytes were taken.
    pub fn position(&self) -> u64 {
        self.reader.position()
    }

    /// What was loaded so far.
    pub fn loaded(&self) -> RdbLoaded {
        let loaded = self.target.loader.loaded();
        RdbLoaded {
            version: self.reader.version(),
            bytes: self.reader.position(),
            keys: loaded.keys,
            expires: loaded.expires,
            empty: loaded.empty,
            libraries: loaded.libraries,
            ..self.target.loaded.clone()
        }
    }

    /// Says that no more bytes come. An error unless the end was reached.
    pub fn finish(mut self) -> Result<RdbLoaded, RdbLoadError> {
        self.reader.finish()?;
        self.target.loader.flush().map_err(|source| self.refused(source))?;
        // The lanes end when nobody can send them more.
        self.target.lanes.take().into_iter().for_each(LaneSenders::finish);
        Ok(self.loaded())
    }

    fn refused(&self, source: LoadError) -> RdbLoadError {
        let key = match &source {
            LoadError::Twice { key, .. } => key.clone(),
            LoadError::Library(_) | LoadError::NoDatabase(_) => String::new(),
            _ => String::from_utf8_lossy(&self.target.key).into_owned(),
        };
        RdbLoadError::Key { key, at: self.reader.position(), source }
    }
}

impl RdbLoadError {
    /// What was refused after it was handed on, somewhere before byte `at`.
    pub(crate) fn late(source: LoadError, at: u64) -> Self {
        let key = match &source {
            LoadError::Twice { key, .. } => key.clone(),
            _ => String::new(),
        };
        Self::Key { key, at, source }
    }
}

enum Stop {
    Rdb(RdbError),
    Load(LoadError),
}

impl From<RdbError> for Stop {
    fn from(error: RdbError) -> Self {
        Self::Rdb(error)
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl Target {
    fn take(&mut self, event: RdbEvent<'_>) -> Result<(), Stop> {
        match event {
            RdbEvent::Key { key, expiry, idle_seconds, frequency } => {
                if let (Some(expiry), Some(now)) = (expiry, self.now)
                    && expiry < now
                {
                    self.loaded.expired += 1;
                    self.state = State::Done;
                    return Ok(());
                }
                self.key.clear();
                self.key.extend_from_slice(key);
                self.state = State::Fresh(Attributes { expiry, idle_seconds, frequency });
            }
            RdbEvent::Part(part) => self.part(part)?,
            RdbEvent::KeyEnd => match self.state {
                State::Done => {}
                State::Begun => drop(self.loader.end()?),
                State::Fresh(attributes) => {
                    self.loader.begin(self.db, &self.key, attributes)?;
                    self.loader.end()?;
                }
            },
            RdbEvent::Database(number) => {
                let db = u16::try_from(number).ok().filter(|db| *db < DATABASE_COUNT);
                self.db = db.ok_or(LoadError::NoDatabase(number))?;
            }
            RdbEvent::Function(text) => self.loader.library(text)?,
            RdbEvent::Note { key, value } => {
                if self.loaded.notes.len() < NOTES_MAX {
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    self.loaded.notes.push((text(key), text(value)));
                }
            }
            RdbEvent::Sizes { .. } | RdbEvent::End => {}
        }
        Ok(())
    }

    #[inline]
    fn part(&mut self, part: Part<'_>) -> Result<(), LoadError> {
        match (self.state, part) {
            (State::Done, _) => Ok(()),
            (
                State::Fresh(attributes @ Attributes { idle_seconds: None, frequency: None, .. }),
                Part::String(value),
            ) => {
                self.state = State::Done;
                match &mut self.lanes {
                    Some(lanes) => lanes.string(self.db, &self.key, value, attributes.expiry),
                    None => return self.loader.string(self.db, &self.key, value, attributes.expiry),
                }
                Ok(())
            }
            (State::Fresh(attributes), part) => {
                self.loader.begin(self.db, &self.key, attributes)?;
                self.state = State::Begun;
                self.loader.part(part)
            }
            (State::Begun, part) => self.loader.part(part),
        }
    }
}

/// Notes that are kept.
const NOTES_MAX: usize = 100;
