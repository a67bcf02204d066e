//! Loading: bytes of an RDB in, keys of an engine out.

use super::error::RdbError;
use super::reader::{RdbEvent, RdbReader};
use keyslot_engine::{Attributes, Engine, LoadError, Loaded, Loader, UnixMillis};

/// Fills an engine that serves nobody yet from an RDB, in pieces of any size.
pub struct RdbLoader {
    reader: RdbReader,
    filling: Filling,
}

/// What becomes of the events.
struct Filling {
    loader: Loader,
    db: u64,
    /// Keys that were due before are passed over.
    now: Option<UnixMillis>,
    /// The key whose value comes in, and whether it is passed over.
    key: Vec<u8>,
    is_skipped: bool,
    expired: u64,
}

/// What an RDB held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RdbLoaded {
    /// What was stored.
    pub stored: Loaded,
    /// Keys that were due and passed over.
    pub expired: u64,
    /// Bytes of the RDB.
    pub size_bytes: u64,
}

/// Why an RDB cannot be loaded. The engine holds what came before.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RdbLoadError {
    /// It cannot be read.
    #[error(transparent)]
    Rdb(#[from] RdbError),
    /// What it says cannot be stored.
    #[error("byte {at}: database {db}, key {key:?}: {source}")]
    Load {
        /// About where it stands.
        at: u64,
        /// The database.
        db: u64,
        /// The key, as far as it is text.
        key: String,
        /// Why.
        source: LoadError,
    },
}

impl RdbLoader {
    /// A loader at the beginning of an RDB. Keys that are due at `now` are passed over, as a primary does; without it they are
    /// stored.
    pub fn new(engine: &Engine, now: Option<UnixMillis>) -> Self {
        let filling =
            Filling { loader: engine.loader(), db: 0, now, key: Vec::new(), is_skipped: false, expired: 0 };
        Self { reader: RdbReader::new(), filling }
    }

    /// Takes bytes. Returns how many were used: fewer than given only when the end of the RDB was reached.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, RdbLoadError> {
        let (filling, before) = (&mut self.filling, self.reader.position());
        let outcome = self.reader.feed(bytes, &mut |event| filling.take(event).map_err(Fault::Load));
        outcome.map_err(|fault| match fault {
            Fault::Rdb(error) => RdbLoadError::Rdb(error),
            Fault::Load(source) => RdbLoadError::Load {
                at: before.max(self.reader.position()),
                db: self.filling.db,
                key: String::from_utf8_lossy(&self.filling.key).into_owned(),
                source,
            },
        })
    }

    /// Whether the end of the RDB was reached.
    pub fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }

    /// Says that no more bytes come, and what was loaded.
    pub fn finish(self) -> Result<RdbLoaded, RdbLoadError> {
        self.reader.finish()?;
        let (size_bytes, expired, db) = (self.reader.position(), self.filling.expired, self.filling.db);
        let key = String::from_utf8_lossy(&self.filling.key).into_owned();
        let stored = self.filling.loader.finish();
        let stored = stored.map_err(|source| RdbLoadError::Load { at: size_bytes, db, key, source })?;
        Ok(RdbLoaded { stored, expired, size_bytes })
    }
}

/// What ends the reading.
enum Fault {
    Rdb(RdbError),
    Load(LoadError),
}

impl From<RdbError> for Fault {
    fn from(error: RdbError) -> Self {
        Self::Rdb(error)
    }
}

impl Filling {
    fn take(&mut self, event: RdbEvent<'_>) -> Result<(), LoadError> {
        match event {
            RdbEvent::Database(db) => self.db = db,
            RdbEvent::Function(text) => self.loader.library(text)?,
            RdbEvent::Key { key, expiry, idle_seconds, frequency } => {
                self.key.clear();
                self.key.extend_from_slice(key);
                self.is_skipped = matches!((expiry, self.now), (Some(expiry), Some(now)) if expiry < now);
                if self.is_skipped {
                    self.expired += 1;
                    return Ok(());
                }
                let db = u16::try_from(self.db).map_err(|_| LoadError::NoDatabase(self.db))?;
                self.loader.begin(db, key, Attributes { expiry, idle_seconds, frequency })?;
            }
            RdbEvent::Part(part) if !self.is_skipped => self.loader.part(part)?,
            RdbEvent::KeyEnd if !self.is_skipped => {
                self.loader.end()?;
            }
            _ => {}
        }
        Ok(())
    }
}
