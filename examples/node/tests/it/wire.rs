//! A client that keeps the bytes of each reply as they came, and what is done to replies before they are compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection over a Unix socket.
pub(crate) struct Wire {
    stream: BufReader<UnixStream>,
}

impl Wire {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Writes to a peer that may be gone.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub(crate) fn ask(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        self.write(&encode(words));
        self.reply()
    }

    /// The bytes of one whole reply; fewer if the connection ended or nothing came for a while.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        let mut owed = 1;
        while owed > 0 {
            owed -= 1;
            let start = reply.len();
            match self.stream.read_until(b'\n', &mut reply) {
                Ok(count) if count > 0 => {}
                _ => break,
            }
            let line = String::from_utf8_lossy(&reply[start + 1..]).trim_end().parse::<usize>();
            match (reply[start], line) {
                (b'$' | b'=', Ok(size)) => {
                    let from = reply.len();
                    reply.resize(from + size + 2, 0);
                    if self.stream.read_exact(&mut reply[from..]).is_err() {
                        break;
                    }
                }
                (b'*' | b'~' | b'>', Ok(count)) => owed += count,
                (b'%', Ok(count)) => owed += 2 * count,
                _ => {}
            }
        }
        reply
    }

    /// Says that nothing more will be sent and returns everything that comes until the peer closes.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        // A peer that has closed already refuses this; what it said is still there.
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }
}

/// A request in RESP.
pub(crate) fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The reply with every run of digits replaced by `N`, lengths included.
pub(crate) fn without_digits(reply: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(reply.len());
    for &byte in reply {
        match byte.is_ascii_digit() {
            true if plain.last() == Some(&b'N') => {}
            true => plain.push(b'N'),
            false => plain.push(byte),
        }
    }
    plain
}

/// The reply's lines in order of their bytes: for replies whose elements come in no promised order.
pub(crate) fn sorted(reply: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = reply.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// The bytes as a person reads them: one line, what is not printable escaped.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string().replace("\\'", "'");
    match text.char_indices().nth(READABLE_CHARS_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], bytes.len()),
        None => text,
    }
}

/// The bytes that a line of `redis-cli` stands for, word by word: bare words, `"..."` with escapes, `'...'`, and
/// `(text*count)` for a text many times over.
pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            '"' => quoted(rest),
            _ => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (bare(&rest[..end]), end)
            }
        };
        words.push(word);
        rest = rest[length..].trim_start();
    }
    words
}

fn bare(word: &str) -> Vec<u8> {
    let repeated = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).and_then(|word| word.split_once('*'));
    match repeated {
        Some((text, count)) => text.repeat(count.parse().unwrap()).into_bytes(),
        None => word.as_bytes().to_vec(),
    }
}

/// Bytes of a text that opens with a double quote, and the length of the text up to the closing one.
pub(crate) fn quoted(text: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut at = 1;
    let text = text.as_bytes();
    while text[at] != b'"' {
        let (byte, length) = match &text[at..] {
            [b'\\', b'x', high, low, ..] => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(), 4)
            }
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', byte, ..] => (*byte, 2),
            [byte, ..] => (*byte, 1),
            [] => panic!("no closing quote"),
        };
        bytes.push(byte);
        at += length;
    }
    (bytes, at + 1)
}

/// How long a test waits for a reply.
const LIMIT: Duration = Duration::from_secs(20);

const READABLE_CHARS_MAX: usize = 600;
