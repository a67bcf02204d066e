//! A primary's stream, cut into batches and applied.

use keyslot_engine::effect::Framing;
use keyslot_engine::resp::{ArgRange, Decoded, Limits, ProtocolError, RequestDecoder};
use keyslot_engine::{CommandError, Engine, Offset, StreamBatch};
use std::ops::Range;

/// Takes the bytes of a stream.
pub(super) struct StreamReader {
    /// From the first byte that is not applied yet.
    buffer: Vec<u8>,
    decoder: RequestDecoder,
    ranges: Vec<ArgRange>,
    /// Commands of the batch that was begun, with their databases.
    commands: Vec<(u16, Range<usize>)>,
    /// How far the buffer is decoded.
    decoded: usize,
    selected: u16,
    in_multi: bool,
}

/// Why a stream cannot be followed further.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("{command}: {error}")]
    Refused { command: String, error: CommandError },
    #[error("EXEC without MULTI, or MULTI within MULTI")]
    Framing,
}

/// What was read besides changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Heard {
    /// The primary wants to know how far this replica is.
    pub(super) wants_ack: bool,
}

impl StreamReader {
    pub(super) fn new(selected: u16) -> Self {
        Self {
            buffer: Vec::new(),
            decoder: RequestDecoder::new(Limits::default()),
            ranges: Vec::new(),
            commands: Vec::new(),
            decoded: 0,
            selected,
            in_multi: false,
        }
    }

    /// Takes bytes, and applies every whole batch. After an error the data is not what the primary has.
    pub(super) fn feed(&mut self, engine: &Engine, bytes: &[u8]) -> Result<Heard, StreamError> {
        self.buffer.extend_from_slice(bytes);
        let (mut applied, mut heard) = (0, Heard::default());
        let outcome = loop {
            match self.step(engine, &mut applied, &mut heard) {
                Ok(true) => {}
                Ok(false) => break Ok(heard),
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..applied);
        self.decoded -= applied;
        for range in &mut self.ranges {
            range.start -= applied as u32;
        }
        outcome
    }

    /// Decodes one command, and applies the batch that it ends. False if there is none.
    fn step(&mut self, engine: &Engine, applied: &mut usize, heard: &mut Heard) -> Result<bool, StreamError> {
        let args = match self.decoder.decode_from(&self.buffer, self.decoded, &mut self.ranges)? {
            Decoded::Request { consumed, args, .. } => {
                self.decoded += consumed;
                args
            }
            Decoded::Empty { consumed } => {
                self.decoded += consumed;
                0..0
            }
            Decoded::Incomplete => return Ok(false),
        };
        let words: Vec<&[u8]> = self.ranges[args.clone()].iter().map(|range| range.of(&self.buffer)).collect();
        let framing = if words.is_empty() { Framing::Effect } else { Framing::of(&words) };
        match framing {
            Framing::Multi | Framing::Exec if self.in_multi == (framing == Framing::Multi) => {
                return Err(StreamError::Framing);
            }
            Framing::Multi => self.in_multi = true,
            Framing::Exec => self.in_multi = false,
            Framing::Select(db) => {
                self.selected = db.ok_or_else(|| refused(&words, CommandError::DatabaseOutOfRange))?;
            }
            Framing::Message => match (words[0].to_ascii_lowercase().as_slice(), &words[1..]) {
                (b"replconf", [word, ..]) => heard.wants_ack |= word.eq_ignore_ascii_case(b"getack"),
                (b"publish", [channel, message]) => drop(engine.publish(channel, message)),
                (b"spublish", [channel, message]) => drop(engine.spublish(channel, message)),
                _ => {}
            },
            // A blank line is nothing but bytes.
            Framing::Effect if words.is_empty() => {}
            Framing::Effect => self.commands.push((self.selected, args)),
        }
        if !self.in_multi {
            self.apply(engine, *applied..self.decoded)?;
            *applied = self.decoded;
        }
        Ok(true)
    }

    fn apply(&mut self, engine: &Engine, batch: Range<usize>) -> Result<Offset, StreamError> {
        let words: Vec<(u16, Vec<&[u8]>)> = self
            .commands
            .iter()
            .map(|(db, args)| (*db, self.ranges[args.clone()].iter().map(|range| range.of(&self.buffer)).collect()))
            .collect();
        let commands: Vec<(u16, &[&[u8]])> = words.iter().map(|(db, args)| (*db, &args[..])).collect();
        let stream = StreamBatch { bytes: &self.buffer[batch], commands: &commands, selected: self.selected };
        let outcome = engine.follow(&stream);
        let outcome = outcome.map_err(|error| refused(words.first().map_or(&[][..], |(_, args)| args), error));
        self.commands.clear();
        self.ranges.clear();
        outcome
    }
}

#[cold]
fn refused(words: &[&[u8]], error: CommandError) -> StreamError {
    let name = words.first().copied().unwrap_or_default();
    StreamError::Refused {
        command: String::from_utf8_lossy(&name[..name.len().min(NAME_SHOWN_MAX)]).into_owned(),
        error,
    }
}

const NAME_SHOWN_MAX: usize = 64;
