//! Effects coming back: from the log, from a primary, from an import.

use crate::command::How;
use crate::command::keys::Include;
use crate::command::table::table;
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::{SLOT_COUNT, Slot};
use crate::text::parse_i64;
use crate::turn::{Opening, Origin, Turn};
use smallvec::SmallVec;

/// Runs `commands` in one turn over the slots they name.
pub(crate) fn apply(core: &Core, origin: Origin, db: u16, commands: &[&[&[u8]]]) -> Result<(), CommandError> {
    let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
    for args in commands {
        if is_select(args) {
            continue;
        }
        let command = table().resolve(args).map_err(|error| unknown(&error.wire_text(args)))?;
        match command.row.run.0 {
            How::Store(_) => slots = Slot::all().collect(),
            _ if slots.len() == SLOT_COUNT => {}
            _ => slots.extend(command.keys(args, Include::Routed).iter().map(|key| Slot::of(args[key.index as usize]))),
        }
    }
    slots.sort_unstable();
    slots.dedup();
    let opening = Opening { origin, ..Opening::client(db) };
    let mut turn = Turn::begin(core, opening, &slots)?;
    // A refusal in the middle leaves nothing behind. Replay stops for good then, and whole-store commands stand alone.
    if origin != Origin::Replay && commands.len() > 1 && slots.len() < SLOT_COUNT {
        turn.make_revocable();
    }
    let mut out = Vec::new();
    for args in commands {
        // A batch may change its database in between.
        if is_select(args) {
            turn.select(database(args)?);
            continue;
        }
        let command = table().resolve(args).map_err(|error| unknown(&error.wire_text(args)))?;
        out.clear();
        let mut reply = ReplyWriter::new(&mut out, RespVersion::V2);
        match command.row.run.0 {
            How::Turn(adapter) | How::Store(adapter) | How::Visit(adapter) => adapter(&mut turn, args, &mut reply)?,
            How::Look(_) | How::LookAt(_) => {}
            How::Connection(_) | How::Exec | How::Watch | How::Host => {
                return Err(unknown(b"ERR a control command is no effect"));
            }
        }
    }
    turn.commit();
    Ok(())
}

fn is_select(args: &[&[u8]]) -> bool {
    args.len() == 2 && args[0].eq_ignore_ascii_case(b"SELECT")
}

fn database(args: &[&[u8]]) -> Result<u16, CommandError> {
    let number = parse_i64(args[1]).and_then(|number| u16::try_from(number).ok());
    number.filter(|db| *db < DATABASE_COUNT).ok_or(CommandError::DatabaseOutOfRange)
}

#[cold]
fn unknown(text: &[u8]) -> CommandError {
    CommandError::UnknownCommand(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn a_batch_that_is_refused_leaves_nothing_behind() {
        let db = Engine::in_memory();
        db.set("{a}s", "text").expect("a fresh engine");
        let batch: [&[&[u8]]; 2] = [&[b"SET", b"{a}k", b"1"], &[b"LPUSH", b"{a}s", b"1"]];
        for origin in [Origin::Import, Origin::Primary] {
            assert_eq!(db.apply(origin, 0, &batch), Err(CommandError::WrongType));
            assert_eq!(db.get("{a}k"), Ok(None), "{origin:?}");
        }
    }
}
