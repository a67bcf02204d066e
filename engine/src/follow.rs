//! Following a primary: its stream is applied as it comes and kept as it came, so that the offsets of a replica's journal are
//! those of its primary's.
//!
//! ```text
//! the stream   SELECT 0 | SET k v | MULTI | SET a 1 | SET b 2 | EXEC | PING
//! batches      [----------------]   [-------------------------------] [----]      each one turn, each appended verbatim
//! ```

use crate::apply;
use crate::command::How;
use crate::command::keys::Include;
use crate::command::table::table;
use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::slot::{SLOT_COUNT, Slot};
use crate::turn::{Opening, Origin, Turn};
use smallvec::SmallVec;

/// A part of a primary's stream that is applied in one turn.
#[derive(Clone, Copy, Debug)]
pub struct StreamBatch<'a> {
    /// Its bytes, framing included.
    pub bytes: &'a [u8],
    /// The commands among them that change data, each with its database: no `SELECT`, `MULTI`, `EXEC` or `PING`.
    pub commands: &'a [(u16, &'a [&'a [u8]])],
    /// The database that is selected behind them.
    pub selected: u16,
}

impl Engine {
    /// Applies a part of a primary's stream in one turn and appends its bytes to the journal as they are. Returns the journal's
    /// end. An error means that this engine is not what its primary is: nothing was appended, and a part may have been applied.
    pub fn follow(&self, batch: &StreamBatch<'_>) -> Result<Offset, CommandError> {
        let slots = slots_of(batch.commands)?;
        let opening = Opening { origin: Origin::Primary, ..Opening::client(0) };
        let mut turn = Turn::begin(&self.core, opening, &slots)?;
        if slots.is_empty() {
            turn.make_keyless();
        } else if slots.len() == SLOT_COUNT {
            turn.make_global();
        }
        let mut out = Vec::new();
        for (db, args) in batch.commands {
            turn.select(apply::check_database(Some(*db))?);
            apply::run(&mut turn, args, &mut out)?;
        }
        turn.keep_verbatim(batch.bytes, batch.selected);
        Ok(turn.commit().offset)
    }

    /// Appends a command that touches no key, as `PING`, to the journal, and returns its end.
    pub fn record_keyless(&self, args: &[&[u8]]) -> Offset {
        record_keyless(&self.core, args)
    }
}

pub(crate) fn record_keyless(core: &Core, args: &[&[u8]]) -> Offset {
    let Ok(mut turn) = Turn::begin(core, Opening::client(0), &[]) else { return core.journal_end() };
    turn.make_keyless();
    turn.record(args);
    turn.commit().offset
}

/// The slots that commands touch, ascending: all for those that touch everything.
fn slots_of(commands: &[(u16, &[&[u8]])]) -> Result<SmallVec<[Slot; 4]>, CommandError> {
    let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
    for (_, args) in commands {
        let command = table().resolve(args).map_err(|error| apply::unknown(&error.wire_text(args)))?;
        if let How::Store(_) = command.row.run.0 {
            return Ok(Slot::all().collect());
        }
        slots.extend(command.keys(args, Include::Routed).iter().map(|key| Slot::of(args[key.index as usize])));
    }
    slots.sort_unstable();
    slots.dedup();
    Ok(slots)
}
