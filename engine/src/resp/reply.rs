//! The reply writer: values of RESP3, written as RESP3 or in the clothes RESP2 has for them.
//!
//! | written | RESP2 | RESP3 |
//! |---|---|---|
//! | null, null array | `$-1`, `*-1` | `_` |
//! | map of n, set, push | `*2n`, `*n`, `*n` | `%n`, `~n`, `>n` |
//! | boolean | `:1`, `:0` | `#t`, `#f` |
//! | double, big number, verbatim | bulk string | `,` `(` `=` |
//!
//! Whatever is written is well framed: line ends inside of simple strings and errors become spaces. Aggregate headers
//! are the caller's promise; when the length is not known beforehand, see [`ReplyWriter::begin_array`].

use crate::text::{DecimalBuffer, DoubleBuffer, format_f64, format_i64};

/// Which protocol version a client asked for with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RespVersion {
    /// RESP2, until the client says otherwise.
    #[default]
    V2,
    /// RESP3.
    V3,
}

/// Appends replies to a buffer.
///
/// ```
/// use keyslot_engine::resp::{ReplyWriter, RespVersion};
/// let mut out = Vec::new();
/// let mut reply = ReplyWriter::new(&mut out, RespVersion::V3);
/// reply.map(1);
/// reply.bulk(b"version");
/// reply.double(7.2);
/// assert_eq!(out, b"%1\r\n$7\r\nversion\r\n,7.2\r\n");
/// ```
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    version: RespVersion,
}

/// An aggregate whose length is still to be told, in the same order as they were begun.
#[derive(Debug)]
#[must_use = "the reply stays broken until the aggregate is ended"]
pub struct Deferred {
    /// Where the header was reserved.
    at: usize,
    /// How long it was thought to be.
    size: usize,
}

impl<'a> ReplyWriter<'a> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, version: RespVersion) -> Self {
        Self { out, version }
    }

    /// The protocol version in use.
    #[inline]
    pub fn version(&self) -> RespVersion {
        self.version
    }

    /// Writes in another version from here on: HELLO answers in the one that it agreed on.
    pub fn set_version(&mut self, version: RespVersion) {
        self.version = version;
    }

    /// How many bytes the buffer holds, earlier replies included.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// True while the buffer holds nothing.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }

    /// A simple string that may hold arbitrary bytes.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error; `text` begins with its code, such as `ERR` or `WRONGTYPE`.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error whose text may quote arbitrary bytes.
    #[cold]
    pub fn error_bytes(&mut self, text: &[u8]) {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = text.iter().position(|byte| !is_end(byte)).unwrap_or(text.len());
        let end = text.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
        self.line(b'-', &text[start..end]);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match value {
            0..=9 => self.out.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']),
            _ => self.number_line(b':', value),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + BULK_FRAME_BYTES_MAX);
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A bulk string holding a decimal number.
    #[inline]
    pub fn bulk_i64(&mut self, value: i64) {
        self.bulk(format_i64(value, &mut DecimalBuffer::new()));
    }

    /// The absence of a value.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.version {
            RespVersion::V2 => b"$-1\r\n".as_slice(),
            RespVersion::V3 => b"_\r\n",
        });
    }

    /// The absence of an array.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.version {
            RespVersion::V2 => b"*-1\r\n".as_slice(),
            RespVersion::V3 => b"_\r\n",
        });
    }

    /// The header of an array of `len` elements, which follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The header of a map of `len` pairs, which follow as key, value, key, value.
    pub fn map(&mut self, len: usize) {
        match self.version {
            RespVersion::V2 => self.header(b'*', len.saturating_mul(2)),
            RespVersion::V3 => self.header(b'%', len),
        }
    }

    /// The header of a set of `len` elements, which follow.
    pub fn set(&mut self, len: usize) {
        self.header(self.kind(b'~'), len);
    }

    /// The header of a push of `len` elements, which follow.
    pub fn push(&mut self, len: usize) {
        self.header(self.kind(b'>'), len);
    }

    /// The header of `len` pairs of attributes, which follow, ahead of the reply they describe. RESP2 has none: returns
    /// false, and the pairs must be left out.
    #[must_use = "when false, nothing was written and nothing may follow"]
    pub fn attribute(&mut self, len: usize) -> bool {
        if self.version == RespVersion::V3 {
            self.header(b'|', len);
        }
        self.version == RespVersion::V3
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.version, value) {
            (RespVersion::V2, true) => b":1\r\n",
            (RespVersion::V2, false) => b":0\r\n",
            (RespVersion::V3, true) => b"#t\r\n",
            (RespVersion::V3, false) => b"#f\r\n",
        });
    }

    /// A double, in the form of [`format_f64`].
    pub fn double(&mut self, value: f64) {
        let mut buffer = DoubleBuffer::new();
        let text = format_f64(value, &mut buffer);
        match self.version {
            RespVersion::V2 => self.bulk(text),
            RespVersion::V3 => self.line(b',', text),
        }
    }

    /// An integer of any size, given as decimal digits with an optional sign.
    pub fn big_number(&mut self, digits: &str) {
        self.big_number_bytes(digits.as_bytes());
    }

    pub(super) fn big_number_bytes(&mut self, digits: &[u8]) {
        match self.version {
            RespVersion::V2 => self.bulk(digits),
            RespVersion::V3 => self.line(b'(', digits),
        }
    }

    /// Text with a three-letter format, such as `txt` or `mkd`. Formats of other lengths are cut or padded.
    pub fn verbatim(&mut self, format: &str, bytes: &[u8]) {
        let mut name = *b"   ";
        name.iter_mut().zip(format.bytes()).for_each(|(place, byte)| *place = byte);
        self.verbatim_bytes(name, bytes);
    }

    pub(super) fn verbatim_bytes(&mut self, format: [u8; 3], bytes: &[u8]) {
        match self.version {
            RespVersion::V2 => self.bulk(bytes),
            RespVersion::V3 => {
                self.header(b'=', bytes.len() + format.len() + 1);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(bytes);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Appends replies that are encoded already, for this version.
    #[inline]
    pub fn encoded(&mut self, replies: &[u8]) {
        self.out.extend_from_slice(replies);
    }

    /// Begins an array whose length is told by [`ReplyWriter::end_array`]. Lengths below ten cost nothing; above, the
    /// elements are moved once by a few bytes. Nested ones must be ended inside first.
    pub fn begin_array(&mut self) -> Deferred {
        self.begin_array_of(0)
    }

    /// As [`begin_array`](Self::begin_array), for one that is expected to have so many elements: nothing is moved where its
    /// length has as many digits.
    #[inline]
    pub fn begin_array_of(&mut self, expected: usize) -> Deferred {
        let at = self.out.len();
        self.header(b'*', expected);
        Deferred { at, size: self.out.len() - at }
    }

    /// Says that `len` elements were written since `deferred` was begun.
    pub fn end_array(&mut self, deferred: Deferred, len: usize) {
        self.end(deferred, b'*', len);
    }

    /// Begins a map whose length is told by [`ReplyWriter::end_map`].
    pub fn begin_map(&mut self) -> Deferred {
        self.begin_array()
    }

    /// Says that `len` pairs were written since `deferred` was begun.
    pub fn end_map(&mut self, deferred: Deferred, len: usize) {
        match self.version {
            RespVersion::V2 => self.end(deferred, b'*', len.saturating_mul(2)),
            RespVersion::V3 => self.end(deferred, b'%', len),
        }
    }

    /// Begins a set whose length is told by [`ReplyWriter::end_set`].
    pub fn begin_set(&mut self) -> Deferred {
        self.begin_array()
    }

    /// Says that `len` elements were written since `deferred` was begun.
    pub fn end_set(&mut self, deferred: Deferred, len: usize) {
        self.end(deferred, self.kind(b'~'), len);
    }

    fn end(&mut self, deferred: Deferred, kind: u8, len: usize) {
        let header = deferred.at..deferred.at + deferred.size;
        // Written at the end, from where it goes to its place.
        let end = self.out.len();
        self.header(kind, len);
        let size = self.out.len() - end;
        if size == header.len() {
            self.out.copy_within(end.., header.start);
            self.out.truncate(end);
        } else {
            self.out[header.start..].rotate_right(size);
            self.out.drain(header.start + size..header.end + size);
        }
    }

    /// The type byte of an aggregate that RESP2 knows as an array.
    #[inline]
    fn kind(&self, resp3: u8) -> u8 {
        match self.version {
            RespVersion::V2 => b'*',
            RespVersion::V3 => resp3,
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, len: usize) {
        let digit = |number: usize| b'0' + (number % 10) as u8;
        match len {
            0..10 => self.out.extend_from_slice(&[kind, digit(len), b'\r', b'\n']),
            10..100 => self.out.extend_from_slice(&[kind, digit(len / 10), digit(len), b'\r', b'\n']),
            100..1000 => {
                self.out.extend_from_slice(&[kind, digit(len / 100), digit(len / 10), digit(len), b'\r', b'\n']);
            }
            _ => self.number_line(kind, i64::try_from(len).unwrap_or(i64::MAX)),
        }
    }

    fn number_line(&mut self, kind: u8, value: i64) {
        let mut number = DecimalBuffer::new();
        let digits = format_i64(value, &mut number);
        self.out.reserve(BULK_FRAME_BYTES_MAX);
        self.out.push(kind);
        self.out.extend_from_slice(digits);
        self.out.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(kind);
        let start = self.out.len();
        self.out.extend_from_slice(text);
        for byte in &mut self.out[start..] {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// The type byte, twenty digits, two line ends.
const BULK_FRAME_BYTES_MAX: usize = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut ReplyWriter<'_>)) -> (String, String) {
        let text = |version| {
            let mut out = Vec::new();
            write(&mut ReplyWriter::new(&mut out, version));
            String::from_utf8(out).unwrap()
        };
        (text(RespVersion::V2), text(RespVersion::V3))
    }

    type Write = fn(&mut ReplyWriter<'_>);

    #[test]
    fn each_kind_in_both_versions() {
        let rows: &[(Write, &str, &str)] = &[
            (|r| r.ok(), "+OK\r\n", "+OK\r\n"),
            (|r| r.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
            (|r| r.error("ERR no"), "-ERR no\r\n", "-ERR no\r\n"),
            (|r| r.error("\r\nERR a\r\nb\n"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (|r| r.error("\r\n"), "-\r\n", "-\r\n"),
            (|r| r.simple("a\nb"), "+a b\r\n", "+a b\r\n"),
            (|r| r.integer(7), ":7\r\n", ":7\r\n"),
            (|r| r.integer(-1), ":-1\r\n", ":-1\r\n"),
            (|r| r.integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            (|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (|r| r.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
            (|r| r.bulk_i64(-42), "$3\r\n-42\r\n", "$3\r\n-42\r\n"),
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.null_array(), "*-1\r\n", "_\r\n"),
            (|r| r.array(3), "*3\r\n", "*3\r\n"),
            (|r| r.map(2), "*4\r\n", "%2\r\n"),
            (|r| r.set(2), "*2\r\n", "~2\r\n"),
            (|r| r.push(2), "*2\r\n", ">2\r\n"),
            (|r| assert_eq!(r.attribute(1), r.version() == RespVersion::V3), "", "|1\r\n"),
            (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
            (|r| r.boolean(false), ":0\r\n", "#f\r\n"),
            (|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
            (|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
            (|r| r.double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n"),
            (|r| r.big_number("12345678901234567890"), "$20\r\n12345678901234567890\r\n", "(12345678901234567890\r\n"),
            (|r| r.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (|r| r.verbatim("markdown", b""), "$0\r\n\r\n", "=4\r\nmar:\r\n"),
        ];
        for (write, v2, v3) in rows {
            assert_eq!(both(write), ((*v2).to_owned(), (*v3).to_owned()));
        }
    }

    #[test]
    fn headers_of_every_width() {
        for len in [0, 9, 10, 99, 100, 999, 1000, 12_345, 1_000_000_000] {
            assert_eq!(both(|r| r.array(len)).0, format!("*{len}\r\n"));
        }
        let long = "x".repeat(1234);
        assert_eq!(both(|r| r.bulk(long.as_bytes())).0, format!("$1234\r\n{long}\r\n"));
    }

    #[test]
    fn an_array_may_turn_out_shorter_or_longer_than_expected() {
        for expected in [0, 9, 10, 99, 5000] {
            for len in [0, 7, 10, 100, 5000] {
                let deferred = both(|r| {
                    r.simple("before");
                    let array = r.begin_array_of(expected);
                    (0..len).for_each(|n| r.integer(n as i64));
                    r.end_array(array, len);
                });
                let known = both(|r| {
                    r.simple("before");
                    r.array(len);
                    (0..len).for_each(|n| r.integer(n as i64));
                });
                assert_eq!(deferred, known, "{expected} {len}");
            }
        }
    }

    #[test]
    fn deferred_lengths_equal_known_ones() {
        for len in [0, 1, 9, 10, 11, 100, 1234] {
            let known = both(|r| {
                r.array(2);
                r.map(len);
                for n in 0..len as i64 {
                    r.integer(n);
                    r.bulk_i64(n);
                }
                r.set(len);
                for n in 0..len as i64 {
                    r.integer(n);
                }
            });
            let deferred = both(|r| {
                let outer = r.begin_array();
                let inner = r.begin_map();
                for n in 0..len as i64 {
                    r.integer(n);
                    r.bulk_i64(n);
                }
                r.end_map(inner, len);
                let inner = r.begin_set();
                for n in 0..len as i64 {
                    r.integer(n);
                }
                r.end_set(inner, len);
                r.end_array(outer, 2);
            });
            assert_eq!(deferred, known, "{len}");
        }
    }
}
