//! Effects coming back: from the log, from a primary, from an import.

use crate::command::How;
use crate::command::keys::Include;
use crate::command::table::{Command, table};
use crate::core::Core;
use crate::effect::Framing;
use crate::error::CommandError;
use crate::keyspace::DATABASE_COUNT;
use crate::resp::{ReplyWriter, RespVersion};
use crate::slot::{SLOT_COUNT, Slot};
use crate::turn::{Opening, Origin, Turn};
use smallvec::SmallVec;

/// Runs `commands` in one turn over the slots they name.
pub(crate) fn apply(core: &Core, origin: Origin, db: u16, commands: &[&[&[u8]]]) -> Result<(), CommandError> {
    let db = check_database(Some(db))?;
    let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
    for args in commands {
        if let Framing::Select(_) | Framing::Message = Framing::of(args) {
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
        match Framing::of(args) {
            Framing::Select(db) => {
                turn.select(check_database(db)?);
                continue;
            }
            Framing::Message => continue,
            Framing::Effect | Framing::Multi | Framing::Exec => {}
        }
        run(&mut turn, args, &mut out)?;
    }
    turn.commit();
    Ok(())
}

/// Runs a command in a turn that holds its slots. `out` is for its reply, which nobody reads.
pub(crate) fn run(turn: &mut Turn<'_>, args: &[&[u8]], out: &mut Vec<u8>) -> Result<(), CommandError> {
    let command = table().resolve(args).map_err(|error| unknown(&error.wire_text(args)))?;
    perform(turn, command, args, out)
}

/// As [`run`], for a command that is known.
#[inline]
pub(crate) fn perform(
    turn: &mut Turn<'_>,
    command: &Command,
    args: &[&[u8]],
    out: &mut Vec<u8>,
) -> Result<(), CommandError> {
    out.clear();
    let mut reply = ReplyWriter::new(out, RespVersion::V2);
    match command.row.run.0 {
        How::Turn(adapter) | How::Store(adapter) | How::Visit(adapter) => adapter(turn, args, &mut reply),
        How::Look(_) | How::LookAt(_) => Ok(()),
        How::Connection(_) | How::Exec | How::Watch | How::Host => Err(unknown(b"ERR a control command is no effect")),
    }
}

pub(crate) fn check_database(db: Option<u16>) -> Result<u16, CommandError> {
    db.filter(|db| *db < DATABASE_COUNT).ok_or(CommandError::DatabaseOutOfRange)
}

#[cold]
pub(crate) fn unknown(text: &[u8]) -> CommandError {
    CommandError::UnknownCommand(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn a_database_that_does_not_exist_is_refused() {
        let db = Engine::in_memory();
        let set: &[&[u8]] = &[b"SET", b"k", b"v"];
        for select in [&b"16"[..], b"99999", b"x", b"-1"] {
            let batch: [&[&[u8]]; 2] = [&[b"SELECT", select], set];
            assert_eq!(db.apply(Origin::Replay, 0, &batch), Err(CommandError::DatabaseOutOfRange));
        }
        assert_eq!(db.apply(Origin::Replay, 16, &[set]), Err(CommandError::DatabaseOutOfRange));
        assert_eq!(db.apply(Origin::Replay, 15, &[set]), Ok(()));
    }

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
