//! The reply parser: RESP2 and RESP3 replies out of a byte stream that arrives in pieces.
//!
//! Invariants:
//! - Each byte is looked at once: the parser keeps unfinished aggregates on its own stack and consumes whole elements,
//!   so that its caller need not hold a large reply twice.
//! - Nothing is allocated by a claimed length, and no input nests deeper than the limit.
//! - Framing is judged strictly (both bytes of a line end, canonical numbers): replies come from servers, and whatever
//!   is not a reply should be found out early. RESP3's streamed aggregates, which no server sends, are refused.

use std::fmt;

use bytes::Bytes;

use super::value::Value;
use crate::text::{parse_f64, parse_i64};

/// How large a reply may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Deepest nesting of aggregates.
    pub depth_max: usize,
    /// Longest bulk string.
    pub bulk_bytes_max: usize,
    /// Longest simple string, error or number.
    pub line_bytes_max: usize,
    /// Most elements of one aggregate (a map's pair counts twice).
    pub elements_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self {
            depth_max: 128,
            bulk_bytes_max: 512 * 1024 * 1024,
            line_bytes_max: 64 * 1024,
            elements_max: i32::MAX as usize,
        }
    }
}

/// Bytes that are no reply. The stream cannot be resynchronised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// Where, counted from the first byte the parser was ever given.
    pub offset: u64,
    /// What should stand there.
    pub expected: Expected,
    /// The beginning of what stands there, escaped.
    pub found: String,
}

/// What the parser was looking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// One of the bytes that begin a reply.
    TypeByte,
    /// `\r\n`.
    LineEnd,
    /// A line within [`ReplyLimits::line_bytes_max`].
    ShorterLine,
    /// A decimal integer.
    Integer,
    /// A length that is not negative, or -1 for null where there is a null.
    Length,
    /// A length within the limits.
    SmallerLength,
    /// A double, `inf`, `-inf` or `nan`.
    Double,
    /// `t` or `f`.
    Boolean,
    /// Nothing between `_` and the line end.
    Null,
    /// Decimal digits.
    BigNumber,
    /// Three letters and a colon.
    VerbatimFormat,
    /// A nesting within [`ReplyLimits::depth_max`].
    ShallowerNesting,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.expected {
            Expected::TypeByte => "a reply's type byte",
            Expected::LineEnd => "a line end",
            Expected::ShorterLine => "a shorter line",
            Expected::Integer => "an integer",
            Expected::Length => "a length",
            Expected::SmallerLength => "a length within the limits",
            Expected::Double => "a double",
            Expected::Boolean => "a boolean",
            Expected::Null => "a null",
            Expected::BigNumber => "a big number",
            Expected::VerbatimFormat => "a verbatim string's format",
            Expected::ShallowerNesting => "fewer levels of nesting",
        };
        write!(f, "bad reply at byte {}: expected {expected}, found \"{}\"", self.offset, self.found)
    }
}

impl std::error::Error for ReplyError {}

/// What one call of [`ReplyParser::parse`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// How many bytes of the input need not be shown again.
    pub consumed: usize,
    /// The reply, if it is complete. Its last byte is the last one consumed.
    pub value: Option<Value>,
}

/// The parser of one stream of replies.
///
/// ```
/// use keyslot_engine::resp::{ReplyLimits, ReplyParser, Value};
/// let mut parser = ReplyParser::new(ReplyLimits::default());
/// let first = parser.parse(b"*2\r\n:1\r\n+O").unwrap();
/// assert_eq!((first.consumed, first.value), (8, None));
/// let second = parser.parse(b"+OK\r\n:5\r\n").unwrap();
/// assert_eq!((second.consumed, second.value), (5, Some(Value::Array(vec![Value::Integer(1), Value::Ok]))));
/// ```
#[derive(Debug)]
pub struct ReplyParser {
    limits: ReplyLimits,
    stack: Vec<Frame>,
    /// The string whose length was read and whose bytes are awaited.
    body: Option<Body>,
    /// How much of the unfinished line was searched for its end.
    scanned: usize,
    /// Bytes consumed in earlier calls.
    offset: u64,
}

/// An aggregate that still lacks elements.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    missing: usize,
    elements: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
    Set,
    Push,
    /// Pairs, then the reply they belong to.
    Attributed,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    kind: BodyKind,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum BodyKind {
    Bulk,
    Error,
    Verbatim,
}

/// Parses the reply at the beginning of `input`. `None` if it is unfinished; otherwise the value and its length in
/// bytes. Default limits. For a stream, a [`ReplyParser`] does not start over each time.
pub fn parse_reply(input: &[u8]) -> Result<Option<(Value, usize)>, ReplyError> {
    let parsed = ReplyParser::new(ReplyLimits::default()).parse(input)?;
    Ok(parsed.value.map(|value| (value, parsed.consumed)))
}

impl ReplyParser {
    /// A parser at the beginning of a stream.
    pub fn new(limits: ReplyLimits) -> Self {
        Self { limits, stack: Vec::new(), body: None, scanned: 0, offset: 0 }
    }

    /// Parses up to the end of one reply or of `input`, which begins with the first byte that was not consumed.
    pub fn parse(&mut self, input: &[u8]) -> Result<Parsed, ReplyError> {
        let mut at = 0;
        while let Some(element) = self.element(input, &mut at)? {
            if let Some(value) = self.place(element) {
                self.offset += at as u64;
                return Ok(Parsed { consumed: at, value: Some(value) });
            }
        }
        self.offset += at as u64;
        Ok(Parsed { consumed: at, value: None })
    }

    /// Reads the next element that has no elements of its own, opening aggregates on the way. `None` when the input
    /// ends; `at` then stands behind what need not be read again.
    fn element(&mut self, input: &[u8], at: &mut usize) -> Result<Option<Value>, ReplyError> {
        loop {
            if let Some(body) = self.body {
                let rest = &input[*at..];
                if rest.len() < body.len + LINE_END.len() {
                    return Ok(None);
                }
                if &rest[body.len..body.len + LINE_END.len()] != LINE_END {
                    return Err(self.error(input, *at + body.len, Expected::LineEnd));
                }
                let value = self.string(body.kind, &rest[..body.len], input, *at)?;
                *at += body.len + LINE_END.len();
                self.body = None;
                return Ok(Some(value));
            }
            let Some(end) = self.line_end(input, *at)? else { return Ok(None) };
            let start = std::mem::replace(at, end + LINE_END.len());
            if let Some(value) = self.line(&input[start..end], input, start)? {
                return Ok(Some(value));
            }
        }
    }

    /// The index of the end of the line that starts at `input[start]`, if both its bytes are there.
    fn line_end(&mut self, input: &[u8], start: usize) -> Result<Option<usize>, ReplyError> {
        let line = &input[start..];
        let from = std::mem::take(&mut self.scanned).min(line.len());
        let found = line[from..].iter().position(|&byte| byte == b'\r').map(|found| from + found);
        if found.unwrap_or(line.len()) > self.limits.line_bytes_max {
            return Err(self.error(input, start, Expected::ShorterLine));
        }
        match found.map(|found| (found, line.get(found + 1))) {
            Some((found, Some(b'\n'))) => Ok(Some(start + found)),
            Some((found, Some(_))) => Err(self.error(input, start + found, Expected::LineEnd)),
            Some((found, None)) => {
                self.scanned = found;
                Ok(None)
            }
            None => {
                self.scanned = line.len();
                Ok(None)
            }
        }
    }

    /// Judges one line, which starts at `input[start]`: a value, or `None` where more is to come.
    fn line(&mut self, line: &[u8], input: &[u8], start: usize) -> Result<Option<Value>, ReplyError> {
        let Some((&kind, text)) = line.split_first() else { return Err(self.error(input, start, Expected::TypeByte)) };
        let wrong = |expected| self.error(input, start + 1, expected);
        let value = match kind {
            b'+' if text == b"OK" => Value::Ok,
            b'+' => Value::Simple(Bytes::copy_from_slice(text)),
            b'-' => Value::Error(Bytes::copy_from_slice(text)),
            b':' => Value::Integer(parse_i64(text).ok_or_else(|| wrong(Expected::Integer))?),
            b'_' if text.is_empty() => Value::Nil,
            b'_' => return Err(wrong(Expected::Null)),
            b'#' => match text {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(wrong(Expected::Boolean)),
            },
            b',' => Value::Double(double(text).ok_or_else(|| wrong(Expected::Double))?),
            b'(' if is_big_number(text) => Value::BigNumber(Bytes::copy_from_slice(text)),
            b'(' => return Err(wrong(Expected::BigNumber)),
            b'$' | b'*' if text == b"-1" => Value::Nil,
            b'$' => return self.begin_body(BodyKind::Bulk, text, input, start),
            b'!' => return self.begin_body(BodyKind::Error, text, input, start),
            b'=' => return self.begin_body(BodyKind::Verbatim, text, input, start),
            b'*' => return self.begin_aggregate(Kind::Array, text, input, start),
            b'%' => return self.begin_aggregate(Kind::Map, text, input, start),
            b'~' => return self.begin_aggregate(Kind::Set, text, input, start),
            b'>' => return self.begin_aggregate(Kind::Push, text, input, start),
            b'|' => return self.begin_aggregate(Kind::Attributed, text, input, start),
            _ => return Err(self.error(input, start, Expected::TypeByte)),
        };
        Ok(Some(value))
    }

    fn begin_body(
        &mut self,
        kind: BodyKind,
        text: &[u8],
        input: &[u8],
        start: usize,
    ) -> Result<Option<Value>, ReplyError> {
        let len = self.length(text, self.limits.bulk_bytes_max, input, start)?;
        self.body = Some(Body { kind, len });
        Ok(None)
    }

    fn begin_aggregate(
        &mut self,
        kind: Kind,
        text: &[u8],
        input: &[u8],
        start: usize,
    ) -> Result<Option<Value>, ReplyError> {
        let missing = match kind {
            Kind::Array | Kind::Set | Kind::Push => self.length(text, self.limits.elements_max, input, start)?,
            Kind::Map => self.length(text, self.limits.elements_max / 2, input, start)? * 2,
            Kind::Attributed => self.length(text, self.limits.elements_max / 2, input, start)? * 2 + 1,
        };
        if missing == 0 {
            return Ok(Some(kind.assemble(Vec::new())));
        }
        if self.stack.len() >= self.limits.depth_max {
            return Err(self.error(input, start, Expected::ShallowerNesting));
        }
        self.stack.push(Frame { kind, missing, elements: Vec::with_capacity(missing.min(ELEMENTS_RESERVED)) });
        Ok(None)
    }

    fn length(&self, text: &[u8], max: usize, input: &[u8], start: usize) -> Result<usize, ReplyError> {
        let length = parse_i64(text).and_then(|length| usize::try_from(length).ok());
        match length {
            Some(length) if length <= max => Ok(length),
            Some(_) => Err(self.error(input, start + 1, Expected::SmallerLength)),
            None => Err(self.error(input, start + 1, Expected::Length)),
        }
    }

    fn string(&self, kind: BodyKind, bytes: &[u8], input: &[u8], start: usize) -> Result<Value, ReplyError> {
        match (kind, bytes) {
            (BodyKind::Bulk, _) => Ok(Value::Bulk(Bytes::copy_from_slice(bytes))),
            (BodyKind::Error, _) => Ok(Value::Error(Bytes::copy_from_slice(bytes))),
            (BodyKind::Verbatim, &[a, b, c, b':', ref text @ ..]) => {
                Ok(Value::Verbatim { format: [a, b, c], text: Bytes::copy_from_slice(text) })
            }
            (BodyKind::Verbatim, _) => Err(self.error(input, start, Expected::VerbatimFormat)),
        }
    }

    /// Hands `value` to the innermost aggregate that lacks one; returns it, or the aggregate it completes, once nothing
    /// lacks anything.
    fn place(&mut self, mut value: Value) -> Option<Value> {
        while let Some(mut frame) = self.stack.pop() {
            frame.elements.push(value);
            frame.missing -= 1;
            if frame.missing > 0 {
                self.stack.push(frame);
                return None;
            }
            value = frame.kind.assemble(frame.elements);
        }
        Some(value)
    }

    fn error(&self, input: &[u8], at: usize, expected: Expected) -> ReplyError {
        let found = &input[at.min(input.len())..input.len().min(at.saturating_add(EXCERPT_BYTES))];
        ReplyError { offset: self.offset + at as u64, expected, found: found.escape_ascii().to_string() }
    }
}

impl Kind {
    fn assemble(self, mut elements: Vec<Value>) -> Value {
        match self {
            Self::Array => Value::Array(elements),
            Self::Map => Value::Map(pairs(elements)),
            Self::Set => Value::Set(elements),
            Self::Push => Value::Push(elements),
            Self::Attributed => {
                let reply = Box::new(elements.pop().unwrap_or_default());
                Value::Attributed { attributes: pairs(elements), reply }
            }
        }
    }
}

fn pairs(elements: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn double(text: &[u8]) -> Option<f64> {
    if text.eq_ignore_ascii_case(b"nan") { Some(f64::NAN) } else { parse_f64(text) }
}

fn is_big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

const LINE_END: &[u8; 2] = b"\r\n";
/// How many elements are made room for on a claim alone.
const ELEMENTS_RESERVED: usize = 16;
/// How much of the input an error quotes.
const EXCERPT_BYTES: usize = 32;

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
