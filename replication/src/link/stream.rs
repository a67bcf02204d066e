//! A primary's stream, cut into batches and applied.
//!
//! ```text
//! buffer   | whole batches, not applied | an open batch (MULTI ..) | a piece of a command |
//!          0                        whole                     decoded
//! ```
//!
//! What does not make sense ends the link, and the replica begins anew. A gap of whole commands makes sense: the stream has no
//! numbers, so a replica cannot know. It shows only in its offset, which stays behind by the length of the gap, as long as the
//! primary waits for it. Doubled bytes show at the primary: see [`LinkError::Ahead`](super::LinkError::Ahead).

use keyslot_engine::effect::Framing;
use keyslot_engine::resp::{ArgRange, Decoded, Limits, ProtocolError, RequestDecoder, Source};
use keyslot_engine::{Channel, CommandError, Engine, Published, StreamCommand, StreamPart};
use std::ops::Range;

/// Takes the bytes of a stream.
pub(super) struct StreamReader {
    /// From the first byte that is not applied yet.
    buffer: Vec<u8>,
    decoder: RequestDecoder,
    ranges: Vec<ArgRange>,
    /// Those that change data.
    commands: Vec<StreamCommand>,
    /// The arguments of messages to subscribers, which are given out once what stands before them is applied.
    messages: Vec<(Channel, Range<usize>)>,
    /// How far the buffer is decoded.
    decoded: usize,
    selected: u16,
    in_multi: bool,
    whole: Whole,
}

/// What is known up to the end of the last whole batch.
#[derive(Clone, Copy, Default)]
struct Whole {
    end: usize,
    commands: usize,
    messages: usize,
    selected: u16,
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
    #[error("a line with quotes, which no primary sends")]
    Quotes,
}

/// What was read besides changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Heard {
    /// The primary wants to know how far this replica is.
    pub(super) wants_ack: bool,
    /// What it said to nodes of its kind: PING with a text, over which others read.
    pub(super) notes: Vec<String>,
}

impl StreamReader {
    pub(super) fn new(selected: u16) -> Self {
        Self {
            buffer: Vec::new(),
            decoder: RequestDecoder::new(Limits::default()),
            ranges: Vec::new(),
            commands: Vec::new(),
            messages: Vec::new(),
            decoded: 0,
            selected,
            in_multi: false,
            whole: Whole { selected, ..Whole::default() },
        }
    }

    /// Takes bytes, and applies every whole batch. After an error the data is not what the primary has.
    pub(super) fn feed(&mut self, engine: &Engine, bytes: &[u8]) -> Result<Heard, StreamError> {
        self.buffer.extend_from_slice(bytes);
        let mut heard = Heard::default();
        loop {
            match self.step(&mut heard) {
                Ok(true) if self.commands.len() < COMMANDS_GATHERED_MAX => {}
                Ok(true) => self.apply(engine)?,
                Ok(false) => {
                    self.apply(engine)?;
                    return Ok(heard);
                }
                Err(error) => {
                    // What stands before it is right.
                    self.apply(engine)?;
                    return Err(error);
                }
            }
        }
    }

    /// Decodes one command. False if there is none.
    fn step(&mut self, heard: &mut Heard) -> Result<bool, StreamError> {
        let args = match self.decoder.decode_from(&self.buffer, self.decoded, &mut self.ranges)? {
            Decoded::Request { source: Source::Scratch, .. } => return Err(StreamError::Quotes),
            Decoded::Request { consumed, args, .. } => {
                self.decoded += consumed;
                args
            }
            // A blank line is nothing but bytes.
            Decoded::Empty { consumed } => {
                self.decoded += consumed;
                self.end_batch();
                return Ok(true);
            }
            Decoded::Incomplete => return Ok(false),
        };
        let ranges = &self.ranges[args.clone()];
        // No framing has more words than two, and no message that is of interest more than three.
        let words: [&[u8]; 3] =
            std::array::from_fn(|at| ranges.get(at).map_or(&[][..], |range| range.of(&self.buffer)));
        match Framing::of(&words[..ranges.len().min(words.len())]) {
            Framing::Multi if self.in_multi => return Err(StreamError::Framing),
            Framing::Exec if !self.in_multi => return Err(StreamError::Framing),
            Framing::Multi => self.in_multi = true,
            Framing::Exec => self.in_multi = false,
            Framing::Select(db) => {
                self.selected = db.ok_or_else(|| refused(words[0], CommandError::DatabaseOutOfRange))?;
            }
            Framing::Message => {
                let [name, word, _] = words;
                if name.eq_ignore_ascii_case(b"replconf") {
                    heard.wants_ack |= word.eq_ignore_ascii_case(b"getack");
                } else if name.eq_ignore_ascii_case(b"ping") {
                    let text = std::str::from_utf8(word).ok().and_then(|word| word.strip_prefix(NOTE));
                    heard.notes.extend(text.map(str::to_owned));
                } else if ranges.len() == 3 {
                    let is_sharded = name.eq_ignore_ascii_case(b"spublish");
                    self.messages.push((if is_sharded { Channel::Sharded } else { Channel::Plain }, args));
                }
            }
            Framing::Effect => {
                let (db, selected) = (self.selected, self.selected);
                self.commands.push(StreamCommand { db, args, batch_end: 0, selected });
            }
        }
        self.end_batch();
        Ok(true)
    }

    /// Notes that a batch ends here, unless one is open.
    fn end_batch(&mut self) {
        if self.in_multi {
            return;
        }
        for command in &mut self.commands[self.whole.commands..] {
            (command.batch_end, command.selected) = (self.decoded, self.selected);
        }
        let (commands, messages) = (self.commands.len(), self.messages.len());
        self.whole = Whole { end: self.decoded, commands, messages, selected: self.selected };
    }

    /// Applies the whole batches, and forgets them.
    fn apply(&mut self, engine: &Engine) -> Result<(), StreamError> {
        let Whole { end, commands, messages, selected } = self.whole;
        if end == 0 {
            return Ok(());
        }
        let (input, ranges) = (&self.buffer[..], &self.ranges[..]);
        let part = StreamPart { input, span: 0..end, ranges, commands: &self.commands[..commands], selected };
        engine.follow(&part).map_err(|(number, error)| {
            let name = self.commands.get(number).and_then(|command| ranges.get(command.args.start));
            refused(name.map_or(b"", |range| range.of(input)), error)
        })?;
        for (channel, args) in self.messages.drain(..messages) {
            let [name, message] = [1, 2].map(|at| ranges[args.start + at].of(input));
            // The primary told whom it concerns; nobody is told again.
            engine.deliver(Published { channel, name, message });
        }
        self.commands.drain(..commands);
        self.buffer.drain(..end);
        self.decoded -= end;
        if self.commands.is_empty() && self.messages.is_empty() {
            self.ranges.clear();
        }
        // Those of what was applied are wrong from here on, and used by nobody.
        for range in &mut self.ranges {
            range.start = range.start.wrapping_sub(end as u32);
        }
        self.whole = Whole { selected, ..Whole::default() };
        Ok(())
    }
}

#[cold]
fn refused(name: &[u8], error: CommandError) -> StreamError {
    let name = &name[..name.len().min(NAME_SHOWN_MAX)];
    StreamError::Refused { command: String::from_utf8_lossy(name).into_owned(), error }
}

const NAME_SHOWN_MAX: usize = 64;

/// What notes begin with.
const NOTE: &str = "keyslot ";

/// Whole batches are applied when so many commands were gathered, whatever else there is.
const COMMANDS_GATHERED_MAX: usize = 1024;

/// Says something in an engine's stream to replicas of this kind; others, and logs that are replayed, read over it.
pub fn note(engine: &Engine, text: &str) {
    engine.record_keyless(&[b"PING", format!("{NOTE}{text}").as_bytes()]);
}
