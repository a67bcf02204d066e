//! Following a primary: its stream is applied as it comes and kept as it came, so that the offsets of a replica's journal are
//! those of its primary's.
//!
//! ```text
//! the stream   SELECT 0 | SET k v | MULTI | SET a 1 | SET b 2 | EXEC | DEL k | SORT .. STORE d | PING
//! batches      [----------------]   [-------------------------------]  [---]   [-------------]   [--]
//! turns        [----------------------------------------------------------]   [--------------------]   appended verbatim
//! ```
//!
//! Batches whose work is bounded share a turn: their slots, lines and entries are asked for together, so that the waits for
//! memory overlap, and their bytes go to the journal at once.
//!
//! Invariants
//! - A batch lies in one turn, and in the order of the stream.
//! - What is in the journal is applied, and it ends where a batch ends.

use crate::apply;
use crate::command::How;
use crate::command::keys::Include;
use crate::command::table::{Command, Work, table};
use crate::core::Core;
use crate::effect::Offset;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::resp::ArgRange;
use crate::slot::{SLOT_COUNT, Slot};
use crate::turn::{KnownKey, Opening, Origin, Turn, Verbatim};
use smallvec::SmallVec;
use std::ops::Range;

/// A part of a primary's stream: whole batches, as [a decoder](crate::resp::RequestDecoder) read them.
#[derive(Clone, Debug)]
pub struct StreamPart<'a> {
    /// What positions and ranges point into.
    pub input: &'a [u8],
    /// Where the part lies in it, framing included.
    pub span: Range<usize>,
    /// Where the arguments of commands lie.
    pub ranges: &'a [ArgRange],
    /// The commands that change data: no `SELECT`, `MULTI`, `EXEC` or `PING`.
    pub commands: &'a [StreamCommand],
    /// The database that is selected behind the part.
    pub selected: u16,
}

/// A command of a [`StreamPart`].
#[derive(Clone, Debug)]
pub struct StreamCommand {
    /// Its database.
    pub db: u16,
    /// Which of the part's ranges are its arguments, at least one.
    pub args: Range<usize>,
    /// Where its batch ends: the same for all commands of the batch.
    pub batch_end: usize,
    /// The database that is selected there.
    pub selected: u16,
}

impl Engine {
    /// Applies a part of a primary's stream and appends its bytes to the journal as they are. Returns the journal's end. An
    /// error names the command of the part, and means that this engine is not what its primary is: the journal ends before
    /// the command's batch, and a part of that may have been applied.
    pub fn follow(&self, part: &StreamPart<'_>) -> Result<Offset, (usize, CommandError)> {
        let mut follower = Follower { core: &self.core, part, replies: Vec::new() };
        let (mut first, mut start) = (0, part.span.start);
        loop {
            let run = follower.gather(first, start)?;
            let next = first + run.steps.len();
            let (end, selected) = match part.commands.get(next) {
                // What frames the next batch goes with that.
                Some(_) => (part.commands[next - 1].batch_end, part.commands[next - 1].selected),
                None => (part.span.end, part.selected),
            };
            let offset = follower.apply(first, run, &part.input[start..end], selected)?;
            if next == part.commands.len() {
                return Ok(offset);
            }
            (first, start) = (next, end);
        }
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

struct Follower<'a> {
    core: &'a Core,
    part: &'a StreamPart<'a>,
    replies: Vec<u8>,
}

/// Commands that go into one turn.
#[derive(Default)]
struct Run {
    steps: SmallVec<[Step; RUN_COMMANDS_MAX]>,
    /// The slots of their keys, in any order.
    slots: SmallVec<[Slot; RUN_COMMANDS_MAX]>,
    is_global: bool,
}

struct Step {
    command: &'static Command,
    /// Its key, when it has one plain key.
    known: Option<KnownKey>,
}

impl<'a> Follower<'a> {
    fn args(&self, command: usize) -> SmallVec<[&'a [u8]; 8]> {
        let ranges = &self.part.ranges[self.part.commands[command].args.clone()];
        ranges.iter().map(|range| range.of(self.part.input)).collect()
    }

    /// The commands from `first` on, whose bytes begin at `start`, that go into one turn.
    fn gather(&self, first: usize, start: usize) -> Result<Run, (usize, CommandError)> {
        let (commands, mut run) = (self.part.commands, Run::default());
        let mut next = first;
        while let Some(command) = commands.get(next) {
            let kept = (run.steps.len(), run.slots.len());
            let mut is_brief = true;
            let batch = commands[next..].iter().take_while(|other| other.batch_end == command.batch_end).count();
            for number in next..next + batch {
                is_brief &= self.add(number, &mut run).map_err(|error| (number, error))?;
            }
            if !is_brief && next > first {
                // It comes in a turn of its own.
                run.steps.truncate(kept.0);
                run.slots.truncate(kept.1);
                run.is_global = false;
                break;
            }
            next += batch;
            if !is_brief || run.steps.len() >= RUN_COMMANDS_MAX || command.batch_end - start >= RUN_BYTES_MAX {
                break;
            }
        }
        for known in run.steps.iter().filter_map(|step| step.known) {
            self.core.totals.hints.prefetch(known.slot, known.hash);
        }
        Ok(run)
    }

    /// Adds a command to a run, and asks for its slot's line. Says whether its work is bounded.
    #[inline]
    fn add(&self, number: usize, run: &mut Run) -> Result<bool, CommandError> {
        let StreamCommand { db, args, .. } = &self.part.commands[number];
        apply::check_database(Some(*db))?;
        let ranges = &self.part.ranges[args.clone()];
        let named = table().find(ranges[0].of(self.part.input));
        if let Some(command) = named
            && !command.is_container()
            && command.accepts(ranges.len())
            && matches!(command.row.run.0, How::Turn(_))
            && let Some(range) = command.plain_range(ranges.len()).filter(|range| range.first == range.last)
        {
            let bytes = ranges[range.first].of(self.part.input);
            let slot = Slot::of(bytes);
            self.core.slots.prefetch_slot(slot);
            let (address, len) = (bytes.as_ptr() as usize, bytes.len());
            let known = KnownKey { address, len, slot, hash: self.core.hasher.hash(bytes) };
            run.slots.push(slot);
            run.steps.push(Step { command, known: Some(known) });
            return Ok(command.work == Work::Bounded);
        }
        self.add_other(number, run).map(|()| false)
    }

    #[cold]
    fn add_other(&self, number: usize, run: &mut Run) -> Result<(), CommandError> {
        let args = self.args(number);
        let command = table().resolve(&args).map_err(|error| apply::unknown(&error.wire_text(&args)))?;
        if let How::Store(_) = command.row.run.0 {
            run.is_global = true;
        } else {
            let keys = command.keys(&args, Include::Routed);
            run.slots.extend(keys.iter().map(|key| Slot::of(args[key.index as usize])));
        }
        run.steps.push(Step { command, known: None });
        Ok(())
    }

    /// Runs the commands from `first` on in one turn.
    fn apply(&mut self, first: usize, run: Run, bytes: &[u8], selected: u16) -> Result<Offset, (usize, CommandError)> {
        let Run { steps, mut slots, is_global } = run;
        if is_global {
            slots = Slot::all().collect();
        } else {
            slots.sort_unstable();
            slots.dedup();
        }
        let verbatim = Verbatim { bytes, selected };
        let opening = Opening { origin: Origin::Primary, ..Opening::client(0) };
        let mut turn = Turn::begin(self.core, opening, &slots).map_err(|error| (first, error))?;
        turn.only_count();
        if slots.is_empty() {
            turn.make_keyless();
        } else if slots.len() == SLOT_COUNT {
            turn.make_global();
        }
        let commands = &self.part.commands[first..first + steps.len()];
        for (step, command) in steps.iter().zip(commands) {
            if let Some(known) = step.known {
                turn.prefetch_known(known, command.db);
            }
        }
        for (number, (step, command)) in steps.iter().zip(commands).enumerate() {
            let args = self.args(first + number);
            turn.select(command.db);
            turn.expect(step.known);
            let outcome = apply::perform(&mut turn, step.command, &args, &mut self.replies);
            outcome.map_err(|error| (first + number, error))?;
        }
        turn.keep_verbatim(&verbatim);
        Ok(turn.commit().offset)
    }
}

/// A turn takes no further batch behind so many commands, or bytes: it holds all their slots.
const RUN_COMMANDS_MAX: usize = 32;
const RUN_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{Decoded, Limits, RequestDecoder};

    /// Applies commands, each as a batch of its own in database 0.
    fn follow(engine: &Engine, text: &[u8]) -> Result<Offset, (usize, CommandError)> {
        let (mut decoder, mut ranges, mut commands) = (RequestDecoder::new(Limits::default()), Vec::new(), Vec::new());
        let mut at = 0;
        while let Ok(Decoded::Request { consumed, args, .. }) = decoder.decode_from(text, at, &mut ranges) {
            at += consumed;
            commands.push(StreamCommand { db: 0, args, batch_end: at, selected: 0 });
        }
        assert_eq!(at, text.len());
        engine.follow(&StreamPart { input: text, span: 0..at, ranges: &ranges, commands: &commands, selected: 0 })
    }

    #[test]
    fn brief_commands_share_turns_and_others_have_their_own() {
        let (primary, replica) = (Engine::in_memory(), Engine::in_memory());
        let mut text = String::new();
        for n in 0..200 {
            text += &format!("SET k:{n} {n}\r\nRPUSH l {n}\r\nINCR k:{n}\r\n");
            if n % 40 == 7 {
                text += "SUNIONSTORE d a b\r\nMSET x 1 y 2\r\nDEL k:3 k:4 k:5\r\n";
            }
            if n == 100 {
                text += "FLUSHALL\r\nSET after all\r\n";
            }
        }
        for line in text.lines() {
            primary.call(&line.split(' ').collect::<Vec<_>>());
        }
        follow(&replica, text.as_bytes()).expect("the primary took them");
        let digest = |engine: &Engine| engine.call(&["DEBUG", "DIGEST"]);
        assert_eq!(digest(&replica), digest(&primary));
        assert_eq!(replica.call(&["DBSIZE"]), primary.call(&["DBSIZE"]));
    }

    #[test]
    fn the_command_that_is_refused_is_named_and_those_before_its_turn_are_there() {
        let db = Engine::in_memory();
        let text = "SET a 1\r\n".repeat(40) + "SET l x\r\nRPUSH l 1\r\nSET b 2\r\n";
        assert_eq!(follow(&db, text.as_bytes()), Err((41, CommandError::WrongType)));
        assert_eq!(db.get("a").expect("a string").as_deref(), Some(&b"1"[..]));
        assert!(matches!(follow(&db, b"SET c 3\r\nNONSENSE\r\n"), Err((1, CommandError::UnknownCommand(_)))));
        assert!(matches!(follow(&db, b"SET c 3\r\nGET\r\n"), Err((1, _))));
    }
}
