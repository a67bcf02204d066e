//! What a client has queued since MULTI, and what it watches.

use crate::effect::Offset;
use crate::keyspace::watching::Watch;
use crate::slot::Slot;
use std::sync::Arc;

/// One queued request.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Number of its command's row.
    pub(crate) row: u16,
    bytes: Box<[u8]>,
    /// Where each argument ends.
    ends: Box<[u32]>,
}

impl Queued {
    pub(crate) fn new(row: u16, args: &[&[u8]]) -> Self {
        let mut end = 0;
        let ends = args.iter().map(|arg| {
            end += arg.len() as u32;
            end
        });
        Self { row, ends: ends.collect(), bytes: args.concat().into() }
    }

    /// Its arguments, the name first.
    pub(crate) fn args(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start as usize..*end as usize])
    }

    /// About what it takes in memory.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val(&*self.ends)
    }
}

/// Requests since MULTI.
#[derive(Default, Debug)]
pub(crate) struct Transaction {
    pub(crate) queued: Vec<Queued>,
    /// About what they take in memory.
    pub(crate) size: usize,
    /// Flags of their commands, together.
    pub(crate) flags: u32,
    /// Whether one of them is refused while the data is being loaded.
    pub(crate) needs_data: bool,
    /// Whether one was refused: EXEC does nothing then.
    pub(crate) is_broken: bool,
    /// Where EXEC goes on, while it is parked between two of its turns.
    pub(crate) progress: Option<Progress>,
}

/// How far EXEC got.
#[derive(Default, Debug)]
pub(crate) struct Progress {
    /// How many requests ran.
    pub(crate) done: usize,
    /// What EXEC answers so far.
    pub(crate) replies: Vec<u8>,
    /// The journal offset that those tell of.
    pub(crate) newest: Offset,
}

/// Keys that a client watches, each once.
#[derive(Default, Debug)]
pub(crate) struct WatchedKeys {
    pub(crate) watch: Arc<Watch>,
    pub(crate) keys: Vec<(u16, Box<[u8]>)>,
}

impl WatchedKeys {
    /// The slots of the keys; a slot may come several times.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.keys.iter().map(|(_, key)| Slot::of(key))
    }
}
