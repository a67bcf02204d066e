//! The request decoder: where each argument of each request lies in a buffer.
//!
//! ```text
//!   *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $5\r\nhello\r\n      multibulk: what clients send
//!   SET k "hello\n"\r\n                                    inline: what people type into telnet
//! ```
//!
//! Invariants:
//! - Argument bytes are never copied, except of an inline request with quotes (into the decoder's scratch).
//! - Nothing is allocated by a claimed length: memory follows the bytes really received.
//! - A request that arrives in pieces costs O(its size), whatever the pieces: the decoder keeps its place.
//! - Limits and error texts are those of Redis 7. As there, the two bytes after a number or an argument are skipped
//!   without a look, and a line is only judged once its end has arrived.
//! - Two differences, both where Redis depends on chance or waits for ever: a line longer than the limit is refused
//!   also if it arrived in one read, and a NUL in a line is a byte like any other.
//!
//! A whole request in the buffer is decoded by one small function, [`whole_multibulk`]; whatever that does not like
//! (unfinished, wrong, inline, empty) goes through the state machine, which starts over from the request's first byte:
//!
//! ```text
//!   Fresh --'*'--> Line --count--> Arguments --last--> Fresh
//!     '---other--> Line ---------------end of line---> Fresh
//! ```

use std::ops::Range;

use super::error::ProtocolError;
use super::inline;
use crate::text::parse_i64;

/// Where one argument lies in the buffer named by [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRange {
    /// Index of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl ArgRange {
    /// The argument's bytes. Panics if `bytes` is not the buffer this range was decoded from.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.len as usize]
    }

    fn new(start: usize, len: usize) -> Self {
        // Both fit: `visible` cuts the input below 4 GiB.
        Self { start: start as u32, len: len as u32 }
    }
}

/// What a peer may send before it is refused. The defaults are those of Redis 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument: `proto-max-bulk-len`. Held below 4 GiB.
    pub bulk_bytes_max: usize,
    /// Longest inline request, `*` line or `$` line, without its end.
    pub inline_bytes_max: usize,
    /// Most arguments of one request.
    pub multibulk_count_max: usize,
    /// Longest argument while the peer has not authenticated.
    pub unauthenticated_bulk_bytes_max: usize,
    /// Most arguments while the peer has not authenticated.
    pub unauthenticated_multibulk_count_max: usize,
    /// Largest unfinished request: `client-query-buffer-limit`. Held below 4 GiB.
    pub query_buffer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 * 1024 * 1024,
            inline_bytes_max: 64 * 1024,
            multibulk_count_max: i32::MAX as usize,
            unauthenticated_bulk_bytes_max: 16 * 1024,
            unauthenticated_multibulk_count_max: 10,
            query_buffer_bytes_max: 1024 * 1024 * 1024,
        }
    }
}

/// Whether the peer has shown who it is (or need not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Must authenticate first, and is held to the small limits until then.
    Unauthenticated,
    /// May use the full limits.
    Authenticated,
}

/// Which buffer a request's ranges point into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The `input` given to [`RequestDecoder::decode`].
    Input,
    /// [`RequestDecoder::scratch`]: an inline request whose quotes were resolved. Valid until the next `decode`.
    Scratch,
}

/// One step of decoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A request with at least one argument.
    Request {
        /// How many bytes of input it took.
        consumed: usize,
        /// Which elements of `ranges` are its arguments.
        args: Range<usize>,
        /// What the ranges point into.
        source: Source,
    },
    /// A blank line or an empty multibulk: to be skipped, answered by nothing.
    Empty {
        /// How many bytes of input it took.
        consumed: usize,
    },
    /// More bytes are needed. The next call must see the same bytes again with more behind them.
    Incomplete,
}

/// The decoder of one connection.
///
/// ```
/// use keyslot_engine::resp::{Decoded, RequestDecoder, Limits};
/// let mut decoder = RequestDecoder::new(Limits::default());
/// let (input, mut ranges) = (b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nPING\r\n", Vec::new());
/// let Decoded::Request { consumed, args, .. } = decoder.decode(input, &mut ranges).unwrap() else { panic!() };
/// assert_eq!((consumed, ranges[args][1].of(input)), (22, &b"hi"[..]));
/// ```
#[derive(Debug)]
pub struct RequestDecoder {
    limits: Limits,
    trust: Trust,
    args_max: usize,
    bulk_max: usize,
    state: State,
    /// Arguments of the unfinished request, relative to its first byte.
    pending: Vec<ArgRange>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Fresh,
    /// The first line is unfinished; its first `scanned` bytes hold no end.
    Line {
        scanned: usize,
    },
    Arguments(Arguments),
}

/// Inside a multibulk. Positions are relative to the request's first byte.
#[derive(Clone, Copy, Debug)]
struct Arguments {
    position: usize,
    remaining: usize,
    /// The length of the argument at `position`, once its `$` line was read.
    bulk: Option<usize>,
    scanned: usize,
}

impl RequestDecoder {
    /// A decoder that trusts its peer: see [`RequestDecoder::set_trust`].
    pub fn new(limits: Limits) -> Self {
        let mut decoder = Self {
            limits,
            trust: Trust::Authenticated,
            args_max: 0,
            bulk_max: 0,
            state: State::Fresh,
            pending: Vec::new(),
            scratch: Vec::new(),
        };
        decoder.set_limits(limits);
        decoder
    }

    /// Changes the limits for the lengths that are read from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        let limits = Limits { bulk_bytes_max: limits.bulk_bytes_max.min(INPUT_BYTES_MAX), ..limits };
        self.limits = limits;
        (self.args_max, self.bulk_max) = match self.trust {
            Trust::Authenticated => (limits.multibulk_count_max, limits.bulk_bytes_max),
            Trust::Unauthenticated => (
                limits.multibulk_count_max.min(limits.unauthenticated_multibulk_count_max),
                limits.bulk_bytes_max.min(limits.unauthenticated_bulk_bytes_max),
            ),
        };
    }

    /// Says whether the small limits of strangers apply.
    pub fn set_trust(&mut self, trust: Trust) {
        self.trust = trust;
        self.set_limits(self.limits);
    }

    /// The bytes that ranges of a [`Source::Scratch`] request point into.
    pub fn scratch(&self) -> &[u8] {
        &self.scratch
    }

    /// How long the input must at least become, counted from the unfinished request's first byte, before another
    /// `decode` can get further. A host may wait for that much, but should not allocate by it: it is only a claim.
    pub fn needed(&self) -> usize {
        match self.state {
            State::Fresh => 1,
            State::Line { scanned } => scanned + 1,
            State::Arguments(Arguments { position, bulk: Some(len), .. }) => position + len + 2,
            State::Arguments(Arguments { position, scanned, .. }) => position.max(scanned) + 1,
        }
    }

    /// Decodes the request that starts at the first byte of `input`, appending its arguments to `ranges`.
    ///
    /// Appends nothing unless it returns a request. After `Incomplete`, the next call must be given the same bytes again
    /// with more behind them (at any address). After an error the connection is lost.
    #[inline]
    pub fn decode(&mut self, input: &[u8], ranges: &mut Vec<ArgRange>) -> Result<Decoded, ProtocolError> {
        self.decode_from(input, 0, ranges)
    }

    /// Like [`RequestDecoder::decode`] for the request that starts at `input[from]`. Ranges are relative to `input`, so that a
    /// whole pipeline can be decoded before its first request is executed; `consumed` is relative to `from`.
    /// Only the first 4 GiB of `input` are looked at.
    #[inline]
    pub fn decode_from(
        &mut self,
        input: &[u8],
        from: usize,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Decoded, ProtocolError> {
        let input = visible(input);
        let first = ranges.len();
        if matches!(self.state, State::Fresh) {
            if let Some(end) = whole_multibulk(input, from, self.args_max, self.bulk_max, ranges) {
                return Ok(Decoded::Request { consumed: end - from, args: first..ranges.len(), source: Source::Input });
            }
            ranges.truncate(first);
        }
        self.step(input, from, ranges)
    }

    #[cold]
    fn step(&mut self, input: &[u8], from: usize, ranges: &mut Vec<ArgRange>) -> Result<Decoded, ProtocolError> {
        let view = input.get(from..).unwrap_or_default();
        let Some(&first) = view.first() else { return Ok(Decoded::Incomplete) };
        let decoded = match std::mem::replace(&mut self.state, State::Fresh) {
            State::Arguments(place) => self.arguments(view, from, place, ranges)?,
            State::Fresh if first == b'*' => self.count(view, from, 1, ranges)?,
            State::Line { scanned } if first == b'*' => self.count(view, from, scanned, ranges)?,
            State::Fresh => self.inline(view, from, 0, ranges)?,
            State::Line { scanned } => self.inline(view, from, scanned, ranges)?,
        };
        if decoded == Decoded::Incomplete && view.len() > self.limits.query_buffer_bytes_max.min(INPUT_BYTES_MAX - 1) {
            return Err(ProtocolError::QueryBufferFull);
        }
        Ok(decoded)
    }

    fn count(
        &mut self,
        view: &[u8],
        from: usize,
        scanned: usize,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Decoded, ProtocolError> {
        let line = match find_line(view, 0, scanned, b'\r', self.limits.inline_bytes_max) {
            LineSearch::Found(end) => end,
            LineSearch::TooLong => return Err(ProtocolError::TooBigMultibulkCount),
            LineSearch::Unfinished { scanned } => {
                self.state = State::Line { scanned };
                return Ok(Decoded::Incomplete);
            }
        };
        let count = parse_i64(&view[1..line]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        let position = line + 2;
        if count <= 0 {
            return Ok(Decoded::Empty { consumed: position });
        }
        let remaining = usize::try_from(count).map_err(|_| ProtocolError::InvalidMultibulkLength)?;
        if remaining > self.limits.multibulk_count_max {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if remaining > self.args_max {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        self.pending.clear();
        self.arguments(view, from, Arguments { position, remaining, bulk: None, scanned: position }, ranges)
    }

    fn arguments(
        &mut self,
        view: &[u8],
        from: usize,
        mut place: Arguments,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Decoded, ProtocolError> {
        while place.remaining > 0 {
            let len = match place.bulk {
                Some(len) => len,
                None => match find_line(view, place.position, place.scanned, b'\r', self.limits.inline_bytes_max) {
                    LineSearch::Found(end) => {
                        let len = self.bulk_length(&view[place.position..end])?;
                        place.position = end + 2;
                        place.bulk = Some(len);
                        len
                    }
                    LineSearch::TooLong => return Err(ProtocolError::TooBigBulkCount),
                    LineSearch::Unfinished { scanned } => {
                        place.scanned = scanned;
                        self.state = State::Arguments(place);
                        return Ok(Decoded::Incomplete);
                    }
                },
            };
            if view.len() - place.position < len + 2 {
                self.state = State::Arguments(place);
                return Ok(Decoded::Incomplete);
            }
            self.pending.push(ArgRange::new(place.position, len));
            place.position += len + 2;
            place.scanned = place.position;
            place.bulk = None;
            place.remaining -= 1;
        }
        let first = ranges.len();
        // Taken, so that a connection does not keep the memory of its largest request.
        let pending = std::mem::take(&mut self.pending);
        ranges.extend(pending.iter().map(|arg| ArgRange { start: arg.start + from as u32, len: arg.len }));
        Ok(Decoded::Request { consumed: place.position, args: first..ranges.len(), source: Source::Input })
    }

    /// Reads a `$` line without its end.
    fn bulk_length(&self, line: &[u8]) -> Result<usize, ProtocolError> {
        // An empty line shows its carriage return here, as in Redis.
        let first = line.first().copied().unwrap_or(b'\r');
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let len = parse_i64(&line[1..])
            .and_then(|len| usize::try_from(len).ok())
            .filter(|&len| len <= self.limits.bulk_bytes_max)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if len > self.bulk_max {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(len)
    }

    fn inline(
        &mut self,
        view: &[u8],
        from: usize,
        scanned: usize,
        ranges: &mut Vec<ArgRange>,
    ) -> Result<Decoded, ProtocolError> {
        let end = match find_line(view, 0, scanned, b'\n', self.limits.inline_bytes_max) {
            LineSearch::Found(end) => end,
            LineSearch::TooLong => return Err(ProtocolError::TooBigInline),
            LineSearch::Unfinished { scanned } => {
                self.state = State::Line { scanned };
                return Ok(Decoded::Incomplete);
            }
        };
        let line = view[..end].strip_suffix(b"\r").unwrap_or(&view[..end]);
        let first = ranges.len();
        let source = inline::split(line, from, &mut self.scratch, ranges)?;
        let consumed = end + 1;
        if ranges.len() == first {
            return Ok(Decoded::Empty { consumed });
        }
        Ok(Decoded::Request { consumed, args: first..ranges.len(), source })
    }
}

/// True if a request with this first argument comes from a web browser or proxy that was tricked into talking to this
/// port: the connection is to be closed without an answer and without executing anything more of it.
pub fn is_http_attack(first_arg: &[u8]) -> bool {
    first_arg.eq_ignore_ascii_case(b"POST") || first_arg.eq_ignore_ascii_case(b"Host:")
}

/// Decodes the multibulk at `input[from]` if it is whole, within limits and spelled as clients spell it; returns its
/// end. `None` leaves the judgement to the state machine and may leave garbage at the end of `ranges`.
#[inline]
fn whole_multibulk(
    input: &[u8],
    from: usize,
    args_max: usize,
    bulk_max: usize,
    ranges: &mut Vec<ArgRange>,
) -> Option<usize> {
    if *input.get(from)? != b'*' {
        return None;
    }
    let (count, mut at) = short_number(input, from + 1)?;
    if count == 0 || count > args_max {
        return None;
    }
    for _ in 0..count {
        if *input.get(at)? != b'$' {
            return None;
        }
        let (len, start) = short_number(input, at + 1)?;
        at = start + len + 2;
        if len > bulk_max || at > input.len() {
            return None;
        }
        ranges.push(ArgRange::new(start, len));
    }
    Some(at)
}

/// Reads a number of one to nine digits without leading zeros, ended by `\r` and any byte, at `input[at]`. Returns it
/// with the index behind its end.
#[inline(always)]
fn short_number(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut number = usize::from(input.get(at)?.wrapping_sub(b'0'));
    if number > 9 {
        return None;
    }
    let mut end = at + 1;
    loop {
        let byte = *input.get(end)?;
        let digit = usize::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return (byte == b'\r').then_some((number, end + 2));
        }
        if number == 0 || end - at >= SHORT_NUMBER_DIGITS {
            return None;
        }
        number = number * 10 + digit;
        end += 1;
    }
}

enum LineSearch {
    /// The index of the terminator. After `\r`, one more byte is there.
    Found(usize),
    TooLong,
    Unfinished {
        scanned: usize,
    },
}

/// Looks for `terminator` in the line that starts at `view[start]`, of which all before `scanned` was searched already.
fn find_line(view: &[u8], start: usize, scanned: usize, terminator: u8, line_max: usize) -> LineSearch {
    let from = scanned.max(start).min(view.len());
    match view[from..].iter().position(|&byte| byte == terminator) {
        Some(found) if from + found - start > line_max => LineSearch::TooLong,
        Some(found) if terminator == b'\n' || from + found + 1 < view.len() => LineSearch::Found(from + found),
        // The byte behind `\r` is missing: look at the `\r` again.
        Some(found) => LineSearch::Unfinished { scanned: from + found },
        None if view.len().saturating_sub(start) > line_max => LineSearch::TooLong,
        None => LineSearch::Unfinished { scanned: view.len() },
    }
}

/// The part of `input` that ranges can address.
#[inline(always)]
fn visible(input: &[u8]) -> &[u8] {
    &input[..input.len().min(INPUT_BYTES_MAX)]
}

/// Ranges hold 32-bit positions.
const INPUT_BYTES_MAX: usize = u32::MAX as usize;

/// More digits than any length in use has, and few enough that no sum of such numbers overflows.
const SHORT_NUMBER_DIGITS: usize = 9;

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
