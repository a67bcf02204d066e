//! The effects of some slots, out of a journal.
//!
//! What is no effect (`SELECT` of database 0, `MULTI`, `EXEC`, messages) is left out: the target applies effects one by one, where nobody
//! sees them before all are there.

use keyslot_engine::effect::Framing;
use keyslot_engine::resp::{ArgRange, Decoded, Limits, ProtocolError, RequestDecoder};
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{CommandError, Engine, Route};

/// Passes on what concerns some slots.
pub(super) struct SlotFilter {
    slots: SlotSet,
    decoder: RequestDecoder,
    ranges: Vec<ArgRange>,
    /// Bytes of the journal that were not looked at: the piece of a command.
    rest: Vec<u8>,
}

/// Why a journal cannot be followed for the slots.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Everything was deleted or exchanged.
    #[error("{0} changed all slots at once")]
    Global(String),
    /// An effect that cannot be taken apart by slots.
    #[error("{0} concerns several slots")]
    Several(String),
    /// Another database than 0.
    #[error("the journal selects another database than 0")]
    Database,
    /// The journal is none.
    #[error("the journal cannot be read: {0}")]
    Protocol(#[from] ProtocolError),
    /// A command that is not known.
    #[error("the journal cannot be read: {0}")]
    Unknown(CommandError),
}

impl SlotFilter {
    /// From the beginning of a command on.
    pub(super) fn new(slots: SlotSet) -> Self {
        Self { slots, decoder: RequestDecoder::new(Limits::default()), ranges: Vec::new(), rest: Vec::new() }
    }

    /// Takes bytes of the journal, and appends the effects of the slots to `out`.
    pub(super) fn pass(&mut self, engine: &Engine, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FilterError> {
        let mut input = std::mem::take(&mut self.rest);
        let bytes = match input.is_empty() {
            true => bytes,
            false => {
                input.extend_from_slice(bytes);
                &input[..]
            }
        };
        let mut from = 0;
        loop {
            self.ranges.clear();
            match self.decoder.decode_from(bytes, from, &mut self.ranges)? {
                Decoded::Request { consumed, args, .. } => {
                    let args: Vec<&[u8]> = self.ranges[args].iter().map(|range| range.of(bytes)).collect();
                    if self.concerns(engine, &args)? {
                        out.extend_from_slice(&bytes[from..from + consumed]);
                    }
                    from += consumed;
                }
                Decoded::Empty { consumed } => from += consumed,
                Decoded::Incomplete => break,
            }
        }
        self.rest = bytes[from..].to_vec();
        Ok(())
    }

    fn concerns(&self, engine: &Engine, args: &[&[u8]]) -> Result<bool, FilterError> {
        match Framing::of(args) {
            Framing::Multi | Framing::Exec | Framing::Message | Framing::Select(Some(0)) => Ok(false),
            Framing::Select(_) => Err(FilterError::Database),
            Framing::Effect => match engine.route(args).map_err(FilterError::Unknown)? {
                Route::Slot(slot) => Ok(self.slots.contains(slot)),
                Route::Barrier => Err(refuse(args)),
            },
        }
    }
}

#[cold]
fn refuse(args: &[&[u8]]) -> FilterError {
    let name = String::from_utf8_lossy(args[0]).to_ascii_uppercase();
    match name.as_str() {
        "FLUSHALL" | "FLUSHDB" | "SWAPDB" => FilterError::Global(name),
        _ => FilterError::Several(name.chars().take(NAME_SHOWN_MAX).collect()),
    }
}

const NAME_SHOWN_MAX: usize = 64;
