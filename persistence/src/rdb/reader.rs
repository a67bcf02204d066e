//! The reader: bytes in, events out, as far as the bytes go.

use super::error::RdbError;
use keyslot_engine::UnixMillis;
use keyslot_engine::payload::{Checksum, Decoder, Dialect, Input, Part, PayloadError, Text};

/// What an RDB tells, in its own order.
#[derive(Clone, PartialEq, Debug)]
pub enum RdbEvent<'a> {
    /// A note of the writer.
    Note {
        /// Its name.
        key: &'a [u8],
        /// What it says.
        value: &'a [u8],
    },
    /// What follows is in this database.
    Database(u64),
    /// How many keys to expect, and how many of them with an expiry.
    Sizes {
        /// Keys.
        keys: u64,
        /// Of which so many expire.
        expires: u64,
    },
    /// A library of functions.
    Function(&'a [u8]),
    /// A key; the parts of its value follow.
    Key {
        /// The key.
        key: &'a [u8],
        /// When it expires.
        expiry: Option<UnixMillis>,
        /// Seconds since it was used, if the writer kept that.
        idle_seconds: Option<u64>,
        /// Its access frequency counter, if the writer kept that.
        frequency: Option<u8>,
    },
    /// A part of the value.
    Part(Part<'a>),
    /// The value is complete.
    KeyEnd,
    /// The end. Nothing may follow but what is not of the RDB.
    End,
}

/// Reads an RDB in pieces of any size. What a piece leaves incomplete is kept until the next: at most one string, one item of
/// a collection or one compact collection.
#[derive(Debug)]
pub struct RdbReader {
    kept: Vec<u8>,
    /// Bytes taken so far.
    position: u64,
    checksum: Checksum,
    version: u32,
    dialect: Dialect,
    state: State,
    next: Attributes,
}

/// What was said of the next key.
#[derive(Clone, Copy, Default, Debug)]
struct Attributes {
    expiry: Option<UnixMillis>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    Opcode,
    Value { decoder: Decoder, key: Vec<u8>, start: u64 },
    End,
}

/// What one step came to.
enum Progress {
    /// A piece was taken.
    Taken,
    /// More bytes are needed.
    NeedMore,
}

type Sink<'s, E> = dyn FnMut(RdbEvent<'_>) -> Result<(), E> + 's;

impl Default for RdbReader {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            position: 0,
            checksum: Checksum::default(),
            version: 0,
            dialect: Dialect::Redis,
            state: State::Header,
            next: Attributes::default(),
        }
    }
}

impl RdbReader {
    /// A reader at the beginning of an RDB.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes of the RDB were taken.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The version that the header names; 0 before it was read.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether the end was reached.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Takes bytes and gives what they tell to `sink`, whose error ends the reading. Returns how many bytes were used: fewer
    /// than given only when the end was reached. O(bytes).
    pub fn feed<E: From<RdbError>>(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(RdbEvent<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        if self.kept.is_empty() {
            let used = self.run(bytes, sink)?;
            if !self.is_finished() {
                self.kept.extend_from_slice(&bytes[used..]);
                return Ok(bytes.len());
            }
            return Ok(used);
        }
        let before = self.kept.len();
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let used = self.run(&kept, sink)?;
        if self.is_finished() {
            return Ok(used.saturating_sub(before));
        }
        kept.drain(..used);
        self.kept = kept;
        Ok(bytes.len())
    }

    /// Says that no more bytes come. An error unless the end was reached.
    pub fn finish(&self) -> Result<(), RdbError> {
        let expected = match &self.state {
            State::End => return Ok(()),
            State::Header => "the header",
            State::Opcode => "a key, an instruction or the end mark 0xff",
            State::Value { .. } => "the rest of a value",
        };
        Err(RdbError::Cut { at: self.position + self.kept.len() as u64, expected })
    }

    fn run<E: From<RdbError>>(&mut self, bytes: &[u8], sink: &mut Sink<'_, E>) -> Result<usize, E> {
        let mut input = Input::new(bytes);
        loop {
            let start = input.position();
            let outcome = match &mut self.state {
                State::Header => self.header(&mut input)?,
                State::Opcode => self.opcode(&mut input, sink)?,
                State::Value { .. } => self.value(&mut input, sink)?,
                State::End => return Ok(start),
            };
            let taken = &bytes[start..input.position()];
            if !self.is_finished() {
                self.checksum.update(taken);
            }
            self.position += taken.len() as u64;
            if let Progress::NeedMore = outcome {
                return Ok(input.position());
            }
        }
    }

    fn header(&mut self, input: &mut Input<'_>) -> Result<Progress, RdbError> {
        let Some(head) = input.rest().get(..HEADER_BYTES) else {
            let start = input.rest();
            let fits = |magic: &[u8]| start.iter().zip(magic).all(|(byte, expected)| byte == expected);
            return if fits(b"REDIS") || fits(b"VALKEY") { Ok(Progress::NeedMore) } else { Err(not_rdb(start)) };
        };
        let (dialect, digits) = match (head.strip_prefix(b"REDIS"), head.strip_prefix(b"VALKEY")) {
            (Some(digits), _) => (Dialect::Redis, digits),
            (_, Some(digits)) => (Dialect::Valkey, digits),
            _ => return Err(not_rdb(head)),
        };
        let at = (HEADER_BYTES - digits.len()) as u64;
        let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
        let version = version.filter(|version| *version > 0);
        let version = version.ok_or(RdbError::Corrupt { at, expected: "a version in digits" })?;
        let (newest, oldest) = match dialect {
            Dialect::Redis => (REDIS_VERSION_MAX, 1),
            Dialect::Valkey => (VALKEY_VERSION_MAX, VALKEY_VERSION_MIN),
        };
        if version > newest || version < oldest {
            return Err(RdbError::TooNew { at, found: version, newest });
        }
        (self.version, self.dialect) = (version, dialect);
        input.take(HEADER_BYTES);
        self.state = State::Opcode;
        Ok(Progress::Taken)
    }

    /// Takes one instruction, or the head of a key.
    fn opcode<E: From<RdbError>>(&mut self, input: &mut Input<'_>, sink: &mut Sink<'_, E>) -> Result<Progress, E> {
        let start = input.position();
        let taken = self.opcode_or_stop(input, sink)?;
        if taken.is_none() {
            input.seek(start);
            return Ok(Progress::NeedMore);
        }
        Ok(Progress::Taken)
    }

    fn opcode_or_stop<E: From<RdbError>>(
        &mut self,
        input: &mut Input<'_>,
        sink: &mut Sink<'_, E>,
    ) -> Result<Option<()>, E> {
        let base = self.position - input.position() as u64;
        let at = |error: PayloadError| E::from(corrupt(base, error));
        let Some([opcode]) = input.array() else { return Ok(None) };
        match opcode {
            NOTE => {
                let Some(key) = input.text().map_err(at)? else { return Ok(None) };
                let Some(value) = input.text().map_err(at)? else { return Ok(None) };
                key.with_bytes(|key| value.with_bytes(|value| sink(RdbEvent::Note { key, value })))?;
            }
            FUNCTION => {
                let Some(text) = input.text().map_err(at)? else { return Ok(None) };
                text.with_bytes(|text| sink(RdbEvent::Function(text)))?;
            }
            MODULE_NOTE => return Self::skip_module(input, base).map_err(E::from),
            DATABASE => {
                let Some(number) = input.number().map_err(at)? else { return Ok(None) };
                sink(RdbEvent::Database(number))?;
            }
            SIZES => {
                let Some(keys) = input.number().map_err(at)? else { return Ok(None) };
                let Some(expires) = input.number().map_err(at)? else { return Ok(None) };
                sink(RdbEvent::Sizes { keys, expires })?;
            }
            SLOT_SIZES => {
                for _ in 0..3 {
                    if input.number().map_err(at)?.is_none() {
                        return Ok(None);
                    }
                }
            }
            EXPIRY_SECONDS => {
                let Some(bytes) = input.array() else { return Ok(None) };
                self.next.expiry = Some(UnixMillis(i64::from(i32::from_le_bytes(bytes)) * 1000));
            }
            EXPIRY_MILLIS => {
                let Some(bytes) = input.array() else { return Ok(None) };
                // Before version 9 the bytes were the machine's own order, which on every machine that matters was this.
                self.next.expiry = Some(UnixMillis(i64::from_le_bytes(bytes)));
            }
            IDLE => {
                let Some(seconds) = input.number().map_err(at)? else { return Ok(None) };
                self.next.idle_seconds = Some(seconds);
            }
            FREQUENCY => {
                let Some([frequency]) = input.array() else { return Ok(None) };
                self.next.frequency = Some(frequency);
            }
            END => return self.end(input, sink),
            FUNCTION_OLD => {
                let expected = "no function of a release candidate of Redis 7.0, whose form was given up";
                return Err(RdbError::Corrupt { at: self.position, expected }.into());
            }
            number => {
                let Some(key) = input.text().map_err(at)? else { return Ok(None) };
                let start = base + input.position() as u64;
                let name = |key: &Text<'_>| key.with_bytes(|key| String::from_utf8_lossy(key).into_owned());
                let decoder = Decoder::new(number, self.dialect).map_err(|source| RdbError::Value {
                    key: name(&key),
                    at: self.position,
                    source,
                })?;
                let Attributes { expiry, idle_seconds, frequency } = std::mem::take(&mut self.next);
                key.with_bytes(|key| sink(RdbEvent::Key { key, expiry, idle_seconds, frequency }))?;
                self.state = State::Value { decoder, key: key.with_bytes(<[u8]>::to_vec), start };
            }
        }
        Ok(Some(()))
    }

    fn value<E: From<RdbError>>(&mut self, input: &mut Input<'_>, sink: &mut Sink<'_, E>) -> Result<Progress, E> {
        let State::Value { decoder, key, start } = &mut self.state else { return Ok(Progress::Taken) };
        let mut refused = None;
        let mut pass = |part: Part<'_>| {
            sink(RdbEvent::Part(part)).map_err(|error| {
                refused = Some(error);
                PayloadError::UnknownType { number: 0, name: "refused" }
            })
        };
        let complete = decoder.feed(input, &mut pass);
        if let Some(error) = refused {
            return Err(error);
        }
        match complete {
            Err(source) => {
                let key = String::from_utf8_lossy(key).into_owned();
                Err(RdbError::Value { key, at: *start, source }.into())
            }
            Ok(false) => Ok(Progress::NeedMore),
            Ok(true) => {
                self.state = State::Opcode;
                sink(RdbEvent::KeyEnd)?;
                Ok(Progress::Taken)
            }
        }
    }

    fn end<E: From<RdbError>>(&mut self, input: &mut Input<'_>, sink: &mut Sink<'_, E>) -> Result<Option<()>, E> {
        if self.version >= CHECKSUM_VERSION {
            let Some(bytes) = input.array() else { return Ok(None) };
            let found = u64::from_le_bytes(bytes);
            self.checksum.update(&[END]);
            let expected = self.checksum.value();
            if found != 0 && found != expected {
                return Err(RdbError::Checksum { at: self.position + 1, expected, found }.into());
            }
        }
        self.state = State::End;
        sink(RdbEvent::End)?;
        Ok(Some(()))
    }

    /// Passes over what a module wrote beside the keys.
    fn skip_module(input: &mut Input<'_>, base: u64) -> Result<Option<()>, RdbError> {
        let at = |error: PayloadError| corrupt(base, error);
        if input.number().map_err(at)?.is_none() {
            return Ok(None);
        }
        loop {
            let Some(opcode) = input.number().map_err(at)? else { return Ok(None) };
            let there = match opcode {
                0 => return Ok(Some(())),
                1 | 2 => input.number().map_err(at)?.is_some(),
                3 => input.take(4).is_some(),
                4 => input.take(8).is_some(),
                5 => input.text().map_err(at)?.is_some(),
                _ => {
                    return Err(RdbError::Corrupt {
                        at: base + input.position() as u64,
                        expected: "a value of a module's note",
                    });
                }
            };
            if !there {
                return Ok(None);
            }
        }
    }
}

#[cold]
fn not_rdb(start: &[u8]) -> RdbError {
    let shown = &start[..start.len().min(HEADER_BYTES)];
    RdbError::NotRdb { found: shown.escape_ascii().to_string() }
}

#[cold]
fn corrupt(base: u64, error: PayloadError) -> RdbError {
    match error {
        PayloadError::Corrupt { at, what } => RdbError::Corrupt { at: base + at as u64, expected: what },
        _ => RdbError::Corrupt { at: base, expected: "an instruction" },
    }
}

const HEADER_BYTES: usize = 9;
const REDIS_VERSION_MAX: u32 = 12;
const VALKEY_VERSION_MIN: u32 = 80;
const VALKEY_VERSION_MAX: u32 = 80;
const CHECKSUM_VERSION: u32 = 5;

const SLOT_SIZES: u8 = 0xf4;
const FUNCTION: u8 = 0xf5;
const FUNCTION_OLD: u8 = 0xf6;
const MODULE_NOTE: u8 = 0xf7;
const IDLE: u8 = 0xf8;
const FREQUENCY: u8 = 0xf9;
const NOTE: u8 = 0xfa;
const SIZES: u8 = 0xfb;
const EXPIRY_MILLIS: u8 = 0xfc;
const EXPIRY_SECONDS: u8 = 0xfd;
const DATABASE: u8 = 0xfe;
const END: u8 = 0xff;
